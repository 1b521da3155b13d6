#include "cli/collect/marks.h"

#include "cli/base/array.h"

#include <errno.h>
#include <stdlib.h>

struct marks_name {
	uint32_t serial, name;
	/* Each moment kept stands for as many as `stride`; the last for fewer, yet. */
	uint64_t stride;
	size_t count;
	struct marks_moment {
		uint64_t ns, marks;
	} kept[MARKS_MOMENTS];
};

void marks_done(struct marks *m)
{
	free(m->items);
	table_done(&m->known);
	*m = (struct marks){0};
}

static int find(struct marks *m, uint32_t serial, uint32_t name,
		struct marks_name **ret)
{
	struct table_key key = {serial, name};
	uint64_t *known = table_get(&m->known, key);

	*ret = NULL;
	if (!known && m->count == MARKS_NAMES)
		return 0;
	if (!known) {
		if (array_room(&m->items, &m->room, m->count + 1) < 0)
			return -ENOMEM;
		known = table_put(&m->known, key, NULL);
		if (!known)
			return -ENOMEM;
		m->items[m->count] = (struct marks_name){
			.serial = serial, .name = name, .stride = 1};
		*known = ++m->count;
	}
	*ret = &m->items[*known - 1];
	return 0;
}

/* Every second goes, its marks to the one before. */
static void thin(struct marks_name *x)
{
	for (size_t i = 0; i < MARKS_MOMENTS / 2; i++) {
		x->kept[i] = x->kept[2 * i];
		x->kept[i].marks += x->kept[2 * i + 1].marks;
	}
	x->count = MARKS_MOMENTS / 2;
	x->stride *= 2;
}

int marks_add(struct marks *m, uint32_t serial, uint32_t name, uint64_t ns)
{
	struct marks_name *x;
	int r = find(m, serial, name, &x);

	if (!x)
		return r;
	if (x->count && x->kept[x->count - 1].marks < x->stride) {
		x->kept[x->count - 1].marks++;
		return 0;
	}
	if (x->count == MARKS_MOMENTS)
		thin(x);
	x->kept[x->count++] = (struct marks_moment){ns, 1};
	return 0;
}

int marks_fill(const struct marks *m, const struct recording *names, struct profile *p)
{
	size_t count = 0;

	for (size_t i = 0; i < m->count; i++)
		count += m->items[i].count;
	if (array_reserve(&p->marks, &p->mark_room, count) < 0)
		return -ENOMEM;
	p->mark_count = 0;
	for (size_t i = 0; i < m->count; i++) {
		const struct marks_name *x = &m->items[i];
		char text[WIRE_NAME_BYTES];
		uint32_t name;

		recording_name(names, x->name, text, sizeof(text));
		name = strings_add(&p->strings, text);
		if (name == UINT32_MAX)
			return -ENOMEM;
		for (size_t k = 0; k < x->count; k++)
			p->marks[p->mark_count++] = (struct profile_mark){
				.process_serial = x->serial,
				.name = name,
				.at_ns = x->kept[k].ns,
				.marks = x->kept[k].marks,
			};
	}
	return 0;
}
