/*
 * phases.c - allocates wherever a program runs code: before constructors, in them,
 * in main, thread-specific destructors, exit handlers, destructors. Then ends in the
 * way that its argument names.
 *
 * Blocks of a phase have a size of their own; one in each phase is kept:
 *	preinit 1001, constructor 1002, main 1003, thread 1004, thread destructor 1005,
 *	atexit 1006, destructor 1007, at_quick_exit 1008
 * and twice as many bytes are allocated and freed.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void *volatile kept[2000];

static void phase(size_t size)
{
	kept[size] = malloc(size);
	void *volatile passing = malloc(2 * size);
	free(passing);
}

static void preinit(int argc, char **argv, char **environment)
{
	(void)argc, (void)argv, (void)environment;
	phase(1001);
}

__attribute__((section(".preinit_array"), used)) static void (*const first)(
	int, char **, char **) = preinit;

__attribute__((constructor)) static void constructor(void)
{
	phase(1002);
}

__attribute__((destructor)) static void destructor(void)
{
	phase(1007);
}

static void at_exit(void)
{
	phase(1006);
}

static void quick(void)
{
	phase(1008);
}

static void thread_destructor(void *value)
{
	phase(1005);
	free(value);
}

static void *thread(void *key)
{
	phase(1004);
	pthread_setspecific(*(pthread_key_t *)key, malloc(500));
	return NULL;
}

static void end(const char *how, char **argv)
{
	struct rlimit no_core = {0, 0};

	setrlimit(RLIMIT_CORE, &no_core);
	if (!strcmp(how, "_exit"))
		_exit(3);
	if (!strcmp(how, "exit"))
		exit(4);
	if (!strcmp(how, "quick_exit"))
		quick_exit(5);
	if (!strcmp(how, "abort"))
		abort();
	if (!strcmp(how, "segv"))
		*(volatile char *)8 = 1;
	if (!strcmp(how, "kill"))
		kill(getpid(), SIGKILL);
	if (!strcmp(how, "term"))
		kill(getpid(), SIGTERM);
	if (!strcmp(how, "exec")) {
		execv(argv[2], argv + 2);
		perror("exec");
	}
	if (!strcmp(how, "thread")) /* main's thread ends, the process by exit(0) */
		pthread_exit(NULL);
}

int main(int argc, char **argv)
{
	pthread_key_t key;
	pthread_t t;

	atexit(at_exit);
	at_quick_exit(quick);
	pthread_key_create(&key, thread_destructor);
	pthread_create(&t, NULL, thread, &key);
	pthread_join(t, NULL);
	phase(1003);
	if (argc > 1)
		end(argv[1], argv);
	return 6;
}
