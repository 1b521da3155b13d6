/*
 * image.h - a copy of what a process can write, so that it need not stand still for
 * longer than the copying takes.
 */
#pragma once

#include "cli/heap/maps.h"
#include "cli/heap/ranges.h"

struct heap_memory;

struct heap_image_run {
	uint64_t start, end;
	const char *at;
};

struct heap_image_buffer {
	char *at;
	uint64_t len;
};

struct heap_image {
	struct heap_image_run *runs; /* ascending, disjoint */
	size_t run_count, run_room;
	struct heap_image_buffer *buffers; /* mappings of our own */
	size_t buffer_count, buffer_room;
	uint64_t bytes;
};

/* Makes room for that many bytes, while the process still runs: new memory is slow. */
void heap_image_prepare(struct heap_image *image, uint64_t bytes);

/* Copies the process's writable memory, but for heapline's, and the first pages of its
 * modules; of memory that it shares, what is in `also` (tidy). 0; -E2BIG: that is more
 * than most bytes; -ENOMEM; -errno: it is gone. Several threads copy. */
int heap_image_take(struct heap_image *image, struct heap_memory *memory,
		    const struct heap_ranges *also, uint64_t most);

/* As heap_source.read, of the copy. */
ssize_t heap_image_read(const struct heap_image *image, uint64_t address, void *to,
			size_t len, uint64_t *ret_skip);

/* Exactly len bytes; false: they were not copied. */
bool heap_image_get(const struct heap_image *image, uint64_t address, void *to,
		    size_t len);

void heap_image_done(struct heap_image *image);
