/*
 * record.c - what sub-commands leave in the audit trail, and in notes beside
 * the keys.
 */
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../smime/smime.h"
#include "../keys/audit.h"
#include "../log.h"
#include "ctl.h"
#include "custody.h"

/*
 * The account that runs this, for records: "root", or "root(budi)" by sudo.
 * SUDO_USER is believed of root alone, who could write anything anyway.
 */
static void
name_account(char *out, size_t size)
{
	const struct passwd *pw = getpwuid(getuid());
	const char *sudo = getuid() == 0 ? getenv("SUDO_USER") : NULL;
	char name[64];

	if (pw != NULL)
		smime_printable(pw->pw_name, strlen(pw->pw_name), out, size);
	else
		snprintf(out, size, "uid:%lu", (unsigned long)getuid());
	if (sudo == NULL || sudo[0] == '\0')
		return;
	smime_printable(sudo, strlen(sudo), name, sizeof(name));
	snprintf(out + strlen(out), size - strlen(out), "(%s)", name);
}

/* Without a file of its own the trail is syslog, where the daemon writes. */
int
record(struct ctl *ctl, const char *event, const char *address,
    const char *serial, const char *result, const char *reason,
    struct smime_error *err)
{
	const bool to_syslog = ctl->conf->audit_file[0] == '\0';
	struct audit_event line = { event, address, serial, NULL, result,
	    reason };
	char who[128];
	int rc;

	name_account(who, sizeof(who));
	line.by = who;
	if (audit_open(ctl->conf, err) != 0)
		return -1;
	if (to_syslog)
		log_open("sampulctl", false, LOG_LEVEL_INFO);
	rc = audit_record(&line, err);
	if (to_syslog)
		log_open("sampulctl", true, LOG_LEVEL_WARNING);
	return rc;
}

void
record_note(const char *reason, char *out, size_t size)
{
	char when[CTL_TIME_MAX], who[128], text[512] = "";

	name_account(who, sizeof(who));
	if (reason != NULL)
		smime_printable(reason, strlen(reason), text, sizeof(text));
	snprintf(out, size, "%s %s\n%s%s", ctl_time(time(NULL), when,
	    sizeof(when)), who, text, text[0] != '\0' ? "\n" : "");
}
