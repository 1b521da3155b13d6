/*
 * fork_storm.c - many forks from threads that allocate all the while.
 *
 * fork_storm CHILDREN THREADS [PROGRAM]
 *
 * Every thread forks its share of the children. A child allocates and frees a known
 * number of blocks of its own, frees some of its parent's, then exits by _exit, exit or
 * a signal, or executes PROGRAM. Prints a line for each child: pid, what it allocated
 * and freed of its own, blocks of the parent's that it freed, how it was to end.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEPT = 64, AT_ONCE = 8 };

struct child {
	pid_t pid;
	unsigned allocations, frees, inherited, end;
	unsigned long bytes;
};

static struct child *children; /* shared with them */
static unsigned count, threads;
static const char *program;
static atomic_bool done;

static void live(struct child *c, unsigned number, void **parents)
{
	unsigned n = 1 + number % 50;
	void **mine = malloc(n * sizeof(*mine));

	c->allocations = 1;
	c->bytes = n * sizeof(*mine);
	for (unsigned i = 0; i < n; i++) {
		mine[i] = malloc(10 + i + number % 7);
		c->allocations++;
		c->bytes += 10 + i + number % 7;
	}
	for (unsigned i = 0; i < n; i += 2) {
		free(mine[i]);
		c->frees++;
	}
	for (unsigned i = 0; i < number % KEPT; i++) {
		free(parents[i]);
		c->inherited++;
	}
}

static void end(unsigned how)
{
	char *argv[] = {(char *)program, (char *)"exit", NULL};

	if (how == 3 && program)
		execv(program, argv);
	if (how == 2)
		raise(SIGKILL);
	if (how == 1)
		quick_exit(6);
	_exit(5);
}

static void make(unsigned number, void **parents)
{
	pid_t pid = fork();

	if (!pid) {
		struct child *c = &children[number];

		c->pid = getpid();
		c->end = number % 4;
		live(c, number, parents);
		end(c->end);
	}
	waitpid(pid, NULL, 0);
}

/* Its own blocks, some of which come and go between the forks. */
static void *run(void *arg)
{
	unsigned first = (unsigned)(unsigned long)arg;
	void *kept[KEPT];

	for (unsigned i = 0; i < KEPT; i++)
		kept[i] = malloc(100 + i);
	for (unsigned n = first; n < count; n += threads) {
		make(n, kept);
		for (unsigned i = n % KEPT; i < KEPT; i += 3) {
			free(kept[i]);
			kept[i] = malloc(100 + i);
		}
	}
	for (unsigned i = 0; i < KEPT; i++)
		free(kept[i]);
	return NULL;
}

/* Allocates without pause, so that forks find allocators and rings at work. */
static void *churn(void *arg)
{
	(void)arg;
	while (!done)
		free(malloc(32));
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread[64], other[2];

	if (argc < 3)
		return 2;
	count = (unsigned)atoi(argv[1]);
	threads = (unsigned)atoi(argv[2]);
	program = argc > 3 ? argv[3] : NULL;
	children = mmap(NULL, count * sizeof(*children), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (children == MAP_FAILED || threads > 64)
		return 2;
	for (int i = 0; i < 2; i++)
		pthread_create(&other[i], NULL, churn, NULL);
	for (unsigned i = 0; i < threads; i++)
		pthread_create(&thread[i], NULL, run, (void *)(unsigned long)i);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	done = 1;
	for (int i = 0; i < 2; i++)
		pthread_join(other[i], NULL);
	for (unsigned i = 0; i < count; i++) {
		const struct child *c = &children[i];

		printf("%d %u %lu %u %u %u\n", (int)c->pid, c->allocations, c->bytes,
		       c->frees, c->inherited, c->end);
	}
	return 0;
}
