#include "cli/report/block.h"

#include "cli/base/cleanup.h"
#include "cli/base/units.h"
#include "cli/heap/contents.h"
#include "cli/heap/reach.h"
#include "cli/report/held_json.h"
#include "cli/report/refs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	TEXT = 1024,
	PLACES = 20,
	BLOCKS = 10,
	NEAR = 5,  /* pointers shown, each way */
	LINE = 16, /* bytes */
};

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

static void put_thread(const struct held *h, uint32_t block, FILE *out)
{
	const struct profile_thread *t = held_thread(h, block);

	if (t) {
		fprintf(out, "  allocated by thread %d", (int)t->tid);
		if (t->name) {
			fputs(" (", out);
			text_put(out, strings_get(&h->profile->strings, t->name));
			fputc(')', out);
		}
		fputc('\n', out);
	} else if (held_is_inherited(h, block)) {
		fputs("  allocated by the process that forked this one\n", out);
	} else if (h->profile->divided & PROFILE_OWNERS) {
		fputs("  allocated by one of several threads, it is not known which\n",
		      out);
	} else {
		fputs("  allocated by a thread that was not noted (record with "
		      "--keep=thread)\n",
		      out);
	}
}

/* The address and its bytes, as hexdump -C has them. */
static void put_line(uint64_t address, const unsigned char *bytes, size_t n, FILE *out)
{
	fprintf(out, "    %012" PRIx64, address);
	for (size_t i = 0; i < LINE; i++)
		if (i < n)
			fprintf(out, "%s%02x", i % 8 ? " " : "  ", bytes[i]);
		else
			fputs(i % 8 ? "   " : "    ", out);
	fputs("  |", out);
	for (size_t i = 0; i < n; i++)
		fputc(bytes[i] >= ' ' && bytes[i] <= '~' ? bytes[i] : '.', out);
	fputs("|\n", out);
}

/* Lines like the one above are one star. */
static void put_contents(uint64_t address, const struct heap_contents_of *c,
			 uint64_t size, FILE *out)
{
	bool starred = false;

	if (!c->len) {
		fputs("  contents: never touched, or not to be read\n", out);
		return;
	}
	fprintf(out, "  contents, %s%zu bytes\n", c->len < size ? "the first " : "",
		c->len);
	for (size_t i = 0; i < c->len; i += LINE) {
		size_t n = c->len - i < LINE ? c->len - i : LINE;
		bool alike = i && n == LINE &&
			     !memcmp(c->bytes + i, c->bytes + i - LINE, LINE);

		if (!alike)
			put_line(address + i, c->bytes + i, n, out);
		else if (!starred)
			fputs("    *\n", out);
		starred = alike;
	}
}

static int put_near(const struct held *h, uint32_t block, FILE *out)
{
	const struct heap_graph *g = h->graph;
	size_t end, roots = heap_graph_roots_of(g, block, &end);
	int r = 0;

	if (end > roots || g->in_first[block + 1] > g->in_first[block]) {
		fputs("  pointers to it\n", out);
		r = refs_near(h, block, true, NEAR, out);
	}
	if (!r && g->first[block + 1] > g->first[block]) {
		fputs("  pointers in it\n", out);
		r = refs_near(h, block, false, NEAR, out);
	}
	return r;
}

/* What type of object it is, and how it counts the references to it. */
static void put_what(const struct held *h, uint32_t block, FILE *out)
{
	const struct heap_what *w = heap_types_what(&h->graph->types, block);
	char text[TEXT];

	if (!w->type)
		return;
	fputs("  ", out);
	text_put(out, held_type(h, block, text, sizeof(text)));
	if (w->part > HEAP_TUPLE) {
		fputc('\n', out);
		return;
	}
	if (w->count == HEAP_UNCOUNTED)
		fputs(", references are not counted", out);
	else
		fprintf(out, ", reference count %s", units_count(w->count).text);
	fputs(w->state & HEAP_TRACKED ? ", tracked by the collector of garbage\n"
				      : "\n",
	      out);
}

static int put_one(const struct held *h, struct heap_contents_reader *reader,
		   uint32_t block, FILE *out)
{
	const struct heap_graph *g = h->graph;
	const struct heap_block *b = &g->blocks.items[block];
	size_t end, roots = heap_graph_roots_of(g, block, &end);
	struct heap_contents_of contents;
	int r;

	fprintf(out, "\n0x%" PRIx64 "  %s (%s bytes), %s old\n", b->address,
		units_size(b->size).text, units_count(b->size).text,
		units_duration(age(h, block)).text);
	put_what(h, block, out);
	fprintf(out, "  %s; roots to it: %s, references to it: %s, from it: %s\n",
		held_level(h->level[block]), units_count(end - roots).text,
		units_count(g->in_first[block + 1] - g->in_first[block]).text,
		units_count(g->first[block + 1] - g->first[block]).text);
	put_thread(h, block, out);
	put_stack(h, b->site, out);
	r = put_near(h, block, out);
	if (r < 0 || !b->size)
		return r;
	r = heap_contents_get(reader, block, &contents);
	if (!r)
		put_contents(b->address, &contents, b->size, out);
	return r == -ENODATA ? 0 : r;
}

int block_text(const struct held *h, const struct block_options *o, FILE *out)
{
	_cleanup_(heap_contents_reader_done) struct heap_contents_reader reader = {
		.path = o->path, .p = h->profile, .snapshot = h->number};
	_cleanup_(freep) uint32_t *blocks = NULL;
	size_t count, most = o->most ? o->most : BLOCKS;
	int r = held_find(h, o->what, &blocks, &count);

	if (r < 0 || !count)
		return r < 0 ? r : -ENXIO;
	held_heading(h, out);
	if (count > most)
		fprintf(out, "%zu of %s blocks:\n", most, units_count(count).text);
	for (size_t i = 0; !r && i < count && i < most; i++)
		r = put_one(h, &reader, blocks[i], out);
	return r;
}

/* In hexadecimal digits; none if they were not kept. */
static int json_contents(struct heap_contents_reader *reader, uint32_t block,
			 struct json *j)
{
	char hex[2 * HEAP_CONTENTS_MOST + 1];
	struct heap_contents_of c;
	int r = heap_contents_get(reader, block, &c);

	if (r)
		return r == -ENODATA ? 0 : r;
	hex[0] = '\0';
	for (size_t i = 0; i < c.len; i++)
		snprintf(hex + 2 * i, 3, "%02x", c.bytes[i]);
	json_put_string(j, "contents", hex);
	return 0;
}

int block_json(const struct held *h, const struct block_options *o, FILE *out)
{
	_cleanup_(heap_contents_reader_done) struct heap_contents_reader reader = {
		.path = o->path, .p = h->profile, .snapshot = h->number};
	struct json j = {.out = out, .spread = 4};
	_cleanup_(freep) uint32_t *blocks = NULL;
	const struct heap_graph *g = h->graph;
	size_t count, end, most = o->most ? o->most : BLOCKS;
	int r = held_find(h, o->what, &blocks, &count);

	if (r < 0 || !count)
		return r < 0 ? r : -ENXIO;
	held_json_begin(h, "at", &j);
	json_put_unsigned(&j, "found", count);
	json_key(&j, "blocks");
	json_array(&j);
	for (size_t i = 0; !r && i < count && i < most; i++) {
		size_t root = heap_graph_roots_of(g, blocks[i], &end);

		json_object(&j);
		held_json_block(h, blocks[i], &j);
		json_put_unsigned(&j, "age_ns", age(h, blocks[i]));
		held_json_thread(h, blocks[i], &j);
		json_put_unsigned(&j, "referrers",
				  g->in_first[blocks[i] + 1] - g->in_first[blocks[i]]);
		json_put_unsigned(&j, "references",
				  g->first[blocks[i] + 1] - g->first[blocks[i]]);
		json_key(&j, "roots");
		json_array(&j);
		for (; root < end; root++)
			held_json_root(h, root, &j);
		json_close(&j);
		r = json_contents(&reader, blocks[i], &j);
		json_close(&j);
	}
	json_close(&j);
	json_close(&j);
	json_end(&j);
	return r;
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
