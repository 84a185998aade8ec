/*
 * judged.h - what the fuzzers of verification share: authorities, a verdict on
 * a message in pieces, and what must hold for every verdict.
 */
#ifndef SAMPUL_FUZZ_JUDGED_H
#define SAMPUL_FUZZ_JUDGED_H

#include "../../smime/smime.h"

#define BUDI	"budi@dinkes.pekalongankab.go.id"
#define MUST(x) do { if (!(x)) { \
	fprintf(stderr, "not so: %s\n", #x); abort(); } } while (0)

/* Settings with the trust of the seeds' time; made once. */
const struct verify_settings *judged_settings(void);
/* The verdict by pieces of 1 to step octets; 0: at once. */
void	 judged_verify(const struct verify_settings *settings,
	    const unsigned char *p, size_t len, size_t step,
	    struct verdict *out);
/* Aborts on a verdict that contradicts itself. */
void	 judged_check(const struct verdict *verdict);
bool	 judged_same(const struct verdict *a, const struct verdict *b);

#endif
