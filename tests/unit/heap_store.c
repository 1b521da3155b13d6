#include "cli/heap/store.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/profile/file.h"

#include "tests/unit/heap_make.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { PIECES = 64 };

struct kept {
	struct bytes piece[PIECES];
	size_t count;
};

static int keep(void *context, const void *data, size_t len)
{
	struct kept *k = context;

	assert_true(k->count < PIECES);
	assert_true(len < 4 << 20);
	bytes_put(&k->piece[k->count++], data, len);
	return 0;
}

static void kept_done(struct kept *k)
{
	for (size_t i = 0; i < k->count; i++)
		bytes_done(&k->piece[i]);
	k->count = 0;
}

/* Types, and what uses them. */
static void furnish_types(struct heap_graph *g, uint32_t n)
{
	struct heap_types *t = &g->types;
	uint32_t types = 1 + make_below(20);

	for (uint32_t i = 0; i < types; i++)
		assert_int_equal(
			heap_types_add(t, &(struct heap_type){make_below(9),
							      make_below(HEAP_ORIGINS),
							      make_random()}),
			i + 1);
	t->what = calloc(n + 1, sizeof(*t->what));
	for (uint32_t i = 0; i < n; i++)
		if (make_below(3))
			t->what[i] = (struct heap_what){
				1 + make_below(types),
				make_below(4) ? make_below(9) : HEAP_UNCOUNTED,
				(uint16_t)make_below(1 << 16),
				(uint8_t)make_below(HEAP_PARTS),
				(uint8_t)make_below(HEAP_STATES)};
	for (uint32_t i = 0; i < make_below(50); i++) {
		struct heap_field f = {make_below(types), make_below(HEAP_PARTS),
				       8 * make_below(30), make_below(9)};

		assert_int_equal(heap_types_add_field(t, &f), 0);
	}
	for (uint32_t i = 0; i < make_below(n); i++) {
		struct heap_called c = {make_below(n), make_below(9)};

		assert_int_equal(heap_types_add_called(t, &c), 0);
	}
	for (uint32_t e = 0; e < g->edge_count; e++)
		if (!make_below(3)) {
			struct heap_label l = {e, make_below(9),
					       (uint8_t)make_below(HEAP_LABEL_KINDS)};

			assert_int_equal(heap_types_add_label(t, &l), 0);
		}
	heap_types_seal(t);
}

static void furnish(struct heap_graph *g, struct heap_roots *roots, uint32_t n)
{
	make_graph(g, n, make_below(4 * n), make_below(n + 2));
	*roots = (struct heap_roots){0};
	strings_add(&roots->names, "");
	for (uint32_t i = 0; i < make_below(40); i++) {
		char text[16];

		snprintf(text, sizeof(text), "name %u", i);
		strings_add(&roots->names, text);
	}
	roots->modules.items = calloc(3, sizeof(*roots->modules.items));
	roots->modules.count = roots->modules.room = 3;
	for (int i = 0; i < 3; i++)
		roots->modules.items[i] =
			(struct heap_module){.path = 1,
					     .bias = make_random() >> 20,
					     .start = make_random() >> 12};
	for (int i = 0; i < 3; i++)
		roots->modules.items[i].end =
			roots->modules.items[i].start + make_below(1 << 20);
	for (uint32_t i = 0; i < n; i++) {
		g->blocks.items[i].site = make_below(1000);
		g->blocks.items[i].born_ns = make_random();
		g->blocks.items[i].flags = make_below(3) ? 0 : make_below(4);
	}
	g->inherited = make_below(2) ? calloc(n, 1) : NULL;
	for (uint32_t i = make_below(2) ? n : 0; i < n; i++)
		assert_true(
			heap_graph_set_thread(g, i, make_below(5) * make_below(99)));
	for (uint32_t i = 0; g->inherited && i < n; i++)
		g->inherited[i] = make_below(3) == 0;
	for (size_t i = 0; i < g->edge_count; i++) {
		g->edges.word[i] = make_below(4) ? make_below(100) : UINT32_MAX;
		g->edges.how[i] |=
			(uint16_t)(make_below(HEAP_INTO_MAX + 1) << HEAP_HOW_BITS);
	}
	for (size_t i = 0; i < g->area_count; i++)
		g->areas[i] = (struct heap_area){
			make_random() >> 8,	    UINT64_MAX >> 4, (uint32_t)i, 1, 0,
			(int32_t)make_below(99999), make_below(3)};
	if (make_below(4))
		furnish_types(g, n);
}

static int load(const struct kept *k, struct heap_stored *ret)
{
	int r = 0;

	*ret = (struct heap_stored){0};
	for (size_t i = 0; !r && i < k->count; i++) {
		struct bytes_reader in =
			bytes_reader(k->piece[i].data, k->piece[i].len);

		r = heap_store_take(ret, &in);
	}
	return r ? r : heap_store_end(ret);
}

/* By what is asked of them, and so of all orders. */
static void expect_same_types(const struct heap_graph *a, const struct heap_graph *b)
{
	const struct heap_types *x = &a->types, *y = &b->types;

	assert_int_equal(x->count, y->count);
	for (uint32_t i = 1; i < x->count; i++) {
		assert_int_equal(x->items[i].name, y->items[i].name);
		assert_int_equal(x->items[i].origin, y->items[i].origin);
		assert_int_equal(x->items[i].address, y->items[i].address);
	}
	for (uint32_t i = 0; i < a->blocks.count; i++) {
		assert_memory_equal(heap_types_what(x, i), heap_types_what(y, i),
				    sizeof(*x->what));
		assert_int_equal(heap_types_called(x, i), heap_types_called(y, i));
	}
	assert_int_equal(x->field_count, y->field_count);
	for (size_t i = 0; i < x->field_count; i++)
		assert_memory_equal(&x->fields[i], &y->fields[i], sizeof(*x->fields));
	assert_int_equal(x->label_count, y->label_count);
	for (uint32_t e = 0; e < a->edge_count; e++) {
		const struct heap_label *l = heap_types_label(x, e),
					*m = heap_types_label(y, e);

		assert_int_equal(!l, !m);
		assert_true(!l || (l->name == m->name && l->kind == m->kind));
	}
}

static void expect_same(const struct heap_graph *a, const struct heap_graph *b)
{
	assert_int_equal(a->blocks.count, b->blocks.count);
	assert_memory_equal(a->blocks.items, b->blocks.items,
			    a->blocks.count * sizeof(*a->blocks.items));
	assert_memory_equal(a->first, b->first,
			    (a->blocks.count + 1) * sizeof(*a->first));
	assert_int_equal(!a->threads, !b->threads);
	if (a->threads)
		assert_memory_equal(a->threads, b->threads,
				    a->blocks.count * sizeof(*a->threads));
	for (size_t i = 0; i < a->blocks.count; i++)
		assert_int_equal(a->inherited && a->inherited[i],
				 b->inherited && b->inherited[i]);
	assert_int_equal(a->edge_count, b->edge_count);
	for (size_t e = 0; e < a->edge_count; e++) {
		assert_int_equal(a->edges.to[e], b->edges.to[e]);
		assert_int_equal(a->edges.word[e], b->edges.word[e]);
		assert_int_equal(a->edges.how[e], b->edges.how[e]);
	}
	assert_int_equal(a->area_count, b->area_count);
	for (size_t i = 0; i < a->area_count; i++) {
		assert_int_equal(a->areas[i].start, b->areas[i].start);
		assert_int_equal(a->areas[i].end, b->areas[i].end);
		assert_int_equal(a->areas[i].kind, b->areas[i].kind);
		assert_int_equal(a->areas[i].name, b->areas[i].name);
		assert_int_equal(a->areas[i].tid, b->areas[i].tid);
		assert_int_equal(a->areas[i].function, b->areas[i].function);
	}
	assert_int_equal(a->root_count, b->root_count);
	for (size_t i = 0; i < a->root_count; i++) {
		assert_int_equal(a->roots[i].to, b->roots[i].to);
		assert_int_equal(a->roots[i].area, b->roots[i].area);
		assert_int_equal(a->roots[i].at, b->roots[i].at);
		assert_int_equal(a->roots[i].how, b->roots[i].how);
	}
	expect_same_types(a, b);
}

static void what_is_stored_comes_back(void **state)
{
	(void)state;
	for (int round = 0; round < 400; round++) {
		struct heap_graph g;
		struct heap_roots roots;
		struct heap_stored s;
		struct kept k = {0};

		furnish(&g, &roots, round == 7 ? 100000 : 1 + make_below(60));
		assert_int_equal(heap_store(&g, &roots, keep, &k), 0);
		assert_int_equal(load(&k, &s), 0);
		expect_same(&g, &s.graph);
		assert_int_equal(roots.names.count > 1 ? roots.names.count : 0,
				 s.roots.names.count);
		assert_int_equal(roots.modules.count, s.roots.modules.count);
		assert_int_equal(roots.modules.items[2].bias,
				 s.roots.modules.items[2].bias);
		heap_stored_done(&s);
		heap_graph_done(&g);
		heap_roots_done(&roots);
		kept_done(&k);
	}
}

/* ---- files ----------------------------------------------------------------------- */

/* A profile in a file whose only snapshot is of these pieces; path gets its name. */
static struct profile *filed(const struct kept *k, char *path)
{
	struct profile *p = profile_new(), *loaded;
	struct profile_piece pieces[PIECES];
	struct profile_writer *w = NULL;
	char why[256];
	int fd = mkstemp(path);

	p->complete = true;
	assert_int_equal(profile_writer_open(fd, &w), 0);
	for (size_t i = 0; i < k->count; i++)
		assert_int_equal(profile_piece_make(k->piece[i].data, k->piece[i].len,
						    &pieces[i]),
				 0);
	assert_int_equal(array_reserve(&p->snapshots, &p->snapshot_room, 1), 0);
	p->snapshots[p->snapshot_count++] =
		(struct profile_snapshot){.process_serial = 1};
	assert_int_equal(array_reserve(&p->processes, &p->process_room, 1), 0);
	p->processes[p->process_count++] =
		(struct profile_process){.serial = 1, .pid = 1};
	/* Any site of a block is one of the profile. */
	assert_int_equal(array_reserve(&p->stacks, &p->stack_room, 1000), 0);
	p->stack_count = 1000;
	assert_int_equal(profile_pieces_add(p, pieces, k->count), 0);
	assert_int_equal(profile_writer_update(w, p), 0);
	profile_writer_close(w);
	profile_close(p);
	assert_int_equal(profile_load(path, &loaded, why, sizeof(why)), 0);
	return loaded;
}

static int load_filed(const struct kept *k, struct heap_stored *ret)
{
	char path[] = "/tmp/heapline-unit.XXXXXX";
	struct profile *p = filed(k, path);
	int r = heap_store_load(path, p, 0, ret);

	profile_close(p);
	unlink(path);
	return r;
}

static void graphs_of_few_and_of_many_pieces_come_back_from_a_file(void **state)
{
	(void)state;
	for (int round = 0; round < 4; round++) {
		struct heap_graph g;
		struct heap_roots roots;
		struct heap_stored s;
		struct kept k = {0};

		furnish(&g, &roots, round % 2 ? 100000 : 50);
		for (size_t i = 0; i < g.blocks.count; i++)
			g.blocks.items[i].site = make_below(1000);
		assert_int_equal(heap_store(&g, &roots, keep, &k), 0);
		assert_int_equal(load_filed(&k, &s), 0);
		expect_same(&g, &s.graph);
		heap_stored_done(&s);
		heap_graph_done(&g);
		heap_roots_done(&roots);
		kept_done(&k);
	}
}

/* Threads are ahead with the next ones as it is found. */
static void a_wrong_piece_among_many_is_refused(void **state)
{
	struct heap_graph g;
	struct heap_roots roots;
	struct kept k = {0};

	(void)state;
	furnish(&g, &roots, 100000);
	for (size_t i = 0; i < g.blocks.count; i++)
		g.blocks.items[i].site = make_below(1000);
	assert_int_equal(heap_store(&g, &roots, keep, &k), 0);
	assert_true(k.count > 8);
	for (size_t i = 0; i < k.count; i++) {
		unsigned char *rows = &k.piece[i].data[1], was = *rows;
		struct heap_stored s = {0};

		*rows = 0xff; /* of a varint: more of them than there are */
		assert_int_equal(load_filed(&k, &s), -EBADMSG);
		assert_null(s.graph.first);
		*rows = was;
	}
	heap_graph_done(&g);
	heap_roots_done(&roots);
	kept_done(&k);
}

/* Any byte may be any other: what loads is sound, whatever it says. */
static void damage_is_refused_or_harmless(void **state)
{
	int loaded = 0, refused = 0;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct heap_graph g;
		struct heap_roots roots;
		struct heap_stored s;
		struct kept k = {0};

		furnish(&g, &roots, 1 + make_below(12));
		assert_int_equal(heap_store(&g, &roots, keep, &k), 0);
		for (uint32_t n = 1 + make_below(3); n--;) {
			struct bytes *b = &k.piece[make_below((uint32_t)k.count)];

			if (!b->len)
				continue;
			if (make_below(6))
				b->data[make_below((uint32_t)b->len)] =
					(unsigned char)make_random();
			else
				b->len = make_below((uint32_t)b->len + 1);
		}
		if (load(&k, &s) == 0) {
			assert_true(heap_graph_is_sound(&s.graph));
			loaded++;
		} else {
			refused++;
		}
		heap_stored_done(&s);
		heap_graph_done(&g);
		heap_roots_done(&roots);
		kept_done(&k);
	}
	assert_true(loaded > 100 && refused > 1000);
}

/* More edges counted than there are bytes, or than 32 bits hold. */
static void impossible_counts_are_refused(void **state)
{
	static const uint64_t counts[] = {2, 1ull << 16, 1ull << 32, UINT64_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		struct heap_stored s = {0};
		_cleanup_(bytes_done) struct bytes b = {0};
		struct bytes_reader in;

		bytes_put_varint(&b, 4); /* a block with that many edges */
		bytes_put_varint(&b, 1);
		for (int c = 0; c < 4; c++)
			bytes_put_varint(&b, 16);
		bytes_put_varint(&b, counts[i]);
		in = bytes_reader(b.data, b.len);
		assert_int_equal(heap_store_take(&s, &in), 0);
		/* (Whatever 32 bits keep of it.) */
		if ((uint32_t)counts[i])
			assert_int_equal(heap_store_end(&s), -EBADMSG);
		heap_stored_done(&s);
		bytes_reset(&b);
		bytes_put_varint(&b, 5);
		bytes_put_varint(&b, counts[i]);
		in = bytes_reader(b.data, b.len);
		assert_int_equal(heap_store_take(&s, &in), -EBADMSG);
	}
}

/* A piece that flags blocks is no measure of how many there are. */
static void blocks_behind_their_flags_are_refused(void **state)
{
	static const unsigned char block[] = {4, 1, 32, 8, 1, 2, 0},
				   flags[][3] = {{7, 0, 0}, {11, 0, 0}, {14, 0, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		const unsigned char flag[] = {flags[i][0], 1, 0};
		struct heap_stored s = {0};
		struct bytes_reader in = bytes_reader(flags[i], 2);

		assert_int_equal(heap_store_take(&s, &in), 0);
		in = bytes_reader(block, sizeof(block));
		assert_int_equal(heap_store_take(&s, &in), -EBADMSG);
		in = bytes_reader(flag, sizeof(flag));
		assert_int_equal(heap_store_take(&s, &in), -EBADMSG);
		heap_stored_done(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_stored_comes_back),
		cmocka_unit_test(
			graphs_of_few_and_of_many_pieces_come_back_from_a_file),
		cmocka_unit_test(a_wrong_piece_among_many_is_refused),
		cmocka_unit_test(damage_is_refused_or_harmless),
		cmocka_unit_test(impossible_counts_are_refused),
		cmocka_unit_test(blocks_behind_their_flags_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
