/*
 * stacks.c - whole stacks: unwind_stack() against libunwind, frame by frame.
 *
 * Each part below builds stacks of one kind and calls check() from inside, or is
 * stopped behind every instruction and checked from the handler. Prints how many stacks
 * and frames were compared; exits 1 on any difference.
 */
#include "tests/e2e/stacks.h"

#include "preload/last.h"
#include "preload/unwind.h"

#include <alloca.h>
#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
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
static _Thread_local struct unwind_frame spare[UNWIND_FRAMES];
static _Thread_local struct last *last; /* what the thread remembers */
static uint64_t theirs[THEIRS];

static const char *part = "";
static unsigned long stacks, frames_compared, differing;
static unsigned long part_stacks;
static unsigned long remembered;	    /* stacks that the memory was kept of */
static unsigned long lost, misled, between; /* see lost_alike(), compare_step() */
static void *base;
void (*volatile check_pointer)(void);
static volatile int sink;

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

static bool same(size_t n, size_t m)
{
	size_t inner;

	if (m <= UNWIND_FRAMES) {
		for (size_t i = 0; i < n && n == m; i++)
			if (!same_frame(i, i))
				return false;
		return n == m;
	}
	inner = m - unwind_cut(m);
	if (n != inner + 1 + UNWIND_OUTER)
		return false;
	for (size_t i = 0; i < inner; i++)
		if (!same_frame(i, i))
			return false;
	for (size_t i = 0; i < UNWIND_OUTER; i++)
		if (!same_frame(n - 1 - i, m - 1 - i))
			return false;
	return ours[inner].pc_flags >> 48 == WIRE_NODE_CUT &&
	       (ours[inner].pc_flags & WIRE_PC_MASK) == WIRE_CUT_DEPTH;
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

static void report(const char *whose, size_t n, size_t m)
{
	if (differing++ >= 5)
		return;
	fprintf(stderr, "%s: a stack differs, %zu frames, %s has %zu\n", part, n, whose,
		m);
	for (size_t i = 0; (i < n || i < m) && i <= 40; i++) {
		if (i < n && i < m && same_frame(i, i) && i > 8)
			continue;
		if (i < n)
			print_frame("ours  ", ours[i].pc_flags);
		if (i < m)
			print_frame("theirs", theirs[i]);
	}
}

static void compare(uintptr_t pc, size_t n)
{
	size_t m = collect_theirs(pc);

	stacks++;
	part_stacks++;
	frames_compared += n;
	if (!same(n, m) && !lost_alike(n, m))
		report("libunwind", n, m);
}

/* The memory of the last stack, whatever that was, has the same frames. */
static void compare_node(uint32_t node, size_t n)
{
	bool alike = true;

	for (size_t i = 0; i < n && alike; i++) {
		const struct wire_node *w = wire_node(base, node);
		struct unwind_frame told = ours[i];

		unwind_tell(&told, 1);
		alike = node && w->pc_flags == told.pc_flags &&
			w->module == told.module;
		theirs[i] = w->pc_flags;
		node = w->parent;
	}
	remembered += last->count != 0;
	if (!alike || node)
		report("the memory", n, n);
}

static struct last *new_last(void)
{
	struct last *l = mmap(NULL, sizeof(*l), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	last_init(l);
	return l;
}

__attribute__((noinline)) void check(void)
{
	uintptr_t *fp = __builtin_frame_address(0);
	uint32_t node;
	size_t n;

	if (!last)
		last = new_last();
	n = unwind_stack(&thread, fp[1], (uintptr_t)(fp + 2), fp[0], ours);
	compare(fp[1], n);
	/* Again, from rows that are known now. */
	n = unwind_stack(&thread, fp[1], (uintptr_t)(fp + 2), fp[0], ours);
	compare(fp[1], n);
	node = last_take(last, &thread, base, fp[1], (uintptr_t)(fp + 2), fp[0], spare);
	compare_node(node, n);
}

static void expect(bool yes, const char *what)
{
	if (yes)
		return;
	if (differing++ < 20)
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
	if (x)
		check();
	sink += x;
}

static __attribute__((noinline, optimize("O2", "omit-frame-pointer"))) void
tail_call(int x)
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
	char *stack =
		mmap(NULL, size + 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

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
		small_frames =
			unwind_stack(&thread, fp[1], (uintptr_t)(fp + 2), fp[0], ours);
		swapcontext(&coroutine_context, &main_context);
	}
}

static void coroutines(void)
{
	run_coroutine(64, coroutine);
	run_coroutine(63, coroutine);
	run_coroutine(4, small_coroutine);
	expect(small_frames >= 1 &&
		       ours[small_frames - 1].pc_flags >> 48 != WIRE_NODE_CUT,
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

static struct unwind_frame plugin;

static void check_plugin(void)
{
	uintptr_t *fp = __builtin_frame_address(0);

	check();
	unwind_stack(&thread, fp[1], (uintptr_t)(fp + 2), fp[0], ours);
	plugin = ours[0];
	unwind_tell(&plugin, 1);
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
	w = wire_module(base, plugin.module);
	expect(w->ready && strcmp(w->path, name) == 0,
	       "the plugin's own module record");
	expect(w->build_id_len >= 8, "a build-id");
	expect((plugin.pc_flags & WIRE_PC_MASK) - w->start < w->end - w->start,
	       "a range around it");
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

/* ---- at every instruction -------------------------------------------------- */

/*
 * The trap flag stops the work below behind each of its instructions. No clock decides,
 * so that a difference comes again in the next run. The stack is looked at where the
 * instruction is new, and at some of the others.
 *
 * What it should be needs no tables: a call was seen when it pushed its return address,
 * and that frame is gone when the stack pointer is above. Where our stack is another,
 * libunwind's tells whose fault it is: see compare_step().
 */
enum {
	TRAP_FLAG = 0x100,
	SEEN_SLOTS = 1 << 16, /* instructions that were seen; a power of two */
	SEEN_LIMIT = SEEN_SLOTS / 4 * 3,
	AGAIN = 64, /* one of so many instructions that are not new */
	CALLS = 4096,
	STEPS = 60000, /* of one work */
	LONGEST = 15,  /* bytes of an instruction */
};

static uintptr_t seen[SEEN_SLOTS];
static size_t seen_count;
static unsigned long steps;

static struct {
	uintptr_t slot, ra; /* the return address and where it was pushed */
} calls[CALLS];
static size_t call_count;
static uintptr_t last_pc, last_sp;
static uint64_t outer[64]; /* libunwind's frames around the work's caller */
static size_t outer_count;
static bool switches_stacks; /* then `calls` says nothing */

static bool is_new(uintptr_t pc)
{
	size_t i = (pc * 0x9e3779b97f4a7c15ull >> 40) % SEEN_SLOTS;

	while (seen[i] && seen[i] != pc)
		i = (i + 1) % SEEN_SLOTS;
	if (seen[i] || seen_count == SEEN_LIMIT)
		return false;
	seen[i] = pc;
	seen_count++;
	return true;
}

static bool wants_check(uintptr_t pc)
{
	static unsigned random = 1;

	random = random * 1103515245u + 12345u;
	return is_new(pc) || switches_stacks || (random >> 16) % AGAIN == 0;
}

static void follow_calls(uintptr_t pc, uintptr_t sp)
{
	uintptr_t top = *(const volatile uintptr_t *)sp;

	while (call_count && calls[call_count - 1].slot < sp)
		call_count--;
	if (sp == last_sp - 8 && top - last_pc - 1 < LONGEST && call_count < CALLS) {
		calls[call_count].slot = sp;
		calls[call_count++].ra = top;
	}
	last_pc = pc;
	last_sp = sp;
}

/* Writes what the stack is to theirs[], whose first two frames are the handler's. */
static size_t true_stack(uintptr_t pc)
{
	size_t n = 2;

	theirs[n++] = pc | (uint64_t)WIRE_NODE_EXACT << 48;
	for (size_t i = call_count; i-- > 0;)
		theirs[n++] = calls[i].ra;
	for (size_t i = 0; i < outer_count; i++)
		theirs[n++] = outer[i];
	return n;
}

/* libgcc writes another frame's registers and pc over its own frames, to return there:
 * tables and stack belong to different frames then. */
static bool installs_context(void)
{
	for (size_t i = 0; i < call_count; i++)
		if (*(const volatile uintptr_t *)calls[i].slot != calls[i].ra)
			return true;
	return false;
}

/* swapcontext() has loaded the other stack's pointer but not pushed the return address
 * yet, which its tables deny. */
static bool between_stacks(uintptr_t pc)
{
	Dl_info info;

	return switches_stacks && dladdr((void *)pc, &info) && info.dli_sname &&
	       strcmp(info.dli_sname, "swapcontext") == 0;
}

static void compare_step(uintptr_t pc, uintptr_t hook_pc, size_t n)
{
	static uint64_t unwound[THEIRS];
	size_t m = collect_theirs(hook_pc), unwound_count = m;
	bool alike = same(n, m) || lost_alike(n, m);

	stacks++;
	part_stacks++;
	frames_compared += n;
	if (switches_stacks) {
		if (alike)
			return;
	} else {
		memcpy(unwound, theirs, m * sizeof(*theirs));
		m = true_stack(pc);
		if (same(n, m))
			return;
		/* Where tables are wrong (__mpn_mul_1 pushes and does not say so, gcc's
		 * epilogues of realigned frames say that rbp is still on the stack) or say
		 * nothing, both go astray, if not to the same place. */
		if ((alike || unwound_count != m ||
		     memcmp(unwound, theirs, m * sizeof(*theirs)) != 0) &&
		    ++misled)
			return;
	}
	if (installs_context() || between_stacks(pc))
		between++;
	else
		report(switches_stacks ? "libunwind" : "the truth", n, m);
}

static __attribute__((noinline)) void check_here(uintptr_t pc)
{
	uintptr_t *fp = __builtin_frame_address(0);
	uint32_t node;
	size_t n = 0;

	for (int i = 0; i < 2; i++) {
		n = unwind_stack(&thread, fp[1], (uintptr_t)(fp + 2), fp[0], ours);
		compare_step(pc, fp[1], n);
	}
	node = last_take(last, &thread, base, fp[1], (uintptr_t)(fp + 2), fp[0], spare);
	compare_node(node, n);
}

static void on_step(int number, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	uintptr_t pc = (uintptr_t)regs[REG_RIP];
	int saved = errno;

	(void)number;
	(void)info;
	follow_calls(pc, (uintptr_t)regs[REG_RSP]);
	if (wants_check(pc))
		check_here(pc);
	if (++steps == STEPS)
		regs[REG_EFL] &= ~TRAP_FLAG;
	errno = saved;
}

static void trap_flag(bool on)
{
	uint64_t flags = __builtin_ia32_readeflags_u64();

	__builtin_ia32_writeeflags_u64(on ? flags | TRAP_FLAG
					  : flags & ~(uint64_t)TRAP_FLAG);
}

static __attribute__((noinline)) void step(void (*work)(void))
{
	unsigned long before = part_stacks;
	uintptr_t *fp = __builtin_frame_address(0);

	outer_count = collect_theirs(fp[1]);
	memcpy(outer, theirs, outer_count * sizeof(*outer));
	call_count = 0;
	last_sp = 0;
	steps = 0;
	atomic_signal_fence(memory_order_seq_cst);
	trap_flag(true);
	__asm__ volatile(
		"nop"); /* the first trap is behind this, not behind the call */
	work();
	trap_flag(false);
	expect(part_stacks > before + 20, "stacks at new instructions");
}

static void digest(void)
{
	static const char *names[] = {"SHA1", "SHA256", "SHA512", "MD5", "SHA3-256"};
	static unsigned char data[1000], out[64];
	unsigned len;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		EVP_Digest(data, sizeof(data), out, &len,
			   EVP_get_digestbyname(names[i]), NULL);
}

static void cipher(void)
{
	static unsigned char data[1000], out[1064], key[32];
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
	sink += small_functions(8);
	tail_call(-1); /* checks nothing by itself */
}

static int plain_order(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void sorting(void)
{
	int numbers[60];

	for (int i = 0; i < 60; i++)
		numbers[i] = i * 7919 % 60;
	qsort(numbers, 60, sizeof(int), plain_order);
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

static void stepped_c(void)
{
	step(c_library);
	step(sorting);
	step(prologues);
}

static void stepped_cxx(void)
{
	cxx_churn(); /* binds its symbols: that would be most of the steps */
	step(cxx_churn);
	cxx_throws();
	step(cxx_throws);
}

static void stepped_crypto(void)
{
	digest();
	step(digest);
	cipher();
	step(cipher);
}

static void stepped_vdso(void)
{
	step(vdso);
}

static void stepped_coroutines(void)
{
	switches_stacks = true;
	step(switch_coroutines);
	switches_stacks = false;
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
	{"stepped: C library", stepped_c},
	{"stepped: C++", stepped_cxx},
	{"stepped: libcrypto", stepped_crypto},
	{"stepped: vdso", stepped_vdso},
	{"stepped: coroutines", stepped_coroutines},
};

static void prepare(char **argv)
{
	struct sigaction a = {.sa_sigaction = on_step,
			      .sa_flags = SA_SIGINFO | SA_ONSTACK};

	plugins[0] = argv[1];
	plugins[1] = argv[2];
	base = mmap(NULL, WIRE_BYTES, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED || unwind_init(base, 1))
		abort();
	((struct wire_header *)base)->nodes_used = 1;
	last = new_last();
	use_altstack();
	sigaction(SIGTRAP, &a, NULL);
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
	printf("%lu stacks, %lu frames: %lu remembered, %lu lost alike, %lu misled "
	       "both, %lu between frames, %lu differences\n",
	       stacks, frames_compared, remembered, lost, misled, between, differing);
	return differing || !stacks || !remembered ||
	       lost + misled + between > stacks / 20;
}
