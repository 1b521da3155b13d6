#include "cli/base/bytes.h"

#include "cli/base/array.h"

#include <stdlib.h>
#include <string.h>

void bytes_done(struct bytes *b)
{
	free(b->data);
	*b = (struct bytes){0};
}

void bytes_reset(struct bytes *b)
{
	b->len = 0;
	b->failed = false;
}

unsigned char *bytes_room(struct bytes *b, size_t len)
{
	size_t need;

	if (b->failed || __builtin_add_overflow(b->len, len, &need) ||
	    array_reserve(&b->data, &b->room, need ? need : 1) < 0) {
		b->failed = true;
		return NULL;
	}
	return b->data + b->len;
}

void bytes_put(struct bytes *b, const void *data, size_t len)
{
	unsigned char *at = bytes_room(b, len);

	if (!at || !len)
		return;
	memcpy(at, data, len);
	b->len += len;
}

void bytes_put_u16(struct bytes *b, uint16_t v)
{
	bytes_put(b, (unsigned char[]){(unsigned char)v, (unsigned char)(v >> 8)}, 2);
}

void bytes_put_u32(struct bytes *b, uint32_t v)
{
	bytes_put_u16(b, (uint16_t)v);
	bytes_put_u16(b, (uint16_t)(v >> 16));
}

void bytes_put_varint(struct bytes *b, uint64_t v)
{
	unsigned char *at = bytes_room(b, BYTES_VARINT_MAX);

	if (at)
		b->len += (size_t)(bytes_varint_at(at, v) - at);
}

/* A failed reader is an empty one, so that nothing more comes out of it. */
static uint64_t fail(struct bytes_reader *r)
{
	r->failed = true;
	r->at = r->end;
	return 0;
}

const unsigned char *bytes_get(struct bytes_reader *r, size_t len)
{
	const unsigned char *at = r->at;

	if (r->failed || len > bytes_left(r)) {
		fail(r);
		return NULL;
	}
	r->at += len;
	return at;
}

uint16_t bytes_get_u16(struct bytes_reader *r)
{
	const unsigned char *at = bytes_get(r, 2);

	return (uint16_t)(at ? (unsigned)at[0] | (unsigned)at[1] << 8 : 0u);
}

uint32_t bytes_get_u32(struct bytes_reader *r)
{
	const unsigned char *at = bytes_get(r, 4);

	return at ? (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
			    (uint32_t)at[3] << 24
		  : 0;
}

uint64_t bytes_get_varint_slow(struct bytes_reader *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint64_t byte;

		if (r->at == r->end)
			return fail(r);
		byte = *r->at++;
		if (shift == 63 && byte > 1)
			return fail(r);
		v |= (byte & 0x7f) << shift;
		if (byte < 0x80)
			return v;
	}
	return fail(r);
}
