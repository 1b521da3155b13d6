#include "cli/collect/scan_names.h"
#include "cli/collect/scan_locals.h"

#include "cli/base/cleanup.h"
#include "cli/base/table.h"
#include "cli/symbol/demangle.h"
#include "cli/symbol/objects.h"
#include "cli/symbol/root.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct symbols_of { /* a module, read at first need */
	struct objects objects;
	bool tried;
};

struct naming {
	struct heap_graph *g;
	struct heap_roots *roots;
	const struct scan_tls *tls;
	int root_fd;
	struct symbols_of *data, *thread_local; /* by module */
	struct table areas; /* thread and module, variable's start -> area + 1 */
};

/* The module whose data an area is of, or its count. */
static size_t module_of(const struct heap_roots *r, const struct heap_area *a)
{
	size_t i = 0;

	while (i < r->modules.count && !(r->modules.items[i].start <= a->start &&
					 a->start < r->modules.items[i].end &&
					 r->modules.items[i].path == a->owner))
		i++;
	return i;
}

static const struct objects_item *find(struct naming *n, bool thread_local,
				       size_t module, uint64_t at)
{
	const struct heap_module *m = &n->roots->modules.items[module];
	struct symbols_of *x =
		thread_local ? &n->thread_local[module] : &n->data[module];
	struct debugfile_id id = {.len = m->id_len};
	const char *path = strings_get(&n->roots->names, m->path);

	memcpy(id.bytes, m->id, m->id_len);
	if (!x->tried && thread_local)
		objects_open_tls(n->root_fd, path, &id, &x->objects);
	else if (!x->tried)
		objects_open(n->root_fd, path, &id, &x->objects);
	x->tried = true;
	return objects_find(&x->objects, at);
}

/* The area of a variable at whose place in a module's file the root is `at`; its data
 * is at base. */
static int give(struct naming *n, struct heap_root *root, const struct objects_item *x,
		size_t module, uint64_t base)
{
	_cleanup_(freep) char *readable = NULL;
	struct heap_area own = n->g->areas[root->area];
	struct table_key key = {(uint64_t)(uint32_t)own.tid << 32 | module, x->start};
	uint64_t *known;
	uint32_t area;
	bool is_new;
	int r;

	known = table_put(&n->areas, key, &is_new);
	if (!known)
		return -ENOMEM;
	if (is_new) {
		readable = demangle(x->name);
		own.start = x->start + base;
		own.end = x->end + base;
		own.name = strings_add(&n->roots->names, readable ? readable : x->name);
		if (own.name == UINT32_MAX)
			return -ENOMEM;
		r = heap_graph_add_area(n->g, &own, &area);
		if (r < 0)
			return r;
		*known = area + 1ull;
	}
	root->area = (uint32_t)(*known - 1);
	return 0;
}

static int name_global(struct naming *n, struct heap_root *root)
{
	const struct heap_area *a = &n->g->areas[root->area];
	size_t module = module_of(n->roots, a);
	const struct objects_item *x;
	uint64_t bias;

	if (module == n->roots->modules.count)
		return 0;
	bias = n->roots->modules.items[module].bias;
	x = find(n, false, module, root->at - bias);
	return x ? give(n, root, x, module, bias) : 0;
}

static int name_thread_local(struct naming *n, struct heap_root *root)
{
	const struct heap_tls_part *part = scan_tls_find(n->tls, root->at);
	const struct objects_item *x;

	if (!part || part->tid != n->g->areas[root->area].tid)
		return 0;
	x = find(n, true, part->module, root->at - part->start);
	return x ? give(n, root, x, part->module, part->start) : 0;
}

static int name_all(struct naming *n)
{
	int r = 0;

	for (size_t i = 0; !r && i < n->g->root_count; i++) {
		struct heap_root *x = &n->g->roots[i];
		uint32_t kind = n->g->areas[x->area].kind;

		if (kind == HEAP_GLOBAL)
			r = name_global(n, x);
		else if (kind == HEAP_TLS)
			r = name_thread_local(n, x);
	}
	return r;
}

int scan_names(struct heap_graph *g, struct heap_roots *roots,
	       const struct scan_frames *frames, const struct scan_tls *tls, pid_t pid)
{
	struct naming n = {.g = g, .roots = roots, .tls = tls, .root_fd = -1};
	char path[64];
	int r = -ENOMEM;

	snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	root_hold(path, &n.root_fd);
	n.data = calloc(roots->modules.count + 1, sizeof(*n.data));
	n.thread_local = calloc(roots->modules.count + 1, sizeof(*n.thread_local));
	if (n.data && n.thread_local)
		r = name_all(&n);
	if (!r)
		r = scan_locals(g, roots, frames, n.root_fd);
	for (size_t i = 0; n.data && n.thread_local && i < roots->modules.count; i++) {
		objects_done(&n.data[i].objects);
		objects_done(&n.thread_local[i].objects);
	}
	free(n.data);
	free(n.thread_local);
	table_done(&n.areas);
	closep(&n.root_fd);
	return r;
}
