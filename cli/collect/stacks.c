#include "cli/collect/stacks.h"

#include "cli/base/array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

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
	table_done(&s->known);
	*s = (struct stacks){0};
}

/* Relaxed: whoever published the number had seen its node, and we acquired that. */
static struct wire_node read_node(const struct stacks *s, uint32_t node)
{
	const volatile struct wire_node *n = wire_node(s->base, node);

	return (struct wire_node){n->pc_flags, n->parent, n->module};
}

/* The copy with these contents, made if there is none. */
static int intern(struct stacks *s, const struct stacks_node *n, uint32_t *ret)
{
	struct table_key key = {n->pc | (uint64_t)n->flags << WIRE_PC_BITS,
				(uint64_t)n->parent << 32 | n->module};
	uint64_t *number;
	bool is_new;

	if (array_reserve(&s->nodes, &s->room, s->count + 1) < 0)
		return -ENOMEM;
	number = table_put(&s->known, key, &is_new);
	if (!number)
		return -ENOMEM;
	if (is_new) {
		s->nodes[s->count] = *n;
		*number = s->count++;
	}
	*ret = (uint32_t)*number;
	return 0;
}

static int copy_below(struct stacks *s, uint32_t node, const struct wire_node *w,
		      uint32_t parent)
{
	struct stacks_node n = {
		.pc = w->pc_flags & WIRE_PC_MASK,
		.parent = parent,
		.module = w->module < WIRE_MODULES ? w->module : 0,
		.flags = (uint32_t)(w->pc_flags >> WIRE_PC_BITS) &
			 (WIRE_NODE_EXACT | WIRE_NODE_GUESSED | WIRE_NODE_CUT),
	};
	uint32_t copy = 0;
	int r = intern(s, &n, &copy);

	if (r == 0)
		s->copies[node] = copy + 1;
	return r;
}

/* A node met on the way up, to be copied on the way down again. */
struct step {
	struct wire_node node;
	uint32_t number;
};

/* Parents are smaller than their children, or the path ends in the root: so it ends. */
int stacks_copy(struct stacks *s, uint32_t node, uint32_t *ret)
{
	struct wire_header *h = s->base;
	uint32_t used = atomic_load_explicit(&h->nodes_used, memory_order_relaxed);
	struct step *path = NULL;
	size_t depth = 0, room = 0;
	int r = 0;

	if (node >= used || node >= WIRE_NODES)
		node = 0;
	while (r == 0 && !s->copies[node]) {
		uint32_t parent;

		r = array_reserve(&path, &room, depth + 1);
		if (r < 0)
			break;
		path[depth] = (struct step){read_node(s, node), node};
		parent = path[depth++].node.parent;
		node = parent < node ? parent : 0;
	}
	while (r == 0 && depth-- > 0) {
		r = copy_below(s, path[depth].number, &path[depth].node,
			       s->copies[node] - 1);
		node = path[depth].number;
	}
	free(path);
	if (r == 0)
		*ret = s->copies[node] - 1;
	return r;
}
