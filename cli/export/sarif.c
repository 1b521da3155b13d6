#include "cli/export/sarif.h"

#include "cli/base/json.h"
#include "cli/base/units.h"
#include "cli/report/leaks.h"

#include <inttypes.h>
#include <string.h>

#define ROOT "SRCROOT"

static void put_message(struct json *j, const char *key, const char *text)
{
	json_key(j, key);
	json_object(j);
	json_put_string(j, "text", text);
	json_close(j);
}

/* A URI's path: what is not plain is written as %XX. Returns the buffer. */
static const char *escaped(const char *path, char *buffer, size_t room)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789-._~/+";
	size_t at = 0;

	for (; *path && at + 4 < room; path++) {
		if (strchr(plain, *path))
			buffer[at++] = *path;
		else
			at += (size_t)snprintf(buffer + at, room - at, "%%%02X",
					       (unsigned char)*path);
	}
	buffer[at] = '\0';
	return buffer;
}

/* ---- rules ------------------------------------------------------------------- */

static const char *level(enum leak_kind kind)
{
	switch (kind) {
	case LEAK_DEFINITE:
	case LEAK_CYCLE:
	case LEAK_INDIRECT:
		return "error";
	case LEAK_POSSIBLE:
	case LEAK_UNSCANNED:
		return "warning";
	default:
		return "note";
	}
}

static void put_rule(struct json *j, enum leak_kind kind)
{
	char text[128];

	json_object(j);
	snprintf(text, sizeof(text), "leak/%s", leak_words[kind]);
	json_put_string(j, "id", text);
	snprintf(text, sizeof(text), "leak-%s", leak_words[kind]);
	json_put_string(j, "name", text);
	snprintf(text, sizeof(text), "A block of the heap was not freed: %s.",
		 leaks_meaning(kind));
	put_message(j, "shortDescription", text);
	put_message(j, "fullDescription", text);
	put_message(j, "help",
		    "Free it where its owner ends, or keep a pointer to it. `heapline "
		    "leaks` on the recording tells more.");
	json_key(j, "defaultConfiguration");
	json_object(j);
	json_put_string(j, "level", level(kind));
	json_close(j);
	json_close(j);
}

static void put_tool(struct json *j)
{
	json_key(j, "tool");
	json_object(j);
	json_key(j, "driver");
	json_object(j);
	json_put_string(j, "name", "heapline");
	json_put_string(j, "version", HEAPLINE_VERSION);
	json_key(j, "rules");
	json_array(j);
	for (int kind = 0; kind < LEAK_KINDS; kind++)
		put_rule(j, (enum leak_kind)kind);
	json_close(j);
	json_close(j);
	json_close(j);
}

/* ---- places ------------------------------------------------------------------ */

static void put_physical(struct json *j, const struct outcome_place *place)
{
	char uri[4096] = "";

	if (!*place->path)
		return;
	json_key(j, "physicalLocation");
	json_object(j);
	json_key(j, "artifactLocation");
	json_object(j);
	if (!place->relative)
		strcpy(uri, "file://");
	escaped(place->path, uri + strlen(uri), sizeof(uri) - strlen(uri));
	json_put_string(j, "uri", uri);
	if (place->relative)
		json_put_string(j, "uriBaseId", ROOT);
	json_close(j);
	if (place->line) {
		json_key(j, "region");
		json_object(j);
		json_put_unsigned(j, "startLine", place->line);
		json_close(j);
	}
	json_close(j);
}

static void put_location(struct json *j, const struct outcome_place *place)
{
	json_object(j);
	put_physical(j, place);
	json_key(j, "logicalLocations");
	json_array(j);
	json_object(j);
	json_put_string(j, "fullyQualifiedName", place->function);
	json_put_string(j, "kind", "function");
	json_close(j);
	json_close(j);
	json_close(j);
}

static void put_stack(struct json *j, const struct outcome *o, uint32_t stack)
{
	struct frames_walk walk = frames_of(o->profile, stack);
	struct frames_frame frame;
	char name[256];

	json_key(j, "stacks");
	json_array(j);
	json_object(j);
	put_message(j, "message", "allocated here");
	json_key(j, "frames");
	json_array(j);
	for (int i = 0; i < SARIF_FRAMES && frames_next(&walk, &frame); i++) {
		struct outcome_place place = outcome_frame(o, &frame, name);

		json_object(j);
		json_key(j, "location");
		put_location(j, &place);
		json_put_string(j, "module",
				frames_base(frames_module(o->profile, frame.stack)));
		json_close(j);
	}
	json_close(j);
	json_close(j);
	json_close(j);
}

/* ---- results ----------------------------------------------------------------- */

static void put_suppressions(struct json *j, const struct outcome_leak *l)
{
	if (!l->reason)
		return;
	json_key(j, "suppressions");
	json_array(j);
	json_object(j);
	json_put_string(j, "kind", "external");
	if (*l->reason)
		json_put_string(j, "justification", l->reason);
	json_close(j);
	json_close(j);
}

/* What SARIF calls the states of a baseline. */
static const char *baseline_state(const struct outcome_leak *l)
{
	if (!strcmp(l->state, "new"))
		return "new";
	return strcmp(l->state, "grown") ? "unchanged" : "updated";
}

static void put_numbers(struct json *j, const struct outcome_leak *l)
{
	json_key(j, "properties");
	json_object(j);
	json_put_unsigned(j, "bytes", l->bytes);
	json_put_unsigned(j, "blocks", l->blocks);
	json_put_unsigned(j, "held_bytes", l->held_bytes);
	json_put_unsigned(j, "held_blocks", l->held_blocks);
	json_close(j);
}

static void put_result(struct json *j, const struct outcome *o,
		       const struct outcome_leak *l)
{
	char text[512], name[256];
	struct outcome_place place = outcome_place(o, l, name);

	json_object(j);
	snprintf(text, sizeof(text), "leak/%s", leak_words[l->kind]);
	json_put_string(j, "ruleId", text);
	json_put_unsigned(j, "ruleIndex", l->kind);
	json_put_string(j, "level", l->fails ? "error" : "note");
	put_message(j, "message", outcome_sentence(l, text, sizeof(text)));
	json_key(j, "locations");
	json_array(j);
	put_location(j, &place);
	json_close(j);
	put_stack(j, o, l->stack);
	json_key(j, "partialFingerprints");
	json_object(j);
	snprintf(text, sizeof(text), "%016" PRIx64, l->print);
	json_put_string(j, "heaplineStack/v1", text);
	json_close(j);
	if (l->state)
		json_put_string(j, "baselineState", baseline_state(l));
	put_suppressions(j, l);
	put_numbers(j, l);
	json_close(j);
}

static void put_notification(struct json *j, const char *notification_level,
			     const char *text)
{
	json_object(j);
	json_put_string(j, "level", notification_level);
	put_message(j, "message", text);
	json_close(j);
}

static void put_invocation(struct json *j, const struct outcome *o)
{
	char text[200];

	json_key(j, "invocations");
	json_array(j);
	json_object(j);
	json_put_bool(j, "executionSuccessful", !o->why);
	json_key(j, "toolExecutionNotifications");
	json_array(j);
	if (o->why)
		put_notification(j, "error", o->why);
	for (size_t i = 0; i < o->limit_count; i++)
		if (o->limits[i].failed)
			put_notification(j, "error", o->limits[i].text);
	if (o->count > SARIF_RESULTS) {
		snprintf(text, sizeof(text), "%s more leaks are not listed.",
			 units_count(o->count - SARIF_RESULTS).text);
		put_notification(j, "warning", text);
	}
	json_close(j);
	json_close(j);
	json_close(j);
}

static void put_root(struct json *j, const struct outcome *o)
{
	char uri[4096] = "file://";
	size_t at = strlen(uri);

	if (*o->root != '/')
		return;
	escaped(o->root, uri + at, sizeof(uri) - at - 1);
	strcat(uri, "/");
	json_key(j, "originalUriBaseIds");
	json_object(j);
	json_key(j, ROOT);
	json_object(j);
	json_put_string(j, "uri", uri);
	json_close(j);
	json_close(j);
}

void sarif_write(const struct outcome *o, FILE *out)
{
	struct json j = {.out = out, .spread = 4};

	json_object(&j);
	json_put_string(&j, "$schema", "https://json.schemastore.org/sarif-2.1.0.json");
	json_put_string(&j, "version", "2.1.0");
	json_key(&j, "runs");
	json_array(&j);
	json_object(&j);
	put_tool(&j);
	put_root(&j, o);
	put_invocation(&j, o);
	json_key(&j, "results");
	json_array(&j);
	for (size_t i = 0; i < o->count && i < SARIF_RESULTS; i++)
		put_result(&j, o, &o->leaks[i]);
	json_close(&j);
	json_close(&j);
	json_close(&j);
	json_close(&j);
	json_end(&j);
}
