/*
 * from.h - tables of From values, for the tests of address.c and display.c.
 */
#ifndef FROM_H
#define FROM_H

#include "../../smime/smime.h"

#define BUDI	"budi@dinkes.pekalongankab.go.id"
#define SITI	"siti@dinkes.pekalongankab.go.id"

struct from_case {
	const char		*what;
	const char		*input;
	enum address_result	 want;
	const char		*address;	/* NULL: BUDI */
};

#define FROM_RUN(table)	from_run((table), sizeof(table) / sizeof((table)[0]))

/* address_from of one field of that value. */
enum address_result from_value(const char *value, size_t len, char *out);
/* Every case; fails the test when one gives something else. */
void	 from_run(const struct from_case *cases, size_t count);

#endif
