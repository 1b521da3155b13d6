#include "cli/collect/scan_locals.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/symbol/demangle.h"
#include "cli/symbol/locals.h"
#include "cli/symbol/root.h"
#include "cli/symbol/segments.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	RED_ZONE = 128,
	ITEMS = 1 << 22,
	DEPTH_FRAMES = 16, /* bits below them: depth in one frame */
};

struct item { /* a variable, or (variable 0) a frame */
	uint64_t start, end;
	uint32_t function, variable; /* names */
	uint32_t area;		     /* + 1, once there is one */
};

struct best {	       /* item of a thread's register */
	uint32_t item; /* + 1 */
	uint32_t depth;
};

struct naming {
	struct heap_graph *g;
	struct heap_roots *roots;
	const struct scan_frames *f;
	int root_fd;
	uint64_t *words; /* addresses of the roots on stacks, ascending */
	size_t word_count;
	uint32_t *held;	   /* by stack: the registers that are roots */
	struct best *best; /* by stack and register */
	struct item *items;
	size_t item_count, item_room;
	struct span *spans;
	size_t span_count, span_room;
	struct segments segments;

	/* Of the module at work. */
	size_t module;
	size_t *wanted; /* frames */
	size_t wanted_count;
};

static void naming_done(struct naming *n)
{
	free(n->words);
	free(n->held);
	free(n->best);
	free(n->items);
	free(n->spans);
	segments_done(&n->segments);
	free(n->wanted);
}

static bool is_stack(const struct heap_area *a)
{
	return a->tid && (a->kind == HEAP_STACK || a->kind == HEAP_EXITED) && a->start;
}

static bool is_registers(const struct heap_area *a)
{
	return a->tid && !a->start && a->end == HEAP_REGISTERS * HEAP_WORD;
}

static size_t stack_of(const struct scan_frames *f, pid_t tid)
{
	size_t i = 0;

	while (i < f->stack_count && f->stacks[i].tid != tid)
		i++;
	return i;
}

/* The register of DWARF's numbers that a root is in. */
static size_t register_at(uint64_t at)
{
	size_t r = 0;

	while (r < LOCATION_REGISTERS && scan_frames_register[r] != at / HEAP_WORD)
		r++;
	return r;
}

/* ---- which frames are asked about ------------------------------------------ */

static int compare_words(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void mark_roots(struct naming *n)
{
	uint32_t last = UINT32_MAX;
	size_t stack = n->f->stack_count;

	for (size_t i = 0; i < n->g->root_count; i++) {
		const struct heap_root *x = &n->g->roots[i];
		const struct heap_area *a = &n->g->areas[x->area];

		if (is_stack(a))
			n->words[n->word_count++] = x->at;
		if (!is_registers(a))
			continue;
		if (x->area != last)
			stack = stack_of(n->f, a->tid);
		last = x->area;
		if (stack < n->f->stack_count &&
		    register_at(x->at) < LOCATION_REGISTERS)
			n->held[stack] |= 1u << register_at(x->at);
	}
	if (n->word_count)
		qsort(n->words, n->word_count, sizeof(*n->words), compare_words);
}

static bool has_root(const struct naming *n, uint64_t start, uint64_t end)
{
	size_t low = 0, high = n->word_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (n->words[middle] < start)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n->word_count && n->words[low] < end;
}

/* Where a frame begins: calls of its function are below. */
static uint64_t low_of(const struct location_frame *x, bool is_first)
{
	uint64_t sp = x->registers[LOCATION_SP];

	return is_first && sp > RED_ZONE ? sp - RED_ZONE : sp;
}

/* Whether a root may be a variable of the frame: in itself, or in what is kept of its
 * registers. */
static bool may_hold(const struct naming *n, size_t stack, size_t frame)
{
	const struct location_frame *x = &n->f->frames[frame];

	if (has_root(n, low_of(x, frame == n->f->stacks[stack].first), x->cfa))
		return true;
	for (unsigned r = 0; r < LOCATION_REGISTERS; r++) {
		uint64_t at = x->saved[r];

		if ((x->known >> r & 1) &&
		    (at ? has_root(n, at, at + HEAP_WORD) : n->held[stack] >> r & 1))
			return true;
	}
	return false;
}

/* ---- what is found ---------------------------------------------------------- */

static int add_item(struct naming *n, const struct item *item)
{
	if (n->item_count >= ITEMS)
		return -EOVERFLOW;
	if (array_reserve(&n->items, &n->item_room, n->item_count + 1) < 0)
		return -ENOMEM;
	n->items[n->item_count++] = *item;
	return 0;
}

static int add_span(struct naming *n, uint64_t start, uint64_t end, uint32_t depth)
{
	if (array_reserve(&n->spans, &n->span_room, n->span_count + 1) < 0)
		return -ENOMEM;
	n->spans[n->span_count++] =
		(struct span){start, end, (uint32_t)n->item_count - 1, depth};
	return 0;
}

/* The function of a frame: its name, or the place in its module. */
static int name_function(struct naming *n, const char *name, bool linkage,
			 const struct location_frame *x, uint32_t *ret)
{
	_cleanup_(freep) char *readable = linkage ? demangle(name) : NULL;
	const struct heap_module *m = &n->roots->modules.items[n->module];
	const char *path = strings_get(&n->roots->names, m->path);
	const char *slash = strrchr(path, '/');
	char place[512];

	snprintf(place, sizeof(place), "%s+0x%" PRIx64, slash ? slash + 1 : path,
		 x->registers[LOCATION_PC] - x->called - m->bias);
	*ret = strings_add(&n->roots->names, readable ? readable
					     : *name  ? name
						      : place);
	return *ret == UINT32_MAX ? -ENOMEM : 0;
}

static int add_register(struct naming *n, size_t stack, const struct location_frame *x,
			uint64_t number, uint32_t depth)
{
	struct best *best;

	if (number >= LOCATION_REGISTERS || !(x->known >> number & 1))
		return 0;
	best = &n->best[stack * LOCATION_REGISTERS + number];
	if (x->saved[number])
		return add_span(n, x->saved[number], x->saved[number] + HEAP_WORD,
				depth);
	if (!best->item || best->depth < depth)
		*best = (struct best){(uint32_t)n->item_count, depth};
	return 0;
}

static size_t stack_with(const struct scan_frames *f, size_t frame)
{
	size_t i = 0;

	while (frame - f->stacks[i].first >= f->stacks[i].count)
		i++;
	return i;
}

static int see(void *arg, size_t index, const char *function, bool linkage,
	       const struct locals_place *p)
{
	struct naming *n = arg;
	size_t frame = n->wanted[index], stack = stack_with(n->f, frame);
	const struct scan_stack *s = &n->f->stacks[stack];
	const struct location_frame *x = &n->f->frames[frame];
	/* Of callers and callees that have a register's word, these; of functions
	 * inlined into each other, the inner one. */
	uint32_t depth = (uint32_t)(s->count - (frame - s->first)) << DEPTH_FRAMES;
	struct item item = {.start = low_of(x, frame == s->first), .end = x->cfa};
	int r;

	if (p) {
		item.start = p->in_register ? 0 : p->at - p->offset;
		item.end = p->in_register ? 0 : p->at + p->bytes;
		item.variable = strings_add(&n->roots->names, p->name);
		depth += p->depth < (1u << DEPTH_FRAMES) ? p->depth
							 : (1u << DEPTH_FRAMES) - 1;
		function = p->function;
		linkage = p->linkage;
	}
	r = name_function(n, function, linkage, x, &item.function);
	if (!r)
		r = item.variable == UINT32_MAX ? -ENOMEM : add_item(n, &item);
	if (r)
		return r;
	if (p && p->in_register)
		return add_register(n, stack, x, p->at, depth);
	return add_span(n, p ? p->at : item.start, item.end, p ? depth : 0);
}

/* ---- asking ------------------------------------------------------------------ */

/* -ENOENT and others: the file tells nothing. */
static int ask_file(struct naming *n, const struct heap_module *m,
		    const struct location_frame *const *frames)
{
	const char *path = strings_get(&n->roots->names, m->path);
	struct debugfile_id id = {.len = m->id_len};
	struct module *module;
	int r = root_open(n->root_fd, path, NULL);

	memcpy(id.bytes, m->id, m->id_len);
	if (r >= 0)
		r = module_open(r, n->root_fd, path, &module);
	if (r < 0)
		return r;
	if (id.len && !debugfile_same_id(module_id(module), &id))
		r = -ESTALE;
	else
		r = locals_find(module, m->bias, frames, n->wanted_count, see, n);
	module_close(module);
	return r;
}

static int ask_module(struct naming *n)
{
	const struct heap_module *m = &n->roots->modules.items[n->module];
	_cleanup_(freep) const struct location_frame **frames =
		calloc(n->wanted_count, sizeof(struct location_frame *));
	size_t before = n->item_count;
	int r;

	if (!frames)
		return -ENOMEM;
	for (size_t i = 0; i < n->wanted_count; i++)
		frames[i] = &n->f->frames[n->wanted[i]];
	r = ask_file(n, m, frames);
	/* By their place in the module, then. */
	for (size_t i = 0;
	     r && r != -ENOMEM && n->item_count == before + i && i < n->wanted_count;
	     i++)
		see(n, i, "", false, NULL);
	return r == -ENOMEM ? r : 0;
}

static int ask_about(struct naming *n)
{
	const struct scan_frames *f = n->f;

	n->wanted_count = 0;
	for (size_t i = 0; i < f->stack_count; i++)
		for (size_t k = f->stacks[i].first;
		     k < f->stacks[i].first + f->stacks[i].count; k++)
			if (f->frames[k].module == n->module && may_hold(n, i, k))
				n->wanted[n->wanted_count++] = k;
	return n->wanted_count ? ask_module(n) : 0;
}

static int ask_all(struct naming *n)
{
	int r = 0;

	for (n->module = 0; !r && n->module < n->roots->modules.count; n->module++)
		r = ask_about(n);
	return r ? r : segments_build(&n->segments, n->spans, n->span_count);
}

/* ---- areas ------------------------------------------------------------------- */

static int area_of(struct naming *n, struct item *item, struct heap_root *x)
{
	const struct heap_area *old = &n->g->areas[x->area];
	struct heap_area own = *old;
	int r;

	if (!item->area) {
		own.function = item->function;
		own.name = item->variable;
		if (own.start) {
			own.start = item->start;
			own.end = item->end;
		}
		r = heap_graph_add_area(n->g, &own, &item->area);
		if (r < 0)
			return r;
		item->area++;
	}
	x->area = item->area - 1;
	return 0;
}

static int name_root(struct naming *n, struct heap_root *x)
{
	const struct heap_area *a = &n->g->areas[x->area];
	size_t stack, r;

	if (is_stack(a)) {
		const struct segment *s = segments_find(&n->segments, x->at);

		return s ? area_of(n, &n->items[s->owner], x) : 0;
	}
	if (!is_registers(a))
		return 0;
	stack = stack_of(n->f, a->tid);
	r = register_at(x->at);
	if (stack == n->f->stack_count || r == LOCATION_REGISTERS ||
	    !n->best[stack * LOCATION_REGISTERS + r].item)
		return 0;
	return area_of(n, &n->items[n->best[stack * LOCATION_REGISTERS + r].item - 1],
		       x);
}

int scan_locals(struct heap_graph *g, struct heap_roots *roots,
		const struct scan_frames *frames, int root_fd)
{
	_cleanup_(naming_done) struct naming n = {
		.g = g, .roots = roots, .f = frames, .root_fd = root_fd};
	int r;

	n.held = calloc(frames->stack_count + 1, sizeof(*n.held));
	n.best = calloc(frames->stack_count + 1, LOCATION_REGISTERS * sizeof(*n.best));
	n.wanted = calloc(frames->count + 1, sizeof(*n.wanted));
	n.words = calloc(g->root_count + 1, sizeof(*n.words));
	if (!n.held || !n.best || !n.wanted || !n.words)
		return -ENOMEM;
	mark_roots(&n);
	r = ask_all(&n);
	for (size_t i = 0; !r && i < g->root_count; i++)
		r = name_root(&n, &g->roots[i]);
	return r;
}
