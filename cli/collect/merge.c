#include "cli/collect/merge.h"

static void place(struct merge *m, size_t at, struct ring_reader *r, uint64_t key)
{
	m->heap[at] = r;
	m->key[at] = key;
}

static void sift_down(struct merge *m, struct ring_reader *r, uint64_t key)
{
	size_t at = 0;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= m->count)
			break;
		if (child + 1 < m->count && m->key[child + 1] < m->key[child])
			child++;
		if (key <= m->key[child])
			break;
		place(m, at, m->heap[child], m->key[child]);
		at = child;
	}
	place(m, at, r, key);
}

void merge_add(struct merge *m, struct ring_reader *r, uint64_t stamp)
{
	size_t at = m->count++;

	while (at && stamp < m->key[(at - 1) / 2]) {
		place(m, at, m->heap[(at - 1) / 2], m->key[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	place(m, at, r, stamp);
}

void merge_sift(struct merge *m, uint64_t stamp)
{
	sift_down(m, m->heap[0], stamp);
}

void merge_drop(struct merge *m)
{
	m->count--;
	if (m->count)
		sift_down(m, m->heap[m->count], m->key[m->count]);
}
