/*
 * cases_ends.c - leaks of processes that end in all ways, of children, of threads, and
 * of modules that are gone; and lost mappings.
 */
#include "cases.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void *volatile global;
static __thread void *volatile tls;

static NOINLINE void case_lose(void)
{
	take(100);
	wipe();
}

/* ---- ends ---------------------------------------------------------------- */

static void case_exit(void)
{
	case_lose();
	exit(0);
}

static void case_underscore_exit(void)
{
	case_lose();
	_exit(0);
}

static void case_quick_exit(void)
{
	case_lose();
	quick_exit(0);
}

static void case_sigterm(void)
{
	case_lose();
	raise(SIGTERM);
}

static void case_sigkill(void)
{
	case_lose();
	raise(SIGKILL);
}

static void case_abort(void)
{
	case_lose();
	abort();
}

static void case_exec(void)
{
	case_lose();
	execl("/bin/true", "true", (char *)NULL);
}

static void case_handler_leave(int signal)
{
	(void)signal;
	_exit(0);
}

static void case_exit_in_handler(void)
{
	case_lose();
	signal(SIGUSR1, case_handler_leave);
	raise(SIGUSR1);
}

static void *case_exit_in_thread_run(void *arg)
{
	case_lose();
	exit(0);
	return arg;
}

static void case_exit_in_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, case_exit_in_thread_run, NULL);
	pause();
}

static void case_pthread_exit_of_main(void)
{
	case_lose();
	pthread_exit(NULL);
}

/* ---- children ------------------------------------------------------------ */

static void case_child(void)
{
	pid_t pid = fork();

	if (!pid) {
		case_lose();
		exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void case_child_inherits(void) /* one leak, though two processes have it */
{
	pid_t pid;

	case_lose();
	pid = fork();
	if (!pid)
		exit(0);
	waitpid(pid, NULL, 0);
}

static void case_child_frees(void)
{
	pid_t pid;

	global = take(100);
	pid = fork();
	if (!pid) {
		free(global);
		global = take(50);
		exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void case_child_and_parent(void)
{
	pid_t pid = fork();

	case_lose();
	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
}

/* ---- threads that ended -------------------------------------------------- */

static void *case_thread_run(void *arg)
{
	void *volatile local = take(100);

	local = NULL;
	(void)local;
	wipe();
	return arg;
}

static void case_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, case_thread_run, NULL);
	pthread_join(thread, NULL);
}

static void *case_thread_local_run(void *arg)
{
	void *volatile local = take(100); /* still on its stack, which is kept */

	(void)local;
	return arg;
}

static void case_thread_local(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, case_thread_local_run, NULL);
	pthread_join(thread, NULL);
}

static void *case_thread_tls_run(void *arg)
{
	tls = take(100);
	return arg;
}

static void case_thread_tls(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, case_thread_tls_run, NULL);
	pthread_join(thread, NULL);
}

static void *case_thread_key_run(void *arg)
{
	pthread_setspecific(*(pthread_key_t *)arg, take(100));
	return NULL;
}

static void case_thread_key_freed(void)
{
	pthread_key_t key;
	pthread_t thread;

	pthread_key_create(&key, free);
	pthread_create(&thread, NULL, case_thread_key_run, &key);
	pthread_join(thread, NULL);
}

static void *case_result_run(void *arg)
{
	(void)arg;
	return take(100);
}

static void case_thread_result(void) /* joined, and dropped */
{
	pthread_t thread;
	void *result;

	pthread_create(&thread, NULL, case_result_run, NULL);
	pthread_join(thread, &result);
	result = NULL;
}

static void *case_stale_thread_deep(int depth, void *block)
{
	void *volatile copy[16];

	for (int i = 0; i < 16; i++)
		copy[i] = block;
	return depth ? case_stale_thread_deep(depth - 1, copy[depth % 16]) : NULL;
}

/* Far below where the thread waits: what it calls there leaves slots of its frames as
 * they were. */
static NOINLINE void case_stale_thread_below(void)
{
	volatile char room[8192];

	for (size_t i = 0; i < sizeof(room); i++)
		room[i] = 0;
	case_stale_thread_deep(20, take(100));
	room[0] = 1;
}

static int ready[2];

static void *case_stale_thread_run(void *arg)
{
	case_stale_thread_below();
	if (write(ready[1], "", 1) != 1)
		abort();
	for (;;)
		pause();
	return arg;
}

static void case_stale_thread(void) /* below the stack pointer of one that waits */
{
	pthread_t thread;
	char got;

	if (pipe(ready) < 0)
		abort();
	pthread_create(&thread, NULL, case_stale_thread_run, NULL);
	if (read(ready[0], &got, 1) != 1)
		abort();
}

/* ---- modules and mappings ------------------------------------------------ */

static void *open_plugin(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);

	path[n > 0 ? n : 0] = '\0';
	strcpy(strrchr(path, '/') + 1, "cases_plugin.so");
	return dlopen(path, RTLD_NOW);
}

static void case_closed_module_site(void)
{
	void *handle = open_plugin();

	((void *(*)(void *))dlsym(handle, "case_plugin_take"))((void *)100);
	wipe();
	dlclose(handle);
}

static void case_closed_module_global(void)
{
	void *handle = open_plugin();

	((void *(*)(void *))dlsym(handle, "plugin_global"))(take(100));
	wipe();
	dlclose(handle);
}

static NOINLINE void case_unmapped_holder(void)
{
	void **map = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	map[10] = take(100);
	munmap(map, 4096);
}

static NOINLINE void case_held_by_lost_mapping(void)
{
	void **map = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	map[100] = take(100);
}

static NOINLINE void case_lost_mapping(void)
{
	char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	map[0] = 1;
}

static const struct leak_case cases[] = {
	{"exit", case_exit},
	{"underscore_exit", case_underscore_exit},
	{"quick_exit", case_quick_exit},
	{"sigterm", case_sigterm},
	{"sigkill", case_sigkill},
	{"abort", case_abort},
	{"exec", case_exec},
	{"exit_in_handler", case_exit_in_handler},
	{"exit_in_thread", case_exit_in_thread},
	{"pthread_exit_of_main", case_pthread_exit_of_main},
	{"child", case_child},
	{"child_inherits", case_child_inherits},
	{"child_frees", case_child_frees},
	{"child_and_parent", case_child_and_parent},
	{"thread", case_thread},
	{"thread_local", case_thread_local},
	{"thread_tls", case_thread_tls},
	{"thread_key_freed", case_thread_key_freed},
	{"thread_result", case_thread_result},
	{"stale_thread", case_stale_thread},
	{"closed_module_site", case_closed_module_site},
	{"closed_module_global", case_closed_module_global},
	{"unmapped_holder", case_unmapped_holder},
	{"held_by_lost_mapping", case_held_by_lost_mapping},
	{"lost_mapping", case_lost_mapping},
	{0},
};

int main(int argc, char **argv)
{
	return cases_main(cases, argc, argv);
}
