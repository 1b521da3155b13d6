/*
 * cmd_doctor.c - heapline doctor [OPTIONS] [PROGRAM]
 */
#include "cli/base/array.h"
#include "cli/base/json.h"
#include "cli/base/message.h"
#include "cli/cmd/doctor.h"
#include "cli/cmd/verb.h"
#include "cli/report/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

enum { SCHEMA = 1 };

static const struct option_spec options[] = {
	{.name = "json", .help = "JSON for scripts"},
	{0},
};

const struct options_spec doctor_spec = {
	.usage = "[PROGRAM]",
	.about =
		"Looks for what would keep heapline from recording on this system, and "
		"PROGRAM in\nparticular (it is not run), says the remedy, and tries a "
		"recording.",
	.options = options,
	.notes = "Exit status: 0 if recording works, 1 if not, 2 for a wrong command "
		 "line.",
	.operands = OPTIONS_COMMAND,
	.wrong = VERB_USAGE,
};

static const char *take(void *own, size_t i, const char *value)
{
	(void)i;
	(void)value;
	*(bool *)own = true;
	return NULL;
}

static const char *const levels[DOCTOR_LEVELS] = {"ok", "warning", "problem"};

void doctor_done(struct doctor *d)
{
	free(d->items);
	*d = (struct doctor){0};
}

void doctor_add(struct doctor *d, enum doctor_level level, const char *topic,
		const char *remedy, const char *format, ...)
{
	struct doctor_finding *f;
	va_list args;

	if (array_reserve(&d->items, &d->room, d->count + 1) < 0) {
		d->failed = true;
		return;
	}
	f = &d->items[d->count++];
	*f = (struct doctor_finding){.level = level, .topic = topic};
	va_start(args, format);
	vsnprintf(f->text, sizeof(f->text), format, args);
	va_end(args);
	snprintf(f->remedy, sizeof(f->remedy), "%s", remedy ? remedy : "");
}

static bool works(const struct doctor *d)
{
	for (size_t i = 0; i < d->count; i++)
		if (d->items[i].level == DOCTOR_PROBLEM)
			return false;
	return !d->failed;
}

static void put_text(const struct doctor *d)
{
	size_t count[DOCTOR_LEVELS] = {0};

	for (size_t i = 0; i < d->count; i++) {
		const struct doctor_finding *f = &d->items[i];

		count[f->level]++;
		printf("%-8s %-10s ", levels[f->level], f->topic);
		text_put(stdout, f->text);
		if (*f->remedy) {
			printf("\n%19s help: ", "");
			text_put(stdout, f->remedy);
		}
		putchar('\n');
	}
	printf("\n%s: %zu problem%s, %zu warning%s\n",
	       works(d) ? "Recording works" : "Recording does not work",
	       count[DOCTOR_PROBLEM], count[DOCTOR_PROBLEM] == 1 ? "" : "s",
	       count[DOCTOR_WARNING], count[DOCTOR_WARNING] == 1 ? "" : "s");
}

static void put_json(const struct doctor *d)
{
	struct json j = {.out = stdout, .spread = 2};

	json_object(&j);
	json_put_unsigned(&j, "schema", SCHEMA);
	json_put_string(&j, "version", HEAPLINE_VERSION);
	json_put_bool(&j, "works", works(d));
	json_key(&j, "findings");
	json_array(&j);
	for (size_t i = 0; i < d->count; i++) {
		json_object(&j);
		json_put_string(&j, "level", levels[d->items[i].level]);
		json_put_string(&j, "topic", d->items[i].topic);
		json_put_string(&j, "text", d->items[i].text);
		json_put_string(&j, "remedy", d->items[i].remedy);
		json_close(&j);
	}
	json_close(&j);
	json_close(&j);
	json_end(&j);
}

static int examine(const char *program, bool json)
{
	struct doctor d = {0};
	int status;

	doctor_system(&d);
	doctor_install(&d);
	if (program)
		doctor_program(&d, program);
	doctor_record(&d);
	if (json)
		put_json(&d);
	else
		put_text(&d);
	status = works(&d) ? VERB_OK : VERB_FAILED;
	doctor_done(&d);
	if (fflush(stdout) == 0)
		return status;
	message_error("standard output: it cannot be written");
	return VERB_FAILED;
}

int cmd_doctor(int argc, char **argv)
{
	bool json = false;
	int status = options_parse("doctor", &doctor_spec, argc, argv, take, &json);

	if (status >= 0)
		return status;
	if (argc - optind > 1)
		return options_wrong("doctor", &doctor_spec,
				     "one program at a time, not also ",
				     argv[optind + 1], "");
	return examine(optind < argc ? argv[optind] : NULL, json);
}
