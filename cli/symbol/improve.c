/*
 * improve.c - a second chance for places of which not all was known: what is found now is
 * taken if it is more.
 */
#include "cli/symbol/symbols.h"

#include "cli/base/cleanup.h"
#include "cli/base/table.h"
#include "cli/symbol/module.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES_SEEN = MODULE_MAX_FRAMES }; /* of a code; a file may claim more */

static bool is_whole(const struct profile_frame *f)
{
	return f->function && f->file && f->line;
}

/* How much is known of a code: names, and twice the lines. Whether that is all in
 * *ret_whole. */
static size_t known_of(const struct profile *p, uint32_t code, bool *ret_whole)
{
	const struct profile_code *c = &p->codes[code - 1];
	size_t count = c->frames < FRAMES_SEEN ? c->frames : FRAMES_SEEN, known = 0;

	*ret_whole = true;
	for (size_t i = 0; i < count; i++) {
		const struct profile_frame *f = &p->frames[c->first_frame + i];

		known += (f->function != 0) + 2 * (f->file && f->line);
		*ret_whole = *ret_whole && is_whole(f);
	}
	return known;
}

struct chance {		/* of one code */
	uint32_t known; /* + 1; 0: not looked at */
	bool whole;
};

struct chances {
	uint32_t *before;     /* of each stack: its code */
	struct chance *codes; /* of those that there were */
	size_t code_count, frame_count;
};

static void chances_done(struct chances *c)
{
	free(c->before);
	free(c->codes);
}

/* Takes the codes of which not all is known away from their stacks. */
static int chances_give(struct profile *p, struct chances *c)
{
	c->code_count = p->code_count;
	c->frame_count = p->frame_count;
	c->before = calloc(p->stack_count + 1, sizeof(*c->before));
	c->codes = calloc(p->code_count + 1, sizeof(*c->codes));
	if (!c->before || !c->codes)
		return -ENOMEM;
	for (size_t i = 1; i < p->stack_count; i++) {
		struct profile_stack *st = &p->stacks[i];
		struct chance *chance = st->code ? &c->codes[st->code - 1] : NULL;

		if (!chance)
			continue;
		if (!chance->known)
			chance->known =
				(uint32_t)known_of(p, st->code, &chance->whole) + 1;
		if (chance->whole)
			continue;
		c->before[i] = st->code;
		st->code = 0;
	}
	return 0;
}

/* Gives the old ones back where nothing better was found. How many codes are better
 * comes back. */
static size_t chances_judge(struct profile *p, const struct chances *c,
			    struct chance *fresh)
{
	size_t better = 0;

	for (size_t i = 1; i < p->stack_count; i++) {
		struct profile_stack *st = &p->stacks[i];
		uint32_t before = c->before[i];
		struct chance *now;

		if (!st->code || st->code <= c->code_count) {
			st->code = before ? before : st->code;
			continue;
		}
		now = &fresh[st->code - c->code_count - 1];
		if (!now->known) {
			now->known = (uint32_t)known_of(p, st->code, &now->whole) + 1;
			better +=
				now->known > (before ? c->codes[before - 1].known : 1);
		}
		if (before && now->known <= c->codes[before - 1].known)
			st->code = before;
	}
	return better;
}

struct kept {		 /* codes and frames that stacks have */
	uint32_t *codes; /* of each old code: the new one + 1; 0: none */
	struct profile_frame *frames;
	size_t code_count, frame_count;
	struct table runs; /* first frame and their number -> new first frame + 1 */
};

static void kept_done(struct kept *k)
{
	free(k->codes);
	free(k->frames);
	table_done(&k->runs);
}

/* Keeps a code's frames, once if several codes have the same. -ENOSPC: they overlap,
 * and would take more room than before. */
static int keep_frames(const struct profile *p, struct kept *k,
		       const struct profile_code *code, uint32_t *ret_first)
{
	struct table_key run = {code->first_frame, code->frames};
	uint64_t *first = table_put(&k->runs, run, NULL);

	if (!first)
		return -ENOMEM;
	if (!*first) {
		if (code->frames > p->frame_count - k->frame_count)
			return -ENOSPC;
		memcpy(k->frames + k->frame_count, p->frames + code->first_frame,
		       code->frames * sizeof(*k->frames));
		*first = k->frame_count + 1;
		k->frame_count += code->frames;
	}
	*ret_first = (uint32_t)*first - 1;
	return 0;
}

static int keep_codes(struct profile *p, struct kept *k, struct profile_code *codes)
{
	for (size_t i = 1; i < p->stack_count; i++)
		if (p->stacks[i].code)
			k->codes[p->stacks[i].code - 1] = 1;
	for (size_t i = 0; i < p->code_count; i++) {
		uint32_t first;
		int r;

		if (!k->codes[i])
			continue;
		r = keep_frames(p, k, &p->codes[i], &first);
		if (r)
			return r;
		codes[k->code_count++] =
			(struct profile_code){first, p->codes[i].frames};
		k->codes[i] = (uint32_t)k->code_count;
	}
	return 0;
}

/* Drops codes and frames that no stack has. */
static int drop_unused(struct profile *p)
{
	_cleanup_(kept_done) struct kept k = {
		.codes = calloc(p->code_count + 1, sizeof(*k.codes)),
		.frames = calloc(p->frame_count + 1, sizeof(*k.frames))};
	_cleanup_(freep) struct profile_code *codes =
		calloc(p->code_count + 1, sizeof(*codes));
	int r = k.codes && k.frames && codes ? keep_codes(p, &k, codes) : -ENOMEM;

	if (r)
		return r == -ENOSPC ? 0 : r; /* all is kept */
	memcpy(p->codes, codes, k.code_count * sizeof(*codes));
	memcpy(p->frames, k.frames, k.frame_count * sizeof(*k.frames));
	p->code_count = k.code_count;
	p->frame_count = k.frame_count;
	for (size_t i = 1; i < p->stack_count; i++)
		if (p->stacks[i].code)
			p->stacks[i].code = k.codes[p->stacks[i].code - 1];
	return 0;
}

int symbols_improve(struct symbols *s, struct profile *p, size_t *ret_better)
{
	_cleanup_(chances_done) struct chances c = {0};
	_cleanup_(freep) struct chance *fresh = NULL;
	size_t better;
	int r = chances_give(p, &c);

	if (!r)
		r = symbols_resolve(s, p);
	if (!r) {
		fresh = calloc(p->code_count - c.code_count + 1, sizeof(*fresh));
		r = fresh ? 0 : -ENOMEM;
	}
	if (r) {
		for (size_t i = 1; c.before && i < p->stack_count; i++)
			if (c.before[i])
				p->stacks[i].code = c.before[i];
		return r;
	}
	better = chances_judge(p, &c, fresh);
	r = drop_unused(p);
	if (!r)
		*ret_better = better;
	return r;
}
