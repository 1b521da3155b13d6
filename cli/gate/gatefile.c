#include "cli/gate/gatefile.h"

#include "cli/base/cleanup.h"
#include "cli/base/contents.h"
#include "cli/report/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	VALUE = 1u << TOML_STRING | 1u << TOML_NUMBER | 1u << TOML_LIST,
	WORDS = 1u << TOML_STRING | 1u << TOML_LIST,
	TEXT = 1u << TOML_STRING,
	NUMBER = 1u << TOML_NUMBER,
	SWITCH = 1u << TOML_BOOL,
};

static const struct key {
	const char *name;
	uint32_t takes; /* bits of enum toml_kind */
	const char *form;
	bool path;
	bool joined; /* a list is one value, with commas */
} keys[] = {
	{"fail-on", WORDS, "a list of kinds", false, true},
	{"max-leaked", VALUE, "a size, or a list of them", false, false},
	{"max-peak", VALUE, "a size, or a list of them", false, false},
	{"max-live-at-exit", VALUE, "a size, or a list of them", false, false},
	{"max-allocations", VALUE, "a number, or a list", false, false},
	{"max-temporary", VALUE, "a number, or a list", false, false},
	{"tries", NUMBER, "a number", false, false},
	{"suppressions", WORDS, "a file, or a list of them", true, false},
	{"no-known", SWITCH, "true or false", false, false},
	{"fail-unused-suppressions", SWITCH, "true or false", false, false},
	{"baseline", TEXT, "a file", true, false},
	{"wrappers", WORDS, "names, or a list of them", false, true},
	{"report", WORDS, "a report, or a list of them", false, false},
};

static const struct key *key_of(const char *name)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!strcmp(keys[i].name, name))
			return &keys[i];
	return NULL;
}

static int wrong(char *why, size_t room, const char *what, const char *name,
		 const char *more)
{
	char clean[128];

	snprintf(why, room, "%s%s%s", text_clean(name, clean, sizeof(clean)), what,
		 more);
	return -EINVAL;
}

int gatefile_check(const struct toml *t, char *why, size_t room, unsigned *ret_line)
{
	for (size_t i = 0; i < t->table_count; i++) {
		*ret_line = t->tables[i].line;
		if (strcmp(t->tables[i].name, "suppression") != 0)
			return wrong(why, room, ": no such table; there is only ",
				     t->tables[i].name, "[[suppression]]");
	}
	for (size_t i = 0; i < t->count && !t->entries[i].serial; i++) {
		const struct toml_entry *e = &t->entries[i];
		const struct key *key = key_of(e->name);

		*ret_line = e->line;
		if (!key)
			return wrong(why, room, ": no such name in a gate file",
				     e->name, "");
		if (!(key->takes & 1u << e->value.kind))
			return wrong(why, room, " is ", e->name, key->form);
	}
	return 0;
}

int gatefile_read(struct toml *t, const char *path, char *why, size_t room)
{
	_cleanup_(freep) char *text = NULL;
	char what[256] = "", clean[256];
	unsigned line = 1;
	size_t len;
	int r;

	*t = (struct toml){0};
	r = contents_read(path, TOML_BYTES, &text, &len);
	if (r < 0)
		return r;
	r = toml_parse(t, text, len, what, sizeof(what), &line);
	if (!r)
		r = gatefile_check(t, what, sizeof(what), &line);
	if (r == -EINVAL) {
		snprintf(why, room, "%s:%u: ", text_clean(path, clean, sizeof(clean)),
			 line);
		snprintf(why + strlen(why), room - strlen(why), "%s",
			 text_clean(what, clean, sizeof(clean)));
	}
	return r;
}

static int give_joined(const struct toml_value *v,
		       int (*give)(void *context, const char *value), void *context)
{
	_cleanup_(freep) char *text = NULL;
	size_t len = 1, at = 0;

	for (size_t i = 0; i < v->count; i++)
		len += strlen(v->strings[i]) + 1;
	text = calloc(1, len);
	if (!text)
		return -ENOMEM;
	for (size_t i = 0; i < v->count; i++)
		at += (size_t)sprintf(text + at, "%s%s", i ? "," : "", v->strings[i]);
	return give(context, text);
}

int gatefile_values(const struct toml_entry *e,
		    int (*give)(void *context, const char *value), void *context)
{
	const struct key *key = key_of(e->name);
	const struct toml_value *v = &e->value;
	char number[24];
	int r = 0;

	switch (v->kind) {
	case TOML_STRING:
		return give(context, v->text);
	case TOML_NUMBER:
		snprintf(number, sizeof(number), "%" PRIu64, v->number);
		return give(context, number);
	case TOML_BOOL:
		return v->number ? give(context, NULL) : 0;
	case TOML_LIST:
		if (key && key->joined)
			return give_joined(v, give, context);
		for (size_t i = 0; !r && i < v->count; i++)
			r = give(context, v->strings[i]);
		return r;
	default:
		return 0;
	}
}

bool gatefile_is_path(const char *name)
{
	const struct key *key = key_of(name);

	return key && key->path;
}
