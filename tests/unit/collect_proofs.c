/*
 * collect_proofs.c - blocks that looks found held by nothing and that were freed later:
 * random events at a few addresses, which come again and again, against a model that
 * knows each block by its number.
 */
#include "tests/unit/unit.h"

#include "cli/collect/ledger.h"
#include "tests/unit/chance.h"
#include "tests/unit/collect_base.h"

#include <stdlib.h>

enum { ADDRESSES = 12, STEPS = 400, BLOCKS = STEPS + 1 };


struct world {
	uint64_t random, stamp, looked_ns;
	struct stamp_clock clock;
	struct ledger ledger;
	struct ledger_process process;
	struct ledger_thread thread;
	uint32_t there[ADDRESSES]; /* number of the block; 0: none */
	uint32_t seen[ADDRESSES];  /* at the look under way */
	uint64_t address[BLOCKS], lost_ns[BLOCKS], freed_ns[BLOCKS];
	uint32_t count;
	bool looking;
};

static uint32_t chance(struct world *w, uint32_t below)
{
	return (uint32_t)chance_below(&w->random, below);
}

static void send(struct world *w, enum wire_type type, uint64_t at, uint64_t size)
{
	struct event ev = {.address = at,
			   .type = (uint8_t)type,
			   .stamp = w->stamp += 1000,
			   .stack = 1,
			   .size = size};

	ledger_event(&w->ledger, &w->process, &w->thread, &ev);
}

static uint64_t address_of(uint32_t place)
{
	return 0x7e0000000000 + place * 16;
}

static void born(struct world *w, uint32_t place)
{
	w->there[place] = ++w->count;
	w->address[w->count] = address_of(place);
}

static void died(struct world *w, uint32_t place)
{
	w->freed_ns[w->there[place]] = w->stamp;
	w->there[place] = 0;
}

static void change(struct world *w)
{
	uint32_t place = chance(w, ADDRESSES), to = chance(w, ADDRESSES);

	if (!w->there[place]) {
		send(w, WIRE_ALLOC, address_of(place), 24);
		born(w, place);
	} else if (chance(w, 3) || (w->there[to] && to != place)) {
		send(w, WIRE_FREE, address_of(place), 0);
		died(w, place);
	} else { /* in place, too: whoever does that has the address */
		send(w, WIRE_REALLOC_BEGIN, address_of(place), 0);
		died(w, place);
		send(w, WIRE_REALLOC_END, address_of(to), 32);
		born(w, to);
	}
}

static void look(struct world *w)
{
	w->looked_ns = w->stamp;
	proofs_begin(&w->process.proofs, w->stamp);
	for (int i = 0; i < ADDRESSES; i++)
		w->seen[i] = w->there[i];
	w->looking = true;
}

static void conclude(struct world *w)
{
	for (uint32_t i = 0; i < ADDRESSES; i++) {
		uint32_t block = w->seen[i];

		if (!block || chance(w, 2))
			continue;
		proofs_suspect(&w->process.proofs, address_of(i));
		if (!w->lost_ns[block])
			w->lost_ns[block] = w->looked_ns;
	}
	proofs_end(&w->process.proofs);
	w->looking = false;
}

static bool has_row(const struct world *w, uint32_t block)
{
	const struct proofs *p = &w->process.proofs;

	for (size_t i = 0; i < p->count; i++)
		if (p->rows[i].address == w->address[block] &&
		    p->rows[i].freed_ns == w->freed_ns[block]) {
			assert_int_equal(p->rows[i].lost_ns, w->lost_ns[block]);
			return true;
		}
	return false;
}

static size_t compare(const struct world *w)
{
	size_t proven = 0;

	for (uint32_t i = 1; i <= w->count; i++) {
		bool is = w->lost_ns[i] && w->freed_ns[i];

		assert_int_equal(has_row(w, i), is);
		proven += is;
	}
	assert_int_equal(w->process.proofs.count, proven);
	assert_false(w->process.proofs.lost);
	return proven;
}

static void whoever_frees_one_that_was_lost_is_seen(void **state)
{
	static struct world w;
	size_t proven = 0;

	(void)state;
	for (int round = 0; round < unit_rounds(300); round++) {
		w = (struct world){.random = (uint64_t)round * 2654435761 + 7,
				   .stamp = 1000000,
				   .clock = {.rate = 1ull << 32}};
		assert_int_equal(ledger_open(&w.ledger, base, &w.clock), 0);
		assert_int_equal(ledger_process_start(&w.ledger, &w.process, 1), 0);
		for (int i = 0; i < STEPS; i++) {
			if (chance(&w, 30))
				change(&w);
			else if (w.looking)
				conclude(&w);
			else
				look(&w);
		}
		if (w.looking)
			conclude(&w);
		proven += compare(&w);
		ledger_thread_end(&w.ledger, &w.process, &w.thread);
		ledger_process_end(&w.ledger, &w.process, w.stamp);
		assert_int_equal(w.process.proofs.count > 0, proven > 0);
		ledger_done(&w.ledger);
		ledger_process_done(&w.process);
	}
	assert_true(proven > 500);
}

static void more_than_there_is_room_for_is_said(void **state)
{
	struct proofs p = {0};

	(void)state;
	proofs_begin(&p, 5);
	for (uint64_t i = 0; i <= PROOFS_MOST; i++)
		proofs_suspect(&p, 16 * i);
	proofs_end(&p);
	assert_true(p.lost);
	assert_true(proofs_watches(&p, 16));
	proofs_done(&p);
}

static int set_up(void **state)
{
	(void)state;
	return base_open(1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whoever_frees_one_that_was_lost_is_seen),
		cmocka_unit_test(more_than_there_is_room_for_is_said),
	};

	return cmocka_run_group_tests(tests, set_up, base_close);
}
