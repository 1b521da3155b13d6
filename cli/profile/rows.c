#include "cli/profile/rows.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/profile/site_rows.h"

#include <errno.h>
#include <string.h>

enum { COLUMNS_MAX = 255 }; /* of any section of any version to come */

int rows_get(struct bytes_reader *in, const struct format_section *s, struct rows *ret)
{
	struct rows rows = {
		.first = bytes_get_varint(in),
		.count = bytes_get_varint(in),
		.columns = bytes_get_varint(in),
	};

	if (in->failed || rows.columns < format_columns_min(s) ||
	    rows.columns > COLUMNS_MAX ||
	    rows.count > bytes_left(in) / rows.columns)
		return -EBADMSG;
	*ret = rows;
	return 0;
}

static int load_meta(struct load *l, const struct format_section *s,
		     struct bytes_reader *in)
{
	struct rows rows;

	if (rows_get(in, s, &rows) < 0 || rows.first || rows.count != 1)
		return -EBADMSG;
	return format_get_columns(in, s, rows.columns, l->p->strings.count, l->p, 1);
}

/* Sections that are an array of the profile and nothing more. The rows are counted
 * by the caller, once they are right: ret_first and ret_count. */
static int get_array(struct load *l, const struct format_section *s,
		     struct bytes_reader *in, struct rows *ret)
{
	size_t *count = format_count(s, l->p);
	struct rows rows;
	int r = rows_get(in, s, &rows);

	if (r < 0)
		return r;
	if (s->whole && !rows.first)
		*count = 0;
	if (rows.first != *count || *count + rows.count >= UINT32_MAX)
		return -EBADMSG;
	r = array_reserve_(format_items(s, l->p), format_room(s, l->p),
			   *count + rows.count, s->row_bytes);
	if (r < 0)
		return r;
	*ret = rows;
	if (!rows.count)
		return 0;
	return format_get_columns(
		in, s, rows.columns, l->p->strings.count,
		*(char **)format_items(s, l->p) + *count * s->row_bytes, rows.count);
}

static int load_array(struct load *l, const struct format_section *s,
		      struct bytes_reader *in)
{
	struct rows rows;
	int r = get_array(l, s, in, &rows);

	if (r < 0)
		return r;
	*format_count(s, l->p) += rows.count;
	return 0;
}

static int load_stacks(struct load *l, const struct format_section *s,
		       struct bytes_reader *in)
{
	struct profile *p = l->p;
	struct rows rows;
	int r = get_array(l, s, in, &rows);

	if (r < 0)
		return r;
	for (size_t i = 0; i < rows.count; i++) {
		struct profile_stack *stack = &p->stacks[p->stack_count];

		/* The distance, here, of an earlier one. */
		if (!stack->parent || stack->parent > p->stack_count)
			return -EBADMSG;
		stack->parent = (uint32_t)p->stack_count - stack->parent;
		stack->pc += p->stacks[stack->parent].pc;
		p->stack_count++;
	}
	return 0;
}

static int load_stack_codes(struct load *l, const struct format_section *s,
			    struct bytes_reader *in)
{
	_cleanup_(freep) struct format_stack_code *codes = NULL;
	struct rows rows;
	int r = rows_get(in, s, &rows);

	if (r < 0 || rows.first)
		return -EBADMSG;
	codes = calloc(rows.count + 1, sizeof(*codes));
	if (!codes)
		return -ENOMEM;
	r = format_get_columns(in, s, rows.columns, 0, codes, rows.count);
	for (size_t i = 0; r >= 0 && i < rows.count; i++) {
		if (codes[i].stack >= l->p->stack_count)
			return -EBADMSG;
		l->p->stacks[codes[i].stack].code = codes[i].code;
	}
	return r;
}

static int load_string_part(struct load *l, const struct format_section *s,
			    struct bytes_reader *in)
{
	size_t len = bytes_left(in);

	(void)s;
	bytes_put(&l->part, in->at, len);
	bytes_get(in, len);
	return l->part.failed ? -ENOMEM : 0;
}

/* A string gets the next number, so it must be new; and it holds no NUL. */
static int add_string(struct load *l, const void *text, size_t len)
{
	struct strings *strings = &l->p->strings;
	size_t number = strings->count;
	uint32_t got;

	if (memchr(text, 0, len))
		return -EBADMSG;
	got = strings_add_n(strings, text, len);
	if (got == UINT32_MAX)
		return -ENOMEM;
	return got == number ? 0 : -EBADMSG;
}

/* The first string of a chunk goes on where the parts before it ended. */
static int add_first_string(struct load *l, const void *text, size_t len)
{
	int r;

	if (!l->part.len)
		return add_string(l, text, len);
	bytes_put(&l->part, text, len);
	r = l->part.failed ? -ENOMEM : add_string(l, l->part.data, l->part.len);
	bytes_done(&l->part);
	return r;
}

static int load_strings(struct load *l, const struct format_section *s,
			struct bytes_reader *in)
{
	struct bytes_reader text = *in;
	struct rows rows;

	if (rows_get(in, s, &rows) < 0 || rows.first != l->p->strings.count)
		return -EBADMSG;
	text = *in;
	for (size_t i = 0; i < rows.count * rows.columns; i++)
		bytes_get_varint(&text);
	for (size_t i = 0; i < rows.count; i++) {
		size_t len = bytes_get_varint(in);
		const unsigned char *at = bytes_get(&text, len);
		int r;

		if (!at)
			return -EBADMSG;
		r = i ? add_string(l, at, len) : add_first_string(l, at, len);
		if (r < 0)
			return r;
	}
	in->at = text.at;
	return 0;
}

static int (*const loaders[FORMAT_CHUNKS])(struct load *, const struct format_section *,
					   struct bytes_reader *) = {
	[FORMAT_META] = load_meta,
	[FORMAT_STRINGS] = load_strings,
	[FORMAT_STRING_PART] = load_string_part,
	[FORMAT_MODULES] = load_array,
	[FORMAT_FRAMES] = load_array,
	[FORMAT_CODES] = load_array,
	[FORMAT_STACKS] = load_stacks,
	[FORMAT_STACK_CODES] = load_stack_codes,
	[FORMAT_SOURCES] = load_array,
	[FORMAT_PROCESSES] = load_array,
	[FORMAT_THREADS] = load_array,
	[FORMAT_BINS] = load_array,
	[FORMAT_SITES] = site_rows_load,
	[FORMAT_UNFOLLOWED] = load_array,
	[FORMAT_SNAPSHOTS] = load_array,
	[FORMAT_EPOCHS] = load_array,
	[FORMAT_TIMES] = load_array,
	[FORMAT_SIZES] = load_array,
	[FORMAT_OWNERS] = load_array,
	[FORMAT_MARKS] = load_array,
	[FORMAT_PROOFS] = load_array,
};

int rows_load(struct load *l, uint16_t type, struct bytes_reader *in)
{
	if (type >= FORMAT_CHUNKS || !loaders[type])
		return 0;
	return loaders[type](l, &format_sections[type], in);
}
