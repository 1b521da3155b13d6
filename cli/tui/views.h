/*
 * views.h - what is looked at: a document for each view, made when it is first wanted
 * and again when what it was asked with changes. For cli/tui/ alone.
 */
#pragma once

#include "cli/report/diff.h"
#include "cli/report/held.h"
#include "cli/report/lines.h"
#include "cli/report/top.h"
#include "cli/report/tree.h"
#include "cli/tui/document.h"
#include "cli/tui/tui.h"

enum views_refs { VIEWS_BACKREFS, VIEWS_REFS, VIEWS_PATH, VIEWS_REFS_MODES };

enum {
	VIEWS_WHAT = 256, /* room for the name of a block */
	VIEWS_DETAILS = 4,
};

struct views_item { /* a row of the tree; those under it follow, up to `end` */
	uint64_t value, start; /* start: on a line as long as the total */
	size_t name;	       /* into names */
	uint32_t depth, parent, end;
	bool folded;
};

struct views_view {
	struct document document;
	size_t *shown; /* lines, without what is folded */
	size_t shown_count, shown_room;
	size_t cursor, top; /* into shown */
	size_t left;	    /* columns that are out of sight */
	size_t columns;	    /* that it was made for */
	bool made;
};

struct views {
	const struct profile *profile;
	const struct tui_options *options;
	struct views_view view[TUI_KINDS]; /* the flame graph's is not used */
	size_t columns;			   /* of the screen */

	enum lines_sort lines_sort;
	bool lines_all, lines_more;
	enum view_metric tree_metric, top_metric;
	unsigned tree_detail; /* 0: nodes of 1 % and more; 1: of 0.1 %; ... */
	bool bottom_up;
	enum top_by by;
	bool leaks_all;
	enum diff_metric diff_metric;
	enum diff_by diff_by;
	enum views_refs refs;
	size_t refs_depth;
	char what[VIEWS_WHAT]; /* the block whose references are shown; "": none */

	struct views_item *items; /* of the tree */
	size_t item_count, item_room;
	uint64_t total;
	char *names; /* clean, a NUL behind each */
	size_t name_bytes;

	struct findings findings; /* that leaks' marks count in */
	bool has_findings;
};

void views_init(struct views *v, const struct profile *p, const struct tui_options *o);
void views_done(struct views *v);

/* Makes a view, unless it is there as it should be. What went wrong is its text.
 * -ENOMEM: not even that. */
int views_make(struct views *v, enum tui_kind kind);

/* It will have to be made anew. */
void views_drop(struct views *v, enum tui_kind kind);

/* Finds the lines that are shown, the cursor staying on its line or near. 0 or
 * -ENOMEM. */
int views_show(struct views *v, enum tui_kind kind);

/* The next order, the next mode, more or less of the view. NULL: done, to be made
 * anew; else a clause on why not. */
const char *views_sort(struct views *v, enum tui_kind kind, bool backwards);
const char *views_mode(struct views *v, enum tui_kind kind);
const char *views_detail(struct views *v, enum tui_kind kind, bool more);

/* "sort: peak, from the top down": what the view is asked with. */
void views_state(const struct views *v, enum tui_kind kind, FILE *out);

/* The command that prints the same. */
void views_twin(const struct views *v, enum tui_kind kind, FILE *out);

/* A document's line in the tree's rows; NULL: it is none. */
struct views_item *views_item(struct views *v, size_t line);
