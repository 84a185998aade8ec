/*
 * test_presets.c - how bounces, automatic replies, lists and invitations are
 * recognised: SIG-05.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../milter/conf.h"
#include "../../milter/policy.h"
#include "../../smime/smime.h"
#include "fixture.h"

#define KNOWN(calendar)	1000, calendar
#define NOT_KNOWN	UINT64_MAX, false

static const struct {
	const char	*what;
	enum preset	 preset;
	const char	*sender, *header;
	uint64_t	 size;
	bool		 calendar;
	enum answer	 want;
} rows[] = {
	{ "none", PRESET_NONE, "a@b", "", NOT_KNOWN, ANSWER_YES },
	{ "null sender", PRESET_BOUNCE, "", "", NOT_KNOWN, ANSWER_YES },
	{ "a sender", PRESET_BOUNCE, "a@b", "Subject: failure\n", NOT_KNOWN,
	    ANSWER_NO },
	{ "delivery report", PRESET_BOUNCE, "a@b", "Content-Type:\n\t"
	    "MULTIPART/report; report-type=delivery-status; boundary=x\n",
	    NOT_KNOWN, ANSWER_YES },
	{ "a mere multipart", PRESET_BOUNCE, "a@b",
	    "Content-Type: multipart/mixed; boundary=x\n", NOT_KNOWN,
	    ANSWER_NO },

	{ "vacation", PRESET_AUTO_REPLY, "a@b",
	    "Auto-Submitted: auto-replied\n", NOT_KNOWN, ANSWER_YES },
	{ "generated", PRESET_AUTO_REPLY, "a@b",
	    "auto-submitted:\n\tAuto-Generated; x=y\n", NOT_KNOWN,
	    ANSWER_YES },
	{ "no", PRESET_AUTO_REPLY, "a@b", "Auto-Submitted: No\n", NOT_KNOWN,
	    ANSWER_NO },
	{ "no with a comment", PRESET_AUTO_REPLY, "a@b",
	    "Auto-Submitted: no(really)\n", NOT_KNOWN, ANSWER_NO },
	{ "not no", PRESET_AUTO_REPLY, "a@b", "Auto-Submitted: not\n",
	    NOT_KNOWN, ANSWER_YES },
	{ "Precedence", PRESET_AUTO_REPLY, "a@b", "Precedence: auto_reply\n",
	    NOT_KNOWN, ANSWER_YES },
	{ "Precedence: bulk", PRESET_AUTO_REPLY, "a@b", "Precedence: bulk\n",
	    NOT_KNOWN, ANSWER_NO },

	{ "List-Id", PRESET_LIST, "a@b", "LIST-ID: <a.b>\n", NOT_KNOWN,
	    ANSWER_YES },
	{ "List-Unsubscribe", PRESET_LIST, "a@b",
	    "List-Unsubscribe: <mailto:a@b>\n", NOT_KNOWN, ANSWER_YES },
	{ "Precedence: list", PRESET_LIST, "a@b", "Precedence:  list \n",
	    NOT_KNOWN, ANSWER_YES },
	{ "Precedence: listless", PRESET_LIST, "a@b",
	    "Precedence: listless\n", NOT_KNOWN, ANSWER_NO },
	{ "List-Odd", PRESET_LIST, "a@b", "List-Odd: x\n", NOT_KNOWN,
	    ANSWER_NO },

	{ "calendar", PRESET_MEETING, "a@b",
	    "Content-Type: Text/Calendar; method=REPLY\n", NOT_KNOWN,
	    ANSWER_YES },
	{ "Content-Class", PRESET_MEETING, "a@b", "Content-class: "
	    "urn:content-classes:calendarmessage\n", NOT_KNOWN, ANSWER_YES },
	{ "text", PRESET_MEETING, "a@b", "Content-Type: text/html\n",
	    NOT_KNOWN, ANSWER_NO },
	{ "no Content-Type", PRESET_MEETING, "a@b", "Subject: x\n",
	    NOT_KNOWN, ANSWER_NO },
	{ "multipart", PRESET_MEETING, "a@b",
	    "Content-Type: multipart/alternative; boundary=x\n", NOT_KNOWN,
	    ANSWER_UNKNOWN },
	{ "multipart with", PRESET_MEETING, "a@b",
	    "Content-Type: multipart/alternative; boundary=x\n", KNOWN(true),
	    ANSWER_YES },
	{ "multipart without", PRESET_MEETING, "a@b",
	    "Content-Type: multipart/alternative; boundary=x\n",
	    KNOWN(false), ANSWER_NO },
	{ "signed already", PRESET_MEETING, "a@b",
	    "Content-Type: multipart/signed; boundary=x\n", NOT_KNOWN,
	    ANSWER_NO },
	{ "unknown preset", (enum preset)99, "", "", NOT_KNOWN, ANSWER_NO },
};

static void
test_table(void **state)
{
	struct header_list header;
	struct facts facts;
	enum answer got;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fixture_header(&header, rows[i].header);
		memset(&facts, 0, sizeof(facts));
		facts.sender = rows[i].sender;
		facts.header = &header;
		facts.size = rows[i].size;
		facts.has_calendar = rows[i].calendar;
		got = preset_matches(rows[i].preset, &facts);
		if (got != rows[i].want)
			fail_msg("%s: got %d, wanted %d", rows[i].what, got,
			    rows[i].want);
		header_clear(&header);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests_name("presets", tests, NULL, NULL);
}
