/*
 * test_conf.c - reading the configuration: what is understood, and the place
 * and remedy in every refusal.
 */
#include <sys/stat.h>

#include <arpa/inet.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../milter/conf.h"
#include "../../milter/confread.h"
#include "../../smime/smime.h"

#define DOMAINS	"domains = [ \".pekalongankab.go.id\" ];\n"

/*
 * libconfig 1.5 loses the string it was reading at a syntax error: a few
 * octets for each broken configuration, and nothing of ours.
 */
const char	*__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
	return "leak:libconfig";
}

static char dir[] = "/tmp/sampul-conf-XXXXXX";

static const char *
in_dir(const char *name)
{
	static char path[2][128];
	static int turn;

	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", dir, name);
	return path[turn];
}

static void
write_file(const char *name, const char *text)
{
	FILE *f = fopen(in_dir(name), "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static struct conf *
read_ok(const char *text)
{
	struct smime_error err = { "" };
	struct conf *conf;

	write_file("a.conf", text);
	conf = conf_read(in_dir("a.conf"), &err);
	if (conf == NULL)
		print_error("got: %s\n", err.text);
	assert_non_null(conf);
	return conf;
}

/* ------------------------------------------------------------- refusals --- */

#define SUBMIT	"submit = { server = \"127.0.0.1:10027\"; }; "

/* want: everything behind the directory; "a.conf:2: path: sentence..." */
static const struct {
	const char	*what;
	const char	*text;
	const char	*want;
} broken[] = {
	{ "unknown, with a suggestion",
	    DOMAINS "milter = { sockt = \"/run/x\"; };",
	    "a.conf:2: milter.sockt: unknown setting; did you mean "
	    "milter.socket?" },
	{ "unknown at the top, known in a group",
	    DOMAINS "socket = \"/run/x\";",
	    "a.conf:2: socket: unknown setting; did you mean milter.socket?" },
	{ "unknown group",
	    DOMAINS "\nmiltr = { };",
	    "a.conf:3: miltr: unknown setting; did you mean milter?" },
	{ "unknown list",
	    DOMAINS "rule = ( );",
	    "a.conf:2: rule: unknown setting; did you mean rules?" },
	{ "unknown, nothing near",
	    DOMAINS "tea = 1;",
	    "a.conf:2: tea: unknown setting; see sampul.conf(5)" },
	{ "a group's setting in another group",
	    DOMAINS "spool = { passphrase_file = \"/x\"; };",
	    "a.conf:2: spool.passphrase_file: unknown setting; did you mean "
	    "keystore.passphrase_file?" },
	{ "our own setting from outside",
	    DOMAINS "source_file = \"/x\";",
	    "a.conf:2: source_file: unknown setting" },
	{ "twice", DOMAINS "help = \"a\";\nhelp = \"b\";",
	    "a.conf:3: duplicate setting name" },
	{ "a group twice", DOMAINS "spool = { };\nspool = { };",
	    "a.conf:3: duplicate setting name" },
	{ "syntax", DOMAINS "help = \"a\"\nlanguage == \"id\";",
	    "a.conf:3: syntax error; look for a missing ';'" },
	{ "string not closed", DOMAINS "help = \"a;\n\n",
	    "a.conf:4: a string is not closed by '\"'" },
	{ "comment not closed", DOMAINS "/* help",
	    "a.conf:2: a comment is not closed by \"*/\"" },
	{ "group instead of a string", DOMAINS "help = { };",
	    "a.conf:2: help: wrong type; write a string in quotes" },
	{ "string instead of a group", DOMAINS "milter = \"x\";",
	    "a.conf:2: milter: wrong type; write { name = value; ... }" },
	{ "number instead of a string", DOMAINS "help = 12;",
	    "a.conf:2: help: wrong type; write a string in quotes" },
	{ "string instead of a number",
	    DOMAINS "milter = {\nmax_connections = \"10\"; };",
	    "a.conf:3: milter.max_connections: wrong type; write a whole "
	    "number without quotes" },
	{ "float", DOMAINS "milter = { max_connections = 1.5; };",
	    "a.conf:2: milter.max_connections: wrong type" },
	{ "string instead of a boolean", DOMAINS "signing = { pss = \"yes\"; };",
	    "a.conf:2: signing.pss: wrong type; write true or false" },
	{ "below the range", DOMAINS "milter = { max_connections = 0; };",
	    "a.conf:2: milter.max_connections: 0 is out of range; allowed are "
	    "1 to 10000" },
	{ "above the range", DOMAINS "milter = { max_connections = 10001; };",
	    "a.conf:2: milter.max_connections: 10001 is out of range" },
	/* libconfig 1.5 would take it for 10 */
	{ "above 32 bits", DOMAINS "milter = { max_connections = 4294967306; };",
	    "a.conf:2: milter.max_connections: 4294967306 is out of range" },
	{ "above 64 bits", DOMAINS "milter = { max_message = "
	    "18446744073709551621; };",
	    "a.conf:2: the number is too large" },
	{ "negative", DOMAINS "milter = { max_message = -1; };",
	    "a.conf:2: milter.max_message: must not be negative" },
	{ "unit of size", DOMAINS "milter = { max_message = \"25X\"; };",
	    "a.conf:2: milter.max_message: \"25X\" is not understood; write "
	    "octets, or \"256k\", \"25M\", \"1G\"" },
	{ "size that passes 64 bits",
	    DOMAINS "milter = { max_message = \"99999999999999G\"; };",
	    "a.conf:2: milter.max_message: \"99999999999999G\" is not "
	    "understood" },
	{ "unit of time", DOMAINS "milter = { idle_timeout = \"5 m\"; };",
	    "a.conf:2: milter.idle_timeout: \"5 m\" is not understood; write "
	    "seconds" },
	{ "word", DOMAINS "mode = \"observer\";",
	    "a.conf:2: mode: \"observer\" is unknown; it is one of "
	    "\"enforce\", \"observe\"" },
	{ "word of a list", DOMAINS "signing = { capabilities = [ "
	    "\"rc2-40\" ]; };",
	    "a.conf:2: signing.capabilities[0]: \"rc2-40\" is unknown" },
	{ "word alone", DOMAINS "signing = { capabilities = \"rc2-40\"; };",
	    "a.conf:2: signing.capabilities: \"rc2-40\" is unknown" },
	{ "word as a number", DOMAINS "signing = { capabilities = 5; };",
	    "a.conf:2: signing.capabilities: wrong type" },
	{ "mode as a number", DOMAINS "milter = { socket_mode = 0660; };",
	    "a.conf:2: milter.socket_mode: wrong type; write a file mode in "
	    "quotes: \"0660\"" },
	{ "no mode", DOMAINS "milter = { socket_mode = \"0990\"; };",
	    "a.conf:2: milter.socket_mode: \"0990\" is no file mode" },
	{ "socket without host", DOMAINS "milter = { socket = \"inet:8891\"; };",
	    "a.conf:2: milter.socket: \"8891\" would listen on every "
	    "interface; write inet:8891@127.0.0.1" },
	{ "socket without port",
	    DOMAINS "milter = { socket = \"inet:@127.0.0.1\"; };",
	    "a.conf:2: milter.socket: \"@127.0.0.1\": write inet:PORT@HOST" },
	{ "relative socket", DOMAINS "milter = { socket = \"unix:x\"; };",
	    "a.conf:2: milter.socket: \"unix:x\": write an absolute path" },
	{ "relative path", DOMAINS "spool = { dir = \"spool\"; };",
	    "a.conf:2: spool.dir: \"spool\" must be an absolute path" },
	{ "empty path", DOMAINS "spool = { dir = \"\"; };",
	    "a.conf:2: spool.dir: must not be empty" },
	{ "credential", DOMAINS "keystore = { passphrase_file = "
	    "\"credential:../x\"; };",
	    "a.conf:2: keystore.passphrase_file: \"credential:../x\" does not "
	    "name a credential" },
	{ "control character", DOMAINS "help = \"a\\nb\";",
	    "a.conf:2: help: holds a control character" },
	{ "8-bit help", DOMAINS "help = \"caf\xc3\xa9\";",
	    "a.conf:2: help: must be plain ASCII" },
	{ "field name", DOMAINS "signing = { skip_header = \"X Skip\"; };",
	    "a.conf:2: signing.skip_header: \"X Skip\" is no name" },
	{ "authserv_id", DOMAINS "authserv_id = \"mx; smime=pass\";",
	    "a.conf:2: authserv_id: \"mx; smime=pass\" may hold letters" },
	{ "no domains", "mode = \"observe\";\n",
	    "a.conf: domains: not given; name your mail domains" },
	{ "domain with @", "domains = [ \"x.go.id\",\n \"@y.go.id\" ];",
	    "a.conf:2: domains[1]: \"@y.go.id\": write the domain without "
	    "'@'" },
	{ "domain with *", "domains = \"*.x.go.id\";",
	    "a.conf:1: domains: \"*.x.go.id\": write \".example.go.id\"" },
	{ "no domain", "domains = [ \"x..id\" ];",
	    "a.conf:1: domains[0]: \"x..id\" is no domain" },
	{ "token user", DOMAINS "key_user = \"a\"; token_user = \"a\"; "
	    "keystore = { token_module = \"/x.so\"; };",
	    "a.conf: token_user: must be another user than user and key_user: "
	    "a token's module is kept from mail and from keys in files" },
	{ "submit user", DOMAINS "user = \"a\"; submit = { user = \"a\"; "
	    "server = \"127.0.0.1:1\"; };",
	    "a.conf: submit.user: must be another user than user, key_user "
	    "and token_user: it is the one that may connect" },
	{ "submit to a name", DOMAINS "submit = {\nserver = "
	    "\"localhost:25\"; };",
	    "a.conf:3: submit.server: \"localhost:25\": only an address of "
	    "this machine is taken: write 127.0.0.1 or [::1] and no name" },
	{ "submit without a port", DOMAINS "submit = { server = "
	    "\"127.0.0.1\"; };",
	    "a.conf:2: submit.server: \"127.0.0.1\": write an address of this "
	    "machine and a port, such as 127.0.0.1:10027 or [::1]:10027" },
	{ "submit for ever", DOMAINS "submit = { timeout = \"1h\"; };",
	    "a.conf:2: submit.timeout: 3600 is out of range; allowed are 1 "
	    "to 600" },
	{ "same users", DOMAINS "user = \"a\"; key_user = \"a\";",
	    "a.conf: key_user: must be another user than user (\"a\")" },

	{ "origins no list", DOMAINS "origins = { };",
	    "a.conf:2: origins: wrong type; write ( { ... }, { ... } )" },
	{ "origin without name", DOMAINS "origins = (\n{ kind = \"login\"; } );",
	    "a.conf:3: origins[0]: needs a \"name\"" },
	{ "origin without kind", DOMAINS "origins = ( { name = \"a\"; } );",
	    "a.conf:2: origins[0]: needs a \"kind\": \"login\"" },
	{ "origin's name twice", DOMAINS "origins = ( { name = \"a\"; "
	    "kind = \"login\"; },\n{ name = \"a\"; kind = \"login\"; } );",
	    "a.conf:3: origins[1]: the name \"a\" is taken" },
	{ "network without networks", DOMAINS "origins = ( { name = \"a\"; "
	    "kind = \"network\"; } );",
	    "a.conf:2: origins[0]: kind \"network\" needs \"networks\"" },
	{ "login with networks", DOMAINS "origins = ( { name = \"a\"; "
	    "kind = \"login\"; networks = \"10.0.0.1\"; } );",
	    "a.conf:2: origins[0]: \"networks\" belongs to kind" },
	{ "login with from", DOMAINS "origins = ( { name = \"a\"; "
	    "kind = \"login\"; from = \"@x.go.id\"; } );",
	    "a.conf:2: origins[0]: \"from\" does not belong to kind" },
	/* MTA-22 */
	{ "local without daemons", DOMAINS "origins = ( { name = \"a\"; "
	    "kind = \"local\"; } );",
	    "a.conf:2: origins[0]: kind \"local\" needs \"daemons\"" },
	{ "everybody", DOMAINS "origins = ( { name = \"a\"; "
	    "kind = \"network\"; networks = [ \"0.0.0.0/0\" ]; } );",
	    "a.conf:2: origins[0].networks[0]: \"0.0.0.0/0\" is every host" },
	{ "bits behind the prefix", DOMAINS "origins = ( { name = \"a\"; "
	    "kind = \"network\"; networks = [ \"10.0.0.1/8\" ]; } );",
	    "a.conf:2: origins[0].networks[0]: \"10.0.0.1/8\" has bits set" },
	{ "prefix too long", DOMAINS "origins = ( { name = \"a\"; "
	    "kind = \"network\"; networks = [ \"10.0.0.0/33\" ]; } );",
	    "a.conf:2: origins[0].networks[0]: \"10.0.0.0/33\" is no network" },
	{ "mapped", DOMAINS "origins = ( { name = \"a\"; "
	    "kind = \"network\"; networks = [ \"::ffff:10.0.0.1\" ]; } );",
	    "a.conf:2: origins[0].networks[0]: \"::ffff:10.0.0.1\": write it "
	    "as an IPv4 network" },
	{ "origin from everybody", DOMAINS "origins = ( { name = \"a\"; "
	    "kind = \"daemon\"; daemons = \"app\"; from = \"*\"; } );",
	    "a.conf:2: origins[0].from: \"*\" is neither an address nor" },

	{ "setting of a rule", DOMAINS "rules = ( { sgin = \"off\"; } );",
	    "a.conf:2: rules[0].sgin: unknown setting; did you mean sign?" },
	{ "word of a rule", DOMAINS "rules = ( { sign = \"never\"; } );",
	    "a.conf:2: rules[0].sign: \"never\" is unknown; it is one of "
	    "\"required\", \"if-possible\", \"off\"" },
	{ "condition in default_rule", DOMAINS "default_rule = { "
	    "from = \"*\"; };",
	    "a.conf:2: default_rule.from: unknown setting" },
	{ "unknown origin", DOMAINS "rules = ( { origin = \"a\"; } );",
	    "a.conf:2: rules[0].origin: no origin is named \"a\"" },
	{ "pattern", DOMAINS "rules = ( { from = \"*@x.go.id\"; } );",
	    "a.conf:2: rules[0].from: \"*@x.go.id\": write an address" },
	{ "agency", DOMAINS "rules = ( { agency = \"a.b\"; } );",
	    "a.conf:2: rules[0].agency: \"a.b\" is no agency" },
	{ "empty list", DOMAINS "rules = ( { to = [ ]; } );",
	    "a.conf:2: rules[0].to: is empty" },
	{ "sizes", DOMAINS "rules = ( { larger_than = \"2M\"; "
	    "smaller_than = \"1M\"; } );",
	    "a.conf:2: rules[0]: no message is larger_than" },
	{ "header without pattern", DOMAINS "rules = ( { headers = (\n"
	    "{ name = \"X\"; } ); } );",
	    "a.conf:3: rules[0].headers[0]: needs \"name\" and \"pattern\"" },
	{ "rule's name twice", DOMAINS "rules = ( { name = \"a\"; },\n"
	    "{ name = \"a\"; } );",
	    "a.conf:3: rules[1]: the name \"a\" is taken" },

	{ "copies without a server", DOMAINS
	    "default_rule = { hidden_recipients = \"own-copy\"; };",
	    "a.conf:2: default_rule.hidden_recipients: needs a port of the "
	    "mail server that takes copies; write submit = { server = " },
	{ "likewise, in a rule", DOMAINS "rules = ( { encrypt = "
	    "\"required\";\n without_certificate = \"refuse-each\"; } );",
	    "a.conf:3: rules[0].without_certificate: needs a port" },
	{ "likewise, by key", DOMAINS "rules = ( { split_by_key = true; } );",
	    "a.conf:2: rules[0].split_by_key: needs a port" },
	{ "in clear what must be encrypted", DOMAINS SUBMIT "rules = ( {\n"
	    " encrypt = \"required\"; without_certificate = \"clear-copy\"; "
	    "} );", "a.conf:3: rules[0].without_certificate: a copy in clear "
	    "is for mail that need not be encrypted; write encrypt = " },
	{ "in clear what is not encrypted", DOMAINS SUBMIT
	    "default_rule = { without_certificate = \"clear-copy\"; };",
	    "a.conf:2: default_rule.without_certificate: a copy in clear" },
	{ "unknown way", DOMAINS SUBMIT
	    "rules = ( { hidden_recipients = \"own\"; } );",
	    "a.conf:2: rules[0].hidden_recipients: " },

	{ "missing include", DOMAINS "@include \"none.conf\"\n",
	    "a.conf:2: @include \"" },
	{ "mistake in an include", DOMAINS "@include \"bad.inc\"\n",
	    "bad.inc:3: tea: unknown setting" },
	{ "syntax in an include", DOMAINS "@include \"syntax.inc\"\n",
	    "syntax.inc:2: syntax error" },
	{ "behind an include", DOMAINS "@include \"good.inc\"\n\ntea = 1;\n",
	    "a.conf:4: tea: unknown setting" },
	/* libconfig's own would end the process */
	{ "included directory", DOMAINS "@include \".\"\n",
	    ".: not a regular file" },
	{ "include of itself", DOMAINS "@include \"a.conf\"\n",
	    "a.conf:2: @include nested too deeply" },
	{ "include without quotes", DOMAINS "@include x\n",
	    "a.conf:2: write @include \"file\"" },
	{ "other directive", DOMAINS "@define x\n",
	    "a.conf:2: '@' must begin @include \"file\"" },

	{ "map: missing", DOMAINS "login_map = \"%s/none\";",
	    "none: No such file" },
	{ "map: no address", DOMAINS "login_map = \"%s/1.map\";",
	    "1.map:2: \"budi\" is followed by no address" },
	{ "map: bad address", DOMAINS "login_map = \"%s/2.map\";",
	    "2.map:1: \"no-address\" is neither an address nor an @domain" },
	{ "map: twice", DOMAINS "login_map = \"%s/3.map\";",
	    "3.map:3: \"budi\" is given on another line too" },
	{ "map: bad domain", DOMAINS "login_map = \"%s/4.map\";",
	    "4.map:1: \"@\" is neither an address nor an @domain" },
};

static void
test_refusals(void **state)
{
	struct smime_error err;
	struct conf *conf;
	char text[2048], want[1024];
	const char *insert;
	size_t i, failed = 0;

	(void)state;
	write_file("good.inc", "language = \"en\";\n\n\n\n");
	write_file("bad.inc", "\n\ntea = 1;\n");
	write_file("syntax.inc", "language = \"en\";\n= 1;\n");
	write_file("1.map", "# c\nbudi  # nothing\n");
	write_file("2.map", "budi no-address\n");
	write_file("3.map", "budi a@x.id\n\nBudi b@x.id\n");
	write_file("4.map", "budi @\n");
	for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		insert = strstr(broken[i].text, "%s");
		if (insert != NULL)
			snprintf(text, sizeof(text), "%.*s%s%s",
			    (int)(insert - broken[i].text), broken[i].text,
			    dir, insert + 2);
		else
			snprintf(text, sizeof(text), "%s", broken[i].text);
		write_file("a.conf", text);
		snprintf(want, sizeof(want), "%s/%s", dir, broken[i].want);
		err.text[0] = '\0';
		conf = conf_read(in_dir("a.conf"), &err);
		if (conf == NULL && strncmp(err.text, want,
		    strlen(want)) == 0)
			continue;
		print_error("%s:\n  got  %s\n  want %s\n", broken[i].what,
		    conf != NULL ? "(it was taken)" : err.text, want);
		conf_unref(conf);
		failed++;
	}
	assert_int_equal(failed, 0);
}

static void
test_no_file(void **state)
{
	static const char nul[] = DOMAINS "help = \"a\0b\";";
	struct smime_error err = { "" };
	FILE *f;

	(void)state;
	assert_null(conf_read(in_dir("missing.conf"), &err));
	assert_non_null(strstr(err.text, "missing.conf: No such file"));
	err.text[0] = '\0';
	assert_null(conf_read(dir, &err));
	assert_non_null(strstr(err.text, "not a regular file"));
	/* a FIFO must not hold up a reload */
	assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
	err.text[0] = '\0';
	assert_null(conf_read(in_dir("fifo"), &err));
	assert_non_null(strstr(err.text, "not a regular file"));
	f = fopen(in_dir("a.conf"), "w");
	fwrite(nul, 1, sizeof(nul) - 1, f);
	fclose(f);
	err.text[0] = '\0';
	assert_null(conf_read(in_dir("a.conf"), &err));
	assert_non_null(strstr(err.text, "holds a NUL octet"));
}

/* ----------------------------------------------------------- understood --- */

static void
test_defaults(void **state)
{
	struct conf *conf = read_ok(DOMAINS);

	(void)state;
	assert_int_equal(conf->mode, MODE_ENFORCE);
	assert_int_equal(conf->language, LANGUAGE_ID);
	assert_string_equal(conf->user, "sampul");
	assert_string_equal(conf->key_user, "sampul-key");
	assert_string_equal(conf->socket, "/run/sampul/milter.sock");
	assert_int_equal(conf->socket_mode, 0660);
	assert_string_equal(conf->spool_dir, "/var/spool/sampul");
	assert_int_equal(conf->spool_memory, 256 * 1024);
	assert_false(conf->pss);
	assert_int_equal(conf->capabilities,
	    SMIME_CAP_AES256_CBC | SMIME_CAP_AES128_CBC);
	assert_false(conf->insecure_unencrypted_keys);
	assert_string_equal(conf->passphrase_file, "");
	assert_string_equal(conf->token_user, "sampul-token");
	assert_string_equal(conf->token_module, "");
	assert_string_equal(conf->token_pin_file, "");
	assert_false(conf->token_network);
	assert_string_equal(conf->submit_server, "");
	assert_string_equal(conf->submit_user, "sampul-submit");
	assert_int_equal(conf->submit_timeout, 60);
	assert_int_equal(conf->submit_threads, 8);
	assert_int_equal(conf->origin_count, 0);
	assert_int_equal(conf->rule_count, 0);
	/* what no rule decides fails safe */
	/* MTA-52: an MTA is silent for as long as its own client */
	assert_true(conf->idle_timeout >= 7210);
	assert_int_equal(conf->default_rule.sign, SIGN_REQUIRED);
	assert_int_equal(conf->default_rule.form, FORM_DETACHED);
	assert_int_equal(conf->default_rule.cannot_sign, FAILURE_REFUSE);
	assert_int_equal(conf->default_rule.mismatch, FAILURE_REFUSE);
	assert_true(conf->default_rule.opaque_fallback);
	assert_true(conf->default_rule.header_protection);
	assert_false(conf->default_rule.allow_skip);
	assert_true(conf->authserv_id[0] != '\0');
	conf_unref(conf);
}

static const char whole[] =
    "# comment with a number 99999999999 and a \"quote\n"
    "mode = \"observe\"; // another\n"
    "/* 123 @include \"x\" */\n"
    "domains = [ \"PekalonganKab.go.id\", \".pekalongankab.go.id\" ];\n"
    "authserv_id = \"mx.pekalongankab.go.id\";\n"
    "help = \"Hub. \\\"Diskominfo\\\" @include \\\\ 99999999999\";\n"
    "milter = { socket = \"inet:8891@127.0.0.1\"; max_message = 5000000000;\n"
    "  socket_mode = \"0600\"; idle_timeout = \"2h\"; };\n"
    "spool = { memory = \"512k\"; };\n"
    "keystore : { cache_size = \"25M\"; passphrase_file = "
    "\"credential:sampul\"; rate_limit = 0; };\n"
    "login_map = \"%s/logins\";\n"
    "@include \"policy/rules.inc\"\n"
    "default_rule = { cannot_sign = \"tempfail\"; };\n";

static const char policy[] =
    "rules = (\n"
    "  { name = \"bounces\"; preset = \"bounce\"; },\n"
    "  { from = [ \"Budi@Dinkes.pekalongankab.go.id\", \".x.id\", \"*\" ];\n"
    "    to = \"@Y.id\"; to_all = \"a@b.id\"; agency = [ \"Dinkes\", \"\" ];\n"
    "    login = \"budi*\"; origin = [ \"app\" ];\n"
    "    headers = ( { name = \"X-Class\"; pattern = \"a\\\\*b*\"; } );\n"
    "    larger_than = \"1k\"; smaller_than = 5000000000;\n"
    "    sign = \"if-possible\"; form = \"opaque\"; opaque_fallback = false;\n"
    "    mismatch = \"pass\"; header_protection = false;\n"
    "    allow_skip = true; },\n"
    "  { name = \"lists\"; preset = \"list\"; sign = \"required\"; } );\n"
    "origins = ( { name = \"login\"; kind = \"login\"; },\n"
    "  { name = \"app\"; kind = \"network\"; from = [ \"@App.id\" ];\n"
    "    networks = ( \"10.2.0.0/16\", \"2001:db8::/32\", \"192.0.2.1\" ); },\n"
    "  { name = \"cron\"; kind = \"local\"; daemons = [ \"pickup\" ]; } );\n";

static struct conf *
read_whole(void)
{
	char text[4096];
	const char *insert = strstr(whole, "%s");

	mkdir(in_dir("policy"), 0700);
	write_file("policy/rules.inc", policy);
	write_file("logins", "# map\n"
	    "budi\tBudi@Dinkes.pekalongankab.go.id,@Setda.pekalongankab.go.id"
	    "  # both\r\n\n"
	    "  SITI siti@dinkes.pekalongankab.go.id , a#b@x.id");
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(insert - whole), whole,
	    dir, insert + 2);
	return read_ok(text);
}

static void
test_whole(void **state)
{
	struct conf *conf = read_whole();
	const struct rule *rule = &conf->rules[1];
	const struct origin *origin = &conf->origins[1];
	char where[256];

	(void)state;
	assert_int_equal(conf->mode, MODE_OBSERVE);
	assert_string_equal(conf->domains.items[0], "pekalongankab.go.id");
	assert_string_equal(conf->help,
	    "Hub. \"Diskominfo\" @include \\ 99999999999");
	assert_true(conf->max_message == 5000000000ULL);
	assert_int_equal(conf->socket_mode, 0600);
	assert_int_equal(conf->idle_timeout, 7200);
	assert_int_equal(conf->spool_memory, 512 * 1024);
	assert_int_equal(conf->cache_size, 25 * 1024 * 1024);
	assert_string_equal(conf->passphrase_file, "credential:sampul");

	assert_int_equal(conf->rule_count, 3);
	/* SIG-05 */
	assert_int_equal(conf->rules[0].sign, SIGN_OFF);
	assert_int_equal(conf->rules[2].sign, SIGN_REQUIRED);
	/* from default_rule, though it stands last */
	assert_int_equal(conf->rules[0].cannot_sign, FAILURE_TEMPFAIL);
	assert_string_equal(rule->name, "rule2");
	assert_int_equal(rule->from.count, 3);
	assert_string_equal(rule->from.items[0],
	    "budi@dinkes.pekalongankab.go.id");
	assert_string_equal(rule->to.items[0], "@y.id");
	assert_string_equal(rule->agency.items[0], "dinkes");
	assert_string_equal(rule->agency.items[1], "");
	assert_string_equal(rule->headers[0].pattern, "a\\*b*");
	assert_true(rule->larger_than == 1024);
	assert_true(rule->smaller_than == 5000000000ULL);
	assert_int_equal(rule->form, FORM_OPAQUE);
	assert_false(rule->opaque_fallback);
	assert_int_equal(rule->mismatch, FAILURE_PASS);
	assert_true(rule->allow_skip);
	snprintf(where, sizeof(where), "%s/policy/rules.inc:3", dir);
	assert_string_equal(rule->where, where);

	assert_int_equal(conf->origin_count, 3);
	assert_int_equal(origin->network_count, 3);
	assert_int_equal(origin->networks[0].family, AF_INET);
	assert_int_equal(origin->networks[0].prefix, 16);
	assert_memory_equal(origin->networks[0].address, "\x0a\x02\0\0", 4);
	assert_int_equal(origin->networks[1].family, AF_INET6);
	assert_int_equal(origin->networks[2].prefix, 32);
	assert_string_equal(origin->from.items[0], "@app.id");

	assert_int_equal(conf->login_count, 2);
	assert_string_equal(conf->logins[0].login, "budi");
	assert_string_equal(conf->logins[0].addresses.items[1],
	    "@setda.pekalongankab.go.id");
	assert_string_equal(conf->logins[1].login, "siti");
	assert_string_equal(conf->logins[1].addresses.items[1], "a#b@x.id");
	conf_unref(conf);
}

/* What -nn prints is itself a configuration that means the same. */
static void
test_print(void **state)
{
	struct conf *conf = read_whole(), *again;
	struct smime_error err = { "" };
	char *text[2], *copy;
	size_t len, i;
	FILE *f;

	(void)state;
	for (i = 0; i < 2; i++) {
		f = open_memstream(&text[i], &len);
		conf_print(conf, f);
		fclose(f);
		write_file("print.conf", text[i]);
		again = conf_read(in_dir("print.conf"), &err);
		if (again == NULL)
			print_error("got: %s\n", err.text);
		assert_non_null(again);
		conf_unref(conf);
		conf = again;
	}
	/* the places differ, which are comments, and the name of the file */
	assert_non_null(strstr(text[1], "smaller_than = 5000000000L;"));
	copy = strstr(text[0], "\nmode");
	assert_non_null(copy);
	assert_memory_equal(copy, strstr(text[1], "\nmode"), 1000);
	conf_unref(conf);
	free(text[0]);
	free(text[1]);
}

/* --------------------------------------------------- between processes --- */

static void
test_text(void **state)
{
	struct conf *conf = read_whole(), *copy;
	struct smime_error err = { "" };
	char *text, *again;
	size_t len, again_len;

	(void)state;
	conf->generation = 7;
	assert_int_equal(conf_text(conf, &text, &len, &err), 0);
	/* no file is opened: what it was read from is not there any more */
	unlink(in_dir("logins"));
	unlink(in_dir("a.conf"));
	unlink(in_dir("policy/rules.inc"));
	copy = conf_read_text(text, len, &err);
	if (copy == NULL)
		print_error("got: %s\n", err.text);
	assert_non_null(copy);
	assert_int_equal(copy->generation, 7);
	assert_string_equal(copy->file, conf->file);
	assert_string_equal(copy->rules[1].where, conf->rules[1].where);
	assert_int_equal(copy->login_count, 2);
	assert_int_equal(conf_text(copy, &again, &again_len, &err), 0);
	assert_int_equal(again_len, len);
	assert_memory_equal(again, text, len);
	conf_unref(conf);
	conf_unref(copy);
	free(text);
	free(again);
}

/* Inherited, a copy in clear is not meant for what must be encrypted; and what
 * the children are told is what was understood. */
static void
test_copies(void **state)
{
	struct smime_error err = { "" };
	struct conf *conf, *again;
	char *text;
	size_t len;

	(void)state;
	conf = read_ok(DOMAINS SUBMIT "default_rule = { encrypt = "
	    "\"if-possible\"; without_certificate = \"clear-copy\"; "
	    "hidden_recipients = \"own-copy\"; split_by_key = true; };\n"
	    "rules = ( { encrypt = \"required\"; }, { }, "
	    "{ without_certificate = \"refuse-each\"; }, "
	    "{ encrypt = \"off\"; hidden_recipients = \"refuse\"; } );");
	assert_int_equal(conf_text(conf, &text, &len, &err), 0);
	again = conf_read_text(text, len, &err);
	if (again == NULL)
		fail_msg("%s\n%s", err.text, text);
	assert_int_equal(again->default_rule.without_certificate,
	    WITHOUT_CLEAR_COPY);
	assert_int_equal(again->rules[0].without_certificate,
	    WITHOUT_REFUSE_ALL);
	assert_int_equal(again->rules[1].without_certificate,
	    WITHOUT_CLEAR_COPY);
	assert_int_equal(again->rules[2].without_certificate,
	    WITHOUT_REFUSE_EACH);
	assert_int_equal(again->rules[3].without_certificate,
	    WITHOUT_REFUSE_ALL);
	assert_int_equal(again->rules[0].hidden_recipients, HIDDEN_OWN_COPY);
	assert_int_equal(again->rules[3].hidden_recipients, HIDDEN_REFUSE);
	assert_true(again->rules[0].split_by_key);
	free(text);
	conf_unref(conf);
	conf_unref(again);
}

/* Cut at every length, and each octet changed: refused or read, no more. */
static void
test_text_hostile(void **state)
{
	struct conf *conf = read_whole(), *copy;
	struct smime_error err = { "" };
	char *text, *cut;
	size_t len, i;

	(void)state;
	assert_int_equal(conf_text(conf, &text, &len, &err), 0);
	conf_unref(conf);
	for (i = 0; i < len; i++) {
		cut = malloc(i > 0 ? i : 1);
		memcpy(cut, text, i);
		err.text[0] = '\0';
		assert_null(conf_read_text(cut, i, &err));
		assert_true(err.text[0] != '\0');
		free(cut);
	}
	for (i = 0; i < len; i += 3) {
		text[i] ^= 0x15;
		err.text[0] = '\0';
		copy = conf_read_text(text, len, &err);
		assert_true((copy == NULL) == (err.text[0] != '\0'));
		conf_unref(copy);
		text[i] ^= 0x15;
	}
	free(text);
	err.text[0] = '\0';
	assert_null(conf_read_text("sampul-conf 1 -9 30\n\n", 21, &err));
	assert_null(conf_read_text("sampul-conf 1 21 0\n"
	    "@include \"/etc/passwd\"\n", 42, &err));
}

/* ------------------------------------------------- counting and checks --- */

static void
test_current(void **state)
{
	struct conf *a = read_ok(DOMAINS), *b = read_ok(DOMAINS), *c;

	(void)state;
	assert_null(conf_current());
	conf_replace(conf_ref(a));
	c = conf_current();
	assert_ptr_equal(c, a);
	conf_replace(b);
	/* messages in flight finish with the one they began with */
	assert_string_equal(c->socket, "/run/sampul/milter.sock");
	conf_unref(c);
	conf_unref(a);
	c = conf_current();
	assert_ptr_equal(c, b);
	conf_unref(c);
	conf_replace(NULL);
	assert_null(conf_current());
}

static void
collect(void *arg, const char *name)
{
	char *out = arg;

	snprintf(out + strlen(out), 256 - strlen(out), "%s ", name);
}

static void
test_restart_settings(void **state)
{
	struct conf *a = read_ok(DOMAINS), *b;
	char names[256] = "";

	(void)state;
	b = read_ok(DOMAINS "user = \"x\"; help = \"y\";\n"
	    "milter = { socket = \"/run/y\"; max_recipients = 5; };"
	    "keystore = { key_threads = 9; };");
	conf_each_restart(a, b, collect, names);
	assert_string_equal(names, "user milter.socket keystore.key_threads ");
	conf_unref(a);
	conf_unref(b);
}

static void
collect_finding(void *arg, bool is_error, const char *text)
{
	char *out = arg;

	snprintf(out + strlen(out), 8192 - strlen(out), "%s %s\n",
	    is_error ? "E" : "W", text);
}

static const struct {
	const char	*text;
	const char	*want;
} findings[] = {
	{ "verify = { anchors_dir = \"/nonexistent\"; };",
	    "verify.anchors_dir: /nonexistent: No such file" },
	{ "verify = { crl_dir = \"/nonexistent\"; };",
	    "verify.crl_dir: No such file or directory: no signature of" },
	{ "verify = { crl_dir = \"\"; };", "verify.crl_dir: not set: no " },
	{ "verify = { pins = \"%s/foreign\"; };",
	    "foreign:1: has more than an address" },
	{ "spool = { dir = \"/nowhere/spool\"; };",
	    "spool.dir: /nowhere/spool: No such file" },
	{ "spool = { dir = \"/dev/shm\"; };", "is in memory (tmpfs)" },
	{ "keystore = { dir = \"/nowhere/keys\"; };",
	    "keystore.dir: /nowhere/keys: No such file" },
	{ "keystore = { anchors_dir = \"/etc/passwd\"; };",
	    "keystore.anchors_dir: /etc/passwd: not a directory" },
	{ "keystore = { passphrase_file = \"/etc/passwd\"; };",
	    "/etc/passwd is open to group or others" },
	{ "keystore = { insecure_unencrypted_keys = true; };",
	    "for trials only" },
	{ "audit = { file = \"/nowhere/log\"; };",
	    "audit.file: /nowhere: No such file" },
	{ "socket_group = \"no-such-group\";", "there is no group" },
	{ "", "origins: none are given" },
	{ "origins = ( { name = \"a\"; kind = \"daemon\"; daemons = \"x\"; } );",
	    "\"a\" lists no \"from\"; nothing that comes by it will be "
	    "signed" },
	{ "origins = ( { name = \"a\"; kind = \"network\"; "
	    "networks = \"127.0.0.0/8\"; } );", "covers 127.0.0.1" },
	{ "rules = ( { name = \"all\"; }, { name = \"b\"; } );",
	    "\"all\" matches every message" },
	{ "authserv_id = \"mx\";", "\"mx\" is hardly unique" },
	{ SUBMIT, "submit.server: no rule asks for copies" },
	{ SUBMIT "default_rule = { hidden_recipients = \"own-copy\"; };",
	    "copies are asked for, but nothing is encrypted" },
	{ "login_map = \"%s/foreign\";",
	    "\"budi\" has \"budi@other.id\", which is in none of our "
	    "domains" },
	{ "pid_file = \"/nowhere/pid\";", "pid_file: /nowhere" },
	{ "milter = { socket = \"unix:/nowhere/sock\"; };",
	    "milter.socket: /nowhere" },
};

static void
test_check(void **state)
{
	char text[1024], got[8192];
	const char *insert;
	struct conf *conf;
	size_t i, failed = 0;

	(void)state;
	write_file("foreign", "budi budi@other.id, @x.pekalongankab.go.id\n");
	for (i = 0; i < sizeof(findings) / sizeof(findings[0]); i++) {
		insert = strstr(findings[i].text, "%s");
		snprintf(text, sizeof(text), DOMAINS "%.*s%s%s", insert != NULL
		    ? (int)(insert - findings[i].text) : 1000,
		    findings[i].text, insert != NULL ? dir : "",
		    insert != NULL ? insert + 2 : "");
		conf = read_ok(text);
		got[0] = '\0';
		conf_check(conf, collect_finding, got);
		conf_unref(conf);
		if (strstr(got, findings[i].want) != NULL)
			continue;
		print_error("%s:\n got %s want %s\n", findings[i].text, got,
		    findings[i].want);
		failed++;
	}
	assert_int_equal(failed, 0);
}

static void
test_check_user(void **state)
{
	struct conf *conf;
	char got[8192] = "";

	(void)state;
	if (geteuid() != 0)
		skip();
	conf = read_ok(DOMAINS "user = \"no-such-user\"; key_user = \"root\";");
	assert_true(conf_check(conf, collect_finding, got) >= 2);
	assert_non_null(strstr(got, "user: there is no user \"no-such-user\""));
	assert_non_null(strstr(got, "key_user: \"root\" is root"));
	conf_unref(conf);
}

/* What comes with the program. */
static void
test_shipped(void **state)
{
	struct smime_error err = { "" };
	struct conf *conf;
	char text[1024], *cwd;

	(void)state;
	conf = conf_read("conf/sampul.conf", &err);
	if (conf == NULL)
		print_error("got: %s\n", err.text);
	assert_non_null(conf);
	/* safe as shipped: nobody's mail is touched */
	assert_int_equal(conf->mode, MODE_OBSERVE);
	assert_false(conf->insecure_unencrypted_keys);
	assert_int_equal(conf->rule_count, 3);
	conf_unref(conf);

	cwd = getcwd(NULL, 0);
	assert_non_null(cwd);
	snprintf(text, sizeof(text),
	    DOMAINS "@include \"%s/conf/rules.example.conf\"\n"
	    "@include \"%s/conf/incoming.example.conf\"\n", cwd, cwd);
	free(cwd);
	conf = read_ok(text);
	assert_true(conf->rule_count > 5);
	assert_int_equal(conf->incoming_count, 5);
	conf_unref(conf);
}

/* sampul.conf(5) has every setting of the table, in its group, and says
 * rightly which take a restart. */
static void
test_manual(void **state)
{
	const struct setting *setting;
	struct smime_error err = { "" };
	char item[128], *text, *section, *at;
	size_t len, failed = 0;

	(void)state;
	text = conf_slurp("milter/sampul.conf.5", 1 << 20, &len, &err);
	assert_non_null(text);
	for (setting = conf_settings; setting->name != NULL; setting++) {
		if (setting->internal)
			continue;
		snprintf(item, sizeof(item), *setting->group != '\0' ?
		    "\n.Ss Group %s\n" : "\n.Ss General\n", setting->group);
		section = strstr(text, item);
		assert_non_null(section);
		snprintf(item, sizeof(item), "\n.It Ic %s%s\n", setting->name,
		    setting->restart ? " No *" : "");
		at = strstr(section, item);
		if (at != NULL && at < strstr(section + 1, "\n.Ss "))
			continue;
		print_error("no \"%s\" under %s\n", item + 1, setting->group);
		failed++;
	}
	free(text);
	assert_int_equal(failed, 0);
}

static int
group_setup(void **state)
{
	(void)state;
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int
group_teardown(void **state)
{
	static const char *const names[] = { "a.conf", "print.conf", "fifo",
	    "good.inc", "bad.inc", "syntax.inc", "1.map", "2.map", "3.map",
	    "4.map", "foreign", "logins", "policy/rules.inc" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(in_dir(names[i]));
	rmdir(in_dir("policy"));
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_text_hostile),
		cmocka_unit_test(test_current),
		cmocka_unit_test(test_restart_settings),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_check_user),
		cmocka_unit_test(test_shipped),
		cmocka_unit_test(test_manual),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
