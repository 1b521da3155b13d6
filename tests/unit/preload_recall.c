/*
 * preload_recall.c - stacks that are recalled, beside walks that remember nothing: real
 * native stacks of calls from several places, and forged Python's frames, both of which
 * change at random and come back to what they were.
 */
#include "tests/unit/forged_python.h"

#include "preload/modules.h"
#include "preload/recall.h"
#include "preload/runs_take.h"

#include <alloca.h>

enum { PLACES = 3, DEEPEST = 7 };

static struct last last, no_last;
static struct unwind_thread thread, other;
static struct unwind_frame frames[UNWIND_FRAMES], spare[UNWIND_FRAMES];
static struct python_walk walk, walk_anew;
static struct recall *recall;
static struct runs *runs; /* NULL: they are not asked */
static size_t events, hits, by_runs;

static void up(const struct python_layout *l)
{
	memset(&last, 0, sizeof(last));
	memset(&walk, 0, sizeof(walk));
	memset(&walk_anew, 0, sizeof(walk_anew));
	memset(recall, 0, sizeof(*recall));
	last_init(&last);
	forge(l);
	if (runs)
		memset(runs, 0, sizeof(*runs));
	events = hits = by_runs = 0;
}

/* The call of the function that says so. */
#define CALLED                                                                         \
	((struct recall_call){(uintptr_t)__builtin_return_address(0),                  \
			      (uintptr_t)__builtin_dwarf_cfa(),                        \
			      *(uintptr_t *)__builtin_frame_address(0)})

/* 0: the native stack is to be walked. */
static uint32_t take_run(const struct recall_call *c)
{
	uint32_t native = runs_take(runs, &last, c->pc, c->sp, c->fp), node = 0;

	if (native)
		node = python_walk_take(&walk, fake.base, native, NULL, true);
	if (node && recall_wants(recall, &walk, c, node))
		return 0;
	by_runs += node != 0;
	return node;
}

/* As hook_stack_held() asks. */
static uint32_t take(const struct recall_call *c)
{
	uint32_t node = recall_take(recall, &last, &walk, c), native;

	if (node) {
		hits++;
		return node;
	}
	node = runs ? take_run(c) : 0;
	if (node)
		return node;
	native = last_take(&last, &thread, fake.base, c->pc, c->sp, c->fp, spare);
	if (runs)
		runs_keep(runs, &last, c->pc, c->sp, c->fp, native);
	node = python_walk_take(&walk, fake.base, native, &last, true);
	recall_keep(recall, &last, &walk, c, native, node);
	return node;
}

/* Equal stacks have equal nodes, as nobody else makes any. */
static __attribute__((noinline)) void event(void)
{
	struct recall_call c = CALLED;
	uint32_t native = last_take_anew(&other, fake.base, c.pc, c.sp, c.fp, frames);
	uint32_t node;

	/* Without a memory of its own. */
	walk_anew.count = 0;
	node = python_walk_take(&walk_anew, fake.base, native, &no_last, true);
	assert_int_not_equal(native, 0);
	assert_int_equal(take(&c), node);
	events++;
}

/* Something happens to Python's frames, or nothing. */
static void turn(int how_often)
{
	if (rand() % 100 >= how_often)
		return;
	step();
	if (fake.depth && rand() % 4 == 0) { /* the same, but called otherwise */
		int i = rand() % fake.depth;

		fake.entry[i] = !fake.entry[i];
		write_frame(i);
	}
	if (rand() % 50)
		return;
	unwind_dlclose_begin();
	event();
	unwind_dlclose_end();
}

/* Calls itself from one of several places: at one depth, all frames are as large. */
static __attribute__((noinline)) void wander(int depth, int how_often)
{
	volatile char *more = alloca(16 + (rand() % 4 ? 0 : 48));

	more[0] = 1;
	while (rand() % 5) {
		turn(how_often);
		if (depth == DEEPEST || rand() % 2)
			event();
#define PLACE(i)                                                                       \
	else if (rand() % PLACES == (i))                                               \
	{                                                                              \
		wander(depth + 1, how_often);                                          \
		__asm__ volatile("" ::"i"(i));                                         \
	}
		PLACE(0)
		PLACE(1)
		PLACE(2)
#undef PLACE
	}
	event();
}

static void wander_in_every_layout(void)
{
	static const int often[] = {2, 20, 90};
	size_t n = sizeof(python_layouts) / sizeof(*python_layouts);

	srand(3);
	for (size_t l = 0; l < n; l++)
		for (size_t k = 0; k < sizeof(often) / sizeof(*often); k++) {
			up(&python_layouts[l]);
			for (int i = 0; i < unit_rounds(250); i++)
				wander(0, often[k]);
			assert_true(hits > 0);
			assert_true(!runs || by_runs > 0);
			if (!k)
				assert_uint_in_range(hits, events / 4, events);
			unforge();
		}
}

static void what_is_recalled_is_the_stack_in_every_layout(void **state)
{
	(void)state;
	wander_in_every_layout();
}

/* Where the native stack is only known to end in a run, Python's is walked alone. */
static void runs_beside_it_give_the_stack_in_every_layout(void **state)
{
	(void)state;
	runs = calloc(1, sizeof(*runs));
	assert_non_null(runs);
	wander_in_every_layout();
	free(runs);
	runs = NULL;
}

/* Two calls at places that differ in nothing but the return address. */
static __attribute__((noinline)) void same(bool first, int n)
{
	if (n && first) {
		same(first, n - 1);
		__asm__ volatile("" ::"i"(1));
	} else if (n) {
		same(first, n - 1);
		__asm__ volatile("" ::"i"(2));
	} else {
		for (int i = 0; i < 3; i++)
			event();
	}
}

static void a_stack_that_comes_again_is_recalled(void **state)
{
	(void)state;
	up(&python_layouts[PYTHON_3_11]);
	for (int i = 0; i < 3; i++)
		push();
	write_top();
	for (int i = 0; i < 100; i++)
		same(i % 2, 5);
	/* (The first is met, the second kept.) */
	assert_uint_in_range(hits, events - 12, events - 2);
	unforge();
}

/* A code object dies, and another one is made where it was. */
static void what_a_dead_code_had_is_not_recalled(void **state)
{
	void (*dealloc)(void *);
	size_t before;

	(void)state;
	up(&python_layouts[PYTHON_3_12]);
	push();
	fake.is_link[0] = false;
	fake.code_of[0] = 2;
	fake.at[0] = 4;
	write_frame(0);
	write_top();
	memcpy(&dealloc, fake.types[0] + DEALLOC, sizeof(dealloc));
	for (volatile int i = 0; i < 7; i++) { /* one call */
		if (i == 4) {
			dealloc(fake.codes[2]);
			make_code(2, "z");
		}
		before = hits;
		same(false, 0);
		assert_int_equal(hits > before, i == 2 || i == 3 || i == 6);
	}
	unforge();
}

/* Python is being taken down, or is not to be asked: there is no node to recall. */
static void nothing_is_recalled_where_there_is_no_stack(void **state)
{
	static uintptr_t finalizing;
	struct recall_call c = CALLED;

	(void)state;
	up(&python_layouts[PYTHON_3_11]);
	push();
	write_top();
	for (int i = 0; i < 3; i++)
		take(&c);
	assert_int_not_equal(recall_take(recall, &last, &walk, &c), 0);
	python.finalizing_word = &finalizing;
	finalizing = 1;
	assert_int_equal(recall_take(recall, &last, &walk, &c), 0);
	finalizing = 0;
	fake.depth = 0;
	write_top();
	assert_int_equal(recall_take(recall, &last, &walk, &c), 0);
	unforge();
}

/* A hook that sleeps within one of the memories on another stack. */
static void who_sleeps_in_a_memory_is_not_disturbed(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct recall_call c = CALLED;

		up(&python_layouts[PYTHON_3_11]);
		push();
		write_top();
		for (int k = 0; k < 3; k++)
			take(&c);
		assert_int_equal(hits, 1);
		*(i ? &last.busy : &walk.busy) = 1;
		assert_int_equal(recall_take(recall, &last, &walk, &c), 0);
		recall_keep(recall, &last, &walk, &c, 1, 2);
		assert_int_equal(last.busy, i);
		assert_int_equal(walk.busy, !i);
		/* Nor is it ever again, with whatever it left there. */
		for (int k = 0; k < 4; k++)
			take(&c);
		assert_int_equal(hits, 1);
		unforge();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_recalled_is_the_stack_in_every_layout),
		cmocka_unit_test(runs_beside_it_give_the_stack_in_every_layout),
		cmocka_unit_test(a_stack_that_comes_again_is_recalled),
		cmocka_unit_test(what_a_dead_code_had_is_not_recalled),
		cmocka_unit_test(nothing_is_recalled_where_there_is_no_stack),
		cmocka_unit_test(who_sleeps_in_a_memory_is_not_disturbed),
	};
	void *base = mmap(NULL, WIRE_AT_DATA, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	recall = calloc(1, sizeof(*recall));
	if (base == MAP_FAILED || !recall)
		return 1;
	((struct wire_header *)base)->modules_used = 1;
	if (unwind_init(base, 1))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
