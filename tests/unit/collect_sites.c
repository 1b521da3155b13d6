/*
 * Counters and peaks against a recomputation by brute force.
 */
#include "tests/unit/unit.h"

#include "cli/collect/fill.h"
#include "cli/collect/sites.h"
#include "tests/unit/chance.h"
#include "tests/unit/collect_base.h"

#include <stdlib.h>

enum {
	PROCESSES = 7,
	APART = 3, /* of these; the others may be counted together, in the row CROWD */
	CROWD = PROCESSES,
	ROWS,
	STACKS = 6,
	BLOCKS = 60,
	EVENTS = 400,
};

struct naive_block {
	bool live;
	int process;
	struct sites_block block;
};

struct naive {
	uint64_t random;
	struct sites sites;
	struct sites_process process[ROWS];
	bool ended[ROWS];
	struct naive_block blocks[BLOCKS];
	/* Of the rows; what the crowd's members left is no part of `live`. */
	struct profile_amount live[ROWS][STACKS + 1], peak[ROWS][STACKS + 1],
		tree_peak[ROWS][STACKS + 1], left[STACKS + 1];
	uint64_t peak_bytes[ROWS], tree_peak_bytes;
	uint64_t own[PROCESSES]; /* bytes */
};

/* Where a process is counted. */
static int row_of(const struct naive *n, int process)
{
	return n->process[process].crowd ? CROWD : process;
}

static uint64_t chance(struct naive *n, uint64_t below)
{
	return chance_below(&n->random, below);
}

static uint64_t sum(const struct profile_amount *parts)
{
	uint64_t bytes = 0;

	for (int i = 0; i <= STACKS; i++)
		bytes += parts[i].bytes;
	return bytes;
}

/* After each event: is this a new maximum? Then everything now is the peak. */
static void look(struct naive *n)
{
	uint64_t tree = 0;

	for (int p = 0; p < ROWS; p++) {
		uint64_t bytes = sum(n->live[p]);

		tree += n->ended[p] ? 0 : bytes;
		if (bytes <= n->peak_bytes[p])
			continue;
		n->peak_bytes[p] = bytes;
		memcpy(n->peak[p], n->live[p], sizeof(n->peak[p]));
	}
	if (tree <= n->tree_peak_bytes)
		return;
	n->tree_peak_bytes = tree;
	memset(n->tree_peak, 0, sizeof(n->tree_peak));
	for (int p = 0; p < ROWS; p++)
		if (!n->ended[p])
			memcpy(n->tree_peak[p], n->live[p], sizeof(n->live[p]));
}

static void allocate(struct naive *n, struct naive_block *b, uint64_t ns)
{
	int p = (int)chance(n, PROCESSES);
	uint32_t stack = (uint32_t)chance(n, STACKS + 1);

	if (n->ended[p])
		return;
	b->live = true;
	b->process = p;
	b->block.size = chance(n, 5) ? chance(n, 1000) : 0;
	b->block.born_ns = ns;
	b->block.site = sites_find(&n->sites, &n->process[p], stack, PROFILE_MALLOC);
	sites_alloc(&n->sites, &n->process[p], b->block.site, b->block.size, 1, ns);
	stack = n->sites.items[b->block.site].stack; /* numbered by first sight */
	n->live[row_of(n, p)][stack].blocks++;
	n->live[row_of(n, p)][stack].bytes += b->block.size;
	n->own[p] += b->block.size;
}

/* A block is no more. */
static void take(struct naive *n, struct naive_block *b)
{
	uint32_t stack = n->sites.items[b->block.site].stack;
	struct profile_amount *live = &n->live[row_of(n, b->process)][stack];

	b->live = false;
	live->blocks--;
	live->bytes -= b->block.size;
	n->own[b->process] -= b->block.size;
}

static void release(struct naive *n, struct naive_block *b, uint64_t ns)
{
	struct sites_process *p = &n->process[b->process];
	uint32_t by = sites_find(&n->sites, p, (uint32_t)chance(n, STACKS + 1),
				 PROFILE_MALLOC);

	sites_free(&n->sites, p, &b->block, 1, by, ns);
	take(n, b);
}

/* A block goes with its process. */
static void abandon(struct naive *n, struct naive_block *b, uint64_t ns)
{
	uint32_t stack = n->sites.items[b->block.site].stack;

	b->live = false;
	if (row_of(n, b->process) != CROWD)
		return;
	sites_keep(&n->sites, &n->process[b->process], NULL, &b->block, 1, ns);
	take(n, b);
	n->left[stack].blocks++;
	n->left[stack].bytes += b->block.size;
}

static void end(struct naive *n, int p, uint64_t ns)
{
	if (n->ended[p])
		return;
	n->ended[p] = true;
	for (int i = 0; i < BLOCKS; i++)
		if (n->blocks[i].live && n->blocks[i].process == p)
			abandon(n, &n->blocks[i], ns);
	sites_process_end(&n->sites, &n->process[p], ns);
}

static void compare(struct naive *n, struct profile *profile)
{
	assert_int_equal(fill_sites(&n->sites, profile), 0);
	for (size_t i = 0; i < profile->site_count; i++) {
		const struct profile_site *s = &profile->sites[i];
		uint32_t p = s->process_serial - 1;
		struct profile_amount left = {0};

		if (p == CROWD)
			left = n->left[s->stack];
		assert_int_equal(s->allocs - s->frees,
				 n->live[p][s->stack].blocks + left.blocks);
		assert_int_equal(s->allocated_bytes - s->freed_bytes,
				 n->live[p][s->stack].bytes + left.bytes);
		assert_int_equal(s->peak.bytes, n->peak[p][s->stack].bytes);
		assert_int_equal(s->peak.blocks, n->peak[p][s->stack].blocks);
		assert_int_equal(s->tree_peak.bytes, n->tree_peak[p][s->stack].bytes);
		assert_int_equal(s->tree_peak.blocks, n->tree_peak[p][s->stack].blocks);
	}
	for (int p = 0; p < ROWS; p++)
		assert_int_equal(n->process[p].peak[PROFILE_MALLOC].max.bytes,
				 n->peak_bytes[p]);
	for (int p = 0; p < PROCESSES; p++)
		if (!n->ended[p])
			assert_int_equal(n->process[p].live[PROFILE_MALLOC].bytes,
					 n->own[p]);
	assert_int_equal(n->sites.tree_peak.max.bytes, n->tree_peak_bytes);
}

static void check_classes(const struct profile *profile)
{
	for (size_t i = 0; i < profile->site_count; i++) {
		const struct profile_site *s = &profile->sites[i];
		uint64_t sizes = 0, lives = 0;

		for (uint32_t k = 0; k < s->sizes_count; k++)
			sizes += s->sizes[k].count;
		for (uint32_t k = 0; k < s->lives_count; k++)
			lives += s->lives[k].count;
		assert_int_equal(sizes, s->allocs);
		assert_int_equal(lives, s->frees);
	}
}

static void close_profile(struct profile *p)
{
	for (size_t i = 0; i < p->site_count; i++) {
		free(p->sites[i].sizes);
		free(p->sites[i].lives);
	}
	free(p->sites);
}

static void one_run(uint64_t seed)
{
	struct naive *n = calloc(1, sizeof(*n));
	struct profile profile = {0};

	n->random = seed * 0x9e3779b97f4a7c15ull + 1;
	assert_int_equal(sites_open(&n->sites, base), 0);
	for (uint32_t p = 0; p < PROCESSES; p++)
		assert_int_equal(sites_process_start(&n->sites, &n->process[p], p + 1),
				 0);
	assert_int_equal(sites_crowd_start(&n->sites, &n->process[CROWD], CROWD + 1),
			 0);
	for (int p = APART; seed % 2 && p < PROCESSES; p++)
		assert_int_equal(
			sites_join(&n->sites, &n->process[p], &n->process[CROWD]), 0);
	for (uint64_t i = 0; i < EVENTS; i++) {
		struct naive_block *b = &n->blocks[chance(n, BLOCKS)];

		if (!chance(n, seed % 2 ? 70 : 200))
			end(n, (int)chance(n, PROCESSES), i);
		else if (b->live)
			release(n, b, i);
		else
			allocate(n, b, i);
		look(n);
		if (!chance(n, 40)) /* as a checkpoint: later fills must not miss a
				       thing */
			compare(n, &profile);
	}
	compare(n, &profile);
	check_classes(&profile);
	assert_int_equal(n->sites.error, 0);
	sites_done(&n->sites);
	close_profile(&profile);
	free(n);
}

static void every_site_knows_what_it_held_at_each_peak(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 2000; seed++)
		one_run(seed);
}

static void equal_nodes_are_one_site(void **state)
{
	struct sites s;
	struct sites_process p;
	uint32_t a = wire_add_node(base, 77, 3), b = wire_add_node(base, 77, 3);
	uint32_t below_a = wire_add_node(base, 78, a),
		 below_b = wire_add_node(base, 78, b);

	(void)state;
	assert_int_equal(sites_open(&s, base), 0);
	assert_int_equal(sites_process_start(&s, &p, 1), 0);
	assert_int_equal(sites_find(&s, &p, below_a, PROFILE_MALLOC),
			 sites_find(&s, &p, below_b, PROFILE_MALLOC));
	assert_int_not_equal(sites_find(&s, &p, a, PROFILE_MALLOC),
			     sites_find(&s, &p, below_b, PROFILE_MALLOC));
	assert_int_not_equal(sites_find(&s, &p, a, PROFILE_MALLOC),
			     sites_find(&s, &p, a, PROFILE_MMAP));
	sites_done(&s);
}

/* Some frames below few, each of which has more children than are chained, and every
 * stack in two nodes. Who it is that meets a node first, and who comes back to it, is
 * random. */
static void a_stack_has_a_site_in_each_process_and_domain(void **state)
{
	enum { TREE = 300, ROUNDS = 20000, POOR = 1 };
	static uint32_t node[TREE][2], known[TREE][PROCESSES][2];
	static bool taken[TREE * PROCESSES * 2 + 1], met[TREE][2][PROCESSES];
	struct naive n = {.random = 4711};
	size_t sites = 1;

	(void)state;
	for (uint32_t i = 0; i < TREE; i++)
		for (int twin = 0; twin < 2; twin++)
			node[i][twin] = wire_add_node(base, 5000 + i,
						      i < 20 ? 0 : node[i % 20][twin]);
	assert_int_equal(sites_open(&n.sites, base), 0);
	for (uint32_t p = 0; p < PROCESSES; p++)
		assert_int_equal(sites_process_start(&n.sites, &n.process[p], p + 1),
				 0);
	n.process[POOR].without = true; /* as if there had been no memory */
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t i = chance(&n, TREE), p = chance(&n, PROCESSES);
		uint64_t twin = chance(&n, 2);
		enum profile_domain d = chance(&n, 5) ? PROFILE_MALLOC : PROFILE_MMAP;
		uint32_t *was = &known[i][p][d == PROFILE_MALLOC], site;

		assert_int_equal(sites_peek(&n.process[p], node[i][twin]),
				 met[i][twin][p] && p != POOR ? known[i][p][1] : 0);
		site = sites_find(&n.sites, &n.process[p], node[i][twin], d);
		met[i][twin][p] |= d == PROFILE_MALLOC;
		assert_true(*was ? site == *was : site && !taken[site]);
		assert_int_equal(n.sites.items[site].process, p);
		assert_int_equal(n.sites.items[site].domain, d);
		sites += !*was;
		taken[site] = true;
		*was = site;
	}
	assert_int_equal(n.sites.error, 0);
	assert_int_equal(n.sites.count, sites);
	assert_int_equal(n.sites.stacks.count, TREE + 1);
	/* What has ended meets nothing any more. */
	for (uint32_t p = 0; p < PROCESSES; p++) {
		sites_process_end(&n.sites, &n.process[p], 1);
		for (int i = 0; i < TREE; i++)
			assert_int_equal(sites_peek(&n.process[p], node[i][0]), 0);
	}
	assert_int_equal(n.sites.count, sites);
	sites_done(&n.sites);
}

/* Its arrays are one's that ended. Some are alive at a time; one in five has met more than
 * it could note. */
static void a_process_knows_nothing_of_those_before_it(void **state)
{
	enum { TREE = 400, ALIVE = 12, ALL = 300 };
	static struct sites_process process[ALL];
	static uint32_t node[TREE][2];
	struct naive n = {.random = 4714};
	struct sites_process *alive[ALIVE] = {0};
	size_t sites = 1;

	(void)state;
	for (uint32_t i = 0; i < TREE; i++)
		for (int twin = 0; twin < 2; twin++)
			node[i][twin] = wire_add_node(base, 130000 + i,
						      i < 20 ? 0 : node[i % 20][twin]);
	assert_int_equal(sites_open(&n.sites, base), 0);
	for (uint32_t p = 0; p < ALL; p++) {
		struct sites_process **place = &alive[chance(&n, ALIVE)],
				     *ends = *place;
		static bool has[TREE];

		if (ends) {
			ends->met_lost = !chance(&n, 5);
			sites_process_end(&n.sites, ends, p);
		}
		assert_int_equal(sites_process_start(&n.sites, &process[p], p + 1), 0);
		*place = &process[p];
		memset(has, 0, sizeof(has));
		for (uint64_t k = chance(&n, 3 * TREE); k; k--) {
			uint64_t i = chance(&n, TREE), twin = chance(&n, 2);
			enum profile_domain d =
				chance(&n, 5) ? PROFILE_MALLOC : PROFILE_MMAP;
			uint32_t site =
				sites_find(&n.sites, &process[p], node[i][twin], d);

			assert_int_equal(n.sites.items[site].process, p);
			sites += d == PROFILE_MALLOC && !has[i];
			has[i] |= d == PROFILE_MALLOC;
		}
		for (int i = 0; i < TREE; i++)
			assert_true(has[i] || (!sites_peek(&process[p], node[i][0]) &&
					       !sites_peek(&process[p], node[i][1])));
	}
	for (size_t i = 1; i < n.sites.count; i++)
		sites += n.sites.items[i].domain != PROFILE_MALLOC;
	assert_int_equal(n.sites.count, sites);
	assert_int_equal(n.sites.error, 0);
	assert_true(n.sites.spare_count <= SITES_SPARES);
	sites_done(&n.sites);
}

static bool is_outside_or_same(const struct sites *s, uint32_t outer, uint32_t inner)
{
	while (inner && inner != outer)
		inner = s->stacks.nodes[inner].parent;
	return inner == outer;
}

/* Each of them meets all stacks, in an order of its own. */
static void a_process_has_its_share_of_the_sites(void **state)
{
	enum { TREE = 600, ALL = 500, MANY = 30 };
	static uint32_t node[TREE];
	static struct sites_process process[MANY];
	struct naive n = {.random = 4712};
	size_t before = 1;

	(void)state;
	for (uint32_t i = 0; i < TREE; i++)
		node[i] =
			wire_add_node(base, 90000 + i, i < 5 ? 0 : node[chance(&n, i)]);
	assert_int_equal(sites_open(&n.sites, base), 0);
	n.sites.most = ALL;
	for (uint32_t p = 0; p < MANY; p++) {
		static uint32_t found[TREE];
		size_t left = before < ALL ? ALL - before : 0, whole = 0;
		uint64_t cut = n.sites.cut;

		assert_int_equal(sites_process_start(&n.sites, &process[p], p + 1), 0);
		for (uint32_t i = 0; i < TREE; i++) {
			uint32_t stack, which = (i * 7 + p) % TREE;
			const struct site *site;

			found[which] = sites_find(&n.sites, &process[p], node[which],
						  PROFILE_MALLOC);
			site = &n.sites.items[found[which]];
			assert_int_equal(site->process, p);
			assert_int_equal(
				stacks_copy(&n.sites.stacks, node[which], &stack), 0);
			assert_true(is_outside_or_same(&n.sites, site->stack, stack));
			whole += site->stack == stack;
		}
		assert_int_equal(n.sites.cut - cut, TREE - whole);
		cut = n.sites.cut;
		for (uint32_t i = 0; i < TREE; i++)
			assert_int_equal(sites_find(&n.sites, &process[p], node[i],
						    PROFILE_MALLOC),
					 found[i]);
		assert_int_equal(n.sites.cut, cut);
		assert_int_equal(process[p].site_count, n.sites.count - before);
		/* The first leaves half of them, the next a 64th of what is left each. */
		assert_in_range(n.sites.count - before, 1,
				p ? left / 64 + 1 : ALL / 2 + 1);
		before = n.sites.count;
	}
	assert_int_equal(n.sites.error, 0);
	sites_done(&n.sites);
}

static void hostile_nodes_end_at_the_root(void **state)
{
	struct stacks s;
	uint32_t loop = wire_add_node(base, 5, 0), copy;

	(void)state;
	wire_node(base, loop)->parent = loop + 9;
	wire_node(base, loop)->module = UINT32_MAX;
	wire_node(base, loop)->pc_flags = UINT64_MAX;
	assert_int_equal(stacks_open(&s, base), 0);
	assert_int_equal(stacks_copy(&s, loop, &copy), 0);
	assert_int_equal(s.nodes[copy].parent, 0);
	assert_int_equal(s.nodes[copy].module, 0);
	assert_int_equal(stacks_copy(&s, loop + 1, &copy), 0);
	assert_int_equal(copy, 0);
	assert_int_equal(stacks_copy(&s, UINT32_MAX, &copy), 0);
	assert_int_equal(copy, 0);
	stacks_done(&s);
}

static int set_up(void **state)
{
	(void)state;
	return base_open(STACKS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_site_knows_what_it_held_at_each_peak),
		cmocka_unit_test(equal_nodes_are_one_site),
		cmocka_unit_test(a_stack_has_a_site_in_each_process_and_domain),
		cmocka_unit_test(a_process_knows_nothing_of_those_before_it),
		cmocka_unit_test(a_process_has_its_share_of_the_sites),
		cmocka_unit_test(hostile_nodes_end_at_the_root),
	};

	return cmocka_run_group_tests(tests, set_up, base_close);
}
