/*
 * labels.h - small numbers for frames that are one thing to a report, a line, a
 * function, a file or a module, and what to call each.
 *
 * A module is told apart by its path and build, wherever it was mapped; a function by
 * its full name, file and module, so that overloads and instantiations are several;
 * code that nobody has a name for by its place in its module.
 */
#pragma once

#include "cli/base/table.h"
#include "cli/report/frames.h"

enum labels_kind { LABELS_LINE, LABELS_FUNCTION, LABELS_FILE, LABELS_MODULE };

enum { LABELS_NONE = 0 }; /* of no frame at all: "(no stack)" */

struct labels {
	const struct profile *profile;
	enum labels_kind kind;
	uint32_t *modules;  /* by index + 1: the first module of that path and build */
	uint32_t *of_frame; /* by frame: label known already; 0: none */
	struct table ids;   /* -> label */
	struct frames_frame *frames; /* by label: one that has it */
	size_t count, room;
};

/* 0 or -ENOMEM. labels_done() in any case. */
int labels_init(struct labels *l, const struct profile *p, enum labels_kind kind);
void labels_done(struct labels *l);

/* The label of a frame, a new one if need be: 0 < label < count, or LABELS_NONE if
 * frame->stack is NULL. UINT32_MAX without memory. */
uint32_t labels_of(struct labels *l, const struct frames_frame *frame);

/* Index + 1 of the first module with the path and build of that one; 0 for 0. */
uint32_t labels_module(const struct labels *l, uint32_t module);

enum labels_detail {
	LABELS_SHORT, /* "parse (a.c:12)", "parse (a.c)", "/src/a.c", "libz.so.1" */
	LABELS_FULL,  /* with arguments and template arguments; modules with their path
		       */
	LABELS_WHOLE, /* and with the module of a function: no two labels are equal */
};

/* What to call a label. Raw: for text_put() or text_put_elided(). Returns the buffer.
 */
const char *labels_text(const struct labels *l, uint32_t label,
			enum labels_detail detail, char *buffer, size_t room);

enum { LABELS_TEXT = 1024 }; /* room that suffices for most; more is cut */
