/*
 * load.c - load client: many connections to a milter, as an MTA makes them.
 *
 * Every connection has a thread that sends one message after the other. What
 * is printed at the end is one line of name=value, for scripts and people
 * alike; with -v one line per message comes before it.
 */
#include <sys/stat.h>
#include <sys/time.h>

#include <err.h>
#include <libgen.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "generate.h"
#include "mta.h"
#include "procstat.h"

struct options {
	const char	*socket;
	unsigned	 connections;
	unsigned	 messages;	/* per connection; 0 each file once */
	const char	*kind;
	size_t		 size;
	const char	*pattern;	/* of sender addresses, one %u */
	unsigned	 mailboxes;
	const char	*login;		/* NULL: the sender */
	const char	*daemon;
	const char	*out;		/* directory for results */
	bool		 check;
	bool		 verbose;
	bool		 sample;
	bool		 smtputf8;
	const char	*pids;
	char		**files;
	size_t		 file_count;
};

struct source {
	const char		*name;
	struct mta_message	 message;
};

struct worker {
	pthread_t	 thread;
	unsigned	 number;
	unsigned	 seed;
	unsigned	 count[MTA_FAULT + 1];
	unsigned	 is_signed;
	unsigned	*micros;	/* one per message */
	size_t		 done;
	size_t		 room;
	char		 error[256];	/* the first */
};

static struct options opt = { .connections = 1, .messages = 1,
    .kind = "clean", .size = 4096, .daemon = "smtpd",
    .pattern = "budi@dinkes.pekalongankab.go.id" };
static struct source *sources;
static size_t source_count;
static atomic_uint next_source, next_id;
static pthread_barrier_t ready;
static atomic_bool finished;
static pthread_mutex_t print_lock = PTHREAD_MUTEX_INITIALIZER;

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* ------------------------------------------------------------ sources --- */

static void
read_source(struct source *source, const char *file)
{
	struct stat st;
	char *buf;
	FILE *fp;

	fp = fopen(file, "r");
	if (fp == NULL || fstat(fileno(fp), &st) == -1)
		err(66, "%s", file);
	buf = malloc((size_t)st.st_size + 1);
	if (buf == NULL)
		err(71, "%s", file);
	if (fread(buf, 1, (size_t)st.st_size, fp) != (size_t)st.st_size ||
	    mta_message_parse(&source->message, buf, (size_t)st.st_size) == -1)
		err(66, "%s", file);
	source->name = file;
	fclose(fp);
	free(buf);
}

static void
make_sources(void)
{
	size_t i;

	source_count = opt.file_count > 0 ? opt.file_count : 1;
	sources = calloc(source_count, sizeof(*sources));
	if (sources == NULL)
		err(71, "sources");
	for (i = 0; i < opt.file_count; i++)
		read_source(&sources[i], opt.files[i]);
	if (opt.file_count > 0)
		return;
	sources[0].name = opt.kind;
	if (generate(&sources[0].message, opt.kind, opt.size) == -1)
		errx(64, "no such kind of message: %s", opt.kind);
}

/* ----------------------------------------------------------- messages --- */

/* What the filter made of a message, in one word. */
static const char *
made(const struct mta_message *message)
{
	const struct mta_field *type;

	type = mta_message_find(message, "Content-Type");
	if (type == NULL)
		return "unsigned";
	if (strcasestr(type->value, "multipart/signed") != NULL &&
	    strcasestr(type->value, "pkcs7-signature") != NULL)
		return "signed";
	if (strcasestr(type->value, "pkcs7-mime") != NULL)
		return "opaque";
	return "unsigned";
}

static void
keep(const struct mta_message *message, const char *name, unsigned id)
{
	char path[4096], *copy = strdup(name);

	if (copy == NULL)
		err(71, "%s", name);
	if (opt.messages == 0)
		snprintf(path, sizeof(path), "%s/%s", opt.out, basename(copy));
	else
		snprintf(path, sizeof(path), "%s/%08u.eml", opt.out, id);
	free(copy);
	if (mta_message_write(message, path) == -1)
		err(73, "%s", path);
}

static void
report(const char *name, enum mta_verdict verdict, const char *what,
    const char *reply)
{
	static const char *const words[] = { "accepted", "tempfail",
	    "rejected", "discarded", "fault" };
	char *copy = strdup(name);

	pthread_mutex_lock(&print_lock);
	printf("%s\t%s\t%s\t%s\n", copy == NULL ? name : basename(copy),
	    words[verdict], verdict == MTA_ACCEPT ? what : "-", reply);
	fflush(stdout);
	pthread_mutex_unlock(&print_lock);
	free(copy);
}

/*
 * A view of the source with From set to sender: fields copied one deep, body
 * shared, so that many connections may send 25 MiB at once. from and fields
 * are the caller's.
 */
static void
borrow(struct mta_message *out, const struct mta_message *source,
    struct mta_field *fields, char *from)
{
	size_t i;

	*out = *source;
	out->fields = fields;
	if (source->count > 0)
		memcpy(fields, source->fields,
		    source->count * sizeof(*fields));
	for (i = 0; from != NULL && i < out->count; i++)
		if (strcasecmp(fields[i].name, "From") == 0) {
			fields[i].value = from;
			fields[i].value_len = strlen(from);
		}
}

static void
one_message(struct worker *worker, struct mta *mta,
    const struct source *source, struct mta_field *fields)
{
	struct mta_envelope envelope = { .recipient = "penerima@example.org",
	    .daemon = opt.daemon, .client = "192.0.2.10",
	    .smtputf8 = opt.smtputf8, .eightbit = true };
	struct mta_message message, copy;
	char sender[400], from[420], id[16], reply[1024];
	bool edits = opt.check || opt.out != NULL || opt.verbose;
	enum mta_verdict verdict;
	const char *what = "-";
	unsigned number = atomic_fetch_add(&next_id, 1);
	double start;

	snprintf(id, sizeof(id), "4T%08X", number);
	/* The pattern is the caller's own command line. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(sender, sizeof(sender), opt.pattern, opt.mailboxes == 0 ? 0 :
	    (unsigned)rand_r(&worker->seed) % opt.mailboxes);
#pragma GCC diagnostic pop
	snprintf(from, sizeof(from), " <%s>", sender);
	envelope.sender = sender;
	envelope.queue_id = id;
	envelope.login = opt.login != NULL ? opt.login : sender;
	borrow(&message, &source->message, fields, opt.file_count > 0 ? NULL :
	    from);
	if (edits && mta_message_copy(&copy, &message) == -1)
		err(71, "message");
	start = now();
	verdict = mta_send(mta, &envelope, edits ? &copy : &message, edits,
	    reply, sizeof(reply));
	if (worker->done < worker->room)
		worker->micros[worker->done++] =
		    (unsigned)((now() - start) * 1e6);
	worker->count[verdict]++;
	if (verdict == MTA_FAULT)
		snprintf(reply, sizeof(reply), "%s", mta_error(mta));
	if (verdict != MTA_ACCEPT && worker->error[0] == '\0')
		snprintf(worker->error, sizeof(worker->error), "%.200s",
		    reply);
	if (edits) {
		what = made(&copy);
		if (verdict == MTA_ACCEPT && strcmp(what, "unsigned") != 0)
			worker->is_signed++;
		if (verdict == MTA_ACCEPT && opt.out != NULL)
			keep(&copy, source->name, number);
		mta_message_clear(&copy);
	}
	if (opt.verbose)
		report(source->name, verdict, what, reply);
}

static struct mta *
connect_as_mta(struct worker *worker)
{
	struct mta_envelope client = { .daemon = opt.daemon,
	    .client = "192.0.2.10" };
	struct mta *mta;

	mta = mta_open(opt.socket, &client);
	if (mta != NULL && mta_error(mta)[0] != '\0' &&
	    worker->error[0] == '\0')
		snprintf(worker->error, sizeof(worker->error), "%s",
		    mta_error(mta));
	return mta;
}

static void *
work(void *arg)
{
	struct worker *worker = arg;
	struct mta_field *fields;
	struct mta *mta;
	size_t i, most = 0;

	for (i = 0; i < source_count; i++)
		if (sources[i].message.count > most)
			most = sources[i].message.count;
	fields = calloc(most + 1, sizeof(*fields));
	mta = connect_as_mta(worker);
	pthread_barrier_wait(&ready);
	for (i = 0; mta != NULL && fields != NULL; i++) {
		size_t at = opt.messages > 0 ? i % source_count :
		    atomic_fetch_add(&next_source, 1);

		if (opt.messages > 0 ? i >= opt.messages : at >= source_count)
			break;
		one_message(worker, mta, &sources[at], fields);
		/* A fault ends the connection; the next gets a new one. */
		if (mta_error(mta)[0] != '\0') {
			mta_close(mta);
			mta = connect_as_mta(worker);
		}
	}
	mta_close(mta);
	free(fields);
	return NULL;
}

/* ------------------------------------------------------------ figures --- */

static long peak_pss, peak_rss;

static void *
sample(void *arg)
{
	const struct timespec pause = { .tv_nsec = 50 * 1000 * 1000 };
	struct proc_group *group = arg;
	long pss, rss;

	do {
		proc_group_memory(group, &pss, &rss);
		if (pss > peak_pss)
			peak_pss = pss;
		if (rss > peak_rss)
			peak_rss = rss;
		nanosleep(&pause, NULL);
	} while (!atomic_load(&finished));
	return NULL;
}

static int
by_size(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return (x > y) - (x < y);
}

static void
print_latencies(const struct worker *workers)
{
	unsigned *all;
	size_t n = 0, i;

	for (i = 0; i < opt.connections; i++)
		n += workers[i].done;
	all = calloc(n + 1, sizeof(*all));
	if (all == NULL)
		err(71, "latencies");
	for (n = i = 0; i < opt.connections; i++) {
		memcpy(all + n, workers[i].micros,
		    workers[i].done * sizeof(*all));
		n += workers[i].done;
	}
	qsort(all, n, sizeof(*all), by_size);
	if (n > 0)
		printf(" p50_us=%u p90_us=%u p99_us=%u max_us=%u",
		    all[n / 2], all[n * 9 / 10], all[n * 99 / 100],
		    all[n - 1]);
	free(all);
}

static int
print_result(const struct worker *workers, double seconds, double cpu)
{
	unsigned count[MTA_FAULT + 1] = { 0 }, total = 0, is_signed = 0, i, j;
	const char *error = "";

	for (i = 0; i < opt.connections; i++) {
		for (j = 0; j <= MTA_FAULT; j++)
			count[j] += workers[i].count[j];
		is_signed += workers[i].is_signed;
		if (error[0] == '\0')
			error = workers[i].error;
	}
	for (j = 0; j <= MTA_FAULT; j++)
		total += count[j];
	printf("messages=%u accepted=%u tempfail=%u rejected=%u discarded=%u "
	    "fault=%u signed=%u seconds=%.3f rate=%.1f", total,
	    count[MTA_ACCEPT], count[MTA_TEMPFAIL], count[MTA_REJECT],
	    count[MTA_DISCARD], count[MTA_FAULT], is_signed, seconds,
	    total / seconds);
	print_latencies(workers);
	if (opt.pids != NULL)
		printf(" cpu_s=%.2f cpu_us=%.1f", cpu,
		    total > 0 ? cpu / total * 1e6 : 0.0);
	if (opt.sample)
		printf(" peak_pss_kib=%ld peak_rss_kib=%ld", peak_pss,
		    peak_rss);
	if (error[0] != '\0')
		printf(" error=\"%s\"", error);
	printf("\n");
	return count[MTA_FAULT] == 0 && total > 0 ? 0 : 1;
}

/* --------------------------------------------------------------- main --- */

static void
usage(void)
{
	fprintf(stderr, "usage: load [-Sux] [-c connections] [-m messages] "
	    "[-k kind] [-g octets]\n\t[-a address] [-n mailboxes] [-l login] "
	    "[-d daemon] [-o directory]\n\t[-p pid,...] [-v] socket "
	    "[file ...]\n");
	exit(64);
}

static void
options(int argc, char **argv)
{
	bool messages = false;
	int c;

	while ((c = getopt(argc, argv, "a:c:d:g:k:l:m:n:o:p:Suvx")) != -1)
		switch (c) {
		case 'a': opt.pattern = optarg; break;
		case 'c': opt.connections = (unsigned)atoi(optarg); break;
		case 'd': opt.daemon = optarg; break;
		case 'g': opt.size = (size_t)atol(optarg); break;
		case 'k': opt.kind = optarg; break;
		case 'l': opt.login = optarg; break;
		case 'm':
			opt.messages = (unsigned)atoi(optarg);
			messages = true;
			break;
		case 'n': opt.mailboxes = (unsigned)atoi(optarg); break;
		case 'o': opt.out = optarg; break;
		case 'p': opt.pids = optarg; break;
		case 'S': opt.sample = true; break;
		case 'u': opt.smtputf8 = true; break;
		case 'v': opt.verbose = true; break;
		case 'x': opt.check = true; break;
		default: usage();
		}
	argc -= optind;
	argv += optind;
	if (argc < 1 || opt.connections < 1 || opt.connections > 4096)
		usage();
	opt.socket = argv[0];
	opt.files = argv + 1;
	opt.file_count = (size_t)argc - 1;
	if (!messages && opt.file_count > 0)
		opt.messages = 0;
}

int
main(int argc, char **argv)
{
	struct proc_group group = { .count = 0 };
	struct worker *workers;
	pthread_attr_t attr;
	pthread_t sampler;
	double start, cpu = 0;
	unsigned i;
	int rc;

	options(argc, argv);
	make_sources();
	workers = calloc(opt.connections, sizeof(*workers));
	pthread_barrier_init(&ready, NULL, opt.connections + 1);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	for (i = 0; workers != NULL && i < opt.connections; i++) {
		workers[i].number = i;
		workers[i].seed = i * 7919 + (unsigned)time(NULL);
		workers[i].room = opt.messages > 0 ? opt.messages :
		    source_count;
		workers[i].micros = calloc(workers[i].room, sizeof(unsigned));
		if (workers[i].micros == NULL || pthread_create(
		    &workers[i].thread, &attr, work, &workers[i]) != 0)
			err(71, "thread");
	}
	if (opt.pids != NULL)
		proc_group_find(&group, opt.pids);
	if (opt.sample && pthread_create(&sampler, NULL, sample, &group) != 0)
		err(71, "thread");
	cpu = proc_group_cpu(&group);
	pthread_barrier_wait(&ready);
	start = now();
	for (i = 0; i < opt.connections; i++)
		pthread_join(workers[i].thread, NULL);
	start = now() - start;
	cpu = proc_group_cpu(&group) - cpu;
	atomic_store(&finished, true);
	if (opt.sample)
		pthread_join(sampler, NULL);
	rc = print_result(workers, start, cpu);
	for (i = 0; i < opt.connections; i++)
		free(workers[i].micros);
	free(workers);
	return rc;
}
