#include "cli/report/blocks.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/table.h"
#include "cli/base/units.h"
#include "cli/heap/reach.h"
#include "cli/report/held_json.h"
#include "cli/report/types.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 20, TEXT = 1024 };

_Static_assert((int)HELD_NO == HEAP_UNREACHED, "one number for it");

bool blocks_parse_held(const char *word, int *ret)
{
	static const uint8_t levels[] = {HELD_SURE,   HELD_INSIDE,  HELD_WEAK,
					 HELD_EXITED, HELD_IGNORED, HELD_NO};

	for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++)
		if (!strcmp(word, held_level_word(levels[i]))) {
			*ret = levels[i];
			return true;
		}
	return false;
}

static bool is_wanted(const struct held *h, const struct blocks_options *o, uint32_t i)
{
	return (o->level < 0 || h->level[i] == o->level) &&
	       h->graph->blocks.items[i].size >= o->least &&
	       (!o->type || types_match(o->type, held_type_name(h, i)));
}

/* ---- by site ------------------------------------------------------------- */

static int compare_groups(const void *a, const void *b)
{
	const struct blocks_group *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

struct grouping {
	struct blocks_group *items;
	uint64_t *kinds; /* of each: of what type, how held */
	size_t count, room, kind_room;
	struct table numbers; /* stack, kind -> item */
	uint32_t *last; /* by stack: the item last met + 1: mostly the next, too */
};

static void grouping_done(struct grouping *g)
{
	free(g->items);
	free(g->kinds);
	free(g->last);
	table_done(&g->numbers);
}

static uint64_t kind_of(const struct held *h, uint32_t block)
{
	const struct heap_what *w = heap_types_what(&h->graph->types, block);

	return (uint64_t)w->type << 32 | (uint64_t)w->part << 16 |
	       (uint64_t)w->state << 8 | h->level[block];
}

/* NULL without memory. */
static struct blocks_group *group_of(struct grouping *g, const struct held *h,
				     uint32_t block)
{
	uint32_t stack = h->graph->blocks.items[block].site, last = g->last[stack];
	uint64_t kind = kind_of(h, block), *number;
	bool is_new;

	if (last && g->kinds[last - 1] == kind)
		return &g->items[last - 1];
	number = table_put(&g->numbers, (struct table_key){stack, kind}, &is_new);
	if (!number)
		return NULL;
	if (is_new) {
		if (array_room(&g->items, &g->room, g->count + 1) < 0 ||
		    array_room(&g->kinds, &g->kind_room, g->count + 1) < 0)
			return NULL;
		g->items[g->count] = (struct blocks_group){.first = block};
		g->kinds[g->count] = kind;
		*number = g->count++;
	}
	g->last[stack] = (uint32_t)*number + 1;
	return &g->items[*number];
}

int blocks_groups(const struct held *h, const struct blocks_options *o,
		  struct blocks_group **ret, size_t *ret_count)
{
	const struct heap_blocks *b = &h->graph->blocks;
	_cleanup_(grouping_done) struct grouping g = {0};

	g.last = calloc(h->profile->stack_count + 1, sizeof(*g.last));
	if (!g.last)
		return -ENOMEM;
	for (uint32_t i = 0; i < b->count; i++) {
		struct blocks_group *group;

		if (!is_wanted(h, o, i))
			continue;
		group = group_of(&g, h, i);
		if (!group)
			return -ENOMEM;
		group->count++;
		group->bytes += b->items[i].size;
	}
	if (g.count)
		qsort(g.items, g.count, sizeof(*g.items), compare_groups);
	*ret = take_ptr(g.items);
	*ret_count = g.count;
	return 0;
}

const char *blocks_type(const struct held *h, uint32_t block, char *buffer, size_t room)
{
	char *name;

	held_type(h, block, buffer, room);
	name = strstr(buffer, " `");
	if (name)
		*name = '\0';
	return buffer;
}

int blocks_text(const struct held *h, const struct blocks_options *o, FILE *out)
{
	_cleanup_(freep) struct blocks_group *groups = NULL;
	size_t count, most = o->limit ? o->limit : ROWS;
	int r = blocks_groups(h, o, &groups, &count);

	if (r < 0)
		return r;
	held_heading(h, out);
	fputs("\n      Blocks         Size  First block     Where, and how it is "
	      "held\n",
	      out);
	for (size_t i = 0; i < count && i < most; i++) {
		uint32_t first = groups[i].first;
		char text[TEXT];

		fprintf(out, "%12s %12s  0x%-12" PRIx64 "  ",
			units_count(groups[i].count).text,
			units_size(groups[i].bytes).text,
			h->graph->blocks.items[first].address);
		text_put(out, blocks_type(h, first, text, sizeof(text)));
		fputs(*text ? "  " : "", out);
		text_put(out, held_site(h, first, text, sizeof(text)));
		fprintf(out, "  (%s)\n", held_level(h->level[first]));
	}
	if (!count)
		fputs("           0  no such block\n", out);
	if (count > most)
		fprintf(out, "%s more rows; -n shows more\n",
			units_count(count - most).text);
	return 0;
}

void blocks_groups_json(const struct held *h, const struct blocks_group *groups,
			size_t count, struct json *j)
{
	for (size_t i = 0; i < count; i++) {
		json_object(j);
		json_put_unsigned(j, "count", groups[i].count);
		json_put_unsigned(j, "sum_bytes", groups[i].bytes);
		json_key(j, "first");
		json_object(j);
		held_json_block(h, groups[i].first, j);
		json_close(j);
		json_close(j);
	}
}

int blocks_json(const struct held *h, const struct blocks_options *o, FILE *out)
{
	struct json j = {.out = out, .spread = 3};
	_cleanup_(freep) struct blocks_group *groups = NULL;
	size_t shown = 0, count;
	int r = blocks_groups(h, o, &groups, &count);

	if (r < 0)
		return r;
	held_json_begin(h, "blocks", &j);
	json_put_unsigned(&j, "group_count", count);
	json_key(&j, "groups");
	json_array(&j);
	blocks_groups_json(h, groups, o->limit && o->limit < count ? o->limit : count,
			   &j);
	json_close(&j);
	json_key(&j, "blocks");
	json_array(&j);
	for (uint32_t i = 0; i < h->graph->blocks.count; i++) {
		if (!is_wanted(h, o, i) || (o->limit && shown++ >= o->limit))
			continue;
		json_object(&j);
		held_json_block(h, i, &j);
		json_close(&j);
	}
	json_close(&j);
	json_close(&j);
	json_end(&j);
	return 0;
}
