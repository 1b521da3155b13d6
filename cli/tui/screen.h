/*
 * screen.h - the terminal, through ncurses, which nobody else includes.
 *
 * Whatever ends the process (a signal, an abort) first gives the terminal back as it
 * was; only SIGKILL cannot.
 */
#pragma once

#include "cli/tui/document.h"

#include <stdbool.h>
#include <stddef.h>

enum { /* keys that are no characters: above all of those */
       SCREEN_NONE = 0x200000,
       SCREEN_RESIZED,
       SCREEN_UP,
       SCREEN_DOWN,
       SCREEN_LEFT,
       SCREEN_RIGHT,
       SCREEN_PAGE_UP,
       SCREEN_PAGE_DOWN,
       SCREEN_HOME,
       SCREEN_END,
       SCREEN_ENTER,
       SCREEN_BACKSPACE,
       SCREEN_TAB_BACK,
       SCREEN_GONE, /* the terminal is */
       SCREEN_F,    /* F1 is SCREEN_F + 1, up to 12 */
};

enum screen_look { /* beside a cell's own style */
		   SCREEN_PLAIN,
		   SCREEN_CHOSEN,
		   SCREEN_BAR, /* of the title, and the like */
		   SCREEN_HINT,
		   SCREEN_BOX, /* + 0 to 3: cells of the flame graph */
};

/* 0, -ENOTTY or -ENOTSUP, see tui_run(). */
int screen_open(bool colour);
void screen_close(void);

void screen_size(size_t *ret_rows, size_t *ret_columns);
void screen_erase(void);
void screen_show(void);
void screen_redraw(void); /* all of it, whatever is there */

/* Writes cells from a column on, those of [from, from + columns) of them; the rest of
 * the row's columns is filled. */
void screen_cells(size_t row, size_t column, size_t columns, enum screen_look look,
		  const struct document_cell *cells, size_t count);

/* The same of a text that is clean, cut to the columns; returns those written. */
size_t screen_text(size_t row, size_t column, size_t columns, enum screen_look look,
		   const char *text);
void screen_cursor(size_t row, size_t column); /* shown there; row SIZE_MAX: hidden */

/* Waits for a key: a character, or one of the above. */
int screen_key(void);
