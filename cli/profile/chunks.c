#include "cli/profile/chunks.h"

#include "cli/base/array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

static bool is_same(const struct bytes *a, const struct bytes *b)
{
	return !b->failed && a->len == b->len && !memcmp(a->data, b->data, b->len);
}

static void make(const struct chunks *c, struct chunk *chunk)
{
	static const unsigned char place[FORMAT_CHUNK_HEADER_BYTES];

	if (chunk->make)
		chunk->make(chunk);
	chunk->same = chunk->was && is_same(chunk->was, &chunk->payload);
	if (chunk->same)
		return;
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

static void make_item(void *context, void *item)
{
	make(context, item);
}

static int put_item(void *context, void *item)
{
	struct chunks *c = context;
	struct chunk *chunk = item;

	if (chunk->payload.failed || chunk->stored.failed)
		return -ENOMEM;
	return c->put(c->context, chunk);
}

/* ---- in order ------------------------------------------------------------------- */

void chunks_init(struct chunks *c, int (*put)(void *, struct chunk *), void *context,
		 int level)
{
	*c = (struct chunks){.put = put, .context = context, .level = level};
	relay_init(&c->relay, make_item, put_item, c);
	for (size_t i = 0; i < RELAY_THREADS; i++)
		c->relay.item[i] = &c->ring[i];
}

void chunks_use_threads(struct chunks *c)
{
	relay_use_threads(&c->relay, RELAY_THREADS);
}

int chunks_next(struct chunks *c, enum format_chunk type, struct chunk **ret)
{
	struct chunk *chunk;
	void *item;
	int r = relay_next(&c->relay, &item);

	if (r < 0)
		return r;
	chunk = item;
	bytes_reset(&chunk->payload);
	bytes_reset(&chunk->stored);
	chunk->type = (uint16_t)type;
	chunk->plain = false;
	chunk->make = NULL;
	chunk->piece = NULL;
	chunk->was = NULL;
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

/* Numbers that it is made of, as far as that can be told before. */
static size_t cells(const struct chunk *chunk)
{
	return chunk->payload.len +
	       (chunk->make ? chunk->count * format_sections[chunk->type].column_count
			    : 0);
}

int chunks_go(struct chunks *c, const struct chunk *chunk)
{
	return cells(chunk) < CHUNKS_FEW ? relay_do(&c->relay) : relay_go(&c->relay);
}

int chunks_flush(struct chunks *c)
{
	return relay_flush(&c->relay);
}

void chunks_drop(struct chunks *c)
{
	relay_drop(&c->relay);
}

void chunks_done(struct chunks *c)
{
	relay_done(&c->relay);
	for (size_t i = 0; i < RELAY_THREADS; i++) {
		struct chunk *chunk = &c->ring[i];

		if (chunk->open)
			deflateEnd(&chunk->deflate);
		bytes_done(&chunk->payload);
		bytes_done(&chunk->stored);
		free(chunk->scratch);
	}
}
