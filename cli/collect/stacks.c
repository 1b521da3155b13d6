#include "cli/collect/stacks.h"

#include "cli/base/array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { CHAIN = 4 }; /* children of a node that are found by themselves */

/* A node met on the way up, to be copied on the way down again. */
struct stacks_step {
	struct wire_node node;
	uint32_t number;
};

int stacks_open(struct stacks *s, void *base)
{
	void *copies =
		mmap(NULL, WIRE_NODES * sizeof(*s->copies), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (copies == MAP_FAILED)
		return -ENOMEM;
	*s = (struct stacks){.base = base, .copies = copies};
	if (array_reserve(&s->nodes, &s->room, 1) < 0) {
		stacks_done(s);
		return -ENOMEM;
	}
	s->copies[0] = 1;
	s->count = 1;
	return 0;
}

void stacks_done(struct stacks *s)
{
	if (s->copies)
		munmap(s->copies, WIRE_NODES * sizeof(*s->copies));
	free(s->nodes);
	free(s->loops);
	free(s->path);
	free(s->frames);
	table_done(&s->known);
	*s = (struct stacks){0};
}

/* Relaxed: whoever published the number had seen its node, and we acquired that. */
static struct wire_node read_node(const struct stacks *s, uint32_t node)
{
	const volatile struct wire_node *n = wire_node(s->base, node);

	return (struct wire_node){n->pc_flags, n->parent, n->module};
}

/* A node's chained child with these contents, or 0 and how many there are. */
static uint32_t find_child(const struct stacks *s, const struct stacks_node *n,
			   size_t *ret_count)
{
	size_t count = 0;

	for (uint32_t at = s->nodes[n->parent].child; at; at = s->nodes[at].next) {
		const struct stacks_node *child = &s->nodes[at];

		if (child->pc == n->pc && child->module == n->module &&
		    child->flags == n->flags)
			return at;
		count++;
	}
	*ret_count = count;
	return 0;
}

static uint32_t add(struct stacks *s, const struct stacks_node *n, bool chain)
{
	struct stacks_node *to = &s->nodes[s->count];
	struct stacks_node *parent = &s->nodes[n->parent];

	*to = *n;
	if (chain) {
		to->next = parent->child;
		parent->child = (uint32_t)s->count;
	}
	return (uint32_t)s->count++;
}

/* The copy with these contents, made if there is none. */
static int intern(struct stacks *s, const struct stacks_node *n, uint32_t *ret)
{
	struct table_key key = {n->pc | (uint64_t)n->flags << WIRE_PC_BITS,
				(uint64_t)n->parent << 32 | n->module};
	size_t children = 0;
	uint64_t *number;
	bool is_new;

	*ret = find_child(s, n, &children);
	if (*ret)
		return 0;
	if (s->count >= s->room && array_room(&s->nodes, &s->room, s->count + 1) < 0)
		return -ENOMEM;
	if (children < CHAIN) {
		*ret = add(s, n, true);
		return 0;
	}
	number = table_put(&s->known, key, &is_new);
	if (!number)
		return -ENOMEM;
	if (is_new)
		*number = add(s, n, false);
	*ret = (uint32_t)*number;
	return 0;
}

/* ---- pairs --------------------------------------------------------------- */

/* Whoever published a pair had seen its loops ready. */
static int look_at_loops(struct stacks *s)
{
	struct wire_header *h = s->base;
	uint32_t used = atomic_load_explicit(&h->loops_used, memory_order_relaxed);

	used = used < WIRE_LOOPS ? used : WIRE_LOOPS;
	if (used == s->loops_seen)
		return 0;
	if (!s->loops && !(s->loops = calloc(WIRE_LOOPS, sizeof(*s->loops))))
		return -ENOMEM;
	s->loop_count = 0;
	s->loops_seen = used;
	for (uint32_t i = 0; i < used; i++) {
		const struct wire_loop *from = wire_loop(s->base, i);
		struct wire_loop *to = &s->loops[s->loop_count];

		/* acquire: pairs with the shim's release once the rest is written. */
		if (!atomic_load_explicit(&from->ready, memory_order_acquire)) {
			s->loops_seen = 0; /* look again */
			continue;
		}
		to->module = from->module;
		to->start = from->start;
		to->end = from->end;
		s->loop_count++;
	}
	return 0;
}

/* The frames of a chain of wire nodes, innermost first; their number. */
static size_t read_chain(const struct stacks *s, uint32_t node, struct wire_node *to)
{
	size_t n = 0;

	while (node && n < PYTHON_STACK_MAX) {
		to[n] = read_node(s, node);
		node = to[n].parent < node ? to[n].parent : 0;
		n++;
	}
	return n;
}

static bool is_pair(const struct wire_node *w)
{
	return w->pc_flags >> WIRE_PC_BITS & WIRE_NODE_PAIR;
}

static bool is_python(const struct wire_node *w)
{
	return w->pc_flags >> WIRE_PC_BITS & WIRE_NODE_PYTHON;
}

static struct stacks_node checked(const struct wire_node *w)
{
	uint32_t flags = (uint32_t)(w->pc_flags >> WIRE_PC_BITS);
	struct stacks_node n = {.pc = w->pc_flags & WIRE_PC_MASK, .flags = flags};

	if (flags & WIRE_NODE_PYTHON) {
		n.flags = STACKS_PYTHON;
		n.module = w->module < WIRE_CODES ? w->module : 0;
		return n;
	}
	n.flags &= WIRE_NODE_EXACT | WIRE_NODE_GUESSED | WIRE_NODE_CUT;
	n.module = w->module < WIRE_MODULES ? w->module : 0;
	return n;
}

static int copy_below(struct stacks *s, uint32_t node, const struct wire_node *w,
		      uint32_t parent)
{
	struct stacks_node n = checked(w);
	uint32_t copy = 0;
	int r;

	n.parent = parent;
	r = intern(s, &n, &copy);

	if (r == 0)
		s->copies[node] = copy + 1;
	return r;
}

/* Both chains of a pair, put together. A Python stack may stand for itself. */
static size_t read_pair(struct stacks *s, uint32_t node, const struct wire_node *w,
			struct wire_node *room, struct wire_node *frames)
{
	struct python_stack both = {.native = room, .python = room + PYTHON_STACK_MAX};
	struct wire_header *h = s->base;
	uint32_t used = atomic_load_explicit(&h->nodes_used, memory_order_relaxed);
	uint64_t python = node;

	if (!is_python(w)) {
		python = w->pc_flags & WIRE_PC_MASK;
		both.native_count = read_chain(s, w->parent, room);
	}
	if (python < used && python < WIRE_NODES)
		both.python_count =
			read_chain(s, (uint32_t)python, room + PYTHON_STACK_MAX);
	return python_stack_merge(&both, s->loops, s->loop_count, frames);
}

static int copy_pair(struct stacks *s, uint32_t node, const struct wire_node *w)
{
	const size_t bytes = 4 * PYTHON_STACK_MAX * sizeof(*s->frames);
	uint32_t copy = 0;
	struct wire_node *frames;
	size_t n;
	int r;

	if ((!s->frames && !(s->frames = malloc(bytes))) || look_at_loops(s) < 0)
		return -ENOMEM;
	frames = s->frames + 2 * PYTHON_STACK_MAX;
	n = read_pair(s, node, w, s->frames, frames);
	for (r = 0; r == 0 && n-- > 0;) {
		struct stacks_node next = checked(&frames[n]);

		next.parent = copy;
		s->has_python |= next.flags == STACKS_PYTHON;
		r = intern(s, &next, &copy);
	}
	if (r == 0)
		s->copies[node] = copy + 1;
	return r;
}

/* ---- stacks -------------------------------------------------------------- */

/* Parents are smaller than their children, or the path ends in the root: so it ends. */
int stacks_copy(struct stacks *s, uint32_t node, uint32_t *ret)
{
	struct wire_header *h = s->base;
	uint32_t used = atomic_load_explicit(&h->nodes_used, memory_order_relaxed);
	struct wire_node first;
	size_t depth = 0;
	int r = 0;

	if (node >= used || node >= WIRE_NODES)
		node = 0;
	first = read_node(s, node);
	if (!s->copies[node] && (is_pair(&first) || is_python(&first))) {
		r = copy_pair(s, node, &first);
		if (r == 0)
			*ret = s->copies[node] - 1;
		return r;
	}
	while (r == 0 && !s->copies[node]) {
		uint32_t parent;

		if (depth >= s->path_room)
			r = array_room(&s->path, &s->path_room, depth + 1);
		if (r < 0)
			break;
		s->path[depth] = (struct stacks_step){read_node(s, node), node};
		parent = s->path[depth++].node.parent;
		node = parent < node ? parent : 0;
	}
	while (r == 0 && depth-- > 0) {
		const struct stacks_step *step = &s->path[depth];

		r = copy_below(s, step->number, &step->node, s->copies[node] - 1);
		node = step->number;
	}
	if (r == 0)
		*ret = s->copies[node] - 1;
	return r;
}
