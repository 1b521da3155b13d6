/*
 * peek.h - small reads of another process's memory, many of which lie near each other:
 * pages that were read are kept, a few megabytes of them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_peek {
	void *context;
	/* Reads exactly len bytes; false: they cannot be had. */
	bool (*get)(void *context, uint64_t address, void *to, size_t len);
	struct heap_peek_page *pages; /* NULL at first */
};

/* Reads exactly len bytes; false: they cannot be had. */
bool heap_peek(struct heap_peek *p, uint64_t address, void *to, size_t len);

/* A word, at a multiple of one; 0: it cannot be had, or is that. */
uint64_t heap_peek_word(struct heap_peek *p, uint64_t address);

void heap_peek_done(struct heap_peek *p);
