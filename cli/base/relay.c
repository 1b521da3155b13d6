#include "cli/base/relay.h"

#include "cli/base/threads.h"

#include <errno.h>

void relay_init(struct relay *r, void (*work)(void *, void *),
		int (*end)(void *, void *), void *context)
{
	*r = (struct relay){.work = work, .end = end, .context = context};
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->worked, NULL);
}

void relay_use_threads(struct relay *r, size_t most)
{
	r->wanted = threads_allowed(most < RELAY_THREADS ? most : RELAY_THREADS);
	r->size = r->next = 0; /* to begin anew */
}

/* ---- threads ------------------------------------------------------------------- */

static void *run(void *arg)
{
	struct relay_place *place = arg;
	struct relay *r = place->relay;
	void *item = r->item[place - r->place];

	pthread_mutex_lock(&r->lock);
	for (;;) {
		while (!r->stopping && place->state != RELAY_READY)
			pthread_cond_wait(&place->ready, &r->lock);
		if (r->stopping)
			break;
		pthread_mutex_unlock(&r->lock);
		r->work(r->context, item);
		pthread_mutex_lock(&r->lock);
		place->state = RELAY_WORKED;
		pthread_cond_signal(&r->worked);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* Whether the place has a thread, or may have one now. */
static bool has_thread(struct relay *r, struct relay_place *place)
{
	if (place->has_thread || r->size == 1)
		return place->has_thread;
	place->relay = r;
	pthread_cond_init(&place->ready, NULL);
	place->has_thread = !threads_start(&place->thread, NULL, run, place);
	if (!place->has_thread)
		pthread_cond_destroy(&place->ready);
	return place->has_thread;
}

/* Waits for what lies there, and ends it unless one before it failed. */
static void clear(struct relay *r, size_t i)
{
	struct relay_place *place = &r->place[i];
	bool worked;

	pthread_mutex_lock(&r->lock);
	while (place->state == RELAY_READY)
		pthread_cond_wait(&r->worked, &r->lock);
	worked = place->state == RELAY_WORKED;
	place->state = RELAY_FREE;
	pthread_mutex_unlock(&r->lock);
	if (worked && !r->failed)
		r->failed = r->end(r->context, r->item[i]);
}

/* ---- in order ------------------------------------------------------------------- */

int relay_next(struct relay *r, void **ret)
{
	if (!r->size)
		r->size = r->wanted > 1 ? r->wanted : 1;
	clear(r, r->next);
	if (r->failed)
		return r->failed;
	*ret = r->item[r->next];
	return 0;
}

static void pass_on(struct relay *r)
{
	r->next = (r->next + 1) % r->size;
}

int relay_do(struct relay *r)
{
	size_t i = r->next;

	pass_on(r);
	r->work(r->context, r->item[i]);
	if (r->size == 1) {
		r->failed = r->end(r->context, r->item[i]);
		return r->failed;
	}
	pthread_mutex_lock(&r->lock);
	r->place[i].state = RELAY_WORKED;
	pthread_mutex_unlock(&r->lock);
	return 0;
}

int relay_go(struct relay *r)
{
	struct relay_place *place = &r->place[r->next];

	if (!has_thread(r, place))
		return relay_do(r);
	pass_on(r);
	pthread_mutex_lock(&r->lock);
	place->state = RELAY_READY;
	pthread_cond_signal(&place->ready);
	pthread_mutex_unlock(&r->lock);
	return 0;
}

int relay_flush(struct relay *r)
{
	for (size_t i = 0; i < r->size; i++) {
		clear(r, r->next);
		pass_on(r);
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
	pthread_mutex_unlock(&r->lock);
	for (size_t i = 0; i < RELAY_THREADS; i++) {
		struct relay_place *place = &r->place[i];

		if (!place->has_thread)
			continue;
		pthread_cond_signal(&place->ready);
		pthread_join(place->thread, NULL);
		pthread_cond_destroy(&place->ready);
	}
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->worked);
}
