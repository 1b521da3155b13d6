/*
 * cmd_snapshot.c - `heapline snapshot`: the heap graph of a process that goes on.
 */
#include "cli/base/cleanup.h"
#include "cli/base/message.h"
#include "cli/base/units.h"
#include "cli/cmd/sessions.h"
#include "cli/cmd/verb.h"
#include "cli/report/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum option { NAME, KEEP_CONTENTS, QUIET };

static const struct option_spec options[] = {
	[NAME] = {.name = "name",
		  .argument = "NAME",
		  .help = "what to call it (`heapline path --snapshot NAME`)"},
	[KEEP_CONTENTS] = {.name = "keep-contents",
			   .help = "the first bytes of each block, too, secrets among "
				   "them (`heapline at`)"},
	[QUIET] = {.name = "quiet", .help = "no word if all goes well", .letter = 'q'},
	{0},
};

const struct options_spec snapshot_spec = {
	.usage = "PID|all",
	.about =
		"Reads the heap of a recorded process that goes on, or of the programs "
		"of all recordings,\nand adds the graph to the profile: `heapline "
		"path` "
		"and its kin show it. The process stands\nstill while its memory is "
		"copied.",
	.options = options,
	.notes =
		"Exit status: 0; 1 if there is none, or it could not be scanned; 2 for "
		"a wrong command line.",
	.operands = OPTIONS_RECORDINGS,
	.wrong = VERB_USAGE,
};

struct own {
	const char *name;
	bool contents;
};

static const char *take(void *own, size_t i, const char *value)
{
	struct own *o = own;

	switch ((enum option)i) {
	case NAME:
		o->name = value;
		break;
	case KEEP_CONTENTS:
		o->contents = true;
		break;
	case QUIET:
		message_quiet();
		break;
	}
	return NULL;
}

static int wrong(const char *what, const char *word)
{
	return options_wrong("snapshot", &snapshot_spec, what, word,
			     "; heapline ps lists what is recorded");
}

static int say(const struct control_snapshot *s)
{
	char cause[256], profile[1024];

	text_clean(s->cause, cause, sizeof(cause));
	text_clean(s->profile, profile, sizeof(profile));
	if (*cause) {
		message_error("not scanned: %s", cause);
		message_help("heapline doctor tells what stands in the way here");
		return VERB_FAILED;
	}
	message_note("snapshot %u: %s blocks, %s, %s references; it stood still for %s",
		     s->number, units_count(s->blocks).text, units_size(s->bytes).text,
		     units_count(s->edges).text, units_duration(s->pause_ns).text);
	if (s->running)
		message_note("%u of its threads could not be stopped in time",
			     s->running);
	message_note("profile: %s; next: heapline roots '%s'", profile, profile);
	return VERB_OK;
}

/* -ESRCH: not one of that recording. */
static int scan_one(const struct control_status *which, int32_t pid,
		    const struct own *o, int *ret_status)
{
	struct control_snapshot done;
	int r = sessions_snapshot(which, pid, o->name, o->contents, &done);

	/* Another release's collector hangs up: it is not what was meant. */
	if (r == -ESRCH || (r == -EPIPE && which->root != pid))
		return -ESRCH;
	*ret_status = VERB_FAILED;
	if (!r)
		*ret_status = say(&done);
	else
		message_error("collector %d: %s", which->collector, strerror(-r));
	return 0;
}

static int scan_those(int32_t pid, const struct own *o)
{
	_cleanup_(freep) struct control_status *list = NULL;
	int status = VERB_OK, found = 0, one;
	size_t n = 0;

	if (!sessions_look(&list, &n))
		return VERB_FAILED;
	for (size_t i = 0; i < n; i++) {
		bool whole = pid < 0 || list[i].collector == pid;

		if (pid > 0 && !whole && found)
			break;
		if (scan_one(&list[i], whole ? 0 : pid, o, &one) < 0)
			continue;
		found++;
		status = one ? one : status;
	}
	if (found || (pid < 0 && !n))
		return status;
	if (pid > 0)
		message_error("no process %d is being recorded", pid);
	else
		message_error("no recorded process is alive");
	message_help("heapline ps lists what is");
	return VERB_FAILED;
}

int cmd_snapshot(int argc, char **argv)
{
	struct own own = {.name = ""};
	int32_t pid;
	int status = options_parse("snapshot", &snapshot_spec, argc, argv, take, &own);

	if (status >= 0)
		return status;
	if (optind + 1 != argc)
		return optind == argc ? wrong("which one?", "")
				      : wrong("one pid at a time, not also ",
					      argv[optind + 1]);
	if (strlen(own.name) >= sizeof(((struct control_query *)0)->name))
		return wrong("too long a name: ", own.name);
	pid = sessions_parse_pid(argv[optind]);
	return pid ? scan_those(pid, &own) : wrong("no pid: ", argv[optind]);
}
