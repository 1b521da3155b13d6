/*
 * cases_held.c - blocks that are in use, each held by another kind of place, or by
 * another kind of pointer. None of them is lost, whatever a tool can see of it.
 */
#include "cases.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

void *volatile global, *volatile initialised = (void *)&initialised;
static __thread void *volatile tls, *volatile many_tls[512];
char *volatile bytes;
volatile uint64_t number;

static NOINLINE void case_global(void)
{
	global = take(100);
}

static NOINLINE void case_initialised(void)
{
	initialised = take(100);
}

static NOINLINE void case_static_local(void)
{
	static void *kept;

	kept = take(100);
	__asm__ volatile("" ::"r"(&kept) : "memory");
}

static NOINLINE void case_growth(void) /* reachable, ever more */
{
	struct item {
		struct item *next;
		char pad[92];
	};

	for (int i = 0; i < 1000; i++) {
		struct item *x = take(sizeof(*x));

		x->next = global;
		global = x;
	}
}

static NOINLINE void case_tls(void)
{
	tls = take(100);
	many_tls[500] = take(200);
}

static NOINLINE void case_key_few(void)
{
	pthread_key_t key;

	pthread_key_create(&key, NULL);
	pthread_setspecific(key, take(100));
}

static NOINLINE void case_keys_many(void)
{
	pthread_key_t key = 0;

	for (int i = 0; i < 100; i++)
		pthread_key_create(&key, NULL);
	pthread_setspecific(key, take(100));
}

static NOINLINE void case_environ(void)
{
	setenv("CASE", "a value", 1);
}

static NOINLINE void case_stream(void)
{
	fopen("/dev/null", "r");
}

/* ---- dynamic thread-local storage ---------------------------------------- */

static void *(*plugin(const char *name))(void *)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);
	void *handle;

	path[n > 0 ? n : 0] = '\0';
	strcpy(strrchr(path, '/') + 1, "cases_plugin.so");
	handle = dlopen(path, RTLD_NOW);
	return handle ? (void *(*)(void *))dlsym(handle, name) : NULL;
}

static NOINLINE void case_tls_of_plugin(void)
{
	plugin("plugin_tls")(take(100));
}

static NOINLINE void case_tls_of_a_mebibyte(void)
{
	plugin("plugin_large_tls")(take(100));
}

static NOINLINE void case_global_of_plugin(void)
{
	plugin("plugin_global")(take(100));
}

/* ---- threads that live on ------------------------------------------------ */

static int ready[2];

static void say_ready(void)
{
	if (write(ready[1], "", 1) != 1)
		abort();
}

static void start(void *(*run)(void *), void *arg)
{
	pthread_t thread;
	char got;

	if (pipe(ready) < 0)
		abort();
	pthread_create(&thread, NULL, run, arg);
	if (read(ready[0], &got, 1) != 1)
		abort();
}

static void *case_thread_stack_run(void *arg)
{
	void *volatile held = take(100);

	(void)arg;
	say_ready();
	for (;;)
		pause();
	return held;
}

static NOINLINE void case_thread_stack(void)
{
	start(case_thread_stack_run, NULL);
}

static void *case_thread_tls_run(void *arg)
{
	tls = take(100);
	say_ready();
	for (;;)
		pause();
	return arg;
}

static NOINLINE void case_thread_tls(void)
{
	start(case_thread_tls_run, NULL);
}

static void *case_thread_register_run(void *arg)
{
	register void *held __asm__("rbx") = take(100);
	void *block = held;

	(void)arg;
	wipe();
	say_ready();
	held = block;
	block = NULL;
	__asm__ volatile("1: pause; jmp 1b" : : "r"(held), "r"(block) : "memory");
	return NULL;
}

static NOINLINE void case_thread_register(void)
{
	start(case_thread_register_run, NULL);
}

static void *case_thread_vector_run(void *arg)
{
	void *block = take(100);

	(void)arg;
	__asm__ volatile("movq %0, %%xmm9" : "+r"(block) : : "xmm9");
	block = NULL;
	wipe();
	__asm__ volatile("" ::: "xmm9");
	say_ready();
	__asm__ volatile("xor %%eax, %%eax\n1: pause; jmp 1b" ::: "memory", "rax");
	return NULL;
}

static NOINLINE void case_thread_vector(void)
{
	start(case_thread_vector_run, NULL);
}

static void *case_thread_argument_run(void *arg)
{
	void **volatile held = arg;

	say_ready();
	for (;;)
		pause();
	return held;
}

static NOINLINE void case_thread_argument(void)
{
	start(case_thread_argument_run, take(100));
}

/* ---- what only the kernel holds ------------------------------------------ */

static NOINLINE void case_epoll(void)
{
	struct epoll_event event = {.events = EPOLLIN};
	int fd = epoll_create1(0), ends[2];

	event.data.ptr = take(100);
	if (pipe(ends) < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, ends[0], &event) < 0)
		abort();
	event.data.ptr = NULL;
	__asm__ volatile("" ::"r"(&event) : "memory");
}

static NOINLINE void case_timer(void)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	timer_t timer;

	event.sigev_value.sival_ptr = take(100);
	timer_create(CLOCK_MONOTONIC, &event, &timer);
	memset(&event, 0, sizeof(event));
	__asm__ volatile("" ::"r"(&event) : "memory");
}

static NOINLINE void case_signal_stack(void)
{
	stack_t stack = {.ss_size = 65536};

	stack.ss_sp = take(65536);
	sigaltstack(&stack, NULL);
	stack.ss_sp = NULL;
	__asm__ volatile("" ::"r"(&stack) : "memory");
}

static NOINLINE void case_pipe(void) /* as bytes on their way */
{
	int ends[2];
	void *block = take(100);

	if (pipe(ends) < 0 || write(ends[1], &block, sizeof(block)) < 0)
		abort();
}

/* ---- mappings ------------------------------------------------------------ */

static NOINLINE void case_mapping(void)
{
	void **map = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	map[100] = take(100);
	global = map;
}

static NOINLINE void case_shared_mapping(void)
{
	void **map = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	map[100] = take(100);
	global = map;
}

static NOINLINE void case_file_mapping(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	void **map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	map[100] = take(100);
	global = map;
	close(fd);
}

static NOINLINE void case_page_of(int access)
{
	void **map = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	map[100] = take(100);
	global = map;
	mprotect(map, 4096, access);
}

static NOINLINE void case_closed_page(void) /* of no access now */
{
	case_page_of(PROT_NONE);
}

static NOINLINE void case_sealed_page(void) /* that cannot be written any more */
{
	case_page_of(PROT_READ);
}

static NOINLINE void case_write_only_page(void)
{
	case_page_of(PROT_WRITE);
}

static NOINLINE void case_closed_block(void) /* which the heap gives whole pages */
{
	char *block = take(3 * 4096);
	uintptr_t page = ((uintptr_t)block + 4095) & ~4095ull;

	*(void **)(page + 4088) = take(100);
	global = block;
	mprotect((void *)page, 4096, PROT_NONE);
}

/* ---- coroutines ---------------------------------------------------------- */

static ucontext_t outside, inside;

static NOINLINE void case_coroutine_run(void)
{
	void *volatile held = take(100);

	swapcontext(&inside, &outside);
	free(held);
}

static NOINLINE void case_coroutine_on(void *stack)
{
	getcontext(&inside);
	inside.uc_stack.ss_sp = stack;
	inside.uc_stack.ss_size = 65536;
	inside.uc_link = &outside;
	makecontext(&inside, case_coroutine_run, 0);
	swapcontext(&outside, &inside);
}

static NOINLINE void case_coroutine(void)
{
	case_coroutine_on(take(65536));
}

static NOINLINE void case_coroutine_mapped(void)
{
	case_coroutine_on(mmap(NULL, 65536, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0));
}

/* ---- pointers ------------------------------------------------------------ */

static NOINLINE void case_low_tag(void)
{
	number = (uint64_t)take(100) | 5;
}

static NOINLINE void case_high_tag(void)
{
	number = (uint64_t)take(100) | 0xabcdull << 48;
}

static NOINLINE void case_one_past_end(void)
{
	bytes = (char *)take(128) + 128;
}

static NOINLINE void case_behind_a_header(void) /* of a string, 9 bytes */
{
	bytes = (char *)take(100) + 9;
}

static NOINLINE void case_member(void) /* container_of() finds the rest */
{
	bytes = (char *)take(400) + 200;
}

static NOINLINE void case_far_inside(void)
{
	bytes = (char *)take(4000) + 2001;
}

static NOINLINE void case_page_aligned(void) /* by hand */
{
	uint64_t block = (uint64_t)take(3 * 4096);

	bytes = (char *)((block + 4096) & ~4095ull);
}

static NOINLINE void case_aligned_with_header(void) /* the block's start before it */
{
	uint64_t block = (uint64_t)take(1000 + 512 + 8);
	void **start = (void **)((block + 8 + 511) & ~511ull);

	start[-1] = (void *)block;
	bytes = (char *)start;
}

static NOINLINE void case_xor(void) /* nobody can see that */
{
	number = (uint64_t)take(100) ^ 0x5555555555555555;
}

/* ---- frames that the exit leaves ----------------------------------------- */

static NOINLINE void case_local_at_exit(void)
{
	void *volatile held = take(100);

	exit(held ? 0 : 1);
}

static NOINLINE void case_local_of_caller_leave(void)
{
	exit(0);
}

static NOINLINE void case_local_of_caller(void)
{
	void *volatile held = take(100);

	case_local_of_caller_leave();
	free(held);
}

static const struct leak_case cases[] = {
	{"global", case_global},
	{"initialised", case_initialised},
	{"static_local", case_static_local},
	{"growth", case_growth},
	{"tls", case_tls},
	{"key_few", case_key_few},
	{"keys_many", case_keys_many},
	{"environ", case_environ},
	{"stream", case_stream},
	{"tls_of_plugin", case_tls_of_plugin},
	{"tls_of_a_mebibyte", case_tls_of_a_mebibyte},
	{"global_of_plugin", case_global_of_plugin},
	{"thread_stack", case_thread_stack},
	{"thread_tls", case_thread_tls},
	{"thread_register", case_thread_register},
	{"thread_vector", case_thread_vector},
	{"thread_argument", case_thread_argument},
	{"epoll", case_epoll},
	{"timer", case_timer},
	{"signal_stack", case_signal_stack},
	{"pipe", case_pipe},
	{"mapping", case_mapping},
	{"shared_mapping", case_shared_mapping},
	{"file_mapping", case_file_mapping},
	{"closed_page", case_closed_page},
	{"sealed_page", case_sealed_page},
	{"write_only_page", case_write_only_page},
	{"closed_block", case_closed_block},
	{"coroutine", case_coroutine},
	{"coroutine_mapped", case_coroutine_mapped},
	{"low_tag", case_low_tag},
	{"high_tag", case_high_tag},
	{"one_past_end", case_one_past_end},
	{"behind_a_header", case_behind_a_header},
	{"member", case_member},
	{"far_inside", case_far_inside},
	{"page_aligned", case_page_aligned},
	{"aligned_with_header", case_aligned_with_header},
	{"xor", case_xor},
	{"local_at_exit", case_local_at_exit},
	{"local_of_caller", case_local_of_caller},
	{0},
};

int main(int argc, char **argv)
{
	return cases_main(cases, argc, argv);
}
