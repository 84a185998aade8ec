/*
 * submit_smtp.c - one message over SMTP; the only file that knows libcurl.
 *
 * libcurl is loaded when the submit process starts and not linked: it brings
 * thirty libraries along, with start-up code of their own, that must not be in
 * the process that holds keys nor in the one that parses mail, and all are
 * forks of one program.
 *
 * A message must be accepted for all recipients or be sent to none: libcurl
 * does not go on to DATA when a recipient was refused. What is sent is looked
 * at for bare CR and LF on its way, and where one is found the connection is
 * closed before the end of the data, so that nobody takes half a message.
 */
#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../smime/smime.h"
#include "log.h"
#include "submit.h"

#ifdef HAVE_CURL
#include <dlfcn.h>

#include <curl/curl.h>

#define LIBRARY		"libcurl.so.4"	/* since 2006 */
#define PACKAGE		"libcurl4"	/* Debian's */
#define GOODBYE_MS	1000

static struct {
	CURLcode	(*global_init)(long flags);
	CURL		*(*init)(void);
	CURLcode	(*setopt)(CURL *handle, CURLoption option, ...);
	CURLcode	(*perform)(CURL *handle);
	CURLcode	(*getinfo)(CURL *handle, CURLINFO info, ...);
	const char	*(*strerror)(CURLcode code);
	void		(*cleanup)(CURL *handle);
	struct curl_slist *(*append)(struct curl_slist *list,
			    const char *text);
	void		(*free_list)(struct curl_slist *list);
} curl;

struct smtp {
	CURL			*handle;
	struct curl_slist	*recipients;
	const struct submission	*submission;
	int			 asker;		/* its end of file: nobody asks */
	uint64_t		 at;		/* of the message's octets */
	char			 last;		/* the octet before that */
	const char		*why;		/* it was given up, or NULL */
	unsigned		 replies;	/* to their last lines */
	int64_t			 over;		/* when it was refused; 0 not */
	unsigned		 code;		/* of the last reply's line */
	char			 line[SUBMIT_TEXT_MAX + 1];
};

bool
smtp_is_built(void)
{
	return true;
}

static int
find(void *library, const char *name, void *out, struct smime_error *err)
{
	void *found = dlsym(library, name);

	if (found == NULL)
		return smime_error_setx(err, "%s has no %s; install a newer "
		    "%s", LIBRARY, name, PACKAGE);
	memcpy(out, &found, sizeof(found));
	return 0;
}

int
smtp_load(struct smime_error *err)
{
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

	if (library == NULL)
		return smime_error_setx(err, "libcurl cannot be loaded: %s; "
		    "install %s", dlerror(), PACKAGE);
	if (find(library, "curl_global_init", &curl.global_init, err) == -1 ||
	    find(library, "curl_easy_init", &curl.init, err) == -1 ||
	    find(library, "curl_easy_setopt", &curl.setopt, err) == -1 ||
	    find(library, "curl_easy_perform", &curl.perform, err) == -1 ||
	    find(library, "curl_easy_getinfo", &curl.getinfo, err) == -1 ||
	    find(library, "curl_easy_strerror", &curl.strerror, err) == -1 ||
	    find(library, "curl_easy_cleanup", &curl.cleanup, err) == -1 ||
	    find(library, "curl_slist_append", &curl.append, err) == -1 ||
	    find(library, "curl_slist_free_all", &curl.free_list, err) == -1)
		return -1;
	if (curl.global_init(CURL_GLOBAL_NOTHING) != CURLE_OK)
		return smime_error_setx(err, "libcurl does not start");
	return 0;
}

/* ------------------------------------------------------------- message --- */

/* RFC 5321 2.3.8: CR and LF only together, also across two pieces. */
static bool
has_bare(struct smtp *smtp, const char *buf, size_t len)
{
	char last = smtp->last;
	size_t i;

	for (i = 0; i < len; i++) {
		if ((buf[i] == '\n') != (last == '\r'))
			return true;
		last = buf[i];
	}
	smtp->last = last;
	return false;
}

static size_t
give_up(struct smtp *smtp, const char *why)
{
	smtp->why = why;
	return CURL_READFUNC_ABORT;
}

/*
 * Whether the mail process ended meanwhile: nobody would know that the message
 * was accepted, and it will be sent again.
 */
static bool
is_forsaken(const struct smtp *smtp)
{
	struct pollfd pfd = { .fd = smtp->asker };

	return poll(&pfd, 1, 0) == 1 && (pfd.revents & (POLLHUP | POLLERR));
}

/*
 * Asked for all along, about once a second, also while libcurl, to which the
 * limit is nothing any more, waits for the reply to QUIT after a refusal.
 */
static int
go_on(void *arg, curl_off_t down, curl_off_t now, curl_off_t up,
    curl_off_t sent)
{
	struct smtp *smtp = arg;

	(void)down;
	(void)now;
	(void)up;
	(void)sent;
	if (smtp->over != 0)
		return monotonic_ms() - smtp->over >= GOODBYE_MS;
	return smtp->at < smtp->submission->size && is_forsaken(smtp);
}

/* From a place of our own in the file: the offset is the mail process's. */
static size_t
read_message(char *buf, size_t size, size_t count, void *arg)
{
	struct smtp *smtp = arg;
	uint64_t left = smtp->submission->size - smtp->at;
	size_t want = size * count;
	ssize_t n;

	if (left == 0)
		return 0;
	if (want > left)
		want = (size_t)left;
	do
		n = pread(smtp->submission->fd, buf, want, (off_t)smtp->at);
	while (n == -1 && errno == EINTR);
	if (n <= 0)
		return give_up(smtp, "the message cannot be read to its end");
	if (has_bare(smtp, buf, (size_t)n))
		return give_up(smtp, "the message has a bare CR or LF");
	if ((uint64_t)n == left && is_forsaken(smtp))
		return give_up(smtp, "the mail process is gone");
	smtp->at += (uint64_t)n;
	return (size_t)n;
}

/* What would not end in CRLF would be given another end by libcurl. */
static bool
ends_well(const struct submission *submission)
{
	char end[2];

	return submission->size >= 2 && pread(submission->fd, end, 2,
	    (off_t)(submission->size - 2)) == 2 && end[0] == '\r' &&
	    end[1] == '\n';
}

/* --------------------------------------------------------------- reply --- */

/*
 * A line of a reply; 221 answers a QUIT, as does whatever comes after a
 * refusal, and says nothing of the message. The second reply is the one to
 * EHLO: where it is refused, HELO follows.
 */
static size_t
take_reply(char *buf, size_t size, size_t count, void *arg)
{
	struct smtp *smtp = arg;
	size_t len = size * count;
	char digits[4] = "";

	if (len >= 3)
		memcpy(digits, buf, 3);
	if (strspn(digits, "0123456789") != 3 || smtp->over != 0 ||
	    strcmp(digits, "221") == 0)
		return len;
	smtp->code = (unsigned)strtoul(digits, NULL, 10);
	if (len > 3 && buf[3] != '-' && ++smtp->replies != 2 &&
	    smtp->code >= 400 && smtp->over == 0)
		smtp->over = monotonic_ms();
	for (count = len; count > 0 && (buf[count - 1] == '\r' ||
	    buf[count - 1] == '\n'); count--)
		continue;
	smime_printable(buf, count, smtp->line, sizeof(smtp->line));
	return len;
}

static void
say(struct submit_answer *answer, enum submit_status status, unsigned code,
    const char *text)
{
	answer->status = status;
	answer->code = code;
	smime_printable(text, strlen(text), answer->text,
	    sizeof(answer->text));
}

static void
judge(struct smtp *smtp, CURLcode rc, struct submit_answer *answer)
{
	const char *text = smtp->why != NULL ? smtp->why : curl.strerror(rc);
	long code = 0;

	if (curl.getinfo(smtp->handle, CURLINFO_RESPONSE_CODE, &code) !=
	    CURLE_OK)
		code = 0;
	if (rc == CURLE_OK && code == 250 &&
	    smtp->at == smtp->submission->size)
		say(answer, SUBMIT_ACCEPTED, 250, smtp->line);
	else if (rc == CURLE_OK)
		say(answer, SUBMIT_FAILED, 0, "an odd reply to the message");
	else if (code >= 500 && code <= 599)
		say(answer, SUBMIT_REFUSED, (unsigned)code,
		    smtp->code == (unsigned)code ? smtp->line : text);
	else if (code >= 400 && code <= 499)
		say(answer, SUBMIT_FAILED, (unsigned)code,
		    smtp->code == (unsigned)code ? smtp->line : text);
	else
		say(answer, SUBMIT_FAILED, 0, text);
}

/* ------------------------------------------------------------- sending --- */

static int
add_recipients(struct smtp *smtp)
{
	struct curl_slist *grown;
	size_t i;

	for (i = 0; i < smtp->submission->count; i++) {
		grown = curl.append(smtp->recipients,
		    smtp->submission->recipients[i]);
		if (grown == NULL)
			return -1;
		smtp->recipients = grown;
	}
	return 0;
}

/*
 * RCPT_ALLLOWFAILS stays off (all or nothing). No proxy, whatever the
 * environment says. The URL's path is what is said after EHLO.
 */
static int
set_options(struct smtp *smtp, const char *server, const char *helo,
    unsigned limit)
{
	CURL *h = smtp->handle;
	char url[600];

	if (snprintf(url, sizeof(url), "smtp://%s/%s", server, helo) >=
	    (int)sizeof(url))
		return -1;
#define SET(option, value)	(curl.setopt(h, option, value) != CURLE_OK)
	if (SET(CURLOPT_PROTOCOLS_STR, "smtp") ||
	    SET(CURLOPT_URL, url) ||
	    SET(CURLOPT_PROXY, "") || SET(CURLOPT_NOPROXY, "*") ||
	    SET(CURLOPT_USE_SSL, (long)CURLUSESSL_NONE) ||
	    SET(CURLOPT_NOSIGNAL, 1L) ||
	    SET(CURLOPT_TIMEOUT_MS, (long)limit) ||
	    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)limit) ||
	    SET(CURLOPT_SERVER_RESPONSE_TIMEOUT, (long)limit / 1000 + 1) ||
	    SET(CURLOPT_MAIL_FROM, smtp->submission->sender) ||
	    SET(CURLOPT_MAIL_RCPT, smtp->recipients) ||
	    SET(CURLOPT_UPLOAD, 1L) ||
	    SET(CURLOPT_INFILESIZE_LARGE,
	    (curl_off_t)smtp->submission->size) ||
	    SET(CURLOPT_READFUNCTION, read_message) ||
	    SET(CURLOPT_READDATA, smtp) ||
	    SET(CURLOPT_NOPROGRESS, 0L) ||
	    SET(CURLOPT_XFERINFOFUNCTION, go_on) ||
	    SET(CURLOPT_XFERINFODATA, smtp) ||
	    SET(CURLOPT_HEADERFUNCTION, take_reply) ||
	    SET(CURLOPT_HEADERDATA, smtp))
		return -1;
#undef SET
	return 0;
}

/*
 * libcurl says QUIT too, and waits two minutes for the reply where none comes.
 * It is said here, with less patience, and then there is no connection left.
 */
static void
say_goodbye(struct smtp *smtp)
{
	static const char quit[] = "QUIT\r\n";
	struct pollfd pfd = { .fd = -1, .events = POLLIN };
	curl_socket_t fd = CURL_SOCKET_BAD;

	if (curl.getinfo(smtp->handle, CURLINFO_ACTIVESOCKET, &fd) !=
	    CURLE_OK || fd == CURL_SOCKET_BAD)
		return;
	pfd.fd = fd;
	if (send(fd, quit, sizeof(quit) - 1, MSG_NOSIGNAL) > 0)
		(void)poll(&pfd, 1, GOODBYE_MS);
	(void)shutdown(fd, SHUT_RDWR);
}

void
smtp_close(struct smtp *smtp)
{
	if (smtp == NULL)
		return;
	if (smtp->handle != NULL) {
		say_goodbye(smtp);
		curl.cleanup(smtp->handle);
	}
	if (smtp->recipients != NULL)
		curl.free_list(smtp->recipients);
	free(smtp);
}

struct smtp *
smtp_send(const char *server, const char *helo,
    const struct submission *submission, int asker, unsigned limit,
    struct submit_answer *answer)
{
	struct smtp *smtp = calloc(1, sizeof(*smtp));

	say(answer, SUBMIT_FAILED, 0, "out of memory");
	if (smtp == NULL)
		return NULL;
	smtp->submission = submission;
	smtp->asker = asker;
	if ((smtp->handle = curl.init()) == NULL ||
	    add_recipients(smtp) == -1 ||
	    set_options(smtp, server, helo, limit) == -1)
		return smtp;
	if (!ends_well(submission))
		say(answer, SUBMIT_FAILED, 0,
		    "the message does not end in a line");
	else
		judge(smtp, curl.perform(smtp->handle), answer);
	return smtp;
}

#else	/* without libcurl */

bool
smtp_is_built(void)
{
	return false;
}

int
smtp_load(struct smime_error *err)
{
	return smime_error_setx(err, "this build knows no libcurl; build "
	    "it again with libcurl4-openssl-dev");
}

struct smtp *
smtp_send(const char *server, const char *helo,
    const struct submission *submission, int asker, unsigned limit,
    struct submit_answer *answer)
{
	(void)server;
	(void)asker;
	(void)helo;
	(void)submission;
	(void)limit;
	memset(answer, 0, sizeof(*answer));
	answer->status = SUBMIT_FAILED;
	return NULL;
}

void
smtp_close(struct smtp *smtp)
{
	(void)smtp;
}

#endif
