#include "cli/export/verdict.h"

#include "cli/base/json.h"
#include "cli/report/frames_json.h"

#include <inttypes.h>

static void put_nullable(struct json *j, const char *name, const char *text)
{
	json_key(j, name);
	if (text)
		json_string(j, text);
	else
		json_null(j);
}

static void put_leak(struct json *j, const struct outcome *o,
		     const struct outcome_leak *l)
{
	char print[24];

	json_object(j);
	json_put_string(j, "kind", leak_words[l->kind]);
	json_put_bool(j, "fails", l->fails);
	put_nullable(j, "state", l->state);
	put_nullable(j, "suppressed", l->reason);
	snprintf(print, sizeof(print), "%016" PRIx64, l->print);
	json_put_string(j, "fingerprint", print);
	json_put_unsigned(j, "blocks", l->blocks);
	json_put_unsigned(j, "bytes", l->bytes);
	json_put_unsigned(j, "held_blocks", l->held_blocks);
	json_put_unsigned(j, "held_bytes", l->held_bytes);
	frames_json_stack(o->profile, l->stack, j);
	json_close(j);
}

void verdict_json(const struct outcome *o, FILE *out)
{
	struct json j = {.out = out, .spread = 3};

	json_object(&j);
	json_put_unsigned(&j, "schema", 1);
	json_put_string(&j, "report", "check");
	json_put_unsigned(&j, "status", (uint64_t)o->status);
	put_nullable(&j, "not_checked", o->why);
	json_key(&j, "limits");
	json_array(&j);
	for (size_t i = 0; i < o->limit_count; i++) {
		json_object(&j);
		json_put_string(&j, "name", o->limits[i].name);
		json_put_string(&j, "text", o->limits[i].text);
		json_put_bool(&j, "failed", o->limits[i].failed);
		json_close(&j);
	}
	json_close(&j);
	json_key(&j, "leaks");
	json_array(&j);
	for (size_t i = 0; i < o->count; i++)
		put_leak(&j, o, &o->leaks[i]);
	json_close(&j);
	json_close(&j);
	json_end(&j);
}
