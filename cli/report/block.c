#include "cli/report/block.h"

#include "cli/base/cleanup.h"
#include "cli/base/units.h"
#include "cli/heap/reach.h"
#include "cli/report/held_json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT = 1024, PLACES = 20 };

/* ---- one block ----------------------------------------------------------- */

static void put_stack(const struct held *h, uint32_t stack, FILE *out)
{
	const struct profile *p = h->profile;
	struct frames_walk walk = frames_of(p, stack);
	struct frames_frame frame;
	char name[TEXT];

	while (frames_next(&walk, &frame)) {
		const char *file =
			frame.code ? strings_get(&p->strings, frame.code->file) : "";

		fputs("    ", out);
		text_put(out, frames_name(p, &frame, name, sizeof(name)));
		if (*file) {
			fputs("  ", out);
			text_put(out, frames_base(file));
			if (frame.code->line)
				fprintf(out, ":%u", frame.code->line);
		}
		fputc('\n', out);
	}
}

static uint64_t age(const struct held *h, uint32_t block)
{
	uint64_t born = h->graph->blocks.items[block].born_ns;

	return h->snapshot->at_ns > born ? h->snapshot->at_ns - born : 0;
}

static void put_one(const struct held *h, uint32_t block, FILE *out)
{
	const struct heap_graph *g = h->graph;
	const struct heap_block *b = &g->blocks.items[block];
	size_t end, roots = heap_graph_roots_of(g, block, &end);

	fprintf(out, "\n0x%" PRIx64 "  %s (%s bytes), %s old\n", b->address,
		units_size(b->size).text, units_count(b->size).text,
		units_duration(age(h, block)).text);
	fprintf(out, "  %s; roots to it: %s, references to it: %s, from it: %s\n",
		held_level(h->level[block]), units_count(end - roots).text,
		units_count(g->in_first[block + 1] - g->in_first[block]).text,
		units_count(g->first[block + 1] - g->first[block]).text);
	fputs("  allocated by\n", out);
	put_stack(h, b->site, out);
}

int block_text(const struct held *h, const char *what, size_t most, FILE *out)
{
	_cleanup_(freep) uint32_t *blocks = NULL;
	size_t count;
	int r = held_find(h, what, &blocks, &count);

	if (r < 0 || !count)
		return r < 0 ? r : -ENXIO;
	held_heading(h, out);
	if (count > most)
		fprintf(out, "%zu of %s blocks:\n", most, units_count(count).text);
	for (size_t i = 0; i < count && i < most; i++)
		put_one(h, blocks[i], out);
	return 0;
}

int block_json(const struct held *h, const char *what, size_t most, FILE *out)
{
	struct json j = {.out = out, .spread = 4};
	_cleanup_(freep) uint32_t *blocks = NULL;
	const struct heap_graph *g = h->graph;
	size_t count, end;
	int r = held_find(h, what, &blocks, &count);

	if (r < 0 || !count)
		return r < 0 ? r : -ENXIO;
	held_json_begin(h, "at", &j);
	json_put_unsigned(&j, "found", count);
	json_key(&j, "blocks");
	json_array(&j);
	for (size_t i = 0; i < count && i < most; i++) {
		size_t root = heap_graph_roots_of(g, blocks[i], &end);

		json_object(&j);
		held_json_block(h, blocks[i], &j);
		json_put_unsigned(&j, "age_ns", age(h, blocks[i]));
		json_put_unsigned(&j, "referrers",
				  g->in_first[blocks[i] + 1] - g->in_first[blocks[i]]);
		json_put_unsigned(&j, "references",
				  g->first[blocks[i] + 1] - g->first[blocks[i]]);
		json_key(&j, "roots");
		json_array(&j);
		for (; root < end; root++)
			held_json_root(h, root, &j);
		json_close(&j);
		json_close(&j);
	}
	json_close(&j);
	json_close(&j);
	json_end(&j);
	return 0;
}

/* ---- roots, by place ------------------------------------------------------ */

struct place {
	uint32_t area;
	size_t root; /* one of its */
	uint64_t roots;
	uint64_t bytes; /* of the blocks that they point at, each root's */
};

static int compare(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	if (x->roots != y->roots)
		return x->roots > y->roots ? -1 : 1;
	return x->area < y->area ? -1 : x->area > y->area;
}

/* Those with roots, the one with most bytes first. */
static struct place *places_of(const struct held *h, size_t *ret_count)
{
	const struct heap_graph *g = h->graph;
	struct place *all = calloc(g->area_count + 1, sizeof(*all));
	size_t n = 0;

	for (size_t i = 0; all && i < g->root_count; i++) {
		struct place *x = &all[g->roots[i].area];

		x->root = i;
		x->roots++;
		/* Roots are in the order of blocks, then of places. */
		if (!i || g->roots[i - 1].to != g->roots[i].to ||
		    g->roots[i - 1].area != g->roots[i].area)
			x->bytes += g->blocks.items[g->roots[i].to].size;
	}
	for (uint32_t i = 0; all && i < g->area_count; i++)
		if (all[i].roots) {
			all[n] = all[i];
			all[n++].area = i;
		}
	if (n)
		qsort(all, n, sizeof(*all), compare);
	*ret_count = n;
	return all;
}

/* Without the offset of one root. */
static const char *place_name(const struct held *h, const struct place *x, char *text,
			      size_t room)
{
	struct heap_root root = h->graph->roots[x->root];
	const struct heap_area *a = &h->graph->areas[x->area];

	if (a->start)
		root.at = a->start;
	else
		root.at = UINT64_MAX; /* any register */
	return held_root(h, &root, text, room);
}

static void put_sums(const struct held *h, FILE *out)
{
	uint64_t blocks[HEAP_UNREACHED + 1] = {0}, bytes[HEAP_UNREACHED + 1] = {0};
	static const uint8_t levels[] = {HELD_SURE,   HELD_INSIDE,  HELD_WEAK,
					 HELD_EXITED, HELD_IGNORED, HEAP_UNREACHED};

	uint64_t maps[2] = {0}, maps_bytes[2] = {0}; /* lost, held */

	for (size_t i = 0; i < h->graph->blocks.count; i++) {
		const struct heap_block *b = &h->graph->blocks.items[i];
		bool is_held = h->level[i] != HEAP_UNREACHED;

		if (b->flags & HEAP_MAPPED) {
			maps[is_held]++;
			maps_bytes[is_held] += b->size;
			continue;
		}
		blocks[h->level[i]]++;
		bytes[h->level[i]] += b->size;
	}
	for (size_t i = 0; i < sizeof(levels); i++)
		if (blocks[levels[i]])
			fprintf(out, "%12s %12s  %s\n",
				units_count(blocks[levels[i]]).text,
				units_size(bytes[levels[i]]).text,
				held_level(levels[i]));
	for (int i = 1; i >= 0; i--)
		if (maps[i])
			fprintf(out, "%12s %12s  mappings, %s\n",
				units_count(maps[i]).text,
				units_size(maps_bytes[i]).text,
				i ? "held" : "held by nobody");
}

int roots_text(const struct held *h, size_t limit, FILE *out)
{
	size_t count, most = limit ? limit : PLACES;
	_cleanup_(freep) struct place *places = places_of(h, &count);

	if (!places)
		return -ENOMEM;
	held_heading(h, out);
	fputs("\n      Blocks         Size\n", out);
	put_sums(h, out);
	fputs("\n    Pointers     Bytes at  Where\n", out);
	for (size_t i = 0; i < count && i < most; i++) {
		const struct heap_area *a = &h->graph->areas[places[i].area];
		char text[TEXT];

		fprintf(out, "%12s %12s  ", units_count(places[i].roots).text,
			units_size(places[i].bytes).text);
		text_put(out, place_name(h, &places[i], text, sizeof(text)));
		fprintf(out, "  (%s)\n", held_kind((enum heap_kind)a->kind));
	}
	if (count > most)
		fprintf(out, "%s more places; -n shows more\n",
			units_count(count - most).text);
	return 0;
}

int roots_json(const struct held *h, size_t limit, FILE *out)
{
	struct json j = {.out = out, .spread = 3};
	const struct heap_graph *g = h->graph;

	held_json_begin(h, "roots", &j);
	json_key(&j, "roots");
	json_array(&j);
	for (size_t i = 0; i < g->root_count && (!limit || i < limit); i++) {
		json_object(&j);
		json_key(&j, "root");
		held_json_root(h, i, &j);
		json_key(&j, "block");
		json_object(&j);
		held_json_block(h, g->roots[i].to, &j);
		json_close(&j);
		json_close(&j);
	}
	json_close(&j);
	json_close(&j);
	json_end(&j);
	return 0;
}
