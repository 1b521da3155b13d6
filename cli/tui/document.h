/*
 * document.h - a report's text in lines, to be looked at in any order.
 *
 * The text has no controls but line ends and the styles of text_style(): names came
 * through text_put(). A line may have a mark, what its text is about; it is that of the
 * last document_mark() before the line's start.
 */
#pragma once

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <wchar.h>

#define DOCUMENT_NONE UINT32_MAX

struct document_line {
	size_t at, len;
	uint32_t mark;
};

struct document_mark {
	size_t at;
	uint32_t id;
};

struct document { /* begins zeroed */
	char *text;
	size_t bytes;
	FILE *out; /* while it is written */
	struct document_line *lines;
	size_t count, room;
	struct document_mark *marks;
	size_t mark_count, mark_room;
	int err;
};

enum document_style { /* bits */
		      DOCUMENT_BOLD = 1,
		      DOCUMENT_DIM = 2,
		      DOCUMENT_RED = 4,
};

struct document_cell { /* a character */
	wchar_t c;
	uint8_t width, style; /* columns: 1 or 2 */
};

/* Throws away what it has. Where to write the text; NULL without memory. */
FILE *document_begin(struct document *d);

/* What comes next is about that. 0 or -ENOMEM. */
int document_mark(struct document *d, uint32_t id);

/* No more is written. 0, or -ENOMEM. */
int document_end(struct document *d);
void document_done(struct document *d);

/* The characters of a line, `room` at most; those without a width are left out, and
 * where the locale is not UTF-8, what is no ASCII is a question mark. How many. */
size_t document_cells(const char *text, size_t len, struct document_cell *cells,
		      size_t room);

/* Columns that characters take. */
size_t document_width(const struct document_cell *cells, size_t count);

/* How many of the characters go into a row of so many columns, where long lines are
 * broken, at a space if there is one: 1 at least, of count > 0. */
size_t document_break(const struct document_cell *cells, size_t count, size_t columns);

/* Whether a line has a match, its styles apart. */
bool document_matches(const struct document *d, size_t line, const regex_t *regex);
