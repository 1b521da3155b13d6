#include "cli/collect/scan_names.h"
#include "cli/collect/scan_locals.h"

#include "cli/base/cleanup.h"
#include "cli/base/table.h"
#include "cli/symbol/objects.h"
#include "cli/symbol/root.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct naming {
	struct heap_graph *g;
	struct heap_roots *roots;
	int root_fd;
	struct objects *objects; /* of each module, read at first need */
	bool *tried;
	struct table areas; /* module, variable's start -> area + 1 */
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

static const struct objects *objects_of(struct naming *n, size_t module)
{
	const struct heap_module *m = &n->roots->modules.items[module];
	struct debugfile_id id = {.len = m->id_len};

	if (!n->tried[module]) {
		n->tried[module] = true;
		memcpy(id.bytes, m->id, m->id_len);
		objects_open(n->root_fd, strings_get(&n->roots->names, m->path), &id,
			     &n->objects[module]);
	}
	return &n->objects[module];
}

/* The area of the variable at an address of a module's data; the old one if there is
 * no name for it. */
static int area_for(struct naming *n, uint32_t old, uint64_t at, uint32_t *ret)
{
	const struct heap_area a = n->g->areas[old];
	size_t module = module_of(n->roots, &a);
	const struct objects_item *x;
	struct heap_area own = a;
	uint64_t bias, *known;
	bool is_new;
	int r;

	*ret = old;
	if (module == n->roots->modules.count)
		return 0;
	bias = n->roots->modules.items[module].bias;
	x = objects_find(objects_of(n, module), at - bias);
	if (!x)
		return 0;
	known = table_put(&n->areas, (struct table_key){module, x->start}, &is_new);
	if (!known)
		return -ENOMEM;
	if (!is_new) {
		*ret = (uint32_t)(*known - 1);
		return 0;
	}
	own.start = x->start + bias;
	own.end = x->end + bias;
	own.name = strings_add(&n->roots->names, x->name);
	if (own.name == UINT32_MAX)
		return -ENOMEM;
	r = heap_graph_add_area(n->g, &own, ret);
	*known = r < 0 ? 0 : *ret + 1ull;
	return r;
}

static int name_all(struct naming *n)
{
	int r = 0;

	for (size_t i = 0; !r && i < n->g->root_count; i++) {
		struct heap_root *x = &n->g->roots[i];

		if (n->g->areas[x->area].kind == HEAP_GLOBAL)
			r = area_for(n, x->area, x->at, &x->area);
	}
	return r;
}

int scan_names(struct heap_graph *g, struct heap_roots *roots,
	       const struct scan_frames *frames, pid_t pid)
{
	struct naming n = {.g = g, .roots = roots, .root_fd = -1};
	char path[64];
	int r = -ENOMEM;

	snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	root_hold(path, &n.root_fd);
	n.objects = calloc(roots->modules.count + 1, sizeof(*n.objects));
	n.tried = calloc(roots->modules.count + 1, sizeof(*n.tried));
	if (n.objects && n.tried)
		r = name_all(&n);
	if (!r)
		r = scan_locals(g, roots, frames, n.root_fd);
	for (size_t i = 0; n.objects && i < roots->modules.count; i++)
		objects_done(&n.objects[i]);
	free(n.objects);
	free(n.tried);
	table_done(&n.areas);
	closep(&n.root_fd);
	return r;
}
