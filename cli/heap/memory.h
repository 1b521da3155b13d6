/*
 * memory.h - the memory of another process, read in large runs.
 *
 * Pages that were never touched are not read (/proc/PID/pagemap tells): they hold no
 * pointers, and reading them would give them to the process, or take them off a disk.
 * (Of memory that is shared, others may have touched them: it is read if it is small,
 * or was said to hold pointers.) What can be read at all is asked of its mappings
 * first; what the process itself may not read is read as debuggers do.
 */
#pragma once

#include "cli/heap/graph.h"
#include "cli/heap/image.h"
#include "cli/heap/maps.h"

struct heap_memory {
	pid_t pid;
	const struct heap_maps *maps;
	int pagemap;			   /* -1: none to be had; everything is read */
	int closed;			   /* reads what is closed; -1: none is */
	const struct heap_image *image;	   /* once copied: read instead; NULL */
	const struct heap_ranges *regions; /* said to hold pointers; NULL */
	bool constants; /* an image has what modules cannot write, or have not, too */
};

/* maps outlive it. */
void heap_memory_open(struct heap_memory *m, pid_t pid, const struct heap_maps *maps);
void heap_memory_close(struct heap_memory *m);

/* As heap_source.read; context is the struct. */
ssize_t heap_memory_read(void *context, uint64_t address, void *to, size_t len,
			 uint64_t *ret_skip);

/* Reads exactly len bytes at any address; false: they cannot be had. */
bool heap_memory_get(struct heap_memory *m, uint64_t address, void *to, size_t len);
