/*
 * changes.h - `diff --by leak` and `diff --by block`: what changed between two
 * recordings of what was never freed, by its kind, and of the live blocks of a
 * snapshot, by how they are held and what they are.
 *
 * Rows match by these words and by the stack that allocated, as fingerprint.h has it:
 * by the names of functions and modules alone, so that of two builds or of two machines
 * the same leak is one row. (The program itself is the same whatever its file is
 * called, if each recording ran one: align.h.) Each block counts in one row. Hence
 *
 *	sum over rows of b - a = B's total - A's total, exactly.
 */
#pragma once

#include "cli/report/blocks.h"
#include "cli/report/diff.h"
#include "cli/report/leaks.h"

enum { CHANGES_KINDS = 12 };

struct changes_row {
	const char *kind, *type; /* type: ""; or of blocks, if it is known. Raw */
	struct profile_amount amount[2];
	enum diff_status status;
	uint32_t order; /* of coming, to break ties */
	/* By side, if it has any: the stack that has most bytes of it. */
	bool has[2];
	uint32_t stack[2];
	uint64_t weight[2];
};

struct changes {
	struct changes_row
		*rows; /* the changed ones first, the greatest before others */
	size_t count, room, changed;
	size_t status[DIFF_STATUSES]; /* rows of each */
	struct changes_kind {
		const char *word;
		struct profile_amount amount[2];
		size_t status[DIFF_STATUSES]; /* rows of each */
	} kinds[CHANGES_KINDS];		      /* those that were looked at, in order */
	size_t kind_count;
	struct profile_amount total[2];

	uint32_t program[2]; /* by side: the one program's path; 0: it is not told */
	const struct profile *profile[2];
	struct strings names;
	struct pairs frames, stacks, words, things;
	uint32_t *row_of; /* by number of the thing: place in rows + 1 */
	size_t row_room;
};

struct changes_options {
	size_t limit; /* rows listed; 0: DIFF_LIMIT, of JSON all */
	bool bytes, colour;
	const char *paths[2]; /* may be NULL */
};

/* Of findings that are wanted, the kinds of both the same. 0 or -ENOMEM; changes_done()
 * in any case. */
int changes_of_leaks(struct changes *c, const struct leaks *a, const struct leaks *b);

/* Of two snapshots. */
int changes_of_blocks(struct changes *c, const struct held *a, const struct held *b);
void changes_done(struct changes *c);

/* Write the reports: 0 or -ENOMEM. */
int changes_leaks_text(const struct leaks *a, const struct leaks *b,
		       const struct changes_options *o, FILE *out);
int changes_leaks_json(const struct leaks *a, const struct leaks *b,
		       const struct changes_options *o, FILE *out);
/* The same of two profiles: their findings are asked for, and those of the scope and
 * kinds (0: LEAKS_USUAL) compared. o names the paths. 0, -ENOMEM, or what find()
 * returned. */
struct changes_leaks {
	const struct profile *profile[2];
	struct scope_options scope;
	uint32_t kinds;
	int (*find)(void *context, int which, struct findings *ret);
	void *context;
};

int changes_leaks(const struct changes_leaks *both, const struct changes_options *o,
		  bool json, FILE *out);

int changes_blocks_text(const struct held *a, const struct held *b,
			const struct changes_options *o, FILE *out);
int changes_blocks_json(const struct held *a, const struct held *b,
			const struct changes_options *o, FILE *out);
