/*
 * maps.h - the mappings of a process, as /proc/PID/maps has them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct heap_map {
	uint64_t start, end, offset;
	uint64_t inode; /* 0: no file */
	uint32_t device;
	bool read, write, exec, shared;
	/* Its own memory without the right to read, which a tracer may read all the
	 * same; false of large ones, and of what is more than a few gigabytes in all:
	 * these are reserved rather than used. */
	bool closed;
	char *path; /* owned; "" for none, else a path or "[stack]" and its like */
};

struct heap_maps { /* ascending, disjoint */
	struct heap_map *items;
	size_t count, room;
};

/* In pieces where there are guards (guards.h). 0, -ENOMEM, -E2BIG, or -errno: the process
 * is gone, or not ours to look at. */
int heap_maps_read(pid_t pid, struct heap_maps *ret);

/* The same from a text, which is changed. -EBADMSG: it makes no sense. */
int heap_maps_parse(char *text, struct heap_maps *ret);

void heap_maps_done(struct heap_maps *m);

/* Whether a mapping may hold blocks for somebody: memory that the program can write and
 * that is its own, but for heapline's and the heap of brk(). */
bool heap_map_counts(const struct heap_map *map);

/* The same, and memory that the program could write once: it has closed it since, or
 * taken its own right to write. */
bool heap_map_holds(const struct heap_map *map);

/* Whether the C library is loaded twice: a namespace of its own (dlmopen(3)) has its own,
 * which nothing is preloaded into. A file that is only mapped to be read is not loaded. */
bool heap_maps_second_libc(const struct heap_maps *m);

/* The mapping around an address, or NULL. */
const struct heap_map *heap_maps_find(const struct heap_maps *m, uint64_t address);
