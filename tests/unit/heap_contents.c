/*
 * What is kept of blocks, against their memory; through pieces, whole and damaged.
 */
#include "cli/heap/contents.h"

#include "cli/base/cleanup.h"
#include "tests/unit/heap_make.h"

#include <errno.h>

enum { MEMORY = 1 << 20, BASE = 1 << 20 };

struct memory { /* of a process: words at BASE, some of which cannot be read */
	unsigned char bytes[MEMORY];
	uint64_t closed, reopened; /* a hole */
	int err;		   /* of every read */
	uint64_t reads;
};

static ssize_t read_some(void *context, uint64_t address, void *to, size_t len,
			 uint64_t *ret_skip)
{
	struct memory *m = context;
	uint64_t at = address - BASE, n = len;

	m->reads++;
	assert_int_equal(address % 8, 0);
	assert_int_equal(len % 8, 0);
	if (m->err)
		return m->err;
	if (at >= m->closed && at < m->reopened) {
		*ret_skip = m->reopened - at;
		return 0;
	}
	if (at < m->closed && m->closed - at < n)
		n = m->closed - at;
	if (at >= MEMORY) {
		*ret_skip = 8;
		return 0;
	}
	n = n < MEMORY - at ? n : MEMORY - at;
	memcpy(to, m->bytes + at, n);
	return (ssize_t)n;
}

struct kept {
	struct bytes piece[16];
	size_t count;
};

static int keep(void *context, const void *data, size_t len)
{
	struct kept *k = context;

	assert_true(k->count < 16);
	assert_true(len < 4 << 20);
	bytes_put(&k->piece[k->count++], data, len);
	return 0;
}

static void kept_done(struct kept *k)
{
	for (size_t i = 0; i < k->count; i++)
		bytes_done(&k->piece[i]);
	*k = (struct kept){0};
}

/* As a reader has it of a file. */
static int find(const struct kept *k, uint32_t block, struct heap_contents_of *ret)
{
	int r = -ENODATA;

	for (size_t i = 0; r == -ENODATA && i < k->count; i++)
		r = heap_contents_find(bytes_reader(k->piece[i].data, k->piece[i].len),
				       block, ret);
	return r;
}

/* How many of the block's first bytes can be read. */
static uint64_t readable(const struct memory *m, const struct heap_block *b)
{
	uint64_t at = b->address - BASE, most = b->size;

	most = most < HEAP_CONTENTS_MOST ? most : HEAP_CONTENTS_MOST;
	if (at >= m->closed && at < m->reopened)
		return 0;
	return at < m->closed && m->closed - at < most ? m->closed - at : most;
}

static void each_block_has_its_first_bytes(void **state)
{
	struct memory *m = calloc(1, sizeof(*m));
	struct heap_source source = {m, read_some};

	(void)state;
	for (size_t i = 0; i < MEMORY; i++)
		m->bytes[i] = (unsigned char)make_random();
	for (int round = 0; round < 60; round++) {
		_cleanup_(heap_blocks_done) struct heap_blocks b = {0};
		_cleanup_(heap_contents_done) struct heap_contents c = {0};
		_cleanup_(kept_done) struct kept k = {0};
		uint64_t at = make_below(64);

		/* (Starts of blocks need be no multiples of 8.) */
		for (; at < MEMORY - 5000; at += make_below(round + 2)) {
			struct heap_block x = {.address = BASE + at,
					       .size = make_below(3)
							       ? make_below(80)
							       : make_below(4000)};
			assert_int_equal(heap_blocks_add(&b, &x), 0);
			at += x.size + 1;
		}
		assert_int_equal(heap_blocks_seal(&b), 0);
		m->closed = make_below(MEMORY) & ~7u;
		m->reopened = m->closed + (make_below(9999) & ~7u);
		m->reads = 0;
		assert_int_equal(heap_contents_take(&c, &b, &source), 0);
		assert_uint_in_range(m->reads, 1, b.count + MEMORY / (64 << 10) + 2);
		assert_int_equal(heap_contents_store(&c, keep, &k), 0);
		for (uint32_t i = 0; i < b.count; i++) {
			struct heap_contents_of of;

			assert_int_equal(find(&k, i, &of), 0);
			assert_int_equal(of.len, readable(m, &b.items[i]));
			assert_memory_equal(of.bytes,
					    m->bytes + (b.items[i].address - BASE),
					    of.len);
		}
		assert_int_equal(
			find(&k, (uint32_t)b.count, &(struct heap_contents_of){0}),
			-ENODATA);
	}
	free(m);
}

/* All of the same address: only the sums count. */
static ssize_t read_ones(void *context, uint64_t address, void *to, size_t len,
			 uint64_t *ret_skip)
{
	(void)context;
	(void)address;
	(void)ret_skip;
	memset(to, 1, len);
	return (ssize_t)len;
}

static void they_are_bounded(void **state)
{
	static const struct {
		size_t blocks;
		uint64_t each;
	} cases[] = {{200000, 256}, {300000, 128}, {5000000, 16}};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct heap_source source = {NULL, read_ones};
		struct heap_contents c = {0};
		struct heap_contents_of of;
		struct heap_blocks b = {0};
		struct bytes_reader in;

		for (size_t k = 0; k < cases[i].blocks; k++) {
			struct heap_block x = {.address = 4096 + 300 * k, .size = 300};

			assert_int_equal(heap_blocks_add(&b, &x), 0);
		}
		assert_int_equal(heap_contents_take(&c, &b, &source), 0);
		assert_uint_in_range(c.bytes.len, HEAP_CONTENTS_ALL / 3,
				     HEAP_CONTENTS_ALL + (4 << 20));
		in = bytes_reader(c.bytes.data, c.ends[0]);
		assert_int_equal(heap_contents_find(in, 77, &of), 0);
		assert_int_equal(of.len, cases[i].each);
		heap_contents_done(&c);
		heap_blocks_done(&b);
	}
}

static void a_process_that_is_gone_ends_it(void **state)
{
	struct memory *m = calloc(1, sizeof(*m));
	struct heap_source source = {m, read_some};
	struct heap_contents c = {0};
	struct heap_graph g = {0};

	(void)state;
	m->err = -ESRCH;
	make_block(&g, BASE, 8);
	assert_int_equal(heap_contents_take(&c, &g.blocks, &source), -ESRCH);
	heap_contents_done(&c);
	heap_graph_done(&g);
	free(m);
}

static void damage_is_refused_or_harmless(void **state)
{
	struct memory *m = calloc(1, sizeof(*m));
	struct heap_source source = {m, read_some};
	struct heap_contents c = {0};
	struct heap_graph g = {0};
	struct kept k = {0};
	int found[2] = {0};

	(void)state;
	for (uint64_t i = 0; i < 40; i++)
		make_block(&g, BASE + 400 * i, 10 * i);
	assert_int_equal(heap_contents_take(&c, &g.blocks, &source), 0);
	assert_int_equal(heap_contents_store(&c, keep, &k), 0);
	for (int round = 0; round < 20000; round++) {
		/* Of that size to the byte: what is beyond, a sanitizer sees. */
		size_t len = make_below(3) ? k.piece[0].len
					   : make_below((uint32_t)k.piece[0].len);
		unsigned char *copy = malloc(len + !len);
		struct heap_contents_of of = {.len = 0};
		int r;

		memcpy(copy, k.piece[0].data, len);
		for (uint32_t n = make_below(4); len && n--;)
			copy[make_below(
				(uint32_t)(len < 40 || make_below(2) ? len : 40))] =
				(unsigned char)make_random();
		r = heap_contents_find(bytes_reader(copy, len), make_below(45), &of);
		assert_true(!r || r == -ENODATA || r == -EBADMSG);
		assert_uint_in_range(of.len, 0, HEAP_CONTENTS_MOST);
		found[!r]++;
		free(copy);
	}
	assert_true(found[0] > 1000 && found[1] > 1000);
	kept_done(&k);
	heap_contents_done(&c);
	heap_graph_done(&g);
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_block_has_its_first_bytes),
		cmocka_unit_test(they_are_bounded),
		cmocka_unit_test(a_process_that_is_gone_ends_it),
		cmocka_unit_test(damage_is_refused_or_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
