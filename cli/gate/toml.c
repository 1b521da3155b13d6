#include "cli/gate/toml.h"

#include "cli/base/array.h"
#include "cli/base/bytes.h"
#include "cli/base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct parser {
	struct toml *toml;
	const char *at, *end;
	unsigned line;
	const char *table;
	uint32_t serial;
	size_t first; /* entry of the present table */
	char *why;
	size_t room;
};

static int __attribute__((format(printf, 2, 3)))
wrong(struct parser *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(p->why, p->room, format, args);
	va_end(args);
	return -EINVAL;
}

static int peek(const struct parser *p)
{
	return p->at < p->end ? (unsigned char)*p->at : -1;
}

static bool take(struct parser *p, char c)
{
	if (peek(p) != c)
		return false;
	p->at++;
	return true;
}

static void skip_blanks(struct parser *p)
{
	while (peek(p) == ' ' || peek(p) == '\t')
		p->at++;
}

static void skip_comment(struct parser *p)
{
	if (peek(p) != '#')
		return;
	while (p->at < p->end && *p->at != '\n')
		p->at++;
}

/* Blanks and a comment, then the line's end. */
static int line_end(struct parser *p)
{
	skip_blanks(p);
	skip_comment(p);
	take(p, '\r');
	if (p->at == p->end)
		return 0;
	if (!take(p, '\n'))
		return wrong(p, "something follows that does not belong here");
	p->line++;
	return 0;
}

/* Keeps a block for as long as the document lives. */
static int own(struct toml *t, void *block)
{
	if (!block)
		return -ENOMEM;
	if (array_reserve(&t->owned, &t->owned_room, t->owned_count + 1) < 0) {
		free(block);
		return -ENOMEM;
	}
	t->owned[t->owned_count++] = block;
	return 0;
}

/* ---- strings ---------------------------------------------------------------- */

static int hex(struct parser *p, unsigned digits, uint32_t *ret)
{
	*ret = 0;
	while (digits--) {
		int c = peek(p);
		uint32_t digit = c >= '0' && c <= '9'	? (uint32_t)c - '0'
				 : c >= 'a' && c <= 'f' ? (uint32_t)c - 'a' + 10
				 : c >= 'A' && c <= 'F' ? (uint32_t)c - 'A' + 10
							: 16;

		if (digit > 15)
			return wrong(p, "\\u takes four hexadecimal digits, \\U eight");
		*ret = *ret << 4 | digit;
		p->at++;
	}
	if (!*ret || *ret > 0x10ffff || (*ret >= 0xd800 && *ret < 0xe000))
		return wrong(p, "no such character");
	return 0;
}

static void put_character(struct bytes *b, uint32_t c)
{
	unsigned more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
	static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
	unsigned char byte = (unsigned char)(lead[more] | c >> 6 * more);

	bytes_put(b, &byte, 1);
	while (more--) {
		byte = (unsigned char)(0x80 | (c >> 6 * more & 0x3f));
		bytes_put(b, &byte, 1);
	}
}

static int escape(struct parser *p, struct bytes *b)
{
	static const char names[] = "\"\\bfnrt", meant[] = "\"\\\b\f\n\r\t";
	const char *name;
	uint32_t c;
	int letter = peek(p), r;

	p->at += letter >= 0;
	if (letter == 'u' || letter == 'U') {
		r = hex(p, letter == 'u' ? 4 : 8, &c);
		if (!r)
			put_character(b, c);
		return r;
	}
	name = letter > 0 ? strchr(names, letter) : NULL;
	if (!name)
		return wrong(p, "no such escape in a string; 'single quotes' take "
				"everything as it is");
	bytes_put(b, &meant[name - names], 1);
	return 0;
}

/* From behind the opening quote. */
static int string(struct parser *p, char quote, const char **ret)
{
	struct bytes b = {0};
	int r = 0;

	if (peek(p) == quote && p->end - p->at > 1 && p->at[1] == quote)
		return wrong(p, "strings of several lines are not understood");
	while (!r && !take(p, quote)) {
		int c = peek(p);

		if (c < 0 || c == '\n' || c == '\r')
			r = wrong(p, "the string has no end");
		else if ((c < ' ' && c != '\t') || c == 0x7f)
			r = wrong(p, "a control character in a string");
		else if (c == '\\' && quote == '"' && p->at++)
			r = escape(p, &b);
		else
			bytes_put(&b, p->at++, 1);
	}
	bytes_put(&b, "", 1);
	if (!r && b.failed)
		r = -ENOMEM;
	if (r) {
		bytes_done(&b);
		return r;
	}
	*ret = (const char *)b.data;
	return own(p->toml, b.data);
}

/* ---- values ----------------------------------------------------------------- */

static bool word_byte(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_' || c == '-';
}

/* The word, where it lies. */
static size_t word(struct parser *p, const char **ret)
{
	*ret = p->at;
	while (word_byte(peek(p)))
		p->at++;
	return (size_t)(p->at - *ret);
}

static bool digits(const char *text, size_t len, uint64_t *ret)
{
	*ret = 0;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		if (*ret > (INT64_MAX - 9) / 10)
			return false;
		*ret = *ret * 10 + (uint64_t)(text[i] - '0');
	}
	return len > 0;
}

static bool date(const char *w, size_t len, uint64_t *ret)
{
	static const unsigned char days[] = {31, 29, 31, 30, 31, 30,
					     31, 31, 30, 31, 30, 31};
	uint64_t year, month, day;

	if (len != 10 || w[4] != '-' || w[7] != '-' || !digits(w, 4, &year) ||
	    !digits(w + 5, 2, &month) || !digits(w + 8, 2, &day))
		return false;
	if (!month || month > 12 || !day || day > days[month - 1] ||
	    (month == 2 && day == 29 && (year % 4 || (year % 100 == 0 && year % 400))))
		return false;
	*ret = year * 10000 + month * 100 + day;
	return true;
}

/* A number may have _ between its digits, and no 0 in front. */
static bool number(const char *w, size_t len, uint64_t *ret)
{
	char plain[24];
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (w[i] == '_' && i && i + 1 < len && w[i - 1] != '_')
			continue;
		if (n == sizeof(plain))
			return false;
		plain[n++] = w[i];
	}
	return (n == 1 || (n && plain[0] != '0')) && digits(plain, n, ret);
}

static int plain_value(struct parser *p, struct toml_value *ret)
{
	const char *w;
	size_t len = word(p, &w);

	if (len == 4 && !memcmp(w, "true", 4)) {
		*ret = (struct toml_value){.kind = TOML_BOOL, .number = 1};
	} else if (len == 5 && !memcmp(w, "false", 5)) {
		*ret = (struct toml_value){.kind = TOML_BOOL};
	} else if (date(w, len, &ret->number)) {
		ret->kind = TOML_DATE;
	} else if (number(w, len, &ret->number)) {
		ret->kind = TOML_NUMBER;
	} else {
		return wrong(p, "no value: write \"text\", a whole number, true, "
				"false, a date as 2027-01-31 or a list of strings");
	}
	return 0;
}

/* Between the items of a list lines may end. */
static int skip_lines(struct parser *p)
{
	for (;;) {
		skip_blanks(p);
		skip_comment(p);
		if (peek(p) == '\r' && p->end - p->at > 1 && p->at[1] == '\n')
			p->at++;
		if (!take(p, '\n'))
			return p->at < p->end ? 0 : wrong(p, "the list has no end");
		p->line++;
	}
}

static int list(struct parser *p, struct toml_value *ret)
{
	const char **items = NULL;
	size_t count = 0, room = 0;
	int r;

	for (;;) {
		int c;

		r = skip_lines(p);
		if (r || take(p, ']'))
			break;
		c = peek(p);
		if (c != '"' && c != '\'') {
			r = wrong(p, "a list holds strings, with commas between them");
			break;
		}
		p->at++;
		r = array_reserve(&items, &room, count + 1);
		if (!r)
			r = string(p, (char)c, &items[count++]);
		if (!r)
			r = skip_lines(p);
		if (r || take(p, ']'))
			break;
		if (!take(p, ',')) {
			r = wrong(p, "a comma is missing in the list");
			break;
		}
	}
	if (r || !items) {
		free(items);
		items = NULL;
	} else {
		r = own(p->toml, items);
	}
	*ret = (struct toml_value){.kind = TOML_LIST, .strings = items, .count = count};
	return r;
}

static int value(struct parser *p, struct toml_value *ret)
{
	int c = peek(p);

	if (c == '"' || c == '\'') {
		p->at++;
		*ret = (struct toml_value){.kind = TOML_STRING};
		return string(p, (char)c, &ret->text);
	}
	if (c == '{')
		return wrong(p, "inline tables are not understood");
	return take(p, '[') ? list(p, ret) : plain_value(p, ret);
}

/* ---- lines ------------------------------------------------------------------ */

static int name(struct parser *p, const char **ret)
{
	int c = peek(p), r;
	const char *w;
	size_t len;
	char *copy;

	if (c == '"' || c == '\'') {
		p->at++;
		return string(p, (char)c, ret);
	}
	len = word(p, &w);
	if (!len)
		return wrong(p, "a name is missing");
	copy = strndup(w, len);
	r = own(p->toml, copy);
	*ret = copy;
	return r;
}

static int entry(struct parser *p)
{
	struct toml *t = p->toml;
	struct toml_entry e = {.table = p->table, .serial = p->serial, .line = p->line};
	int r = name(p, &e.name);

	if (r)
		return r;
	skip_blanks(p);
	if (peek(p) == '.')
		return wrong(p, "names with dots are not understood");
	if (!take(p, '='))
		return wrong(p, "an = is missing behind the name");
	for (size_t i = p->first; i < t->count; i++)
		if (!strcmp(t->entries[i].name, e.name))
			return wrong(p, "the name stands in line %u already",
				     t->entries[i].line);
	if (t->count - p->first >= TOML_NAMES)
		return wrong(p, "more than %d names in a table", TOML_NAMES);
	skip_blanks(p);
	r = value(p, &e.value);
	if (!r)
		r = line_end(p);
	if (!r && array_reserve(&t->entries, &t->room, t->count + 1) < 0)
		r = -ENOMEM;
	if (!r)
		t->entries[t->count++] = e;
	return r;
}

/* Whether a heading goes with those before it. */
static int check_table(struct parser *p, const struct toml_table *new)
{
	for (size_t i = 0; i < p->toml->table_count; i++) {
		const struct toml_table *t = &p->toml->tables[i];

		if ((!t->list || !new->list) && !strcmp(t->name, new->name))
			return wrong(p, "[%.100s] stands in line %u already", t->name,
				     t->line);
	}
	if (p->toml->table_count >= TOML_TABLES)
		return wrong(p, "more than %d tables", TOML_TABLES);
	return 0;
}

static int heading(struct parser *p)
{
	struct toml *t = p->toml;
	struct toml_table new = {.list = take(p, '['), .line = p->line};
	int r;

	skip_blanks(p);
	r = name(p, &new.name);
	if (r)
		return r;
	skip_blanks(p);
	if (!take(p, ']') || (new.list && !take(p, ']')))
		return wrong(p, "a ] is missing; names with dots are not understood");
	r = check_table(p, &new);
	if (r)
		return r;
	if (array_reserve(&t->tables, &t->table_room, t->table_count + 1) < 0)
		return -ENOMEM;
	t->tables[t->table_count++] = new;
	p->table = new.name;
	p->serial = (uint32_t)t->table_count;
	p->first = t->count;
	return line_end(p);
}

/* What holds for the whole text. *line: the one that is wrong. */
static int check_text(struct parser *p, const char *text, size_t len)
{
	const char *start = text, *end = text + len;

	if (len > TOML_BYTES)
		return wrong(p, "larger than %d bytes", TOML_BYTES);
	while (text < end) {
		const char *at = text;
		uint32_t c;

		/* The caller's text ends in a NUL: utf8_next() stops there. */
		if (!*text || !utf8_next(&text, &c))
			return wrong(p, "not UTF-8 text");
		if (*at == '\n') {
			p->line++;
			start = text;
		}
		if (text - start > TOML_LINE)
			return wrong(p, "a line of more than %d bytes", TOML_LINE);
	}
	p->line = 1;
	return 0;
}

int toml_parse(struct toml *t, const char *text, size_t len, char *why, size_t room,
	       unsigned *ret_line)
{
	struct parser p = {.toml = t, .line = 1, .table = "", .why = why, .room = room};
	char *copy = malloc(len + 1);
	int r;

	*t = (struct toml){0};
	if (!copy)
		return -ENOMEM;
	memcpy(copy, text, len);
	copy[len] = '\0';
	r = check_text(&p, copy, len);
	p.at = copy;
	p.end = copy + len;
	while (!r && p.at < p.end) {
		skip_blanks(&p);
		if (peek(&p) == '[') {
			p.at++;
			r = heading(&p);
		} else if (peek(&p) < 0 || strchr("#\r\n", peek(&p))) {
			r = line_end(&p);
		} else {
			r = entry(&p);
		}
	}
	free(copy);
	*ret_line = p.line;
	return r;
}

void toml_done(struct toml *t)
{
	for (size_t i = 0; i < t->owned_count; i++)
		free(t->owned[i]);
	free(t->owned);
	free(t->entries);
	free(t->tables);
	*t = (struct toml){0};
}
