#include "cli/collect/scan_tls.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/symbol/root.h"
#include "cli/symbol/threadlib.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	NUMBERS = 1 << 14, /* of modules with thread-local variables */
	LISTS = 256,
};

struct taking {
	struct scan_tls *t;
	const struct heap_roots *roots;
	struct heap_memory *memory;
	size_t *module; /* by its number in the thread's vector; SIZE_MAX: none */
	size_t count, room;
};

void scan_tls_done(struct scan_tls *t)
{
	free(t->parts);
	*t = (struct scan_tls){0};
}

/* ---- which module has which number ------------------------------------------ */

static const struct heap_module *read_files(const struct heap_roots *roots, int root_fd,
					    struct threadlib *ret)
{
	const struct heap_module *loader = NULL;

	for (size_t i = 0; i < roots->modules.count; i++) {
		const struct heap_module *m = &roots->modules.items[i];
		const char *path = strings_get(&roots->names, m->path);
		const char *slash = strrchr(path, '/'),
			   *base = slash ? slash + 1 : path;

		if (!strncmp(base, "libc.so", 7) || !strncmp(base, "libc-2", 6))
			threadlib_read_libc(root_fd, path, ret);
		if (!strncmp(base, "ld-linux", 8) || !strncmp(base, "ld-2", 4)) {
			threadlib_read_loader(root_fd, path, ret);
			loader = m;
		}
	}
	return loader;
}

static bool get(const struct taking *t, uint64_t at, void *to, size_t len)
{
	return heap_memory_get(t->memory, at, to, len);
}

static size_t module_by_bias(const struct taking *t, uint64_t bias)
{
	const struct heap_modules *m = &t->roots->modules;

	for (size_t i = 0; i < m->count; i++)
		if (m->items[i].bias == bias && m->items[i].tls_bytes)
			return i;
	return SIZE_MAX;
}

/* A piece of the loader's list: how many, the next piece, and for each a generation
 * and its link_map, which begins with the bias. */
static int read_list(struct taking *t, uint64_t at, uint64_t *ret_next)
{
	uint64_t head[2], slot[2], bias;

	*ret_next = 0;
	if (!get(t, at, head, sizeof(head)) || head[0] > NUMBERS - t->count)
		return 0;
	if (array_reserve(&t->module, &t->room, t->count + head[0]) < 0)
		return -ENOMEM;
	for (uint64_t i = 0; i < head[0]; i++) {
		bool known = get(t, at + 16 + 16 * i, slot, sizeof(slot)) && slot[1] &&
			     get(t, slot[1], &bias, sizeof(bias));

		t->module[t->count++] = known ? module_by_bias(t, bias) : SIZE_MAX;
	}
	*ret_next = head[1];
	return 0;
}

/* ---- where they are ---------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	const struct heap_tls_part *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* The thread's vector: its room two words before, a pair of words for each number. */
static int see_thread(struct taking *t, const struct heap_thread *x)
{
	uint64_t dtv, room, at, tp = x->tp;

	if (!get(t, tp + 8, &dtv, sizeof(dtv)) || dtv < 16 ||
	    !get(t, dtv - 16, &room, sizeof(room)))
		return 0;
	for (size_t i = 1; i < t->count && i <= room; i++) {
		size_t module = t->module[i];
		uint64_t bytes;

		if (module == SIZE_MAX || !get(t, dtv + 16 * i, &at, sizeof(at)))
			continue;
		bytes = t->roots->modules.items[module].tls_bytes;
		if (at % 8 || at < 4096 || at > UINT64_MAX - bytes)
			continue; /* this thread has not used them */
		if (array_reserve(&t->t->parts, &t->t->room, t->t->count + 1) < 0)
			return -ENOMEM;
		t->t->parts[t->t->count++] =
			(struct heap_tls_part){at, at + bytes, module, x->tid};
	}
	return 0;
}

int scan_tls_take(struct scan_tls *tls, const struct heap_roots *roots,
		  struct heap_memory *memory, const struct heap_threads *threads)
{
	struct taking t = {.t = tls, .roots = roots, .memory = memory};
	_cleanup_(closep) int root_fd = -1;
	const struct heap_module *loader;
	struct threadlib lib = {0};
	uint64_t at = 0;
	char path[64];
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%d/root", (int)memory->pid);
	root_hold(path, &root_fd);
	loader = read_files(roots, root_fd, &lib);
	tls->keys = lib.keys;
	if (loader && lib.loader && lib.modules)
		get(&t, lib.loader + loader->bias + lib.modules, &at, sizeof(at));
	for (int i = 0; !r && at && i < LISTS; i++)
		r = read_list(&t, at, &at);
	for (size_t i = 0; !r && i < threads->count; i++)
		if (threads->items[i].tp)
			r = see_thread(&t, &threads->items[i]);
	free(t.module);
	if (tls->count)
		qsort(tls->parts, tls->count, sizeof(*tls->parts), compare);
	return r;
}

const struct heap_tls_part *scan_tls_find(const struct scan_tls *t, uint64_t address)
{
	size_t low = 0, high = t->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->parts[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && address < t->parts[low - 1].end ? &t->parts[low - 1] : NULL;
}
