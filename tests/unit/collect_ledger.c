/*
 * Runs against one event after the other: two ledgers are given the same random events,
 * some of which contradict each other, and must keep the same books. One looks ahead,
 * and takes what is plain the short way, an allocation and its free at one blow.
 */
#include "tests/unit/unit.h"

#include "cli/collect/fill.h"
#include "cli/collect/ledger.h"
#include "tests/unit/chance.h"
#include "tests/unit/collect_base.h"
#include "tests/unit/collect_compare.h"

#include <stdlib.h>

enum {
	ADDRESSES = 12,
	RINGS = 3,
	STACKS = 9,
	EVENTS = 600,
	BATCH = 16,
	PROCESSES = 2, /* the second is a fork child of the first */
};


struct side { /* what one of the two ledgers is given */
	struct ledger ledger;
	struct ledger_process process[PROCESSES], crowd;
	struct ledger_thread thread[RINGS];
};

struct world {
	uint64_t random, stamp;
	uint64_t lies; /* one event of so many is of a random kind */
	size_t plain_events, pairs, halves;
	bool live[PROCESSES][ADDRESSES]; /* what a legal event would find */
	struct stamp_clock clock;
	struct side single, running;
	struct event events[EVENTS];
};

static uint64_t chance(struct world *w, uint64_t below)
{
	return chance_below(&w->random, below);
}

static int process_of(uint16_t ring)
{
	return ring == RINGS - 1;
}

/* ---- the events ---------------------------------------------------------- */

static struct event random_event(struct world *w)
{
	uint64_t which = chance(w, 100), at = chance(w, ADDRESSES);
	struct event ev = {
		.address = 0x1000 + at * 40 + (at == 7 ? 3 : 0),
		/* As fine as the live table keeps moments: what it rounds, and
		 * whether it knows better, is not at issue here. */
		.stamp = w->stamp += chance(w, 50) * 64,
		.size = chance(w, 30) ? chance(w, 900) : (6ull << 30) + chance(w, 9),
		.stack = (uint32_t)chance(w, STACKS + 1),
		.ring = (uint16_t)chance(w, RINGS),
		.type = WIRE_ALLOC,
	};

	bool *live = &w->live[process_of(ev.ring)][at];

	/* Mostly legal. */
	if (chance(w, w->lies) ? *live : which < 50)
		ev.type = WIRE_FREE;
	*live = ev.type == WIRE_ALLOC;
	if (which < 6 && ev.type == WIRE_ALLOC) {
		ev.type = WIRE_IGNORE;
		*live = true;
	}
	if (which >= 94 && ev.type == WIRE_FREE)
		ev.type = WIRE_REALLOC_BEGIN;
	else if (which >= 94)
		ev.type = WIRE_REALLOC_END;
	if (which >= 98 && ev.type == WIRE_REALLOC_END)
		ev.address = 0;
	return ev;
}

/* What was allocated last is freed at once, as a rule by the same thread; then the two
 * may be one event. */
static bool free_last(struct world *w, struct event *born, struct event *ret)
{
	struct event ev = *born;

	ev.type = WIRE_FREE;
	ev.stamp = w->stamp += chance(w, 50) * 64;
	ev.stack = (uint32_t)chance(w, STACKS + 1);
	if (!chance(w, 4))
		ev.ring = (uint16_t)chance(w, RINGS);
	w->live[process_of(ev.ring)][(ev.address - 0x1000) / 40] = false;
	if (ev.ring == born->ring && chance(w, 2)) {
		born->type = EVENT_PAIR;
		born->gap = (uint32_t)(ev.stamp - born->stamp);
		born->freed_by = ev.stack;
		return false;
	}
	*ret = ev;
	return true;
}

static void random_events(struct world *w)
{
	for (size_t i = 0; i < EVENTS; i++) {
		struct event *ev = &w->events[i];

		if (!i || ev[-1].type != WIRE_ALLOC || chance(w, 3) ||
		    !free_last(w, &ev[-1], ev))
			*ev = random_event(w);
	}
}

/* ---- the two ledgers ----------------------------------------------------- */

static void open_side(struct world *w, struct side *s, bool together)
{
	assert_int_equal(ledger_open(&s->ledger, base, &w->clock), 0);
	for (uint32_t i = 0; i < PROCESSES; i++)
		assert_int_equal(
			ledger_process_start(&s->ledger, &s->process[i], i + 1), 0);
	assert_int_equal(ledger_crowd_start(&s->ledger, &s->crowd, PROCESSES + 1), 0);
	for (int i = 0; together && i < PROCESSES; i++)
		assert_int_equal(sites_join(&s->ledger.sites, &s->process[i].sums,
					    &s->crowd.sums),
				 0);
}

static void close_side(struct side *s)
{
	for (int i = 0; i < RINGS; i++)
		ledger_thread_end(&s->ledger, &s->process[process_of((uint16_t)i)],
				  &s->thread[i]);
	ledger_done(&s->ledger);
	for (int i = 0; i < PROCESSES; i++)
		ledger_process_done(&s->process[i]);
	ledger_process_done(&s->crowd);
}

static struct ledger_process *owner(struct side *s, const struct event *ev)
{
	return &s->process[process_of(ev->ring)];
}

/* One after the other, with nothing known in advance. */
static void give_singly(struct side *s, const struct event *events, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct event ev = events[i];

		ledger_event(&s->ledger, owner(s, &ev), &s->thread[ev.ring], &ev);
	}
}

static uint64_t last_stamp(const struct event *ev)
{
	return ev->stamp + (ev->type == EVENT_PAIR ? ev->gap : 0);
}

/* How many the slots stand for. */
static size_t number(const struct event *events, size_t n)
{
	size_t all = n;

	for (size_t i = 0; i < n; i++)
		all += events[i].type == EVENT_PAIR;
	return all;
}

/* Of one ring, as the engine does it. */
static void give_run(struct world *w, struct side *s, struct event *run, size_t n,
		     uint64_t limit)
{
	struct ledger_thread *t = &s->thread[run->ring];
	struct ledger_process *p = owner(s, run);

	ledger_look_ahead(&s->ledger, p, run, n);
	for (size_t i = 0, done; i < n; i += done + 1) {
		uint64_t events = t->events, whole;
		size_t all = number(run + i, n - i);

		done = (size_t)(ledger_run(&s->ledger, p, t, run + i, run + n, limit) -
				(run + i));
		events = t->events - events;
		whole = number(run + i, done);
		for (size_t k = i; k < i + done; k++)
			assert_true(last_stamp(&run[k]) <= limit);
		assert_int_equal(events, all - number(run + i + done, n - i - done));
		w->plain_events += done;
		w->pairs += whole - done;
		w->halves += events - whole;
		if (i + done < n)
			ledger_event(&s->ledger, p, t, &run[i + done]);
	}
	ledger_rest(&s->ledger);
}

static void give_batch(struct world *w, struct side *s, struct event *batch, size_t n)
{
	for (size_t i = 0, run; i < n; i += run) {
		for (run = 1; i + run < n && batch[i + run].ring == batch[i].ring;)
			run++;
		give_run(w, s, &batch[i], run,
			 chance(w, 4) ? UINT64_MAX : batch[i + chance(w, run)].stamp);
	}
}

static void settle(struct side *s, uint64_t behind)
{
	uint64_t round = ++s->ledger.round;

	for (int i = 0; i < PROCESSES; i++)
		ledger_settle(&s->ledger, &s->process[i],
			      round > behind ? round - behind : 0);
}

static void inherit(struct side *s, uint64_t ns)
{
	ledger_process_inherit(&s->process[1], &s->process[0], 2, ns);
}

/* ---- what they came to --------------------------------------------------- */

static void fill_in(struct side *s, struct profile *p)
{
	assert_int_equal(fill_sites(&s->ledger.sites, p), 0);
	assert_int_equal(fill_timeline(&s->ledger.sites.timeline, p), 0);
}

static void empty(struct profile *p)
{
	for (size_t i = 0; i < p->site_count; i++) {
		free(p->sites[i].sizes);
		free(p->sites[i].lives);
	}
	free(p->sites);
	free(p->bins);
}

static void see(void *context, uint64_t address, const struct live_block *b)
{
	struct ledger_process *other = context;
	struct live_block same;

	assert_true(live_take(&other->live, address, &same));
	assert_int_equal(same.ignored, b->ignored);
	assert_int_equal(live_add(&other->live, address, &same), 0);
}

/* But for how many epochs its peaks have had: of maxima that follow each other, with
 * nothing kept in between, a run notes the last. */
static void compare_sums(const struct ledger_process *a, const struct ledger_process *b)
{
	struct sites_process x = a->sums, y = b->sums;

	for (size_t i = 0; i < sizeof(x.peak) / sizeof(x.peak[0]); i++)
		x.peak[i].epoch = y.peak[i].epoch = 0;
	x.direct = y.direct = x.met = y.met = NULL;
	x.crowd = y.crowd = NULL;
	assert_memory_equal(&x, &y, sizeof(x));
}

static void compare_processes(struct side *a, struct side *b)
{
	for (int i = 0; i < PROCESSES; i++) {
		struct ledger_process *x = &a->process[i], *y = &b->process[i];

		compare_sums(x, y);
		assert_int_equal(x->unknown_frees, y->unknown_frees);
		assert_int_equal(x->unseen_frees, y->unseen_frees);
		assert_memory_equal(&x->finalised, &y->finalised, sizeof(x->finalised));
		assert_int_equal(x->parked, y->parked);
		assert_int_equal(x->lineage.freed.bytes, y->lineage.freed.bytes);
		assert_int_equal(x->lineage.gone_count, y->lineage.gone_count);
		assert_int_equal(live_count(&x->live), live_count(&y->live));
		live_each(&x->live, see, y);
	}
}

static void compare(struct world *w)
{
	struct profile a = {0}, b = {0};

	compare_processes(&w->single, &w->running);
	compare_sums(&w->single.crowd, &w->running.crowd);
	fill_in(&w->single, &a);
	fill_in(&w->running, &b);
	compare_sites(&a, &b);
	assert_int_equal(a.bin_count, b.bin_count);
	assert_memory_equal(a.bins, b.bins, a.bin_count * sizeof(*a.bins));
	assert_memory_equal(&w->single.ledger.sites.tree_peak.max,
			    &w->running.ledger.sites.tree_peak.max,
			    sizeof(struct profile_amount));
	assert_int_equal(w->single.ledger.sites.tree_peak.at_ns,
			 w->running.ledger.sites.tree_peak.at_ns);
	empty(&a);
	empty(&b);
}

/* What it had leaves the sums. */
static void end_child(struct side *s, uint64_t ns)
{
	ledger_thread_end(&s->ledger, &s->process[1], &s->thread[RINGS - 1]);
	ledger_process_end(&s->ledger, &s->process[1], ns);
}

static void one_stream(struct world *w, uint64_t seed)
{
	*w = (struct world){.random = seed * 0x9e3779b97f4a7c15ull + 1,
			    .lies = seed % 3 ? 40 : 4000,
			    .clock = {.rate = 1ull << 32}};
	bool inherited = false;

	open_side(w, &w->single, seed % 4 > 1);
	open_side(w, &w->running, seed % 4 > 1);
	random_events(w);
	for (size_t i = 0, n; i < EVENTS; i += n) {
		uint64_t behind = chance(w, 4);

		n = 1 + chance(w, BATCH);
		if (n > EVENTS - i)
			n = EVENTS - i;
		if (!inherited && i >= EVENTS / 3 && seed % 2) {
			inherit(&w->single, w->events[i].stamp);
			inherit(&w->running, w->events[i].stamp);
			inherited = true;
		}
		give_singly(&w->single, &w->events[i], n);
		give_batch(w, &w->running, &w->events[i], n);
		if (chance(w, 3))
			continue;
		settle(&w->single, behind);
		settle(&w->running, behind);
	}
	if (chance(w, 2)) {
		end_child(&w->single, w->stamp);
		end_child(&w->running, w->stamp);
	}
	compare(w);
	close_side(&w->single);
	close_side(&w->running);
}

static void a_run_is_the_same_as_one_event_after_the_other(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	size_t plain = 0, pairs = 0, halves = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 1500; seed++) {
		one_stream(w, seed);
		plain += w->plain_events;
		pairs += w->pairs;
		halves += w->halves;
	}
	assert_true(plain > 1500 * 50);
	assert_true(pairs > 1500 * 3);
	assert_true(halves > 1500 / 2);
	free(w);
}

static void count_ignored(void *context, uint64_t address, const struct live_block *b)
{
	size_t *ignored = context;

	assert_int_equal(address, 0x1000);
	assert_int_equal(b->size, 70);
	*ignored += b->ignored;
}

/* The block's allocation waits for the free that makes room for it. */
static void a_block_is_ignored_before_its_allocation_is_understood(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	const struct event events[] = {
		{.address = 0x1000, .stamp = 100, .size = 50, .type = WIRE_ALLOC},
		{.address = 0x1000,
		 .stamp = 300,
		 .size = 70,
		 .type = WIRE_ALLOC,
		 .ring = 1},
		{.address = 0x1000, .stamp = 400, .type = WIRE_IGNORE, .ring = 1},
		{.address = 0x1000, .stamp = 200, .type = WIRE_FREE},
	};
	size_t ignored = 0;

	(void)state;
	w->clock = (struct stamp_clock){.rate = 1ull << 32};
	open_side(w, &w->single, false);
	give_singly(&w->single, events, 3);
	assert_int_equal(w->single.process[0].parked, 1);
	give_singly(&w->single, events + 3, 1);
	settle(&w->single, 0);
	assert_int_equal(w->single.process[0].parked, 0);
	ledger_each(&w->single.ledger, &w->single.process[0], count_ignored, &ignored);
	assert_int_equal(ignored, 1);
	close_side(&w->single);
	free(w);
}

static int set_up(void **state)
{
	(void)state;
	return base_open(STACKS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_is_the_same_as_one_event_after_the_other),
		cmocka_unit_test(
			a_block_is_ignored_before_its_allocation_is_understood),
	};

	return cmocka_run_group_tests(tests, set_up, base_close);
}
