/*
 * ends.c - ways to end, and what goes before them, that a tracer may disturb. Each holds
 * one block of 4321 bytes in a static variable, and has lost one of 1234.
 *
 *	ends exit_group | exit | term | thread | crash | leader	ends by that
 *	ends strict	is killed by seccomp
 *	ends stops	its child stops and goes on, as its parent sees
 *	ends traces	it traces its child
 *	ends execs	a thread executes the program again
 *	ends signals	many signals, and what they interrupt
 */
#include "tests/targets/wipe.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void *volatile held;
static void *volatile sink;
static char *self;

static __attribute__((noinline)) void allocate(void)
{
	held = malloc(4321);
	sink = calloc(1, 1234);
	sink = NULL;
}

static void *ends_group(void *unused)
{
	(void)unused;
	syscall(SYS_exit_group, 9);
	return NULL;
}

static void *crashes(void *unused)
{
	(void)unused;
	*(volatile int *)unused = 1;
	return NULL;
}

static void *executes(void *unused)
{
	(void)unused;
	execl(self, self, "exit_group", (char *)NULL);
	return NULL;
}

static void thread_and_wait(void *(*what)(void *))
{
	pthread_t t;

	pthread_create(&t, NULL, what, NULL);
	for (;;)
		pause();
}

static void *later(void *unused)
{
	nanosleep(&(struct timespec){0, 30000000}, NULL);
	return ends_group(unused);
}

static void show(const char *what, pid_t child, int options)
{
	int status = 0;

	if (waitpid(child, &status, options) != child)
		printf("%s: errno %d\n", what, errno);
	else if (WIFSTOPPED(status))
		printf("%s: stopped by %d\n", what, WSTOPSIG(status));
	else if (WIFCONTINUED(status))
		printf("%s: goes on\n", what);
	else
		printf("%s: status %x\n", what, (unsigned)status);
}

static int stops(void)
{
	int seen[2];
	pid_t child;

	if (pipe(seen) < 0)
		return 1;
	child = fork();
	if (!child) {
		free(malloc(10));
		/* For the collector to hear of it. */
		nanosleep(&(struct timespec){0, 600000000}, NULL);
		raise(SIGSTOP);
		free(malloc(10));
		/* Who has stopped again was never seen to go on. */
		if (read(seen[0], &(char){0}, 1) != 1)
			_exit(1);
		raise(SIGTSTP);
		raise(SIGTERM);
	}
	show("first", child, WUNTRACED);
	kill(child, SIGCONT);
	show("then", child, WCONTINUED);
	if (write(seen[1], "", 1) != 1)
		return 1;
	show("second", child, WUNTRACED);
	kill(child, SIGCONT);
	show("end", child, 0);
	return 6;
}

static int traces(void)
{
	pid_t child = fork();

	if (!child) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(100);
		raise(SIGUSR1);
		_exit(5);
	}
	show("traced", child, 0);
	printf("%ld\n", ptrace(PTRACE_CONT, child, NULL, NULL));
	show("end", child, 0);
	return 6;
}

static volatile sig_atomic_t rung;

static void ring(int number)
{
	(void)number;
	rung++;
}

static int signals(void)
{
	struct sigaction action = {.sa_handler = ring, .sa_flags = SA_RESTART};
	struct itimerval every = {{0, 500}, {0, 500}};
	int pipes[2], status;
	char c = 0;

	if (pipe(pipes) < 0)
		return 9;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	if (!fork()) {
		every = (struct itimerval){{0, 0}, {0, 0}};
		nanosleep(&(struct timespec){0, 200000000}, NULL);
		_exit(write(pipes[1], "x", 1) != 1);
	}
	/* Restarted each time. */
	printf("%zd %c\n", read(pipes[0], &c, 1), c);
	every = (struct itimerval){{0, 0}, {0, 0}};
	setitimer(ITIMER_REAL, &every, NULL);
	while (wait(&status) < 0 && errno == EINTR)
		;
	printf("%x %d\n", (unsigned)status, rung > 50);
	fflush(stdout);
	raise(SIGTERM);
	return 9;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	pthread_t t;

	self = argv[0];
	setvbuf(stdout, NULL, _IONBF, 0);
	allocate();
	wipe();
	if (!strcmp(what, "exit_group"))
		ends_group(NULL);
	if (!strcmp(what, "exit"))
		syscall(SYS_exit, 7);
	if (!strcmp(what, "term"))
		raise(SIGTERM);
	if (!strcmp(what, "thread"))
		thread_and_wait(ends_group);
	if (!strcmp(what, "crash"))
		thread_and_wait(crashes);
	if (!strcmp(what, "execs"))
		thread_and_wait(executes);
	if (!strcmp(what, "leader")) {
		pthread_create(&t, NULL, later, NULL);
		pthread_exit(NULL);
	}
	if (!strcmp(what, "strict")) {
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
		syscall(SYS_getpid);
	}
	if (!strcmp(what, "stops"))
		return stops();
	if (!strcmp(what, "traces"))
		return traces();
	if (!strcmp(what, "signals"))
		return signals();
	return 2;
}
