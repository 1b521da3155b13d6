#include "cli/collect/codes.h"

#include "cli/base/array.h"
#include "cli/symbol/python_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void code_done(struct code *c)
{
	free(c->file);
	free(c->name);
	free(c->lines);
}

void codes_done(struct codes *c)
{
	for (size_t i = 0; i < c->count; i++)
		code_done(&c->items[i]);
	free(c->items);
	table_done(&c->known);
	table_done(&c->places);
	table_done(&c->instructions);
	*c = (struct codes){0};
}

/* ---- copies -------------------------------------------------------------- */

/* Where the record is in the room for them, with *ret a copy of its head. */
static const unsigned char *find(void *base, uint32_t number, struct wire_code *ret)
{
	uint64_t at, left;

	if (!number || number >= WIRE_CODES)
		return NULL;
	/* acquire: pairs with the shim's release once the record is written. */
	at = 8ull *
	     atomic_load_explicit(wire_code_at(base, number), memory_order_acquire);
	if (!at || at > WIRE_CODE_BYTES - sizeof(*ret))
		return NULL;
	memcpy(ret, wire_codes(base) + at, sizeof(*ret));
	left = WIRE_CODE_BYTES - at - sizeof(*ret);
	if (ret->file_len > left || ret->name_len > left - ret->file_len ||
	    ret->lines_len > left - ret->file_len - ret->name_len ||
	    ret->lines_len > WIRE_CODE_MAX || ret->first_line > INT32_MAX)
		return NULL;
	return wire_codes(base) + at + sizeof(*ret);
}

static struct python_lines lines_of(const struct code *c)
{
	struct python_lines l;

	python_lines_begin(&l, c->version, c->first_line, c->lines, c->lines_len);
	return l;
}

static int copy(const struct wire_code *head, const unsigned char *text,
		struct code *ret)
{
	struct code c = {.version = head->version,
			 .first_line = head->first_line,
			 .lines_len = head->lines_len};

	c.file = strndup((const char *)text, head->file_len);
	c.name = strndup((const char *)text + head->file_len, head->name_len);
	c.lines = malloc(head->lines_len + 1ul);
	if (!c.file || !c.name || !c.lines) {
		code_done(&c);
		return -ENOMEM;
	}
	memcpy(c.lines, text + head->file_len + head->name_len, head->lines_len);
	c.last_line = python_lines_last(lines_of(&c));
	if (c.last_line < c.first_line)
		c.last_line = c.first_line;
	*ret = c;
	return 0;
}

/* The copy, made if need be; NULL in *ret: there is no sound record. */
static int get(struct codes *c, void *base, uint32_t number, struct code **ret)
{
	uint64_t *index = table_put(&c->known, (struct table_key){number, 0}, NULL);
	const unsigned char *text;
	struct wire_code head;

	*ret = NULL;
	if (!index || array_reserve(&c->items, &c->room, c->count + 1) < 0)
		return -ENOMEM;
	if (!*index) {
		text = find(base, number, &head);
		if (!text)
			return 0;
		if (copy(&head, text, &c->items[c->count]) < 0)
			return -ENOMEM;
		*index = ++c->count;
	}
	*ret = &c->items[*index - 1];
	return 0;
}

/* ---- in the profile ------------------------------------------------------ */

static int add_frame(struct profile *p, const struct code *c, uint32_t line)
{
	uint32_t function = strings_add(&p->strings, c->name);
	uint32_t file = strings_add(&p->strings, c->file);
	bool is_module = !strcmp(c->name, "<module>");

	if (function == UINT32_MAX || file == UINT32_MAX ||
	    array_reserve(&p->frames, &p->frame_room, p->frame_count + 1) < 0 ||
	    array_reserve(&p->codes, &p->code_room, p->code_count + 1) < 0 ||
	    p->frame_count >= UINT32_MAX || p->code_count >= UINT32_MAX - 1)
		return -ENOMEM;
	p->codes[p->code_count++] = (struct profile_code){(uint32_t)p->frame_count, 1};
	p->frames[p->frame_count++] = (struct profile_frame){
		.function = function,
		.file = file,
		.line = line ? line : c->first_line,
		.function_first = is_module ? 1 : c->first_line,
		.function_last = c->last_line,
	};
	return 0;
}

/* The profile's code for a line of a code object; 0 or -ENOMEM. */
static int place_line(struct codes *c, const struct code *code, uint32_t number,
		      uint32_t line, struct profile *p, uint64_t *ret)
{
	uint64_t *place = table_put(&c->places, (struct table_key){number, line}, NULL);
	int r;

	if (!place)
		return -ENOMEM;
	if (!*place) {
		r = add_frame(p, code, line);
		if (r < 0)
			return r;
		*place = p->code_count;
	}
	*ret = *place;
	return 0;
}

int codes_place(struct codes *c, void *base, uint32_t number, uint64_t offset,
		struct profile *p, uint32_t *ret)
{
	uint64_t *place = table_put(&c->instructions, (struct table_key){number, offset},
				    NULL);
	struct code *code;
	int r;

	*ret = 0;
	if (!place)
		return -ENOMEM;
	if (!*place) {
		r = get(c, base, number, &code);
		if (r < 0 || !code)
			return r;
		r = place_line(c, code, number,
			       python_lines_at(lines_of(code), offset), p, place);
		if (r < 0)
			return r;
	}
	*ret = (uint32_t)*place;
	return 0;
}
