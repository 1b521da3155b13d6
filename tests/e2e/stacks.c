/*
 * stacks.c - whole stacks: unwind_stack() against libunwind, frame by frame.
 *
 * Each part below builds stacks of one kind and calls check() from inside, or is
 * interrupted by a timer at random instructions, thousands of times, and checked from
 * the handler. Prints how many stacks and frames were compared; exits 1 on any
 * difference.
 */
#include "tests/e2e/stacks.h"

#include "preload/unwind.h"

#include <alloca.h>
#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define UNW_LOCAL_ONLY
#include <libunwind.h>

enum { THEIRS = 200000 };

static _Thread_local struct unwind_thread thread;
static _Thread_local struct unwind_frame ours[UNWIND_FRAMES];
static uint64_t theirs[THEIRS];

static const char *part = "";
static unsigned long stacks, frames_compared, differing;
static volatile unsigned long part_stacks; /* grows in signal handlers */
static unsigned long lost;
static void *base;
void (*volatile check_pointer)(void);
static volatile int sink;
static volatile bool checking;

/* ---- comparing ------------------------------------------------------------ */

/* libunwind's frames above the one that returns to pc, as pc_flags. */
static size_t collect_theirs(uintptr_t pc)
{
	unw_context_t context;
	unw_cursor_t cursor;
	bool found = false;
	size_t n = 0;

	unw_getcontext(&context);
	unw_init_local(&cursor, &context);
	do {
		unw_word_t ip = 0;

		unw_get_reg(&cursor, UNW_REG_IP, &ip);
		found |= ip == pc;
		if (found && ip && n < THEIRS)
			theirs[n++] = ip | (unw_is_signal_frame(&cursor) > 0
						    ? (uint64_t)WIRE_NODE_EXACT << 48
						    : 0);
	} while (unw_step(&cursor) > 0);
	return n;
}

/* libunwind guesses as well, and does not say so. */
static bool same_frame(size_t i, size_t j)
{
	return (ours[i].pc_flags & ~((uint64_t)WIRE_NODE_GUESSED << 48)) == theirs[j];
}

/* libc has assembly whose tables are wrong (__mpn_mul_1 pushes and does not say so):
 * both are led astray to the same place. Only we say that the stack is lost. */
static bool lost_alike(size_t n, size_t m)
{
	if (n != m + 1 || n > UNWIND_INNER || ours[m].pc_flags >> 48 != WIRE_NODE_CUT ||
	    (ours[m].pc_flags & WIRE_PC_MASK) != WIRE_CUT_LOST)
		return false;
	for (size_t i = 0; i < m; i++)
		if (!same_frame(i, i))
			return false;
	lost++;
	return true;
}

/* libunwind throws the exceptions here (it exports _Unwind_RaiseException): where it is
 * interrupted while it loads another frame's registers, there is no stack to see. */
static bool between_frames(size_t n)
{
	Dl_info info;

	for (size_t i = 0; i < n; i++)
		if (ours[i].pc_flags >> 48 == WIRE_NODE_EXACT &&
		    dladdr((void *)(ours[i].pc_flags & WIRE_PC_MASK), &info) &&
		    info.dli_sname && strstr(info.dli_sname, "setcontext"))
			return true;
	return false;
}

static bool same(size_t n, size_t m)
{
	if (m <= UNWIND_FRAMES) {
		for (size_t i = 0; i < n && n == m; i++)
			if (!same_frame(i, i))
				return false;
		return n == m;
	}
	for (size_t i = 0; i < UNWIND_INNER; i++)
		if (!same_frame(i, i) || !same_frame(n - 1 - i, m - 1 - i))
			return false;
	return n == UNWIND_FRAMES &&
	       ours[UNWIND_INNER].pc_flags >> 48 == WIRE_NODE_CUT &&
	       (ours[UNWIND_INNER].pc_flags & WIRE_PC_MASK) == WIRE_CUT_DEPTH;
}

static void print_frame(const char *who, uint64_t pc_flags)
{
	uint64_t pc = pc_flags & WIRE_PC_MASK;
	Dl_info info = {0};

	dladdr((void *)pc, &info);
	fprintf(stderr, "  %s %#lx flags %lx %s+%#lx (%s)\n", who, pc, pc_flags >> 48,
		info.dli_sname ? info.dli_sname : "?",
		info.dli_saddr ? pc - (uint64_t)info.dli_saddr : 0,
		info.dli_fname ? info.dli_fname : "?");
}

static void compare(uintptr_t pc, size_t n)
{
	size_t m = collect_theirs(pc);

	stacks++;
	part_stacks = part_stacks + 1;
	frames_compared += n;
	if (same(n, m) || lost_alike(n, m) || between_frames(n))
		return;
	if (differing++ >= 5)
		return;
	fprintf(stderr, "%s: a stack differs, %zu frames, libunwind has %zu\n", part, n, m);
	for (size_t i = 0; i < n || i < m; i++) {
		if (i < n && i < m && same_frame(i, i) && i > 8)
			continue;
		if (i < n)
			print_frame("ours  ", ours[i].pc_flags);
		if (i < m)
			print_frame("theirs", theirs[i]);
		if (i > 40)
			break;
	}
}

__attribute__((noinline)) void check(void)
{
	uintptr_t *fp = __builtin_frame_address(0);
	size_t n;

	checking = true;
	n = unwind_stack(&thread, fp[1], (uintptr_t)(fp + 2), fp[0], ours);
	compare(fp[1], n);
	/* Again, from rows that are known now. */
	n = unwind_stack(&thread, fp[1], (uintptr_t)(fp + 2), fp[0], ours);
	compare(fp[1], n);
	checking = false;
}

static void expect(bool yes, const char *what)
{
	if (yes)
		return;
	differing++;
	fprintf(stderr, "%s: expected: %s\n", part, what);
}

/* ---- plain code ----------------------------------------------------------- */

static __attribute__((noinline)) int recurse(int depth)
{
	if (!depth) {
		check();
		return 1;
	}
	return recurse(depth - 1) + 1;
}

static void depths(void)
{
	sink += recurse(0);
	sink += recurse(10);
	/* Around the number of frames that fit, and far beyond. */
	for (int d = UNWIND_FRAMES - 12; d < UNWIND_FRAMES + 12; d++)
		sink += recurse(d);
	sink += recurse(3 * UNWIND_INNER);
	sink += recurse(100000);
}

static int order(const void *a, const void *b)
{
	check();
	return *(const int *)a - *(const int *)b;
}

static void callbacks(void)
{
	int numbers[20];
	int key = 7;

	for (int i = 0; i < 20; i++)
		numbers[i] = i * 7 % 20;
	qsort(numbers, 20, sizeof(int), order);
	sink += bsearch(&key, numbers, 20, sizeof(int), order) != NULL;
}

static __attribute__((noinline)) void tail_target(int x)
{
	sink += x;
	check();
	sink += x;
}

static __attribute__((noinline, optimize("O2", "omit-frame-pointer"))) void tail_call(int x)
{
	sink += x;
	tail_target(x + 1);
}

static void tail_calls(void)
{
	tail_call(1);
	sink++;
}

static __attribute__((noinline, optimize("O2", "omit-frame-pointer"))) void
over_aligned(size_t n)
{
	_Alignas(64) volatile char buffer[256];
	volatile char *more = alloca(n);

	buffer[n % 256] = 1;
	more[n - 1] = 2;
	check();
	sink += buffer[3] + more[0];
}

static void over_aligned_frames(void)
{
	for (size_t n = 1; n < 2000; n += 111)
		over_aligned(n);
}

static void *thread_body(void *arg)
{
	check();
	callbacks();
	return arg;
}

static void threads(void)
{
	pthread_t t;

	for (int i = 0; i < 3; i++) {
		pthread_create(&t, NULL, thread_body, NULL);
		pthread_join(t, NULL);
	}
}

/* ---- signals -------------------------------------------------------------- */

static void check_signal(int number)
{
	(void)number;
	check();
}

static sigjmp_buf back;

static void check_and_leave(int number)
{
	check();
	siglongjmp(back, number);
}

static void handle(int number, void (*handler)(int), int flags)
{
	struct sigaction a = {.sa_handler = handler, .sa_flags = flags};

	sigaction(number, &a, NULL);
}

static void use_altstack(void)
{
	stack_t s = {.ss_size = 256 << 10};

	s.ss_sp = mmap(NULL, s.ss_size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigaltstack(&s, NULL);
}

static void raise_from_signal(int number)
{
	(void)number;
	check();
	raise(SIGUSR1);
}

static void signals(void)
{
	volatile int *volatile bad = (volatile int *)8;
	const char *volatile bad_text = (const char *)16;

	handle(SIGUSR1, check_signal, SA_ONSTACK);
	handle(SIGUSR2, raise_from_signal, 0);
	raise(SIGUSR1);
	raise(SIGUSR2);
	handle(SIGUSR1, check_signal, 0);
	handle(SIGUSR2, raise_from_signal, SA_ONSTACK);
	raise(SIGUSR2);
	handle(SIGSEGV, check_and_leave, SA_ONSTACK | SA_NODEFER);
	if (!sigsetjmp(back, 1))
		*bad = 1;
	if (!sigsetjmp(back, 1))
		sink += (int)strlen(bad_text);
}

/* Our own expectation: libunwind does not find out of a jump to nowhere. */
static size_t nowhere_frames;
static uint64_t nowhere_callers[4];

static void look_from_nowhere(int number)
{
	uintptr_t *fp = __builtin_frame_address(0);
	size_t n = unwind_stack(&thread, fp[1], (uintptr_t)(fp + 2), fp[0], ours);

	nowhere_frames = n;
	for (size_t i = 0; i < 4 && i < n; i++)
		nowhere_callers[i] = ours[i].pc_flags;
	siglongjmp(back, number);
}

static __attribute__((noinline)) void call_nowhere(void)
{
	void (*volatile nowhere)(void) = (void (*)(void))(uintptr_t)0x10;

	nowhere();
	sink++;
}

static void calls_to_nowhere(void)
{
	handle(SIGSEGV, look_from_nowhere, SA_ONSTACK | SA_NODEFER);
	if (!sigsetjmp(back, 1))
		call_nowhere();
	expect(nowhere_frames > 4, "a stack behind the null pointer");
	expect(nowhere_callers[1] == (0x10 | (uint64_t)WIRE_NODE_EXACT << 48),
	       "the pc of nowhere");
	expect(nowhere_callers[2] - (uint64_t)call_nowhere < 100, "its caller");
}

/* ---- coroutines ----------------------------------------------------------- */

static ucontext_t main_context, coroutine_context;

static void coroutine(void)
{
	for (int i = 0; i < 5; i++) {
		check();
		swapcontext(&coroutine_context, &main_context);
	}
}

/* A stack of 16 KiB between pages that must not be touched. libunwind needs most of
 * it, so it compares from a bigger one (`pages`). */
static void run_coroutine(size_t pages, void (*body)(void))
{
	size_t size = pages * 4096;
	char *stack = mmap(NULL, size + 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(stack + 4096, size, PROT_READ | PROT_WRITE);
	getcontext(&coroutine_context);
	coroutine_context.uc_stack.ss_sp = stack + 4096;
	coroutine_context.uc_stack.ss_size = size;
	coroutine_context.uc_link = &main_context;
	makecontext(&coroutine_context, body, 0);
	for (int i = 0; i < 5; i++)
		swapcontext(&main_context, &coroutine_context);
	unwind_unmapped();
	munmap(stack, size + 8192);
}

static size_t small_frames;

static void small_coroutine(void)
{
	for (int i = 0; i < 5; i++) {
		uintptr_t *fp = __builtin_frame_address(0);

		/* The frame above is swapcontext's start, by the CFA of this one. */
		small_frames = unwind_stack(&thread, fp[1], (uintptr_t)(fp + 2), fp[0], ours);
		swapcontext(&coroutine_context, &main_context);
	}
}

static void coroutines(void)
{
	run_coroutine(64, coroutine);
	run_coroutine(63, coroutine);
	run_coroutine(4, small_coroutine);
	expect(small_frames >= 1 && ours[small_frames - 1].pc_flags >> 48 != WIRE_NODE_CUT,
	       "a whole coroutine");
}

/* ---- the loader ----------------------------------------------------------- */

int plugin_resolved(int x); /* in the plugin that we are linked to, lazily */

static void lazy_binding(void)
{
	unsigned long before = stacks;

	check_pointer = check;
	sink += plugin_resolved(1);
	check_pointer = NULL;
	expect(stacks > before, "the resolver ran at the first call");
}

static uint32_t plugin_module;

static void check_plugin(void)
{
	uintptr_t *fp = __builtin_frame_address(0);

	check();
	unwind_stack(&thread, fp[1], (uintptr_t)(fp + 2), fp[0], ours);
	plugin_module = ours[0].module;
}

/* Returns where it was loaded. */
static void *use_plugin(const char *name)
{
	void *handle = dlopen(name, RTLD_NOW), *symbol;
	int (*call)(void (*)(void));
	struct wire_module *w;

	expect(handle, name);
	if (!handle)
		return NULL;
	symbol = dlsym(handle, "plugin_call");
	memcpy(&call, &symbol, sizeof(call));
	sink += call(check_plugin);
	w = wire_module(base, plugin_module);
	expect(w->ready && strcmp(w->path, name) == 0, "the plugin's own module record");
	expect(w->build_id_len >= 8, "a build-id");
	expect((uint64_t)symbol - w->start < w->end - w->start, "a range around it");
	unwind_dlclose_begin();
	dlclose(handle);
	unwind_dlclose_end();
	return symbol;
}

static const char *plugins[2];

static void address_reuse(void)
{
	int reused = 0;

	for (int i = 0; i < 200; i++) {
		void *a = use_plugin(plugins[i % 2]);

		reused += a && a == use_plugin(plugins[(i + 1) % 2]);
	}
	expect(reused > 0, "an address used again");
}

/* ---- at random instructions ------------------------------------------------ */

static timer_t timer;

static volatile unsigned long goal; /* part_stacks that end the interruptions */

/* One shot: the handler takes longer than the work that it lets pass. */
static void arm_timer(void)
{
	static unsigned random = 1;
	struct itimerspec once = {.it_value.tv_nsec = 8000 + (random >> 16) % 20000};

	random = random * 1103515245u + 12345u;
	timer_settime(timer, 0, &once, NULL);
}

static void check_interrupted(int number)
{
	int saved = errno;

	(void)number;
	/* In the middle of a comparison its buffers are taken. */
	if (!checking)
		check();
	/* Not for ever: the vdso's clock_gettime() may start over when interrupted. */
	if (part_stacks < goal)
		arm_timer();
	errno = saved;
}

static void interrupted(void (*work)(void), unsigned long wanted)
{
	goal = part_stacks + wanted;
	arm_timer();
	while (part_stacks < goal)
		work();
}

static void digest(void)
{
	static const char *names[] = {"SHA1", "SHA256", "SHA512", "MD5", "SHA3-256"};
	static unsigned char data[20000], out[64];
	unsigned len;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		EVP_Digest(data, sizeof(data), out, &len, EVP_get_digestbyname(names[i]),
			   NULL);
}

static void cipher(void)
{
	static unsigned char data[20000], out[20064], key[32];
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	const EVP_CIPHER *kinds[] = {EVP_aes_128_gcm(), EVP_aes_256_cbc(),
				     EVP_chacha20_poly1305()};
	int len;

	for (int i = 0; i < 3; i++) {
		EVP_EncryptInit_ex(c, kinds[i], NULL, key, key);
		EVP_EncryptUpdate(c, out, &len, data, sizeof(data));
	}
	EVP_CIPHER_CTX_free(c);
}

static void c_library(void)
{
	static char text[4096];
	struct timespec t;

	snprintf(text, sizeof(text), "%f %s %e %lld", 3.25, "text", 1e300, 1ll << 60);
	sink += (int)strtod(text, NULL) + (int)strlen(text);
	memset(text + 100, 1, 3000);
	memmove(text + 50, text + 100, 2000);
	clock_gettime(CLOCK_MONOTONIC, &t);
	sink += (int)(sin((double)t.tv_nsec) * 10 + pow(2.5, (double)sink));
	free(malloc(1000));
}

static __attribute__((noinline, optimize("O2", "omit-frame-pointer"))) int
small_functions(int n)
{
	_Alignas(64) volatile char buffer[64];
	volatile char *more = alloca((size_t)(n & 63) + 1);

	buffer[n & 63] = (char)n;
	more[0] = 1;
	return n > 1 ? small_functions(n - 1) + small_functions(n - 2) + buffer[0] : 1;
}

static void prologues(void)
{
	sink += small_functions(12);
	tail_target(0);
}

static int plain_order(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void sorting(void)
{
	int numbers[300];

	for (int i = 0; i < 300; i++)
		numbers[i] = i * 7919 % 300;
	qsort(numbers, 300, sizeof(int), plain_order);
}

static void vdso(void)
{
	struct timespec t;

	for (int i = 0; i < 10; i++)
		clock_gettime(CLOCK_MONOTONIC, &t);
}

static void switching(void)
{
	for (int i = 0; i < 5; i++)
		swapcontext(&coroutine_context, &main_context);
}

static void switch_coroutines(void)
{
	run_coroutine(64, switching);
}

static void random_c(void)
{
	interrupted(c_library, 8000);
	interrupted(sorting, 4000);
	interrupted(prologues, 4000);
}

static void random_cxx(void)
{
	interrupted(cxx_churn, 8000);
}

static void random_crypto(void)
{
	interrupted(digest, 8000);
	interrupted(cipher, 4000);
}

static void random_vdso(void)
{
	interrupted(vdso, 4000);
}

static void random_coroutines(void)
{
	interrupted(switch_coroutines, 4000);
}

/* ---- all parts ------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*run)(void);
} parts[] = {
	{"depths", depths},
	{"callbacks", callbacks},
	{"tail calls", tail_calls},
	{"over-aligned frames", over_aligned_frames},
	{"threads", threads},
	{"signals", signals},
	{"calls to nowhere", calls_to_nowhere},
	{"coroutines", coroutines},
	{"exceptions", cxx_exceptions},
	{"lazy binding", lazy_binding},
	{"address reuse", address_reuse},
	{"random: C library", random_c},
	{"random: C++", random_cxx},
	{"random: libcrypto", random_crypto},
	{"random: vdso", random_vdso},
	{"random: coroutines", random_coroutines},
};

static void prepare(char **argv)
{
	struct sigaction a = {.sa_handler = check_interrupted,
			      .sa_flags = SA_RESTART | SA_ONSTACK};
	struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGPROF};

	plugins[0] = argv[1];
	plugins[1] = argv[2];
	base = mmap(NULL, WIRE_BYTES, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED || unwind_init(base, 1))
		abort();
	use_altstack();
	sigaction(SIGPROF, &a, NULL);
	timer_create(CLOCK_MONOTONIC, &e, &timer);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: stacks PLUGIN PLUGIN [PART...]\n");
		return 2;
	}
	prepare(argv);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		bool wanted = argc == 3;

		for (int j = 3; j < argc; j++)
			wanted |= strcmp(argv[j], parts[i].name) == 0;
		if (!wanted)
			continue;
		part = parts[i].name;
		part_stacks = 0;
		parts[i].run();
		printf("%-20s %lu stacks, %lu differences so far\n", part, part_stacks,
		       differing);
		fflush(stdout);
	}
	printf("%lu stacks, %lu frames, %lu lost alike, %lu differences\n", stacks,
	       frames_compared, lost, differing);
	return differing || !stacks || lost > stacks / 20;
}
