/*
 * outcome.h - what a gate found, for the formats that CI systems read: each leak once,
 * whatever processes had it, those that fail first, and the limits.
 *
 * Writers (sarif.h, junit.h, github.h, gitlab.h) take names from anywhere, and write
 * what their format calls text.
 */
#pragma once

#include "cli/report/findings.h"
#include "cli/report/frames.h"

#include <stdbool.h>
#include <stdio.h>

struct outcome_leak { /* findings of one kind and fingerprint */
	enum leak_kind kind;
	uint32_t stack; /* of the first of them */
	uint64_t print; /* report/fingerprint.h */
	uint64_t blocks, bytes, held_blocks, held_bytes;
	bool fails;
	const char *state;  /* "new", "grown" or "unchanged" beside a baseline; NULL */
	const char *reason; /* why it is suppressed; NULL: it is not */
};

struct outcome_limit {
	char *name; /* "--max-peak", "--max-peak 'parse_*'"; both owned */
	char *text; /* "12 bytes were live at the peak, 10 are allowed" */
	bool failed;
};

struct outcome {
	const struct profile *profile;
	struct frames_owners *owners;
	struct outcome_leak *leaks;
	size_t count, room;
	struct outcome_limit *limits;
	size_t limit_count, limit_room;
	int status;	  /* that heapline exits with; 0: the program's own */
	const char *why;  /* it was not checked: the reason; NULL */
	const char *root; /* folder that paths are given relative to, without a / */
};

/* 0 or -ENOMEM; outcome_done() in any case. */
int outcome_init(struct outcome *o, const struct profile *p, const char *root);
void outcome_done(struct outcome *o);

/* Adds a finding to the leak of its kind and fingerprint. leak's sums are ignored. 0 or
 * -ENOMEM. */
int outcome_add(struct outcome *o, const struct outcome_leak *leak,
		const struct finding *f);

/* Copies the texts. 0 or -ENOMEM. */
int outcome_add_limit(struct outcome *o, const char *name, const char *text,
		      bool failed);

/* Puts the leaks in order: those that fail, then by kind and size. */
void outcome_sort(struct outcome *o);

size_t outcome_failures(const struct outcome *o); /* leaks that fail */

/* Where a leak is to be shown: in the program's own code, if any of that is on the
 * stack. path: of the source, relative to the root if it is in it; of the module where
 * no source is known. */
struct outcome_place {
	const char *path, *function;
	uint32_t line; /* 0: none */
	bool relative;
};

/* name: room for a function without a name. */
struct outcome_place outcome_place(const struct outcome *o,
				   const struct outcome_leak *l, char name[256]);
struct outcome_place outcome_frame(const struct outcome *o,
				   const struct frames_frame *f, char name[256]);

/* "48 bytes in 2 blocks leaked: nothing points at it". Returns the buffer. */
const char *outcome_sentence(const struct outcome_leak *l, char *buffer, size_t room);
