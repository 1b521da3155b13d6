#include "cli/report/changes.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/report/fingerprint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT = 1024 };

_Static_assert((int)LEAK_KINDS <= (int)CHANGES_KINDS, "room for all");

struct part { /* of a side */
	const char *kind, *type;
	uint32_t stack;
	struct profile_amount amount;
};

/* ---- what is the same --------------------------------------------------------- */

static int begin(struct changes *c, const struct profile *a, const struct profile *b)
{
	*c = (struct changes){.profile = {a, b}};
	for (int k = 0; k < 2; k++)
		c->program[k] = align_program(c->profile[k]);
	if (!c->program[0] || !c->program[1])
		c->program[0] = c->program[1] = 0;
	return strings_add(&c->names, "") == UINT32_MAX ? -ENOMEM : 0;
}

void changes_done(struct changes *c)
{
	free(c->rows);
	free(c->row_of);
	strings_done(&c->names);
	pairs_done(&c->frames);
	pairs_done(&c->stacks);
	pairs_done(&c->words);
	pairs_done(&c->things);
	*c = (struct changes){0};
}

/* The name of the one program: of its file, as fingerprints have it. */
static bool is_program(const struct changes *c, int side, const char *module)
{
	const char *path = strings_get(&c->profile[side]->strings, c->program[side]);

	return c->program[side] && !strcmp(module, frames_base(path));
}

/* The number of a stack's fingerprint, from 1 on; 0 without memory. */
static uint32_t number_stack(struct changes *c, int side, struct fingerprints *prints,
			     uint32_t stack)
{
	struct fingerprint print;
	uint32_t number = 0;

	if (fingerprint_of(prints, stack, &print) < 0)
		return 0;
	for (unsigned i = 0; i < print.count; i++) {
		const struct fingerprint_frame *f = &print.frames[i];
		bool own = is_program(c, side, f->module);
		uint32_t function = strings_add(&c->names, f->function);
		uint32_t module = strings_add(&c->names, own ? "" : f->module), frame;

		if (function == UINT32_MAX || module == UINT32_MAX)
			return 0;
		frame = pairs_number(&c->frames, function, module);
		number = frame ? pairs_number(&c->stacks, number, frame) : 0;
		if (!number)
			return 0;
	}
	return number ? number : pairs_number(&c->stacks, 0, 0);
}

/* ---- rows --------------------------------------------------------------------- */

static void add(struct profile_amount *sum, struct profile_amount more)
{
	sum->blocks += more.blocks;
	sum->bytes += more.bytes;
}

static void add_kind(struct changes *c, const char *word)
{
	c->kinds[c->kind_count++].word = word;
}

static void count_kind(struct changes *c, int side, const struct part *part)
{
	for (size_t i = 0; i < c->kind_count; i++)
		if (!strcmp(c->kinds[i].word, part->kind))
			add(&c->kinds[i].amount[side], part->amount);
	add(&c->total[side], part->amount);
}

/* The row of a part; NULL without memory. */
static struct changes_row *row_of(struct changes *c, uint32_t stack,
				  const struct part *part)
{
	uint32_t kind = strings_add(&c->names, part->kind);
	uint32_t type = strings_add(&c->names, part->type), thing = 0;

	if (kind != UINT32_MAX && type != UINT32_MAX)
		thing = pairs_number(&c->words, kind, type);
	if (thing)
		thing = pairs_number(&c->things, thing, stack);
	if (!thing || array_reserve(&c->row_of, &c->row_room, thing + 1ul) < 0 ||
	    array_reserve(&c->rows, &c->room, c->count + 1) < 0)
		return NULL;
	if (!c->row_of[thing]) {
		c->rows[c->count] = (struct changes_row){
			.kind = strings_get(&c->names, kind),
			.type = strings_get(&c->names, type),
			.order = (uint32_t)c->count,
		};
		c->row_of[thing] = (uint32_t)++c->count;
	}
	return &c->rows[c->row_of[thing] - 1];
}

static int add_part(struct changes *c, int side, struct fingerprints *prints,
		    const struct part *part)
{
	uint32_t stack = number_stack(c, side, prints, part->stack);
	struct changes_row *row = stack ? row_of(c, stack, part) : NULL;

	if (!row)
		return -ENOMEM;
	count_kind(c, side, part);
	add(&row->amount[side], part->amount);
	if (row->has[side] && part->amount.bytes <= row->weight[side])
		return 0;
	row->has[side] = true;
	row->stack[side] = part->stack;
	row->weight[side] = part->amount.bytes;
	return 0;
}

static int by_change(const void *left, const void *right)
{
	const struct changes_row *l = left, *r = right;
	int order;

	if (!l->status != !r->status)
		return l->status ? -1 : 1;
	order = diff_compare(l->amount, r->amount, DIFF_LEAKED);
	return order ? order : l->order < r->order ? -1 : l->order > r->order;
}

static void settle(struct changes *c)
{
	for (size_t i = 0; i < c->count; i++) {
		struct changes_row *row = &c->rows[i];

		row->status = diff_status_of(row->amount, DIFF_LEAKED);
		c->status[row->status]++;
		for (size_t k = 0; k < c->kind_count; k++)
			if (!strcmp(c->kinds[k].word, row->kind))
				c->kinds[k].status[row->status]++;
		c->changed += row->status != DIFF_UNCHANGED;
	}
	if (c->count)
		qsort(c->rows, c->count, sizeof(*c->rows), by_change);
}

/* ---- leaks -------------------------------------------------------------------- */

static int take_leaks(struct changes *c, int side, const struct leaks *l)
{
	_cleanup_(fingerprints_closep) struct fingerprints *prints =
		fingerprints_open(l->profile);
	int r = prints ? 0 : -ENOMEM;

	for (size_t i = 0; i < l->count && !r; i++) {
		const struct finding *f = &l->findings->items[l->shown[i]];

		r = add_part(c, side, prints,
			     &(struct part){leak_words[f->kind],
					    "",
					    f->stack,
					    {f->blocks, f->bytes}});
	}
	return r;
}

int changes_of_leaks(struct changes *c, const struct leaks *a, const struct leaks *b)
{
	uint32_t kinds = leaks_kinds(a->options->kinds);
	int r = begin(c, a->profile, b->profile);

	for (int k = 0; k < LEAK_KINDS; k++)
		if (kinds >> k & 1)
			add_kind(c, leak_words[k]);
	if (!r)
		r = take_leaks(c, 0, a);
	if (!r)
		r = take_leaks(c, 1, b);
	settle(c);
	return r;
}

/* ---- blocks ------------------------------------------------------------------- */

static int take_blocks(struct changes *c, int side, const struct held *h)
{
	const struct blocks_options all = {.level = -1};
	_cleanup_(fingerprints_closep) struct fingerprints *prints =
		fingerprints_open(h->profile);
	_cleanup_(freep) struct blocks_group *groups = NULL;
	size_t count = 0;
	int r = prints ? blocks_groups(h, &all, &groups, &count) : -ENOMEM;

	for (size_t i = 0; i < count && !r; i++) {
		uint32_t first = groups[i].first;
		char type[TEXT];

		r = add_part(c, side, prints,
			     &(struct part){held_level_word(h->level[first]),
					    blocks_type(h, first, type, sizeof(type)),
					    h->graph->blocks.items[first].site,
					    {groups[i].count, groups[i].bytes}});
	}
	return r;
}

int changes_of_blocks(struct changes *c, const struct held *a, const struct held *b)
{
	static const uint8_t levels[] = {HELD_SURE,   HELD_INSIDE,  HELD_WEAK,
					 HELD_EXITED, HELD_IGNORED, HELD_NO};
	int r = begin(c, a->profile, b->profile);

	for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++)
		add_kind(c, held_level_word(levels[i]));
	if (!r)
		r = take_blocks(c, 0, a);
	if (!r)
		r = take_blocks(c, 1, b);
	settle(c);
	return r;
}
