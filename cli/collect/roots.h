/*
 * roots.h - where processes find their files: each "/" that is not our own (another
 * container's, a chroot), held open so that it outlives the processes that see it.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

enum { ROOTS = 64 };

struct roots { /* zero at first */
	struct root {
		dev_t device;
		ino_t inode;
		int fd;
	} items[ROOTS];
	size_t count;
};

/* Number of a process's "/", looked up when it joins (it may be gone when files are
 * needed); -1: our own, or not known. */
int roots_of(struct roots *r, pid_t pid);

/* A path of a folder, or "" for -1. */
void roots_path(const struct roots *r, int root, char *ret, size_t room);
