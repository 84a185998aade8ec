/*
 * confsource.c - configuration files as one text that remembers its places.
 *
 * libconfig could follow @include itself, but its flex scanner ends the whole
 * process on a directory or an unreadable file (which a supervisor must not
 * risk on a reload), takes 5000000000 for 705032704 without a word, and
 * resolves names differently from version to version. So files are joined
 * here; libconfig sees one text and its line numbers are mapped back.
 */
#include <sys/stat.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../smime/smime.h"
#include "confread.h"

#define SOURCE_MAX	(4 * 1024 * 1024)
#define LINES_MAX	65535	/* libconfig keeps lines in 16 bits */
#define DEPTH_MAX	8
#define FILES_MAX	256

enum scan_state { PLAIN, STRING, COMMENT, LINE_COMMENT };

struct scan {
	struct conf_source	*source;
	FILE			*out;
	bool			 include;	/* is allowed */
	struct smime_error	*err;
};

/* One file (or text) on its way through. */
struct input {
	const char	*file;
	size_t		 index;		/* in source->files */
	const char	*p, *end;
	unsigned	 line;
	unsigned	 depth;
	enum scan_state	 state;
};

static int	 scan_file(struct scan *scan, const char *file, unsigned depth);

char *
conf_slurp(const char *file, size_t max, size_t *len, struct smime_error *err)
{
	struct stat st;
	char *buf = NULL;
	ssize_t n = -1;
	int fd;

	*len = 0;
	/* O_NONBLOCK: a FIFO must not hold up a start */
	if ((fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) == -1) {
		smime_error_set(err, "%s", file);
		return NULL;
	}
	if (fstat(fd, &st) == -1) {
		smime_error_set(err, "%s", file);
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		smime_error_setx(err, "%s: not a regular file", file);
		goto out;
	}
	if (st.st_size < 0 || (uintmax_t)st.st_size > max) {
		smime_error_setx(err, "%s: larger than %zu octets", file, max);
		goto out;
	}
	if ((buf = malloc((size_t)st.st_size + 1)) == NULL) {
		smime_error_set(err, "%s", file);
		goto out;
	}
	while (*len < (size_t)st.st_size && (n = read(fd, buf + *len,
	    (size_t)st.st_size - *len)) > 0)
		*len += (size_t)n;
	if (n == -1 && st.st_size > 0) {
		smime_error_set(err, "%s", file);
		free(buf);
		buf = NULL;
		goto out;
	}
	buf[*len] = '\0';
out:
	close(fd);
	return buf;
}

static int
fail(struct scan *scan, const struct input *in, const char *what)
{
	return smime_error_setx(scan->err, "%s:%u: %s", in->file, in->line,
	    what);
}

/* Notes where the line of text that now begins comes from. */
static int
begin_line(struct scan *scan, const struct input *in)
{
	struct conf_source *source = scan->source;
	struct conf_place *places;
	size_t room;

	if (source->place_count >= LINES_MAX)
		return fail(scan, in, "more than 65535 lines of configuration");
	if (ftello(scan->out) > SOURCE_MAX)
		return fail(scan, in, "more than 4 MiB of configuration");
	if (source->place_count % 256 == 0) {
		room = source->place_count + 256;
		places = realloc(source->places, room * sizeof(*places));
		if (places == NULL)
			return smime_error_set(scan->err, "%s", in->file);
		source->places = places;
	}
	source->places[source->place_count].file = in->index;
	source->places[source->place_count++].line = in->line;
	return 0;
}

/*
 * A number too large for 32 bits gets the L that libconfig wants, and one too
 * large for 64 is refused. libconfig would take both modulo 2^32.
 */
static int
scan_number(struct scan *scan, struct input *in)
{
	const char *start = in->p;
	unsigned long long value;
	char digits[32];
	size_t len;

	if (*in->p == '0' && in->end - in->p > 1 && tolower(in->p[1]) == 'x') {
		for (in->p += 2; in->p < in->end && isxdigit(
		    (unsigned char)*in->p); in->p++)
			continue;
		if (in->p - start > 10)
			return fail(scan, in, "the number is too large");
		fwrite(start, 1, (size_t)(in->p - start), scan->out);
		return 0;
	}
	while (in->p < in->end && isdigit((unsigned char)*in->p))
		in->p++;
	len = (size_t)(in->p - start);
	if (len >= sizeof(digits))
		return fail(scan, in, "the number is too large");
	memcpy(digits, start, len);
	digits[len] = '\0';
	errno = 0;
	value = strtoull(digits, NULL, 10);
	if (errno != 0 || value > INT64_MAX)
		return fail(scan, in, "the number is too large");
	fputs(digits, scan->out);
	if (value > INT32_MAX && (in->p == in->end ||
	    strchr(".eEL", *in->p) == NULL))
		putc_unlocked('L', scan->out);
	return 0;
}

/* The file name of an include directive, relative to the including file. */
static char *
include_name(const struct input *in, const char *name, size_t len)
{
	const char *slash = strrchr(in->file, '/');
	char *path;
	int n;

	if (*name == '/' || slash == NULL)
		n = asprintf(&path, "%.*s", (int)len, name);
	else
		n = asprintf(&path, "%.*s%.*s", (int)(slash + 1 - in->file),
		    in->file, (int)len, name);
	return n == -1 ? NULL : path;
}

/* @include "name" and nothing else, from its '@' to the end of the line. */
static int
scan_include(struct scan *scan, struct input *in)
{
	static const char word[] = "@include";
	const char *name, *end, *eol;
	char *path;
	int rc;

	if (!scan->include)
		return fail(scan, in, "@include is not possible here");
	eol = memchr(in->p, '\n', (size_t)(in->end - in->p));
	if (eol == NULL)
		eol = in->end;
	if ((size_t)(eol - in->p) <= strlen(word) ||
	    strncmp(in->p, word, strlen(word)) != 0)
		return fail(scan, in, "'@' must begin @include \"file\"");
	name = in->p + strlen(word);
	while (name < eol && (*name == ' ' || *name == '\t'))
		name++;
	end = name < eol && *name == '"' ?
	    memchr(name + 1, '"', (size_t)(eol - name - 1)) : NULL;
	if (end == NULL || end == name + 1)
		return fail(scan, in, "write @include \"file\"");
	for (in->p = end + 1; in->p < eol && strchr(" \t\r;", *in->p) != NULL;
	    in->p++)
		continue;
	if (in->p < eol)
		return fail(scan, in, "nothing may follow @include \"file\" "
		    "on its line");
	if (in->depth >= DEPTH_MAX)
		return fail(scan, in, "@include nested too deeply; does a file "
		    "include itself?");
	path = include_name(in, name + 1, (size_t)(end - name - 1));
	if (path == NULL)
		return smime_error_set(scan->err, "%s", in->file);
	/* the line of the directive ends, empty, before the file's first */
	putc_unlocked('\n', scan->out);
	rc = access(path, F_OK) == 0 ? 0 :
	    smime_error_set(scan->err, "%s:%u: @include \"%s\"", in->file,
	    in->line, path);
	if (rc == 0)
		rc = scan_file(scan, path, in->depth + 1);
	free(path);
	return rc == 0 ? begin_line(scan, in) : -1;
}

static int
scan_plain(struct scan *scan, struct input *in)
{
	unsigned char c = (unsigned char)*in->p;
	char next = in->end - in->p > 1 ? in->p[1] : '\0';

	if (c == '@')
		return scan_include(scan, in);
	if (isdigit(c))
		return scan_number(scan, in);
	if (isalpha(c) || c == '_' || c == '*') {
		while (in->p < in->end && (isalnum((unsigned char)*in->p) ||
		    (*in->p != '\0' && strchr("_*-", *in->p) != NULL)))
			putc_unlocked(*in->p++, scan->out);
		return 0;
	}
	if (c == '"')
		in->state = STRING;
	else if (c == '#' || (c == '/' && next == '/'))
		in->state = LINE_COMMENT;
	else if (c == '/' && next == '*') {
		in->state = COMMENT;
		putc_unlocked(*in->p++, scan->out);
	}
	putc_unlocked(*in->p++, scan->out);
	return 0;
}

/* Inside a string or comment; what it holds is copied, or dropped. */
static void
scan_quoted(struct scan *scan, struct input *in)
{
	char c = *in->p++;

	putc_unlocked(c, scan->out);
	if (in->state == STRING) {
		if (c == '\\' && in->p < in->end && *in->p != '\n')
			putc_unlocked(*in->p++, scan->out);
		else if (c == '"')
			in->state = PLAIN;
	} else if (in->state == COMMENT && c == '*' && in->p < in->end &&
	    *in->p == '/') {
		putc_unlocked(*in->p++, scan->out);
		in->state = PLAIN;
	}
}

static int
scan_input(struct scan *scan, struct input *in)
{
	if (memchr(in->p, '\0', (size_t)(in->end - in->p)) != NULL)
		return smime_error_setx(scan->err, "%s: holds a NUL octet; "
		    "not a text file", in->file);
	if (begin_line(scan, in) == -1)
		return -1;
	while (in->p < in->end) {
		if (*in->p == '\n') {
			if (in->state == LINE_COMMENT)
				in->state = PLAIN;
			putc_unlocked(*in->p++, scan->out);
			in->line++;
			if (begin_line(scan, in) == -1)
				return -1;
		} else if (in->state == PLAIN) {
			if (scan_plain(scan, in) == -1)
				return -1;
		} else
			scan_quoted(scan, in);
	}
	if (in->state == STRING)
		return fail(scan, in, "a string is not closed by '\"'");
	if (in->state == COMMENT)
		return fail(scan, in, "a comment is not closed by \"*/\"");
	putc_unlocked('\n', scan->out);
	return 0;
}

static int
scan_text(struct scan *scan, const char *file, const char *text, size_t len,
    unsigned depth)
{
	struct input in = { .p = text, .end = text + len, .line = 1,
	    .depth = depth };

	if (scan->source->files.count >= FILES_MAX)
		return smime_error_setx(scan->err, "%s: more than %d files "
		    "are included", file, FILES_MAX);
	if (string_list_add(&scan->source->files, file) == -1)
		return smime_error_set(scan->err, "%s", file);
	in.index = scan->source->files.count - 1;
	in.file = scan->source->files.items[in.index];
	return scan_input(scan, &in);
}

static int
scan_file(struct scan *scan, const char *file, unsigned depth)
{
	size_t len;
	char *text;
	int rc;

	if ((text = conf_slurp(file, SOURCE_MAX, &len, scan->err)) == NULL)
		return -1;
	rc = scan_text(scan, file, text, len, depth);
	free(text);
	return rc;
}

static int
scan_begin(struct scan *scan, struct conf_source *out, bool include,
    struct smime_error *err)
{
	memset(out, 0, sizeof(*out));
	scan->source = out;
	scan->include = include;
	scan->err = err;
	scan->out = open_memstream(&out->text, &out->len);
	if (scan->out == NULL)
		return smime_error_set(err, "reading the configuration");
	return 0;
}

static int
scan_end(struct scan *scan, int rc)
{
	if (fclose(scan->out) != 0)
		rc = smime_error_set(scan->err, "reading the configuration");
	if (rc == -1)
		conf_source_free(scan->source);
	return rc;
}

int
conf_source_read(const char *file, struct conf_source *out,
    struct smime_error *err)
{
	struct scan scan;

	if (scan_begin(&scan, out, true, err) == -1)
		return -1;
	return scan_end(&scan, scan_file(&scan, file, 0));
}

int
conf_source_text(const char *text, size_t len, struct conf_source *out,
    struct smime_error *err)
{
	struct scan scan;

	if (scan_begin(&scan, out, false, err) == -1)
		return -1;
	return scan_end(&scan,
	    scan_text(&scan, "configuration", text, len, 0));
}

void
conf_source_free(struct conf_source *source)
{
	free(source->text);
	free(source->places);
	string_list_free(&source->files);
	memset(source, 0, sizeof(*source));
}

void
conf_source_where(const struct conf_source *source, int line, char *out,
    size_t size)
{
	const struct conf_place *place;

	if (source->place_count == 0) {
		snprintf(out, size, "configuration");
		return;
	}
	if (line < 1)
		line = 1;
	if ((size_t)line > source->place_count)
		line = (int)source->place_count;
	place = &source->places[line - 1];
	snprintf(out, size, "%s:%u", source->files.items[place->file],
	    place->line);
}
