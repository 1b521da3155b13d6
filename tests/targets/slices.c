/*
 * slices - what is done when, by which thread, of which size, is known in advance:
 *
 *	1	main allocates 1000 blocks of 1000 bytes
 *	2	alpha allocates 300 blocks of 100 bytes, beta 200 of 5000; main frees
 *		half of each
 *	3	main frees 400 blocks of phase 1, and allocates 50 of 70000 bytes
 *
 * Between them it sleeps, and prints a moment in the middle of each sleep.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void *first[1000], *alphas[300], *betas[200], *last[50];

static void pause_between(void)
{
	struct timespec now;
	char text[64];
	int n;

	usleep(200000);
	clock_gettime(CLOCK_REALTIME, &now);
	n = snprintf(text, sizeof(text), "%lld%09ld\n", (long long)now.tv_sec,
		     now.tv_nsec);
	if (write(STDOUT_FILENO, text, (size_t)n) != n)
		_exit(1);
	usleep(200000);
}

__attribute__((noinline)) static void fill(void **to, int count, size_t size)
{
	for (int i = 0; i < count; i++)
		to[i] = malloc(size);
}

__attribute__((noinline)) static void drop(void **from, int count)
{
	for (int i = 0; i < count; i++)
		free(from[i]);
}

static void *run_alpha(void *unused)
{
	pthread_setname_np(pthread_self(), "alpha");
	fill(alphas, 300, 100);
	return unused;
}

static void *run_beta(void *unused)
{
	pthread_setname_np(pthread_self(), "beta");
	fill(betas, 200, 5000);
	return unused;
}

int main(void)
{
	pthread_t a, b;

	fill(first, 1000, 1000);
	pause_between();
	if (pthread_create(&a, NULL, run_alpha, NULL) ||
	    pthread_create(&b, NULL, run_beta, NULL))
		return 1;
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	drop(alphas, 150);
	drop(betas, 100);
	pause_between();
	drop(first, 400);
	fill(last, 50, 70000);
	return 0;
}
