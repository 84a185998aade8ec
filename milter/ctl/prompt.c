/*
 * prompt.c - asks for a passphrase, or reads it from a file.
 *
 * Never from an argument: those can be read by everybody in ps(1).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "../../smime/smime.h"
#include "import.h"

#define PASSPHRASE_MAX	1024

static volatile sig_atomic_t interrupted;

static void
on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

/* One line; the line end is not part of it. */
static int
read_line(int fd, char *buf, size_t size, size_t *len)
{
	ssize_t n;

	for (*len = 0; *len < size; ++*len) {
		n = read(fd, buf + *len, 1);
		if (n == -1 && errno == EINTR && !interrupted) {
			--*len;
			continue;
		}
		if (n == -1)
			return -1;
		if (n == 0 || buf[*len] == '\n')
			break;
	}
	if (*len == size) {
		errno = EMSGSIZE;
		return -1;
	}
	if (*len > 0 && buf[*len - 1] == '\r')
		--*len;
	return 0;
}

/*
 * The terminal gets its echo back on every way out, a signal included; that
 * is why the handler has no SA_RESTART.
 */
static int
ask(int fd, const char *what, char *buf, size_t size, size_t *len)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction handler, old[4];
	struct termios was, quiet;
	size_t i;
	int rc;

	if (tcgetattr(fd, &was) == -1)
		return -1;
	memset(&handler, 0, sizeof(handler));
	handler.sa_handler = on_signal;
	for (i = 0; i < 4; i++)
		sigaction(signals[i], &handler, &old[i]);
	quiet = was;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	quiet.c_lflag |= ICANON;
	tcsetattr(fd, TCSAFLUSH, &quiet);
	dprintf(fd, "Passphrase of %s: ", what);
	rc = read_line(fd, buf, size, len);
	tcsetattr(fd, TCSAFLUSH, &was);
	dprintf(fd, "\n");
	for (i = 0; i < 4; i++)
		sigaction(signals[i], &old[i], NULL);
	return rc;
}

static int
open_source(const char *file, struct smime_error *err)
{
	int fd;

	if (file == NULL) {
		fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
		if (fd == -1)
			smime_error_setx(err, "a passphrase is needed and "
			    "there is no terminal to ask for it; use "
			    "--passphrase-file");
		return fd;
	}
	if (strcmp(file, "-") == 0 || *file == '&') {
		fd = fcntl(*file == '&' ? atoi(file + 1) : STDIN_FILENO,
		    F_DUPFD_CLOEXEC, 3);
		if (fd == -1)
			smime_error_set(err, "cannot read a passphrase");
		return fd;
	}
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd == -1)
		smime_error_set(err, "cannot open %s", file);
	return fd;
}

int
passphrase_get(struct passphrase *passphrase, const char *what,
    struct smime_error *err)
{
	char buf[PASSPHRASE_MAX + 1];
	size_t len = 0;
	int fd, rc;

	if (passphrase->text != NULL)
		return 0;
	fd = open_source(passphrase->file, err);
	if (fd == -1)
		return smime_error_set(err, "cannot read a passphrase");
	if (passphrase->file == NULL)
		rc = ask(fd, what, buf, PASSPHRASE_MAX, &len);
	else
		rc = read_line(fd, buf, PASSPHRASE_MAX, &len);
	if (rc != 0)
		smime_error_set(err, "cannot read a passphrase");
	close(fd);
	if (rc == 0) {
		passphrase->text = OPENSSL_zalloc(len + 1);
		if (passphrase->text == NULL) {
			rc = smime_error_setx(err, "out of memory");
		} else {
			memcpy(passphrase->text, buf, len);
			passphrase->len = len;
		}
	}
	OPENSSL_cleanse(buf, sizeof(buf));
	return rc;
}

void
passphrase_clear(struct passphrase *passphrase)
{
	OPENSSL_clear_free(passphrase->text, passphrase->len + 1);
	passphrase->text = NULL;
	passphrase->len = 0;
}

int
prompt_line(const char *question, char *out, size_t size,
    struct smime_error *err)
{
	size_t len = 0;
	int fd, rc;

	fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd == -1)
		return smime_error_setx(err, "there is no terminal to ask "
		    "on");
	dprintf(fd, "%s", question);
	rc = read_line(fd, out, size - 1, &len);
	close(fd);
	if (rc != 0 && errno != EMSGSIZE)
		return smime_error_set(err, "cannot read an answer");
	out[len] = '\0';
	return 0;
}
