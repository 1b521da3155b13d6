/*
 * cmd_ps.c - `heapline ps`: what is being recorded.
 */
#include "cli/base/cleanup.h"
#include "cli/base/json.h"
#include "cli/base/message.h"
#include "cli/base/units.h"
#include "cli/cmd/sessions.h"
#include "cli/cmd/verb.h"
#include "cli/report/text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct option_spec options[] = {
	{.name = "json", .help = "JSON for scripts", .letter = 'j'},
	{0},
};

const struct options_spec ps_spec = {
	.usage = "",
	.about = "Lists the recordings that are under way: the collector's pid, the "
		 "program's, processes\nalive, how long, events, live heap, profile "
		 "and command.",
	.options = options,
	.notes = "Exit status: 0; 1 if it cannot look; 2 for a wrong command line.",
	.wrong = VERB_USAGE,
};

static const char *take(void *own, size_t i, const char *value)
{
	(void)i;
	(void)value;
	*(bool *)own = true;
	return NULL;
}

static void put_text(const struct control_status *s, size_t n)
{
	if (!n) {
		puts("nothing is being recorded");
		return;
	}
	printf("%9s %9s %9s %12s %14s %12s  %s\n", "COLLECTOR", "PROGRAM", "PROCESSES",
	       "SINCE", "EVENTS", "LIVE", "PROFILE: COMMAND");
	for (size_t i = 0; i < n; i++) {
		printf("%9d %9d %9u %12s %14s %12s  ", s[i].collector, s[i].root,
		       s[i].alive, units_duration(s[i].wall_ns).text,
		       units_count(s[i].events).text, units_size(s[i].live_bytes).text);
		text_put(stdout, s[i].profile);
		fputs(": ", stdout);
		text_put(stdout, s[i].command);
		putchar('\n');
	}
}

static void put_one(struct json *j, const struct control_status *s)
{
	json_object(j);
	json_put_unsigned(j, "collector", (uint64_t)s->collector);
	json_put_unsigned(j, "program", (uint64_t)s->root);
	json_put_unsigned(j, "processes", s->processes);
	json_put_unsigned(j, "alive", s->alive);
	json_put_unsigned(j, "wall_ns", s->wall_ns);
	json_put_unsigned(j, "events", s->events);
	json_put_unsigned(j, "live_bytes", s->live_bytes);
	json_put_string(j, "profile", s->profile);
	json_put_string(j, "command", s->command);
	json_close(j);
}

static void put_json(const struct control_status *s, size_t n)
{
	struct json j = {.out = stdout, .spread = 2};

	json_object(&j);
	json_put_unsigned(&j, "schema", 1);
	json_key(&j, "recordings");
	json_array(&j);
	for (size_t i = 0; i < n; i++)
		put_one(&j, &s[i]);
	json_close(&j);
	json_close(&j);
	json_end(&j);
}

int cmd_ps(int argc, char **argv)
{
	_cleanup_(freep) struct control_status *list = NULL;
	bool json = false;
	size_t n = 0;
	int status = options_parse("ps", &ps_spec, argc, argv, take, &json);

	if (status >= 0)
		return status;
	if (optind < argc)
		return options_wrong("ps", &ps_spec, "it takes options alone, not ",
				     argv[optind], "");
	if (!sessions_look(&list, &n))
		return VERB_FAILED;
	if (json)
		put_json(list, n);
	else
		put_text(list, n);
	return fflush(stdout) == 0 ? VERB_OK : VERB_FAILED;
}
