/*
 * preload_python_deep.c - Python's stacks that are cut, forged in every layout: recursions
 * of any depth that go up and down beside a walk with its memory, which must say each
 * time what is there.
 */
#define FORGED_FRAMES 130000
#include "tests/unit/forged_python.h"

#include "preload/python_walk.h"

enum { GONE = 1 }; /* nobody's frame */

static struct python_walk walk;
static size_t steps;

static void up(const struct python_layout *l)
{
	memset(&walk, 0, sizeof(walk));
	forge(l);
}

/* How many frames were walked anew. */
static size_t walked(void)
{
	size_t n = 0;

	while (n < PYTHON_FRAMES && walk.found[n] != GONE)
		n++;
	return n;
}

static uint32_t take(void)
{
	uint32_t node;

	write_top();
	for (size_t i = 0; i < PYTHON_FRAMES; i++)
		walk.found[i] = GONE;
	node = python_walk_alone(&walk, fake.base, true);
	steps += walked();
	return node;
}

static void check(void)
{
	expect_stack(take());
}

static void push_to(int depth)
{
	while (fake.depth < depth)
		push();
}

/* The calls inside of this depth have returned. */
static void pop_to(int depth)
{
	fake.depth = depth;
}

/* One of the frames is somewhere else in its code. */
static void move(int i)
{
	if (fake.is_link[i])
		return;
	fake.at[i] = rand() % UNITS;
	write_frame(i);
}

static void wander(int deepest, int events)
{
	int reach[] = {2, 40, 700, 5000, deepest};

	for (int n = 0; n < events; n++) {
		int r = reach[rand() % 5], to = fake.depth - r + rand() % (2 * r + 1);

		to = to < 1 ? 1 : to > deepest ? deepest : to;
		/* Out of more, and down another way. */
		if (rand() % 2 && to > 50)
			pop_to(fake.depth < to ? fake.depth - fake.depth / 40
					       : to - rand() % 50);
		pop_to(fake.depth < to ? fake.depth : to);
		push_to(to);
		if (rand() % 3 == 0)
			move(fake.depth - 1);
		if (rand() % 20 == 0)
			move(rand() % fake.depth);
		check();
	}
}

/* Up to 3.10 nothing is known of the frames, and stacks are compared whole. */
static bool has_owners(size_t layout)
{
	return python_layouts[layout].frame_owner >= 0;
}

static void a_recursion_up_and_down_is_what_it_is_in_every_layout(void **state)
{
	(void)state;
	srand(1);
	for (size_t l = 0; l < sizeof(python_layouts) / sizeof(*python_layouts); l++) {
		up(&python_layouts[l]);
		wander(3000, unit_rounds(300));
		wander(7000, unit_rounds(200));
		wander(25000, unit_rounds(has_owners(l) ? 400 : 40));
		wander(3000, unit_rounds(50));
		wander(100000, unit_rounds(has_owners(l) ? 60 : 20));
		unforge();
	}
}

static void an_unchanged_stack_of_any_depth_is_not_walked(void **state)
{
	static const int depths[] = {2100, 7000, 9000, 25000, 100000};

	(void)state;
	srand(2);
	up(&python_layouts[PYTHON_3_14]);
	for (size_t i = 0; i < 5; i++) {
		push_to(depths[i]);
		check();
		check();
		assert_int_equal(walked(), 0);
		move(fake.depth - 2);
		move(fake.depth - 1);
		check();
		assert_int_equal(walked(), 0);
		pop_to(fake.depth - 3);
		push_to(fake.depth + 2);
		check();
		assert_uint_in_range(walked(), 0, 3);
	}
	unforge();
}

static void a_deep_recursion_walks_what_has_changed(void **state)
{
	size_t events = 0;

	(void)state;
	srand(3);
	up(&python_layouts[PYTHON_3_14]);
	steps = 0;
	for (; fake.depth < 100000; events++) {
		push_to(fake.depth + 50);
		check();
	}
	for (; fake.depth > 100; events++) {
		pop_to(fake.depth - 50);
		check();
	}
	assert_uint_in_range(steps, 100000, events * 150);
	unforge();
}

/* ---- frames that are somebody else's the next time -------------------------- */

/* All from this depth on are generators', which lie where they lie. */
static void push_generators(int count)
{
	for (int n = 0; n < count; n++) {
		int i = fake.depth++;

		fake.slot[i] = 120000 + n;
		fake.code_of[i] = n % CODES;
		fake.at[i] = n % UNITS;
		fake.entry[i] = fake.is_link[i] = false;
		fake.is_generator[i] = true;
		write_frame(i);
	}
}

/* What they call lies behind what their callers' callers have called. */
static void call_more(int callers, int count)
{
	for (int n = 0; n < count; n++) {
		int i = fake.depth;

		push();
		fake.slot[i] = callers + DEEP + n;
		write_frame(i);
	}
}

/* Those who called before are as they were, or still lie where they were. */
static void generators_are_resumed_from_anywhere(void **state)
{
	static const int callers[] = {5, 1000, 1030, 1800, 5000, 20000};

	(void)state;
	srand(4);
	for (size_t l = 0; l < sizeof(python_layouts) / sizeof(*python_layouts); l++) {
		int had = 0;

		up(&python_layouts[l]);
		for (int round = 0; round < unit_rounds(60); round++) {
			int has = callers[rand() % 6] + rand() % 10;

			pop_to(had < has ? had : has);
			push_to(has);
			had = has;
			push_generators(1500);
			if (rand() % 2)
				call_more(has, rand() % 1500);
			check();
			check();
		}
		unforge();
	}
}

/* They called, and are resumed by themselves from ten thousand calls further in. */
static void generators_are_resumed_from_elsewhere_in_the_gap(void **state)
{
	(void)state;
	for (size_t l = 0; l < sizeof(python_layouts) / sizeof(*python_layouts); l++) {
		up(&python_layouts[l]);
		for (int n = 0; n < unit_rounds(60); n++) {
			int has = 4000 + 29 * n;

			pop_to(fake.depth < has ? fake.depth : has);
			push_to(has);
			push_generators(1500);
			call_more(has, 1000 + 7 * n);
			check();
			pop_to(has);
			push_to(has + 10000);
			push_generators(1500);
			check();
			pop_to(has);
		}
		unforge();
	}
}

static bool is_cut(const struct wire_node *n)
{
	return n->pc_flags >> WIRE_PC_BITS & WIRE_NODE_CUT;
}

/* Both ends, and a cut between them that shows as many frames as any. */
static void expect_ends(uint32_t node)
{
	int shown = 0, i = fake.depth;

	while (!is_cut(wire_node(fake.base, node))) {
		i--;
		if (!fake.is_link[i]) {
			check_node(node, i);
			node = wire_node(fake.base, node)->parent;
		}
		shown++;
	}
	for (; i > 0 && fake.is_link[i - 1]; i--)
		shown++;
	assert_uint_in_range(shown, UNWIND_INNER - UNWIND_STRIDE, UNWIND_INNER + 40);
	node = wire_node(fake.base, node)->parent;
	for (i = UNWIND_OUTER; i-- > 0;) {
		if (fake.is_link[i])
			continue;
		check_node(node, i);
		node = wire_node(fake.base, node)->parent;
	}
	assert_int_equal(node, 0);
}

/* Frames from `from` on go, `count` of them, and those inside are as they were. */
static void take_out(int from, int count)
{
	int rest = fake.depth - from - count;

#define MOVE(field)                                                                    \
	memmove(&fake.field[from], &fake.field[from + count],                          \
		(size_t)rest * sizeof(*fake.field))
	MOVE(slot);
	MOVE(code_of);
	MOVE(at);
	MOVE(entry);
	MOVE(is_link);
	MOVE(is_generator);
#undef MOVE
	fake.depth -= count;
	write_frame(from);
}

static void a_middle_that_changed_unseen_is_still_between_both_ends(void **state)
{
	(void)state;
	srand(5);
	for (int round = 0; round < unit_rounds(60); round++) {
		up(&python_layouts[round % 2 ? PYTHON_3_14 : PYTHON_3_11]);
		push_to(round % 3 ? 9000 : 30000);
		/* (A loop's own frame may be the one outside of those that are told.) */
		check();
		for (int i = 0; i < 6; i++) {
			take_out(2000 + rand() % 3000, 1 + rand() % 300);
			expect_ends(take());
		}
		pop_to(fake.depth - 2000);
		expect_ends(take());
		pop_to(1500);
		check();
		unforge();
	}
}

/* ---- memory that went --------------------------------------------------------- */

/* The outermost frames are others, and where they were is nothing. */
static void outermost_frames_may_have_gone(void **state)
{
	char *from, *to;

	(void)state;
	srand(6);
	for (int round = 0; round < 8; round++) {
		up(&python_layouts[PYTHON_3_14]);
		push_to(UNWIND_OUTER + 400);
		push_to(round % 2 ? 6000 : 20000);
		check();
		for (int i = DEEP; i < UNWIND_OUTER + 100; i++) {
			fake.slot[i] = 100000 + i;
			write_frame(i);
		}
		write_frame(UNWIND_OUTER + 100);
		from = fake.frames[2 * DEEP + ARCH_PAGE / FRAME_BYTES];
		to = fake.frames[DEEP + UNWIND_OUTER];
		from -= (uintptr_t)from % ARCH_PAGE;
		to -= (uintptr_t)to % ARCH_PAGE;
		mprotect(from, (size_t)(to - from), PROT_NONE);
		unwind_unmapped();
		check();
		check();
		mprotect(from, (size_t)(to - from), PROT_READ | PROT_WRITE);
		unforge();
	}
}

/* As much of the stack is told as there is room for, from its outermost frame on. */
static void a_full_tree_has_the_outermost_of_a_deep_stack(void **state)
{
	static const int depths[] = {3000, 7000, 9000, 30000};

	(void)state;
	srand(7);
	up(&python_layouts[PYTHON_3_14]);
	for (int round = 0; round < 8; round++) {
		struct wire_header *header = (struct wire_header *)fake.base;
		uint32_t used, node[2];

		pop_to(0);
		push_to(depths[round / 2]);
		check();
		used = header->nodes_used;
		pop_to(fake.depth - (round % 2 ? 30 : 1500));
		push_to(fake.depth + 900);
		for (int i = 0; i < 2; i++) {
			uint64_t cut = header->cut_stacks;

			header->nodes_used = WIRE_NODES;
			node[i] = take();
			header->nodes_used = used;
			assert_int_equal(header->cut_stacks, cut + 1);
		}
		assert_int_equal(node[0], node[1]);
		assert_int_equal(walked(), 0);
		check();
		/* It is one of those of the whole stack. */
		node[1] = take();
		while (node[1] && node[1] != node[0])
			node[1] = wire_node(fake.base, node[1])->parent;
		assert_int_equal(node[1], node[0]);
	}
	unforge();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_recursion_up_and_down_is_what_it_is_in_every_layout),
		cmocka_unit_test(an_unchanged_stack_of_any_depth_is_not_walked),
		cmocka_unit_test(a_deep_recursion_walks_what_has_changed),
		cmocka_unit_test(generators_are_resumed_from_anywhere),
		cmocka_unit_test(generators_are_resumed_from_elsewhere_in_the_gap),
		cmocka_unit_test(
			a_middle_that_changed_unseen_is_still_between_both_ends),
		cmocka_unit_test(outermost_frames_may_have_gone),
		cmocka_unit_test(a_full_tree_has_the_outermost_of_a_deep_stack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
