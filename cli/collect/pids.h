/*
 * pids.h - which process a target means by a pid. It tells its own number in shared
 * memory; in a PID namespace of its own, that is another number here, and here the
 * number may be somebody else's.
 *
 * Almost always the number is right, and its parent proves it. Where that fails, the
 * kernel's own list of numbers (NSpid) and the recording's memory among its mappings
 * decide.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct pids { /* what the recording's memory is known by in /proc */
	dev_t device;
	ino_t inode;
};

struct pids_claim {
	pid_t pid;    /* as it, or its parent, sees it */
	pid_t parent; /* as we see it; 0: not known */
	bool nested;  /* the parent is in a namespace of its own */
	bool maps;    /* it has the memory mapped (it has not executed anything) */
};

/* memory: the recording's memfd. */
void pids_init(struct pids *p, int memory);

/* Whether it is still there, if only as a zombie. *ret: its pid as we see it; what it
 * claims to be if it is gone. */
bool pids_resolve(const struct pids *p, const struct pids_claim *c, pid_t *ret);
