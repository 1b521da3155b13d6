#include "cli/heap/guards.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

enum {
	AT_ONCE = 256,
	GUARDS_MAX = 1 << 16, /* they cost a program nothing, us a few words each */
};

/* <linux/fs.h>, since 6.7; PAGE_IS_GUARD since 6.15. */
struct region {
	uint64_t start, end, categories;
};

struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define PAGEMAP_SCAN _IOWR('f', 16, struct scan_arg)
#define PAGE_IS_GUARD (1ull << 8)

struct guards {
	struct region *items; /* ascending */
	size_t count, room;
};

static void guards_done(struct guards *g)
{
	free(g->items);
}

/* Where threads' stacks may be. */
static bool may_have(const struct heap_map *map)
{
	return map->read && map->write && !map->shared && !map->inode &&
	       strcmp(map->path, "[heap]") != 0;
}

/* Of a mapping. False: this is all there is to know. */
static bool find(int fd, const struct heap_map *map, struct guards *g, int *ret_err)
{
	struct scan_arg arg = {.size = sizeof(arg),
			       .start = map->start,
			       .end = map->end,
			       .vec_len = AT_ONCE,
			       .category_mask = PAGE_IS_GUARD,
			       .return_mask = PAGE_IS_GUARD};
	int n;

	do {
		if (array_reserve(&g->items, &g->room, g->count + AT_ONCE) < 0) {
			*ret_err = -ENOMEM;
			return false;
		}
		arg.vec = (uint64_t)(uintptr_t)(g->items + g->count);
		n = ioctl(fd, PAGEMAP_SCAN, &arg);
		if (n < 0)
			return false;
		g->count += (size_t)n;
		arg.start = arg.walk_end;
	} while (n == AT_ONCE && arg.start < map->end && g->count < GUARDS_MAX);
	return g->count < GUARDS_MAX;
}

static int add(struct heap_maps *to, const struct heap_map *like, uint64_t start,
	       uint64_t end, bool guard)
{
	struct heap_map *x;

	if (start >= end)
		return 0;
	if (array_reserve(&to->items, &to->room, to->count + 1) < 0)
		return -ENOMEM;
	x = &to->items[to->count];
	*x = *like;
	x->path = strdup(like->path);
	if (!x->path)
		return -ENOMEM;
	x->start = start;
	x->end = end;
	if (guard)
		x->read = x->write = x->exec = x->closed = false;
	to->count++;
	return 0;
}

int heap_guards_split(pid_t pid, struct heap_maps *m)
{
	_cleanup_(heap_maps_done) struct heap_maps apart = {0};
	_cleanup_(guards_done) struct guards g = {0};
	_cleanup_(closep) int fd = -1;
	struct heap_maps whole;
	char path[64];
	size_t k = 0;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	for (size_t i = 0; fd >= 0 && i < m->count; i++)
		if (may_have(&m->items[i]) && !find(fd, &m->items[i], &g, &r))
			break;
	if (r || !g.count)
		return r;
	for (size_t i = 0; i < m->count; i++) {
		const struct heap_map *x = &m->items[i];
		uint64_t at = x->start;

		for (; !r && k < g.count && g.items[k].start < x->end; k++) {
			r = add(&apart, x, at, g.items[k].start, false);
			at = g.items[k].end;
			if (!r)
				r = add(&apart, x, g.items[k].start, at, true);
		}
		if (!r)
			r = add(&apart, x, at, x->end, false);
		if (r)
			return r;
	}
	whole = *m;
	*m = apart;
	apart = whole;
	return 0;
}
