/*
 * python_lines.h - the line tables of CPython's code objects: which instructions are of
 * which line. The three encodings of 3.8 and 3.9, of 3.10, and of 3.11 and later.
 *
 * Tables come from a traced process: any bytes are read to an end, and give some lines.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct python_lines {	  /* goes over a table */
	uint32_t version; /* of the interpreter, major << 8 | minor */
	const unsigned char *at, *end;
	int64_t now; /* line that differences are added to */
	/* The run of instructions [start, stop), in bytes, and its line; 0: they have
	 * none. */
	uint64_t start, stop;
	uint32_t line;
};

void python_lines_begin(struct python_lines *l, uint32_t version, uint32_t first_line,
			const unsigned char *table, size_t len);

/* The next run, none of them empty. False: there is no more. */
bool python_lines_next(struct python_lines *l);

/* The line of the instruction at that offset; 0: it has none, or is not in the table.
 */
uint32_t python_lines_at(struct python_lines l, uint64_t offset);

/* The greatest line of all. */
uint32_t python_lines_last(struct python_lines l);
