/*
 * align.h - what of one profile is what of another: the code of two recordings under
 * common numbers, though the program was built again, moved, or loaded elsewhere.
 *
 *	module	  base name without the version behind ".so"; the program itself is the
 *		  same whatever its file is called, if each recording ran one program
 *	function  full name and module; and the source's base name too where either
 *		  recording has functions of that name in several files
 *	line	  function, and the line counted from the function's first; where both
 *		  have the function's text and it changed, the line of A's text that it
 *		  was
 *	stack	  its frames' lines, inlined ones too, outermost first
 *
 * Code without a name is known by its place in the module. Addresses and absolute line
 * numbers take no part. Numbers begin at 1; equal numbers, equal things.
 */
#pragma once

#include "cli/base/pairs.h"
#include "cli/base/table.h"
#include "cli/report/frames.h"

enum { ALIGN_SIDES = 2 };

struct align_side {
	const struct profile *profile;
	uint32_t *names;   /* by string: number in align.names + 1; 0: not yet asked */
	uint32_t *modules; /* by index + 1: number in align.names; [0] is none */
	uint32_t *stacks;  /* by node; made by align_stacks() */
	struct align_line {
		uint32_t module, line; /* of the last look; line 0: none yet */
	} * lines;		       /* by frame: a frame is mostly of one module */
	uint32_t *sources;	       /* sources' indices, by file and first line */
};

/* What a profile has of one function's text: the lines first..last of a file. */
struct align_body {
	uint32_t file, first, last; /* file: string; first 0: unknown */
	bool many;		    /* functions of that number are several */
};

/* The same of both, by number of the function. */
struct align_text {
	struct align_body body[ALIGN_SIDES];
	uint32_t *map; /* by line of B within its body: line within A's, or EDITS_NONE;
			* NULL: lines are counted from the first */
	uint32_t map_count;
	bool matched; /* it was tried */
};

struct align {
	struct align_side side[ALIGN_SIDES];
	struct align_text *bodies; /* by number */
	size_t bodies_room;
	size_t budget; /* for comparing texts: bytes, and pairs of lines */
	struct strings names;
	uint32_t *files; /* by name: the one source of that function + 1, or MANY */
	size_t files_room;
	struct table functions, places;
	struct pairs stacks;
};

/* The path of the one program that a recording ran, a string of its profile; 0 if there
 * were several. */
uint32_t align_program(const struct profile *p);

/* 0 or -ENOMEM; align_done() in any case. */
int align_init(struct align *al, const struct profile *a, const struct profile *b);
void align_done(struct align *al);

/* The number of a frame's module, function or line; 0 without memory. */
uint32_t align_module(const struct align *al, int side, const struct frames_frame *f);
uint32_t align_function(struct align *al, int side, const struct frames_frame *f);
uint32_t align_line(struct align *al, int side, const struct frames_frame *f);

/* Numbers every stack of both, into side[].stacks. 0 or -ENOMEM. */
int align_stacks(struct align *al);
