/*
 * fixture.h - a configuration and a header for the tests of the mail process.
 */
#ifndef SAMPUL_TEST_FIXTURE_H
#define SAMPUL_TEST_FIXTURE_H

#include "../../milter/conf.h"
#include "../../smime/smime.h"

/* The settings that tests of policy and sessions begin with. */
#define FIXTURE_TOP							\
	"domains = [ \".pekalongankab.go.id\" ];\n"			\
	"authserv_id = \"mx.pekalongankab.go.id\";\n"			\
	"help = \"helpdesk@pekalongankab.go.id\";\n"			\
	"user = \"\"; key_user = \"\";\n"				\
	FIXTURE_VERIFY
#ifndef FIXTURE_VERIFY
#define FIXTURE_VERIFY	"verify = { enabled = false; };\n"
#endif
#define FIXTURE_LOGIN							\
	"origins = ( { name = \"mailboxes\"; kind = \"login\"; } );\n"

/* Both fail the test with conf.c's sentence when it is not taken: a file, or a
 * text. */
struct conf	*fixture_read(const char *file);
struct conf	*fixture_conf(const char *text);
/* Fields from lines "Name: value", each ended by LF. */
void		 fixture_header(struct header_list *out, const char *lines);

#endif
