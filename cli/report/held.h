/*
 * held.h - a snapshot's heap graph as reports show it: which one is meant, which blocks
 * a word of the user's names, and what blocks, edges and roots are called.
 */
#pragma once

#include "cli/heap/reach.h"
#include "cli/heap/store.h"
#include "cli/report/frames.h"
#include "cli/report/text.h"

struct held_options {
	const char *path;     /* of the profile: the graph is read from it */
	int32_t pid;	      /* 0: any process */
	const char *snapshot; /* name or number (from 1); NULL: the last one */
	/* Types are asked for: rather the snapshot that its interpreter's end made
	 * (HELD_FINALISATION) than one behind that, if none is named. */
	bool typed;
	bool forwards; /* who points at a block is not asked: see held.graph */
	size_t limit;  /* 0: the report's own */
	bool bytes, colour;
};

#define HELD_FINALISATION "finalisation" /* the name of such a snapshot */

struct held {
	const struct profile *profile;
	const struct profile_snapshot *snapshot;
	size_t number; /* of the snapshot, from 0 */
	struct heap_stored stored;
	const struct heap_graph *graph; /* inverted, but for who goes forwards alone */
	struct frames_owners *owners;
	uint8_t *level;	      /* of each block: HELD_SURE ... HEAP_UNREACHED */
	uint32_t only_thread; /* of the process, as of its recording: 1 + its number in
			       * the profile; 0: there are several */
};

#define HELD_TYPE "type:" /* what a word begins with that means a type */

enum held_level { /* how surely a block is held: see heap_surety */
		  HELD_SURE = HEAP_SURE,
		  HELD_INSIDE = HEAP_INSIDE,
		  HELD_WEAK = HEAP_WEAK,
		  HELD_EXITED = HEAP_LEFT,
		  HELD_IGNORED, /* declared no leak, or held by such alone */
};

/* 0; -ENODATA: there is no such snapshot, or none was scanned: *ret_why says so for
 * people; -errno of the reading. held_done() in any case. */
int held_open(struct held *h, const struct profile *p, const struct held_options *o,
	      const char **ret_why);
void held_done(struct held *h);

/* The thread that allocated a block; NULL: nobody knows. */
const struct profile_thread *held_thread(const struct held *h, uint32_t block);

/* Of a block of another process's, which forked this one. */
bool held_is_inherited(const struct held *h, uint32_t block);

/* The next held_open() of that snapshot, of the same struct profile, gets what h has,
 * once, and h has nothing any more. For processes that answer one question and end. */
void held_keep(struct held *h);

/* The blocks that a word means: an address in one ("0x..."), objects of a type
 * ("type:Node", as of types_match(); no parts of them), or all whose allocation has a
 * frame of that function, file, or file:line. *ret is malloc'ed. 0, -ENOMEM. */
int held_find(const struct held *h, const char *what, uint32_t **ret,
	      size_t *ret_count);

/* "insert (table.c:12)": where a block was allocated, in the program's own code if that
 * is on its stack. Raw, for text_put(). */
const char *held_site(const struct held *h, uint32_t block, char *buffer, size_t room);

/* "list", "list (items)", "module `app`": what a block is, as far as that is known; else
 * "". Raw. */
const char *held_type(const struct held *h, uint32_t block, char *buffer, size_t room);

/* The name of a block's type alone; "" if it is not known. Raw. */
const char *held_type_name(const struct held *h, uint32_t block);

/* held_type(), and held_site() behind it. Raw. */
const char *held_block(const struct held *h, uint32_t block, char *buffer, size_t room);

/* "g_table+0x88 in a.out", "main() local `table` of thread 12 (name)", ... Raw. */
const char *held_root(const struct held *h, const struct heap_root *root, char *buffer,
		      size_t room);

/* "static variable", "stack", ...: what kind of place it is. */
const char *held_kind(enum heap_kind kind);

/* "+16": where in its block the pointer of an edge is. "inside": it is none, see
 * HEAP_WITHIN. */
const char *held_place(const struct held *h, uint32_t edge, char *buffer, size_t room);

/* "" for a pointer to a start; else "into it, 16 bytes", ... with a leading ", ". */
const char *held_how(uint16_t how, char *buffer, size_t room);

/* "held", "held by pointers into blocks alone", ... of a level. */
const char *held_level(uint8_t level);

/* The word for it that options take and JSON prints: "sure", ..., "no". */
const char *held_level_word(uint8_t level);

/* Says which snapshot it is: a line, and one more where it is not whole. */
void held_heading(const struct held *h, FILE *out);
