#include "cli/symbol/python_lines.h"

enum {		       /* kinds of entries, from 3.11 on */
       SHORT_LAST = 9, /* same line; one byte of columns */
       ONE_LINE = 10,  /* to 12: so many lines further; two bytes */
       NO_COLUMNS = 13,
       LONG = 14, /* line, and three numbers more */
       NO_LINE = 15,
       NO_LINE_310 = -128,
};

void python_lines_begin(struct python_lines *l, uint32_t version, uint32_t first_line,
			const unsigned char *table, size_t len)
{
	*l = (struct python_lines){
		.version = version, .at = table, .end = table + len, .now = first_line};
}

static void set_line(struct python_lines *l, bool has)
{
	l->line = has && l->now > 0 && l->now <= INT32_MAX ? (uint32_t)l->now : 0;
}

static int64_t take(struct python_lines *l)
{
	return l->at < l->end ? *l->at++ : 0;
}

/* Six bits a byte, least significant first; bit 6: there is more. */
static uint64_t take_number(struct python_lines *l)
{
	uint64_t v = 0, byte;
	unsigned shift = 0;

	do {
		byte = (uint64_t)take(l);
		if (shift < 60)
			v |= (byte & 63) << shift;
		shift += 6;
	} while (byte & 64);
	return v;
}

/* The sign is in bit 0. */
static int64_t take_signed(struct python_lines *l)
{
	uint64_t v = take_number(l);

	return v & 1 ? -(int64_t)(v >> 1) : (int64_t)(v >> 1);
}

static void next_311(struct python_lines *l)
{
	unsigned first = (unsigned)take(l), kind = first >> 3 & 15;

	l->start = l->stop;
	l->stop += ((first & 7) + 1) * 2;
	if (kind <= SHORT_LAST) {
		take(l);
	} else if (kind < NO_COLUMNS) {
		l->now += kind - ONE_LINE;
		take(l);
		take(l);
	} else if (kind <= LONG) {
		l->now += take_signed(l);
	}
	if (kind == LONG)
		for (int i = 0; i < 3; i++)
			take_number(l);
	set_line(l, kind != NO_LINE);
}

static void next_310(struct python_lines *l)
{
	uint64_t bytes = (uint64_t)take(l);
	int64_t by = (int8_t)take(l);

	l->start = l->stop;
	l->stop += bytes;
	if (by != NO_LINE_310)
		l->now += by;
	set_line(l, by != NO_LINE_310);
}

/* Pairs say where the next line begins, so each run is ended by the pair behind; the
 * last one has no end. */
static void next_38(struct python_lines *l)
{
	l->start = l->stop;
	set_line(l, true);
	if (l->at == l->end) {
		l->at = NULL;
		l->stop = UINT64_MAX;
		return;
	}
	l->stop += (uint64_t)take(l);
	l->now += (int8_t)take(l);
}

bool python_lines_next(struct python_lines *l)
{
	bool old = l->version < 0x30a;

	do {
		if (!l->at || (!old && l->at == l->end))
			return false;
		if (old)
			next_38(l);
		else if (l->version == 0x30a)
			next_310(l);
		else
			next_311(l);
	} while (l->start == l->stop);
	return true;
}

uint32_t python_lines_at(struct python_lines l, uint64_t offset)
{
	while (python_lines_next(&l))
		if (offset < l.stop)
			return l.line;
	return 0;
}

uint32_t python_lines_last(struct python_lines l)
{
	uint32_t last = 0;

	while (python_lines_next(&l))
		last = l.line > last ? l.line : last;
	return last;
}
