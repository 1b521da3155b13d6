#include "cli/base/relay.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>

void relay_init(struct relay *r, void (*work)(void *, void *),
		int (*end)(void *, void *), void *context)
{
	*r = (struct relay){.work = work, .end = end, .context = context};
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
}

void relay_use_threads(struct relay *r, size_t most)
{
	cpu_set_t cpus;
	size_t n = sched_getaffinity(0, sizeof(cpus), &cpus) < 0
			   ? RELAY_THREADS
			   : (size_t)CPU_COUNT(&cpus);

	most = most < RELAY_THREADS ? most : RELAY_THREADS;
	r->wanted = n < most ? n : most;
	if (!r->threads)
		r->size = r->next = 0; /* to begin anew */
}

/* ---- threads ------------------------------------------------------------------- */

static void *run(void *arg)
{
	const struct relay_place *place = arg;
	struct relay *r = place->relay;
	size_t i = place->i;

	pthread_mutex_lock(&r->lock);
	for (;;) {
		while (!r->stopping && r->state[i] != RELAY_READY)
			pthread_cond_wait(&r->changed, &r->lock);
		if (r->stopping)
			break;
		pthread_mutex_unlock(&r->lock);
		r->work(r->context, r->item[i]);
		pthread_mutex_lock(&r->lock);
		r->state[i] = RELAY_WORKED;
		pthread_cond_broadcast(&r->changed);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

static bool start_one(struct relay *r)
{
	size_t i = r->threads;

	r->place[i] = (struct relay_place){r, i};
	if (pthread_create(&r->thread[i], NULL, run, &r->place[i]))
		return false;
	r->threads++;
	return true;
}

/* Signals are for the thread that called. */
static void begin(struct relay *r)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (r->wanted > 1)
		while (r->threads < r->wanted && start_one(r))
			;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	r->size = r->threads ? r->threads : 1;
}

/* Waits for what lies there, and ends it unless one before it failed. */
static void clear(struct relay *r, size_t i)
{
	bool worked;

	pthread_mutex_lock(&r->lock);
	while (r->state[i] == RELAY_READY)
		pthread_cond_wait(&r->changed, &r->lock);
	worked = r->state[i] == RELAY_WORKED;
	r->state[i] = RELAY_FREE;
	pthread_mutex_unlock(&r->lock);
	if (worked && !r->failed)
		r->failed = r->end(r->context, r->item[i]);
}

/* ---- in order ------------------------------------------------------------------- */

int relay_next(struct relay *r, void **ret)
{
	if (!r->size)
		begin(r);
	clear(r, r->next);
	if (r->failed)
		return r->failed;
	*ret = r->item[r->next];
	return 0;
}

int relay_go(struct relay *r)
{
	size_t i = r->next;

	r->next = (i + 1) % r->size;
	if (!r->threads) {
		r->work(r->context, r->item[i]);
		r->failed = r->end(r->context, r->item[i]);
		return r->failed;
	}
	pthread_mutex_lock(&r->lock);
	r->state[i] = RELAY_READY;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	return 0;
}

int relay_flush(struct relay *r)
{
	for (size_t i = 0; i < r->size; i++) {
		clear(r, r->next);
		r->next = (r->next + 1) % r->size;
	}
	return r->failed;
}

void relay_drop(struct relay *r)
{
	if (!r->failed)
		r->failed = -ECANCELED;
	relay_flush(r);
	r->failed = 0;
}

void relay_done(struct relay *r)
{
	pthread_mutex_lock(&r->lock);
	r->stopping = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	for (size_t i = 0; i < r->threads; i++)
		pthread_join(r->thread[i], NULL);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->changed);
}
