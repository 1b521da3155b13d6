/*
 * hash.h - hashes for tables whose keys somebody else chose: SipHash, with a key that
 * each process draws for itself, so that nobody can make keys that collide in advance.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct hash_key {
	uint64_t low, high;
};

/* Of data[0..len); of two numbers. The same within one process, another in the next. */
uint64_t hash_bytes(const void *data, size_t len);
uint64_t hash_pair(uint64_t a, uint64_t b);

/* ---- for tests ------------------------------------------------------------ */

/* SipHash with c rounds a word and d at the end. */
uint64_t hash_sip(struct hash_key key, int c, int d, const void *data, size_t len);
