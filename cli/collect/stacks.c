#include "cli/collect/stacks.h"

#include "cli/base/array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	CHAIN = 4,	 /* children of a node that are found by themselves */
	PAIRS_BITS = 15, /* of the number of pairs that are known */
};

/* A node met on the way up, to be copied on the way down again. */
struct stacks_step {
	struct wire_node node;
	uint64_t number; /* of a pair's: both_of() */
};

struct stacks_pair {
	uint64_t both; /* 0: free */
	uint32_t copy;
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
	free(s->pairs);
	table_done(&s->known);
	*s = (struct stacks){0};
}

/* Relaxed: whoever published the number had seen its node, and we acquired that. */
static struct wire_node read_node(const struct stacks *s, uint32_t node)
{
	const volatile struct wire_node *n = wire_node(s->base, node);

	return (struct wire_node){n->pc_flags, n->parent, n->module};
}

/* Puts a step behind so many others. 0 or -ENOMEM. */
static int put_step(struct stacks *s, size_t depth, const struct stacks_step *step)
{
	int r = depth < s->path_room ? 0
				     : array_room(&s->path, &s->path_room, depth + 1);

	if (r == 0)
		s->path[depth] = *step;
	return r;
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
	uint32_t before = s->loop_count;

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
	/* What was put together knew other loops. */
	if (s->pairs && s->loop_count != before)
		memset(s->pairs, 0, sizeof(*s->pairs) << PAIRS_BITS);
	return 0;
}

/* Parents are smaller than their children, or there is none. */
static uint32_t parent_of(const struct wire_node *n, uint32_t node)
{
	return n->parent < node ? n->parent : 0;
}

/* The frames of a chain of wire nodes, innermost first; their number. */
static size_t read_chain(const struct stacks *s, uint32_t node, struct wire_node *to)
{
	size_t n = 0;

	for (; node && n < PYTHON_STACK_MAX; n++) {
		to[n] = read_node(s, node);
		node = parent_of(&to[n], node);
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

/* A pair's two nodes. A Python stack may stand for itself. */
static void read_pair(const struct stacks *s, uint32_t node, const struct wire_node *w,
		      uint32_t *ret_native, uint32_t *ret_python)
{
	struct wire_header *h = s->base;
	uint32_t used = atomic_load_explicit(&h->nodes_used, memory_order_relaxed);
	uint64_t python = is_python(w) ? node : w->pc_flags & WIRE_PC_MASK;

	*ret_native = is_python(w) ? 0 : parent_of(w, node);
	*ret_python = python < used && python < WIRE_NODES ? (uint32_t)python : 0;
}

/* One frame further in. */
static int copy_frame(struct stacks *s, const struct wire_node *w, uint32_t *copy)
{
	struct stacks_node n = checked(w);

	n.parent = *copy;
	s->has_python |= n.flags == STACKS_PYTHON;
	return intern(s, &n, copy);
}

/* Both chains as a whole. */
static int copy_whole(struct stacks *s, uint32_t native, uint32_t python, uint32_t *ret)
{
	const size_t bytes = 4 * PYTHON_STACK_MAX * sizeof(*s->frames);
	struct python_stack both;
	struct wire_node *frames;
	size_t n;
	int r = 0;

	if (!s->frames && !(s->frames = malloc(bytes)))
		return -ENOMEM;
	frames = s->frames + 2 * PYTHON_STACK_MAX;
	both.native = s->frames;
	both.native_count = read_chain(s, native, s->frames);
	both.python = s->frames + PYTHON_STACK_MAX;
	both.python_count = read_chain(s, python, s->frames + PYTHON_STACK_MAX);
	n = python_stack_merge(&both, s->loops, s->loop_count, frames);
	for (*ret = 0; r == 0 && n-- > 0;)
		r = copy_frame(s, &frames[n], ret);
	return r;
}

/* A pair's innermost frame, and what is outside of it. False: frames were left out, or
 * guessed; then what is outside does not tell where it belongs (python_stack_merge()). */
static bool step_out(const struct stacks *s, uint32_t *native, uint32_t *python,
		     struct wire_node *ret)
{
	struct wire_node n = {0};
	uint32_t outer = 0;

	if (*native) {
		n = read_node(s, *native);
		outer = parent_of(&n, *native);
		if (n.pc_flags >> WIRE_PC_BITS & (WIRE_NODE_GUESSED | WIRE_NODE_CUT))
			return false;
		if (!*python || !python_stack_is_loop(&n, s->loops, s->loop_count)) {
			*ret = n;
			*native = outer;
			return true;
		}
	}
	*ret = read_node(s, *python);
	*python = parent_of(ret, *python);
	if (!*python || python_stack_ends_run(ret))
		*native = outer;
	return true;
}

static uint64_t both_of(uint32_t native, uint32_t python)
{
	return (uint64_t)native << 32 | python;
}

static struct stacks_pair *find_pair(const struct stacks *s, uint64_t both)
{
	return &s->pairs[both * 0x9e3779b97f4a7c15ull >> (64 - PAIRS_BITS)];
}

/* Frame by frame, behind what is known of them. */
static int copy_both(struct stacks *s, uint32_t native, uint32_t python, uint32_t *ret)
{
	uint32_t n = native, p = python;
	size_t depth = 0;
	int r = 0;

	for (*ret = 0; r == 0 && (n || p); depth++) {
		struct stacks_step step = {.number = both_of(n, p)};
		const struct stacks_pair *known = find_pair(s, step.number);

		if (known->both == step.number) {
			*ret = known->copy;
			break;
		}
		if (depth == PYTHON_STACK_MAX || !step_out(s, &n, &p, &step.node))
			return copy_whole(s, native, python, ret);
		r = put_step(s, depth, &step);
	}
	while (r == 0 && depth-- > 0) {
		const struct stacks_step *step = &s->path[depth];

		r = copy_frame(s, &step->node, ret);
		if (r == 0)
			*find_pair(s, step->number) =
				(struct stacks_pair){step->number, *ret};
	}
	return r;
}

static int copy_pair(struct stacks *s, uint32_t node, const struct wire_node *w)
{
	uint32_t native, python, copy = 0;
	int r;

	if ((!s->pairs && !(s->pairs = calloc(1u << PAIRS_BITS, sizeof(*s->pairs)))) ||
	    look_at_loops(s) < 0)
		return -ENOMEM;
	read_pair(s, node, w, &native, &python);
	r = copy_both(s, native, python, &copy);
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
	uint32_t copy;
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
		const struct stacks_step step = {read_node(s, node), node};

		r = put_step(s, depth++, &step);
		node = parent_of(&step.node, node);
	}
	copy = s->copies[node] - 1;
	while (r == 0 && depth-- > 0) {
		const struct stacks_step *step = &s->path[depth];

		r = copy_frame(s, &step->node, &copy);
		if (r == 0)
			s->copies[step->number] = copy + 1;
	}
	if (r == 0)
		*ret = copy;
	return r;
}
