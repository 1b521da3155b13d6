/*
 * baseline.h - leaks that are there already, so that a gate can refuse new ones before
 * the old ones are mended. A text file in the repository, one line a fingerprint
 * (cli/report/fingerprint.h), sorted by the words that people read:
 *
 *	# heapline baseline 1
 *	0123456789abcdef 3 96 push (libq.so) < work < main (demo)
 *
 * with the blocks and bytes that may be leaked. Lines of two branches go together as
 * git merges them: a fingerprint that then stands twice has the greater of each.
 * Blocks of all kinds that fail the gate and of all processes are counted together.
 */
#pragma once

#include "cli/report/findings.h"
#include "cli/report/fingerprint.h"

#include <stdbool.h>
#include <stdio.h>

enum baseline_limit {
	BASELINE_BYTES = 16 << 20, /* of a file */
	BASELINE_LINE = 4096,
};

struct baseline_entry {
	uint64_t print;
	uint64_t blocks, bytes;
	const char *where;
};

struct baseline {
	struct baseline_entry *entries; /* by fingerprint, each once */
	size_t count, room;
	struct strings texts;
};

void baseline_done(struct baseline *b);

/* Reads a file, or a text that is called so. 0; -EINVAL with "FILE:LINE: what is wrong"
 * in why; -errno of reading it; -ENOMEM. baseline_done() in any case. */
int baseline_read(struct baseline *b, const char *path, char *why, size_t room);
int baseline_parse(struct baseline *b, const char *name, const char *text, size_t len,
		   char *why, size_t room);

/* What the findings of these kinds (bits) are. prints: of each finding, for the caller
 * to look up, may be NULL. 0 or -ENOMEM. */
int baseline_of(const struct profile *p, const struct findings *f, uint32_t kinds,
		struct baseline *ret, uint64_t *prints);

int baseline_text(const struct baseline *b, FILE *out);

/* Writes the file whole or not at all. 0 or -errno. */
int baseline_write(const struct baseline *b, const char *path);

const struct baseline_entry *baseline_find(const struct baseline *b, uint64_t print);

enum baseline_state {
	BASELINE_NEW,	    /* not in it: fails */
	BASELINE_GROWN,	    /* more blocks, or bytes, than it allows: fails */
	BASELINE_UNCHANGED, /* or fewer */
	BASELINE_FIXED,	    /* in it, and not there any more */
	BASELINE_STATES
};

/* What became of a fingerprint that is in one of them. */
enum baseline_state baseline_state(const struct baseline *was,
				   const struct baseline *now, uint64_t print);

struct baseline_sum {
	size_t states[BASELINE_STATES]; /* how many fingerprints */
	size_t shrunk;			/* of the unchanged: fewer blocks or bytes */
};

struct baseline_sum baseline_sum(const struct baseline *was,
				 const struct baseline *now);

/* The next one. A ratchet: fixed ones go, shrunk ones are allowed what there is now,
 * and nothing is allowed more. accept: what there is now, grown and new ones too. 0 or
 * -ENOMEM. */
int baseline_next(const struct baseline *was, const struct baseline *now, bool accept,
		  struct baseline *ret);
