/*
 * phases.c - allocates wherever a program runs code: before constructors, in them,
 * in main, thread-specific destructors, exit handlers, destructors. Then ends in the
 * way that its argument names.
 *
 * Blocks of a phase have a size of their own; one in each phase is kept:
 *	preinit 1001, constructor 1002, main 1003, thread 1004, thread destructor 1005,
 *	atexit 1006, destructor 1007, at_quick_exit 1008, a thread that ends the process
 *	1009, a daemon 1010
 * and twice as many bytes are allocated and freed.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
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

/* Kills the process once that thread of it is stopped. */
static void kill_when_stopped(pid_t pid, pid_t tid)
{
	char path[64], text[512] = "";

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)pid, (int)tid);
	while (!strstr(text, ") T ")) {
		FILE *f = fopen(path, "r");

		if (!f || !fgets(text, sizeof(text), f))
			_exit(1);
		fclose(f);
	}
	kill(pid, SIGKILL);
	_exit(0);
}

static void stop_and_be_killed(void)
{
	pid_t pid = getpid(), tid = (pid_t)syscall(SYS_gettid);

	if (!fork())
		kill_when_stopped(pid, tid);
	for (;;)
		raise(SIGSTOP);
}

static void end(const char *how, char **argv);

struct ending {
	pthread_t main;
	char **argv;
};

/* What a thread does when main's own has gone, or waits. */
static void *end_by_thread(void *arg)
{
	struct ending *e = arg;

	if (!strcmp(e->argv[1], "gone"))
		pthread_join(e->main, NULL);
	phase(1009);
	end(e->argv[2], e->argv + 1);
	exit(77);
}

/* "gone HOW": ended by a thread when main's is no more; "beside HOW": while it waits. */
static void leave_to_a_thread(char **argv)
{
	static struct ending e;
	pthread_t t;

	e.main = pthread_self();
	e.argv = argv;
	pthread_create(&t, NULL, end_by_thread, &e);
	if (!strcmp(argv[1], "gone"))
		pthread_exit(NULL);
	pthread_join(t, NULL);
}

/* "daemon FILE": allocates once FILE is there, long after the first process ended. */
static void become_a_daemon(const char *file)
{
	if (fork())
		_exit(0);
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	setsid();
	if (fork())
		_exit(0);
	while (access(file, F_OK) < 0)
		usleep(2000);
	phase(1010);
	_exit(8);
}

static void end(const char *how, char **argv)
{
	struct rlimit no_core = {0, 0};

	setrlimit(RLIMIT_CORE, &no_core);
	if (!strcmp(how, "gone") || !strcmp(how, "beside"))
		leave_to_a_thread(argv);
	if (!strcmp(how, "daemon"))
		become_a_daemon(argv[2]);
	if (!strcmp(how, "stopped"))
		stop_and_be_killed();
	if (!strcmp(how, "_Exit"))
		_Exit(13);
	if (!strcmp(how, "exit_group"))
		syscall(SYS_exit_group, 9);
	if (!strcmp(how, "exit_thread"))
		syscall(SYS_exit, 11);
	if (!strncmp(how, "signal", 6))
		kill(getpid(), atoi(how + 6));
	if (!strcmp(how, "fpe"))
		raise(SIGFPE);
	if (!strcmp(how, "return"))
		return;
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
