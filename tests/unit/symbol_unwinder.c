/*
 * symbol_unwinder.c - the stacks of a stopped child are what it said itself, and
 * expressions of any kind do no harm.
 */
#include "cli/symbol/unwinder.h"

#include "cli/collect/scan_frames.h"
#include "tests/unit/unit.h"

#include <dwarf.h>
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEEP = 40, MOST = 128 };

struct shared {
	void *said[MOST];
	int count;
	_Atomic bool ready, end; /* end: never */
};

static struct shared *shared;

/* ---- stacks ---------------------------------------------------------------- */

static __attribute__((noinline)) int wait_here(void)
{
	shared->count = backtrace(shared->said, MOST);
	atomic_store(&shared->ready, true);
	while (!atomic_load(&shared->end))
		pause();
	return shared->count;
}

static __attribute__((noinline)) int deeper(int n, const int *from)
{
	volatile int room[8] = {n};

	/* Frames of other sizes, and one that is over-aligned. */
	if (n % 3 == 1) {
		_Alignas(64) volatile char aligned[64 + 1] = {1};

		return aligned[0] + (n ? deeper(n - 1, from) : wait_here());
	}
	return room[0] + (n ? deeper(n - 1, (const int *)room) : wait_here());
}

static int compare(const void *a, const void *b)
{
	return deeper(DEEP, a) - *(const int *)b;
}

static void on_signal(int number)
{
	int two[2] = {2, number};

	/* By way of libc. */
	qsort(two, 2, sizeof(*two), compare);
}

static pid_t child(bool by_signal)
{
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	pid = fork();
	if (!pid) {
		alarm(30);
		signal(SIGUSR1, on_signal);
		if (by_signal)
			raise(SIGUSR1);
		on_signal(1);
		_exit(0);
	}
	while (!atomic_load(&shared->ready))
		usleep(100);
	usleep(5000); /* until it is in pause() */
	return pid;
}

static size_t find(const struct scan_frames *f, const void *pc)
{
	size_t at = 0;

	while (at < f->stacks[0].count &&
	       f->frames[f->stacks[0].first + at].registers[LOCATION_PC] !=
		       (uintptr_t)pc)
		at++;
	return at;
}

/* The frames behind wait_here() have the return addresses that it said: the first
 * that both know is there at once (a sanitizer's backtrace() is called by its own). */
static void expect_said(const struct scan_frames *f)
{
	const struct scan_stack *s = &f->stacks[0];
	int first = 1;
	size_t at;

	while (first < 4 && find(f, shared->said[first]) == s->count)
		first++;
	at = find(f, shared->said[first]);
	assert_true(first < 4 && at > 0);
	for (int i = first; i < shared->count; i++, at++) {
		const struct location_frame *x = &f->frames[s->first + at];

		if (at == s->count)
			fail_msg("frame %d of %d is missing", i, shared->count);
		assert_int_equal(x->registers[LOCATION_PC], (uintptr_t)shared->said[i]);
		/* The last has no caller. */
		if (i + 1 < shared->count)
			assert_true(x->cfa > x->registers[LOCATION_SP]);
	}
}

static void check_stack(bool by_signal)
{
	pid_t pid = child(by_signal);
	struct heap_threads threads;
	struct heap_roots roots = {0};
	struct scan_frames frames = {0};
	struct heap_maps maps;
	struct heap_memory memory;
	uint64_t exit_sp = 0;

	assert_int_equal(heap_threads_stop(&threads, pid, 20000000000), 0);
	assert_int_equal(heap_maps_read(pid, &maps), 0);
	heap_memory_open(&memory, pid, &maps);
	assert_int_equal(heap_modules_find(&roots.modules, &roots.names, &memory), 0);
	assert_int_equal(
		scan_frames_take(&frames, &roots, &memory, &threads, 0, &exit_sp), 0);
	expect_said(&frames);
	assert_int_equal(exit_sp, 0);
	scan_frames_done(&frames);
	heap_roots_done(&roots);
	heap_memory_close(&memory);
	heap_maps_done(&maps);
	heap_threads_done(&threads);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_stack_is_what_its_thread_says(void **state)
{
	(void)state;
	check_stack(false);
}

static void a_signal_handlers_too(void **state)
{
	(void)state;
	check_stack(true);
}

/* ---- expressions ----------------------------------------------------------- */

static bool read_little(void *context, uint64_t address, void *to, size_t len)
{
	(void)context;
	memset(to, (int)address, len);
	return address % 3 != 0;
}

static const struct location_memory little = {NULL, read_little};

static struct location_frame some_frame(void)
{
	struct location_frame f = {.known = 0x10ff, .cfa = 0x7000};

	for (size_t i = 0; i < LOCATION_REGISTERS; i++)
		f.registers[i] = 0x100 * i;
	return f;
}

static void places_are_found(void **state)
{
	struct location_frame f = some_frame();
	const Dwarf_Op base[] = {{.atom = DW_OP_call_frame_cfa}};
	const struct location_context c = {&f, &little, 0x1000, base, 1};
	const Dwarf_Op local[] = {{.atom = DW_OP_fbreg, .number = (uint64_t)-32}};
	const Dwarf_Op in_register[] = {{.atom = DW_OP_reg3}};
	const Dwarf_Op global[] = {{.atom = DW_OP_addr, .number = 0x44}};
	const Dwarf_Op unknown[] = {{.atom = DW_OP_breg0 + 9, .number = 8}};
	const Dwarf_Op value[] = {{.atom = DW_OP_lit0 + 5},
				  {.atom = DW_OP_stack_value}};
	const Dwarf_Op split[] = {{.atom = DW_OP_reg3},
				  {.atom = DW_OP_piece, .number = 8},
				  {.atom = DW_OP_piece, .number = 4},
				  {.atom = DW_OP_breg0 + 2, .number = 16},
				  {.atom = DW_OP_piece, .number = 8}};
	struct location_piece p[LOCATION_PIECES];

	(void)state;
	assert_int_equal(location_find(&c, local, 1, p), 1);
	assert_true(p[0].kind == LOCATION_MEMORY && p[0].value == 0x7000 - 32);
	assert_int_equal(location_find(&c, in_register, 1, p), 1);
	assert_true(p[0].kind == LOCATION_REGISTER && p[0].value == 3);
	assert_int_equal(location_find(&c, global, 1, p), 1);
	assert_true(p[0].kind == LOCATION_MEMORY && p[0].value == 0x1044);
	assert_int_equal(location_find(&c, unknown, 1, p), 0);
	assert_int_equal(location_find(&c, value, 2, p), 1);
	assert_int_equal(p[0].kind, LOCATION_VALUE);
	assert_int_equal(location_find(&c, split, 5, p), 3);
	assert_true(p[0].kind == LOCATION_REGISTER && p[0].bytes == 8);
	assert_true(p[1].kind == LOCATION_NOWHERE && p[1].offset == 8);
	assert_true(p[2].kind == LOCATION_MEMORY && p[2].value == 0x210 &&
		    p[2].offset == 12);
}

static uint64_t seed = 1;

static uint64_t any(void)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return seed >> 20;
}

static void any_expression_comes_to_an_end(void **state)
{
	struct location_frame f = some_frame();

	(void)state;
	for (int round = 0; round < 200000; round++) {
		Dwarf_Op ops[80], base[4];
		const struct location_context c = {&f, &little, any(), base, any() % 5};
		struct location_piece p[LOCATION_PIECES];
		size_t n = any() % 81;
		uint64_t value;

		for (size_t i = 0; i < 80 + 4; i++)
			*(i < 80 ? &ops[i] : &base[i - 80]) = (Dwarf_Op){
				.atom = (uint8_t)(any() % 4 ? any()
							    : DW_OP_lit0 + any() % 32),
				.number = any() % 3 ? any() % 70 : any() << 30,
				.number2 = any()};
		assert_true(location_find(&c, ops, n, p) <= LOCATION_PIECES);
		location_value(&c, ops, n, &value);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stack_is_what_its_thread_says),
		cmocka_unit_test(a_signal_handlers_too),
		cmocka_unit_test(places_are_found),
		cmocka_unit_test(any_expression_comes_to_an_end),
	};

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
