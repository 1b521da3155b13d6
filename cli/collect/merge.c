#include "cli/collect/merge.h"

void merge_clear(struct merge *m)
{
	m->count = m->at = m->end = 0;
	m->mixed = false;
	m->stamp[1] = MERGE_NEVER;
}

static inline void place(struct merge *m, size_t at, struct merge_ring *r,
			 uint64_t stamp)
{
	m->heap[at] = r;
	m->stamp[at] = stamp;
}

void merge_add(struct merge *m, struct ring_reader *r, struct ledger_process *p,
	       struct ledger_thread *t)
{
	struct merge_ring *ring = &m->rings[m->count];
	size_t at = ++m->count;

	*ring = (struct merge_ring){.next = &r->window[r->at],
				    .end = &r->window[r->count],
				    .reader = r,
				    .process = p,
				    .thread = t};
	m->mixed |= p != m->rings[0].process;
	m->stamp[2 * at] = m->stamp[2 * at + 1] = MERGE_NEVER;
	for (; at > 1 && ring->next->stamp < m->stamp[at / 2]; at /= 2)
		place(m, at, m->heap[at / 2], m->stamp[at / 2]);
	place(m, at, ring, ring->next->stamp);
}

/* The first place's ring, or another one, goes where it belongs. */
static inline void sift_down(struct merge *m, struct merge_ring *ring, uint64_t stamp)
{
	size_t at = 1;

	for (;;) {
		size_t next = 2 * at;

		if (m->stamp[next + 1] < m->stamp[next]) {
			next++;
			/* A branch, or what follows would wait for the stamps. */
			__asm__ volatile("");
		}
		if (stamp <= m->stamp[next])
			break;
		place(m, at, m->heap[next], m->stamp[next]);
		at = next;
	}
	place(m, at, ring, stamp);
}

void merge_move(struct merge *m)
{
	struct merge_ring *ring = merge_first(m);
	struct ring_reader *r = ring->reader;

	ring->next = &r->window[r->at];
	ring->end = &r->window[r->count];
	sift_down(m, ring, ring->next->stamp);
}

void merge_drop(struct merge *m)
{
	size_t last = m->count--;
	uint64_t stamp = m->stamp[last];

	m->stamp[last] = MERGE_NEVER;
	if (m->count)
		sift_down(m, m->heap[last], stamp);
}

/* Up to which stamp the first ring may go on before another one's turn. */
static inline uint64_t limit_of(const struct merge *m, uint64_t limit)
{
	limit = m->stamp[2] < limit ? m->stamp[2] : limit;
	return m->stamp[3] < limit ? m->stamp[3] : limit;
}

/* The first ring's turns up to the limit. False: it has no more events. */
static inline bool plan_run(struct merge *m, uint64_t limit, struct merge_turn **to)
{
	struct merge_ring *ring = merge_first(m);
	struct event *ev = ring->next;
	struct merge_turn *next = *to, *last = &m->turns[MERGE_TURNS];
	uint64_t stamp = 0;
	bool half = ring->half;

	do {
		next->event = ev;
		next->ring = ring;
		next++;
		half = ev->type == EVENT_PAIR && !half;
		if (half)
			stamp = ev->stamp + ev->gap;
		else if (++ev < ring->end)
			stamp = ev->stamp;
		else
			break;
	} while (stamp <= limit && next < last);
	ring->half = half;
	ring->next = ev;
	*to = next;
	if (ev == ring->end)
		return false;
	sift_down(m, ring, stamp);
	return true;
}

void merge_plan(struct merge *m, uint64_t limit)
{
	struct merge_turn *to = m->turns, *last = &m->turns[MERGE_TURNS];

	while (to < last && m->stamp[1] <= limit)
		if (!plan_run(m, limit_of(m, limit), &to))
			break;
	to->event = NULL;
	m->at = 0;
	m->end = (size_t)(to - m->turns);
}
