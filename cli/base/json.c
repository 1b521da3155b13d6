#include "cli/base/json.h"

#include "cli/base/utf8.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

static void new_line(struct json *j)
{
	if (j->depth > j->spread)
		return;
	fprintf(j->out, "\n%*s", (int)j->depth * 2, "");
}

/* What stands between the value, or key, that comes and what was before it. */
static void separate(struct json *j)
{
	uint32_t bit = 1u << j->depth;

	if (j->after_key) {
		j->after_key = false;
		return;
	}
	if (!j->depth)
		return;
	if (j->filled & bit)
		fputs(j->depth > j->spread ? ", " : ",", j->out);
	j->filled |= bit;
	new_line(j);
}

static void open_container(struct json *j, bool array)
{
	assert(j->depth + 1 < JSON_DEPTH);
	separate(j);
	fputc(array ? '[' : '{', j->out);
	j->depth++;
	j->filled &= ~(1u << j->depth);
	if (array)
		j->arrays |= 1u << j->depth;
	else
		j->arrays &= ~(1u << j->depth);
}

void json_object(struct json *j)
{
	open_container(j, false);
}

void json_array(struct json *j)
{
	open_container(j, true);
}

void json_close(struct json *j)
{
	uint32_t bit = 1u << j->depth;
	bool spread = j->depth <= j->spread && (j->filled & bit);

	assert(j->depth && !j->after_key);
	j->depth--;
	if (spread)
		new_line(j);
	fputc(j->arrays & bit ? ']' : '}', j->out);
}

void json_end(struct json *j)
{
	assert(!j->depth);
	fputc('\n', j->out);
}

static void put_character(FILE *out, uint32_t c)
{
	if (c == '"' || c == '\\')
		fprintf(out, "\\%c", (int)c);
	else if (c == '\n')
		fputs("\\n", out);
	else if (c == '\t')
		fputs("\\t", out);
	else if (c >= 0x10000)
		fprintf(out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
			0xdc00 + ((c - 0x10000) & 0x3ff));
	else
		fprintf(out, "\\u%04x", c);
}

static void put_string(FILE *out, const char *text)
{
	fputc('"', out);
	while (*text) {
		const char *start = text;
		uint32_t c;

		/* What most text is, at once. */
		while (*text >= ' ' && *text < 0x7f && *text != '"' && *text != '\\')
			text++;
		if (text != start) {
			fwrite(start, 1, (size_t)(text - start), out);
			continue;
		}
		if (!utf8_next(&text, &c))
			fputs("\xef\xbf\xbd", out);
		else if (c == '"' || c == '\\' || utf8_unsafe(c))
			put_character(out, c);
		else
			fwrite(start, 1, (size_t)(text - start), out);
	}
	fputc('"', out);
}

void json_key(struct json *j, const char *name)
{
	assert(j->depth && !(j->arrays & (1u << j->depth)) && !j->after_key);
	separate(j);
	put_string(j->out, name);
	fputs(": ", j->out);
	j->after_key = true;
}

void json_null(struct json *j)
{
	separate(j);
	fputs("null", j->out);
}

void json_bool(struct json *j, bool value)
{
	separate(j);
	fputs(value ? "true" : "false", j->out);
}

void json_unsigned(struct json *j, uint64_t value)
{
	separate(j);
	fprintf(j->out, "%" PRIu64, value);
}

void json_signed(struct json *j, int64_t value)
{
	separate(j);
	fprintf(j->out, "%" PRId64, value);
}

void json_string(struct json *j, const char *text)
{
	separate(j);
	put_string(j->out, text);
}

void json_put_unsigned(struct json *j, const char *name, uint64_t value)
{
	json_key(j, name);
	json_unsigned(j, value);
}

void json_put_string(struct json *j, const char *name, const char *text)
{
	json_key(j, name);
	json_string(j, text);
}

void json_put_bool(struct json *j, const char *name, bool value)
{
	json_key(j, name);
	json_bool(j, value);
}
