/*
 * collect_arenas.c - what blocks use of arenas, at the heap's peak and now: random events
 * of both, against a map of pages and the sums at the greatest one.
 */
#include "tests/unit/unit.h"

#include "cli/collect/ledger.h"
#include "tests/unit/collect_base.h"

#include <stdlib.h>

enum {
	PAGE = 4096,
	PAGES = 6000, /* of addresses: a dozen spans */
	ARENAS = 10,
	ARENA_PAGES = 600, /* at most; some are in one span, some in three */
	BLOCKS = 60,
	STACKS = 5,
};

static const uint64_t first = 0x7f00001ff000; /* a span's last page */


static struct {
	uint64_t random, stamp;
	struct stamp_clock clock;
	struct ledger ledger;
	struct ledger_process process;
	struct ledger_thread thread;
	bool arena[PAGES];
	struct {
		uint64_t start, bytes; /* 0: none */
	} arenas[ARENAS];
	struct {
		uint64_t address, size;
		bool is, inside;
	} blocks[BLOCKS];
	struct profile_arenas now, at_peak;
	uint64_t live, most;
} w;

static uint64_t chance(uint64_t below)
{
	w.random ^= w.random << 13;
	w.random ^= w.random >> 7;
	w.random ^= w.random << 17;
	return (w.random >> 11) % below;
}

static struct event event(enum wire_type type, uint64_t address, uint64_t size)
{
	return (struct event){.type = (uint8_t)type,
			      .address = address,
			      .size = size,
			      .stack = 1 + (uint32_t)chance(STACKS),
			      .freed_by = 1 + (uint32_t)chance(STACKS),
			      .gap = 10,
			      .stamp = w.stamp += 1000};
}

/* One by one, or as they come in the common case. */
static void send(enum wire_type type, uint64_t address, uint64_t size)
{
	struct event ev = event(type, address, size), *next = &ev;

	if (chance(3)) {
		ledger_look_ahead(&w.ledger, &w.process, &ev, 1);
		next = ledger_run(&w.ledger, &w.process, &w.thread, &ev, &ev + 1,
				  UINT64_MAX);
	}
	if (next == &ev)
		ledger_event(&w.ledger, &w.process, &w.thread, &ev);
}

/* Both of its events in one run. */
static void send_realloc(uint64_t from, uint64_t to, uint64_t size)
{
	struct event both[2] = {event(WIRE_REALLOC_BEGIN, from, 0),
				event(WIRE_REALLOC_END, to, size)};
	struct event *next;

	ledger_look_ahead(&w.ledger, &w.process, both, 2);
	next = ledger_run(&w.ledger, &w.process, &w.thread, both, both + 2, UINT64_MAX);
	for (; next < both + 2; next++)
		ledger_event(&w.ledger, &w.process, &w.thread, next);
}

/* ---- the model ----------------------------------------------------------- */

static uint64_t page_of(uint64_t address)
{
	return (address - first) / PAGE;
}

static void mark(uint64_t start, uint64_t bytes, bool is)
{
	for (uint64_t i = page_of(start + PAGE - 1);
	     first + (i + 1) * PAGE <= start + bytes; i++)
		w.arena[i] = is;
	w.now.bytes += is ? bytes : -bytes;
}

static void born(int i, uint64_t address, uint64_t size)
{
	w.blocks[i].address = address;
	w.blocks[i].size = size;
	w.blocks[i].is = true;
	w.blocks[i].inside = w.arena[page_of(address)];
	w.now.used.blocks += w.blocks[i].inside;
	w.now.used.bytes += w.blocks[i].inside ? size : 0;
	w.live += size;
	if (w.live > w.most) {
		w.most = w.live;
		w.at_peak = w.now;
	}
}

static void died(int i)
{
	w.blocks[i].is = false;
	w.now.used.blocks -= w.blocks[i].inside;
	w.now.used.bytes -= w.blocks[i].inside ? w.blocks[i].size : 0;
	w.live -= w.blocks[i].size;
}

static bool is_free(uint64_t address)
{
	for (int i = 0; i < BLOCKS; i++)
		if (w.blocks[i].is && w.blocks[i].address == address)
			return false;
	return true;
}

static uint64_t some_address(void)
{
	uint64_t address;

	do
		address = first + chance(PAGES) * PAGE + chance(PAGE / 16) * 16;
	while (!is_free(address));
	return address;
}

/* ---- what happens -------------------------------------------------------- */

static bool holds_blocks(uint64_t start, uint64_t end)
{
	for (int i = 0; i < BLOCKS; i++)
		if (w.blocks[i].is && w.blocks[i].address >= start &&
		    w.blocks[i].address < end)
			return true;
	return false;
}

static bool lies_alone(uint64_t start, uint64_t end)
{
	for (int i = 0; i < ARENAS; i++)
		if (w.arenas[i].bytes && w.arenas[i].start < end &&
		    start < w.arenas[i].start + w.arenas[i].bytes)
			return false;
	return !holds_blocks(start, end);
}

/* As it is moved, its arena may be given back. */
static void leave_arena(int i)
{
	w.blocks[i].is = false;
	for (int k = 0; k < ARENAS; k++) {
		uint64_t start = w.arenas[k].start, bytes = w.arenas[k].bytes;

		if (w.blocks[i].address - start >= bytes ||
		    holds_blocks(start, start + bytes))
			continue;
		send(WIRE_ARENA_FREE, start, bytes);
		mark(start, bytes, false);
		w.arenas[k].bytes = 0;
	}
	w.blocks[i].is = true;
}

static void block(int i)
{
	uint64_t address = some_address(), size = chance(500);

	if (!w.blocks[i].is && chance(4)) {
		send(WIRE_ALLOC, address, size);
		born(i, address, size);
	} else if (!w.blocks[i].is) {
		send(EVENT_PAIR, address, size);
		born(i, address, size);
		died(i);
	} else if (chance(3)) {
		send(WIRE_FREE, w.blocks[i].address, 0);
		died(i);
	} else {
		bool fails = !chance(3);

		if (!fails && chance(2)) {
			send_realloc(w.blocks[i].address, address, size);
		} else {
			send(WIRE_REALLOC_BEGIN, w.blocks[i].address, 0);
			if (!fails)
				leave_arena(i);
			send(WIRE_REALLOC_END, fails ? 0 : address, fails ? 1 : size);
		}
		if (!fails) {
			died(i);
			born(i, address, size);
		}
	}
}

static void arena(int i)
{
	bool odd = !chance(3); /* one that malloc gave */
	uint64_t start =
		first + chance(PAGES - ARENA_PAGES - 1) * PAGE + (odd ? 16 : 0);
	uint64_t bytes = (1 + chance(ARENA_PAGES)) * PAGE - (odd ? 8 : 0);

	if (!w.arenas[i].bytes && lies_alone(start, start + bytes)) {
		send(WIRE_ARENA, start, bytes);
		mark(start, bytes, true);
		w.arenas[i].start = start;
		w.arenas[i].bytes = bytes;
		return;
	}
	start = w.arenas[i].start;
	bytes = w.arenas[i].bytes;
	if (!bytes || (w.now.used.blocks && chance(2)))
		return;
	for (int k = 0; k < BLOCKS; k++)
		if (w.blocks[k].is && w.blocks[k].address - start < bytes) {
			send(WIRE_FREE, w.blocks[k].address, 0);
			died(k);
		}
	send(start % PAGE || chance(2) ? WIRE_ARENA_FREE : WIRE_MUNMAP, start, bytes);
	if (!chance(4) && start % PAGE == 0) {
		send(WIRE_MUNMAP_FAILED, start, bytes);
		return;
	}
	mark(start, bytes, false);
	w.arenas[i].bytes = 0;
}

static void compare_figures(const struct profile_arenas *is,
			    const struct profile_arenas *expected)
{
	assert_int_equal(is->bytes, expected->bytes);
	assert_int_equal(is->used.blocks, expected->used.blocks);
	assert_int_equal(is->used.bytes, expected->used.bytes);
}

static void compare(void)
{
	const struct ledger_process *p = &w.process;
	struct profile_arenas at_peak;

	ledger_rest(&w.ledger);
	assert_int_equal(p->sums.peak[PROFILE_MALLOC].max.bytes, w.most);
	at_peak = arenas_at_peak(&p->arenas, p->sums.peak[PROFILE_MALLOC].epoch);
	compare_figures(&p->arenas.now, &w.now);
	compare_figures(&at_peak, &w.at_peak);
	assert_int_equal(p->sums.live[PROFILE_ARENA].bytes, w.now.bytes);
}

static void start(uint64_t seed)
{
	memset(&w, 0, sizeof(w));
	w.random = seed * 2654435761 + 99;
	w.stamp = 1000000;
	w.clock.rate = 1ull << 32;
	assert_int_equal(ledger_open(&w.ledger, base, &w.clock), 0);
	assert_int_equal(ledger_process_start(&w.ledger, &w.process, 1), 0);
}

static void end(void)
{
	ledger_rest(&w.ledger);
	ledger_thread_end(&w.ledger, &w.process, &w.thread);
	ledger_process_end(&w.ledger, &w.process, w.stamp);
	ledger_done(&w.ledger);
}

static void use_at_the_peak_is_what_it_was_then(void **state)
{
	int rounds = unit_rounds(200);
	uint64_t used = 0;

	(void)state;
	for (int round = 0; round < rounds; round++) {
		start((uint64_t)round);
		for (int i = 0; i < 400; i++) {
			if (chance(8))
				block((int)chance(BLOCKS));
			else
				arena((int)chance(ARENAS));
			if (!chance(4)) /* which ends what is summed up */
				compare();
		}
		compare();
		used += w.at_peak.used.blocks;
		end();
		compare_figures(&w.process.arenas.now, &w.now);
		ledger_process_done(&w.process);
	}
	assert_true(used > (uint64_t)rounds);
}

static void what_is_taken_down_was_there(void **state)
{
	struct profile_arenas at_peak, before;

	(void)state;
	start(7);
	send(WIRE_ARENA, first, 300 * PAGE);
	mark(first, 300 * PAGE, true);
	for (int i = 0; i < 9; i++)
		send(WIRE_ALLOC, first + 64 * (uint64_t)i, 50);
	before = w.process.arenas.now;
	assert_int_equal(before.used.blocks, 9);
	send(WIRE_GONE, first, 0);
	send(WIRE_ARENA_FREE, first, 300 * PAGE);
	send(WIRE_ARENA, first, 200 * PAGE);
	send(WIRE_ALLOC, first + 4096, 50000); /* the greatest of all */
	at_peak = arenas_at_peak(&w.process.arenas,
				 w.process.sums.peak[PROFILE_MALLOC].epoch);
	compare_figures(&w.process.arenas.now, &before);
	compare_figures(&at_peak, &before);
	end();
	ledger_process_done(&w.process);
}

/* As a wire might say that somebody scribbled on. */
static void more_than_can_be_is_not_known(void **state)
{
	(void)state;
	start(8);
	send(WIRE_ARENA, first, 4 << 20);
	send(WIRE_ALLOC, first + PAGE, 50);
	send(WIRE_ARENA, 0x10000000, 1ull << 46);
	send(WIRE_FREE, first + PAGE, 0);
	send(WIRE_ARENA_FREE, 0x10000000, 1ull << 46);
	compare_figures(&w.process.arenas.now, &(struct profile_arenas){0});
	compare_figures(&w.process.arenas.saved, &(struct profile_arenas){0});
	end();
	ledger_process_done(&w.process);
}

static int set_up(void **state)
{
	(void)state;
	return base_open(STACKS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(use_at_the_peak_is_what_it_was_then),
		cmocka_unit_test(what_is_taken_down_was_there),
		cmocka_unit_test(more_than_can_be_is_not_known),
	};

	return cmocka_run_group_tests(tests, set_up, base_close);
}
