#ifndef SAMPUL_BENCH_GENERATE_H
#define SAMPUL_BENCH_GENERATE_H

#include "mta.h"

/* A message of about size octets: "clean", "attachment" (base64), "8bit" text
 * or a "binary" attachment, which both need re-encoding. 0 or -1. */
int	 generate(struct mta_message *out, const char *kind, size_t size);

#endif
