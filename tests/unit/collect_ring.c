/*
 * Two threads: a producer that follows wire.h, and the ring's reader. Under
 * ThreadSanitizer this fails when the reader acquires less than it says.
 */
#include "tests/unit/unit.h"

#include "cli/collect/ring_reader.h"
#include "tests/unit/chance.h"
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
		while (!wire_room(r->base, r->ring, 2))
			sched_yield();
		wire_put(r->base, r->ring, WIRE_ALLOC, address_of(i), i * 64, i, 1);
		if (i % 64 == 5)
			sched_yield();
		if (i % 3 == 2)
			wire_put(r->base, r->ring, WIRE_FREE, address_of(i),
				 i * 64 + (i % 7 ? 32 : 7), 0, 2);
	}
	return NULL;
}

/* An allocation and its free, together or one after the other. */
static void count_pairs(const struct event *ev, uint64_t *allocs, uint64_t *frees,
			uint64_t *late)
{
	uint64_t i = *allocs - (ev->type == WIRE_FREE), gap = i % 7 ? 32 : 7;

	if (ev->type == WIRE_FREE) {
		assert_int_equal(ev->address, address_of(i));
		assert_int_equal(ev->stamp, i * 64 + gap);
		assert_int_equal(ev->stack, 2);
		++*frees;
		++*late;
		return;
	}
	assert_int_equal(*frees, *allocs / 3);
	assert_int_equal(ev->address, address_of(i));
	assert_int_equal(ev->stamp, i * 64);
	assert_int_equal(ev->size, i);
	assert_int_equal(ev->stack, 1);
	++*allocs;
	if (ev->type == EVENT_PAIR) {
		assert_int_equal(ev->gap, gap);
		assert_int_equal(ev->freed_by, 2);
		++*frees;
	}
}

static void a_free_right_behind_its_allocation_is_seen_once(void **state)
{
	struct race race = {0};
	uint64_t allocs = 0, frees = 0, late = 0;
	struct event window[RING_WINDOW];
	struct ring_reader reader;
	pthread_t producer;
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
	pthread_join(producer, NULL);
	assert_true(late < frees);
	assert_false(ring_ready(&reader));
	ring_bury(&reader);
	assert_false(ring_ready(&reader));
	assert_int_equal(reader.bad, 0);
	wire_unmake(race.base);
	close(fd);
}

/* An event's parts, or one of another that they must not be taken for. */
static uint64_t some(uint64_t *random, uint64_t bits)
{
	return chance_below(random, 1ull << chance_below(random, bits + 1));
}

/* Events of one slot and of two, wherever the ring ends: what is read is what was put. */
static void what_is_read_is_what_was_put(void **state)
{
	enum { MANY = 20000, AT_ONCE = 300 };
	static struct event put[AT_ONCE];
	void *base = wire_make(0);

	(void)state;
	for (int k = 1; k < 9; k++)
		wire_add_node(base, (uint64_t)k, 0);
	for (uint64_t seed = 1; seed <= (uint64_t)unit_rounds(20); seed++) {
		uint64_t random = seed * 0x9e3779b97f4a7c15ull, stamp = 1 << 20;
		struct wire_ring *control = wire_ring(base, 0);
		struct event window[RING_WINDOW];
		struct ring_reader reader;

		control->head = control->reserved =
			seed * 4 * WIRE_RING_BYTES - 16 * chance_below(&random, 100);
		assert_int_equal(wire_claim(base, 0, 1, 1), 0);
		ring_open(&reader, base, 0);
		reader.window = window;
		for (int done = 0; done < MANY;) {
			int n = 1 + (int)chance_below(&random, AT_ONCE), seen = 0;

			for (int i = 0; i < n; i++) {
				stamp += some(&random, 30);
				if (chance_below(&random, 10))
					stamp = wire_stamp(stamp);
				if (!chance_below(&random, 100))
					stamp -= some(&random, 18);
				put[i] = (struct event){
					.address = 1 + some(&random, 47),
					.type = chance_below(&random, 2) ? WIRE_ALLOC
									 : WIRE_MMAP,
					.stamp = stamp,
					.size = some(&random, 47),
					.stack = (uint32_t)chance_below(&random, 9)};
				wire_put(base, 0, put[i].type, put[i].address, stamp,
					 put[i].size, put[i].stack);
			}
			while (ring_ready(&reader)) {
				ring_fill(&reader, base);
				for (; reader.at < reader.count; reader.at++) {
					const struct event *ev = &window[reader.at],
							   *is = &put[seen++];

					assert_int_equal(ev->type, is->type);
					assert_int_equal(ev->address, is->address);
					assert_int_equal(ev->stamp, is->stamp);
					assert_int_equal(ev->size, is->size);
					assert_int_equal(ev->stack, is->stack);
				}
			}
			assert_int_equal(seen, n);
			done += n;
		}
		assert_int_equal(reader.bad, 0);
		ring_bury(&reader);
		ring_release(&reader);
	}
	wire_unmake(base);
}

/* Events of two slots of which one was never written, or that end with their owner. */
static void half_an_event_is_none(void **state)
{
	void *base = wire_make(0);
	struct ring_reader reader;
	struct event window[RING_WINDOW];
	uint32_t ring = wire_claim(base, 0, 1, 1);
	uint64_t at = wire_reserve(base, ring), head;

	(void)state;
	/* A hole, and what was to be its second slot. */
	wire_commit(base, ring, at, WIRE_ALLOC, 4096, 1, 5000000, 0);
	wire_slot_at(base, ring, at)->head = wire_head(0, WIRE_NOP, at);
	/* Two of which the second one says that it is something else, or nothing yet. */
	at = wire_reserve(base, ring);
	wire_commit(base, ring, at, WIRE_ALLOC, 4096, 1, 5000000, 0);
	wire_slot_at(base, ring, at + 16)->head = wire_head(8192, WIRE_FREE, at + 16);
	at = wire_reserve(base, ring);
	wire_commit(base, ring, at, WIRE_ALLOC, 4096, 1, 5000000, 0);
	head = wire_slot_at(base, ring, at + 16)->head;
	wire_slot_at(base, ring, at + 16)->head = 0;
	ring_open(&reader, base, ring);
	reader.window = window;
	assert_int_equal(ring_fill(&reader, base), 1);
	assert_int_equal(window[0].address, 8192);
	assert_int_equal(reader.bad, 2);
	assert_int_equal(reader.read, at + 16);
	wire_slot_at(base, ring, at + 16)->head = head;
	assert_int_equal(ring_fill(&reader, base), 0);
	/* The dead one's last slot. */
	at = wire_reserve_bytes(base, ring, 16);
	wire_slot_at(base, ring, at + 16)->head = wire_head(100, WIRE_MORE, at + 16);
	wire_slot_at(base, ring, at)->head =
		wire_head(4096, WIRE_ALLOC, at) | (uint64_t)WIRE_LONG << 48;
	ring_bury(&reader);
	assert_int_equal(ring_fill(&reader, base), 0);
	assert_int_equal(reader.bad, 3);
	assert_false(ring_ready(&reader));
	wire_unmake(base);
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
	enum { SLOTS = WIRE_RING_BYTES / WIRE_LONG_BYTES };
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
		cmocka_unit_test(a_free_right_behind_its_allocation_is_seen_once),
		cmocka_unit_test(what_is_read_is_what_was_put),
		cmocka_unit_test(half_an_event_is_none),
		cmocka_unit_test(trimming_takes_nothing_from_a_producer_at_work),
		cmocka_unit_test(no_slot_is_punched_that_may_be_written),
		cmocka_unit_test(nonsense_is_counted_and_skipped),
		cmocka_unit_test(who_waits_for_room_is_not_woken_for_a_few_slots),
		cmocka_unit_test(a_reservation_beyond_reason_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
