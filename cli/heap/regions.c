#include "cli/heap/regions.h"

#include "cli/base/cleanup.h"

#include <errno.h>
#include <stdlib.h>

enum { HIGHEST_BIT = 47 }; /* of a process's addresses */

int heap_regions_read(struct heap_memory *memory, uint64_t at, size_t most,
		      struct heap_ranges *ret)
{
	_cleanup_(freep) uint64_t *words = NULL;
	size_t len = most * 2 * sizeof(*words);
	int r = 0;

	*ret = (struct heap_ranges){0};
	if (!at)
		return 0;
	words = malloc(len);
	if (!words)
		return -ENOMEM;
	if (!heap_memory_get(memory, at, words, len))
		return 0;
	for (size_t i = 0; !r && i < most; i++) {
		uint64_t start = (words[2 * i] + HEAP_WORD - 1) & ~(HEAP_WORD - 1ull);
		uint64_t end = words[2 * i + 1] & ~(HEAP_WORD - 1ull);

		if (start < end && !(end >> HIGHEST_BIT))
			r = heap_ranges_add(ret, start, end);
	}
	heap_ranges_tidy(ret);
	return r;
}

int heap_regions_scan(struct heap_graph *g, const struct heap_source *source,
		      const struct heap_ranges *regions, struct heap_roots *roots)
{
	uint32_t name = strings_add(&roots->names, "root region");
	int r = name == UINT32_MAX ? -ENOMEM : 0;

	for (size_t i = 0; !r && i < regions->count; i++) {
		const struct heap_area a = {.start = regions->items[i].start,
					    .end = regions->items[i].end,
					    .kind = HEAP_REGION,
					    .name = name};

		r = heap_graph_scan_area(g, source, &a, a.start, a.end);
	}
	return r;
}
