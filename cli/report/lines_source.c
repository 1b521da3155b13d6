#include "cli/report/lines_source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int by_place(const void *left, const void *right, void *context)
{
	const struct profile *p = context;
	const struct profile_source *a = &p->sources[*(const uint32_t *)left];
	const struct profile_source *b = &p->sources[*(const uint32_t *)right];

	if (a->file != b->file)
		return a->file < b->file ? -1 : 1;
	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	return a < b ? -1 : a > b;
}

int lines_source_init(struct lines_source *s, const struct profile *p)
{
	*s = (struct lines_source){.profile = p};
	s->order = calloc(p->source_count + 1, sizeof(*s->order));
	if (!s->order)
		return -ENOMEM;
	for (size_t i = 0; i < p->source_count; i++)
		s->order[i] = (uint32_t)i;
	qsort_r(s->order, p->source_count, sizeof(*s->order), by_place, (void *)p);
	return 0;
}

void lines_source_done(struct lines_source *s)
{
	free(s->order);
	*s = (struct lines_source){0};
}

/* The number of sources that begin before a line of a file, or at it. */
static size_t before(const struct lines_source *s, uint32_t file, uint32_t number)
{
	size_t low = 0, high = s->profile->source_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct profile_source *c = &s->profile->sources[s->order[middle]];

		if (c->file < file || (c->file == file && c->first <= number))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const struct profile_source *source_with(const struct lines_source *s,
						uint32_t file, uint32_t number)
{
	enum { OVERLAPS = 8 }; /* looked at; sources overlap by mistake only */
	size_t at = before(s, file, number);

	for (int i = 0; at && i < OVERLAPS; i++) {
		const struct profile_source *c = &s->profile->sources[s->order[--at]];

		if (c->file != file)
			break;
		if (number - c->first < c->count)
			return c;
	}
	return NULL;
}

bool lines_source_known(const struct lines_source *s, uint32_t file)
{
	size_t at = before(s, file, UINT32_MAX);

	return at && s->profile->sources[s->order[at - 1]].file == file;
}

const char *lines_source_text(struct lines_source *s, uint32_t file, uint32_t number,
			      size_t *ret_len)
{
	const struct profile_source *c = s->current;

	if (!c || c->file != file || number < s->number ||
	    number - c->first >= c->count) {
		c = s->current = source_with(s, file, number);
		if (!c)
			return NULL;
		s->text = strings_get(&s->profile->strings, c->text);
		s->number = c->first;
	}
	while (s->number < number && *s->text) {
		s->text += strcspn(s->text, "\n");
		s->text += *s->text == '\n';
		s->number++;
	}
	if (s->number < number || !*s->text)
		return NULL;
	*ret_len = strcspn(s->text, "\n");
	return s->text;
}
