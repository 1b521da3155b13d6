/*
 * python_lines.c - decodes line tables from standard input, and compares them with what
 * their interpreter says. A record is, in 32-bit words: version, first line, bytes of
 * the table, instructions; the table; the line of each instruction (two bytes each), 0
 * for none. Prints the number of instructions, and those of which the lines differ.
 */
#include "cli/symbol/python_lines.h"

#include <stdio.h>
#include <stdlib.h>

struct head {
	uint32_t version, first, len, count;
};

static unsigned long differing(const struct head *h, const unsigned char *table,
			       const uint32_t *lines)
{
	struct python_lines l;
	unsigned long wrong = 0;
	uint32_t i = 0;

	python_lines_begin(&l, h->version, h->first, table, h->len);
	while (i < h->count && python_lines_next(&l))
		for (; i < h->count && 2ull * i < l.stop; i++)
			wrong += lines[i] != l.line;
	return wrong + (h->count - i);
}

int main(void)
{
	unsigned long all = 0, wrong = 0;
	struct head h;

	while (fread(&h, sizeof(h), 1, stdin) == 1) {
		unsigned char *table = malloc(h.len + 1);
		uint32_t *lines = malloc(4ul * h.count + 1);

		if (!table || !lines || fread(table, 1, h.len, stdin) != h.len ||
		    fread(lines, 4, h.count, stdin) != h.count)
			return 2;
		all += h.count;
		wrong += differing(&h, table, lines);
		free(table);
		free(lines);
	}
	printf("%lu %lu\n", all, wrong);
	return 0;
}
