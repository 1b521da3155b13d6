#include "cli/export/gitlab.h"

#include "cli/base/hash.h"
#include "cli/base/json.h"
#include "cli/report/leaks.h"

#include <inttypes.h>
#include <string.h>

/* print: the same for the same issue in another run. */
static void put_issue(struct json *j, const char *check, const char *print,
		      const char *severity, const char *text,
		      const struct outcome_place *place)
{
	json_object(j);
	json_put_string(j, "description", text);
	json_put_string(j, "check_name", check);
	json_put_string(j, "fingerprint", print);
	json_put_string(j, "severity", severity);
	json_key(j, "location");
	json_object(j);
	json_put_string(j, "path", *place->path ? place->path : ".");
	json_key(j, "lines");
	json_object(j);
	json_put_unsigned(j, "begin", place->line ? place->line : 1);
	json_close(j);
	json_close(j);
	json_close(j);
}

static const char *severity(enum leak_kind kind)
{
	switch (kind) {
	case LEAK_DEFINITE:
	case LEAK_CYCLE:
		return "critical";
	case LEAK_INDIRECT:
		return "major";
	default:
		return "minor";
	}
}

static void put_leak(struct json *j, const struct outcome *o,
		     const struct outcome_leak *l)
{
	char text[1024], check[64], print[64], name[256];
	struct outcome_place place = outcome_place(o, l, name);

	snprintf(check, sizeof(check), "leak/%s", leak_words[l->kind]);
	snprintf(print, sizeof(print), "%016" PRIx64 "-%s", l->print,
		 leak_words[l->kind]);
	outcome_sentence(l, text, sizeof(text));
	snprintf(text + strlen(text), sizeof(text) - strlen(text), " (%s)",
		 place.function);
	put_issue(j, check, print, severity(l->kind), text, &place);
}

/* An issue without a place: named by its words. */
static void put_other(struct json *j, const char *check, const char *name,
		      const char *text)
{
	static const struct hash_key key = {1, 2};
	struct outcome_place nowhere = {.path = "", .function = ""};
	char print[64];

	snprintf(print, sizeof(print), "%016" PRIx64 "-%s",
		 hash_sip(key, 2, 4, name, strlen(name)), check);
	put_issue(j, check, print, "critical", text, &nowhere);
}

void gitlab_write(const struct outcome *o, FILE *out)
{
	struct json j = {.out = out, .spread = 2};

	json_array(&j);
	if (o->why)
		put_other(&j, "not-checked", "", o->why);
	for (size_t i = 0; i < o->limit_count; i++)
		if (o->limits[i].failed)
			put_other(&j, "limit", o->limits[i].name, o->limits[i].text);
	for (size_t i = 0; i < o->count; i++)
		if (o->leaks[i].fails)
			put_leak(&j, o, &o->leaks[i]);
	json_close(&j);
	json_end(&j);
}
