/*
 * chance.h - numbers by chance, the same in every run. Their state is the caller's, and
 * any number but 0 to begin with.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Of 53 bits. */
static inline uint64_t chance_any(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state >> 11;
}

/* 0 .. below - 1; below > 0. */
static inline uint64_t chance_below(uint64_t *state, uint64_t below)
{
	return chance_any(state) % below;
}

/* The place of any of the n flags that is as wanted; -1: there is none. */
static inline int chance_pick(uint64_t *state, const bool *flags, int n, bool wanted)
{
	int from = (int)chance_below(state, (uint64_t)n);

	for (int i = 0; i < n; i++)
		if (flags[(from + i) % n] == wanted)
			return (from + i) % n;
	return -1;
}
