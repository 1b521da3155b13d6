/*
 * cpython_text.c - what Python's texts and numbers say.
 */
#include "cli/heap/cpython_scan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	LENGTH_AT = 16,
	STATE_AT = 32,
	KIND_SHIFT = 2,
	COMPACT = 1 << 5,
	ASCII = 1 << 6,
	DIGIT_BITS = 30,
	DIGITS_AT = 24,
	SIZE_AT = 16,
};

/* Appends a character in UTF-8; false: it is none that a name would have. */
static bool put(char *buffer, size_t room, size_t *at, uint32_t c)
{
	char bytes[4];
	size_t n = 0;

	if (c < 0x20 || c == 0x7f || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return false;
	if (c < 0x80) {
		bytes[n++] = (char)c;
	} else if (c < 0x800) {
		bytes[n++] = (char)(0xc0 | c >> 6);
		bytes[n++] = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		bytes[n++] = (char)(0xe0 | c >> 12);
		bytes[n++] = (char)(0x80 | (c >> 6 & 0x3f));
		bytes[n++] = (char)(0x80 | (c & 0x3f));
	} else {
		bytes[n++] = (char)(0xf0 | c >> 18);
		bytes[n++] = (char)(0x80 | (c >> 12 & 0x3f));
		bytes[n++] = (char)(0x80 | (c >> 6 & 0x3f));
		bytes[n++] = (char)(0x80 | (c & 0x3f));
	}
	if (*at + n >= room)
		return false;
	memcpy(buffer + *at, bytes, n);
	*at += n;
	buffer[*at] = '\0';
	return true;
}

static uint32_t character(const unsigned char *bytes, unsigned width)
{
	uint32_t c = 0;

	memcpy(&c, bytes, width); /* little-endian, as all that we read */
	return c;
}

bool cpython_text(struct cpython_scan *s, uint64_t object, char *buffer, size_t room)
{
	unsigned char bytes[CPYTHON_TEXT_MAX * 4];
	uint64_t length, shown, from;
	uint32_t state = 0;
	unsigned width;
	size_t at = 0;

	*buffer = '\0';
	if (!(cpython_flags_of(s, object) & CPYTHON_TEXT) ||
	    !heap_peek(s->memory, object + LENGTH_AT, &length, sizeof(length)) ||
	    !heap_peek(s->memory, object + STATE_AT, &state, sizeof(state)))
		return false;
	width = state >> KIND_SHIFT & 7;
	if (!(state & COMPACT) || (width != 1 && width != 2 && width != 4))
		return false;
	from = object + (state & ASCII ? s->shape->text_short : s->shape->text_long);
	shown = length < CPYTHON_TEXT_MAX ? length : CPYTHON_TEXT_MAX - 3;
	if (!heap_peek(s->memory, from, bytes, shown * width))
		return false;
	for (uint64_t i = 0; i < shown; i++)
		if (!put(buffer, room, &at, character(bytes + i * width, width)))
			return false;
	if (shown < length && room - at > 3)
		memcpy(buffer + at, "...", 4);
	return true;
}

bool cpython_c_text(struct cpython_scan *s, uint64_t at, char *buffer, size_t room)
{
	size_t n = 0;

	for (; n + 4 < room; n++) {
		if (!heap_peek(s->memory, at + n, buffer + n, 1))
			return false;
		if (!buffer[n])
			return n > 0;
		if ((unsigned char)buffer[n] < 0x20 || buffer[n] == 0x7f)
			return false;
	}
	memcpy(buffer + n, "...", 4);
	return true;
}

/* An int of up to two digits; false: a longer one. */
static bool small_number(struct cpython_scan *s, uint64_t object, int64_t *ret)
{
	uint64_t size, digits;
	bool negative;
	uint32_t digit[2] = {0};

	if (!heap_peek(s->memory, object + SIZE_AT, &size, sizeof(size)))
		return false;
	if (s->shape->version >= 0x30c) {
		negative = (size & 3) == 2;
		digits = (size & 3) == 1 ? 0 : size >> 3;
	} else {
		negative = (int64_t)size < 0;
		digits = negative ? -size : size;
	}
	if (digits > 2 ||
	    !heap_peek(s->memory, object + DIGITS_AT, digit, digits * sizeof(*digit)))
		return false;
	*ret = (int64_t)((uint64_t)(digit[0] & 0x3fffffff) |
			 (uint64_t)(digit[1] & 0x3fffffff) << DIGIT_BITS);
	*ret = negative ? -*ret : *ret;
	return true;
}

bool cpython_key(struct cpython_scan *s, uint64_t object, char *buffer, size_t room,
		 bool *ret_text)
{
	uint64_t type = heap_peek_word(s->memory, object + 8);
	const struct cpython_kind *kind;
	int64_t number;

	*ret_text = cpython_text(s, object, buffer, room);
	if (*ret_text)
		return true;
	kind = cpython_kind(s, type);
	if (!kind)
		return false;
	if (kind->family == CPYTHON_A_LONG && small_number(s, object, &number))
		snprintf(buffer, room, "%" PRId64, number);
	else
		snprintf(buffer, room, "<%s>",
			 strings_get(s->names, s->g->types.items[kind->type].name));
	return true;
}
