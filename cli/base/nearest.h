/*
 * nearest.h - "did you mean": of several words the one that a mistyped word was most
 * likely meant to be.
 *
 *	struct nearest n = nearest_to(typed);
 *
 *	for each word
 *		nearest_offer(&n, word);
 *	n.best	// NULL: none is like it
 */
#pragma once

#include <stddef.h>

struct nearest {
	const char *word, *best;
	size_t distance; /* best's; others must have less */
};

struct nearest nearest_to(const char *word);
void nearest_offer(struct nearest *n, const char *candidate);
