#include "cli/report/labels.h"

#include "cli/base/array.h"
#include "cli/base/strings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static int unite_modules(struct labels *l)
{
	const struct profile *p = l->profile;
	struct table first = {0};
	int err = 0;

	l->modules = calloc(p->module_count + 1, sizeof(*l->modules));
	if (!l->modules)
		return -ENOMEM;
	for (size_t i = 0; i < p->module_count && !err; i++) {
		const struct profile_module *m = &p->modules[i];
		uint64_t *at = table_put(
			&first, (struct table_key){m->path, m->build_id}, NULL);

		if (!at)
			err = -ENOMEM;
		else if (!*at)
			*at = i + 1;
		if (at)
			l->modules[i + 1] = (uint32_t)*at;
	}
	table_done(&first);
	return err;
}

int labels_init(struct labels *l, const struct profile *p, enum labels_kind kind)
{
	*l = (struct labels){.profile = p, .kind = kind, .count = 1};
	l->of_frame = calloc(p->frame_count + 1, sizeof(*l->of_frame));
	if (!l->of_frame || array_reserve(&l->frames, &l->room, 64) < 0)
		return -ENOMEM;
	return unite_modules(l);
}

void labels_done(struct labels *l)
{
	free(l->modules);
	free(l->of_frame);
	free(l->frames);
	table_done(&l->ids);
	*l = (struct labels){0};
}

uint32_t labels_module(const struct labels *l, uint32_t module)
{
	return module <= l->profile->module_count ? l->modules[module] : 0;
}

static bool has_line(const struct frames_frame *f)
{
	return f->code && f->code->file && f->code->line;
}

static struct table_key place_key(const struct labels *l, const struct frames_frame *f,
				  uint32_t module)
{
	uint64_t bias = module ? l->profile->modules[f->stack->module - 1].bias : 0;
	uint64_t kind = f->stack->flags & PROFILE_STACK_CUT ? 3ull : 1ull;

	return (struct table_key){f->stack->pc - bias, kind << 62 | module};
}

static struct table_key key_of(const struct labels *l, const struct frames_frame *f)
{
	uint32_t module = labels_module(l, f->stack->module);
	uint64_t high = (uint64_t)module << 32;

	switch (l->kind) {
	case LABELS_MODULE:
		return (struct table_key){0, high};
	case LABELS_FILE:
		return has_line(f) ? (struct table_key){f->code->file, UINT32_MAX}
				   : (struct table_key){0, high};
	default:
		if (!f->code || !f->code->function)
			return place_key(l, f, module);
		if (l->kind == LABELS_FUNCTION)
			return (struct table_key){(uint64_t)f->code->function << 32,
						  high | f->code->file};
		return (struct table_key){(uint64_t)f->code->function << 32 |
						  f->code->line,
					  high | f->code->file};
	}
}

uint32_t labels_of(struct labels *l, const struct frames_frame *frame)
{
	uint32_t *known = NULL;
	uint64_t *label;
	bool is_new;

	if (!frame->stack)
		return LABELS_NONE;
	if (frame->code)
		known = &l->of_frame[frame->code - l->profile->frames];
	if (known && *known)
		return *known;
	label = table_put(&l->ids, key_of(l, frame), &is_new);
	if (!label)
		return UINT32_MAX;
	if (is_new) {
		if (array_reserve(&l->frames, &l->room, l->count + 1) < 0)
			return UINT32_MAX;
		l->frames[l->count] = *frame;
		*label = l->count++;
	}
	if (known)
		*known = (uint32_t)*label;
	return (uint32_t)*label;
}

/* ---- words --------------------------------------------------------------- */

static void module_text(const struct labels *l, const struct frames_frame *f,
			enum labels_detail detail, char *buffer, size_t room)
{
	const char *path = frames_module(l->profile, f->stack);

	snprintf(buffer, room, "%s",
		 !*path	  ? "(no module)"
		 : detail ? path
			  : frames_base(path));
}

static void file_text(const struct labels *l, const struct frames_frame *f,
		      char *buffer, size_t room)
{
	const char *path = frames_module(l->profile, f->stack);

	if (has_line(f))
		snprintf(buffer, room, "%s",
			 strings_get(&l->profile->strings, f->code->file));
	else
		snprintf(buffer, room, "(no line information) %s",
			 *path ? frames_base(path) : "");
}

static void code_text(const struct labels *l, const struct frames_frame *f,
		      enum labels_detail detail, char *buffer, size_t room)
{
	const struct profile *p = l->profile;
	char place[256], shortened[512];
	const char *name = frames_name(p, f, place, sizeof(place));
	const char *module = frames_module(p, f->stack);
	bool named = f->code && f->code->function;
	bool whole = detail == LABELS_WHOLE;
	const char *in = whole ? " in " : "", *in_module = whole ? module : "";

	if (!detail && named)
		name = frames_short_name(name, shortened, sizeof(shortened));
	if (has_line(f) && l->kind == LABELS_LINE)
		snprintf(buffer, room, "%s (%s:%" PRIu32 "%s%s)", name,
			 frames_base(strings_get(&p->strings, f->code->file)),
			 f->code->line, in, in_module);
	else if (has_line(f))
		snprintf(buffer, room, "%s (%s%s%s)", name,
			 frames_base(strings_get(&p->strings, f->code->file)), in,
			 in_module);
	else if (named && *module)
		snprintf(buffer, room, "%s (%s)", name,
			 detail ? module : frames_base(module));
	else
		snprintf(buffer, room, "%s", name);
}

const char *labels_text(const struct labels *l, uint32_t label,
			enum labels_detail detail, char *buffer, size_t room)
{
	const struct frames_frame *f = &l->frames[label];

	if (label == LABELS_NONE)
		snprintf(buffer, room, "(no stack)");
	else if (l->kind == LABELS_MODULE)
		module_text(l, f, detail, buffer, room);
	else if (l->kind == LABELS_FILE)
		file_text(l, f, buffer, room);
	else
		code_text(l, f, detail, buffer, room);
	return buffer;
}
