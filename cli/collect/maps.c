#include "cli/collect/maps.h"

#include "cli/base/array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void maps_done(struct maps *m)
{
	free(m->pieces);
	free(m->mappings);
	*m = (struct maps){0};
}

/* ---- mappings ------------------------------------------------------------ */

static int mapping_new(struct maps *m, uint32_t *ret)
{
	if (m->free) {
		*ret = m->free;
		m->free = m->mappings[m->free].next_free;
		return 0;
	}
	if (!m->mapping_count)
		m->mapping_count = 1;
	if (array_reserve(&m->mappings, &m->mapping_room, m->mapping_count + 1) < 0)
		return -ENOMEM;
	*ret = (uint32_t)m->mapping_count++;
	return 0;
}

static void mapping_settle(struct maps *m, uint32_t mapping)
{
	if (m->mappings[mapping].pieces || m->mappings[mapping].holds)
		return;
	m->mappings[mapping].next_free = m->free;
	m->free = mapping;
}

/* ---- pieces -------------------------------------------------------------- */

/* The first piece that ends behind `at`. */
static size_t seek(const struct maps *m, uint64_t at)
{
	size_t low = 0, high = m->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (m->pieces[middle].end > at)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* Replaces `remove` pieces from `at` on by n others. Room for them is there. */
static void splice(struct maps *m, size_t at, size_t remove,
		   const struct maps_piece *pieces, size_t n)
{
	if (!remove && !n)
		return;
	memmove(&m->pieces[at + n], &m->pieces[at + remove],
		(m->count - at - remove) * sizeof(*m->pieces));
	for (size_t i = 0; i < n; i++)
		m->pieces[at + i] = pieces[i];
	m->count += n;
	m->count -= remove;
}

static int reserve(struct maps *m)
{
	if (m->count + 2 > MAPS_PIECES)
		return -ENOSPC;
	return array_reserve(&m->pieces, &m->room, m->count + 2);
}

int maps_add(struct maps *m, uint64_t start, uint64_t end, uint32_t site,
	     uint64_t born_ns)
{
	struct maps_piece piece = {.start = start, .end = end};
	int r = reserve(m);

	if (r == 0)
		r = mapping_new(m, &piece.mapping);
	if (r < 0)
		return r;
	m->mappings[piece.mapping] =
		(struct maps_mapping){.born_ns = born_ns, .site = site, .pieces = 1};
	splice(m, seek(m, start), 0, &piece, 1);
	return 0;
}

/* What is left of the pieces from .. from+n-1 outside of [start, end): at most two. */
static size_t remainders(const struct maps *m, size_t from, size_t n, uint64_t start,
			 uint64_t end, struct maps_piece rest[2])
{
	size_t left = 0;

	if (n && m->pieces[from].start < start) {
		rest[left] = m->pieces[from];
		rest[left++].end = start;
	}
	if (n && m->pieces[from + n - 1].end > end) {
		rest[left] = m->pieces[from + n - 1];
		rest[left++].start = end;
	}
	return left;
}

int maps_cut(struct maps *m, uint64_t start, uint64_t end, struct maps_cuts *cuts)
{
	size_t from = seek(m, start), n = 0, left;
	struct maps_piece rest[2];
	int r;

	while (from + n < m->count && m->pieces[from + n].start < end)
		n++;
	left = remainders(m, from, n, start, end, rest);
	r = left > n ? reserve(m) : 0;
	if (r == 0)
		r = array_reserve(&cuts->items, &cuts->room, n);
	if (r < 0)
		return r;
	for (size_t i = 0; i < left; i++)
		m->mappings[rest[i].mapping].pieces++;
	for (size_t i = 0; i < n; i++) {
		const struct maps_piece *p = &m->pieces[from + i];
		struct maps_mapping *mapping = &m->mappings[p->mapping];

		mapping->holds++;
		mapping->pieces--;
		cuts->items[cuts->count++] = (struct maps_cut){
			.start = p->start > start ? p->start : start,
			.end = p->end < end ? p->end : end,
			.mapping = p->mapping,
			.last = !mapping->pieces,
		};
	}
	splice(m, from, n, rest, left);
	return 0;
}

int maps_restore(struct maps *m, const struct maps_cut *cut, uint32_t *ret_first)
{
	struct maps_piece piece = {cut->start, cut->end, cut->mapping};
	size_t at = seek(m, cut->start);
	int r = reserve(m);

	if (r == 0 && at < m->count && m->pieces[at].start < cut->end)
		r = -EEXIST;
	if (r < 0)
		return r;
	*ret_first = !m->mappings[cut->mapping].pieces++;
	splice(m, at, 0, &piece, 1);
	return 0;
}

void maps_forget(struct maps *m, struct maps_cuts *cuts)
{
	for (size_t i = 0; i < cuts->count; i++) {
		m->mappings[cuts->items[i].mapping].holds--;
		mapping_settle(m, cuts->items[i].mapping);
	}
	cuts->count = 0;
}
