/*
 * stopped.c - a program that is read at awkward moments, and that would notice: every
 * signal that it sends itself must arrive, every child's status be its own, and no call
 * that the kernel begins again may fail. Says "pid PID", goes on until its input
 * ends, then says "sound", or what was not.
 *
 *	stopped starts	threads start and end all the time, each with a block that its
 *			stack alone holds
 *	stopped vfork	its first thread waits in vfork, for a child that waits for the
 *			end of input: the kernel lets nobody stop it
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STATUS = 42, ABREAST = 8 };

static _Atomic int received, threads;
static _Atomic bool stop;

static void unsound(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	fflush(stdout);
	_exit(1);
}

static void on_signal(int signal)
{
	(void)signal;
	atomic_fetch_add(&received, 1);
}

/* Signals to itself, one by one, and children. */
static void *work(void *context)
{
	for (int sent = 1; !atomic_load(&stop); sent++) {
		int status = 0;
		pid_t child;

		pthread_kill(pthread_self(), SIGUSR1);
		if (atomic_load(&received) != sent)
			unsound("a signal was lost");
		child = fork();
		if (!child)
			_exit(sent % 100);
		if (waitpid(child, &status, 0) != child)
			unsound("waitpid");
		if (!WIFEXITED(status) || WEXITSTATUS(status) != sent % 100)
			unsound("a child's status");
		usleep(1000);
	}
	return context;
}

static void *live_shortly(void *context)
{
	char *volatile own = malloc(77);

	memset(own, 1, 77);
	usleep(500);
	free(own);
	atomic_fetch_sub(&threads, 1);
	return context;
}

static void *start_others(void *context)
{
	while (!atomic_load(&stop)) {
		pthread_t one;

		if (atomic_load(&threads) >= ABREAST) {
			usleep(100);
			continue;
		}
		atomic_fetch_add(&threads, 1);
		if (pthread_create(&one, NULL, live_shortly, NULL))
			unsound("pthread_create");
		pthread_detach(one);
	}
	while (atomic_load(&threads))
		usleep(100);
	return context;
}

/* (What the child calls are system calls alone.) */
static void wait_in_vfork(void)
{
	void *volatile own = malloc(88); /* nobody sees who holds it */
	int status = 0;
	char c;
	pid_t child = vfork();

	if (!child) {
		while (read(0, &c, 1) > 0)
			;
		_exit(STATUS);
	}
	if (waitpid(child, &status, 0) != child)
		unsound("waitpid after vfork");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != STATUS)
		unsound("the status of vfork's child");
	free(own);
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	bool in_vfork = argc > 1 && !strcmp(argv[1], "vfork");
	pthread_t one, other;
	char c;

	sigaction(SIGUSR1, &action, NULL);
	pthread_create(&one, NULL, work, NULL);
	if (!in_vfork)
		pthread_create(&other, NULL, start_others, NULL);
	printf("pid %d\n", (int)getpid());
	fflush(stdout);
	if (in_vfork)
		wait_in_vfork();
	else if (read(0, &c, 1) != 0)
		unsound("read");
	atomic_store(&stop, true);
	pthread_join(one, NULL);
	if (!in_vfork)
		pthread_join(other, NULL);
	puts("sound");
	return STATUS;
}
