#include "cli/collect/python_stack.h"

#include <stdbool.h>

static uint32_t flags_of(const struct wire_node *n)
{
	return (uint32_t)(n->pc_flags >> WIRE_PC_BITS);
}

static bool is_loop(const struct wire_node *n, const struct wire_loop *loops,
		    size_t count)
{
	uint64_t pc = n->pc_flags & WIRE_PC_MASK;

	if (flags_of(n) & WIRE_NODE_CUT)
		return false;
	pc -= !(flags_of(n) & WIRE_NODE_EXACT); /* a return address */
	for (size_t i = 0; i < count; i++)
		if (n->module == loops[i].module &&
		    pc - loops[i].start < loops[i].end - loops[i].start)
			return true;
	return false;
}

static bool is_cut(const struct wire_node *n)
{
	return flags_of(n) & WIRE_NODE_CUT;
}

/* The end of the run that begins at `at`, one behind its last frame. */
static size_t run_end(const struct python_stack *s, size_t at)
{
	while (at < s->python_count) {
		const struct wire_node *n = &s->python[at++];

		if (flags_of(n) & WIRE_NODE_ENTRY || is_cut(n))
			break;
	}
	return at;
}

/*
 * From the innermost frame outwards the runs are met in the order of their loops. Of a
 * stack that was lost or cut on the way some loops are missing: what is left of the
 * Python frames then stands at the outer end, where it belongs.
 */
size_t python_stack_merge(const struct python_stack *s, const struct wire_loop *loops,
			  size_t count, struct wire_node *to)
{
	size_t n = 0, python = 0;

	for (size_t i = 0; i < s->native_count; i++) {
		size_t end = run_end(s, python);

		if (end == python || !is_loop(&s->native[i], loops, count)) {
			to[n++] = s->native[i];
			continue;
		}
		while (python < end)
			to[n++] = s->python[python++];
	}
	while (python < s->python_count)
		to[n++] = s->python[python++];
	return n;
}
