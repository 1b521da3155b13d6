/*
 * ledger_merge.c - the ledger's common case where events of several rings come one
 * after the other: what ledger_run() is for those of one ring.
 */
#include "cli/collect/ledger.h"
#include "cli/collect/plain.h"

/* The next turn's event. False: it is not plain, and nothing was done. */
static inline bool take_turn(struct ledger *l, struct merge *m,
			     const struct merge_turn *turn)
{
	struct ledger_process *p = turn->ring->process;
	struct ledger_thread *t = turn->ring->thread;
	struct event *ev = turn->event;
	uint8_t type = ev->type;

	if (type == EVENT_HELD && plain_let_go(l, ev)) {
		t->last_alloc = 0;
	} else if (type == EVENT_PAIR && merge_is_whole(m) && plain_pair(l, p, ev)) {
		t->last_alloc = 0;
		t->events++;
		m->at++;
	} else if (type == EVENT_PAIR && !m->mixed && !merge_is_whole(m) &&
		   plain_hold(l, p, ev)) {
		t->last_alloc = ev->address;
	} else if (type == WIRE_FREE &&
		   plain_free(l, p, ev, ev->address == t->last_alloc)) {
		t->last_alloc = 0;
	} else if ((type == WIRE_ALLOC || (type == EVENT_PAIR && !merge_is_whole(m))) &&
		   plain_allocate(l, p, ev)) {
		t->last_alloc = ev->address;
		if (type == EVENT_PAIR)
			event_free(ev);
	} else {
		return false;
	}
	t->events++;
	return true;
}

bool ledger_merge(struct ledger *l, struct merge *m)
{
	for (; m->at < m->end; m->at++) {
		const struct merge_turn *turn = &m->turns[m->at];
		struct ledger_process *p = turn->ring->process;

		if (!p || (l->sums.of != p && !ledger_sum_up(l, p)) ||
		    !take_turn(l, m, turn))
			return false;
	}
	return true;
}
