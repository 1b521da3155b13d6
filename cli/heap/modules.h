/*
 * modules.h - the files that a process has mapped as code, and where their data is: by
 * the program headers that are mapped with them.
 */
#pragma once

#include "cli/base/strings.h"
#include "cli/heap/memory.h"

struct heap_module {
	uint32_t path; /* string */
	uint64_t bias; /* address - bias: the file's own */
	uint64_t start, end;
	/* The rest is not kept in profiles. */
	unsigned char id[64]; /* its build-id */
	size_t id_len;
	uint64_t tls, tls_bytes, tls_align; /* address of its variables' beginnings */
};

struct heap_segment { /* that can be written */
	uint64_t start, end;
	uint32_t module; /* its number */
};

struct heap_modules {
	struct heap_module *items;
	size_t count, room;
	struct heap_segment *segments;
	size_t segment_count, segment_room;
};

/* Adds what the process has. 0 or -ENOMEM. */
int heap_modules_find(struct heap_modules *m, struct strings *names,
		      struct heap_memory *memory);

/* The number of the module around an address; count: none is. */
size_t heap_modules_at(const struct heap_modules *m, uint64_t address);

void heap_modules_done(struct heap_modules *m);
