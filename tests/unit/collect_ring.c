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

static struct {
	off_t from, to; /* if `to` is not 0, what may be punched */
	uint64_t beyond;
} punches;

/* In place of libc's. */
int fallocate(int fd, int mode, off_t at, off_t len)
{
	rival_writes(UINT64_MAX);
	if (punches.to && (at < punches.from || len > punches.to - at)) {
		punches.beyond++;
		return -1;
	}
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

/* ---- whatever may lie there ------------------------------------------------ */

enum { PAGE = 4096, RING = 1 }; /* ring 0's memory lies before it */

/* The memory of a target that writes what it likes, while it is read: mostly what
 * nearly makes sense, where it will be read next. */
struct scribbler {
	void *base;
	_Atomic uint64_t near; /* the reader's cursor */
	_Atomic bool done;
	uint64_t random;
};

static uint64_t bits(uint64_t *random)
{
	return chance_any(random) << 32 ^ chance_any(random);
}

static void scribble_slot(struct scribbler *s)
{
	static const uint8_t types[] = {WIRE_ALLOC,
					WIRE_ALLOC,
					WIRE_FREE,
					WIRE_FREE,
					WIRE_MORE,
					WIRE_NOP,
					WIRE_ALLOC | WIRE_LONG,
					WIRE_POOL_ALLOC | WIRE_LONG,
					WIRE_MORE | WIRE_LONG,
					WIRE_TYPES,
					WIRE_REALLOC_END,
					WIRE_LONG};
	uint64_t *random = &s->random, type = types[chance_below(random, 12)];
	uint64_t cursor =
		atomic_load_explicit(&s->near, memory_order_relaxed) +
		16 * chance_below(random, chance_below(random, 64) ? 40 : 40000);
	struct wire_slot *slot = wire_slot_at(s->base, RING, cursor);
	uint64_t address = chance_below(random, 3), rest = bits(random);

	if (!chance_below(random, 8))
		type = chance_below(random, 256);
	if (!chance_below(random, 8))
		address = some(random, 48);
	if (!chance_below(random, 200))
		cursor += WIRE_RING_BYTES * (chance_below(random, 3) - 1);
	atomic_store_explicit(&slot->rest, rest, memory_order_relaxed);
	atomic_store_explicit(&slot->head,
			      chance_below(random, 50)
				      ? wire_head(address, (enum wire_type)type, cursor)
				      : bits(random),
			      memory_order_release);
}

static void scribble_control(struct scribbler *s)
{
	struct wire_header *h = s->base;
	struct wire_ring *c = wire_ring(s->base, RING);
	uint64_t *random = &s->random,
		 near = atomic_load_explicit(&s->near, memory_order_relaxed), value;

	value = chance_below(random, 2)
			? bits(random)
			: near + chance_below(random, 2 << 20) - (1 << 20);
	switch (chance_below(random, 5)) {
	case 0:
		atomic_store_explicit(&c->reserved, value, memory_order_relaxed);
		break;
	case 1: /* as it would be of one who tells the truth */
		atomic_store_explicit(&c->reserved,
				      near + 16 * chance_below(random, 40000),
				      memory_order_relaxed);
		break;
	case 2:
		atomic_store_explicit(&c->head, value, memory_order_relaxed);
		break;
	case 3:
		atomic_store_explicit(&c->waiting, (uint32_t)chance_below(random, 2),
				      memory_order_relaxed);
		break;
	default:
		atomic_store_explicit(&h->nodes_used, (uint32_t)bits(random),
				      memory_order_relaxed);
	}
}

static void scribble_some(struct scribbler *s, uint64_t near)
{
	atomic_store_explicit(&s->near, near, memory_order_relaxed);
	for (int i = 0; i < 20; i++)
		scribble_slot(s);
	scribble_control(s);
}

static void *scribble(void *context)
{
	struct scribbler *s = context;

	while (!atomic_load_explicit(&s->done, memory_order_relaxed)) {
		for (int i = 0; i < 1000; i++)
			scribble_slot(s);
		scribble_control(s);
	}
	return NULL;
}

/* Made of a slot, and nothing that is not checked. */
static void is_an_event(const struct event *ev)
{
	bool chunk = ev->type == WIRE_POOL_ALLOC || ev->type == WIRE_POOL_FREE;

	assert_true((ev->type > WIRE_NOP && ev->type < WIRE_TYPES &&
		     ev->type != WIRE_MORE) ||
		    ev->type == EVENT_PAIR);
	assert_true(ev->address <= WIRE_PC_MASK);
	assert_true(ev->address || ev->type > WIRE_FREE);
	assert_true(ev->address || ev->type != EVENT_PAIR);
	assert_true(ev->size <= WIRE_SIZE_MASK || chunk);
	assert_true(ev->stack < WIRE_NODES);
	assert_true(ev->type != EVENT_PAIR || ev->freed_by < WIRE_NODES);
	assert_int_equal(ev->ring, RING);
}

static void read_what_is_there(struct ring_reader *r, struct scribbler *s)
{
	uint64_t start = r->read, given = r->given;
	size_t n = ring_fill(r, s->base);

	atomic_store_explicit(&s->near, r->read, memory_order_relaxed);
	assert_true(n <= RING_WINDOW);
	assert_int_equal(r->count, n);
	assert_true(r->read - start <= WIRE_RING_BYTES / 4 + sizeof(struct wire_slot));
	assert_true(!r->dead || (int64_t)(r->end - r->read) >= 0);
	assert_int_equal(r->read % sizeof(struct wire_slot), 0);
	assert_true(r->read - r->given <= WIRE_RING_BYTES);
	assert_true((int64_t)(r->given - given) >= 0);
	for (; r->at < r->count; r->at++)
		is_an_event(&r->window[r->at]);
}

/* A process that ends: what it has is read to its end, in so many steps and no more. */
static void read_to_the_end(struct ring_reader *r, struct scribbler *s)
{
	ring_bury(r);
	assert_true(r->end - r->read <= WIRE_RING_BYTES);
	for (uint64_t last; ring_ready(r);) {
		last = r->read;
		read_what_is_there(r, s);
		assert_true(r->read > last);
	}
	assert_int_equal(r->read, r->end);
	ring_release(r);
}

static void guard(void *at)
{
	assert_int_equal(mprotect(at, PAGE, PROT_NONE), 0);
}

static void whatever_lies_there_is_read_within_bounds(void **state)
{
	struct scribbler s = {.random = 4711}, own = {.random = 4712};
	struct ring_reader r;
	uint64_t random = 815, bad = 0;
	unsigned char *window;
	pthread_t thread;
	size_t events = 0;
	int fd;

	(void)state;
	s.base = wire_make_shared(0, &fd);
	own.base = s.base;
	window = mmap(NULL, RING_WINDOW * sizeof(struct event) + PAGE,
		      PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(s.base && window != MAP_FAILED);
	guard(window + RING_WINDOW * sizeof(struct event));
	guard(wire_data(s.base, RING) - PAGE);
	guard(wire_scratch(s.base, RING));
	punches.from = (off_t)(WIRE_AT_DATA + RING * WIRE_DATA_STRIDE);
	punches.to = punches.from + WIRE_RING_BYTES;
	assert_int_equal(pthread_create(&thread, NULL, scribble, &s), 0);
	for (int owner = unit_rounds(200); owner; owner--) {
		ring_open(&r, s.base, RING);
		r.window = (struct event *)(void *)window;
		atomic_store_explicit(&s.near, r.read, memory_order_relaxed);
		for (uint64_t n = chance_below(&random, 1000); n; n--) {
			if (ring_ready(&r) || !chance_below(&random, 100))
				read_what_is_there(&r, &s);
			else /* what it does not get beyond is written anew */
				scribble_some(&own, r.read);
			events += r.count;
			assert_true(ring_done(&r) == r.read);
			assert_true(ring_bound(&r) - r.read <= WIRE_RING_BYTES);
			if (!chance_below(&random, 100))
				ring_trim(&r, fd, PAGE);
		}
		bad += r.bad;
		read_to_the_end(&r, &s);
	}
	atomic_store_explicit(&s.done, true, memory_order_relaxed);
	pthread_join(thread, NULL);
	assert_true(events > 1000);
	assert_true(bad > 100);
	assert_int_equal(punches.beyond, 0);
	punches.to = 0;
	munmap(window, RING_WINDOW * sizeof(struct event) + PAGE);
	wire_unmake(s.base);
	close(fd);
}

/* Who says that it has reserved nothing, and writes on: no more is kept back than there is
 * in a ring, nor punched. */
static void a_reservation_that_lags_holds_nothing_up(void **state)
{
	struct event window[RING_WINDOW];
	struct ring_reader r;
	void *base;
	int fd;

	(void)state;
	base = wire_make_shared(0, &fd);
	assert_non_null(base);
	punches.from = (off_t)(WIRE_AT_DATA + RING * WIRE_DATA_STRIDE);
	punches.to = punches.from + WIRE_RING_BYTES;
	ring_open(&r, base, RING);
	r.window = window;
	while (r.read < 5 * WIRE_RING_BYTES / 2) {
		if (!ring_ready(&r))
			for (uint64_t at = r.read; at < r.read + 4096; at += 16)
				wire_commit_short(base, RING, at, WIRE_ALLOC, 4096, 0,
						  1, 0);
		ring_fill(&r, base);
		assert_true(r.read - r.given <= WIRE_RING_BYTES);
	}
	assert_true(ring_trim(&r, fd, 1));
	assert_int_equal(punches.beyond, 0);
	punches.to = 0;
	wire_unmake(base);
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
		cmocka_unit_test(whatever_lies_there_is_read_within_bounds),
		cmocka_unit_test(a_reservation_that_lags_holds_nothing_up),
		cmocka_unit_test(nonsense_is_counted_and_skipped),
		cmocka_unit_test(who_waits_for_room_is_not_woken_for_a_few_slots),
		cmocka_unit_test(a_reservation_beyond_reason_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
