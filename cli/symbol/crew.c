#include "cli/symbol/crew.h"

#include "cli/base/cleanup.h"
#include "cli/base/threads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STACK_BYTES (16u << 20) /* libdw recurses on the depth of what it reads */
#define PROGRESS_NS 100000000l

struct work {
	struct crew *crew;
	struct turn {
		size_t job, size;
	} * order;	     /* the largest first */
	size_t jobs;	     /* in it */
	size_t addresses;    /* of all jobs */
	_Atomic size_t next; /* in order */
	_Atomic size_t done; /* addresses */
	_Atomic int failed;

	pthread_mutex_t lock;
	pthread_cond_t ended;
	size_t threads; /* that have not ended; under lock */
	pthread_cond_t freed;
	uint64_t bytes; /* of the files at work; under lock */
};

/* ---- one job -------------------------------------------------------------- */

static void make_key(const struct crew_job *job, char key[CACHE_KEY])
{
	const char *stamp = "symbols " HEAPLINE_VERSION " " CACHE_FORMAT "\n";
	size_t len = strlen(stamp);

	memcpy(key, stamp, len);
	module_stamp(job->module, key + len);
}

/* Answers from disk, if they are from the same files; else none, unless there are some. */
static int recall(struct work *w, struct crew_job *job, const char *key)
{
	if (job->answers.profile)
		return 0;
	if (key &&
	    !cache_get(w->crew->cache, module_id(job->module), key, &job->answers))
		return 0;
	return answers_open(&job->answers);
}

/* The addresses without an answer, in room for all. */
static size_t list_missing(const struct crew_job *job, uint64_t *missing)
{
	size_t count = 0;

	for (size_t i = 0; i < job->count; i++)
		if (answers_find(&job->answers, job->addresses[i]) == SIZE_MAX)
			missing[count++] = job->addresses[i];
	return count;
}

/* Large files wait for each other: memory is bounded by them, not by the threads. One
 * alone always goes on. */
static uint64_t take_room(struct work *w, struct crew_job *job)
{
	uint64_t weight = module_weight(job->module);

	pthread_mutex_lock(&w->lock);
	while (w->bytes &&
	       (weight > CREW_MAX_BYTES || w->bytes > CREW_MAX_BYTES - weight))
		pthread_cond_wait(&w->freed, &w->lock);
	w->bytes += weight;
	pthread_mutex_unlock(&w->lock);
	return weight;
}

static void give_room(struct work *w, uint64_t weight)
{
	pthread_mutex_lock(&w->lock);
	w->bytes -= weight;
	pthread_cond_broadcast(&w->freed);
	pthread_mutex_unlock(&w->lock);
}

static int ask(struct work *w, struct crew_job *job)
{
	char key[CACHE_KEY];
	bool cached = w->crew->cache && module_id(job->module)->len >= CACHE_NAME_MIN;
	_cleanup_(freep) uint64_t *missing = calloc(job->count + 1, sizeof(*missing));
	uint64_t weight;
	size_t count;
	int r;

	if (cached)
		make_key(job, key);
	if (!missing || recall(w, job, cached ? key : NULL))
		return -ENOMEM;
	count = list_missing(job, missing);
	/* relaxed: only shown to people. */
	atomic_fetch_add_explicit(&w->done, job->count - count, memory_order_relaxed);
	if (!count) {
		module_unload(job->module);
		return 0;
	}
	weight = take_room(w, job);
	r = answers_ask(&job->answers, job->module, missing, count, &w->done);
	if (!r && cached && !module_is_split(job->module))
		cache_put(w->crew->cache, module_id(job->module), key, &job->answers);
	module_unload(job->module);
	give_room(w, weight);
	return r;
}

/* ---- threads -------------------------------------------------------------- */

static void work(struct work *w)
{
	size_t i;

	/* relaxed: a job's bytes were there before the threads were, and are read
	 * after they were joined. */
	while ((i = atomic_fetch_add_explicit(&w->next, 1, memory_order_relaxed)) <
	       w->jobs)
		if (ask(w, &w->crew->jobs[w->order[i].job]))
			atomic_store_explicit(&w->failed, -ENOMEM,
					      memory_order_relaxed);
}

static void *thread(void *arg)
{
	struct work *w = arg;

	work(w);
	pthread_mutex_lock(&w->lock);
	w->threads--;
	pthread_cond_signal(&w->ended);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* Signals are for the thread that called: it has handlers, and an end of its own. */
static size_t start(struct work *w, pthread_t *threads, size_t count)
{
	pthread_attr_t attr;
	size_t n = 0;

	if (pthread_attr_init(&attr))
		return 0;
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	w->threads = count;
	while (n < count && !threads_start(&threads[n], &attr, thread, w))
		n++;
	pthread_attr_destroy(&attr);
	pthread_mutex_lock(&w->lock);
	w->threads -= count - n;
	pthread_mutex_unlock(&w->lock);
	return n;
}

static void report(struct work *w)
{
	struct crew *c = w->crew;

	c->progress(c->progress_arg,
		    atomic_load_explicit(&w->done, memory_order_relaxed), w->addresses);
}

static void watch(struct work *w)
{
	struct timespec until;

	pthread_mutex_lock(&w->lock);
	while (w->threads) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += PROGRESS_NS;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		if (pthread_cond_timedwait(&w->ended, &w->lock, &until) == ETIMEDOUT)
			report(w);
	}
	pthread_mutex_unlock(&w->lock);
}

static bool is_answered(const struct crew_job *job)
{
	size_t i = 0;

	while (job->answers.profile && i < job->count &&
	       answers_find(&job->answers, job->addresses[i]) != SIZE_MAX)
		i++;
	return i == job->count;
}

static size_t threads_for(size_t jobs)
{
	return threads_allowed(jobs < CREW_MAX_THREADS ? jobs : CREW_MAX_THREADS);
}

static int largest_first(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;

	return x->size > y->size ? -1 : x->size < y->size;
}

void crew_jobs_done(struct crew_jobs *j)
{
	for (size_t i = 0; i < j->count; i++)
		answers_done(&j->items[i].answers);
	free(j->items);
	free(j->addresses);
	*j = (struct crew_jobs){0};
}

int crew_run(struct crew *c)
{
	struct work w = {.crew = c,
			 .lock = PTHREAD_MUTEX_INITIALIZER,
			 .ended = PTHREAD_COND_INITIALIZER,
			 .freed = PTHREAD_COND_INITIALIZER};
	pthread_t threads[CREW_MAX_THREADS];
	size_t count;

	w.order = calloc(c->count + 1, sizeof(*w.order));
	if (!w.order)
		return -ENOMEM;
	for (size_t i = 0; i < c->count; i++) {
		if (is_answered(&c->jobs[i]))
			continue;
		w.order[w.jobs++] = (struct turn){i, c->jobs[i].count};
		w.addresses += c->jobs[i].count;
	}
	qsort(w.order, w.jobs, sizeof(*w.order), largest_first);
	count = start(&w, threads, threads_for(w.jobs));
	if (!count)
		work(&w); /* no threads to be had */
	if (c->progress)
		watch(&w);
	for (size_t i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	free(w.order);
	return atomic_load_explicit(&w.failed, memory_order_relaxed);
}
