/*
 * fields.h - what a reader, a program and a filter would take out of the
 * header fields of a verdict.
 */
#ifndef SAMPUL_TEST_FIELDS_H
#define SAMPUL_TEST_FIELDS_H

#include "../../smime/smime.h"

/* Whether anything good is said anywhere; *text receives the fields. */
bool	 fields_say_good(const struct verdict *verdict, char *text,
	    size_t size);
/* The verdict on a message of FIELDS_BUDI's with nothing wrong about it. */
void	 fields_good(struct verdict *out);
#define FIELDS_BUDI	"budi@dinkes.pekalongankab.go.id"

#endif
