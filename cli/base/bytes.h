/*
 * bytes.h - bytes out and bytes in: a buffer that grows, and the one reader that
 * every untrusted run of bytes goes through.
 *
 * Both remember their first failure and then do nothing, so that a long run of calls
 * is checked once, at its end. Integers are little-endian, or LEB128 varints: seven
 * bits a byte, the least significant first, bit 7 set on all but the last. Zigzag
 * makes small signed numbers small: 0, -1, 1, -2 are written 0, 1, 2, 3.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BYTES_VARINT_MAX = 10 }; /* bytes of the longest varint, 64 bits */

struct bytes {
	unsigned char *data; /* owned; len of room bytes are filled */
	size_t len, room;
	bool failed; /* without memory: the content is short of something */
};

/* Frees the buffer; it may be used again as an empty one. */
void bytes_done(struct bytes *b);

/* Forgets content and failure, keeps the memory. */
void bytes_reset(struct bytes *b);

/* Room for len more bytes, not counted in b->len until the caller adds what it
 * filled. NULL and b->failed without memory. */
unsigned char *bytes_room(struct bytes *b, size_t len);

void bytes_put(struct bytes *b, const void *data, size_t len);
void bytes_put_u16(struct bytes *b, uint16_t v);
void bytes_put_u32(struct bytes *b, uint32_t v);
void bytes_put_varint(struct bytes *b, uint64_t v);

static inline uint64_t bytes_zigzag(uint64_t v)
{
	return v << 1 ^ (0 - (v >> 63));
}

static inline uint64_t bytes_unzigzag(uint64_t v)
{
	return v >> 1 ^ (0 - (v & 1));
}

/* Writes v at `at`, which has BYTES_VARINT_MAX bytes of room; returns its end. */
static inline unsigned char *bytes_varint_at(unsigned char *at, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*at++ = (unsigned char)(v | 0x80);
	*at++ = (unsigned char)v;
	return at;
}

struct bytes_reader {
	const unsigned char *at, *end;
	bool failed; /* asked for more than there was, or a varint beyond 64 bits */
};

/* Reads data[0..len), which must stay; NULL is fine if len is 0. */
static inline struct bytes_reader bytes_reader(const void *data, size_t len)
{
	const unsigned char *at = data;

	return (struct bytes_reader){.at = at, .end = len ? at + len : at};
}

static inline size_t bytes_left(const struct bytes_reader *r)
{
	return (size_t)(r->end - r->at);
}

/* The next len bytes, where they lie, or NULL. */
const unsigned char *bytes_get(struct bytes_reader *r, size_t len);

/* The next number; 0 after a failure. */
uint16_t bytes_get_u16(struct bytes_reader *r);
uint32_t bytes_get_u32(struct bytes_reader *r);
uint64_t bytes_get_varint_slow(struct bytes_reader *r);

static inline uint64_t bytes_get_varint(struct bytes_reader *r)
{
	if (r->at < r->end && *r->at < 0x80)
		return *r->at++;
	return bytes_get_varint_slow(r);
}
