/*
 * text.h - what all reports for people share: words that are safe to show, colour,
 * and the pager.
 *
 * Names and source lines come from a file, hence from anybody: they reach a terminal
 * through text_put() alone, which shows controls instead of obeying them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

/* Writes text. Controls, bidirectional marks and what is no UTF-8 are written as \x1b
 * or \u{202e}. */
void text_put(FILE *out, const char *text);

/* text_put(), but cut in the middle to at most `columns` columns (0: never), as in
 * "std::vector<Le…>::push_back". */
void text_put_elided(FILE *out, const char *text, size_t columns);

/* Columns of the terminal that reports go to: $COLUMNS, or the terminal's own. 0: there
 * is none, lines may be as long as they are. */
size_t text_columns(void);

/* Whether the locale's characters are UTF-8: lines may be drawn with more than ASCII.
 */
bool text_utf8(void);

/* A source line of len bytes, without its newline: tabs become spaces, to the next
 * multiple of eight columns counted from its start. */
void text_put_source(FILE *out, const char *line, size_t len);

/* text_put() into a buffer of room bytes, cut to fit; returns the buffer. */
const char *text_clean(const char *text, char *buffer, size_t room);

/* A word of a command line to type: quoted for the shell if it needs to be. */
void text_put_word(FILE *out, const char *word);

enum text_style {
	TEXT_PLAIN,
	TEXT_BOLD,
	TEXT_DIM,
	TEXT_WARNING,
};

/* Switches the style, if colour is wanted at all. */
void text_style(FILE *out, bool colour, enum text_style style);

struct text_pager {
	FILE *out; /* where the report goes */
	pid_t pid; /* of the pager; 0: none, out is stdout */
};

/* Starts $HEAPLINE_PAGER, $PAGER or less; goes without if that is "" or cannot be. */
void text_pager_open(struct text_pager *pager);

/* Waits for the pager to be left. 0 or -errno of the writing; that the reader left
 * early is no failure. */
int text_pager_close(struct text_pager *pager);
