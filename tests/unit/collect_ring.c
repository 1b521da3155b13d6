/*
 * Two threads: a producer that follows wire.h, and the ring's reader. Under
 * ThreadSanitizer this fails when the reader acquires less than it says.
 */
#include "tests/unit/unit.h"

#include "cli/collect/ring_reader.h"
#include "tests/unit/collect_wire.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>

enum { EVENTS = 400000 };

struct race {
	void *base;
	uint32_t ring;
};

static uint64_t address_of(uint64_t i)
{
	return 16 + (i * 0x9e3779b97f4aull) % (WIRE_PC_MASK - 16);
}

static void *produce(void *context)
{
	struct race *r = context;

	for (uint64_t i = 0; i < EVENTS; i++) {
		while (!wire_room(r->base, r->ring, 1))
			sched_yield();
		wire_put(r->base, r->ring, WIRE_ALLOC, address_of(i), i, i * 3,
			 (uint32_t)i % 5);
	}
	return NULL;
}

static void a_reader_sees_whole_slots_in_order(void **state)
{
	struct race race = {.base = wire_make(0)};
	struct ring_reader reader;
	struct event window[RING_WINDOW];
	pthread_t producer;
	uint64_t i = 0;

	(void)state;
	assert_non_null(race.base);
	for (int k = 1; k < 5; k++)
		wire_add_node(race.base, (uint64_t)k, 0);
	race.ring = wire_claim(race.base, 0, 1, 1);
	ring_open(&reader, race.base, race.ring);
	reader.window = window;
	assert_int_equal(pthread_create(&producer, NULL, produce, &race), 0);
	while (i < EVENTS) {
		if (!ring_ready(&reader))
			sched_yield();
		else
			ring_fill(&reader, race.base);
		for (; reader.at < reader.count; reader.at++, i++) {
			const struct event *ev = &window[reader.at];

			assert_int_equal(ev->address, address_of(i));
			assert_int_equal(ev->stamp, i);
			assert_int_equal(ev->size, i * 3);
			assert_int_equal(ev->stack, i % 5);
		}
	}
	pthread_join(producer, NULL);
	assert_int_equal(reader.bad, 0);
	assert_false(ring_ready(&reader));
	wire_unmake(race.base);
}

/* A ring in shared memory, whose descriptor it returns, its reader and its producer. */
static int race_begin(struct race *race, struct ring_reader *reader,
		      struct event *window, pthread_t *producer,
		      void *(*produces)(void *))
{
	int fd;

	race->base = wire_make_shared(0, &fd);
	assert_non_null(race->base);
	for (int k = 1; k < 5; k++)
		wire_add_node(race->base, (uint64_t)k, 0);
	race->ring = wire_claim(race->base, 0, 1, 1);
	ring_open(reader, race->base, race->ring);
	reader->window = window;
	assert_int_equal(pthread_create(producer, NULL, produces, race), 0);
	return fd;
}

/* Every third is freed at once, sooner or later than the reader comes. */
static void *produce_pairs(void *context)
{
	struct race *r = context;

	for (uint64_t i = 0; i < EVENTS; i++) {
		while (!wire_room(r->base, r->ring, 1))
			sched_yield();
		wire_put(r->base, r->ring, WIRE_ALLOC, address_of(i), i * 8, i, 1);
		if (i % 64 == 5)
			sched_yield();
		if (i % 3 == 2 &&
		    !wire_join(r->base, r->ring, address_of(i), i * 8 + 7, 2))
			return r;
	}
	return NULL;
}

/* An allocation and its free, together or one after the other. */
static void count_pairs(const struct event *ev, uint64_t *allocs, uint64_t *frees,
			uint64_t *late)
{
	if (ev->type == WIRE_FREE) {
		assert_int_equal(ev->address, address_of(*allocs - 1));
		assert_int_equal(ev->stamp, (*allocs - 1) * 8 + 7);
		assert_int_equal(ev->stack, 2);
		++*frees;
		++*late;
		return;
	}
	assert_int_equal(*frees, *allocs / 3);
	assert_int_equal(ev->address, address_of(*allocs));
	assert_int_equal(ev->stamp, *allocs * 8);
	assert_int_equal(ev->size, *allocs);
	assert_int_equal(ev->stack, 1);
	++*allocs;
	if (ev->type == WIRE_PAIR) {
		assert_int_equal(ev->gap, 7);
		assert_int_equal(ev->freed_by, 2);
		++*frees;
	}
}

static void a_free_that_joins_its_allocation_is_seen_once(void **state)
{
	struct race race = {0};
	uint64_t allocs = 0, frees = 0, late = 0;
	struct event window[RING_WINDOW];
	struct ring_reader reader;
	pthread_t producer;
	void *failed;
	int fd;

	(void)state;
	fd = race_begin(&race, &reader, window, &producer, produce_pairs);
	while (allocs < EVENTS || frees < EVENTS / 3) {
		if (ring_ready(&reader))
			ring_fill(&reader, race.base);
		else
			sched_yield();
		if (reader.read % 20480 < 4096)
			ring_trim(&reader, fd, 1);
		for (; reader.at < reader.count; reader.at++)
			count_pairs(&window[reader.at], &allocs, &frees, &late);
	}
	pthread_join(producer, &failed);
	assert_null(failed);
	assert_false(ring_ready(&reader));
	/* The last allocation may become a pair until its owner is dead. */
	ring_bury(&reader);
	assert_true(ring_ready(&reader));
	assert_int_equal(ring_fill(&reader, race.base), 0);
	assert_false(ring_ready(&reader));
	assert_int_equal(reader.bad, 0);
	wire_unmake(race.base);
	close(fd);
}

/* Deterministic: what a reader has seen of an allocation decides nothing. */
static void an_open_slot_is_not_given_back(void **state)
{
	struct event window[RING_WINDOW];
	struct ring_reader reader;
	void *base;
	int fd;

	(void)state;
	base = wire_make_shared(0, &fd);
	assert_non_null(base);
	wire_claim(base, 0, 1, 1);
	ring_open(&reader, base, 0);
	reader.window = window;
	for (uint64_t i = 0; i < 4096 / 32 * 3 + 1; i++) {
		wire_put(base, 0, WIRE_ALLOC, 16, i, 1, 0);
		reader.at = reader.count;
		if (ring_ready(&reader))
			ring_fill(&reader, base);
	}
	assert_false(ring_ready(&reader));
	assert_true(ring_trim(&reader, fd, 1));
	assert_int_equal(reader.given, 4096ull * 3);
	reader.at = reader.count;
	assert_int_equal(ring_done(&reader), 4096ull * 3 + 32);
	assert_true(wire_join(base, 0, 16, 4096 / 32 * 3 + 5, 0));
	assert_true(ring_ready(&reader));
	assert_int_equal(ring_fill(&reader, base), 1);
	assert_int_equal(window[0].type, WIRE_FREE);
	assert_int_equal(ring_done(&reader), 4096ull * 3);
	reader.at = reader.count;
	assert_false(ring_ready(&reader));
	wire_unmake(base);
	close(fd);
}

/* Trimmed as often as can be, while the producer writes as fast as it can. */
static void trimming_takes_nothing_from_a_producer_at_work(void **state)
{
	struct race race = {0};
	struct ring_reader reader;
	struct event window[RING_WINDOW];
	uint64_t i = 0, trimmed = 0;
	pthread_t producer;
	int fd;

	(void)state;
	fd = race_begin(&race, &reader, window, &producer, produce);
	while (i < EVENTS) {
		if (ring_ready(&reader))
			ring_fill(&reader, race.base);
		else
			sched_yield();
		if (reader.read % 20480 < 4096)
			trimmed += ring_trim(&reader, fd, 1);
		for (; reader.at < reader.count; reader.at++, i++) {
			assert_int_equal(window[reader.at].address, address_of(i));
			assert_int_equal(window[reader.at].stamp, i);
			assert_int_equal(window[reader.at].size, i * 3);
		}
	}
	pthread_join(producer, NULL);
	assert_int_equal(reader.bad, 0);
	assert_true(trimmed > 0); /* how often depends on who ran when */
	wire_unmake(race.base);
	close(fd);
}

/* A producer that uses all the room there is at the worst of moments: between the
 * decision to punch and the punching. */
static struct {
	void *base;
	uint32_t ring;
	uint64_t written;
} rival;

static void rival_writes(uint64_t most)
{
	while (rival.base && most-- && wire_room(rival.base, rival.ring, 1)) {
		wire_put(rival.base, rival.ring, WIRE_ALLOC, address_of(rival.written),
			 rival.written, 0, 0);
		rival.written++;
	}
}

/* In place of libc's. */
int fallocate(int fd, int mode, off_t at, off_t len)
{
	rival_writes(UINT64_MAX);
	return (int)syscall(SYS_fallocate, fd, mode, at, len);
}

static void no_slot_is_punched_that_may_be_written(void **state)
{
	struct ring_reader reader;
	struct event window[RING_WINDOW];
	uint64_t seen = 0, trimmed = 0;
	int fd;

	(void)state;
	rival.base = wire_make_shared(0, &fd);
	assert_non_null(rival.base);
	rival.ring = wire_claim(rival.base, 0, 1, 1);
	ring_open(&reader, rival.base, rival.ring);
	reader.window = window;
	for (uint64_t round = 0; round < 2000; round++) {
		rival_writes(1 + round * 7919 % 30000);
		for (uint64_t n = round * 31 % 400; n && ring_ready(&reader); n--) {
			ring_fill(&reader, rival.base);
			for (; reader.at < reader.count; reader.at++, seen++)
				assert_int_equal(window[reader.at].stamp, seen);
		}
		trimmed += ring_trim(&reader, fd, 1);
	}
	while (ring_ready(&reader))
		seen += ring_fill(&reader, rival.base);
	assert_int_equal(seen, rival.written);
	assert_true(trimmed > 200);
	wire_unmake(rival.base);
	rival.base = NULL;
	close(fd);
}

static void nonsense_is_counted_and_skipped(void **state)
{
	void *base = wire_make(0);
	struct ring_reader reader;
	struct event window[RING_WINDOW];
	uint32_t ring = wire_claim(base, 0, 1, 1);

	(void)state;
	wire_put(base, ring, 200, 4096, 1, 2, 0);
	wire_put(base, ring, WIRE_ALLOC, 0, 1, 2, 0);
	wire_put(base, ring, WIRE_NOP, 0, 1, 2, 0);
	wire_put(base, ring, WIRE_ALLOC, 4096, 1, 2, UINT32_MAX);
	ring_open(&reader, base, ring);
	reader.window = window;
	assert_int_equal(ring_fill(&reader, base), 1);
	assert_int_equal(reader.bad, 2);
	assert_int_equal(window[0].address, 4096);
	assert_int_equal(window[0].stack, 0);
	assert_false(ring_ready(&reader));
	wire_unmake(base);
}

static void a_reservation_beyond_reason_is_bounded(void **state)
{
	void *base = wire_make(0);
	uint32_t ring = wire_claim(base, 0, 1, 1);
	struct ring_reader reader;

	(void)state;
	ring_open(&reader, base, ring);
	atomic_store(&wire_ring(base, ring)->reserved, 1ull << 40);
	assert_int_equal(ring_bound(&reader), WIRE_RING_BYTES);
	atomic_store(&wire_ring(base, ring)->reserved, UINT64_MAX);
	assert_int_equal(ring_bound(&reader), 0);
	wire_unmake(base);
}

/* Room is given back in quarters, or when there is no more to read. */
static void who_waits_for_room_is_not_woken_for_a_few_slots(void **state)
{
	enum { SLOTS = WIRE_RING_BYTES / sizeof(struct wire_slot) };
	void *base = wire_make(0);
	struct ring_reader reader;
	struct event window[RING_WINDOW];
	uint32_t ring = wire_claim(base, 0, 1, 1);
	struct wire_ring *control = wire_ring(base, ring);
	uint64_t given = 0;

	(void)state;
	for (size_t i = 0; i < SLOTS; i++)
		wire_put(base, ring, WIRE_FREE, address_of(i), i, 1, 0);
	wire_reserve(base, ring);
	control->waiting = 1;
	ring_open(&reader, base, ring);
	reader.window = window;
	while (ring_ready(&reader)) {
		uint64_t head;

		assert_true(ring_fill(&reader, base) > 0);
		head = atomic_load(&control->head);
		assert_true(head == given || head - given >= WIRE_RING_BYTES / 4 ||
			    !ring_ready(&reader));
		given = head;
	}
	assert_int_equal(given, WIRE_RING_BYTES);
	assert_int_equal(control->room, 4);
	/* One more, and nothing behind it. */
	wire_commit(base, ring, WIRE_RING_BYTES, WIRE_FREE, 4096, 1, 1, 0);
	assert_int_equal(ring_fill(&reader, base), 1);
	assert_int_equal(atomic_load(&control->head), WIRE_RING_BYTES + 32);
	wire_unmake(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reader_sees_whole_slots_in_order),
		cmocka_unit_test(a_free_that_joins_its_allocation_is_seen_once),
		cmocka_unit_test(an_open_slot_is_not_given_back),
		cmocka_unit_test(trimming_takes_nothing_from_a_producer_at_work),
		cmocka_unit_test(no_slot_is_punched_that_may_be_written),
		cmocka_unit_test(nonsense_is_counted_and_skipped),
		cmocka_unit_test(who_waits_for_room_is_not_woken_for_a_few_slots),
		cmocka_unit_test(a_reservation_beyond_reason_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
