/*
 * suspects.h - blocks that a snapshot called lost, remembered until the next one of the
 * process: what is gone by then was freed, so it was not lost at all.
 */
#pragma once

#include "cli/heap/leaks.h"

struct suspect {
	uint64_t address, size;
	uint32_t site;
};

struct suspects {
	struct suspect *items; /* by address */
	size_t count, room;
};

void suspects_done(struct suspects *s);

/* Those blocks of a graph that are of one of the kinds, by bits; s is emptied before.
 * 0 or -ENOMEM. */
int suspects_take(struct suspects *s, const struct heap_graph *g,
		  const struct heap_leaks *l, uint32_t kinds);

/* Marks the blocks of a later graph that are not among them: 1 in ret, else 0. A block
 * born after at_ns, the moment of the suspects, is none of them. */
void suspects_mark_others(const struct suspects *s, const struct heap_graph *g,
			  uint64_t at_ns, uint8_t *ret);

/* Calls gone() for each that is not in the later graph. 0, or what gone() returned. */
int suspects_gone(const struct suspects *s, const struct heap_graph *g, uint64_t at_ns,
		  int (*gone)(void *context, const struct suspect *s), void *context);
