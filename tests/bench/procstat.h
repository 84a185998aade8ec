/*
 * procstat.h - what a group of processes uses, from /proc.
 */
#ifndef SAMPUL_BENCH_PROCSTAT_H
#define SAMPUL_BENCH_PROCSTAT_H

#include <stddef.h>
#include <sys/types.h>

#define PROC_MAX	256

struct proc_group {
	pid_t	pids[PROC_MAX];
	size_t	count;
};

/* The processes named in "1,2,3" and all that descend from them. */
void	 proc_group_find(struct proc_group *group, const char *pids);
/* Seconds of processor time so far, to the kernel's 10 ms. */
double	 proc_group_cpu(const struct proc_group *group);
/* KiB: proportional (what they share counts once) and resident. */
void	 proc_group_memory(const struct proc_group *group, long *pss,
	    long *rss);

#endif
