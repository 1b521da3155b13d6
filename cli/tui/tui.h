/*
 * tui.h - the terminal viewer: a profile's reports on a screen, to move about in.
 *
 * It computes nothing of its own. Every view is the text of a verb's report (the tree's
 * rows for the flame graph), asked with the same options, and says which verb that is:
 * the same command prints the same numbers.
 */
#pragma once

#include "cli/report/findings.h"
#include "cli/report/scope.h"

#include <stdbool.h>

struct profile;

enum tui_kind {
	TUI_LINES,
	TUI_TREE,
	TUI_FLAME,
	TUI_TOP,
	TUI_TIMELINE,
	TUI_LEAKS,
	TUI_REFS,
	TUI_DIFF, /* of two profiles; the last */
	TUI_KINDS
};

struct tui_options {
	struct scope_options scope;
	const char *path; /* of the profile */
	/* What it is compared with; NULL: nothing, and there is no such view. */
	const struct profile *other;
	const char *other_path;
	bool bytes, colour;
	enum tui_kind first; /* the view to begin with */
	/* Options of the command line that a view's verb takes too, as typed, each with
	 * a space before it. */
	const char *words[TUI_KINDS];
	/* Leaks of the profile (which 1: of the other) as the verb finds them, see
	 * findings_of(): of the scope's process and domain. */
	int (*find)(void *context, int which, const struct scope_options *scope,
		    struct findings *ret);
	void *context;
};

/* How many views there are, from the first on. */
static inline int tui_count(const struct tui_options *o)
{
	return o->other ? TUI_KINDS : TUI_DIFF;
}

/* The words for views: "lines", "tree", "flame", ... */
extern const char *const tui_words[TUI_KINDS];
bool tui_parse_kind(const char *word, enum tui_kind *ret);

/* The verb whose text a view shows. */
const char *tui_verb(enum tui_kind kind);

/* Whether there is one at all: this was built with ncurses. */
bool tui_is_built(void);

/* To be called first: what draws is in the module at path. 0; or, with one clause in why,
 * as part_load(). */
int tui_load(const char *path, char *why, size_t room);

/* Shows the profile until the user leaves. 0; -ENOTTY: standard input or output is no
 * terminal; -ENOTSUP: the terminal cannot move its cursor, or $TERM is not known;
 * -ENOSYS: nothing was loaded; -ENOMEM. */
int tui_run(const struct profile *p, const struct tui_options *o);
