#include "cli/heap/types.h"

#include "cli/base/array.h"

#include <errno.h>
#include <stdlib.h>

void heap_types_done(struct heap_types *t)
{
	free(t->items);
	free(t->what);
	free(t->fields);
	free(t->labels);
	free(t->called);
	*t = (struct heap_types){0};
}

uint32_t heap_types_add(struct heap_types *t, const struct heap_type *type)
{
	size_t first = t->count ? t->count : 1;

	if (first >= UINT32_MAX - 1 ||
	    array_reserve(&t->items, &t->room, first + 1) < 0)
		return 0;
	t->items[first] = *type;
	t->count = first + 1;
	return (uint32_t)first;
}

int heap_types_add_field(struct heap_types *t, const struct heap_field *field)
{
	int r = array_reserve(&t->fields, &t->field_room, t->field_count + 1);

	if (!r)
		t->fields[t->field_count++] = *field;
	return r;
}

int heap_types_add_label(struct heap_types *t, const struct heap_label *label)
{
	int r = array_reserve(&t->labels, &t->label_room, t->label_count + 1);

	if (!r)
		t->labels[t->label_count++] = *label;
	return r;
}

int heap_types_add_called(struct heap_types *t, const struct heap_called *called)
{
	int r = array_reserve(&t->called, &t->called_room, t->called_count + 1);

	if (!r)
		t->called[t->called_count++] = *called;
	return r;
}

/* ---- order --------------------------------------------------------------- */

static int compare_fields(const void *a, const void *b)
{
	const struct heap_field *x = a, *y = b;

	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	if (x->part != y->part)
		return x->part < y->part ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int compare_labels(const void *a, const void *b)
{
	const struct heap_label *x = a, *y = b;

	return x->edge < y->edge ? -1 : x->edge > y->edge;
}

static int compare_called(const void *a, const void *b)
{
	const struct heap_called *x = a, *y = b;

	return x->block < y->block ? -1 : x->block > y->block;
}

#define TIDY(items, count, compare)                                                    \
	do {                                                                           \
		size_t kept = 0;                                                       \
                                                                                       \
		if (count)                                                             \
			qsort(items, count, sizeof(*(items)), compare);                \
		for (size_t i = 0; i < (count); i++)                                   \
			if (!kept || compare(&(items)[kept - 1], &(items)[i]) != 0)    \
				(items)[kept++] = (items)[i];                          \
		(count) = kept;                                                        \
	} while (0)

void heap_types_seal(struct heap_types *t)
{
	TIDY(t->fields, t->field_count, compare_fields);
	TIDY(t->labels, t->label_count, compare_labels);
	TIDY(t->called, t->called_count, compare_called);
}

bool heap_types_are_sound(const struct heap_types *t, size_t blocks, size_t edges)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->items[i].origin >= HEAP_ORIGINS)
			return false;
	for (size_t i = 0; t->what && i < blocks; i++)
		if (t->what[i].type >= (t->count ? t->count : 1) ||
		    t->what[i].part >= HEAP_PARTS || t->what[i].state >= HEAP_STATES)
			return false;
	for (size_t i = 0; i < t->field_count; i++)
		if (t->fields[i].part >= HEAP_PARTS ||
		    (i && compare_fields(&t->fields[i - 1], &t->fields[i]) >= 0))
			return false;
	for (size_t i = 0; i < t->label_count; i++)
		if (t->labels[i].edge >= edges ||
		    t->labels[i].kind >= HEAP_LABEL_KINDS ||
		    (i && t->labels[i].edge <= t->labels[i - 1].edge))
			return false;
	for (size_t i = 0; i < t->called_count; i++)
		if (t->called[i].block >= blocks ||
		    (i && t->called[i].block <= t->called[i - 1].block))
			return false;
	return true;
}

/* ---- asking -------------------------------------------------------------- */

const struct heap_what *heap_types_what(const struct heap_types *t, uint32_t block)
{
	static const struct heap_what nothing = {0};

	return t->what ? &t->what[block] : &nothing;
}

const struct heap_field *heap_types_field(const struct heap_types *t, uint32_t block,
					  uint64_t offset)
{
	const struct heap_what *w = heap_types_what(t, block);
	struct heap_field key = {.type = w->type, .part = w->part};

	if (w->part == HEAP_VALUES)
		offset -= w->at; /* or wraps: there is none */
	if (!w->type || offset > UINT32_MAX || !t->field_count)
		return NULL;
	key.offset = (uint32_t)offset;
	return bsearch(&key, t->fields, t->field_count, sizeof(key), compare_fields);
}

const struct heap_label *heap_types_label(const struct heap_types *t, uint32_t edge)
{
	struct heap_label key = {.edge = edge};

	return t->label_count ? bsearch(&key, t->labels, t->label_count, sizeof(key),
					compare_labels)
			      : NULL;
}

uint32_t heap_types_called(const struct heap_types *t, uint32_t block)
{
	struct heap_called key = {.block = block}, *found;

	found = t->called_count ? bsearch(&key, t->called, t->called_count, sizeof(key),
					  compare_called)
				: NULL;
	return found ? found->name : 0;
}
