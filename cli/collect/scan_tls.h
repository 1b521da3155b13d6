/*
 * scan_tls.h - thread-local variables by name: whose they are is seen while the process
 * stands still, their names are found later.
 */
#pragma once

#include "cli/heap/roots.h"

struct scan_tls {
	struct heap_tls_part *parts; /* ascending by start */
	size_t count, room;
	uint64_t keys; /* as heap_roots_options.keys */
};

/* 0 or -ENOMEM; without what glibc says of itself, nothing is known. */
int scan_tls_take(struct scan_tls *t, const struct heap_roots *roots,
		  struct heap_memory *memory, const struct heap_threads *threads);

/* The part around an address, or NULL. */
const struct heap_tls_part *scan_tls_find(const struct scan_tls *t, uint64_t address);

void scan_tls_done(struct scan_tls *t);
