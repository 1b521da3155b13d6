#include "cli/heap/maps.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/heap/guards.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAPS = 1 << 20 };

#define CLOSED_EACH (1ull << 30)
#define CLOSED_ALL (4ull << 30)

void heap_maps_done(struct heap_maps *m)
{
	for (size_t i = 0; i < m->count; i++)
		free(m->items[i].path);
	free(m->items);
	*m = (struct heap_maps){0};
}

/* "start-end perms offset major:minor inode   path" */
static bool parse_line(const char *line, struct heap_map *ret)
{
	unsigned major, minor;
	char perms[5];
	int path = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n",
		   &ret->start, &ret->end, perms, &ret->offset, &major, &minor,
		   &ret->inode, &path) < 7 ||
	    !path || ret->start >= ret->end || strlen(perms) != 4)
		return false;
	ret->device = major << 20 | minor;
	ret->read = perms[0] == 'r';
	ret->write = perms[1] == 'w';
	ret->exec = perms[2] == 'x';
	ret->shared = perms[3] == 's';
	ret->path = strdup(line + path);
	return true;
}

/* The program's own, not the kernel's for it, nor a file's. */
static bool is_anonymous(const struct heap_map *map)
{
	return !map->shared && !map->inode &&
	       (*map->path != '[' || !strncmp(map->path, "[anon", 5));
}

static void find_closed(struct heap_maps *m)
{
	uint64_t left = CLOSED_ALL;

	for (size_t i = 0; i < m->count; i++) {
		struct heap_map *x = &m->items[i];
		uint64_t len = x->end - x->start;

		x->closed = !x->read &&
			    (is_anonymous(x) || !strcmp(x->path, "[heap]")) &&
			    len <= CLOSED_EACH && len <= left;
		left -= x->closed ? len : 0;
	}
}

int heap_maps_parse(char *text, struct heap_maps *ret)
{
	_cleanup_(heap_maps_done) struct heap_maps m = {0};
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n"))) {
		struct heap_map *x;

		if (!*line)
			continue;
		if (m.count == MAPS)
			return -E2BIG;
		if (array_reserve(&m.items, &m.room, m.count + 1) < 0)
			return -ENOMEM;
		x = &m.items[m.count];
		*x = (struct heap_map){0};
		if (!parse_line(line, x))
			return -EBADMSG;
		if (!x->path)
			return -ENOMEM;
		m.count++;
		if (m.count > 1 && x->start < x[-1].end)
			return -EBADMSG;
	}
	find_closed(&m);
	*ret = m;
	m = (struct heap_maps){0};
	return 0;
}

int heap_maps_read(pid_t pid, struct heap_maps *ret)
{
	_cleanup_(fclosep) FILE *in = NULL;
	_cleanup_(freep) char *text = NULL;
	char path[64];
	size_t room = 0;
	ssize_t n;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	in = fopen(path, "re");
	if (!in)
		return errno == ENOENT ? -ESRCH : -errno;
	errno = 0;
	n = getdelim(&text, &room, '\0', in); /* all of it: there is no NUL */
	if (n <= 0)
		return errno ? -errno : -ESRCH;
	r = heap_maps_parse(text, ret);
	if (r < 0)
		return r;
	r = heap_guards_split(pid, ret);
	if (r < 0)
		heap_maps_done(ret);
	return r;
}

const struct heap_map *heap_maps_find(const struct heap_maps *m, uint64_t address)
{
	size_t low = 0, high = m->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (m->items[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < m->count && m->items[low].start <= address ? &m->items[low] : NULL;
}

bool heap_map_counts(const struct heap_map *map)
{
	if (!map->read || !map->write)
		return false;
	if (!strncmp(map->path, "/memfd:heapline", 15))
		return false;
	if (!strncmp(map->path, "/dev/", 5) &&
	    strncmp(map->path, "/dev/zero", 9) != 0 &&
	    strncmp(map->path, "/dev/shm/", 9) != 0)
		return false; /* a device's */
	if (map->shared && map->inode && *map->path == '/' &&
	    strncmp(map->path, "/dev/", 5) != 0 &&
	    strncmp(map->path, "/memfd:", 7) != 0 &&
	    strncmp(map->path, "/SYSV", 5) != 0)
		return false; /* a file, for other processes and times as well */
	return *map->path != '[' || !strncmp(map->path, "[anon", 5);
}

bool heap_map_holds(const struct heap_map *map)
{
	return heap_map_counts(map) ||
	       (is_anonymous(map) && (map->read || map->closed));
}

bool heap_maps_second_libc(const struct heap_maps *m)
{
	const struct heap_map *first = NULL;

	for (size_t i = 0; i < m->count; i++) {
		const struct heap_map *map = &m->items[i];
		const char *slash = strrchr(map->path, '/');

		if (!map->exec || !slash || strcmp(slash, "/libc.so.6"))
			continue;
		if (!first)
			first = map;
		else if (map->inode == first->inode && map->device == first->device &&
			 map->offset == first->offset)
			return true;
	}
	return false;
}
