/*
 * preload_tree.c - the stack tree, by several threads at once. Built by the tsan setup
 * too: weaken the release in tree.c's take() and it reports a race on the node.
 */
#include "tests/unit/unit.h"

#include "preload/tree.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { THREADS = 4, STACKS = 4000, DEPTH = 12 };

static char *base;

static void *map_session(void)
{
	char *p = mmap(NULL, WIRE_AT_DATA, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	((struct wire_header *)p)->nodes_used = 1;
	return p;
}

/* The frames of stack i: some are shared by many, some are its own. */
static size_t stack(unsigned i, struct unwind_frame *frames)
{
	size_t n = 1 + i % DEPTH;

	for (size_t f = 0; f < n; f++)
		frames[n - 1 - f] = (struct unwind_frame){
			.pc_flags =
				0x1000 + f * 0x100 + (f * 7 < i ? i % (f * f + 2) : 0),
			.module = (uint32_t)f % 3,
		};
	return n;
}

static void check(uint32_t id, const struct unwind_frame *frames, size_t n)
{
	for (size_t f = 0; f < n; f++) {
		struct wire_node *node = wire_node(base, id);

		if (node->pc_flags != frames[f].pc_flags ||
		    node->module != frames[f].module || node->parent >= id)
			fail_msg("node %u is not frame %zu", id, f);
		id = node->parent;
	}
	assert_int_equal(id, 0);
}

static void *intern_all(void *ids)
{
	struct unwind_frame frames[DEPTH];

	for (unsigned i = 0; i < STACKS; i++) {
		size_t n = stack(i, frames);

		((uint32_t *)ids)[i] = tree_intern(base, frames, n);
		check(((uint32_t *)ids)[i], frames, n);
	}
	return NULL;
}

static void threads_agree_on_every_stack(void **state)
{
	static uint32_t ids[THREADS][STACKS];
	pthread_t threads[THREADS];

	(void)state;
	base = map_session();
	for (int t = 0; t < THREADS; t++)
		pthread_create(&threads[t], NULL, intern_all, ids[t]);
	for (int t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	for (int t = 1; t < THREADS; t++)
		assert_memory_equal(ids[0], ids[t], sizeof(ids[0]));
	assert_int_equal(((struct wire_header *)base)->cut_stacks, 0);
	munmap(base, WIRE_AT_DATA);
}

static void a_full_tree_cuts_and_counts(void **state)
{
	struct unwind_frame frames[3] = {
		{.pc_flags = 3}, {.pc_flags = 2}, {.pc_flags = 1}};
	uint32_t id, outer;

	(void)state;
	base = map_session();
	outer = tree_intern(base, frames + 1, 2);
	((struct wire_header *)base)->nodes_used = WIRE_NODES;
	id = tree_intern(base, frames, 3);
	assert_int_equal(id, outer);
	assert_int_equal(((struct wire_header *)base)->cut_stacks, 1);
	assert_int_equal(((struct wire_header *)base)->nodes_used, WIRE_NODES);
	munmap(base, WIRE_AT_DATA);
}

static void many_stacks_reach_the_deeper_levels(void **state)
{
	struct unwind_frame frame = {0};

	(void)state;
	base = map_session();
	for (uint32_t i = 1; i <= 300000; i++) {
		frame.pc_flags = i * 16;
		assert_int_equal(tree_intern(base, &frame, 1), i);
	}
	for (uint32_t i = 1; i <= 300000; i += 97) {
		frame.pc_flags = i * 16;
		assert_int_equal(tree_intern(base, &frame, 1), i);
	}
	munmap(base, WIRE_AT_DATA);
}

/* Child i of a node that has n: a frame's, or a pair of some stacks. */
static struct wire_node child(uint32_t i, uint32_t n, uint32_t kind)
{
	struct wire_node key = {.pc_flags = 0x5000 + i, .parent = 7, .module = i % 2};
	uint32_t native = 10000 * kind, own = 10000 * kind;

	if (kind == 0)
		return key;
	native += kind == 1 ? i : kind == 2 ? 0 : i / (n / 60 + 1);
	own += kind == 1 ? 0 : kind == 2 ? i : i % (n / 60 + 1);
	return (struct wire_node){.pc_flags = own | (uint64_t)WIRE_NODE_PAIR
							    << WIRE_PC_BITS,
				  .parent = native};
}

enum { MANY = 5000 };

static void *all_children(void *ids)
{
	for (uint32_t kind = 0; kind < 4; kind++)
		for (uint32_t i = 0; i < MANY; i++) {
			struct wire_node key = child(i, MANY, kind), *node;
			uint32_t id = tree_child(base, &key);

			node = wire_node(base, id);
			if (node->pc_flags != key.pc_flags ||
			    node->parent != key.parent || node->module != key.module)
				fail_msg("%u is not child %u of kind %u", id, i, kind);
			((uint32_t *)ids)[kind * MANY + i] = id;
		}
	return NULL;
}

/* In chains, behind their ends in the index: each once, whoever asks. */
static void as_many_children_as_there_are_have_a_node_each(void **state)
{
	static uint32_t ids[THREADS + 1][4 * MANY];
	struct wire_header *header;
	pthread_t threads[THREADS];
	uint32_t used;

	(void)state;
	base = map_session();
	header = (struct wire_header *)base;
	header->nodes_used = 5000;
	for (int t = 0; t < THREADS; t++)
		pthread_create(&threads[t], NULL, all_children, ids[t]);
	for (int t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	used = header->nodes_used;
	/* (Losers of races leave nodes that nobody has.) */
	assert_uint_in_range(used, 5000 + 4 * MANY, 5000 + THREADS * 4 * MANY);
	all_children(ids[THREADS]);
	assert_int_equal(header->nodes_used, used);
	for (int t = 0; t < THREADS; t++)
		assert_memory_equal(ids[t], ids[THREADS], sizeof(ids[0]));
	munmap(base, WIRE_AT_DATA);
}

/* Links that a program has written over lead anywhere; nobody goes round for ever. */
static void links_that_are_nonsense_are_survived(void **state)
{
	struct wire_header *header;

	(void)state;
	base = map_session();
	header = (struct wire_header *)base;
	srand(4);
	for (uint32_t i = 0; i < 200000; i++) {
		struct wire_node key = {.pc_flags = 1 + (uint32_t)rand() % 5000,
					.parent = (uint32_t)rand() % 500,
					.module = (uint32_t)rand() % 2};
		uint32_t word = (uint32_t)rand() << 9 ^ (uint32_t)rand();

		if (rand() % 4 == 0)
			key.pc_flags |= (uint64_t)WIRE_NODE_PAIR << WIRE_PC_BITS;
		assert_uint_in_range(tree_child(base, &key), 0, WIRE_NODES - 1);
		wire_links(base,
			   (uint32_t)rand() % header->nodes_used)[rand() % WIRE_LINKS] =
			word;
	}
	munmap(base, WIRE_AT_DATA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_agree_on_every_stack),
		cmocka_unit_test(a_full_tree_cuts_and_counts),
		cmocka_unit_test(many_stacks_reach_the_deeper_levels),
		cmocka_unit_test(as_many_children_as_there_are_have_a_node_each),
		cmocka_unit_test(links_that_are_nonsense_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
