#include "cli/base/nearest.h"

#include <string.h>

enum {
	ROOM = 32,   /* longer words are like none */
	TOO_FAR = 3, /* edits; a short word takes fewer than it has letters */
};

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours that make b of a (optimal
 * string alignment). Both are shorter than ROOM. */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][ROOM + 1], n = strlen(b);
	size_t *before = rows[0], *last = rows[1], *row = rows[2];

	for (size_t k = 0; k <= n; k++)
		last[k] = k;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t *oldest = before;

		row[0] = i;
		for (size_t k = 1; k <= n; k++) {
			row[k] = least(last[k - 1] + (a[i - 1] != b[k - 1]),
				       least(last[k], row[k - 1]) + 1);
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] &&
			    a[i - 2] == b[k - 1])
				row[k] = least(row[k], before[k - 2] + 1);
		}
		before = last;
		last = row;
		row = oldest;
	}
	return last[n];
}

struct nearest nearest_to(const char *word)
{
	return (struct nearest){.word = word, .distance = TOO_FAR};
}

void nearest_offer(struct nearest *n, const char *candidate)
{
	size_t len = strlen(n->word), d;

	if (!len || len >= ROOM || strlen(candidate) >= ROOM)
		return;
	d = distance(n->word, candidate);
	if (d > 1 && !strncmp(n->word, candidate, len))
		d = 1; /* a beginning of it is as good as one edit */
	if (d < n->distance && d < strlen(candidate)) {
		n->distance = d;
		n->best = candidate;
	}
}
