/*
 * What reports show of a part of a recording, against a model that remembers every
 * block: random events go through the ledger into a profile, through a file, and are
 * cut there.
 */
#include "tests/unit/unit.h"

#include "cli/base/array.h"
#include "cli/collect/fill.h"
#include "cli/collect/ledger.h"
#include "cli/profile/file.h"
#include "cli/profile/slice.h"
#include "cli/profile/totals.h"
#include "tests/unit/chance.h"
#include "tests/unit/collect_base.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	PROCESSES = 3,
	THREADS = 4, /* of each process */
	NODES = 6,   /* stacks, 0 among them */
	SLOTS = 40,  /* addresses */
	EVENTS = 600,
	CUTS = 12,
	MAPPED = 8, /* of the slots, those for mappings */
	BIG = 1 << 20,
	SKEW = 100, /* ns that stamps may be late by */
};

struct block {
	int process, thread;
	uint32_t node, freed_node;
	enum profile_domain domain;
	uint64_t size, born, freed;
	uint64_t weight; /* how many of its size it stands for */
	bool dead, temporary, at_peak, at_tree_peak;
};

/* What a site should have. */
struct sums {
	struct profile_amount allocs, died, freed_here, temporary, peak, tree_peak;
};

struct model {
	uint64_t random, now;
	uint64_t sample; /* bytes, as wire_header.sample */
	unsigned plain;	 /* events that took the short way */
	unsigned mixed;	 /* cuts that were incomplete, and said so */
	unsigned by[2];	 /* live blocks whose thread is not known, and is */
	struct ledger ledger;
	struct stamp_clock clock;
	struct ledger_process process[PROCESSES];
	struct ledger_thread thread[PROCESSES][THREADS];
	bool ended[PROCESSES];
	uint64_t end_ns[PROCESSES];
	struct block *blocks; /* of the whole run */
	size_t count, room;
	uint64_t peak[PROCESSES][PROFILE_DOMAINS], tree_peak;
	size_t at[PROCESSES][SLOTS];  /* index + 1 of the block there */
	int last[PROCESSES][THREADS]; /* slot + 1, allocated by its last event */
	struct sums sums[PROCESSES][NODES][PROFILE_DOMAINS];
};

static uint64_t chance(struct model *m, uint64_t below)
{
	return chance_below(&m->random, below);
}

/* The short way, if it is plain. */
static void give(struct model *m, int p, int t, struct event *ev)
{
	struct ledger_thread *thread = &m->thread[p][t];

	if (ledger_run(&m->ledger, &m->process[p], thread, ev, ev + 1, UINT64_MAX) > ev)
		m->plain++;
	else
		ledger_event(&m->ledger, &m->process[p], thread, ev);
	ledger_rest(&m->ledger);
}

/* An event now, at a stamp that may be a little older than the last one. Returns what
 * it should be booked at: the ledger may move it up to the start of an epoch. */
static uint64_t event(struct model *m, int p, int t, uint8_t type, uint64_t address,
		      uint64_t size, uint32_t node)
{
	uint64_t stamp = m->now > SKEW ? m->now - chance(m, SKEW) : m->now;
	uint64_t booked = sites_moment(&m->ledger.sites, stamp);
	struct event ev = {.address = address,
			   .stamp = stamp,
			   .size = size,
			   .stack = node,
			   .ring = (uint16_t)(p * THREADS + t),
			   .type = type};

	assert_true(booked >= stamp && booked - stamp <= SKEW);
	if (chance(m, 2)) {
		ledger_look_ahead(&m->ledger, &m->process[p], &ev, 1);
		give(m, p, t, &ev);
	} else {
		ledger_event(&m->ledger, &m->process[p], &m->thread[p][t], &ev);
	}
	return booked;
}

static uint64_t address_of(int slot)
{
	return 0x7f0000000000ull + (uint64_t)slot * BIG;
}

/* Told anew: so many of its size, rounded up, make the bytes of `--sample`. */
static uint64_t weight_of(const struct model *m, uint64_t size)
{
	uint64_t n = size ? m->sample / size : 0;

	if (!size || m->sample <= size)
		return 1;
	return n * size < m->sample ? n + 1 : n;
}

static void allocate(struct model *m, int p, int t, int slot)
{
	bool map = slot < MAPPED;
	struct block b = {.process = p,
			  .thread = t,
			  .node = (uint32_t)chance(m, NODES),
			  .domain = !map	   ? PROFILE_MALLOC
				    : chance(m, 3) ? PROFILE_MMAP
						   : PROFILE_ARENA,
			  .size = chance(m, 1ull << chance(m, 17))};

	if (map)
		b.size += 1;
	if (b.domain == PROFILE_MMAP)
		b.size = (b.size + 4095) & ~4095ull;
	b.weight = map ? 1 : weight_of(m, b.size);
	b.born = event(m, p, t,
		       !map			   ? WIRE_ALLOC
		       : b.domain == PROFILE_ARENA ? WIRE_ARENA
						   : WIRE_MMAP,
		       address_of(slot), b.size, b.node);
	assert_int_equal(array_reserve(&m->blocks, &m->room, m->count + 1), 0);
	m->blocks[m->count++] = b;
	m->at[p][slot] = m->count;
	m->last[p][t] = map ? 0 : slot + 1;
}

static void release(struct model *m, int p, int t, int slot)
{
	struct block *b = &m->blocks[m->at[p][slot] - 1];
	bool map = b->domain != PROFILE_MALLOC;
	bool own = b->domain == PROFILE_ARENA && chance(m, 2);

	b->temporary = m->last[p][t] == slot + 1;
	b->freed_node = (uint32_t)chance(m, NODES);
	/* An arena may be unmapped as any mapping is. */
	b->freed = event(m, p, t,
			 own   ? WIRE_ARENA_FREE
			 : map ? WIRE_MUNMAP
			       : WIRE_FREE,
			 address_of(slot), map ? b->size : 0, b->freed_node);
	b->dead = true;
	m->at[p][slot] = 0;
	m->last[p][t] = 0;
}

static struct event event_of(struct model *m, int p, int t, uint8_t type, int slot,
			     uint32_t node)
{
	return (struct event){
		.address = address_of(slot),
		.stamp = m->now,
		.stack = node,
		.ring = (uint16_t)(p * THREADS + t),
		.type = type,
	};
}

static void look(struct model *m);

/* An allocation, and its free, perhaps by another thread, as the engine sees them when
 * they follow each other. */
static void pair(struct model *m, int p, int t, int by, int slot)
{
	struct block b = {.process = p,
			  .thread = t,
			  .node = (uint32_t)chance(m, NODES),
			  .freed_node = (uint32_t)chance(m, NODES),
			  .size = chance(m, 1ull << chance(m, 17)),
			  .born = sites_moment(&m->ledger.sites, m->now)};
	struct event born = event_of(m, p, t, WIRE_ALLOC, slot, b.node), dead;

	born.size = b.size;
	b.weight = weight_of(m, b.size);
	b.temporary = t == by || m->last[p][by] == slot + 1;
	assert_int_equal(array_reserve(&m->blocks, &m->room, m->count + 1), 0);
	m->blocks[m->count++] = b;
	look(m);
	m->now += chance(m, 1ull << chance(m, 20));
	dead = event_of(m, p, by, WIRE_FREE, slot, b.freed_node);
	if (t == by && chance(m, 2)) {
		born.type = EVENT_PAIR;
		born.gap = (uint32_t)(dead.stamp - born.stamp);
		born.freed_by = dead.stack;
		ledger_look_ahead(&m->ledger, &m->process[p], &born, 1);
		give(m, p, t, &born);
	} else {
		ledger_event(&m->ledger, &m->process[p], &m->thread[p][t], &born);
		ledger_event(&m->ledger, &m->process[p], &m->thread[p][by], &dead);
	}
	m->blocks[m->count - 1].freed = sites_moment(&m->ledger.sites, m->now);
	m->blocks[m->count - 1].dead = true;
	m->last[p][t] = slot + 1;
	m->last[p][by] = 0;
}

static void remember(struct model *m, int p, int slot, const struct block *b)
{
	assert_int_equal(array_reserve(&m->blocks, &m->room, m->count + 1), 0);
	m->blocks[m->count++] = *b;
	m->at[p][slot] = m->count;
}

/* Two blocks come, and the first of them goes: a run. */
static void pass(struct model *m, int p, int t, const int slots[2])
{
	struct block *first, b = {.process = p, .thread = t};
	struct event batch[3];

	for (int i = 0; i < 3; i++, m->now += chance(m, 1ull << chance(m, 22))) {
		batch[i] = event_of(m, p, t, i < 2 ? WIRE_ALLOC : WIRE_FREE,
				    slots[i % 2], (uint32_t)chance(m, NODES));
		batch[i].size = i < 2 ? chance(m, 1ull << chance(m, 17)) : 0;
	}
	ledger_look_ahead(&m->ledger, &m->process[p], batch, 3);
	for (int i = 0; i < 3; i++) {
		struct event *ev = &batch[i];
		uint64_t booked = sites_moment(&m->ledger.sites, ev->stamp);

		if (i < 2) {
			b.node = ev->stack;
			b.size = ev->size;
			b.weight = weight_of(m, b.size);
			b.born = booked;
			remember(m, p, slots[i], &b);
		} else {
			first = &m->blocks[m->at[p][slots[0]] - 1];
			first->dead = true;
			first->freed = booked;
			first->freed_node = ev->stack;
			m->at[p][slots[0]] = 0;
		}
		give(m, p, t, ev);
		look(m);
	}
	m->last[p][t] = 0;
}

/* Unmaps, and takes it back. */
static void fail_to_unmap(struct model *m, int p, int t, int slot)
{
	const struct block *b = &m->blocks[m->at[p][slot] - 1];

	event(m, p, t, WIRE_MUNMAP, address_of(slot), b->size, 0);
	m->now += chance(m, 1ull << chance(m, 34));
	event(m, p, t, WIRE_MUNMAP_FAILED, address_of(slot), b->size, 0);
	m->last[p][t] = 0;
}

/* The recording ends for the process, which may run on. */
static void end_all(struct model *m, int p)
{
	for (int t = 0; t < THREADS; t++)
		ledger_thread_end(&m->ledger, &m->process[p], &m->thread[p][t]);
	ledger_process_end(&m->ledger, &m->process[p], m->now);
}

static void end(struct model *m, int p)
{
	m->ended[p] = true;
	m->end_ns[p] = m->now;
	end_all(m, p);
}

/* After each event: is this a new maximum? Then what is live now is the peak. */
static void look(struct model *m)
{
	uint64_t live[PROCESSES][PROFILE_DOMAINS] = {0}, tree = 0;
	bool higher[PROCESSES][PROFILE_DOMAINS], tree_higher;

	for (size_t i = 0; i < m->count; i++) {
		const struct block *b = &m->blocks[i];

		live[b->process][b->domain] += b->dead ? 0 : b->size * b->weight;
		if (!b->dead && !m->ended[b->process] && b->domain == PROFILE_MALLOC)
			tree += b->size * b->weight;
	}
	tree_higher = tree > m->tree_peak;
	if (tree_higher)
		m->tree_peak = tree;
	for (int i = 0; i < PROCESSES; i++)
		for (int d = 0; d < PROFILE_DOMAINS; d++) {
			higher[i][d] = live[i][d] > m->peak[i][d];
			if (higher[i][d])
				m->peak[i][d] = live[i][d];
		}
	for (size_t i = 0; i < m->count; i++) {
		struct block *b = &m->blocks[i];

		if (higher[b->process][b->domain])
			b->at_peak = !b->dead;
		if (tree_higher)
			b->at_tree_peak = !b->dead && !m->ended[b->process] &&
					  b->domain == PROFILE_MALLOC;
	}
}

static void step(struct model *m)
{
	int p = (int)chance(m, PROCESSES), t = (int)chance(m, THREADS);
	int slot = (int)chance(m, SLOTS), other = (int)chance(m, SLOTS);

	m->now += chance(m, 1ull << chance(m, m->now < 1000000 ? 20 : 34));
	if (m->ended[p])
		return;
	if (!chance(m, EVENTS / 2))
		end(m, p);
	else if (!m->at[p][slot] && slot >= MAPPED && !chance(m, 3))
		pair(m, p, t, (int)chance(m, THREADS), slot);
	else if (!m->at[p][slot] && !m->at[p][other] && slot != other &&
		 slot >= MAPPED && other >= MAPPED && !chance(m, 4))
		pass(m, p, t, (int[]){slot, other});
	else if (!m->at[p][slot])
		allocate(m, p, t, slot);
	else if (slot < MAPPED && !chance(m, 4))
		fail_to_unmap(m, p, t, slot);
	else
		release(m, p, t, slot);
	look(m);
	slot = m->last[p][t] - 1;
	if (!chance(m, 4) && slot >= 0 && m->at[p][slot] && !m->ended[p])
		release(m, p, t, slot);
}

/* ---- the profile ------------------------------------------------------------- */

/* Thread t of process p is t1p. */
static void fill_threads(struct model *m, struct profile *p)
{
	(void)m;
	assert_int_equal(
		array_reserve(&p->threads, &p->thread_room, PROCESSES * THREADS), 0);
	for (uint32_t i = 0; i < PROCESSES * THREADS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%u",
			 i % THREADS * 100 + 10 + i / THREADS);
		p->threads[i] = (struct profile_thread){
			.process_serial = i / THREADS + 1,
			.tid = (int32_t)i + 5000,
			.name = strings_add(&p->strings, name),
		};
	}
	p->thread_count = PROCESSES * THREADS;
}

static void fill(struct model *m, struct profile *p)
{
	struct sites *s = &m->ledger.sites;

	for (int i = 0; i < PROCESSES; i++) {
		struct profile_process *q;

		assert_int_equal(array_reserve(&p->processes, &p->process_room,
					       p->process_count + 1),
				 0);
		q = &p->processes[p->process_count++];
		q->serial = (uint32_t)i + 1;
		q->end = m->ended[i] ? PROFILE_EXITED : PROFILE_RUNNING;
		q->end_ns = m->end_ns[i];
		q->temporary = m->process[i].sums.temporary;
		for (int d = 0; d < PROFILE_DOMAINS; d++) {
			q->domain[d].allocs = m->process[i].sums.allocs[d];
			q->domain[d].allocated_bytes =
				m->process[i].sums.allocated_bytes[d];
			q->domain[d].frees = m->process[i].sums.frees[d];
			q->domain[d].freed_bytes = m->process[i].sums.freed_bytes[d];
			q->domain[d].peak = m->process[i].sums.peak[d].max;
		}
	}
	assert_int_equal(array_reserve(&p->stacks, &p->stack_room, s->stacks.count), 0);
	for (; p->stack_count < s->stacks.count; p->stack_count++)
		p->stacks[p->stack_count].pc = s->stacks.nodes[p->stack_count].pc;
	p->tree_peak = s->tree_peak.max;
	p->sampled = s->sample;
	p->divided = s->divisions.dimensions;
	p->free_stacks = true;
	p->complete = true;
	p->wall_ns = m->now + 1;
	assert_int_equal(fill_sites(s, p), 0);
	assert_int_equal(fill_history(s, p), 0);
	assert_int_equal(fill_sizes(s, p), 0);
	fill_threads(m, p);
	assert_int_equal(fill_owners(s, p), 0);
}

static void through_a_file(struct profile *p, const char *path)
{
	struct profile_writer *w;
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(profile_writer_open(dup(fileno(f)), &w), 0);
	fclose(f);
	assert_int_equal(profile_writer_update(w, p), 0);
	profile_writer_close(w);
}

/* ---- what it should say -------------------------------------------------------- */

static void add(struct profile_amount *a, const struct block *b)
{
	a->blocks += b->weight;
	a->bytes += b->size * b->weight;
}

static bool in_range(const struct profile_slice *s, uint64_t ns)
{
	return !s->has_range || (ns >= s->from_ns && (s->to_end || ns < s->to_ns));
}

static bool counts(const struct profile_slice *s, const struct slice_options *o,
		   const struct block *b)
{
	char tid[16], name[16];

	if (o->threads) {
		snprintf(tid, sizeof(tid), "%d",
			 b->process * THREADS + b->thread + 5000);
		snprintf(name, sizeof(name), "%d", b->thread * 100 + 10 + b->process);
		return b->domain == PROFILE_MALLOC &&
		       (!strcmp(tid, o->threads) || !fnmatch(o->threads, name, 0));
	}
	return !s->has_sizes || (b->domain == PROFILE_MALLOC &&
				 b->size >= s->low_bytes && b->size < s->high_bytes);
}

static bool live_at(const struct model *m, const struct profile_slice *s,
		    const struct block *b)
{
	if (s->at_end)
		return !b->dead;
	if (m->ended[b->process] && m->end_ns[b->process] <= s->at_ns)
		return false;
	return b->born < s->at_ns && (!b->dead || b->freed >= s->at_ns);
}

static void recount(struct model *m, const struct profile_slice *s,
		    const struct slice_options *o)
{
	memset(m->sums, 0, sizeof(m->sums));
	for (size_t i = 0; i < m->count; i++) {
		const struct block *b = &m->blocks[i];
		struct sums *at = &m->sums[b->process][b->node][b->domain];

		if (!counts(s, o, b))
			continue;
		if (in_range(s, b->born)) {
			add(&at->allocs, b);
			if (b->dead)
				add(&at->died, b);
		}
		if (b->temporary && !m->sample && in_range(s, b->freed))
			add(&at->temporary, b);
		if (s->has_moment ? live_at(m, s, b) : b->at_peak)
			add(&at->peak, b);
		if (b->domain == PROFILE_MALLOC &&
		    (s->has_moment ? live_at(m, s, b) : b->at_tree_peak))
			add(&at->tree_peak, b);
		if (b->dead && in_range(s, b->freed))
			add(&m->sums[b->process][b->freed_node][b->domain].freed_here,
			    b);
	}
}

static uint32_t node_of(const struct profile *p, uint32_t stack)
{
	return p->stacks[stack].pc ? (uint32_t)(p->stacks[stack].pc - 1000) : 0;
}

#define assert_amount(got_blocks, got_bytes, want)                                     \
	do {                                                                           \
		assert_int_equal((got_blocks), (want).blocks);                         \
		assert_int_equal((got_bytes), (want).bytes);                           \
	} while (0)

static void compare(struct model *m, const struct profile *p)
{
	for (size_t i = 0; i < p->site_count; i++) {
		const struct profile_site *s = &p->sites[i];
		struct sums *want = &m->sums[s->process_serial - 1]
					    [node_of(p, s->stack)][s->domain];

		assert_amount(s->allocs, s->allocated_bytes, want->allocs);
		assert_amount(s->frees, s->freed_bytes, want->died);
		assert_amount(s->freed_here, s->freed_here_bytes, want->freed_here);
		assert_amount(s->temporary.blocks, s->temporary.bytes, want->temporary);
		assert_amount(s->peak.blocks, s->peak.bytes, want->peak);
		assert_amount(s->tree_peak.blocks, s->tree_peak.bytes, want->tree_peak);
		memset(want, 0, sizeof(*want));
	}
	/* And no site is missing. */
	for (size_t i = 0; i < sizeof(m->sums); i++)
		assert_int_equal(((const unsigned char *)m->sums)[i], 0);
}

static void cut(struct model *m, const char *path, const struct slice_options *o)
{
	struct profile *p;
	char why[256];

	if (profile_load_with(path, slice_needs(o), &p, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	if (slice_needs(o) & ~(m->ledger.sites.divisions.dimensions | PROFILE_TIMES)) {
		assert_int_equal(profile_slice(p, o, why, sizeof(why)), -ENODATA);
		assert_non_null(strstr(why, o->has_sizes
						    ? "record with --keep=size"
						    : "record with --keep=thread"));
		profile_close(p);
		return;
	}
	if (o->has_sizes && m->ledger.sites.divisions.shares_lost) {
		assert_int_equal(profile_slice(p, o, why, sizeof(why)), -ENODATA);
		profile_close(p);
		return;
	}
	if (profile_slice(p, o, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	m->mixed += p->slice.threads_mixed;
	if (o->has_sizes) {
		assert_true(p->slice.low_bytes <= o->low_bytes);
		assert_true(p->slice.high_bytes >= o->high_bytes);
	}
	recount(m, &p->slice, o);
	if (!p->slice.threads_mixed)
		compare(m, p);
	if (!o->has_range && !p->slice.threads_mixed &&
	    profile_check(p, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	profile_close(p);
}

static struct slice_options any_cut(struct model *m)
{
	struct slice_options o = {.moment = (enum slice_moment)chance(m, 4),
				  .has_range = chance(m, 2)};

	o.from_ns = chance(m, m->now + 1);
	o.to_ns = chance(m, 4) ? o.from_ns + 1 + chance(m, m->now) : UINT64_MAX;
	o.at_ns = chance(m, m->now + 1);
	if (chance(m, 2))
		return o;
	o.has_range = false;
	o.moment = (enum slice_moment)chance(m, 3);
	if (chance(m, 2)) {
		static const char *const threads[] = {"5000", "5007", "211", "[0-9]*",
						      "?12",  "1*",   "312", "5011"};

		o.threads = threads[chance(m, 8)];
		return o;
	}
	o.has_sizes = true;
	o.low_bytes = chance(m, 1ull << chance(m, 17));
	o.high_bytes = chance(m, 4) ? o.low_bytes + 1 + chance(m, 1 << 16) : UINT64_MAX;
	return o;
}

struct looked {
	struct model *m;
	int process;
};

/* Who allocated a live block is known for certain, or not at all. */
static void see_thread(void *context, uint64_t address, const struct live_block *b)
{
	const struct looked *l = context;
	struct model *m = l->m;
	int slot = (int)((address - address_of(0)) / BIG);
	const struct block *x = &m->blocks[m->at[l->process][slot] - 1];
	uint32_t thread = divisions_thread(&m->ledger.sites, b->site);

	m->by[thread != OWNERS_OTHERS]++;
	if (thread != OWNERS_OTHERS)
		assert_int_equal(thread, x->process * THREADS + x->thread + 1);
	else if (m->ledger.sites.divisions.owners.most == OWNERS_MOST)
		assert_false(m->ledger.sites.divisions.dimensions & PROFILE_OWNERS);
}

static void look_at_threads(struct model *m)
{
	for (int i = 0; i < PROCESSES; i++) {
		struct looked l = {m, i};

		if (!m->ended[i])
			ledger_each(&m->ledger, &m->process[i], see_thread, &l);
	}
}

static void run(struct model *m, uint64_t seed)
{
	*m = (struct model){.random = seed * 0x9e3779b97f4a7c15ull + 1};
	m->clock = (struct stamp_clock){.rate = 1ull << 32, .refine_ns = UINT64_MAX};
	assert_int_equal(ledger_open(&m->ledger, base, &m->clock), 0);
	if (seed % 7 == 0)
		m->ledger.sites.sample = m->sample = 1ull << chance(m, 18);
	if (seed % 11 != 0)
		sites_divide(&m->ledger.sites, PROFILE_DIMENSIONS);
	else
		sites_divide(&m->ledger.sites, (unsigned)chance(m, 4) << 1);
	for (uint32_t i = 0; i < PROCESSES * THREADS; i++)
		m->thread[i / THREADS][i % THREADS].number = i + 1;
	if (seed % 4 == 0)
		m->ledger.sites.divisions.owners.most = chance(m, 20);
	if (seed % 5 == 0)
		m->ledger.sites.divisions.shares_most = chance(m, 20);
	if (seed % 3 == 0)
		m->ledger.sites.history.most = chance(m, 400);
	if (seed % 2 == 0)
		m->ledger.sites.history.free = chance(m, 20);
	for (uint32_t i = 0; i < PROCESSES; i++)
		assert_int_equal(
			ledger_process_start(&m->ledger, &m->process[i], i + 1), 0);
	for (int i = 0; i < EVENTS; i++) {
		step(m);
		look(m);
	}
	look_at_threads(m);
	for (int i = 0; i < PROCESSES; i++)
		if (!m->ended[i])
			end_all(m, i);
}

static void done(struct model *m)
{
	assert_int_equal(m->ledger.sites.error, 0);
	ledger_done(&m->ledger);
	for (int i = 0; i < PROCESSES; i++)
		ledger_process_done(&m->process[i]);
	free(m->blocks);
}

static void every_cut_is_what_the_model_says(void **state)
{
	struct model *m = calloc(1, sizeof(*m));
	const char *path = *state;
	unsigned mixed = 0, lost = 0, renumbered = 0, plain = 0, lazy = 0, by[2] = {0};

	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct profile *p = profile_new();

		run(m, seed);
		fill(m, p);
		through_a_file(p, path);
		profile_close(p);
		cut(m, path, &(struct slice_options){0});
		for (int i = 0; i < CUTS; i++) {
			struct slice_options o = any_cut(m);

			cut(m, path, &o);
		}
		mixed += m->mixed;
		plain += m->plain;
		by[0] += m->by[0];
		by[1] += m->by[1];
		renumbered += m->ledger.sites.history.unit > HISTORY_FIRST_SHIFT;
		lazy += m->ledger.sites.history.bits > 0;
		lost += m->ledger.sites.divided &&
			m->ledger.sites.divisions.shares_lost;
		done(m);
	}
	assert_true(mixed && lost && renumbered && plain && lazy && by[0] && by[1]);
	free(m);
}

static int set_up(void **state)
{
	static char path[] = "/tmp/heapline-slices-XXXXXX";
	int fd = mkstemp(path);

	if (fd >= 0)
		close(fd);
	*state = path;
	return fd >= 0 ? base_open(NODES - 1) : -1;
}

static int tear_down(void **state)
{
	unlink(*state);
	return base_close(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cut_is_what_the_model_says),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
