/*
 * seen_log.h - log.c replaced: what was logged can be asked for.
 */
#ifndef SAMPUL_TEST_SEEN_LOG_H
#define SAMPUL_TEST_SEEN_LOG_H

#include <stdbool.h>

void	 seen_log_clear(void);
/* All lines since then, "warning: text\n" each; one static buffer. */
const char *seen_log(void);
/* How often text occurs in them. */
unsigned seen_log_count(const char *text);

#endif
