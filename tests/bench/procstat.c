/*
 * procstat.c - what a group of processes uses, from /proc.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "procstat.h"

struct stat_line {
	pid_t	parent;
	double	cpu;
};

static int
read_stat(pid_t pid, struct stat_line *out)
{
	char path[64], line[1024], *p;
	unsigned long user, kernel;
	long parent;
	FILE *fp;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	fp = fopen(path, "r");
	if (fp == NULL)
		return -1;
	n = fread(line, 1, sizeof(line) - 1, fp);
	fclose(fp);
	line[n] = '\0';
	/* The name, in parentheses, may hold anything. */
	p = strrchr(line, ')');
	if (p == NULL || sscanf(p + 1, " %*c %ld %*d %*d %*d %*d %*u %*u %*u"
	    " %*u %*u %lu %lu", &parent, &user, &kernel) != 3)
		return -1;
	out->parent = (pid_t)parent;
	out->cpu = (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
	return 0;
}

static int
has(const struct proc_group *group, pid_t pid)
{
	size_t i;

	for (i = 0; i < group->count; i++)
		if (group->pids[i] == pid)
			return 1;
	return 0;
}

static int
add_children(struct proc_group *group)
{
	struct stat_line line;
	struct dirent *entry;
	DIR *dir;
	pid_t pid;
	int added = 0;

	dir = opendir("/proc");
	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		pid = (pid_t)atol(entry->d_name);
		if (group->count < PROC_MAX && !has(group, pid) &&
		    read_stat(pid, &line) == 0 && has(group, line.parent)) {
			group->pids[group->count++] = pid;
			added = 1;
		}
	}
	closedir(dir);
	return added;
}

void
proc_group_find(struct proc_group *group, const char *pids)
{
	char *end;

	group->count = 0;
	for (; *pids != '\0' && group->count < PROC_MAX; pids = end) {
		group->pids[group->count++] = (pid_t)strtol(pids, &end, 10);
		if (*end == ',')
			end++;
		else if (end == pids)
			break;
	}
	while (add_children(group))
		continue;
}

double
proc_group_cpu(const struct proc_group *group)
{
	struct stat_line line;
	double sum = 0;
	size_t i;

	for (i = 0; i < group->count; i++)
		if (read_stat(group->pids[i], &line) == 0)
			sum += line.cpu;
	return sum;
}

void
proc_group_memory(const struct proc_group *group, long *pss, long *rss)
{
	char path[64], line[256];
	FILE *fp;
	size_t i;
	long n;

	*pss = *rss = 0;
	for (i = 0; i < group->count; i++) {
		snprintf(path, sizeof(path), "/proc/%ld/smaps_rollup",
		    (long)group->pids[i]);
		fp = fopen(path, "r");
		if (fp == NULL)
			continue;
		while (fgets(line, sizeof(line), fp) != NULL)
			if (sscanf(line, "Pss: %ld", &n) == 1)
				*pss += n;
			else if (sscanf(line, "Rss: %ld", &n) == 1)
				*rss += n;
		fclose(fp);
	}
}
