/*
 * test_confmatch.c - which addresses are ours, whose they are, and what
 * patterns match (SIG-01, SIG-02).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../milter/conf.h"

static char *domain_items[] = { (char *)(uintptr_t)"pekalongankab.go.id",
	(char *)(uintptr_t)".pekalongankab.go.id",
	(char *)(uintptr_t)".rsud.pekalongankab.go.id",
	(char *)(uintptr_t)"kajen.go.id" };
static char *adi[] = { (char *)(uintptr_t)"sekretariat@setda.pekalongankab.go.id",
	(char *)(uintptr_t)"adi@dinkes.pekalongankab.go.id" };
static char *srv[] = { (char *)(uintptr_t)"@app.pekalongankab.go.id" };
static struct login_entry logins[] = {
	{ (char *)(uintptr_t)"adi", { adi, 2 } },
	{ (char *)(uintptr_t)"budi@dinkes.pekalongankab.go.id", { adi, 1 } },
	{ (char *)(uintptr_t)"srvapp", { srv, 1 } },
};
static const struct conf conf = {
	.domains = { domain_items, 4 }, .logins = logins, .login_count = 3
};

static const struct {
	const char	*address;
	bool		 ours;
	const char	*agency;
} owners[] = {
	{ "budi@pekalongankab.go.id", true, "" },
	{ "budi@kajen.go.id", true, "" },
	{ "budi@dinkes.pekalongankab.go.id", true, "dinkes" },
	{ "budi@DINKES.PekalonganKab.go.id", true, "dinkes" },
	{ "budi@mail.dinkes.pekalongankab.go.id", true, "dinkes" },
	/* the longest of our domains names the agency */
	{ "budi@igd.rsud.pekalongankab.go.id", true, "igd" },
	{ "budi@rsud.pekalongankab.go.id", true, "rsud" },
	{ "budi@x.kajen.go.id", false, NULL },
	{ "budi@evilpekalongankab.go.id", false, NULL },
	{ "budi@.pekalongankab.go.id", false, NULL },
	{ "budi@pekalongankab.go.id.evil.id", false, NULL },
	{ "pekalongankab.go.id", false, NULL },
	{ "budi@", false, NULL },
	{ "", false, NULL },
	/* the domain is behind the last '@' */
	{ "budi@dinkes.pekalongankab.go.id@evil.id", false, NULL },
};

static void
test_ours(void **state)
{
	char agency[64];
	size_t i;
	bool got;

	(void)state;
	for (i = 0; i < sizeof(owners) / sizeof(owners[0]); i++) {
		got = conf_is_ours(&conf, owners[i].address);
		if (got != owners[i].ours)
			print_error("%s: got %d\n", owners[i].address, got);
		assert_int_equal(got, owners[i].ours);
		got = conf_agency(&conf, owners[i].address, agency,
		    sizeof(agency));
		assert_int_equal(got, owners[i].ours);
		if (got && strcmp(agency, owners[i].agency) != 0)
			print_error("%s: got %s\n", owners[i].address, agency);
		if (got)
			assert_string_equal(agency, owners[i].agency);
	}
	assert_false(conf_agency(&conf, "budi@dinkes.pekalongankab.go.id",
	    agency, 6));
	assert_true(conf_agency(&conf, "budi@dinkes.pekalongankab.go.id",
	    agency, 7));
	assert_false(conf_agency(&conf, "budi@pekalongankab.go.id", agency,
	    0));
}

static const struct {
	const char	*pattern;
	const char	*address;
	bool		 want;
} patterns[] = {
	{ "*", "anybody@x.id", true },
	{ "*", "", true },
	{ "budi@x.id", "budi@x.id", true },
	{ "budi@x.id", "Budi@X.id", true },
	{ "budi@x.id", "abudi@x.id", false },
	{ "budi@x.id", "budi@x.id.id", false },
	{ "@x.id", "budi@x.id", true },
	{ "@x.id", "budi@a.x.id", false },
	{ "@x.id", "budi@ax.id", false },
	{ "@x.id", "@x.id", true },
	{ "@x.id", "", false },
	{ ".x.id", "budi@x.id", true },
	{ ".x.id", "budi@a.x.id", true },
	{ ".x.id", "budi@a.b.X.id", true },
	{ ".x.id", "budi@ax.id", false },
	{ ".x.id", "x.id", false },
};

static void
test_patterns(void **state)
{
	size_t i;
	bool got;

	(void)state;
	for (i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		got = conf_pattern_matches(patterns[i].pattern,
		    patterns[i].address);
		if (got != patterns[i].want)
			print_error("%s on %s: got %d\n", patterns[i].pattern,
			    patterns[i].address, got);
		assert_int_equal(got, patterns[i].want);
	}
}

static const struct {
	const char	*login;
	const char	*address;
	bool		 want;
} logins_own[] = {
	{ "siti@dinkes.pekalongankab.go.id",
	    "siti@dinkes.pekalongankab.go.id", true },
	{ "Siti@Dinkes.pekalongankab.go.id",
	    "siti@dinkes.pekalongankab.go.id", true },
	{ "siti", "siti@dinkes.pekalongankab.go.id", false },
	{ "siti@dinkes.pekalongankab.go.id",
	    "budi@dinkes.pekalongankab.go.id", false },
	{ "adi", "adi@dinkes.pekalongankab.go.id", true },
	{ "ADI", "adi@dinkes.pekalongankab.go.id", true },
	{ "adi", "sekretariat@setda.pekalongankab.go.id", true },
	{ "adi", "budi@dinkes.pekalongankab.go.id", false },
	/* equal to it, and the map's besides */
	{ "budi@dinkes.pekalongankab.go.id",
	    "budi@dinkes.pekalongankab.go.id", true },
	{ "budi@dinkes.pekalongankab.go.id",
	    "sekretariat@setda.pekalongankab.go.id", true },
	{ "srvapp", "anything@app.pekalongankab.go.id", true },
	{ "srvapp", "anything@x.app.pekalongankab.go.id", false },
	{ "srvapp", "budi@dinkes.pekalongankab.go.id", false },
	{ "srvap", "anything@app.pekalongankab.go.id", false },
	{ "srvappx", "anything@app.pekalongankab.go.id", false },
	{ "", "", false },
	{ "", "adi@dinkes.pekalongankab.go.id", false },
	{ "adi", "", false },
	{ "*", "adi@dinkes.pekalongankab.go.id", false },
};

static void
test_login_owns(void **state)
{
	size_t i;
	bool got;

	(void)state;
	for (i = 0; i < sizeof(logins_own) / sizeof(logins_own[0]); i++) {
		got = conf_login_owns(&conf, logins_own[i].login,
		    logins_own[i].address);
		if (got != logins_own[i].want)
			print_error("%s owns %s: got %d\n",
			    logins_own[i].login, logins_own[i].address, got);
		assert_int_equal(got, logins_own[i].want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ours),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_login_owns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
