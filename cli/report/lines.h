/*
 * lines.h - the line report: what each source line allocated, freed and kept.
 *
 * For a line L of function f, inclusive of what L calls and of what was inlined there,
 * an event counts once however often L is on its stack:
 *
 *	allocated   bytes of allocations with L on their stack
 *	freed	    bytes of frees with L on their stack, whoever allocated
 *	increment   allocated - freed
 *	occurrences allocations with L on their stack
 *	mem usage   live bytes of the process after the last event with L on its stack
 *	peak	    of allocated: live at the peak of the scope
 *	leaked	    of allocated: live at the end, `runtime` apart
 *	temporary   of allocated: freed by the very next event of the thread
 *
 * A function is told apart by its full name, source file, first line and module: so
 * overloads are several, and so are instantiations of a template, whose sizes and
 * numbers differ as their arguments do. Folded, they are one, as in the source, and an
 * event counts once for a line however many of them are on its stack.
 */
#pragma once

#include "cli/report/view.h"

#include <stdio.h>

enum lines_column { /* bits: columns besides the usual three */
		    LINES_ALLOCATED = 1u << 0,
		    LINES_FREED = 1u << 1,
		    LINES_PEAK = 1u << 2,
		    LINES_LEAKED = 1u << 3,
		    LINES_TEMPORARY = 1u << 4,
		    LINES_ALL_COLUMNS = (1u << 5) - 1,
};

/* The functions' order: by their inclusive value, the greatest first; among equals
 * what is nearer to the allocation. */
enum lines_sort {
	LINES_BY_DEFAULT = 0, /* by place where a file is selected, else by peak */
	LINES_BY_PEAK,
	LINES_BY_LEAKED,
	LINES_BY_ALLOCATED,
	LINES_BY_TEMPORARY,
	LINES_BY_PLACE, /* file and line */
};

struct lines_options {
	struct scope_options scope;
	enum lines_sort sort;
	unsigned columns;	 /* enum lines_column */
	const regex_t *function; /* only functions whose full name matches */
	const char *file;	 /* only of files that match: a glob, or a path's end */
	bool all;		 /* system code too, and every function */
	bool nonzero;		 /* only lines with events */
	bool fold;		 /* instantiations of one template are one function */
	bool bytes;		 /* exact bytes instead of MiB */
	bool precise;		 /* precision is given; else 1 */
	unsigned precision;	 /* digits of a MiB: 0 to LINES_PRECISION */
	bool colour;
	size_t limit; /* functions at most; 0: LINES_LIMIT if nothing was selected */
};

enum {
	LINES_LIMIT = 10,
	LINES_PRECISION = 6,
	LINES_SCHEMA = 1, /* of the JSON: grows with changes that break scripts */
};

/* Writes the report. 0, -ESRCH (no such process) or -ENOMEM. Functions chosen: those
 * that function and file select, else the program's own (frames.h), else, if there
 * are none, all with line information. Then a table of the functions of the modules
 * that have no line information at all. */
int lines_text(const struct profile *p, const struct lines_options *o, FILE *out);

/* The same numbers for scripts, in bytes, of all functions that have line information
 * unless function, file or limit select. */
int lines_json(const struct profile *p, const struct lines_options *o, FILE *out);

/* Parses "allocated,peak" or "all" into *ret. false: a word is none of the columns. */
bool lines_parse_columns(const char *text, unsigned *ret);

/* Parses "peak", "leaked", "allocated", "temporary", "line". */
bool lines_parse_sort(const char *text, enum lines_sort *ret);
