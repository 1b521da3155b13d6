#include "cli/base/hash.h"

#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <unistd.h>

enum { ROUNDS = 1, LAST_ROUNDS = 3 }; /* SipHash-1-3: what hash tables use */

static struct hash_key own;

/* Before main, so that no thread reads half a key. */
__attribute__((constructor)) static void draw_key(void)
{
	const void *given = (const void *)getauxval(AT_RANDOM);

	if (getrandom(&own, sizeof(own), GRND_NONBLOCK) == sizeof(own))
		return;
	/* No getrandom(): the sixteen bytes that the kernel gave with the exec. */
	own = (struct hash_key){(uint64_t)getpid(), (uintptr_t)&own};
	if (given)
		memcpy(&own, given, sizeof(own));
}

struct state {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t turn(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void rounds(struct state *s, int n)
{
	for (; n; n--) {
		s->v0 += s->v1;
		s->v2 += s->v3;
		s->v1 = turn(s->v1, 13) ^ s->v0;
		s->v3 = turn(s->v3, 16) ^ s->v2;
		s->v0 = turn(s->v0, 32) + s->v3;
		s->v2 += s->v1;
		s->v3 = turn(s->v3, 21) ^ s->v0;
		s->v1 = turn(s->v1, 17) ^ s->v2;
		s->v2 = turn(s->v2, 32);
	}
}

static inline struct state begin(struct hash_key key)
{
	return (struct state){
		.v0 = key.low ^ 0x736f6d6570736575ull,
		.v1 = key.high ^ 0x646f72616e646f6dull,
		.v2 = key.low ^ 0x6c7967656e657261ull,
		.v3 = key.high ^ 0x7465646279746573ull,
	};
}

static inline void put(struct state *s, int c, uint64_t word)
{
	s->v3 ^= word;
	rounds(s, c);
	s->v0 ^= word;
}

static inline uint64_t finish(struct state *s, int d)
{
	s->v2 ^= 0xff;
	rounds(s, d);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

/* Of n bytes, n <= 8, the least significant first. */
static inline uint64_t word_at(const unsigned char *at, size_t n)
{
	uint64_t word = 0;

	memcpy(&word, at, n);
	return word;
}

static inline uint64_t sip(struct hash_key key, int c, int d, const void *data,
			   size_t len)
{
	const unsigned char *at = data;
	struct state s = begin(key);
	size_t left = len;

	for (; left >= 8; left -= 8, at += 8)
		put(&s, c, word_at(at, 8));
	put(&s, c, (uint64_t)len << 56 | (left ? word_at(at, left) : 0));
	return finish(&s, d);
}

uint64_t hash_sip(struct hash_key key, int c, int d, const void *data, size_t len)
{
	return sip(key, c, d, data, len);
}

uint64_t hash_bytes(const void *data, size_t len)
{
	return sip(own, ROUNDS, LAST_ROUNDS, data, len);
}

/* The length is always the same: its word may go. */
uint64_t hash_pair(uint64_t a, uint64_t b)
{
	struct state s = begin(own);

	put(&s, ROUNDS, a);
	put(&s, ROUNDS, b);
	return finish(&s, LAST_ROUNDS);
}
