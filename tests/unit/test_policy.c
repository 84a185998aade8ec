/*
 * test_policy.c - what becomes of a message: SIG-01 to SIG-05, MTA-22 to
 * MTA-27, SIG-23.
 */
#include <arpa/inet.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../milter/conf.h"
#include "../../milter/policy.h"
#include "../../smime/smime.h"
#include "fixture.h"

#define BUDI	"budi@dinkes.pekalongankab.go.id"
#define FROM_BUDI "From: Budi <" BUDI ">\n"

static const char conf_text_all[] = FIXTURE_TOP
    "signing = { skip_header = \"X-Sampul-Skip\"; };\n"
    "origins = (\n"
    "  { name = \"mailboxes\"; kind = \"login\"; },\n"
    "  { name = \"office\"; kind = \"network\";\n"
    "    networks = [ \"10.20.0.0/16\", \"2001:db8:77::/48\" ];\n"
    "    from = [ \"app@dinkes.pekalongankab.go.id\",\n"
    "             \"@setda.pekalongankab.go.id\" ]; },\n"
    "  { name = \"lists\"; kind = \"daemon\"; daemons = [ \"lists\" ];\n"
    "    from = [ \"warta@setda.pekalongankab.go.id\" ]; },\n"
    "  { name = \"cron\"; kind = \"local\"; daemons = [ \"pickup\" ];\n"
    "    from = [ \"root@setda.pekalongankab.go.id\" ]; }\n"
    ");\n"
    "rules = (\n"
    "  { name = \"bounces\"; preset = \"bounce\"; },\n"
    "  { name = \"lists\"; preset = \"list\"; mismatch = \"pass\"; },\n"
    "  { name = \"replies\"; preset = \"auto-reply\"; },\n"
    "  { name = \"meetings\"; preset = \"meeting\"; sign = \"off\"; },\n"
    "  { name = \"inside\"; to_all = [ \".pekalongankab.go.id\" ];\n"
    "    from = [ \"@bkd.pekalongankab.go.id\" ]; sign = \"off\"; },\n"
    "  { name = \"court\"; to = [ \"@pn-pekalongan.go.id\" ];\n"
    "    form = \"opaque\"; cannot_sign = \"tempfail\"; },\n"
    "  { name = \"secret\";\n"
    "    headers = ( { name = \"Sensitivity\"; pattern = \"*secret*\"; } );\n"
    "    sign = \"if-possible\"; },\n"
    "  { name = \"big\"; larger_than = \"1M\"; sign = \"if-possible\";\n"
    "    agency = [ \"arsip\" ]; },\n"
    "  { name = \"press\"; login = [ \"press-*\" ]; allow_skip = true;\n"
    "    mismatch = \"tempfail\"; },\n"
    "  { name = \"network\"; origin = [ \"office\" ]; mismatch = \"pass\"; }\n"
    ");\n";

struct row {
	const char	*what;
	const char	*login, *client, *daemon, *sender, *to, *header;
	uint64_t	 size;
	bool		 calendar, more;
	enum plan_action action;
	enum plan_why	 why;
	const char	*rule;		/* NULL: none; "": the default */
	bool		 incident;
};

#define LOGIN_BUDI	BUDI, "192.0.2.9", "mx", "a@b.example", "c@d.example"
#define UNKNOWN		UINT64_MAX, false, false

static const struct row rows[] = {
	{ "SIG-01 login owns From", LOGIN_BUDI, FROM_BUDI, UNKNOWN,
	    PLAN_SIGN, WHY_NONE, "", false },
	{ "SIG-04 no origin, local From", "", "192.0.2.9", "mx", "a@b", "c@d",
	    FROM_BUDI, UNKNOWN, PLAN_NOT_OURS, WHY_NO_ORIGIN, NULL, false },
	{ "MTA-22 127.0.0.1 is no evidence", "", "127.0.0.1", "mx", "a@b",
	    "c@d", FROM_BUDI, UNKNOWN, PLAN_NOT_OURS, WHY_NO_ORIGIN, NULL,
	    false },
	{ "MTA-22 ::1 is no evidence", "", "::1", "mx", "a@b", "c@d",
	    FROM_BUDI, UNKNOWN, PLAN_NOT_OURS, WHY_NO_ORIGIN, NULL, false },
	{ "SIG-01 other login", "siti@dinkes.pekalongankab.go.id",
	    "192.0.2.9", "mx", "a@b", "c@d", FROM_BUDI, UNKNOWN,
	    PLAN_REFUSE, WHY_NOT_OWNER, "", true },
	{ "a rule's mismatch: tempfail", "press-1", "192.0.2.9", "mx", "a@b",
	    "c@d", FROM_BUDI, UNKNOWN, PLAN_TEMPFAIL, WHY_NOT_OWNER, "press",
	    true },
	{ "a login on an inside network is a login first",
	    "siti@dinkes.pekalongankab.go.id", "10.20.3.4", "mx", "a@b",
	    "c@d", "From: app@dinkes.pekalongankab.go.id\n", UNKNOWN,
	    PLAN_REFUSE, WHY_NOT_OWNER, "", true },
	{ "network, listed address", "", "10.20.255.255", "mx", "a@b", "c@d",
	    "From: app@dinkes.pekalongankab.go.id\n", UNKNOWN, PLAN_SIGN,
	    WHY_NONE, "network", false },
	{ "network, listed domain", "", "10.20.0.1", "mx", "a@b", "c@d",
	    "From: siapa@setda.pekalongankab.go.id\n", UNKNOWN, PLAN_SIGN,
	    WHY_NONE, "network", false },
	{ "network, address not listed", "", "10.20.0.1", "mx", "a@b", "c@d",
	    FROM_BUDI, UNKNOWN, PLAN_PASS, WHY_NOT_OWNER, "network", true },
	{ "beside the network", "", "10.21.0.1", "mx", "a@b", "c@d",
	    FROM_BUDI, UNKNOWN, PLAN_NOT_OURS, WHY_NO_ORIGIN, NULL, false },
	{ "IPv6 network", "", "2001:db8:77:1::5", "mx", "a@b", "c@d",
	    "From: app@dinkes.pekalongankab.go.id\n", UNKNOWN, PLAN_SIGN,
	    WHY_NONE, "network", false },
	{ "beside the IPv6 network", "", "2001:db8:78::5", "mx", "a@b", "c@d",
	    FROM_BUDI, UNKNOWN, PLAN_NOT_OURS, WHY_NO_ORIGIN, NULL, false },
	{ "IPv4 inside IPv6", "", "::ffff:10.20.1.1", "mx", "a@b", "c@d",
	    "From: app@dinkes.pekalongankab.go.id\n", UNKNOWN, PLAN_SIGN,
	    WHY_NONE, "network", false },
	{ "IPv4 loopback inside IPv6", "", "::ffff:127.0.0.1", "mx", "a@b",
	    "c@d", FROM_BUDI, UNKNOWN, PLAN_NOT_OURS, WHY_NO_ORIGIN, NULL,
	    false },
	{ "daemon name, also from loopback", "", "127.0.0.1", "lists", "a@b",
	    "c@d", "From: warta@setda.pekalongankab.go.id\n", UNKNOWN,
	    PLAN_SIGN, WHY_NONE, "", false },
	{ "daemon name, not listed", "", "127.0.0.1", "lists", "a@b", "c@d",
	    FROM_BUDI, UNKNOWN, PLAN_REFUSE, WHY_NOT_OWNER, "", true },
	{ "local submission by its daemon name", "", NULL, "pickup", "a@b",
	    "c@d", "From: root@setda.pekalongankab.go.id\n", UNKNOWN,
	    PLAN_SIGN, WHY_NONE, "", false },
	{ "its daemon name from elsewhere", "", "192.0.2.9", "pickup", "a@b",
	    "c@d", "From: root@setda.pekalongankab.go.id\n", UNKNOWN,
	    PLAN_NOT_OURS, WHY_NO_ORIGIN, NULL, false },

	{ "SIG-02 no From", LOGIN_BUDI, "Subject: x\n", UNKNOWN,
	    PLAN_REFUSE, WHY_FROM, "", false },
	{ "SIG-02 two From fields", LOGIN_BUDI, FROM_BUDI FROM_BUDI, UNKNOWN,
	    PLAN_REFUSE, WHY_FROM, "", true },
	{ "SIG-02 two mailboxes", LOGIN_BUDI,
	    "From: " BUDI ", siti@dinkes.pekalongankab.go.id\n", UNKNOWN,
	    PLAN_REFUSE, WHY_FROM, "", false },
	{ "SIG-02 another address shown", LOGIN_BUDI,
	    "From: \"bupati@setda.pekalongankab.go.id\" <" BUDI ">\n", UNKNOWN,
	    PLAN_REFUSE, WHY_FROM, "", true },
	{ "SIG-02 comment", LOGIN_BUDI, "From: " BUDI " (Budi)\n", UNKNOWN,
	    PLAN_REFUSE, WHY_FROM, "", false },
	{ "From elsewhere", LOGIN_BUDI, "From: budi@example.org\n", UNKNOWN,
	    PLAN_PASS, WHY_NOT_OUR_DOMAIN, "", false },
	{ "From of a domain that ends like ours", LOGIN_BUDI,
	    "From: budi@xpekalongankab.go.id\n", UNKNOWN, PLAN_PASS,
	    WHY_NOT_OUR_DOMAIN, "", false },

	{ "SIG-23 already signed", LOGIN_BUDI, FROM_BUDI
	    "Content-Type: multipart/signed; boundary=x;\n"
	    " protocol=\"application/pkcs7-signature\"\n", UNKNOWN,
	    PLAN_PASS, WHY_ALREADY_SIGNED, "", false },
	{ "SIG-23 already encrypted", LOGIN_BUDI, FROM_BUDI
	    "Content-Type: application/pkcs7-mime; name=smime.p7m\n",
	    UNKNOWN, PLAN_PASS, WHY_ALREADY_ENCRYPTED, "", false },
	{ "already signed, but not the owner",
	    "siti@dinkes.pekalongankab.go.id", "192.0.2.9", "mx", "a@b",
	    "c@d", FROM_BUDI "Content-Type: multipart/signed; boundary=x\n",
	    UNKNOWN, PLAN_REFUSE, WHY_NOT_OWNER, "", true },

	{ "SIG-05 null sender", BUDI, "192.0.2.9", "mx", "", "c@d",
	    FROM_BUDI, UNKNOWN, PLAN_PASS, WHY_RULE_OFF, "bounces", false },
	{ "SIG-05 null sender does not excuse a login",
	    "siti@dinkes.pekalongankab.go.id", "192.0.2.9", "mx", "", "c@d",
	    FROM_BUDI, UNKNOWN, PLAN_REFUSE, WHY_NOT_OWNER, "bounces", true },
	{ "MTA-27 the MTA's own bounce is not refused", "", NULL, "pickup",
	    "", "c@d", "From: MAILER-DAEMON@mx.pekalongankab.go.id\n",
	    UNKNOWN, PLAN_PASS, WHY_NOT_OWNER, "bounces", true },
	{ "SIG-05 report", LOGIN_BUDI, FROM_BUDI "Content-Type: "
	    "Multipart/Report; report-type=disposition-notification\n",
	    UNKNOWN, PLAN_PASS, WHY_RULE_OFF, "bounces", false },
	{ "SIG-05 list", LOGIN_BUDI, FROM_BUDI "list-id: <x.y>\n", UNKNOWN,
	    PLAN_PASS, WHY_RULE_OFF, "lists", false },
	{ "SIG-05 Precedence: list", LOGIN_BUDI, FROM_BUDI
	    "Precedence: List\n", UNKNOWN, PLAN_PASS, WHY_RULE_OFF, "lists",
	    false },
	{ "auto-reply", LOGIN_BUDI, FROM_BUDI
	    "Auto-Submitted: auto-replied (vacation)\n", UNKNOWN, PLAN_PASS,
	    WHY_RULE_OFF, "replies", false },
	{ "Auto-Submitted: no", LOGIN_BUDI, FROM_BUDI "Auto-Submitted: no\n",
	    UNKNOWN, PLAN_SIGN, WHY_NONE, "", false },

	{ "meeting at the top", LOGIN_BUDI, FROM_BUDI
	    "Content-Type: text/calendar; method=REQUEST\n", UNKNOWN,
	    PLAN_PASS, WHY_RULE_OFF, "meetings", false },
	{ "meeting perhaps inside", LOGIN_BUDI, FROM_BUDI
	    "Content-Type: multipart/alternative; boundary=x\n", UNKNOWN,
	    PLAN_LATER, WHY_NONE, "meetings", false },
	{ "meeting inside", LOGIN_BUDI, FROM_BUDI
	    "Content-Type: multipart/alternative; boundary=x\n", 10, true,
	    false, PLAN_PASS, WHY_RULE_OFF, "meetings", false },
	{ "no meeting inside", LOGIN_BUDI, FROM_BUDI
	    "Content-Type: multipart/alternative; boundary=x\n", 10, false,
	    false, PLAN_SIGN, WHY_NONE, "", false },
	{ "size not known", "sri@arsip.pekalongankab.go.id", "192.0.2.9",
	    "mx", "a@b", "c@d", "From: sri@arsip.pekalongankab.go.id\n",
	    UNKNOWN, PLAN_LATER, WHY_NONE, "big", false },
	{ "larger", "sri@arsip.pekalongankab.go.id", "192.0.2.9", "mx",
	    "a@b", "c@d", "From: sri@arsip.pekalongankab.go.id\n", 1048577,
	    false, false, PLAN_SIGN, WHY_NONE, "big", false },
	{ "not larger", "sri@arsip.pekalongankab.go.id", "192.0.2.9", "mx",
	    "a@b", "c@d", "From: sri@arsip.pekalongankab.go.id\n", 1048576,
	    false, false, PLAN_SIGN, WHY_NONE, "", false },

	{ "to", BUDI, "192.0.2.9", "mx", "a@b",
	    "x@example.org hakim@pn-pekalongan.go.id", FROM_BUDI, UNKNOWN,
	    PLAN_SIGN, WHY_NONE, "court", false },
	{ "to, recipients dropped: the side that signs", BUDI, "192.0.2.9",
	    "mx", "a@b", "x@example.org", FROM_BUDI, UINT64_MAX, false, true,
	    PLAN_SIGN, WHY_NONE, "court", false },
	{ "to_all holds", "a@bkd.pekalongankab.go.id", "192.0.2.9", "mx",
	    "a@b", BUDI " b@pekalongankab.go.id",
	    "From: a@bkd.pekalongankab.go.id\n", UNKNOWN, PLAN_PASS,
	    WHY_RULE_OFF, "inside", false },
	{ "to_all, one outside", "a@bkd.pekalongankab.go.id", "192.0.2.9",
	    "mx", "a@b", BUDI " b@example.org",
	    "From: a@bkd.pekalongankab.go.id\n", UNKNOWN, PLAN_SIGN, WHY_NONE,
	    "", false },
	{ "to_all, recipients dropped", "a@bkd.pekalongankab.go.id",
	    "192.0.2.9", "mx", "a@b", BUDI,
	    "From: a@bkd.pekalongankab.go.id\n", UINT64_MAX, false, true,
	    PLAN_SIGN, WHY_NONE, "court", false },
	{ "header, folded", LOGIN_BUDI, FROM_BUDI
	    "sensitivity: very\n Secret indeed\n", UNKNOWN, PLAN_SIGN,
	    WHY_NONE, "secret", false },
	{ "header, in encoded words", LOGIN_BUDI, FROM_BUDI
	    "Sensitivity: =?utf-8?q?Top_S?=\n =?utf-8?B?ZWNyZXQ=?=\n",
	    UNKNOWN, PLAN_SIGN, WHY_NONE, "secret", false },
	{ "header, as it stands though a word is in it", LOGIN_BUDI, FROM_BUDI
	    "Sensitivity: secret =?utf-8?q?x?=\n", UNKNOWN, PLAN_SIGN,
	    WHY_NONE, "secret", false },
	{ "header, other encoded words", LOGIN_BUDI, FROM_BUDI
	    "Sensitivity: =?utf-8?q?se_cret?=\n", UNKNOWN, PLAN_SIGN,
	    WHY_NONE, "", false },

	{ "skip, not allowed", LOGIN_BUDI, FROM_BUDI "X-Sampul-Skip: yes\n",
	    UNKNOWN, PLAN_SIGN, WHY_NONE, "", false },
	{ "skip, allowed", "press-2", "192.0.2.9", "mx", "a@b", "c@d",
	    "From: press-2@example.org\nX-Sampul-Skip: yes\n", UNKNOWN,
	    PLAN_PASS, WHY_NOT_OUR_DOMAIN, "press", false },
};

static const char conf_text_encrypt[] = FIXTURE_TOP
    "signing = { skip_header = \"X-Sampul-Skip\"; };\n"
    "encryption = { labels = [ \"Rahasia\" ]; subject_tags = [ \"[R]\" ]; };\n"
    "origins = (\n"
    "  { name = \"mailboxes\"; kind = \"login\"; },\n"
    "  { name = \"cron\"; kind = \"local\"; daemons = [ \"pickup\" ];\n"
    "    from = [ \"root@setda.pekalongankab.go.id\" ]; }\n"
    ");\n"
    "rules = (\n"
    "  { name = \"bounces\"; preset = \"bounce\"; },\n"
    "  { name = \"court\"; to = [ \"@pn-pekalongan.go.id\" ];\n"
    "    encrypt = \"required\"; cannot_encrypt = \"tempfail\"; },\n"
    "  { name = \"open\"; to = [ \"@open.example\" ]; sign = \"off\"; },\n"
    "  { name = \"lax\"; to = [ \"@lax.example\" ]; mismatch = \"pass\";\n"
    "    sign = \"if-possible\"; allow_skip = true; },\n"
    "  { name = \"big\"; to = [ \"@big.example\" ]; larger_than = \"1M\"; },\n"
    "  { name = \"hope\"; to = [ \"@hope.example\" ];\n"
    "    encrypt = \"if-possible\"; }\n"
    ");\n";

#define TO(domain)	BUDI, "192.0.2.9", "mx", "a@b.example", "c@" domain
#define SECRET		FROM_BUDI "Subject: [R] x\n"

static const struct encrypt_row {
	struct row		 row;
	enum encrypt_want	 encrypt;
	bool			 label;
	enum plan_action	 cannot;	/* encrypt; with PLAN_SIGN */
} encrypt_rows[] = {
	{ { "off by default", TO("d.example"), FROM_BUDI, UNKNOWN, PLAN_SIGN,
	    WHY_NONE, "", false }, ENCRYPT_OFF, false, PLAN_SIGN },
	{ { "required by recipient", TO("pn-pekalongan.go.id"), FROM_BUDI,
	    UNKNOWN, PLAN_SIGN, WHY_NONE, "court", false },
	    ENCRYPT_REQUIRED, false, PLAN_TEMPFAIL },
	{ { "if possible", TO("hope.example"), FROM_BUDI, UNKNOWN, PLAN_SIGN,
	    WHY_NONE, "hope", false }, ENCRYPT_IF_POSSIBLE, false, PLAN_SIGN },
	{ { "required by tag", TO("hope.example"), SECRET, UNKNOWN, PLAN_SIGN,
	    WHY_NONE, "hope", false }, ENCRYPT_REQUIRED, true, PLAN_REFUSE },
	{ { "a label is stronger than sign = off", TO("open.example"),
	    FROM_BUDI "Sifat: Rahasia\n", UNKNOWN, PLAN_SIGN, WHY_NONE,
	    "open", false }, ENCRYPT_REQUIRED, true, PLAN_REFUSE },
	{ { "without label off is off", TO("open.example"), FROM_BUDI,
	    UNKNOWN, PLAN_PASS, WHY_RULE_OFF, "open", false }, ENCRYPT_OFF,
	    false, PLAN_SIGN },
	{ { "a label is stronger than skipping", TO("lax.example"), SECRET
	    "X-Sampul-Skip: 1\n", UNKNOWN, PLAN_SIGN, WHY_NONE, "lax",
	    false }, ENCRYPT_REQUIRED, true, PLAN_REFUSE },
	{ { "secret and already signed", TO("lax.example"), SECRET
	    "Content-Type: multipart/signed; boundary=x;\n"
	    " protocol=\"application/pkcs7-signature\"\n", UNKNOWN,
	    PLAN_REFUSE, WHY_MUST_ENCRYPT, "lax", false }, ENCRYPT_REQUIRED,
	    true, PLAN_REFUSE },
	{ { "secret and opaquely signed", TO("lax.example"), SECRET
	    "Content-Type: application/pkcs7-mime; smime-type=signed-data\n",
	    UNKNOWN, PLAN_REFUSE, WHY_MUST_ENCRYPT, "lax", false },
	    ENCRYPT_REQUIRED, true, PLAN_REFUSE },
	{ { "required and already signed: by the rule",
	    TO("pn-pekalongan.go.id"), FROM_BUDI
	    "Content-Type: multipart/signed; boundary=x\n", UNKNOWN,
	    PLAN_TEMPFAIL, WHY_MUST_ENCRYPT, "court", false },
	    ENCRYPT_REQUIRED, false, PLAN_TEMPFAIL },
	{ { "secret and already encrypted", TO("lax.example"), SECRET
	    "Content-Type: application/pkcs7-mime;\n"
	    " smime-type=enveloped-data\n", UNKNOWN, PLAN_PASS,
	    WHY_ALREADY_ENCRYPTED, "lax", false }, ENCRYPT_OFF, true,
	    PLAN_SIGN },
	{ { "secret and in an OpenPGP envelope", TO("lax.example"), SECRET
	    "Content-Type: multipart/encrypted; boundary=x;\n"
	    " protocol=\"application/pgp-encrypted\"\n", UNKNOWN, PLAN_PASS,
	    WHY_ALREADY_ENCRYPTED, "lax", false }, ENCRYPT_OFF, true,
	    PLAN_SIGN },
	{ { "secret with a From of nobody of ours", TO("lax.example"),
	    "From: x@example.org\nSubject: [R]\n", UNKNOWN, PLAN_REFUSE,
	    WHY_MUST_ENCRYPT, "lax", false }, ENCRYPT_REQUIRED, true,
	    PLAN_REFUSE },
	{ { "secret with another's From, mismatch = pass", TO("lax.example"),
	    "From: siti@setda.pekalongankab.go.id\nSubject: [R]\n", UNKNOWN,
	    PLAN_REFUSE, WHY_MUST_ENCRYPT, "lax", true }, ENCRYPT_REQUIRED,
	    true, PLAN_REFUSE },
	{ { "not secret, likewise", TO("lax.example"),
	    "From: siti@setda.pekalongankab.go.id\n", UNKNOWN,
	    PLAN_PASS, WHY_NOT_OWNER, "lax", true }, ENCRYPT_OFF, false,
	    PLAN_SIGN },
	{ { "the MTA's own bounce", "", NULL, "pickup", "",
	    "c@pn-pekalongan.go.id",
	    "From: MAILER-DAEMON@mx.pekalongankab.go.id\n", UNKNOWN,
	    PLAN_PASS, WHY_NOT_OWNER, "bounces", true }, ENCRYPT_OFF, false,
	    PLAN_SIGN },
	{ { "a bounce of a secret letter's Subject", "", NULL, "pickup", "",
	    "c@d.example", "From: MAILER-DAEMON@mx.pekalongankab.go.id\n"
	    "Subject: Undelivered: [R]\n", UNKNOWN, PLAN_REFUSE,
	    WHY_NOT_OWNER, "bounces", true }, ENCRYPT_REQUIRED, true,
	    PLAN_REFUSE },
	{ { "later: what may come is known", TO("big.example"), SECRET,
	    UNKNOWN, PLAN_LATER, WHY_NONE, "big", false }, ENCRYPT_REQUIRED,
	    true, PLAN_REFUSE },
	{ { "incoming mail with a label", "", "192.0.2.9", "mx", "a@b",
	    "c@pn-pekalongan.go.id", SECRET, UNKNOWN, PLAN_NOT_OURS,
	    WHY_NO_ORIGIN, NULL, false }, ENCRYPT_OFF, false, PLAN_TEMPFAIL },
};

static size_t
split(char *text, const char **out, size_t max)
{
	char *word, *state;
	size_t n = 0;

	for (word = strtok_r(text, " ", &state); word != NULL && n < max;
	    word = strtok_r(NULL, " ", &state))
		out[n++] = word;
	return n;
}

static const struct sockaddr *
client(const char *text, struct sockaddr_storage *ss)
{
	struct sockaddr_in *in = (void *)ss;
	struct sockaddr_in6 *in6 = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	if (text == NULL)
		return NULL;
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1)
		in->sin_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1)
		in6->sin6_family = AF_INET6;
	else
		fail_msg("%s", text);
	return (const struct sockaddr *)(const void *)ss;
}

static void
decide(const struct conf *conf, const struct row *row, struct plan *plan)
{
	struct sockaddr_storage ss;
	struct header_list header;
	const char *recipients[8];
	char to[256];
	struct facts facts = { .login = row->login, .daemon = row->daemon,
	    .sender = row->sender, .header = &header, .size = row->size,
	    .has_calendar = row->calendar, .more_recipients = row->more };

	fixture_header(&header, row->header);
	facts.client = client(row->client, &ss);
	facts.local = origin_is_local_client(facts.client);
	snprintf(to, sizeof(to), "%s", row->to);
	facts.recipient_count = split(to, recipients, 8);
	facts.recipients = recipients;
	policy_decide(conf, &facts, plan);
	header_clear(&header);
}

static void
test_table(void **state)
{
	struct conf *conf = fixture_conf(conf_text_all);
	const struct row *row;
	struct plan plan;
	const char *rule;
	size_t i;
	int bad = 0;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		row = &rows[i];
		decide(conf, row, &plan);
		rule = plan.rule == NULL ? NULL :
		    plan.rule == &conf->default_rule ? "" : plan.rule->name;
		if (plan.action == row->action && plan.why == row->why &&
		    plan.incident == row->incident &&
		    (rule == NULL ? row->rule == NULL : row->rule != NULL &&
		    strcmp(rule, row->rule) == 0))
			continue;
		bad++;
		print_error("%s: got %s %s rule %s%s, want %s %s rule %s%s\n",
		    row->what, policy_action_word(plan.action),
		    policy_why_word(plan.why), rule == NULL ? "-" : rule,
		    plan.incident ? " incident" : "",
		    policy_action_word(row->action),
		    policy_why_word(row->why),
		    row->rule == NULL ? "-" : row->rule,
		    row->incident ? " incident" : "");
	}
	conf_unref(conf);
	assert_int_equal(bad, 0);
}

static void
test_encrypt_table(void **state)
{
	struct conf *conf = fixture_conf(conf_text_encrypt);
	const struct encrypt_row *want;
	struct plan plan;
	size_t i;
	int bad = 0;

	(void)state;
	for (i = 0; i < sizeof(encrypt_rows) / sizeof(encrypt_rows[0]); i++) {
		want = &encrypt_rows[i];
		decide(conf, &want->row, &plan);
		if (plan.action == want->row.action &&
		    plan.why == want->row.why &&
		    plan.incident == want->row.incident &&
		    strcmp(policy_rule_name(&plan), want->row.rule == NULL ?
		    "" : want->row.rule[0] == '\0' ? "default" :
		    want->row.rule) == 0 && plan.encrypt == want->encrypt &&
		    (plan.label != NULL) == want->label &&
		    policy_cannot_encrypt(&plan) == want->cannot)
			continue;
		bad++;
		print_error("%s: got %s %s rule %s encrypt %d label %s, else "
		    "%s\n", want->row.what, policy_action_word(plan.action),
		    policy_why_word(plan.why), policy_rule_name(&plan),
		    plan.encrypt, plan.label == NULL ? "-" : plan.label,
		    policy_action_word(policy_cannot_encrypt(&plan)));
	}
	conf_unref(conf);
	assert_int_equal(bad, 0);
}

/*
 * How a recipient's address is written chooses no rule. Postfix delivers all of
 * the odd ones to c@pn-pekalongan.go.id, or takes them for a name of the host.
 */
static const struct {
	const char	*what, *client, *to;
	bool		 odd;
} recipient_rows[] = {
	{ "plain", "192.0.2.9", "c@d.example", false },
	{ "in upper case", "192.0.2.9", "C@D.Example", false },
	{ "postmaster", "192.0.2.9", "<Postmaster>", false },
	{ "a name of the host, on the host", NULL, "<root>", false },
	{ "a name of the host, from elsewhere", "192.0.2.9", "<root>", true },
	{ "a dot behind", "192.0.2.9", "<c@pn-pekalongan.go.id.>", true },
	{ "a route", "192.0.2.9", "<@a.id:c@pn-pekalongan.go.id>", true },
	{ "a comment", "192.0.2.9", "<c@pn-pekalongan.go.id(x)>", true },
	{ "a comma", "192.0.2.9", "<c@pn-pekalongan.go.id,>", true },
	{ "percent", "192.0.2.9", "c%pn-pekalongan.go.id@localhost", true },
	{ "percent alone", NULL, "<c%pn-pekalongan.go.id>", true },
	{ "bang", NULL, "<pn-pekalongan.go.id!c>", true },
	{ "bang at the host", "192.0.2.9", "pn-pekalongan.go.id!c@localhost",
	    true },
	{ "quoted", NULL, "<\"c@pn-pekalongan.go.id\">", true },
	{ "quoted, at the host", "192.0.2.9",
	    "\"c@pn-pekalongan.go.id\"@localhost", true },
	{ "a backslash", NULL, "<c\\@pn-pekalongan.go.id>", true },
	{ "the second of two", "192.0.2.9", "c@d.example <c@d.example.>",
	    true },
};

static void
check_recipients(const char *rules, bool matters)
{
	struct conf *conf = fixture_conf(rules);
	struct row row = rows[0];
	struct plan plan;
	bool odd;
	size_t i;

	for (i = 0; i < sizeof(recipient_rows) / sizeof(recipient_rows[0]);
	    i++) {
		row.client = recipient_rows[i].client;
		row.to = recipient_rows[i].to;
		odd = matters && recipient_rows[i].odd;
		decide(conf, &row, &plan);
		if (plan.action != (odd ? PLAN_REFUSE : PLAN_SIGN) ||
		    plan.why != (odd ? WHY_RECIPIENT : WHY_NONE))
			fail_msg("%s: %s %s", recipient_rows[i].what,
			    policy_action_word(plan.action),
			    policy_why_word(plan.why));
	}
	conf_unref(conf);
}

static void
test_odd_recipients(void **state)
{
	(void)state;
	check_recipients(conf_text_encrypt, true);
	check_recipients(FIXTURE_TOP FIXTURE_LOGIN
	    "rules = ( { to_all = [ \"@x.example\" ]; sign = \"off\"; } );\n",
	    true);
	check_recipients(FIXTURE_TOP FIXTURE_LOGIN, false);
}

/* MTA-27: a bounce goes where the MTA knows; a login's goes nowhere odd. */
static void
test_odd_bounce(void **state)
{
	struct conf *conf = fixture_conf(conf_text_encrypt);
	struct row row = { "", "", NULL, "pickup", "",
	    "<c@pn-pekalongan.go.id.>",
	    "From: MAILER-DAEMON@mx.pekalongankab.go.id\n", UNKNOWN, PLAN_PASS,
	    WHY_NOT_OWNER, "bounces", true };
	struct plan plan;

	(void)state;
	decide(conf, &row, &plan);
	assert_int_equal(plan.action, PLAN_PASS);
	row.login = BUDI;
	decide(conf, &row, &plan);
	assert_int_equal(plan.why, WHY_RECIPIENT);
	conf_unref(conf);
}

/* A login is evidence only where an origin of that kind is configured. */
static void
test_login_needs_origin(void **state)
{
	struct conf *conf = fixture_conf(FIXTURE_TOP
	    "origins = ( { name = \"n\"; kind = \"network\";\n"
	    "  networks = [ \"10.0.0.0/8\" ];\n"
	    "  from = [ \"@x.pekalongankab.go.id\" ]; } );\n");
	struct plan plan;

	(void)state;
	decide(conf, &rows[0], &plan);
	assert_int_equal(plan.action, PLAN_NOT_OURS);
	conf_unref(conf);
}

static void
test_skip_allowed(void **state)
{
	struct conf *conf = fixture_conf(FIXTURE_TOP FIXTURE_LOGIN
	    "default_rule = { allow_skip = true; };\n");
	const struct row row = { "", LOGIN_BUDI, FROM_BUDI
	    "x-sampul-skip: 1\n", UNKNOWN, PLAN_PASS, WHY_SKIPPED, "", false };
	struct plan plan;

	(void)state;
	decide(conf, &row, &plan);
	assert_int_equal(plan.action, PLAN_PASS);
	assert_int_equal(plan.why, WHY_SKIPPED);
	conf_unref(conf);
}

static void
test_cannot_sign(void **state)
{
	static const struct {
		enum sign_want		 sign;
		enum failure_action	 cannot_sign;
		enum plan_action	 want;
	} table[] = {
		{ SIGN_REQUIRED, FAILURE_REFUSE, PLAN_REFUSE },
		{ SIGN_REQUIRED, FAILURE_TEMPFAIL, PLAN_TEMPFAIL },
		{ SIGN_REQUIRED, FAILURE_PASS, PLAN_PASS },
		{ SIGN_IF_POSSIBLE, FAILURE_REFUSE, PLAN_PASS },
		{ SIGN_IF_POSSIBLE, FAILURE_TEMPFAIL, PLAN_PASS },
	};
	struct rule rule;
	struct plan plan = { .rule = &rule };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		memset(&rule, 0, sizeof(rule));
		rule.sign = table[i].sign;
		rule.cannot_sign = table[i].cannot_sign;
		assert_int_equal(policy_cannot_sign(&plan), table[i].want);
	}
	/* What must be encrypted does not leave unsigned, hence in clear. */
	plan.encrypt = ENCRYPT_REQUIRED;
	rule.cannot_encrypt = FAILURE_TEMPFAIL;
	assert_int_equal(policy_cannot_sign(&plan), PLAN_TEMPFAIL);
	plan.rule = NULL;
	assert_int_equal(policy_cannot_sign(&plan), PLAN_TEMPFAIL);
}

/* Whatever "sign" says, and never in clear what must be encrypted. */
static void
test_key_locked(void **state)
{
	static const struct {
		enum sign_want		 sign;
		enum failure_action	 key_locked;
		enum encrypt_want	 encrypt;
		enum plan_action	 want;
	} table[] = {
		{ SIGN_REQUIRED, FAILURE_REFUSE, ENCRYPT_OFF, PLAN_REFUSE },
		{ SIGN_REQUIRED, FAILURE_TEMPFAIL, ENCRYPT_OFF,
		    PLAN_TEMPFAIL },
		{ SIGN_REQUIRED, FAILURE_PASS, ENCRYPT_OFF, PLAN_PASS },
		{ SIGN_IF_POSSIBLE, FAILURE_TEMPFAIL, ENCRYPT_OFF,
		    PLAN_TEMPFAIL },
		{ SIGN_IF_POSSIBLE, FAILURE_PASS, ENCRYPT_REQUIRED,
		    PLAN_REFUSE },
		{ SIGN_REQUIRED, FAILURE_TEMPFAIL, ENCRYPT_REQUIRED,
		    PLAN_TEMPFAIL },
	};
	struct rule rule;
	struct plan plan = { .rule = &rule };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		memset(&rule, 0, sizeof(rule));
		rule.sign = table[i].sign;
		rule.key_locked = table[i].key_locked;
		rule.cannot_encrypt = FAILURE_REFUSE;
		plan.encrypt = table[i].encrypt;
		if (policy_key_locked(&plan) != table[i].want)
			fail_msg("%zu: got %d", i, policy_key_locked(&plan));
	}
	plan.rule = NULL;
	assert_int_equal(policy_key_locked(&plan), PLAN_TEMPFAIL);
}

/* Sanitizers end a program that asks for too much, unless told otherwise. */
const char	*__asan_default_options(void);
const char	*__tsan_default_options(void);

const char *
__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

const char *
__tsan_default_options(void)
{
	return "allocator_may_return_null=1";
}

/*
 * A value for which there is no memory: whether its rule is the one that
 * applies is not known, and that must not be taken for "no".
 */
static void
test_no_memory_is_no_answer(void **state)
{
	struct conf *conf = fixture_conf(conf_text_all);
	char value[] = " secret";
	struct header_field fields[] = {
		{ .name = (char *)(uintptr_t)"From", .name_len = 4,
		    .value = (char *)(uintptr_t)BUDI,
		    .value_len = strlen(BUDI) },
		{ .name = (char *)(uintptr_t)"Sensitivity", .name_len = 11,
		    .value = value, .value_len = SIZE_MAX / 4 },
	};
	struct header_list header = { .fields = fields, .count = 2 };
	struct facts facts = { .login = BUDI, .daemon = "mx", .sender = BUDI,
	    .header = &header, .size = 100 };
	struct plan plan;

	(void)state;
	policy_decide(conf, &facts, &plan);
	assert_int_equal(plan.action, PLAN_LATER);
	fields[1].value_len = strlen(value);
	policy_decide(conf, &facts, &plan);
	assert_int_equal(plan.action, PLAN_SIGN);
	assert_string_equal(policy_rule_name(&plan), "secret");
	conf_unref(conf);
}

/* A zeroed plan must never mean "signed" or "passed". */
static void
test_zero_is_safe(void **state)
{
	struct plan plan;

	(void)state;
	memset(&plan, 0, sizeof(plan));
	assert_int_equal(plan.action, PLAN_NOT_OURS);
	assert_string_equal(policy_action_word((enum plan_action)99),
	    "tempfail");
	assert_string_equal(policy_why_word((enum plan_why)99), "internal");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_encrypt_table),
		cmocka_unit_test(test_odd_recipients),
		cmocka_unit_test(test_odd_bounce),
		cmocka_unit_test(test_login_needs_origin),
		cmocka_unit_test(test_skip_allowed),
		cmocka_unit_test(test_cannot_sign),
		cmocka_unit_test(test_key_locked),
		cmocka_unit_test(test_no_memory_is_no_answer),
		cmocka_unit_test(test_zero_is_safe),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
