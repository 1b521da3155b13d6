#include "cli/report/moments.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/table.h"
#include "cli/base/units.h"
#include "cli/report/text.h"

#include <errno.h>

enum { SHOWN = 20 };

struct sum { /* of a name, in all processes */
	uint32_t name;
	uint64_t marks, first_ns, last_ns;
};

/* In the range of time that is shown. */
static bool is_shown(const struct profile *p, const struct profile_mark *m)
{
	return !p->slice.has_range || (m->at_ns >= p->slice.from_ns &&
				       (p->slice.to_end || m->at_ns < p->slice.to_ns));
}

static int compare(const void *a, const void *b)
{
	const struct sum *x = a, *y = b;

	if (x->first_ns != y->first_ns)
		return x->first_ns < y->first_ns ? -1 : 1;
	return x->name < y->name ? -1 : x->name > y->name;
}

static int add(struct sum **sums, size_t *count, size_t *room, struct table *known,
	       const struct profile_mark *m)
{
	uint64_t *at = table_put(known, (struct table_key){m->name, 0}, NULL);
	struct sum *s;

	if (!at)
		return -ENOMEM;
	if (!*at) {
		if (array_reserve(sums, room, *count + 1) < 0)
			return -ENOMEM;
		(*sums)[*count] = (struct sum){m->name, 0, m->at_ns, m->at_ns};
		*at = ++*count;
	}
	s = &(*sums)[*at - 1];
	s->marks += m->marks;
	s->first_ns = m->at_ns < s->first_ns ? m->at_ns : s->first_ns;
	s->last_ns = m->at_ns > s->last_ns ? m->at_ns : s->last_ns;
	return 0;
}

static void put_sum(const struct profile *p, const struct sum *s, size_t width,
		    FILE *out)
{
	const char *name = strings_get(&p->strings, s->name);
	char line[128], clean[256];
	int len = snprintf(line, sizeof(line), "%10s %10s %10s  ",
			   units_count(s->marks).text, units_duration(s->first_ns).text,
			   units_duration(s->last_ns).text);
	size_t left = (size_t)len < width ? width - (size_t)len : 0;

	fprintf(out, "%.*s", (int)width, line);
	if (left)
		fputs(text_clean(*name ? name : "(no name)", clean,
				 left + 1 < sizeof(clean) ? left + 1 : sizeof(clean)),
		      out);
	fputc('\n', out);
}

static void put_sums(const struct profile *p, struct sum *sums, size_t count,
		     size_t width, bool colour, FILE *out)
{
	qsort(sums, count, sizeof(*sums), compare);
	fputc('\n', out);
	text_style(out, colour, TEXT_BOLD);
	fprintf(out, "%10s %10s %10s  Mark", "Times", "First", "Last");
	text_style(out, colour, TEXT_PLAIN);
	fputc('\n', out);
	for (size_t i = 0; i < count && i < SHOWN; i++)
		put_sum(p, &sums[i], width, out);
	if (count > SHOWN)
		fprintf(out, "and %s more\n", units_count(count - SHOWN).text);
}

int moments_text(const struct profile *p, size_t width, bool colour, FILE *out)
{
	_cleanup_(table_done) struct table known = {0};
	_cleanup_(freep) struct sum *sums = NULL;
	size_t count = 0, room = 0;
	int r = 0;

	for (size_t i = 0; !r && i < p->mark_count; i++)
		if (is_shown(p, &p->marks[i]))
			r = add(&sums, &count, &room, &known, &p->marks[i]);
	if (!r && count)
		put_sums(p, sums, count, width, colour, out);
	return r;
}

/* Rows of one process and name follow each other. */
void moments_json(const struct profile *p, struct json *j)
{
	json_key(j, "marks");
	json_array(j);
	for (size_t i = 0; i < p->mark_count;) {
		const struct profile_mark *first = &p->marks[i];

		if (!is_shown(p, first)) {
			i++;
			continue;
		}
		json_object(j);
		json_put_unsigned(j, "process_serial", first->process_serial);
		json_put_string(j, "name", strings_get(&p->strings, first->name));
		json_key(j, "moments");
		json_array(j);
		for (; i < p->mark_count && p->marks[i].name == first->name &&
		       p->marks[i].process_serial == first->process_serial;
		     i++) {
			if (!is_shown(p, &p->marks[i]))
				continue;
			json_object(j);
			json_put_unsigned(j, "at_ns", p->marks[i].at_ns);
			json_put_unsigned(j, "marks", p->marks[i].marks);
			json_close(j);
		}
		json_close(j);
		json_close(j);
	}
	json_close(j);
}
