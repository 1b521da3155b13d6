/*
 * module.h - what the screen's module has for load.c, which hands calls of screen.h over.
 *
 * `heapline tui` alone needs ncurses: so screen.c is in a file of its own (part.h).
 */
#pragma once

#include "cli/base/part.h"
#include "cli/tui/screen.h"

#define SCREEN_MODULE "heapline_screen" /* the one name that the module exports */

struct screen_module {
	struct part part;
	int (*open)(bool colour);
	void (*close)(void);
	void (*size)(size_t *ret_rows, size_t *ret_columns);
	void (*erase)(void);
	void (*show)(void);
	void (*redraw)(void);
	void (*cells)(size_t row, size_t column, size_t columns, enum screen_look look,
		      const struct document_cell *cells, size_t count);
	size_t (*text)(size_t row, size_t column, size_t columns, enum screen_look look,
		       const char *text);
	void (*cursor)(size_t row, size_t column);
	int (*key)(void);
};
