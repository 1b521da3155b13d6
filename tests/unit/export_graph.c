/*
 * The part of a heap graph that a page has, of random graphs: what it shows is in the
 * graph, what it leaves out is counted, and ways are as short as chains are.
 */
#include "cli/export/html_graph.h"
#include "cli/heap/chains.h"
#include "cli/report/chain.h"
#include "tests/unit/heap_make.h"
#include "tests/unit/report_make.h"

enum { MOST = 24, SITES = 4, EDGES_OF_BLOCK = 12 };

struct world {
	struct profile *profile;
	struct profile_snapshot snapshot;
	struct heap_graph graph;
	struct held held;
	char *page;
	size_t page_bytes;
};

static void make_world(struct world *w)
{
	uint32_t n = 1 + make_below(MOST);

	*w = (struct world){.profile = report_profile()};
	for (int i = 0; i < SITES; i++)
		report_node(w->profile, 0, 0, 0);
	make_graph(&w->graph, n, make_below(4 * n), make_below(8));
	for (uint32_t i = 0; i < w->graph.blocks.count; i++)
		w->graph.blocks.items[i].site = make_below(SITES);
	assert_int_equal(heap_graph_invert(&w->graph), 0);
	w->held = (struct held){.profile = w->profile,
				.snapshot = &w->snapshot,
				.graph = &w->graph,
				.owners = frames_owners_open(w->profile),
				.level = malloc(n + 1)};
	assert_non_null(w->held.owners);
	assert_int_equal(
		heap_reach(&w->graph, &heap_levels_usual, NULL, 0, w->held.level), 0);
}

static void end_world(struct world *w)
{
	free(w->page);
	held_done(&w->held);
	heap_graph_done(&w->graph);
	profile_close(w->profile);
}

static void make_page(struct world *w, const struct html_graph_options *o)
{
	FILE *out = open_memstream(&w->page, &w->page_bytes);

	assert_non_null(out);
	assert_int_equal(html_graph_json(&w->held, o, out), 0);
	assert_int_equal(fclose(out), 0);
}

/* ---- reading it back: a block is a line --------------------------------------- */

static uint64_t number_of(const char *line, const char *key)
{
	char words[64];
	const char *at;

	snprintf(words, sizeof(words), "\"%s\": ", key);
	at = strstr(line, words);
	assert_non_null(at);
	return strtoull(at + strlen(words), NULL, 10);
}

/* The lines of "blocks", cut apart. How many. */
static size_t blocks_of(char *text, char *lines[])
{
	size_t n = 0;
	char *at = strstr(text, "\n  \"blocks\": [");

	assert_non_null(at);
	for (at = strtok(at + 1, "\n"); (at = strtok(NULL, "\n"));) {
		if (!strncmp(at, "    {\"address\"", 14))
			lines[n++] = at;
		else if (strstr(at, "]"))
			break;
	}
	return n;
}

static uint32_t block_of(const struct world *w, const char *line)
{
	const char *at = strstr(line, "0x");
	uint32_t block = heap_blocks_at(&w->graph.blocks, strtoull(at, NULL, 16));

	assert_int_not_equal(block, HEAP_NONE);
	return block;
}

/* What the items of an array of a line have of a key, in all; and how many they are. */
static uint64_t sum_in(const char *line, const char *array, const char *key,
		       size_t *ret_count)
{
	char words[64];
	const char *at, *end;
	uint64_t sum = 0;

	snprintf(words, sizeof(words), "\"%s\": [", array);
	at = strstr(line, words);
	assert_non_null(at);
	end = strchr(at, ']');
	snprintf(words, sizeof(words), "{\"%s\": ", key);
	for (*ret_count = 0; (at = strstr(at, words)) && at < end; ++*ret_count) {
		at += strlen(words);
		sum += strtoull(at, NULL, 10);
	}
	return sum;
}

/* ---- what must hold ------------------------------------------------------------- */

/* others_left: sites that the page may still name, of any block. */
static void check_counts(const struct world *w, const char *line, bool is_all,
			 size_t *others_left)
{
	const struct heap_graph *g = &w->graph;
	uint32_t block = block_of(w, line);
	uint64_t out = g->first[block + 1] - g->first[block], others;
	size_t shown, n, end, root = heap_graph_roots_of(g, block, &end);

	assert_int_equal(number_of(line, "root_count"), end - root);
	assert_int_equal(number_of(line, "referrers"),
			 g->in_first[block + 1] - g->in_first[block]);
	assert_int_equal(number_of(strstr(line, "root_count"), "references"), out);
	sum_in(line, "to", "block", &shown);
	sum_in(line, "other_referrers", "references", &n);
	*others_left -= n;
	others = sum_in(line, "other_references", "references", &n);
	*others_left -= n;
	assert_true(shown + others <= out);
	if (is_all) {
		assert_int_equal(others, 0);
		assert_true(shown == out || shown >= EDGES_OF_BLOCK);
	} else if (shown < EDGES_OF_BLOCK && *others_left) {
		/* There are few sites: none of them is left out. */
		assert_int_equal(shown + others, out);
	}
}

static size_t shortest(const struct world *w, uint32_t block)
{
	size_t length = 0;

	for (int i = 0; i < CHAIN_TRIES && !length; i++) {
		const struct heap_chains_options o = {.kinds = chain_tries[i].kinds,
						      .hows = chain_tries[i].hows,
						      .most = 1};
		struct heap_chains c = {0};

		assert_int_equal(heap_chains_find(&w->graph, block, &o, &c), 0);
		length = c.count ? c.items[0].count : 0;
		heap_chains_done(&c);
	}
	return length;
}

static void check_way(const struct world *w, const char *line)
{
	size_t length = shortest(w, block_of(w, line));
	const char *way = strstr(line, "\"way\": {");

	assert_true(!way == !length);
	if (way)
		assert_int_equal(number_of(way, "length"), length);
}

static void what_is_shown_and_what_is_counted_make_up_the_graph(void **state)
{
	(void)state;
	for (int round = 0; round < 3000; round++) {
		char *lines[MOST];
		struct world w;
		uint32_t wanted;
		struct html_graph_options o = {.wanted = &wanted, .wanted_count = 1};
		size_t count, n, others_left;

		make_world(&w);
		count = w.graph.blocks.count;
		wanted = make_below((uint32_t)count);
		o.most = 1 + make_below(MOST);
		make_page(&w, &o);
		n = blocks_of(w.page, lines);
		assert_true(n <= o.most);
		assert_true(o.most < count || n == count);
		assert_int_equal(block_of(&w, lines[0]), wanted);
		others_left = 2 * (o.most < count ? o.most : count) + 6;
		for (size_t i = 0; i < n; i++) {
			check_counts(&w, lines[i], n == count, &others_left);
			check_way(&w, lines[i]);
		}
		end_world(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_shown_and_what_is_counted_make_up_the_graph),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
