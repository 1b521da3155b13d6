/*
 * collect_fill_times.c - what so many sites counted by epochs that several threads make
 * its rows, against a count of the events.
 */
#include "tests/unit/unit.h"

#include "cli/collect/fill.h"
#include "cli/collect/sites.h"
#include "tests/unit/chance.h"
#include "tests/unit/collect_base.h"

#include <stdlib.h>

enum { SITES = 40000, MOMENTS = 9 };

struct counts {
	uint32_t allocs, frees;
};

struct model {
	uint64_t random, ns[MOMENTS];
	struct sites sites;
	struct sites_process process;
	struct counts of[SITES + 1][MOMENTS];
	bool lives[SITES + 1];
	uint64_t born_ns[SITES + 1];
};

/* A block comes, or the one that is there goes. */
static void happen(struct model *m, uint32_t i, int moment)
{
	uint32_t site = sites_find(&m->sites, &m->process, i, PROFILE_MALLOC);
	uint64_t ns = m->ns[moment];

	if (m->lives[i]) {
		struct sites_block b = {i, m->born_ns[i], site};

		sites_free(&m->sites, &m->process, &b, 1, site, ns);
		m->of[i][moment].frees++;
	} else {
		sites_alloc(&m->sites, &m->process, site, i, 1, ns);
		m->born_ns[i] = ns;
		m->of[i][moment].allocs++;
	}
	m->lives[i] = !m->lives[i];
}

/* Of the model's counts, those of one epoch; whether there are any. */
static bool in_epoch(const struct model *m, uint32_t i, uint64_t epoch,
		     struct counts *ret)
{
	*ret = (struct counts){0};
	for (int k = 0; k < MOMENTS; k++)
		if (m->ns[k] >> history_shift(&m->sites.history) == epoch) {
			ret->allocs += m->of[i][k].allocs;
			ret->frees += m->of[i][k].frees;
		}
	return ret->allocs || ret->frees;
}

static void compare(const struct model *m, const struct profile *p)
{
	size_t row = 0;

	for (size_t s = 1; s < m->sites.count; s++) {
		uint32_t stack = m->sites.items[s].stack;
		/* Stacks are numbered by first sight, their addresses by the wire. */
		uint32_t i = (uint32_t)m->sites.stacks.nodes[stack].pc - 1000;

		for (uint64_t epoch = 0; epoch < HISTORY_EPOCHS; epoch++) {
			const struct profile_share *is = &p->times[row];
			struct counts must;

			if (!in_epoch(m, i, epoch, &must))
				continue;
			assert_true(row < p->time_count);
			assert_int_equal(is->stack, stack);
			assert_int_equal(is->value, epoch);
			assert_int_equal(is->allocs, must.allocs);
			assert_int_equal(is->frees, must.frees);
			assert_int_equal(is->allocated_bytes,
					 (uint64_t)must.allocs * i);
			assert_int_equal(is->process_serial, 1);
			row++;
		}
	}
	assert_int_equal(row, p->time_count);
}

/* ends: all that lives is freed at the last moment. Else one site has one more, of the
 * first. */
static void one_run(uint64_t seed, uint32_t count, bool ends)
{
	struct model *m = calloc(1, sizeof(*m));
	struct profile p = {0};

	m->random = seed;
	assert_int_equal(sites_open(&m->sites, base), 0);
	assert_int_equal(sites_process_start(&m->sites, &m->process, 1), 0);
	m->sites.history.free = SIZE_MAX;
	if (!ends)
		sites_alloc(&m->sites, &m->process,
			    sites_find(&m->sites, &m->process, 1, PROFILE_MALLOC), 1, 1,
			    0);
	for (int k = 0; k < MOMENTS; k++) {
		/* Some so late that epochs become wider. */
		m->ns[k] = (k ? m->ns[k - 1] : 1 << HISTORY_FIRST_SHIFT) +
			   (1ull << (14 + chance_below(&m->random, ends ? 12 : 9)));
		sites_moment(&m->sites, m->ns[k]);
		for (uint32_t i = 1; i <= count; i++)
			if (chance_below(&m->random, 3) && (k < MOMENTS - 1 || !ends))
				happen(m, i, k);
	}
	for (uint32_t i = 1; ends && i <= count; i++)
		if (m->lives[i])
			happen(m, i, MOMENTS - 1);
	/* Rows that are of one epoch by now. */
	if (ends)
		sites_moment(&m->sites,
			     m->ns[MOMENTS - 1] +
				     (1ull << (20 + chance_below(&m->random, 12))));
	assert_int_equal(fill_history(&m->sites, &p), 0);
	/* What of an epoch outlives its process is told at that one's end. */
	assert_int_equal(!!(p.dimensions & PROFILE_TIMES), ends);
	assert_true(ends || (!p.time_count && !p.epoch_count));
	if (ends)
		compare(m, &p);
	free(p.times);
	free(p.epochs);
	sites_done(&m->sites);
	free(m);
}

static void a_row_for_each_epoch_with_an_event(void **state)
{
	static const uint32_t counts[] = {1, 10, 3000, SITES};

	(void)state;
	for (uint64_t seed = 1; seed <= 6; seed++)
		for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
			one_run(seed, counts[i], true);
}

static void none_while_a_process_goes_on(void **state)
{
	(void)state;
	one_run(1, SITES, false);
}

static int setup(void **state)
{
	(void)state;
	return base_open(SITES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_for_each_epoch_with_an_event),
		cmocka_unit_test(none_while_a_process_goes_on),
	};

	return cmocka_run_group_tests(tests, setup, base_close);
}
