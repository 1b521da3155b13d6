#include "cli/base/array.h"
#include "cli/report/findings.h"

#include "cli/base/cleanup.h"
#include "cli/heap/store.h"
#include "cli/profile/file.h"
#include "tests/unit/heap_make.h"
#include "tests/unit/report_make.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

enum { PROCESSES = 4, STACKS = 4, PIECES = 16, AT = 6 };

enum how { AT_EXIT, LIVING, REFUSED, LACKING, NEVER, HOWS };

struct world {
	struct profile *p;
	struct heap_graph graph[PROCESSES];
	enum how how[PROCESSES];
	uint32_t process_count;
	uint32_t stacks[STACKS]; /* nodes; the last is the runtime's */
	struct profile_piece pieces[PIECES];
	size_t piece_count;
	char path[32];
};

static int put_piece(void *context, const void *data, size_t len)
{
	struct world *w = context;

	assert_true(w->piece_count < PIECES);
	return profile_piece_make(data, len, &w->pieces[w->piece_count++]);
}

static bool has_graph(enum how how)
{
	return how == AT_EXIT || how == LIVING || how == LACKING;
}

static void add_snapshot(struct world *w, uint32_t i)
{
	struct heap_roots roots = {0};
	struct profile *p = w->p;
	struct profile_snapshot *s;

	if (w->how[i] == NEVER)
		return;
	assert_int_equal(
		array_reserve(&p->snapshots, &p->snapshot_room, p->snapshot_count + 1),
		0);
	s = &p->snapshots[p->snapshot_count++];
	*s = (struct profile_snapshot){
		.process_serial = i + 1,
		.kind = w->how[i] == LIVING ? PROFILE_ASKED : PROFILE_AT_EXIT,
		.cause = w->how[i] == REFUSED ? report_string(p, "because") : 0,
		.at_ns = AT,
		.lacking = w->how[i] == LACKING,
	};
	if (!has_graph(w->how[i]))
		return;
	strings_add(&roots.names, "");
	w->piece_count = 0;
	assert_int_equal(heap_store(&w->graph[i], &roots, put_piece, w), 0);
	assert_int_equal(profile_pieces_add(p, w->pieces, w->piece_count), 0);
	heap_roots_done(&roots);
}

/* What a process allocated itself and never freed, as the sites have it. */
static void add_sites(struct world *w, uint32_t i)
{
	const struct heap_graph *g = &w->graph[i];

	for (uint32_t k = 0; k < STACKS; k++) {
		struct profile_site *s = report_site(w->p, i + 1, w->stacks[k]);

		s->dirty = 1;
		for (size_t b = 0; b < g->blocks.count; b++) {
			if (g->inherited[b] || g->blocks.items[b].site != w->stacks[k])
				continue;
			s->allocs++;
			s->allocated_bytes += g->blocks.items[b].size;
		}
	}
}

static void make_process(struct world *w, uint32_t i)
{
	struct profile_process *x =
		report_process(w->p, i + 1, (int32_t)(100 + i), "x");
	struct heap_graph *g = &w->graph[i];

	w->how[i] = (enum how)make_below(HOWS);
	x->end = w->how[i] == NEVER && make_below(2) ? PROFILE_EXECED : PROFILE_EXITED;
	make_any_graph(g);
	g->inherited = calloc(g->blocks.count, 1);
	for (size_t b = 0; b < g->blocks.count; b++) {
		g->blocks.items[b].site = w->stacks[make_below(STACKS)];
		g->blocks.items[b].born_ns = make_below(AT);
		g->inherited[b] = i && make_below(4) == 0;
		x->inherited.blocks += g->inherited[b];
		x->inherited.bytes += g->inherited[b] ? g->blocks.items[b].size : 0;
	}
	add_sites(w, i);
	add_snapshot(w, i);
}

static void write_world(struct world *w)
{
	struct profile_writer *writer;
	int fd = mkstemp(w->path);

	assert_true(fd >= 0);
	assert_int_equal(profile_writer_open(fd, &writer), 0);
	assert_int_equal(profile_writer_update(writer, w->p), 0);
	profile_writer_close(writer);
	profile_close(w->p);
	assert_int_equal(profile_load(w->path, &w->p, NULL, 0), 0);
}

static void make_stacks(struct world *w)
{
	uint32_t own, libc;

	*w = (struct world){.p = report_profile(), .path = "/tmp/findings-XXXXXX"};
	own = report_module(w->p, "/src/u/demo");
	libc = report_module(w->p, "/lib/libc.so.6");
	for (uint32_t k = 0; k + 1 < STACKS; k++)
		w->stacks[k] =
			report_call(w->p, 0, own, "f", "/src/u/f.c", k + 1, 1, 9);
	w->stacks[STACKS - 1] =
		report_call(w->p, w->stacks[0], libc, "pthread_create", "", 0, 0, 0);
}

static void make_world(struct world *w)
{
	make_stacks(w);
	w->process_count = 1 + make_below(PROCESSES);
	for (uint32_t i = 0; i < w->process_count; i++)
		make_process(w, i);
	write_world(w);
}

static void world_done(struct world *w)
{
	profile_close(w->p);
	for (uint32_t i = 0; i < w->process_count; i++)
		heap_graph_done(&w->graph[i]);
	unlink(w->path);
}

/* ---- what it must come to ------------------------------------------------ */

static uint32_t matched(void *context, const struct profile *p, uint32_t process,
			uint32_t stack, enum leak_kind kind)
{
	(void)context;
	assert_true(stack < p->stack_count && process < p->process_count);
	assert_true(kind != LEAK_RUNTIME && kind != LEAK_INHERITED);
	return (stack + kind) % 4 ? FINDING_NONE : stack * 100 + kind;
}

static const struct finding *find(const struct findings *f, uint32_t kind,
				  uint32_t process, uint32_t stack, uint32_t rule)
{
	const struct finding *found = NULL;

	for (size_t i = 0; i < f->count; i++) {
		const struct finding *x = &f->items[i];

		if (x->kind != kind || x->process != process || x->stack != stack ||
		    x->rule != rule)
			continue;
		assert_null(found);
		found = x;
	}
	return found;
}

struct seen { /* of one process, by its graph */
	struct heap_leaks leaks;
	uint8_t known[16], before[16], suppressed[16];
};

static void find_kinds(const struct heap_graph *g, const struct heap_leaks_options *o,
		       struct heap_leaks *ret)
{
	assert_int_equal(heap_leaks_find(g, o, ret), 0);
	for (size_t b = 0; b < g->blocks.count; b++)
		if (ret->kind[b] == LEAK_RUNTIME && g->inherited[b])
			ret->kind[b] = LEAK_INHERITED;
}

static void look(const struct world *w, const struct findings_options *o, uint32_t i,
		 struct seen *ret)
{
	const struct heap_graph *g = &w->graph[i];
	struct heap_leaks_options h = {.known = ret->known};
	static const uint8_t all[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

	for (size_t b = 0; b < g->blocks.count; b++)
		ret->known[b] = g->blocks.items[b].site == w->stacks[STACKS - 1]
					? LEAK_RUNTIME
				: g->inherited[b] ? LEAK_INHERITED
						  : LEAK_KINDS;
	if (w->how[i] == LIVING) /* seen once, so far */
		h.young = all;
	find_kinds(g, &h, &ret->leaks);
	memcpy(ret->before, ret->leaks.kind, g->blocks.count);
	if (!o->matched)
		return;
	for (size_t b = 0; b < g->blocks.count; b++)
		ret->suppressed[b] =
			ret->before[b] != LEAK_RUNTIME &&
			ret->before[b] != LEAK_INHERITED &&
			matched(NULL, w->p, i, g->blocks.items[b].site,
				(enum leak_kind)ret->before[b]) != FINDING_NONE;
	h.suppressed = ret->suppressed;
	heap_leaks_done(&ret->leaks);
	find_kinds(g, &h, &ret->leaks);
}

static uint32_t rule_of(const struct world *w, const struct seen *s, uint32_t i,
			uint32_t b)
{
	uint32_t asked = s->leaks.leader[b];

	if (s->leaks.kind[b] != LEAK_SUPPRESSED)
		return FINDING_NONE;
	return matched(NULL, w->p, i, w->graph[i].blocks.items[asked].site,
		       (enum leak_kind)s->before[asked]);
}

/* One finding against the blocks that it is made of. */
static void see_scanned(const struct world *w, const struct findings *f,
			const struct findings_options *o, uint32_t i, uint64_t *blocks)
{
	const struct heap_block *b = w->graph[i].blocks.items;
	uint32_t n = (uint32_t)w->graph[i].blocks.count;
	struct seen s = {0};

	look(w, o, i, &s);
	for (uint32_t k = 0; k < n; k++) {
		uint32_t rule = rule_of(w, &s, i, k), lowest = k;
		struct profile_amount own = {0}, held = {0};
		const struct finding *x = find(f, s.leaks.kind[k], i, b[k].site, rule);

		if (b[k].born_ns < o->since_ns)
			continue;
		++*blocks;
		assert_non_null(x);
		for (uint32_t m = n; m-- > 0;) {
			uint32_t leader = s.leaks.leader[m];

			if (b[m].born_ns < o->since_ns)
				continue;
			if (s.leaks.kind[m] == x->kind && b[m].site == x->stack &&
			    rule_of(w, &s, i, m) == rule) {
				own.blocks++;
				own.bytes += b[m].size;
				lowest = m;
				assert_uint_in_range(b[m].born_ns, x->first_ns,
						     x->last_ns);
			} else if (leader != HEAP_NONE && !s.leaks.shared[m] &&
				   s.leaks.kind[m] != LEAK_SUPPRESSED &&
				   s.leaks.kind[leader] == x->kind &&
				   b[leader].site == x->stack) {
				held.blocks++;
				held.bytes += b[m].size;
			}
		}
		assert_int_equal(x->blocks, own.blocks);
		assert_int_equal(x->bytes, own.bytes);
		assert_int_equal(x->held_blocks, held.blocks);
		assert_int_equal(x->held_bytes, held.bytes);
		assert_int_equal(x->address, b[lowest].address);
		if (x->kind == LEAK_INDIRECT || x->kind == LEAK_CYCLE) {
			const struct finding *leader = &f->items[x->leader];

			assert_uint_in_range(x->leader, 0, f->count - 1);
			assert_int_equal(leader->process, i);
			assert_int_equal(leader->stack, b[s.leaks.leader[lowest]].site);
			assert_int_equal(leader->kind,
					 s.leaks.kind[s.leaks.leader[lowest]]);
		} else {
			assert_int_equal(x->leader, FINDING_NONE);
		}
	}
	heap_leaks_done(&s.leaks);
}

static void see_unscanned(const struct world *w, const struct findings *f,
			  const struct findings_options *o, uint32_t i,
			  uint64_t *blocks, uint32_t *unscanned)
{
	const struct heap_graph *g = &w->graph[i];
	bool any = false;

	for (uint32_t k = 0; k < STACKS; k++) {
		uint32_t kind = k == STACKS - 1 ? LEAK_RUNTIME : LEAK_UNSCANNED;
		uint32_t rule = FINDING_NONE;
		struct profile_amount own = {0};
		const struct finding *x;

		for (size_t b = 0; b < g->blocks.count; b++)
			if (!g->inherited[b] &&
			    g->blocks.items[b].site == w->stacks[k]) {
				own.blocks++;
				own.bytes += g->blocks.items[b].size;
			}
		if (o->matched && kind == LEAK_UNSCANNED)
			rule = matched(NULL, w->p, i, w->stacks[k], LEAK_UNSCANNED);
		if (rule != FINDING_NONE)
			kind = LEAK_SUPPRESSED;
		x = find(f, kind, i, w->stacks[k], rule);
		assert_int_equal(!x, !own.blocks || o->since_ns);
		if (!x)
			continue;
		assert_int_equal(x->blocks, own.blocks);
		assert_int_equal(x->bytes, own.bytes);
		any |= kind == LEAK_UNSCANNED;
	}
	*blocks += o->since_ns ? 0 : g->blocks.count;
	/* Of one whose blocks are not all known, none may be. */
	any |= w->how[i] == LACKING;
	*unscanned += any && w->p->processes[i].end != PROFILE_EXECED;
}

static void see_order(const struct findings *f)
{
	struct profile_amount sum[LEAK_KINDS] = {0};

	for (size_t i = 0; i < f->count; i++) {
		const struct finding *x = &f->items[i];

		sum[x->kind].blocks += x->blocks;
		sum[x->kind].bytes += x->bytes;
		if (!i || x[-1].kind < x->kind)
			continue;
		assert_int_equal(x[-1].kind, x->kind);
		assert_true(x[-1].bytes + x[-1].held_bytes >= x->bytes + x->held_bytes);
	}
	assert_memory_equal(sum, f->sum, sizeof(sum));
}

static void sums_and_findings_are_those_of_the_blocks(void **state)
{
	(void)state;
	for (int round = 0; round < unit_rounds(1500); round++) {
		uint64_t blocks = 0, all = 0;
		uint32_t unscanned = 0, scanned = 0, early = 0;
		struct findings_options o = {.young_ns = round % 2 ? 3 : 0};
		struct findings f;
		struct world w;

		make_world(&w);
		o.path = w.path;
		o.since_ns = round % 4 ? 0 : 2;
		if (round % 3)
			o.matched = matched;
		assert_int_equal(findings_of(w.p, &o, &f), 0);
		for (uint32_t i = 0; i < w.process_count; i++) {
			bool is = w.how[i] == AT_EXIT || w.how[i] == LIVING;

			scanned += is;
			early += w.how[i] == LIVING;
			if (is)
				see_scanned(&w, &f, &o, i, &blocks);
			else
				see_unscanned(&w, &f, &o, i, &blocks, &unscanned);
		}
		see_order(&f);
		for (int k = 0; k < LEAK_KINDS; k++)
			all += f.sum[k].blocks;
		assert_int_equal(all, blocks);
		assert_int_equal(f.scanned, scanned);
		assert_int_equal(f.early, early);
		assert_int_equal(f.unscanned, unscanned);
		assert_int_equal(!*f.cause, !unscanned);
		findings_done(&f);
		world_done(&w);
	}
}

static void one_process_or_snapshot_is_picked_out_or_none(void **state)
{
	(void)state;
	for (int round = 0; round < unit_rounds(100); round++) {
		struct findings_options o = {.pid = 100};
		struct findings f;
		struct world w;
		uint64_t all = 0;

		make_world(&w);
		o.path = w.path;
		assert_int_equal(findings_of(w.p, &o, &f), 0);
		for (int k = 0; k < LEAK_KINDS; k++)
			all += f.sum[k].blocks;
		assert_int_equal(all, w.graph[0].blocks.count);
		findings_done(&f);
		o.pid = 99;
		assert_int_equal(findings_of(w.p, &o, &f), -ENODATA);
		findings_done(&f);
		o = (struct findings_options){.path = w.path, .snapshot = "1"};
		assert_int_equal(findings_of(w.p, &o, &f),
				 w.p->snapshot_count && !w.p->snapshots[0].cause &&
						 !w.p->snapshots[0].lacking
					 ? 0
					 : -ENODATA);
		findings_done(&f);
		world_done(&w);
	}
}

/* ---- a life in several snapshots ------------------------------------------ */

enum { PLACES = 12, LOOKS = 5 };

struct place {			 /* an address of the process */
	bool live, seen, called; /* lost at the last look; and called so */
	uint64_t born_ns, size;
	uint64_t lost_ns; /* the first look that saw it so */
	uint32_t stack;
};

struct life {
	struct world w;
	struct place place[PLACES];
	uint64_t disproved[STACKS];
	uint8_t kind[PLACES]; /* at the last look */
	uint32_t looks;
	bool ended;
	bool followed; /* the collector has seen who was freed */
};

static uint32_t number_of(const struct life *l, uint32_t stack)
{
	for (uint32_t k = 0; k < STACKS; k++)
		if (l->w.stacks[k] == stack)
			return k;
	fail();
	return 0;
}

static void add_proof(struct profile *p, uint32_t place, uint64_t lost_ns,
		      uint64_t freed_ns)
{
	assert_int_equal(array_reserve(&p->proofs, &p->proof_room, p->proof_count + 1),
			 0);
	p->proofs[p->proof_count++] = (struct profile_proof){
		1, 0, 0x10000 + 8192ull * place, lost_ns, freed_ns};
}

/* Blocks are freed, and others come in their places. Of the same site and size, and
 * born when the table says that the others were, if the collector knows better. */
static void live_on(struct life *l, uint64_t at_ns)
{
	for (uint32_t i = 0; i < PLACES; i++) {
		struct place *x = &l->place[i];

		if (x->live && make_below(4))
			continue;
		if (x->live && x->called)
			l->disproved[number_of(l, x->stack)]++;
		if (x->live && x->seen && l->followed)
			add_proof(l->w.p, i, x->lost_ns, at_ns - 5);
		*x = (struct place){.live = make_below(3) != 0,
				    .born_ns = at_ns - (l->followed ? 10 : 1),
				    .size = 64,
				    .stack = l->w.stacks[make_below(STACKS - 1)]};
	}
}

static void make_look(struct life *l, struct heap_graph *g, uint64_t at_ns)
{
	uint32_t n = 0, i = 0;

	for (uint32_t k = 0; k < PLACES; k++)
		n += l->place[k].live;
	n += !n;
	make_graph(g, n, make_below(n + 3), make_below(3));
	for (uint32_t k = 0; k < PLACES; k++)
		if (l->place[k].live)
			g->blocks.items[i++] =
				(struct heap_block){.address = 0x10000 + 8192ull * k,
						    .size = l->place[k].size,
						    .born_ns = l->place[k].born_ns,
						    .site = l->place[k].stack};
	if (!i) /* (a graph is of one block at least) */
		g->blocks.items[0] = (struct heap_block){.address = 16,
							 .size = 64,
							 .born_ns = at_ns - 1,
							 .site = l->w.stacks[0]};
}

static void judge_look(struct life *l, const struct heap_graph *g, uint64_t at_ns,
		       bool last)
{
	uint8_t young[PLACES + 1] = {1};
	struct heap_leaks_options o = {.young = last && l->ended ? NULL : young};
	struct heap_leaks leaks;
	uint32_t i = 0;

	for (uint32_t k = 0; k < PLACES; k++)
		if (l->place[k].live)
			young[i++] = !l->place[k].seen;
	assert_int_equal(heap_leaks_find(g, &o, &leaks), 0);
	i = 0;
	for (uint32_t k = 0; k < PLACES; k++) {
		struct place *x = &l->place[k];

		if (!x->live)
			continue;
		l->kind[k] = leaks.kind[i++];
		x->called = l->kind[k] <= LEAK_INDIRECT;
		x->seen = x->called || l->kind[k] == LEAK_YOUNG;
		if (x->seen && !x->lost_ns)
			x->lost_ns = at_ns;
		if (!x->called || !l->disproved[number_of(l, x->stack)] ||
		    (last && l->ended))
			continue;
		x->called = false;
		l->kind[k] = LEAK_POSSIBLE;
	}
	heap_leaks_done(&leaks);
}

/* After the last look: whoever is freed then was not lost. */
static void live_on_unseen(struct life *l)
{
	for (uint32_t i = 0; i < PLACES; i++) {
		struct place *x = &l->place[i];

		if (!x->live || !x->seen || make_below(4))
			continue;
		add_proof(l->w.p, i, x->lost_ns, 10 * l->looks + 3);
		if (x->called)
			l->disproved[number_of(l, x->stack)]++;
	}
	for (uint32_t i = 0; i < PLACES; i++)
		if (l->place[i].called && l->disproved[number_of(l, l->place[i].stack)])
			l->kind[i] = LEAK_POSSIBLE;
}

static void make_life(struct life *l)
{
	*l = (struct life){.looks = 1 + make_below(LOOKS),
			   .ended = make_below(2),
			   .followed = make_below(2)};
	make_stacks(&l->w);
	report_process(l->w.p, 1, 100, "x")->end = PROFILE_EXITED;
	for (uint32_t i = 0; i < l->looks; i++) {
		bool last = i + 1 == l->looks;

		heap_graph_done(&l->w.graph[0]);
		live_on(l, 10 * (i + 1));
		make_look(l, &l->w.graph[0], 10 * (i + 1));
		judge_look(l, &l->w.graph[0], 10 * (i + 1), last);
		l->w.how[0] = last && l->ended ? AT_EXIT : LIVING;
		add_snapshot(&l->w, 0);
		l->w.p->snapshots[i].at_ns = 10 * (i + 1);
		l->w.p->snapshots[i].followed = l->followed;
	}
	if (l->followed && !l->ended)
		live_on_unseen(l);
	l->w.process_count = 1;
	write_world(&l->w);
}

static void what_was_called_lost_and_is_gone_is_published(void **state)
{
	uint64_t disproved = 0, demoted = 0;

	(void)state;
	for (int round = 0; round < unit_rounds(2000); round++) {
		struct findings_options o = {0};
		uint64_t sum[LEAK_KINDS] = {0}, all = 0;
		struct findings f;
		struct life l;

		make_life(&l);
		o.path = l.w.path;
		assert_int_equal(findings_of(l.w.p, &o, &f), 0);
		for (uint32_t k = 0; k < STACKS; k++)
			all += l.disproved[k];
		assert_int_equal(f.disproved, all);
		for (size_t i = 0; i < f.count; i++)
			assert_int_equal(f.items[i].disproved,
					 l.disproved[number_of(&l, f.items[i].stack)]);
		for (uint32_t k = 0; k < PLACES; k++)
			if (l.place[k].live)
				sum[l.kind[k]]++;
		for (int k = 0; k < LEAK_KINDS; k++)
			if (l.w.graph[0].blocks.items[0].address != 16)
				assert_int_equal(f.sum[k].blocks, sum[k]);
		disproved += all;
		demoted += all && sum[LEAK_POSSIBLE];
		findings_done(&f);
		world_done(&l.w);
	}
	assert_true(disproved > 100 && demoted > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_and_findings_are_those_of_the_blocks),
		cmocka_unit_test(what_was_called_lost_and_is_gone_is_published),
		cmocka_unit_test(one_process_or_snapshot_is_picked_out_or_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
