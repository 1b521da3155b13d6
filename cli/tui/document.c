#include "cli/tui/document.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/utf8.h"
#include "cli/report/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

FILE *document_begin(struct document *d)
{
	document_done(d);
	d->out = open_memstream(&d->text, &d->bytes);
	if (!d->out)
		d->err = -ENOMEM;
	return d->out;
}

int document_mark(struct document *d, uint32_t id)
{
	if (fflush(d->out) != 0 ||
	    array_room(&d->marks, &d->mark_room, d->mark_count + 1) < 0)
		return d->err = -ENOMEM;
	d->marks[d->mark_count++] = (struct document_mark){d->bytes, id};
	return 0;
}

static int split(struct document *d)
{
	uint32_t mark = DOCUMENT_NONE;
	size_t at = 0, next = 0;
	struct document_cell any;

	while (at < d->bytes) {
		const char *end = memchr(d->text + at, '\n', d->bytes - at);
		size_t len = end ? (size_t)(end - d->text) - at : d->bytes - at;

		/* A style that is ended behind the last line is none. */
		if (!end && !document_cells(d->text + at, len, &any, 1))
			break;
		while (next < d->mark_count && d->marks[next].at <= at)
			mark = d->marks[next++].id;
		if (array_room(&d->lines, &d->room, d->count + 1) < 0)
			return -ENOMEM;
		d->lines[d->count++] = (struct document_line){at, len, mark};
		at += len + 1;
	}
	return 0;
}

int document_end(struct document *d)
{
	if (!d->out)
		return d->err ? d->err : -ENOMEM;
	if (ferror(d->out))
		d->err = -ENOMEM;
	if (fclose(take_ptr(d->out)) != 0)
		d->err = -ENOMEM;
	if (!d->err)
		d->err = split(d);
	return d->err;
}

void document_done(struct document *d)
{
	if (d->out)
		fclose(d->out);
	free(d->text);
	free(d->lines);
	free(d->marks);
	*d = (struct document){0};
}

/* ---- characters ---------------------------------------------------------- */

/* The style that "\033[1;31m" and its like switch to; *text moves behind it. */
static uint8_t read_style(const char **text, const char *end)
{
	uint8_t style = 0;

	for ((*text)++; *text < end && **text != 'm'; (*text)++) {
		if (**text == '1' && (*text)[-1] != '3')
			style |= DOCUMENT_BOLD;
		if (**text == '2')
			style |= DOCUMENT_DIM;
		if (**text == '3')
			style |= DOCUMENT_RED;
	}
	if (*text < end)
		(*text)++;
	return style;
}

static bool read_cell(const char **text, bool utf8, struct document_cell *ret)
{
	uint32_t c;
	int width;

	if (!utf8_next(text, &c) || utf8_unsafe(c) || (!utf8 && c > 126))
		c = '?';
	width = c < 127 ? 1 : wcwidth((wchar_t)c);
	if (!width)
		return false;
	ret->c = width < 0 ? L'?' : (wchar_t)c;
	ret->width = width == 2 ? 2 : 1;
	return true;
}

size_t document_cells(const char *text, size_t len, struct document_cell *cells,
		      size_t room)
{
	const char *end = text + len;
	bool utf8 = text_utf8();
	uint8_t style = 0;
	size_t n = 0;

	while (text < end && n < room) {
		if (*text == '\033') {
			style = read_style(&text, end);
		} else if (read_cell(&text, utf8, &cells[n])) {
			cells[n].style = style;
			n++;
		}
	}
	return n;
}

size_t document_width(const struct document_cell *cells, size_t count)
{
	size_t width = 0;

	for (size_t i = 0; i < count; i++)
		width += cells[i].width;
	return width;
}

size_t document_break(const struct document_cell *cells, size_t count, size_t columns)
{
	size_t n = 0, width = 0, space = 0;

	while (n < count && width + cells[n].width <= columns) {
		width += cells[n].width;
		if (cells[n++].c == L' ')
			space = n;
	}
	if (n == count)
		return n;
	if (cells[n].c == L' ')
		return n ? n : 1;
	return space > columns / 3 ? space : n ? n : 1;
}

bool document_matches(const struct document *d, size_t line, const regex_t *regex)
{
	const struct document_line *l = &d->lines[line];
	const char *from = d->text + l->at, *end = from + l->len;
	_cleanup_(freep) char *plain = malloc(l->len + 1);
	size_t n = 0;

	if (!plain)
		return false;
	while (from < end) {
		if (*from == '\033')
			read_style(&from, end);
		else
			plain[n++] = *from++;
	}
	plain[n] = '\0';
	return !regexec(regex, plain, 0, NULL, 0);
}
