/*
 * maps.h - the mappings that a process made by mmap: intervals of whole pages.
 *
 * A mapping that is unmapped in part falls into pieces, sorted by address, which keep
 * their number of the mapping; with its last piece the mapping is gone. What an
 * unmapping cut out can be put back, as munmap may turn out to have failed: the cuts
 * hold on to their mappings until they are forgotten.
 *
 * Adding and cutting move the pieces behind: fine for the 65,530 mappings that Linux
 * allows a process. More than MAPS_PIECES are refused.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
	MAPS_PIECES = 1 << 18,
};

struct maps_mapping {
	uint64_t born_ns;
	uint32_t site;
	uint32_t pieces, holds; /* both 0: the slot is free */
	uint32_t next_free;
};

struct maps_piece {
	uint64_t start, end;
	uint32_t mapping;
};

struct maps {
	struct maps_piece *pieces; /* sorted, disjoint */
	size_t count, room;
	struct maps_mapping *mappings; /* from 1 */
	size_t mapping_count, mapping_room;
	uint32_t free; /* list of free mapping slots */
};

struct maps_cut {
	uint64_t start, end;
	uint32_t mapping;
	uint32_t last; /* 1: with it the mapping was gone */
};

struct maps_cuts {
	struct maps_cut *items;
	size_t count, room;
};

void maps_done(struct maps *m);

/* Adds a mapping of [start, end), where nothing lies. 0, -ENOMEM, -ENOSPC. */
int maps_add(struct maps *m, uint64_t start, uint64_t end, uint32_t site,
	     uint64_t born_ns);

/* Removes what lies in [start, end); cuts (empty before) say what. 0, or -errno with
 * nothing changed. */
int maps_cut(struct maps *m, uint64_t start, uint64_t end, struct maps_cuts *cuts);

/* Puts one cut back, unless something lies there by now (-EEXIST). *ret_first: the
 * mapping was gone and is there again. */
int maps_restore(struct maps *m, const struct maps_cut *cut, uint32_t *ret_first);

/* Lets go of the cuts; they are empty then. */
void maps_forget(struct maps *m, struct maps_cuts *cuts);
