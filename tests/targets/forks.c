/*
 * forks.c - a family of processes, each with sums of its own.
 *
 *	forks family	parent: 10 blocks of 100 bytes, forks 4 children in turn.
 *			Child k: k+1 blocks of 1000 bytes, frees one of the parent's
 *			and one of its own, forks a grandchild that allocates 5,000
 *			bytes and ends by _exit; child k exits with status k
 *	forks quiet N	N children that do nothing but _exit, and N of vfork and exec
 *	forks vfork	a vfork child allocates 3 blocks of 70 bytes and frees one,
 *			in its parent's memory, which has one of 90 bytes
 *	forks threads	forks while 3 threads allocate; each of 20 children makes a
 *			thread that allocates 1,234 bytes and frees them
 *	forks silent	a child that allocates nothing forks a grandchild, which frees 4
 *			of its grandparent's 10 blocks; they end with 21 and 22. Another
 *			silent child is killed, and one executes what cannot be
 *	forks orphan	the parent exits first; its child allocates 777 bytes later
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void *volatile kept[10];
static _Atomic int stop;

static int wait_for(pid_t pid)
{
	int status = 0;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		exit(99);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

static void child(int k)
{
	void *volatile mine = NULL;
	pid_t pid;

	for (int i = 0; i <= k; i++)
		mine = malloc(1000);
	free(mine);
	free(kept[k]);
	pid = fork();
	if (!pid) {
		mine = malloc(5000);
		_exit(mine ? 50 : 51);
	}
	if (wait_for(pid) != 50)
		exit(97);
	exit(k);
}

static int family(void)
{
	for (int i = 0; i < 10; i++)
		kept[i] = malloc(100);
	for (int k = 0; k < 4; k++) {
		pid_t pid = fork();

		if (!pid)
			child(k);
		if (wait_for(pid) != k)
			return 96;
	}
	return 0;
}

static int quiet(int count)
{
	for (int i = 0; i < count; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		if (wait_for(pid))
			return 96;
		pid = vfork();
		if (!pid) {
			execl("/bin/true", "true", (char *)NULL);
			_exit(1);
		}
		if (wait_for(pid))
			return 95;
	}
	return 0;
}

static int vforked(void)
{
	void *volatile p = malloc(90);
	pid_t pid = vfork();

	if (!pid) {
		kept[0] = malloc(70);
		kept[1] = malloc(70);
		kept[2] = malloc(70);
		free(kept[1]);
		_exit(p ? 0 : 1);
	}
	return wait_for(pid);
}

static void *churn(void *none)
{
	while (!atomic_load(&stop)) {
		void *volatile p = malloc(48);

		free(p);
	}
	return none;
}

static void *one_block(void *none)
{
	void *volatile p = malloc(1234);

	free(p);
	return none;
}

static int threaded(void)
{
	pthread_t t[3], one;

	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, churn, NULL);
	for (int k = 0; k < 20; k++) {
		pid_t pid = fork();

		if (!pid) {
			if (pthread_create(&one, NULL, one_block, NULL))
				exit(1);
			pthread_join(one, NULL);
			exit(0);
		}
		if (wait_for(pid))
			return 96;
	}
	atomic_store(&stop, 1);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	return 0;
}

static int silent(void)
{
	pid_t pid;

	for (int i = 0; i < 10; i++)
		kept[i] = malloc(100);
	pid = fork();
	if (!pid) {
		pid = fork();
		if (!pid) {
			for (int i = 0; i < 4; i++)
				free(kept[i]);
			_exit(22);
		}
		_exit(wait_for(pid) == 22 ? 21 : 1);
	}
	if (wait_for(pid) != 21)
		return 96;
	pid = fork();
	if (!pid)
		for (;;)
			raise(SIGKILL);
	wait_for(pid);
	pid = fork();
	if (!pid) {
		execl("/no/such/program", "x", (char *)NULL);
		_exit(23);
	}
	return wait_for(pid) == 23 ? 0 : 95;
}

static int orphan(void)
{
	pid_t pid = fork();

	if (pid)
		return 0;
	usleep(300000);
	kept[0] = malloc(777);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "quiet"))
		return quiet(atoi(argv[2]));
	if (argc < 2 || !strcmp(argv[1], "family"))
		return family();
	if (!strcmp(argv[1], "vfork"))
		return vforked();
	if (!strcmp(argv[1], "threads"))
		return threaded();
	if (!strcmp(argv[1], "silent"))
		return silent();
	return orphan();
}
