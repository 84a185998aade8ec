/*
 * test_authres_read.c - HDR-01, HDR-07: two readers that know nothing of Sampul
 * read our fields back, of every reason and with hostile names in them; see
 * authres_read.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../milter/incoming.h"
#include "../../smime/smime.h"
#include "fields.h"

#define ID	"mx.pekalongankab.go.id"
#define BUDI	FIELDS_BUDI

/* Texts that a certificate or a From may hold; two bits of utf8. */
static const char *const hostile[] = {
	"Budi Santoso",
	"x\r\nAuthentication-Results: " ID "; smime=pass",
	"x\nSubject: y",
	"x\r\n\r\nbody",
	"\"", "\\", "\\\"", "x\"; smime=pass (", "a\\", ")", "(", "((((((((",
	"));smime=pass", "; smime=pass body.smime-identifier=" BUDI,
	"=?utf-8?q?=0D=0Ax?=", "%s%s%n%d", "\x1b[31m\x07\x08\x7f",
	"b\xc5\xab" "di", "\xe2\x80\xae" "id.og", "\xe2\x80\xa8x",
	"\xc2\x85x", "\xff\xfe", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80"
	"\x80", "\xf0\x9f\x93\xa7 surat", "\xe3\x80\x80", "\xc2\xad",
	"\t\t tab", " leading", "trailing ", "''''", "<script>alert(1)"
	"</script>", "a@b.example", "CN=x,O=y;z", "", " ",
};
#define HOSTILE	(sizeof(hostile) / sizeof(hostile[0]))

static void
put(FILE *fp, const char *text)
{
	fwrite(text, 1, strlen(text) + 1, fp);
}

static void
want(char *out, size_t size, enum verdict_word word, const char *reason)
{
	size_t n = strlen(out);
	bool silent = word == VERDICT_PASS || word == VERDICT_NONE;

	snprintf(out + n, size - n, "%s%s/%s", n > 0 ? " " : "",
	    verdict_word_text(word), silent ? "" : reason);
}

/* One record; identifier and serial are what must be read. */
static void
record(FILE *fp, const char *what, const struct verdict *verdict, bool utf8,
    const char *identifier, const char *serial)
{
	char out[RESULTS_MAX], wanted[1024] = "";
	size_t i;

	want(wanted, sizeof(wanted), verdict->word,
	    verify_reason_word(verdict->reason));
	for (i = 1; i < verdict->layer_count; i++)
		if (verdict->layers[i].word == VERDICT_PASS &&
		    verdict->word != VERDICT_PASS)
			want(wanted, sizeof(wanted), VERDICT_POLICY,
			    "inner-signature");
		else
			want(wanted, sizeof(wanted), verdict->layers[i].word,
			    verify_reason_word(verdict->layers[i].reason));
	put(fp, what);
	put(fp, ID);
	put(fp, utf8 ? "utf8" : "");
	put(fp, wanted);
	put(fp, identifier);
	put(fp, serial);
	assert_true(results_authres(verdict, ID, utf8, out));
	put(fp, out);
	results_verified(verdict, utf8, utf8, out);
	put(fp, out);
}

/* HDR-03: all words, validated or not. */
static void
put_reasons(FILE *fp)
{
	struct verdict verdict;
	bool shown;
	int i;

	for (i = 0; i < 2 * VERIFY_REASONS; i++) {
		fields_good(&verdict);
		verdict.reason = (enum verify_reason)(i / 2);
		verdict.word = verify_reason_verdict(verdict.reason);
		verdict.validated = i % 2 == 0;
		verdict.pinned = verdict.crl_soft_fail = i % 3 == 0;
		shown = verdict.validated && verdict.word != VERDICT_NONE;
		record(fp, verify_reason_word(verdict.reason), &verdict,
		    i % 2 == 0, shown ? BUDI : "", "");
	}
}

/* HDR-05, HDR-18: layers that are good, bad and inside opaque ones. */
static void
put_layers(FILE *fp)
{
	static const char *const parts[] = { "2", "1", "1.2", "2/1", "1/1/1",
		"1.1.1.2" };
	struct verdict verdict;
	size_t i, k;

	for (i = 0; i < VERDICT_LAYERS * 2; i++) {
		fields_good(&verdict);
		if (i % 2 == 1) {
			verdict.word = VERDICT_FAIL;
			verdict.reason = VERIFY_DIGEST;
		}
		verdict.layer_count = 1 + i / 2;
		for (k = 0; k < verdict.layer_count; k++) {
			verdict.layers[k].reason = (enum verify_reason)
			    (1 + (i + k) % (VERIFY_REASONS - 1));
			if (k % 3 == 1)
				verdict.layers[k].reason = VERIFY_GOOD;
			verdict.layers[k].word = verify_reason_verdict(
			    verdict.layers[k].reason);
			snprintf(verdict.layers[k].part,
			    sizeof(verdict.layers[k].part), "%s",
			    parts[(i + k) % 6]);
		}
		record(fp, "layers", &verdict, false, BUDI, "");
	}
}

/* HDR-07: each text in each place, as long as the place takes. */
static void
put_hostile(FILE *fp)
{
	struct verdict verdict;
	char text[600];
	size_t i, k;

	for (i = 0; i < HOSTILE * 4; i++) {
		const char *one = hostile[i / 4];
		bool utf8 = i % 2 == 1;

		for (text[0] = '\0', k = 0; k < (i % 4 < 2 ? 1u : 60u); k++)
			snprintf(text + strlen(text), sizeof(text) -
			    strlen(text), "%s", one);
		fields_good(&verdict);
		snprintf(verdict.common_name, sizeof(verdict.common_name),
		    "%.159s", text);
		snprintf(verdict.organisation, sizeof(verdict.organisation),
		    "%.159s", text);
		snprintf(verdict.issuer_name, sizeof(verdict.issuer_name),
		    "%.159s", text);
		snprintf(verdict.issuer, sizeof(verdict.issuer), "x%.510s",
		    text);
		record(fp, one, &verdict, utf8, BUDI, "");
		/* no address: the issuer is shown */
		verdict.identifier[0] = '\0';
		record(fp, one, &verdict, utf8, "", "0A1B");
		/* an address that is none */
		snprintf(verdict.from, sizeof(verdict.from), "%.200s@x y",
		    text);
		snprintf(verdict.identifier, sizeof(verdict.identifier),
		    "%.200s@x y", text);
		record(fp, one, &verdict, utf8, "", "0A1B");
		snprintf(verdict.serial, sizeof(verdict.serial), "g%.40s",
		    text);
		record(fp, one, &verdict, utf8, "", "");
	}
}

static void
test_read_back(void **state)
{
	char path[] = "/tmp/sampul-authres.XXXXXX";
	int fd = mkstemp(path), status;
	FILE *fp = fdopen(fd, "w");
	pid_t pid;

	(void)state;
	assert_non_null(fp);
	put_reasons(fp);
	put_layers(fp);
	put_hostile(fp);
	assert_int_equal(fclose(fp), 0);
	fflush(NULL);
	if ((pid = fork()) == 0) {
		dup2(2, 1);
		execl("/usr/bin/python3", "python3",
		    "tests/unit/authres_read.py", path, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	unlink(path);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
