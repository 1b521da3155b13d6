/*
 * A made-up heap, counted block by block and apart from any profile code: its profile
 * must pass the check, and no number of it may change without being noticed.
 */
#include "tests/unit/unit.h"

#include "cli/profile/totals.h"
#include "tests/unit/profile_make.h"

#include <errno.h>

enum { PROCESSES = 3, STACKS = 12, BLOCKS = 300, EVENTS = 4000 };

struct heap {
	struct make m;
	struct profile *p;
	struct block { /* size 0: free */
		uint64_t size;
		uint32_t site;
	} blocks[PROCESSES][PROFILE_DOMAINS][BLOCKS];
	struct profile_amount live[PROCESSES][PROFILE_DOMAINS], tree;
};

static uint32_t site_number(uint32_t process, uint32_t stack, uint32_t domain)
{
	return (process * STACKS + stack) * PROFILE_DOMAINS + domain;
}

/* The composition of a peak, by looking at every site. */
static void keep_peaks(struct heap *h, uint32_t process, uint32_t domain)
{
	struct profile *p = h->p;
	struct profile_amount live = h->live[process][domain];

	if (live.bytes > p->processes[process].domain[domain].peak.bytes) {
		p->processes[process].domain[domain].peak = live;
		for (uint32_t s = 0; s < STACKS; s++) {
			struct profile_site *site =
				&p->sites[site_number(process, s, domain)];

			site->peak = profile_site_live(site);
		}
	}
	if (domain == PROFILE_MALLOC && h->tree.bytes > p->tree_peak.bytes) {
		p->tree_peak = h->tree;
		for (size_t i = 0; i < p->site_count; i++)
			p->sites[i].tree_peak = profile_site_live(&p->sites[i]);
	}
}

static void count_class(struct profile_class **items, uint32_t *count, uint32_t log2)
{
	uint32_t i = 0;

	if (!*items)
		*items = calloc(64, sizeof(**items));
	while (i < *count && (*items)[i].log2 < log2)
		i++;
	if (i == *count || (*items)[i].log2 != log2) {
		memmove(*items + i + 1, *items + i, (*count - i) * sizeof(**items));
		(*items)[i] = (struct profile_class){log2, 0};
		(*count)++;
	}
	(*items)[i].count++;
}

static void allocate(struct heap *h, uint32_t process, uint32_t domain, uint32_t number,
		     struct block *block)
{
	struct profile_site *site = &h->p->sites[number];

	block->size = 1 + make_below(&h->m, 5000);
	block->site = number;
	site->allocs++;
	site->allocated_bytes += block->size;
	count_class(&site->sizes, &site->sizes_count,
		    63 - (uint32_t)__builtin_clzll(block->size));
	h->p->processes[process].domain[domain].allocs++;
	h->p->processes[process].domain[domain].allocated_bytes += block->size;
	h->live[process][domain].blocks++;
	h->live[process][domain].bytes += block->size;
	if (domain == PROFILE_MALLOC) {
		h->tree.blocks++;
		h->tree.bytes += block->size;
	}
}

static void release(struct heap *h, uint32_t process, uint32_t domain, uint32_t here,
		    struct block *block)
{
	struct profile_site *site = &h->p->sites[block->site], *by = &h->p->sites[here];
	bool temporary = !make_below(&h->m, 3);

	site->frees++;
	site->freed_bytes += block->size;
	count_class(&site->lives, &site->lives_count, make_below(&h->m, 40));
	by->freed_here++;
	by->freed_here_bytes += block->size;
	h->p->processes[process].domain[domain].frees++;
	h->p->processes[process].domain[domain].freed_bytes += block->size;
	h->live[process][domain].blocks--;
	h->live[process][domain].bytes -= block->size;
	if (domain == PROFILE_MALLOC) {
		h->tree.blocks--;
		h->tree.bytes -= block->size;
	}
	if (temporary) {
		site->temporary.blocks++;
		site->temporary.bytes += block->size;
	}
	if (temporary && domain == PROFILE_MALLOC) {
		h->p->processes[process].temporary.blocks++;
		h->p->processes[process].temporary.bytes += block->size;
	}
	block->size = 0;
}

static void step(struct heap *h)
{
	uint32_t process = make_below(&h->m, PROCESSES);
	uint32_t domain = make_below(&h->m, PROFILE_DOMAINS);
	uint32_t site = site_number(process, make_below(&h->m, STACKS), domain);
	struct block *block = &h->blocks[process][domain][make_below(&h->m, BLOCKS)];

	if (block->size)
		release(h, process, domain, site, block);
	else
		allocate(h, process, domain, site, block);
	keep_peaks(h, process, domain);
}

static int make_heap(void **state)
{
	struct heap *h = calloc(1, sizeof(*h));

	h->m.state = 42;
	h->p = profile_new();
	h->p->free_stacks = true;
	for (uint32_t i = 1; i < STACKS; i++)
		make_row(h->p, stack)->pc = i;
	/* Not in the order of their serials. */
	for (uint32_t i = 0; i < PROCESSES; i++)
		make_process(h->p)->serial = 10 - i;
	for (uint32_t i = 0; i < PROCESSES * STACKS * PROFILE_DOMAINS; i++)
		*make_row(h->p, site) = (struct profile_site){
			.process_serial = 10 - i / PROFILE_DOMAINS / STACKS,
			.stack = i / PROFILE_DOMAINS % STACKS,
			.domain = i % PROFILE_DOMAINS,
		};
	for (int i = 0; i < EVENTS; i++)
		step(h);
	*state = h;
	return 0;
}

static int drop_heap(void **state)
{
	struct heap *h = *state;

	profile_close(h->p);
	free(h);
	return 0;
}

static void a_heap_counted_right_passes(void **state)
{
	struct heap *h = *state;
	char why[200] = "";

	assert_int_equal(profile_check(h->p, why, sizeof(why)), 0);
	assert_string_equal(why, "");
}

static void an_empty_profile_passes(void **state)
{
	struct profile *p = profile_new();

	(void)state;
	assert_int_equal(profile_check(p, NULL, 0), 0);
	profile_close(p);
}

static void totals_are_the_sums_over_processes(void **state)
{
	struct heap *h = *state;

	for (int d = 0; d < PROFILE_DOMAINS; d++) {
		struct profile_totals sum = profile_totals(h->p, d);
		struct profile_amount live = {0};
		uint64_t allocs = 0, frees = 0;

		for (int i = 0; i < PROCESSES; i++) {
			struct profile_totals t =
				profile_process_totals(&h->p->processes[i], d);

			assert_int_equal(t.live.blocks, h->live[i][d].blocks);
			assert_int_equal(t.live.bytes, h->live[i][d].bytes);
			live.blocks += h->live[i][d].blocks;
			live.bytes += h->live[i][d].bytes;
		}
		for (size_t i = 0; i < h->p->site_count; i++)
			if (h->p->sites[i].domain == (uint32_t)d) {
				allocs += h->p->sites[i].allocs;
				frees += h->p->sites[i].frees;
			}
		assert_int_equal(sum.live.blocks, live.blocks);
		assert_int_equal(sum.live.bytes, live.bytes);
		assert_int_equal(sum.allocs, allocs);
		assert_int_equal(sum.frees, frees);
		assert_int_equal(sum.temporary.blocks != 0, d == PROFILE_MALLOC);
	}
	assert_int_equal(profile_totals(h->p, PROFILE_MALLOC).live.bytes, h->tree.bytes);
}

/* A number that one more or less must betray. */
static void betrays(const struct heap *h, uint64_t *number, const char *name)
{
	char why[200] = "";

	++*number;
	if (profile_check(h->p, why, sizeof(why)) != -EBADMSG || !*why)
		fail_msg("one more of %s went unnoticed", name);
	*number -= 2;
	assert_int_equal(profile_check(h->p, NULL, 0), -EBADMSG);
	++*number;
	assert_int_equal(profile_check(h->p, NULL, 0), 0);
}

#define BETRAYS(field) betrays(h, &(field), #field)

static void any_number_of_a_site_that_changes_is_noticed(void **state)
{
	struct heap *h = *state;

	for (size_t i = 0; i < h->p->site_count; i++) {
		struct profile_site *s = &h->p->sites[i];

		BETRAYS(s->allocs);
		BETRAYS(s->allocated_bytes);
		BETRAYS(s->frees);
		BETRAYS(s->freed_bytes);
		BETRAYS(s->peak.blocks);
		BETRAYS(s->peak.bytes);
		BETRAYS(s->freed_here);
		BETRAYS(s->freed_here_bytes);
		BETRAYS(s->sizes[0].count);
		BETRAYS(s->lives[0].count);
		if (s->domain != PROFILE_MALLOC)
			continue;
		BETRAYS(s->tree_peak.blocks);
		BETRAYS(s->tree_peak.bytes);
		BETRAYS(s->temporary.blocks);
		BETRAYS(s->temporary.bytes);
	}
}

static void any_number_of_a_process_that_changes_is_noticed(void **state)
{
	struct heap *h = *state;

	BETRAYS(h->p->tree_peak.blocks);
	BETRAYS(h->p->tree_peak.bytes);
	for (int i = 0; i < PROCESSES; i++) {
		struct profile_process *a = &h->p->processes[i];

		BETRAYS(a->temporary.blocks);
		BETRAYS(a->temporary.bytes);
		for (int d = 0; d < PROFILE_DOMAINS; d++) {
			BETRAYS(a->domain[d].allocs);
			BETRAYS(a->domain[d].allocated_bytes);
			BETRAYS(a->domain[d].frees);
			BETRAYS(a->domain[d].freed_bytes);
			BETRAYS(a->domain[d].peak.blocks);
			BETRAYS(a->domain[d].peak.bytes);
		}
	}
}

static void a_site_of_no_process_is_noticed(void **state)
{
	struct heap *h = *state;
	uint32_t serial = h->p->sites[5].process_serial;

	h->p->sites[5].process_serial = 77;
	assert_int_equal(profile_check(h->p, NULL, 0), -EBADMSG);
	h->p->sites[5].process_serial = serial;
	assert_int_equal(profile_check(h->p, NULL, 0), 0);
}

/* Frees of blocks that came before the recording are no contradiction. */
static void frees_of_unknown_blocks_may_differ_from_where_they_ran(void **state)
{
	struct heap *h = *state;

	h->p->sites[0].freed_here++;
	assert_int_equal(profile_check(h->p, NULL, 0), -EBADMSG);
	h->p->processes[0].unknown_frees = 1;
	assert_int_equal(profile_check(h->p, NULL, 0), 0);
	h->p->processes[0].unknown_frees = 0;
	h->p->free_stacks = false;
	assert_int_equal(profile_check(h->p, NULL, 0), 0);
	h->p->free_stacks = true;
	h->p->sites[0].freed_here--;
}

static void serials_find_their_processes_in_any_order(void **state)
{
	struct profile *p = profile_new();
	struct profile_serials serials = {0};
	struct make m = {.state = 1};
	uint32_t count = 500;

	(void)state;
	for (uint32_t i = 0; i < count; i++)
		make_process(p)->serial = i * 3 + 1;
	for (uint32_t i = count - 1; i; i--) { /* shuffled */
		uint32_t other = make_below(&m, i + 1);
		struct profile_process a = p->processes[i];

		p->processes[i] = p->processes[other];
		p->processes[other] = a;
	}
	assert_int_equal(profile_serials_init(&serials, p), 0);
	for (uint32_t serial = 0; serial < count * 3 + 5; serial++) {
		size_t at = profile_serials_find(&serials, serial);

		assert_int_equal(at != SIZE_MAX, serial % 3 == 1 && serial < count * 3);
		if (at != SIZE_MAX)
			assert_int_equal(p->processes[at].serial, serial);
	}
	profile_serials_done(&serials);
	p->process_count = 0;
	assert_int_equal(profile_serials_init(&serials, p), 0);
	assert_true(profile_serials_find(&serials, 1) == SIZE_MAX);
	profile_serials_done(&serials);
	profile_close(p);
}

static void losses_are_summed(void **state)
{
	struct profile *p = profile_new();

	(void)state;
	p->lost_no_ring = 5;
	make_process(p)->lost = 7;
	make_process(p)->lost = 100;
	assert_int_equal(profile_lost_events(p), 112);
	profile_close(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_heap_counted_right_passes),
		cmocka_unit_test(an_empty_profile_passes),
		cmocka_unit_test(totals_are_the_sums_over_processes),
		cmocka_unit_test(any_number_of_a_site_that_changes_is_noticed),
		cmocka_unit_test(any_number_of_a_process_that_changes_is_noticed),
		cmocka_unit_test(a_site_of_no_process_is_noticed),
		cmocka_unit_test(frees_of_unknown_blocks_may_differ_from_where_they_ran),
		cmocka_unit_test(serials_find_their_processes_in_any_order),
		cmocka_unit_test(losses_are_summed),
	};

	return cmocka_run_group_tests(tests, make_heap, drop_heap);
}
