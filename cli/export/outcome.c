#include "cli/export/outcome.h"

#include "cli/base/array.h"
#include "cli/base/units.h"
#include "cli/report/leaks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int outcome_init(struct outcome *o, const struct profile *p, const char *root)
{
	*o = (struct outcome){.profile = p, .root = root};
	o->owners = frames_owners_open(p);
	return o->owners ? 0 : -ENOMEM;
}

void outcome_done(struct outcome *o)
{
	for (size_t i = 0; i < o->limit_count; i++) {
		free(o->limits[i].name);
		free(o->limits[i].text);
	}
	free(o->limits);
	free(o->leaks);
	frames_owners_close(o->owners);
	*o = (struct outcome){0};
}

int outcome_add(struct outcome *o, const struct outcome_leak *leak,
		const struct finding *f)
{
	struct outcome_leak *l;

	if (array_reserve(&o->leaks, &o->room, o->count + 1) < 0)
		return -ENOMEM;
	l = &o->leaks[o->count++];
	*l = *leak;
	l->stack = f->stack;
	l->blocks = f->blocks;
	l->bytes = f->bytes;
	l->held_blocks = f->held_blocks;
	l->held_bytes = f->held_bytes;
	return 0;
}

int outcome_add_limit(struct outcome *o, const char *name, const char *text,
		      bool failed)
{
	struct outcome_limit *l;

	if (array_reserve(&o->limits, &o->limit_room, o->limit_count + 1) < 0)
		return -ENOMEM;
	l = &o->limits[o->limit_count++];
	*l = (struct outcome_limit){strdup(name), strdup(text), failed};
	return l->name && l->text ? 0 : -ENOMEM;
}

static int by_identity(const void *a, const void *b)
{
	const struct outcome_leak *x = a, *y = b;

	if (x->print != y->print)
		return x->print < y->print ? -1 : 1;
	return (int)x->kind - (int)y->kind;
}

static int by_weight(const void *a, const void *b)
{
	const struct outcome_leak *x = a, *y = b;
	uint64_t m = x->bytes + x->held_bytes, n = y->bytes + y->held_bytes;

	if (x->fails != y->fails)
		return x->fails ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (m != n)
		return m > n ? -1 : 1;
	return by_identity(a, b);
}

void outcome_sort(struct outcome *o)
{
	size_t n = 0;

	if (!o->count)
		return;
	qsort(o->leaks, o->count, sizeof(*o->leaks), by_identity);
	for (size_t i = 0; i < o->count; i++) {
		struct outcome_leak *l = &o->leaks[i];
		struct outcome_leak *last = n ? &o->leaks[n - 1] : NULL;

		if (!last || by_identity(last, l)) {
			o->leaks[n++] = *l;
			continue;
		}
		last->blocks += l->blocks;
		last->bytes += l->bytes;
		last->held_blocks += l->held_blocks;
		last->held_bytes += l->held_bytes;
		last->fails = last->fails || l->fails;
	}
	o->count = n;
	qsort(o->leaks, o->count, sizeof(*o->leaks), by_weight);
}

size_t outcome_failures(const struct outcome *o)
{
	size_t n = 0;

	for (size_t i = 0; i < o->count; i++)
		n += o->leaks[i].fails;
	return n;
}

/* ---- places ------------------------------------------------------------------ */

struct outcome_place outcome_frame(const struct outcome *o,
				   const struct frames_frame *f, char name[256])
{
	const char *path =
		f->code ? strings_get(&o->profile->strings, f->code->file) : "";
	struct outcome_place place = {
		.path = *path ? path : frames_module(o->profile, f->stack),
		.function = frames_name(o->profile, f, name, 256),
		.line = *path ? f->code->line : 0,
	};
	size_t len = strlen(o->root);

	if (!strncmp(place.path, o->root, len) && place.path[len] == '/')
		place.path += len + 1;
	while (!strncmp(place.path, "./", 2))
		place.path += 2;
	place.relative = *place.path && *place.path != '/';
	return place;
}

struct outcome_place outcome_place(const struct outcome *o,
				   const struct outcome_leak *l, char name[256])
{
	struct frames_frame frame;

	if (frames_chief(o->owners, l->stack, &frame))
		return outcome_frame(o, &frame, name);
	return (struct outcome_place){.path = "", .function = "(no stack)"};
}

const char *outcome_sentence(const struct outcome_leak *l, char *buffer, size_t room)
{
	int n = snprintf(buffer, room, "%s bytes in %s block%s leaked: %s",
			 units_count(l->bytes).text, units_count(l->blocks).text,
			 l->blocks == 1 ? "" : "s", leaks_meaning(l->kind));

	if (l->held_bytes && n > 0 && (size_t)n < room)
		snprintf(buffer + n, room - (size_t)n,
			 "; %s bytes more would go with %s",
			 units_count(l->held_bytes).text,
			 l->blocks == 1 ? "it" : "them");
	return buffer;
}
