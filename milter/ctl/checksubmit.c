/*
 * checksubmit.c - whether messages could be submitted: libcurl, and a server
 * that greets.
 */
#include <sys/socket.h>
#include <sys/time.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../../smime/smime.h"
#include "../conf.h"
#include "../submit.h"
#include "check.h"

#define PATIENCE	10	/* seconds */

/* A connection, or -1 with errno; it gives up by itself. */
static int
connect_to(const char *server)
{
	const struct timeval patience = { .tv_sec = PATIENCE };
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
	    .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	const bool is_six = *server == '[';
	char host[INET_ADDRSTRLEN];
	unsigned port = 0;
	int fd, rc;

	(void)submit_read_server(server, &port);
	in.sin_port = in6.sin6_port = htons((uint16_t)port);
	snprintf(host, sizeof(host), "%.*s", (int)strcspn(server, ":"),
	    server);
	if (!is_six && inet_pton(AF_INET, host, &in.sin_addr) != 1)
		return -1;
	fd = socket(is_six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC,
	    0);
	if (fd == -1)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
	    sizeof(patience));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
	    sizeof(patience));
	rc = is_six ? connect(fd, (struct sockaddr *)&in6, sizeof(in6)) :
	    connect(fd, (struct sockaddr *)&in, sizeof(in));
	if (rc == 0)
		return fd;
	rc = errno;
	close(fd);
	errno = rc;
	return -1;
}

/* The mail server may well be stopped while its host is set up. */
static void
check_server(struct check_report *report, const char *server)
{
	char line[256] = "", shown[sizeof(line)];
	ssize_t n;
	int fd = connect_to(server);

	if (fd == -1) {
		check_say(report, LEVEL_WARNING, "submit.server", "%s: %s; "
		    "what is sent apart will wait", server, strerror(errno));
		return;
	}
	n = recv(fd, line, sizeof(line) - 1, 0);
	(void)!send(fd, "QUIT\r\n", 6, MSG_NOSIGNAL);
	close(fd);
	smime_printable(line, strcspn(line, "\r\n"), shown, sizeof(shown));
	if (n > 0 && strncmp(line, "220", 3) == 0)
		check_say(report, LEVEL_OK, "submit.server", "%s: %s", server,
		    shown);
	else
		check_say(report, LEVEL_WARNING, "submit.server", "%s does "
		    "not greet: %s", server, n > 0 ? shown : "no line came");
}

void
check_submit(struct check_report *report)
{
	const struct conf *conf = report->ctl->conf;
	struct smime_error err = { "" };

	if (conf->submit_server[0] == '\0')
		return;
	/* a user that there is not was told of already */
	if ((geteuid() != 0 || conf_check_user(conf->submit_user, NULL) ==
	    0) && submit_try(conf, &err) == -1)
		check_say(report, LEVEL_ERROR, "submit.server", "%s",
		    err.text);
	check_server(report, conf->submit_server);
}
