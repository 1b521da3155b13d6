#include "cli/report/chain.h"

#include "cli/base/cleanup.h"
#include "cli/base/units.h"
#include "cli/heap/chains.h"
#include "cli/report/held_json.h"
#include "cli/report/pointer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum {
	TEXT = 1024,
	FOLD = 4,  /* steps that are alike, and more: they are left out */
	SHORT = 6, /* steps at both ends of a line */
};

const struct chain_try chain_tries[CHAIN_TRIES] = {
	{HEAP_ALL_KINDS & ~(1u << HEAP_VECTOR | 1u << HEAP_EXITED), 1u << HEAP_START},
	{HEAP_ALL_KINDS & ~(1u << HEAP_VECTOR | 1u << HEAP_EXITED),
	 1u << HEAP_START | 1u << HEAP_INTERIOR | 1u << HEAP_TAG_LOW},
	{HEAP_ALL_KINDS & ~(1u << HEAP_EXITED), (1u << HEAP_HOWS) - 1},
	{HEAP_ALL_KINDS, (1u << HEAP_HOWS) - 1},
};

/* By the better ways first; those that are missing then by others. avoid: by block,
 * 1 where none may lead through; or NULL. */
static int find(const struct held *h, uint32_t block, size_t most, const uint8_t *avoid,
		struct heap_chains *ret)
{
	int r = 0;

	*ret = (struct heap_chains){0};
	for (size_t i = 0; !r && ret->count < most && i < CHAIN_TRIES; i++) {
		struct heap_chains_options o = {chain_tries[i].kinds,
						chain_tries[i].hows, avoid, most};

		r = heap_chains_find(h->graph, block, &o, ret);
	}
	return r;
}

static void put_block(const struct held *h, uint32_t block, FILE *out)
{
	const struct heap_block *b = &h->graph->blocks.items[block];
	char text[TEXT];

	fprintf(out, "0x%" PRIx64 "  %s  ", b->address, units_size(b->size).text);
	text_put(out, held_block(h, block, text, sizeof(text)));
}

/* Where in its block, or root, the pointer to the next step is. */
static void put_edge(const struct held *h, uint32_t edge, FILE *out)
{
	char place[32], text[64], label[POINTER_TEXT];

	fprintf(out, "    %s", held_place(h, edge, place, sizeof(place)));
	if (*pointer_label(h, edge, label, sizeof(label))) {
		fputc(' ', out);
		text_put(out, label);
	}
	fprintf(out, " ->%s ",
		held_how(h->graph->edges.how[edge], text, sizeof(text)) + !!*text);
}

/* Whether a step is as the one before it: the same site, by the same offset. */
static bool alike(const struct held *h, const struct heap_chain *c, size_t i)
{
	const struct heap_graph *g = h->graph;

	return i > 1 &&
	       g->blocks.items[c->steps[i].block].site ==
		       g->blocks.items[c->steps[i - 1].block].site &&
	       g->edges.word[c->steps[i - 1].edge] ==
		       g->edges.word[c->steps[i - 2].edge];
}

/* How many steps from i on to leave out: the inside of a long row of equal ones. */
static size_t fold(const struct held *h, const struct heap_chain *c, size_t i)
{
	size_t n = 0;

	while (i + n + 1 < c->count && alike(h, c, i + n))
		n++;
	return n > FOLD ? n : 0;
}

static void put_chain(const struct held *h, const struct heap_chain *c, FILE *out)
{
	const struct heap_root *root = &h->graph->roots[c->root];
	char text[TEXT], how[64];

	fputs("  ", out);
	text_put(out, held_root(h, root, text, sizeof(text)));
	fprintf(out, "    (%s)\n    ->%s ",
		held_kind((enum heap_kind)h->graph->areas[root->area].kind),
		held_how(root->how, how, sizeof(how)) + !!*how);
	for (size_t i = 0; i < c->count; i++) {
		size_t left_out = fold(h, c, i);

		put_block(h, c->steps[i].block, out);
		fputc('\n', out);
		if (left_out) {
			fprintf(out, "    ... %s more like this\n",
				units_count(left_out).text);
			i += left_out;
		}
		if (c->steps[i].edge != HEAP_NONE)
			put_edge(h, c->steps[i].edge, out);
	}
}

/* " -> block" */
static void put_node(const struct held *h, uint32_t block, FILE *out)
{
	uint32_t flags = h->graph->blocks.items[block].flags;

	fputs(flags & HEAP_MAPPED  ? " -> mapping"
	      : flags & HEAP_CHUNK ? " -> chunk"
				   : " -> block",
	      out);
}

/* "g_table+0x88 -> block +16 -> block": the whole in a line. Raw. */
static void put_short(const struct held *h, const struct heap_chain *c, FILE *out)
{
	char text[TEXT];

	fputs(held_root(h, &h->graph->roots[c->root], text, sizeof(text)), out);
	put_node(h, c->steps[0].block, out);
	for (size_t i = 0; i + 1 < c->count; i++) {
		if (i == SHORT && c->count > 2 * SHORT) {
			fprintf(out, " ... %s more",
				units_count(c->count - 2 * SHORT).text);
			i = c->count - SHORT - 1;
		}
		fprintf(out, " %s",
			held_place(h, c->steps[i].edge, text, sizeof(text)));
		put_node(h, c->steps[i + 1].block, out);
	}
}

/* Of the last pointer in it: how it points, if not at a start. */
static void put_last_how(const struct held *h, const struct heap_chain *c, FILE *out)
{
	uint16_t how = c->count > 1 ? h->graph->edges.how[c->steps[c->count - 2].edge]
				    : h->graph->roots[c->root].how;
	char text[64];

	fputs(held_how(how, text, sizeof(text)), out);
}

int chain_line(const struct held *h, uint32_t block, char **ret)
{
	struct heap_chains chains;
	size_t len = 0;
	FILE *out;
	int r;

	*ret = NULL;
	r = find(h, block, 1, NULL, &chains);
	if (r < 0 || !chains.count)
		return r;
	out = open_memstream(ret, &len);
	if (out) {
		put_short(h, &chains.items[0], out);
		put_last_how(h, &chains.items[0], out);
		fclose(out);
	}
	heap_chains_done(&chains);
	return *ret ? 0 : -ENOMEM;
}

static void put_lost(const struct held *h, uint32_t block, const uint8_t *avoid,
		     FILE *out)
{
	uint32_t in = h->graph->in_first[block + 1] - h->graph->in_first[block];

	if (avoid && h->level[block] != HEAP_UNREACHED)
		fputs("  no way leads around what is to be avoided\n", out);
	else if (in)
		fprintf(out,
			"  nobody holds it: what points at it (%s reference%s) is held "
			"by nobody itself\n",
			units_count(in).text, in == 1 ? "" : "s");
	else
		fputs("  nobody holds it: no pointer to it was found\n", out);
}

/* The chain as the program would write it. */
static void put_words(const struct held *h, const struct heap_chain *c, FILE *out)
{
	_cleanup_(freep) char *words = pointer_chain(h, c);

	if (!words || !*words)
		return;
	fputs("  ", out);
	text_put(out, words);
	fputc('\n', out);
}

static int put_one(const struct held *h, uint32_t block, size_t most,
		   const uint8_t *avoid, FILE *out)
{
	struct heap_chains chains;
	int r = find(h, block, most, avoid, &chains);

	if (r < 0)
		return r;
	fputc('\n', out);
	put_block(h, block, out);
	fprintf(out, "  (%s)\n", held_level(h->level[block]));
	if (!chains.count)
		put_lost(h, block, avoid, out);
	for (size_t i = 0; i < chains.count; i++) {
		char *line = NULL;
		size_t len = 0;
		FILE *raw = open_memstream(&line, &len);

		put_words(h, &chains.items[i], out);
		if (raw) {
			put_short(h, &chains.items[i], raw);
			fclose(raw);
			text_put(out, line);
			fputc('\n', out);
			free(line);
		}
		put_chain(h, &chains.items[i], out);
	}
	heap_chains_done(&chains);
	return 0;
}

int chain_text(const struct held *h, const struct chain_options *o, FILE *out)
{
	_cleanup_(freep) uint32_t *blocks = NULL;
	_cleanup_(freep) uint8_t *avoid = NULL;
	size_t count, most = o->blocks ? o->blocks : 1;
	int r = held_find(h, o->what, &blocks, &count);

	if (!r)
		r = chosen_blocks(h, &o->avoid, &avoid);
	if (r < 0 || !count)
		return r < 0 ? r : -ENXIO;
	held_heading(h, out);
	if (count > most)
		fprintf(out, "%zu of %s such blocks:\n", most, units_count(count).text);
	for (size_t i = 0; !r && i < count && i < most; i++)
		r = put_one(h, blocks[i], o->paths ? o->paths : 1, avoid, out);
	return r;
}

static void json_chain(const struct held *h, const struct heap_chain *c, struct json *j)
{
	_cleanup_(freep) char *words = pointer_chain(h, c);

	json_object(j);
	json_key(j, "root");
	held_json_root(h, c->root, j);
	if (words && *words)
		json_put_string(j, "words", words);
	json_key(j, "steps");
	json_array(j);
	for (size_t i = 0; i < c->count; i++) {
		json_object(j);
		held_json_block(h, c->steps[i].block, j);
		if (c->steps[i].edge != HEAP_NONE)
			held_json_edge(h, c->steps[i].edge, j);
		json_close(j);
	}
	json_close(j);
	json_close(j);
}

int chain_json(const struct held *h, const struct chain_options *o, FILE *out)
{
	struct json j = {.out = out, .spread = 4};
	_cleanup_(freep) uint32_t *blocks = NULL;
	_cleanup_(freep) uint8_t *avoid = NULL;
	size_t count, most = o->blocks ? o->blocks : 1;
	int r = held_find(h, o->what, &blocks, &count);

	if (!r)
		r = chosen_blocks(h, &o->avoid, &avoid);
	if (r < 0 || !count)
		return r < 0 ? r : -ENXIO;
	held_json_begin(h, "path", &j);
	json_put_unsigned(&j, "found", count);
	json_key(&j, "blocks");
	json_array(&j);
	for (size_t i = 0; !r && i < count && i < most; i++) {
		struct heap_chains chains;

		r = find(h, blocks[i], o->paths ? o->paths : 1, avoid, &chains);
		if (r < 0)
			return r;
		json_object(&j);
		held_json_block(h, blocks[i], &j);
		json_key(&j, "paths");
		json_array(&j);
		for (size_t k = 0; k < chains.count; k++)
			json_chain(h, &chains.items[k], &j);
		json_close(&j);
		json_close(&j);
		heap_chains_done(&chains);
	}
	json_close(&j);
	json_close(&j);
	json_end(&j);
	return r;
}
