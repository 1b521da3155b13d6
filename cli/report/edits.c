#include "cli/report/edits.h"

#include "cli/base/cleanup.h"
#include "cli/base/strings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct edits_line trim(struct edits_line l)
{
	while (l.len && strchr(" \t\r", l.text[0]))
		l = (struct edits_line){l.text + 1, l.len - 1};
	while (l.len && strchr(" \t\r", l.text[l.len - 1]))
		l.len--;
	return l;
}

/* Numbers for lines: equal numbers, equal lines. NULL without memory. */
static uint32_t *number(struct strings *known, const struct edits_line *lines, size_t n)
{
	uint32_t *numbers = calloc(n + 1, sizeof(*numbers));

	for (size_t i = 0; numbers && i < n; i++) {
		struct edits_line l = trim(lines[i]);

		numbers[i] = strings_add_n(known, l.text, l.len);
		if (numbers[i] == UINT32_MAX) {
			free(numbers);
			return NULL;
		}
	}
	return numbers;
}

/* The part of both texts that is still to be matched. */
struct part {
	const uint32_t *a, *b;
	size_t a_at, a_end, b_at, b_end;
	uint32_t *map;
};

/* Matches what both begin and end with. */
static void match_ends(struct part *p)
{
	while (p->a_at < p->a_end && p->b_at < p->b_end &&
	       p->a[p->a_at] == p->b[p->b_at])
		p->map[p->b_at++] = (uint32_t)p->a_at++;
	while (p->a_at < p->a_end && p->b_at < p->b_end &&
	       p->a[p->a_end - 1] == p->b[p->b_end - 1])
		p->map[--p->b_end] = (uint32_t)--p->a_end;
}

/* Longest common subsequence: longest[i][k] of a[i..] and b[k..]. */
static int match_middle(struct part *p, size_t *budget)
{
	size_t n = p->a_end - p->a_at, m = p->b_end - p->b_at, row = m + 1;
	_cleanup_(freep) uint16_t *longest = NULL;
	size_t i, k;

	if (!n || !m || n >= UINT16_MAX || m >= UINT16_MAX ||
	    (n + 1) * row > EDITS_CELLS || n * m > *budget)
		return 0;
	*budget -= n * m;
	longest = calloc((n + 1) * row, sizeof(*longest));
	if (!longest)
		return -ENOMEM;
	for (i = n; i-- > 0;)
		for (k = m; k-- > 0;) {
			uint16_t down = longest[(i + 1) * row + k];
			uint16_t right = longest[i * row + k + 1];

			if (p->a[p->a_at + i] == p->b[p->b_at + k])
				longest[i * row + k] =
					(uint16_t)(longest[(i + 1) * row + k + 1] + 1);
			else
				longest[i * row + k] = down > right ? down : right;
		}
	for (i = k = 0; i < n && k < m;) {
		if (p->a[p->a_at + i] == p->b[p->b_at + k])
			p->map[p->b_at + k++] = (uint32_t)(p->a_at + i++);
		else if (longest[(i + 1) * row + k] >= longest[i * row + k + 1])
			i++;
		else
			k++;
	}
	return 0;
}

/* ---- edited lines ---------------------------------------------------------- */

enum {
	ALIKE = 600,	   /* per mille of a line that stayed: it is the same, edited */
	ALIKE_CELLS = 4096 /* pairs of lines between two matched ones, at most */
};

/* How much of two lines they begin and end with in common, per mille. */
static uint32_t likeness(struct edits_line a, struct edits_line b)
{
	size_t least, most, start = 0, end = 0;

	a = trim(a);
	b = trim(b);
	least = a.len < b.len ? a.len : b.len;
	most = a.len > b.len ? a.len : b.len;
	while (start < least && a.text[start] == b.text[start])
		start++;
	while (end < least - start &&
	       a.text[a.len - 1 - end] == b.text[b.len - 1 - end])
		end++;
	return most ? (uint32_t)((start + end) * 1000 / most) : 0;
}

/* Lines between two matched ones: a[0..n) and b[0..m), which were a's from `first` on. */
struct gap {
	const struct edits_line *a, *b;
	size_t n, m, first;
	uint32_t *map; /* by line of b */
};

static size_t bytes_of(const struct edits_line *lines, size_t n)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += lines[i].len + 1;
	return bytes;
}

/* Pairs those that are alike, in order: the most likeness in all. best: of a[i..) and
 * b[k..). */
static int match_alike(const struct gap *g, size_t *budget)
{
	size_t row = g->m + 1, i, k;
	size_t cost = g->m * bytes_of(g->a, g->n) + g->n * bytes_of(g->b, g->m);
	_cleanup_(freep) uint32_t *best = NULL;

	if (g->n * g->m > ALIKE_CELLS || cost > *budget)
		return 0;
	*budget -= cost;
	best = calloc((g->n + 1) * row, sizeof(*best));
	if (!best)
		return -ENOMEM;
	for (i = g->n; i-- > 0;)
		for (k = g->m; k-- > 0;) {
			uint32_t down = best[(i + 1) * row + k];
			uint32_t right = best[i * row + k + 1];
			uint32_t *to = &best[i * row + k];
			uint32_t alike = likeness(g->a[i], g->b[k]);
			uint32_t both = alike + best[(i + 1) * row + k + 1];

			*to = down > right ? down : right;
			if (alike >= ALIKE && both > *to)
				*to = both;
		}
	for (i = k = 0; i < g->n && k < g->m;) {
		uint32_t here = best[i * row + k];

		if (here == best[(i + 1) * row + k])
			i++;
		else if (here == best[i * row + k + 1])
			k++;
		else
			g->map[k++] = (uint32_t)(g->first + i++);
	}
	return 0;
}

/* Pairs lines between matched ones: each with each where there are as many on both
 * sides, else those that are alike. */
static int match_edited(const struct edits_line *a, size_t n,
			const struct edits_line *b, size_t m, uint32_t *map,
			size_t *budget)
{
	size_t at = 0, a_at = 0;
	int r = 0;

	while (at < m && !r) {
		size_t end = at, a_end;
		struct gap gap;

		while (end < m && map[end] == EDITS_NONE)
			end++;
		a_end = end < m ? map[end] : n;
		gap = (struct gap){a + a_at, b + at, a_end - a_at,
				   end - at, a_at,   map + at};
		if (gap.n == gap.m)
			for (size_t i = at; i < end; i++)
				map[i] = (uint32_t)(a_at + (i - at));
		else if (gap.n && gap.m)
			r = match_alike(&gap, budget);
		a_at = a_end + 1;
		at = end + 1;
	}
	return r;
}

int edits_match(const struct edits_line *a, size_t n, const struct edits_line *b,
		size_t m, uint32_t *map, size_t *budget)
{
	_cleanup_(strings_done) struct strings known = {0};
	_cleanup_(freep) uint32_t *left = number(&known, a, n);
	_cleanup_(freep) uint32_t *right = number(&known, b, m);
	struct part p = {left, right, 0, n, 0, m, map};
	int r;

	if (!left || !right)
		return -ENOMEM;
	for (size_t i = 0; i < m; i++)
		map[i] = EDITS_NONE;
	match_ends(&p);
	r = match_middle(&p, budget);
	if (!r)
		r = match_edited(a, n, b, m, map, budget);
	return r;
}
