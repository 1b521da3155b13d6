#include "cli/heap/kernel.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	WORDS = 1 << 22, /* of all; further ones are not seen */
	LINE = 512,
};

void heap_kernel_done(struct heap_kernel *k)
{
	free(k->items);
	*k = (struct heap_kernel){0};
}

static int add(struct heap_kernel *k, uint64_t value, int32_t epoll, uint32_t of)
{
	if (!value || k->count == WORDS)
		return 0;
	if (array_reserve(&k->items, &k->room, k->count + 1) < 0)
		return -ENOMEM;
	k->items[k->count++] = (struct heap_kernel_word){value, epoll, of};
	return 0;
}

/* "tfd: 5 events: 19 data: 55d0c0ffee00 pos:0 ino:..." */
static int read_epoll(pid_t pid, int epoll, struct heap_kernel *k)
{
	_cleanup_(fclosep) FILE *in = NULL;
	char line[LINE];
	int r = 0;

	snprintf(line, sizeof(line), "/proc/%d/fdinfo/%d", (int)pid, epoll);
	in = fopen(line, "re");
	while (!r && in && fgets(line, sizeof(line), in)) {
		uint64_t value;
		int of;

		if (sscanf(line, "tfd: %d events: %*x data: %" SCNx64, &of, &value) ==
		    2)
			r = add(k, value, epoll, (uint32_t)of);
	}
	return r;
}

static bool is_epoll(pid_t pid, const char *descriptor)
{
	char path[300], link[32];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/fd/%s", (int)pid, descriptor);
	n = readlink(path, link, sizeof(link));
	return n == 22 && !memcmp(link, "anon_inode:[eventpoll]", 22);
}

static int read_epolls(pid_t pid, struct heap_kernel *k)
{
	char path[64];
	struct dirent *entry;
	DIR *dir;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	while (!r && dir && (entry = readdir(dir)))
		if (is_epoll(pid, entry->d_name))
			r = read_epoll(pid, atoi(entry->d_name), k);
	if (dir)
		closedir(dir);
	return r;
}

/* "ID: 0", then "signal: 60/00007fff86e452a8", then more. */
static int read_timers(pid_t pid, struct heap_kernel *k)
{
	_cleanup_(fclosep) FILE *in = NULL;
	char line[LINE];
	uint32_t id = 0;
	int r = 0;

	snprintf(line, sizeof(line), "/proc/%d/timers", (int)pid);
	in = fopen(line, "re");
	while (!r && in && fgets(line, sizeof(line), in)) {
		uint64_t value;

		if (sscanf(line, "ID: %" SCNu32, &id) == 1)
			continue;
		if (sscanf(line, "signal: %*d/%" SCNx64, &value) == 1)
			r = add(k, value, -1, id);
	}
	return r;
}

int heap_kernel_read(pid_t pid, struct heap_kernel *ret)
{
	int r;

	*ret = (struct heap_kernel){0};
	r = read_epolls(pid, ret);
	return r ? r : read_timers(pid, ret);
}

static int add_area(const struct heap_kernel_word *x, struct heap_graph *g,
		    struct strings *names, uint32_t *ret)
{
	struct heap_area area = {.kind = HEAP_KERNEL};
	char text[64] = "POSIX timer";

	if (x->epoll >= 0)
		snprintf(text, sizeof(text), "epoll %d, data of descriptor", x->epoll);
	area.name = strings_add(names, text);
	return area.name == UINT32_MAX ? -ENOMEM : heap_graph_add_area(g, &area, ret);
}

int heap_kernel_add(const struct heap_kernel *k, struct heap_graph *g,
		    struct strings *names)
{
	uint32_t area = HEAP_NONE;
	int32_t last = 0;
	int r = 0;

	for (size_t i = 0; !r && i < k->count; i++) {
		const struct heap_kernel_word *x = &k->items[i];
		struct heap_hit hit;

		if (!heap_blocks_hit(&g->blocks, x->value, &hit))
			continue;
		if (area == HEAP_NONE || last != x->epoll)
			r = add_area(x, g, names, &area);
		last = x->epoll;
		if (!r)
			r = heap_graph_add_root(g, area, x->of, &hit);
	}
	return r;
}
