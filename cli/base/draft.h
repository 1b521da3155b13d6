/*
 * draft.h - a file that is written beside its place and put there whole, or not at all.
 *
 *	_cleanup_(draft_drop) struct draft d = {.fd = -1};
 *
 *	r = draft_open(&d, path, replace);
 *	... write to d.fd
 *	r = draft_keep(&d);
 *
 * Until it is kept it has no name, where the file system can do that: then nothing of
 * it is left by whatever ends the process. Elsewhere it is called path and six letters,
 * and draft_drop() removes it, but nobody does after a signal.
 *
 * A new file gets its mode as open(2) gives it; one that takes another's place gets
 * that one's mode, and its owner if that is allowed, and is on the disk first. Symbolic
 * links are followed. What is no regular file (a device, a pipe) is written as it is.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>

enum { DRAFT_SUFFIX = 8 /* room for '.', six letters and a NUL */ };

struct draft {
	int fd;	       /* to write to; owned */
	bool direct;   /* it is the place itself */
	bool replace;  /* what is there may be replaced */
	bool replaces; /* a file was there */
	char path[PATH_MAX];
	char beside[PATH_MAX + DRAFT_SUFFIX]; /* its name until it is kept, or "" */
};

/* 0 or -errno: -EEXIST if a file is there and is not to be replaced, -EISDIR, or as of
 * open(2). */
int draft_open(struct draft *d, const char *path, bool replace);

/* Puts it in its place, and closes it. 0 or -errno: -EEXIST if a file has come there
 * meanwhile and is not to be replaced. */
int draft_keep(struct draft *d);

/* Closes and forgets it, if it was not kept. */
void draft_drop(struct draft *d);
