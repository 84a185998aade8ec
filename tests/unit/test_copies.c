/*
 * test_copies.c - how a message is divided: who gets which copy, and when it
 * stays one (ENC-14, ENC-15).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../milter/conf.h"
#include "../../milter/encryption.h"
#include "../../milter/policy.h"
#include "../../smime/smime.h"

#define ALL	WITHOUT_REFUSE_ALL
#define EACH	WITHOUT_REFUSE_EACH
#define CLEAR	WITHOUT_CLEAR_COPY

/*
 * Readers, one word each: R (RSA), E (EC), - (no certificate); h before it is
 * hidden, s the sender's own. Wanted is a word for each: the copy's number, x
 * (none); and a letter for each copy: e (encrypted), o (encrypted, of his own),
 * c (clear), d (clear, of his own).
 */
static const struct {
	const char	*what;
	const char	*readers;
	enum without_certificate without;
	bool		 clear, sender;	/* may be, is there */
	bool		 own, split;
	enum plan_why	 why;
	const char	*want, *copies;
} rows[] = {
	{ "all can read it", "R E sR", ALL, true, true, false, false,
	    WHY_NONE, "0 0 0", "e" },
	{ "the sender has none", "R s-", ALL, true, true, false, false,
	    WHY_NONE, "0 x", "e" },
	{ "one cannot", "R - sR", ALL, true, true, true, true,
	    WHY_NO_RECIPIENT, "x x x", "" },
	{ "one hidden", "R hR", EACH, true, true, false, true,
	    WHY_HIDDEN_RECIPIENT, "x x", "" },
	{ "one hidden, who has none", "R h-", CLEAR, true, true, false, false,
	    WHY_HIDDEN_RECIPIENT, "x x", "" },

	{ "one is refused", "R - E sE", EACH, false, true, false, false,
	    WHY_NONE, "0 x 0 0", "e" },
	{ "all are", "- - sR", EACH, false, true, false, false,
	    WHY_NO_RECIPIENT, "x x x", "" },
	{ "nobody to tell", "R -", EACH, true, false, false, false,
	    WHY_NO_RECIPIENT, "x x", "" },
	{ "nobody to tell, nobody refused", "R R", EACH, true, false, false,
	    false, WHY_NONE, "0 0", "e" },

	{ "a copy in clear", "- R - sR", CLEAR, true, true, false, false,
	    WHY_NONE, "1 0 1 0", "ec" },
	{ "which may not be", "R -", CLEAR, false, true, false, false,
	    WHY_NO_RECIPIENT, "x x", "" },
	{ "nobody can read it", "- - sR", CLEAR, true, true, true, false,
	    WHY_NO_RECIPIENT, "x x x", "" },

	{ "own copies", "R hR hE sR", ALL, false, true, true, false,
	    WHY_NONE, "0 1 2 0", "eoo" },
	{ "hidden ones alone", "hR hR sR", ALL, false, true, true, false,
	    WHY_NONE, "0 1 0", "oo" },
	{ "a hidden one has none", "R h-", ALL, true, true, true, false,
	    WHY_NO_RECIPIENT, "x x", "" },
	{ "and is refused", "R h- hR", EACH, false, true, true, false,
	    WHY_NONE, "0 x 1", "eo" },
	{ "and gets one in clear", "h- R h- -", CLEAR, true, true, true, false,
	    WHY_NONE, "1 0 2 3", "eddc" },
	{ "a visible one has none", "hR -", CLEAR, true, true, true, false,
	    WHY_NONE, "0 1", "oc" },
	{ "a visible one is refused", "- hE", EACH, true, true, true, false,
	    WHY_NONE, "x 0", "o" },
	{ "the visible one is the main one", "hR hE R", ALL, true, true, true,
	    false, WHY_NONE, "2 1 0", "eoo" },

	{ "by key", "R E R sE", ALL, false, true, false, true, WHY_NONE,
	    "0 1 0 1", "ee" },
	{ "by key, EC first", "E R sR", ALL, false, true, false, true,
	    WHY_NONE, "0 1 1", "ee" },
	{ "by key, one kind", "E E sE", ALL, false, true, false, true,
	    WHY_NONE, "0 0 0", "e" },
	{ "by key, the sender's is another", "R sE", ALL, false, true, false,
	    true, WHY_NONE, "0 x", "e" },
	{ "by key, nor in a hidden one's", "R hE sE", ALL, false, true, true,
	    true, WHY_NONE, "0 1 x", "eo" },
	{ "everything", "- hE R h- E hR sE", CLEAR, true, true, true, true,
	    WHY_NONE, "2 1 0 3 4 5 4", "eocdeo" },
};

static size_t
read_readers(const char *text, struct reader *out)
{
	size_t n = 0;

	memset(out, 0, 16 * sizeof(*out));
	for (; *text != '\0'; text++) {
		if (*text == 'h' || *text == 's') {
			out[n].hidden = *text == 'h';
			out[n].is_sender = *text++ == 's';
		}
		out[n].key = *text == 'R' ? READER_RSA :
		    *text == 'E' ? READER_EC : READER_NONE;
		out[n++].capabilities = SMIME_CAP_AES256_CBC;
		if (text[1] == ' ')
			text++;
	}
	return n;
}

static void
show(const struct reader *readers, size_t count, const struct copies *copies,
    char *out, size_t size)
{
	size_t i, len = 0;

	for (i = 0; i < count; i++)
		len += (size_t)(readers[i].copy == COPY_NONE ?
		    snprintf(out + len, size - len, "x ") :
		    snprintf(out + len, size - len, "%zu ", readers[i].copy));
	for (i = 0; i < copies->count; i++)
		out[len++] = copies->items[i].encrypted ?
		    "eo"[copies->items[i].own] : "cd"[copies->items[i].own];
	out[len] = '\0';
}

static size_t
count_of(const struct reader *readers, size_t count, size_t copy)
{
	size_t i, n = 0;

	for (i = 0; i < count; i++)
		n += readers[i].copy == copy;
	return n;
}

static void
test_table(void **state)
{
	struct reader readers[16];
	struct copies copies;
	char got[128], want[128];
	enum plan_why why;
	size_t i, j, count, missing;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct copy_rules rules = { rows[i].without,
		    rows[i].sender, rows[i].clear, rows[i].own,
		    rows[i].split };

		count = read_readers(rows[i].readers, readers);
		memset(&copies, 0xff, sizeof(copies));
		why = copies_plan(&rules, readers, count, &copies);
		show(readers, count, &copies, got, sizeof(got));
		snprintf(want, sizeof(want), "%s %s", rows[i].want,
		    rows[i].copies);
		if (why != rows[i].why || strcmp(got, want) != 0)
			fail_msg("%s: got %s \"%s\", want %s \"%s\"",
			    rows[i].what, policy_why_word(why), got,
			    policy_why_word(rows[i].why), want);
		for (j = 0; j < copies.count; j++)
			assert_int_equal(copies.items[j].readers,
			    count_of(readers, count, j));
		for (j = missing = 0; j < count; j++)
			missing += !readers[j].is_sender &&
			    readers[j].copy == COPY_NONE;
		if (why == WHY_NONE)
			assert_int_equal(copies.refused, missing);
	}
}

/* What all of a copy can read, not what all of the message can. */
static void
test_capabilities(void **state)
{
	const struct copy_rules rules = { ALL, true, false, true, false };
	struct reader readers[16];
	struct copies copies;

	(void)state;
	assert_int_equal(read_readers("R R hR sR", readers), 4);
	readers[0].capabilities |= SMIME_CAP_AES256_GCM;
	readers[2].capabilities |= SMIME_CAP_AES256_GCM;
	assert_int_equal(copies_plan(&rules, readers, 4, &copies), WHY_NONE);
	assert_int_equal(copies.items[0].capabilities, SMIME_CAP_AES256_CBC);
	assert_int_equal(copies.items[1].capabilities,
	    SMIME_CAP_AES256_CBC | SMIME_CAP_AES256_GCM);
}

/* A hidden reader is never in a copy with anybody else but the sender. */
static void
test_every_mix(void **state)
{
	static const char *const words[] = { "R ", "E ", "- ", "hR ", "hE ",
	    "h- " };
	struct reader readers[16];
	struct copies copies;
	unsigned mix, how, i, n;
	char text[64];
	size_t j, count;

	(void)state;
	for (mix = 0; mix < 6 * 6 * 6 * 6; mix++)
		for (how = 0; how < 48; how++) {
			const struct copy_rules rules = { how % 3,
			    (how / 3) % 2, (how / 6) % 2, (how / 12) % 2,
			    (how / 24) % 2 };

			text[0] = '\0';
			for (i = 0, n = mix; i < 4; i++, n /= 6)
				strcat(text, words[n % 6]);
			strcat(text, mix % 2 ? "sR" : "sE");
			count = read_readers(text, readers);
			if (copies_plan(&rules, readers, count, &copies) !=
			    WHY_NONE)
				continue;
			assert_true(copies.items[0].encrypted);
			for (j = 0; j < count; j++) {
				const struct reader *r = &readers[j];

				if (r->copy == COPY_NONE) {
					assert_true(r->is_sender || (r->key ==
					    READER_NONE && rules.without ==
					    EACH && rules.may_notify));
					continue;
				}
				if (r->hidden)
					assert_true(count_of(readers,
					    count - 1, r->copy) == 1);
				assert_int_equal(copies.items[r->copy]
				    .encrypted, r->key != READER_NONE);
				if (r->key == READER_NONE)
					assert_true(rules.may_clear);
				if (rules.split_by_key && r->key !=
				    READER_NONE)
					assert_int_equal(r->key,
					    copies.items[r->copy].key);
			}
		}
}

static void
test_ceiling(void **state)
{
	const struct copy_rules rules = { ALL, true, true, true, false };
	static struct reader readers[COPIES_MAX + 1];
	static struct copies copies;
	size_t i;

	(void)state;
	for (i = 0; i <= COPIES_MAX; i++) {
		readers[i].key = READER_EC;
		readers[i].hidden = true;
	}
	assert_int_equal(copies_plan(&rules, readers, COPIES_MAX, &copies),
	    WHY_NONE);
	assert_int_equal(copies.count, COPIES_MAX);
	assert_int_equal(copies_plan(&rules, readers, COPIES_MAX + 1,
	    &copies), WHY_HIDDEN_RECIPIENT);
	assert_int_equal(copies.count, 0);
	for (i = 0; i <= COPIES_MAX; i++)
		readers[i].hidden = false;
	assert_int_equal(copies_plan(&rules, readers, COPIES_MAX + 1,
	    &copies), WHY_NONE);
	assert_int_equal(copies.count, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_every_mix),
		cmocka_unit_test(test_ceiling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
