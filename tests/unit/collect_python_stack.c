/* Two stacks become one: each run of Python frames in place of its loop's frame. */
#include "tests/unit/unit.h"

#include "cli/collect/stacks.h"
#include "preload/tree.h"
#include "tests/unit/chance.h"

#include <string.h>
#include <sys/mman.h>

/* The loop is module 1, [0x1000, 0x2000). Frames are letters: `L` is one of the loop's,
 * other capitals are native, small letters Python's, `!` after one ends its run, `?` is
 * after one that was guessed, `-` are frames left out. */
static const struct wire_loop the_loop = {1, 1, 0x1000, 0x2000};

static struct wire_node node_of(char letter, char how)
{
	uint64_t flags = letter >= 'a' ? WIRE_NODE_PYTHON : 0;
	uint64_t pc = letter == 'L' ? 0x2000 : 0x5000 + (unsigned char)letter;

	flags |= how == '!' ? WIRE_NODE_ENTRY : how == '?' ? WIRE_NODE_GUESSED : 0;
	flags |= letter == '-' ? WIRE_NODE_CUT : 0;
	return (struct wire_node){pc | flags << WIRE_PC_BITS, 0, 1};
}

static size_t parse(const char *text, struct wire_node *to)
{
	size_t n = 0;

	for (; *text; text += text[1] == '!' || text[1] == '?' ? 2 : 1)
		to[n++] = node_of(*text, text[1]);
	return n;
}

static char letter_of(const struct wire_node *n)
{
	uint64_t pc = n->pc_flags & WIRE_PC_MASK;

	return pc == 0x2000 ? 'L' : (char)(pc - 0x5000);
}

/* All innermost first. */
static void assert_merged(const char *native, const char *python, const char *expected)
{
	struct wire_node one[64], other[64], to[128];
	struct python_stack s = {.native = one, .python = other};
	char text[129] = "";
	size_t n;

	s.native_count = parse(native, one);
	s.python_count = parse(python, other);
	n = python_stack_merge(&s, &the_loop, 1, to);
	for (size_t i = 0; i < n; i++)
		text[i] = letter_of(&to[i]);
	assert_string_equal(text, expected);
}

static void a_run_stands_where_its_loop_was(void **state)
{
	(void)state;
	assert_merged("ABLCD", "ab!", "ABabCD");
	assert_merged("ALBLC", "ab!c!", "AabBcC");
	assert_merged("LLL", "a!b!c!", "abc");
}

static void without_python_the_stack_is_as_it_was(void **state)
{
	(void)state;
	assert_merged("ABLC", "", "ABLC");
	assert_merged("", "", "");
}

static void without_a_native_stack_python_stands_alone(void **state)
{
	(void)state;
	assert_merged("", "ab!c!", "abc");
}

static void loops_that_are_missing_leave_their_runs_outermost(void **state)
{
	(void)state;
	assert_merged("AL-", "ab!c!", "Aab-c");
	assert_merged("AB", "ab!", "ABab");
}

/* As many runs as have no loop further out. */
static void loops_that_were_lost_on_the_way_leave_their_runs_there(void **state)
{
	(void)state;
	assert_merged("A-BC", "ab!c!", "A-abcBC");
	assert_merged("A-BLC", "ab!c!", "A-abBcC");
	assert_merged("ALB-C-LD", "a!b!c!d!e!", "AaB-bcdC-eD");
	assert_merged("ALB-LLD", "a!b!", "AaB-bLD");
	assert_merged("AL-BLC", "a!-b!c!", "Aa--bBcC");
	assert_merged("A-BLC", "", "A-BLC");
	assert_merged("AB?C", "ab!", "AabBC");
	assert_merged("AB?LC", "a!b!", "AaBbC");
	assert_merged("AL?LC", "a!b!c!", "AabcC");
	assert_merged("AL?C", "a!", "AaC");
	assert_merged("ALB?LC", "a!b!", "AaBbC");
}

/* A random stack of these letters, with marks, numbered from `first` on. */
static size_t random_stack(const char *letters, const char *marks, uint32_t first,
			   struct wire_node *to)
{
	size_t n = (size_t)rand() % 40;

	for (size_t i = 0; i < n; i++) {
		to[i] = node_of(letters[(size_t)rand() % strlen(letters)],
				marks[(size_t)rand() % strlen(marks)]);
		to[i].parent = first + (uint32_t)i;
	}
	return n;
}

/* Whatever is lost: all Python frames are there, all native ones but loops that runs
 * stand for, and either in their order. */
static void nothing_is_left_out_or_turned_around(void **state)
{
	enum { PYTHON = 1000 };
	struct wire_node native[64], python[64], to[128];
	struct python_stack s = {.native = native, .python = python};

	(void)state;
	srand(5);
	for (int round = 0; round < 20000; round++) {
		size_t n, own = 0, others = 0;

		s.native_count = random_stack("ABLL-", "..?", 0, native);
		s.python_count = random_stack("abc-", "..!", PYTHON, python);
		n = python_stack_merge(&s, &the_loop, 1, to);
		for (size_t i = 0; i < n; i++) {
			if (to[i].parent >= PYTHON) {
				assert_int_equal(to[i].parent, PYTHON + own++);
				continue;
			}
			for (; others < to[i].parent; others++)
				assert_int_equal(letter_of(&native[others]), 'L');
			assert_int_equal(to[i].parent, others++);
		}
		for (; others < s.native_count; others++)
			assert_int_equal(letter_of(&native[others]), 'L');
		assert_int_equal(own, s.python_count);
	}
}

static void loops_of_nobody_stay_native(void **state)
{
	(void)state;
	assert_merged("ALBLC", "ab!", "AabBLC");
}

static void a_run_that_was_cut_ends_there(void **state)
{
	(void)state;
	assert_merged("ALBLC", "a-b!", "Aa-BbC");
}

/* ---- in shared memory ---------------------------------------------------- */

static void *base;

static int map(void **state)
{
	(void)state;
	base = mmap(NULL, WIRE_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return -1;
	atomic_store(&((struct wire_header *)base)->nodes_used, 1);
	return 0;
}

static int unmap(void **state)
{
	(void)state;
	return munmap(base, WIRE_BYTES);
}

static uint32_t child(uint32_t parent, uint64_t pc, uint64_t flags, uint32_t module)
{
	struct wire_node key = {pc | flags << WIRE_PC_BITS, parent, module};

	return tree_child(base, &key);
}

static void pairs_with_the_same_frames_are_one_stack(void **state)
{
	uint32_t outer, loop, python, one, other;
	struct wire_loop *l = wire_loop(base, 0);
	struct stacks s;

	(void)state;
	outer = child(0, 0x900, 0, 2);
	loop = child(outer, 0x1800, 0, 1);
	python = child(0, 44, WIRE_NODE_PYTHON | WIRE_NODE_ENTRY, 7);
	*l = the_loop;
	atomic_store(&((struct wire_header *)base)->loops_used, 1);
	assert_int_equal(stacks_open(&s, base), 0);
	assert_int_equal(stacks_copy(&s, child(loop, python, WIRE_NODE_PAIR, 0), &one),
			 0);
	/* Another return address in the loop is no other stack. */
	loop = child(outer, 0x1900, 0, 1);
	assert_int_equal(
		stacks_copy(&s, child(loop, python, WIRE_NODE_PAIR, 0), &other), 0);
	assert_int_equal(one, other);
	assert_true(s.has_python);
	assert_int_equal(s.nodes[one].flags, STACKS_PYTHON);
	assert_int_equal(s.nodes[one].module, 7);
	assert_int_equal(s.nodes[one].pc, 44);
	assert_int_equal(s.nodes[s.nodes[one].parent].pc, 0x900);
	assert_int_equal(s.nodes[s.nodes[one].parent].parent, 0);
	stacks_done(&s);
}

static void a_pair_that_names_nothing_is_its_native_stack(void **state)
{
	uint32_t outer = child(0, 0x900, 0, 2), copy;
	struct stacks s;

	(void)state;
	assert_int_equal(stacks_open(&s, base), 0);
	assert_int_equal(
		stacks_copy(&s, child(outer, WIRE_PC_MASK, WIRE_NODE_PAIR, 0), &copy),
		0);
	assert_int_equal(s.nodes[copy].pc, 0x900);
	assert_int_equal(s.nodes[copy].parent, 0);
	stacks_done(&s);
}

/* The target can write there what it likes. */
static void a_pair_whose_native_stack_is_nowhere_is_its_python_stack(void **state)
{
	uint32_t python = child(0, 44, WIRE_NODE_PYTHON | WIRE_NODE_ENTRY, 7);
	uint32_t pair = child(0, python, WIRE_NODE_PAIR, 0), copy;
	struct stacks s;

	(void)state;
	wire_node(base, pair)->parent = UINT32_MAX;
	assert_int_equal(stacks_open(&s, base), 0);
	assert_int_equal(stacks_copy(&s, pair, &copy), 0);
	assert_int_equal(s.nodes[copy].pc, 44);
	assert_int_equal(s.nodes[copy].parent, 0);
	stacks_done(&s);
}

enum { GROWN = 300, PAIRS = 20000 };

struct grown { /* stacks that share what is outside; of[0] is none */
	struct wire_node frame[GROWN];
	uint32_t outside[GROWN]; /* its number here */
	uint32_t node[GROWN];
};

/* Mostly, each is called by the one before. */
static void grow(struct grown *g, const char *letters, const char *marks,
		 uint64_t *random)
{
	*g = (struct grown){0};
	for (uint32_t i = 1; i < GROWN; i++) {
		char letter = letters[chance_below(random, strlen(letters))];
		uint32_t outside = (uint32_t)chance_below(random, i);

		if (chance_below(random, 8))
			outside = i - 1;
		g->frame[i] =
			node_of(letter, marks[chance_below(random, strlen(marks))]);
		g->outside[i] = outside;
		g->node[i] =
			child(g->node[outside], g->frame[i].pc_flags & WIRE_PC_MASK,
			      g->frame[i].pc_flags >> WIRE_PC_BITS, 1);
	}
}

static size_t chain_of(const struct grown *g, uint32_t i, struct wire_node *to)
{
	size_t n = 0;

	for (; i; i = g->outside[i])
		to[n++] = g->frame[i];
	return n;
}

static void assert_same_stack(const struct stacks *s, uint32_t copy,
			      const struct wire_node *expected, size_t n)
{
	for (size_t i = 0; i < n; i++, copy = s->nodes[copy].parent) {
		assert_int_equal(s->nodes[copy].pc,
				 expected[i].pc_flags & WIRE_PC_MASK);
		assert_int_equal(
			s->nodes[copy].flags == STACKS_PYTHON,
			(expected[i].pc_flags >> WIRE_PC_BITS & WIRE_NODE_PYTHON) != 0);
	}
	assert_int_equal(copy, 0);
}

/* So many of them at random, but for those that were copied before. */
static void compare_pairs(struct stacks *s, const struct grown *native,
			  const struct grown *python, size_t loops, uint64_t *random)
{
	static struct wire_node one[GROWN], other[GROWN], to[2 * GROWN];
	const struct wire_loop known[2] = {*wire_loop(base, 0), *wire_loop(base, 1)};
	struct python_stack both = {.native = one, .python = other};

	for (int i = 0; i < PAIRS; i++) {
		uint32_t n = (uint32_t)chance_below(random, GROWN), copy;
		uint32_t p = (uint32_t)chance_below(random, GROWN);
		uint32_t pair =
			child(native->node[n], python->node[p], WIRE_NODE_PAIR, 0);
		size_t count;

		if (s->copies[pair])
			continue;
		both.native_count = chain_of(native, n, one);
		both.python_count = chain_of(python, p, other);
		count = python_stack_merge(&both, known, loops, to);
		assert_int_equal(stacks_copy(s, pair, &copy), 0);
		assert_same_stack(s, copy, to, count);
	}
}

/* Whether or not what is outside was put together before; also where a loop becomes
 * known in between. */
static void a_pair_is_what_both_its_stacks_are_as_a_whole(void **state)
{
	static struct grown native, python;
	uint64_t random = 11;
	struct stacks s;

	(void)state;
	*wire_loop(base, 0) = the_loop;
	*wire_loop(base, 1) = (struct wire_loop){1, 1, 0x4fff + 'M', 0x5000 + 'M'};
	for (int round = 0; round < 6; round++) {
		/* In half of them nothing is guessed or left out. */
		grow(&native, round % 2 ? "ABLLM" : "AABBLLMMA-",
		     round % 2 ? "." : "..............?", &random);
		grow(&python, "abcd-", "..!", &random);
		assert_int_equal(stacks_open(&s, base), 0);
		for (uint32_t loops = 1; loops <= 2; loops++) {
			atomic_store(&((struct wire_header *)base)->loops_used, loops);
			compare_pairs(&s, &native, &python, loops, &random);
		}
		stacks_done(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_stands_where_its_loop_was),
		cmocka_unit_test(without_python_the_stack_is_as_it_was),
		cmocka_unit_test(without_a_native_stack_python_stands_alone),
		cmocka_unit_test(loops_that_are_missing_leave_their_runs_outermost),
		cmocka_unit_test(
			loops_that_were_lost_on_the_way_leave_their_runs_there),
		cmocka_unit_test(nothing_is_left_out_or_turned_around),
		cmocka_unit_test(loops_of_nobody_stay_native),
		cmocka_unit_test(a_run_that_was_cut_ends_there),
		cmocka_unit_test_setup_teardown(
			pairs_with_the_same_frames_are_one_stack, map, unmap),
		cmocka_unit_test_setup_teardown(
			a_pair_that_names_nothing_is_its_native_stack, map, unmap),
		cmocka_unit_test_setup_teardown(
			a_pair_whose_native_stack_is_nowhere_is_its_python_stack, map,
			unmap),
		cmocka_unit_test_setup_teardown(
			a_pair_is_what_both_its_stacks_are_as_a_whole, map, unmap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
