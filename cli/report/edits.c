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

/* Pairs lines between matched ones where there are as many on both sides. */
static void match_edited(size_t n, size_t m, uint32_t *map)
{
	size_t at = 0, a_at = 0;

	while (at < m) {
		size_t end = at, a_end;

		while (end < m && map[end] == EDITS_NONE)
			end++;
		a_end = end < m ? map[end] : n;
		if (end > at && a_end - a_at == end - at)
			for (size_t i = at; i < end; i++)
				map[i] = (uint32_t)(a_at + (i - at));
		a_at = a_end + 1;
		at = end + 1;
	}
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
		match_edited(n, m, map);
	return r;
}
