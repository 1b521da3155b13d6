#include "cli/export/html_places.h"

#include "cli/base/array.h"

#include <errno.h>
#include <stdlib.h>

int html_places_init(struct html_places *l, const struct lines_sums *sums)
{
	int err = 0;

	*l = (struct html_places){.sums = sums, .place_count = 1};
	for (int kind = 0; kind < HTML_LABELS && !err; kind++)
		err = labels_init(&l->labels[kind], sums->view.profile,
				  (enum labels_kind)kind);
	if (!err)
		err = array_reserve(&l->places, &l->place_room, 1);
	return err;
}

void html_places_done(struct html_places *l)
{
	for (int kind = 0; kind < HTML_LABELS; kind++)
		labels_done(&l->labels[kind]);
	table_done(&l->ids);
	free(l->places);
	free(l->frames);
	*l = (struct html_places){0};
}

static struct table_key key_of(const struct html_places *l, uint32_t stack)
{
	const struct profile *p = l->sums->view.profile;
	const struct profile_stack *s = &p->stacks[stack];
	uint32_t module = labels_module(&l->labels[LABELS_MODULE], s->module);
	uint64_t bias = s->module && s->module <= p->module_count
				? p->modules[s->module - 1].bias
				: 0;
	uint64_t high = (uint64_t)(s->flags & PROFILE_STACK_CUT) << 32 | module;

	if (calls_code(p, stack))
		return (struct table_key){s->code, 1ull << 63 | high};
	return (struct table_key){s->pc - bias, high};
}

static int add_frame(struct html_places *l, const struct frames_frame *f)
{
	const struct lines_sums *s = l->sums;
	const struct profile *p = s->view.profile;
	struct html_frame *to;

	if (array_reserve(&l->frames, &l->frame_room, l->frame_count + 1) < 0)
		return -ENOMEM;
	to = &l->frames[l->frame_count++];
	for (int kind = 0; kind < HTML_LABELS; kind++) {
		to->label[kind] = labels_of(&l->labels[kind], f);
		if (to->label[kind] == UINT32_MAX)
			return -ENOMEM;
	}
	to->owner = frames_owner(s->view.owners, f);
	if (f->code) {
		to->line = s->frame_line[f->code - p->frames];
		to->function = s->frame_function[f->code - p->frames];
	}
	if (!to->line && lines_sums_plain(s, f->stack))
		to->plain = frames_own_module(s->view.owners, f->stack) ? 2 : 1;
	return 0;
}

uint32_t html_places_of(struct html_places *l, uint32_t stack)
{
	const struct profile *p = l->sums->view.profile;
	struct frames_walk walk = frames_of(p, stack);
	struct frames_frame frame;
	struct html_place place = {.first_frame = (uint32_t)l->frame_count};
	uint64_t *id;
	bool is_new;

	if (!stack)
		return 0;
	id = table_put(&l->ids, key_of(l, stack), &is_new);
	if (!id)
		return UINT32_MAX;
	if (!is_new)
		return (uint32_t)*id;
	place.cut = p->stacks[stack].flags & PROFILE_STACK_CUT;
	while (walk.stack == stack && frames_next(&walk, &frame)) {
		if (add_frame(l, &frame) < 0)
			return UINT32_MAX;
		place.frames++;
	}
	if (array_reserve(&l->places, &l->place_room, l->place_count + 1) < 0)
		return UINT32_MAX;
	*id = l->place_count;
	l->places[l->place_count++] = place;
	return (uint32_t)*id;
}
