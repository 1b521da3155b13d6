#include "cli/profile/chunks.h"

#include "cli/base/array.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

void chunks_init(struct chunks *c, int (*put)(void *, struct chunk *), void *context,
		 int level)
{
	*c = (struct chunks){.put = put, .context = context, .level = level};
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->changed, NULL);
}

void chunks_use_threads(struct chunks *c)
{
	cpu_set_t cpus;
	size_t n = sched_getaffinity(0, sizeof(cpus), &cpus) < 0
			   ? CHUNKS_THREADS
			   : (size_t)CPU_COUNT(&cpus);

	c->wanted = n < CHUNKS_THREADS ? n : CHUNKS_THREADS;
}

/* ---- one chunk --------------------------------------------------------------- */

static bool open_deflate(struct chunk *chunk, int level)
{
	if (chunk->open && chunk->level == level)
		return deflateReset(&chunk->deflate) == Z_OK;
	if (chunk->open)
		deflateEnd(&chunk->deflate);
	chunk->deflate = (z_stream){0};
	chunk->open = deflateInit(&chunk->deflate, level) == Z_OK;
	chunk->level = level;
	return chunk->open;
}

/* Deflates the payload behind the header's place. False: better as it is. */
static bool deflate_payload(struct chunk *chunk, int level)
{
	z_stream *z = &chunk->deflate;
	unsigned char *to;

	if (!level || chunk->plain || !open_deflate(chunk, level))
		return false;
	to = bytes_room(&chunk->stored, chunk->payload.len);
	if (!to)
		return false;
	z->next_in = chunk->payload.data;
	z->avail_in = (uInt)chunk->payload.len;
	z->next_out = to;
	z->avail_out = (uInt)chunk->payload.len;
	if (deflate(z, Z_FINISH) != Z_STREAM_END)
		return false;
	chunk->stored.len += z->total_out;
	return true;
}

static void make(const struct chunks *c, struct chunk *chunk)
{
	static const unsigned char place[FORMAT_CHUNK_HEADER_BYTES];

	if (chunk->make)
		chunk->make(chunk);
	bytes_put(&chunk->stored, place, sizeof(place));
	if (chunk->piece) {
		bytes_put(&chunk->stored, chunk->piece->data, chunk->piece->stored);
		chunk->deflated = chunk->piece->deflated;
		chunk->raw = chunk->piece->raw;
		return;
	}
	chunk->deflated = deflate_payload(chunk, c->level);
	if (!chunk->deflated)
		bytes_put(&chunk->stored, chunk->payload.data, chunk->payload.len);
	chunk->raw = (uint32_t)chunk->payload.len;
}

static int put(struct chunks *c, struct chunk *chunk)
{
	if (chunk->payload.failed || chunk->stored.failed)
		return -ENOMEM;
	return c->put(c->context, chunk);
}

/* ---- threads ------------------------------------------------------------------- */

struct place {
	struct chunks *chunks;
	struct chunk *chunk;
};

static void *work(void *arg)
{
	struct place *place = arg;
	struct chunks *c = place->chunks;
	struct chunk *chunk = place->chunk;

	free(place);
	pthread_mutex_lock(&c->lock);
	for (;;) {
		while (!c->stopping && chunk->state != CHUNK_READY)
			pthread_cond_wait(&c->changed, &c->lock);
		if (c->stopping)
			break;
		pthread_mutex_unlock(&c->lock);
		make(c, chunk);
		pthread_mutex_lock(&c->lock);
		chunk->state = CHUNK_MADE;
		pthread_cond_broadcast(&c->changed);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

static bool start_one(struct chunks *c)
{
	struct place *place = malloc(sizeof(*place));

	if (!place)
		return false;
	*place = (struct place){c, &c->ring[c->threads]};
	if (!pthread_create(&c->thread[c->threads], NULL, work, place)) {
		c->threads++;
		return true;
	}
	free(place);
	return false;
}

/* Signals are for the thread that called. */
static void begin(struct chunks *c)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (c->wanted > 1)
		while (c->threads < c->wanted && start_one(c))
			;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	c->size = c->threads ? c->threads : 1;
}

static void set_state(struct chunks *c, struct chunk *chunk, int state)
{
	pthread_mutex_lock(&c->lock);
	chunk->state = state;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

/* Waits for what lies there, and puts it out unless one before it failed. */
static void clear(struct chunks *c, struct chunk *chunk)
{
	bool made;

	pthread_mutex_lock(&c->lock);
	while (chunk->state == CHUNK_READY)
		pthread_cond_wait(&c->changed, &c->lock);
	made = chunk->state == CHUNK_MADE;
	chunk->state = CHUNK_FREE;
	pthread_mutex_unlock(&c->lock);
	if (made && !c->failed)
		c->failed = put(c, chunk);
}

/* ---- in order ------------------------------------------------------------------- */

int chunks_next(struct chunks *c, enum format_chunk type, struct chunk **ret)
{
	struct chunk *chunk;

	if (!c->size)
		begin(c);
	chunk = &c->ring[c->next];
	clear(c, chunk);
	if (c->failed)
		return c->failed;
	bytes_reset(&chunk->payload);
	bytes_reset(&chunk->stored);
	chunk->type = (uint16_t)type;
	chunk->plain = false;
	chunk->make = NULL;
	chunk->piece = NULL;
	*ret = chunk;
	return 0;
}

void *chunks_scratch(struct chunk *chunk, size_t count, size_t row_bytes)
{
	size_t need;

	if (__builtin_mul_overflow(count, row_bytes, &need) ||
	    array_room_(&chunk->scratch, &chunk->scratch_room, need, 1) < 0)
		return NULL;
	return chunk->scratch;
}

int chunks_go(struct chunks *c, struct chunk *chunk)
{
	c->next = (c->next + 1) % c->size;
	if (c->threads) {
		set_state(c, chunk, CHUNK_READY);
		return 0;
	}
	make(c, chunk);
	c->failed = put(c, chunk);
	return c->failed;
}

int chunks_flush(struct chunks *c)
{
	for (size_t i = 0; i < c->size; i++) {
		clear(c, &c->ring[c->next]);
		c->next = (c->next + 1) % c->size;
	}
	return c->failed;
}

void chunks_drop(struct chunks *c)
{
	if (!c->failed)
		c->failed = -ECANCELED;
	chunks_flush(c);
	c->failed = 0;
}

void chunks_done(struct chunks *c)
{
	pthread_mutex_lock(&c->lock);
	c->stopping = true;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	for (size_t i = 0; i < c->threads; i++)
		pthread_join(c->thread[i], NULL);
	for (size_t i = 0; i < CHUNKS_THREADS; i++) {
		struct chunk *chunk = &c->ring[i];

		if (chunk->open)
			deflateEnd(&chunk->deflate);
		bytes_done(&chunk->payload);
		bytes_done(&chunk->stored);
		free(chunk->scratch);
	}
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->changed);
}
