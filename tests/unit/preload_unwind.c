#include "tests/unit/unit.h"

#include "preload/modules.h"
#include "preload/probe.h"
#include "preload/unwind.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void *base;
static struct unwind_thread thread;
static struct unwind_frame frames[UNWIND_FRAMES];
static size_t count;

static __attribute__((noinline)) void take_stack(void)
{
	uintptr_t *fp = __builtin_frame_address(0);

	count = unwind_stack(&thread, fp[1], (uintptr_t)(fp + 2), fp[0], frames);
}

static unsigned flags_of(size_t i)
{
	return (unsigned)(frames[i].pc_flags >> WIRE_PC_BITS);
}

/* ---- probe ----------------------------------------------------------------- */

static void a_word_is_read_up_to_the_guard_page_and_no_further(void **state)
{
	struct unwind_thread t = {0};
	struct probe_window w = {0};
	char *p = mmap(NULL, 3 * ARCH_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);
	uintptr_t at = (uintptr_t)p + ARCH_PAGE;
	uint64_t word;

	(void)state;
	mprotect(p + ARCH_PAGE, ARCH_PAGE, PROT_READ | PROT_WRITE);
	memset(p + ARCH_PAGE, 7, ARCH_PAGE);
	errno = 77;
	assert_true(probe_read(&t, &w, at, &word));
	assert_true(probe_read(&t, &w, at + ARCH_PAGE - 8, &word));
	assert_int_equal(word, 0x0707070707070707);
	assert_false(probe_read(&t, &w, at - 8, &word));
	assert_false(probe_read(&t, &w, at + ARCH_PAGE, &word));
	assert_false(probe_read(&t, &w, at + 4, &word));
	assert_false(probe_read(&t, &w, UINTPTR_MAX - 7, &word));
	assert_false(probe_read(&t, &w, 0, &word));
	assert_int_equal(errno, 77);

	/* What was readable may go: after probe_forget() it is looked at again. */
	munmap(p, 3 * ARCH_PAGE);
	probe_forget();
	probe_begin(&t);
	w = (struct probe_window){0};
	assert_false(probe_read(&t, &w, at, &word));
}

/* ---- stacks ---------------------------------------------------------------- */

/* push rbp; mov rbp, rsp; call *rdi; pop rbp; ret: code that no table describes */
static const unsigned char jitted[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3};

static void code_without_tables_is_walked_by_frame_pointers(void **state)
{
	void *code = mmap(NULL, ARCH_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void (*call)(void (*)(void));

	(void)state;
	memcpy(code, jitted, sizeof(jitted));
	mprotect(code, ARCH_PAGE, PROT_READ | PROT_EXEC);
	memcpy(&call, &code, sizeof(call));
	call(take_stack);
	assert_true(count > 3);
	assert_int_equal(frames[0].pc_flags, (uintptr_t)code + 6);
	assert_int_equal(frames[0].module, 0);
	assert_int_equal(flags_of(1), WIRE_NODE_GUESSED);
	assert_true(frames[1].module != 0);
	assert_int_equal(flags_of(count - 1) & WIRE_NODE_CUT, 0);
	munmap(code, ARCH_PAGE);
}

/* void call_with_no_rbp(void (*f)(void)): as _start, without tables and with an rbp of
 * zero. A copy of it elsewhere is generated code. */
extern const unsigned char call_with_no_rbp[], call_with_no_rbp_end[];
__asm__(".text\n"
	"call_with_no_rbp:\n"
	"	push %rbx\n"
	"	mov %rbp, %rbx\n"
	"	xor %ebp, %ebp\n"
	"	call *%rdi\n"
	"	mov %rbx, %rbp\n"
	"	pop %rbx\n"
	"	ret\n"
	"call_with_no_rbp_end:\n");

static void call_code(const void *code, void (*f)(void))
{
	void (*call)(void (*)(void));

	memcpy(&call, &code, sizeof(call));
	call(f);
}

static void a_start_without_tables_is_the_end_and_nothing_is_lost(void **state)
{
	(void)state;
	call_code(call_with_no_rbp, take_stack);
	assert_int_equal(count, 1);
	assert_uint_in_range(frames[0].pc_flags, (uintptr_t)call_with_no_rbp,
			     (uintptr_t)call_with_no_rbp_end);
}

static void generated_code_without_rbp_is_lost(void **state)
{
	void *code = mmap(NULL, ARCH_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	memcpy(code, call_with_no_rbp,
	       (size_t)(call_with_no_rbp_end - call_with_no_rbp));
	mprotect(code, ARCH_PAGE, PROT_READ | PROT_EXEC);
	call_code(code, take_stack);
	assert_int_equal(count, 2);
	assert_int_equal(flags_of(1), WIRE_NODE_CUT);
	munmap(code, ARCH_PAGE);
}

static void a_return_address_of_zero_is_the_end(void **state)
{
	uint64_t bottom[4] = {0};

	(void)state;
	count = unwind_stack(&thread, 12345, (uintptr_t)bottom, (uintptr_t)&bottom[1],
			     frames);
	assert_int_equal(count, 1);
	bottom[2] = 1; /* nobody returns there */
	count = unwind_stack(&thread, 12345, (uintptr_t)bottom, (uintptr_t)&bottom[1],
			     frames);
	assert_int_equal(count, 2);
	assert_int_equal(flags_of(1), WIRE_NODE_CUT);
}

static void a_broken_stack_ends_as_lost(void **state)
{
	static uint64_t fake[64];
	uintptr_t sp = (uintptr_t)fake;
	size_t n;

	(void)state;
	/* From anywhere, with anything in rbp: a frame at least, and no crash. */
	for (uintptr_t i = 0; i < 2000; i++) {
		fake[i % 64] = i * 0x9e3779b97f4a7c15ull >> (i % 3 * 16);
		n = unwind_stack(
			&thread, i % 2 ? i * 4099 : (uintptr_t)take_stack + i % 64,
			i % 5 ? sp + i % 64 : i << 40, fake[(i * 7) % 64], frames);
		assert_true(n >= 1 && n <= UNWIND_FRAMES);
	}
	n = unwind_stack(&thread, 12345, sp, 0, frames);
	assert_int_equal(n, 2);
	assert_int_equal(frames[1].pc_flags,
			 WIRE_CUT_LOST | (uint64_t)WIRE_NODE_CUT << WIRE_PC_BITS);
}

static __attribute__((noinline)) void stack_at(int depth)
{
	if (depth)
		stack_at(depth - 1);
	else
		take_stack();
	__asm__ volatile("");
}

static void a_wrong_guess_of_a_callers_slot_changes_nothing(void **state)
{
	static struct unwind_frame before[UNWIND_FRAMES];
	uint32_t random = 1;
	size_t n = 0;

	(void)state;
	for (int pass = 0; pass < 300; pass++) {
		stack_at(50);
		if (!pass) {
			n = count;
			assert_true(n > 50);
			memcpy(before, frames, n * sizeof(*frames));
		}
		assert_int_equal(count, n);
		for (size_t i = 0; i < n; i++) /* 51 is here, perhaps unrolled */
			assert_true(i == 51 || memcmp(&before[i], &frames[i],
						      sizeof(*frames)) == 0);
		for (size_t i = 0; i < UNWIND_CALLERS; i++) {
			random = random * 1103515245u + 12345u;
			thread.callers[i] = (uint16_t)(random >> 16);
		}
	}
}

static void errno_is_left_alone(void **state)
{
	(void)state;
	errno = 99;
	take_stack();
	assert_int_equal(errno, 99);
}

static void the_list_of_link_maps_gives_the_same_stack(void **state)
{
	static struct unwind_frame before[UNWIND_FRAMES];
	size_t n;

	(void)state;
	for (int i = 0; i < 2; i++) {
		if (i) {
			memcpy(before, frames, sizeof(before));
			n = count;
			unwind_dlclose_begin(); /* no cached rows */
			modules_use_link_maps(true);
		}
		take_stack();
	}
	modules_use_link_maps(false);
	unwind_dlclose_end();
	assert_int_equal(count, n);
	for (size_t i = 1; i < n; i++) /* the first is its own call's */
		assert_int_equal(frames[i].pc_flags, before[i].pc_flags);
}

static void modules_are_published_once(void **state)
{
	struct wire_header *header = base;
	struct module m;
	uint32_t used;

	(void)state;
	assert_int_equal(modules_find((uintptr_t)take_stack, &m), 0);
	used = header->modules_used;
	for (int i = 0; i < 100; i++) {
		uint32_t index = m.index;

		unwind_dlclose_begin();
		unwind_dlclose_end();
		assert_int_equal(modules_find((uintptr_t)take_stack, &m), 0);
		assert_int_equal(m.index, index);
	}
	assert_int_equal(header->modules_used, used);
	assert_true(wire_module(base, m.index)->ready);
	assert_true(strstr(wire_module(base, m.index)->path, "preload_unwind") != NULL);
	assert_int_equal(modules_find(4096, &m), -ENOENT);
}

#ifndef UNIT_SANITIZED
/* A library in two places is one file, each place has its tables. */
static void a_file_in_two_places_is_told_as_one(void **state)
{
	struct module at[2];
	uint64_t pc[2];
	uint32_t generation = 0, file[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		void *handle = dlmopen(LM_ID_NEWLM, "libm.so.6", RTLD_NOW);

		assert_non_null(handle);
		pc[i] = (uintptr_t)dlsym(handle, "cbrt");
		assert_int_not_equal(pc[i], 0);
	}
	assert_int_not_equal(pc[0], pc[1]);
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 2; i++) {
			uint64_t told = pc[i] | (uint64_t)WIRE_NODE_EXACT
							<< WIRE_PC_BITS;

			assert_int_equal(modules_find(pc[i], &at[i]), 0);
			assert_true(at[i].start <= pc[i] && pc[i] < at[i].end);
			file[i] = at[i].number;
			modules_tell(&told, &file[i]);
			assert_int_equal(told >> WIRE_PC_BITS, WIRE_NODE_EXACT);
			assert_int_equal(told & WIRE_PC_MASK, pc[i] - at[i].bias);
		}
		assert_int_equal(at[0].index, at[1].index);
		assert_int_equal(file[0], at[0].index);
		assert_int_equal(file[1], at[0].index);
		assert_int_not_equal(at[0].number, at[1].number);
		if (round)
			assert_int_equal(modules_clock.generation, generation);
		generation = modules_clock.generation;
	}
	assert_in_range(pc[0] - at[0].bias, wire_module(base, file[0])->start,
			wire_module(base, file[0])->end - 1);
}
#endif

static void a_fork_child_finds_its_parents_modules(void **state)
{
	struct wire_header *header = base;
	int status;

	(void)state;
	take_stack();
	if (!fork()) {
		uint32_t used = header->modules_used;
		size_t n = count;

		if (unwind_init(base, 2))
			_exit(1);
		take_stack();
		_exit(count != n || header->modules_used != used);
	}
	wait(&status);
	assert_int_equal(status, 0);
}

/* ---- small stacks ---------------------------------------------------------- */

enum { SMALL = 4 * ARCH_PAGE, NEEDED = 3 * ARCH_PAGE };

/* SMALL bytes between pages that nobody may touch. */
static unsigned char *small_stack(void)
{
	unsigned char *p = mmap(NULL, SMALL + 2 * ARCH_PAGE, PROT_NONE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(p + ARCH_PAGE, SMALL, PROT_READ | PROT_WRITE);
	memset(p + ARCH_PAGE, 0xa5, SMALL);
	return p + ARCH_PAGE;
}

static size_t used_of(const unsigned char *stack)
{
	size_t i = 0;

	while (i < SMALL && stack[i] == 0xa5)
		i++;
	return SMALL - i;
}

/* With rows to be made, modules to be met, and each frame by all registers. */
static void take_cold_stack(int number)
{
	(void)number;
	unwind_dlclose_begin();
	unwind_dlclose_end();
	unwind_unmapped();
	take_stack();
}

static void a_handlers_small_stack_is_enough(void **state)
{
	unsigned char *stack = small_stack();
	stack_t alternate = {.ss_sp = stack, .ss_size = SMALL}, old;
	struct sigaction a = {.sa_handler = take_cold_stack, .sa_flags = SA_ONSTACK};

	(void)state;
	sigaltstack(&alternate, &old);
	sigaction(SIGUSR2, &a, NULL);
	raise(SIGUSR2);
	assert_true(count > 5);
	assert_int_equal(flags_of(count - 1) & WIRE_NODE_CUT, 0);
	assert_uint_in_range(used_of(stack), 1, NEEDED);
	sigaltstack(&old, NULL);
	munmap(stack - ARCH_PAGE, SMALL + 2 * ARCH_PAGE);
}

static void *thread_body(void *arg)
{
	take_cold_stack(0);
	return arg;
}

static void a_small_threads_stack_is_walked_to_its_end(void **state)
{
	unsigned char *stack = small_stack();
	pthread_attr_t attr;
	pthread_t t;

	(void)state;
	pthread_attr_init(&attr);
	assert_int_equal(pthread_attr_setstack(&attr, stack, SMALL), 0);
	assert_int_equal(pthread_create(&t, &attr, thread_body, NULL), 0);
	pthread_join(t, NULL);
	pthread_attr_destroy(&attr);
	assert_uint_in_range(count, 3, 10);
	assert_int_equal(flags_of(count - 1) & WIRE_NODE_CUT, 0);
	munmap(stack - ARCH_PAGE, SMALL + 2 * ARCH_PAGE);
}

/* ---- both ends ------------------------------------------------------------- */

/* Of generated code as of any other: frames 1, 3, 5, ... of this recursion are it. */
static void *generated;
static int left;

static __attribute__((noinline)) void recurse_through_generated(void)
{
	if (!left--) {
		take_stack();
		return;
	}
	call_code(generated, recurse_through_generated);
	__asm__ volatile("");
}

static void a_very_deep_stack_keeps_both_ends(void **state)
{
	static struct unwind_frame shallow[UNWIND_FRAMES];
	size_t n, inner, others = 0;

	(void)state;
	generated = mmap(NULL, ARCH_PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(generated, jitted, sizeof(jitted));
	mprotect(generated, ARCH_PAGE, PROT_READ | PROT_EXEC);
	left = 500;
	call_code(generated, recurse_through_generated);
	n = count;
	assert_true(n > 1000 && n < UNWIND_FRAMES);
	memcpy(shallow, frames, n * sizeof(*frames));
	left = 5000;
	call_code(generated, recurse_through_generated);
	inner = count - UNWIND_OUTER - 1;
	assert_true(inner <= UNWIND_INNER && inner > UNWIND_INNER - UNWIND_STRIDE);
	assert_int_equal(frames[inner].pc_flags,
			 WIRE_CUT_DEPTH | (uint64_t)WIRE_NODE_CUT << WIRE_PC_BITS);
	for (size_t i = 0; i < 760; i++) {
		assert_int_equal(frames[i].pc_flags, shallow[i].pc_flags);
		others += frames[count - 1 - i].pc_flags != shallow[n - 1 - i].pc_flags;
	}
	assert_int_equal(others, 1); /* here: two calls */
	munmap(generated, ARCH_PAGE);
}

/* ---- ancestors ------------------------------------------------------------- */

static uintptr_t wanted;
static enum unwind_ancestor found;

static __attribute__((noinline)) void look_for_ancestor(int number)
{
	(void)number;
	found = unwind_ancestor(
		&thread, (uintptr_t)__builtin_return_address(0),
		(uintptr_t)((uintptr_t *)__builtin_frame_address(0) + 2),
		*(uintptr_t *)__builtin_frame_address(0), wanted);
}

static __attribute__((noinline)) void below(void)
{
	wanted = (uintptr_t)((uintptr_t *)__builtin_frame_address(0) + 2);
	look_for_ancestor(0);
	assert_int_equal(found, UNWIND_CALLED);
	signal(SIGUSR1, look_for_ancestor);
	raise(SIGUSR1);
	assert_int_equal(found, UNWIND_INTERRUPTED);
}

static void an_ancestor_called_or_was_interrupted_or_is_gone(void **state)
{
	(void)state;
	below();
	wanted -= ARCH_PAGE; /* lower than any frame here */
	look_for_ancestor(0);
	assert_int_equal(found, UNWIND_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_word_is_read_up_to_the_guard_page_and_no_further),
		cmocka_unit_test(code_without_tables_is_walked_by_frame_pointers),
		cmocka_unit_test(a_start_without_tables_is_the_end_and_nothing_is_lost),
		cmocka_unit_test(generated_code_without_rbp_is_lost),
		cmocka_unit_test(a_return_address_of_zero_is_the_end),
		cmocka_unit_test(a_broken_stack_ends_as_lost),
		cmocka_unit_test(a_wrong_guess_of_a_callers_slot_changes_nothing),
		cmocka_unit_test(errno_is_left_alone),
		cmocka_unit_test(the_list_of_link_maps_gives_the_same_stack),
		cmocka_unit_test(modules_are_published_once),
#ifndef UNIT_SANITIZED
		cmocka_unit_test(a_file_in_two_places_is_told_as_one),
#endif
		cmocka_unit_test(a_fork_child_finds_its_parents_modules),
		cmocka_unit_test(a_handlers_small_stack_is_enough),
		cmocka_unit_test(a_small_threads_stack_is_walked_to_its_end),
		cmocka_unit_test(a_very_deep_stack_keeps_both_ends),
		cmocka_unit_test(an_ancestor_called_or_was_interrupted_or_is_gone),
	};

	base = mmap(NULL, WIRE_AT_INDEX, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED || unwind_init(base, 1))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
