#include "tests/unit/unit.h"

#include "cli/collect/park.h"
#include "tests/unit/chance.h"

#include <stdlib.h>

enum { RINGS = 48, EACH = 2000, ADDRESS = 4096 };

static uint64_t random_state = 42;

static uint64_t chance(uint64_t below)
{
	return chance_below(&random_state, below);
}

static bool fits_type(const struct park_item *item, void *context)
{
	const uint8_t *type = context;

	return item->event.type == *type;
}

static struct ledger_process *some_process(void)
{
	static uint64_t word;

	return (struct ledger_process *)&word;
}

static void push(struct park *k, uint16_t ring, uint64_t stamp)
{
	struct event ev = {.address = ADDRESS,
			   .ring = ring,
			   .stamp = stamp,
			   .type = (uint8_t)chance(2)};

	assert_int_equal(park_push(k, some_process(), &ev, NULL, 1), 0);
}

/* Of each ring's first, the one of this type with the smallest stamp: the long way. */
static const struct park_item *oracle(const struct park_lot *lot, uint8_t type)
{
	const struct park_item *best = NULL;
	bool seen[RINGS] = {0};

	for (const struct park_item *i = lot->first; i; i = i->next) {
		if (!seen[i->event.ring] && i->event.type == type &&
		    (!best || i->event.stamp < best->event.stamp))
			best = i;
		seen[i->event.ring] = true;
	}
	return best;
}

static void drop(struct park *k, struct park_lot *lot, struct park_item *item)
{
	park_remove(k, lot, item);
	free(item);
}

static struct park_item *any(const struct park_lot *lot)
{
	struct park_item *i = lot->first;

	for (uint64_t n = chance(20); n && i->next; n--)
		i = i->next;
	return i;
}

static void the_first_of_the_ring_with_the_smallest_stamp_is_picked(void **state)
{
	struct park k = {0};

	(void)state;
	for (uint64_t step = 0; step < 40000; step++) {
		struct park_lot *lot = park_find(&k, some_process(), ADDRESS);
		uint8_t type = (uint8_t)chance(2);

		if (!lot || chance(100) < (step / 200 % 2 ? 60 : 45)) {
			push(&k, (uint16_t)chance(RINGS), step * 977 % 40009);
			continue;
		}
		assert_ptr_equal(park_pick(&k, lot, fits_type, &type),
				 oracle(lot, type));
		drop(&k, lot, chance(2) ? lot->heads : any(lot));
		if (!lot->first)
			park_close(&k, lot);
	}
	park_done(&k);
	assert_int_equal(k.item_count, 0);
	assert_int_equal(k.lot_count, 0);
}

/* Steps, not time. All that waits is looked at as often as something comes or goes. */
static void many_rings_that_hammer_one_address_cost_steps_by_rings_not_events(
	void **state)
{
	struct park k = {0};
	struct park_lot *lot;
	uint64_t looks = 0;
	uint8_t type = 9; /* fits none: the longest look */

	(void)state;
	for (uint64_t n = 0; n < RINGS * EACH; n++, looks++) {
		push(&k, (uint16_t)(n % RINGS), n);
		lot = park_find(&k, some_process(), ADDRESS);
		assert_null(park_pick(&k, lot, fits_type, &type));
	}
	lot = park_find(&k, some_process(), ADDRESS);
	for (uint64_t n = 0; n < RINGS * EACH; n++, looks++) {
		assert_null(park_pick(&k, lot, fits_type, &type));
		assert_int_equal(lot->heads->event.stamp, n); /* in their turn */
		drop(&k, lot, lot->heads);
	}
	assert_true(k.steps <= looks * 2 * RINGS);
	park_close(&k, lot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			the_first_of_the_ring_with_the_smallest_stamp_is_picked),
		cmocka_unit_test(
			many_rings_that_hammer_one_address_cost_steps_by_rings_not_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
