/*
 * cmd_stop.c - `heapline stop`: ends recordings. The programs go on without.
 */
#include "cli/base/cleanup.h"
#include "cli/base/message.h"
#include "cli/cmd/sessions.h"
#include "cli/cmd/verb.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct option_spec options[] = {
	{.name = "quiet", .help = "no word if all goes well", .letter = 'q'},
	{0},
};

const struct options_spec stop_spec = {
	.usage = "PID|all",
	.about = "Ends the recording of the program, or by the collector, of that pid, "
		 "or all of them,\nand waits until the profile is written. The program "
		 "goes on.",
	.options = options,
	.notes =
		"Exit status: 0; 1 if there is none, or it did not stop; 2 for a wrong "
		"command line.",
	.operands = OPTIONS_RECORDINGS,
	.wrong = VERB_USAGE,
};

static const char *take(void *own, size_t i, const char *value)
{
	(void)own;
	(void)i;
	(void)value;
	message_quiet();
	return NULL;
}

static int wrong(const char *what, const char *word)
{
	return options_wrong("stop", &stop_spec, what, word,
			     "; heapline ps lists what is recorded");
}

static int stop_one(const struct control_status *which)
{
	struct control_status last;
	int err = sessions_stop(which, &last);

	if (err == -ESRCH) {
		message_note("%d: recording has ended by itself; profile: %s",
			     which->collector, which->profile);
		return VERB_OK;
	}
	if (err < 0) {
		message_error("collector %d did not stop: %s", which->collector,
			      strerror(-err));
		message_help("heapline ps tells whether it is still there");
		return VERB_FAILED;
	}
	message_note("%d: recording ended; profile: %s", last.collector, last.profile);
	return VERB_OK;
}

static int stop_those(int32_t pid)
{
	_cleanup_(freep) struct control_status *list = NULL;
	int status = VERB_OK, found = 0;
	size_t n = 0;

	if (!sessions_look(&list, &n))
		return VERB_FAILED;
	for (size_t i = 0; i < n; i++) {
		if (pid > 0 && list[i].collector != pid && list[i].root != pid)
			continue;
		found++;
		if (stop_one(&list[i]) != VERB_OK)
			status = VERB_FAILED;
	}
	if (found || pid < 0)
		return status;
	message_error("nothing of pid %d is being recorded", pid);
	message_help("heapline ps lists what is");
	return VERB_FAILED;
}

int cmd_stop(int argc, char **argv)
{
	int32_t pid;
	int status = options_parse("stop", &stop_spec, argc, argv, take, NULL);

	if (status >= 0)
		return status;
	if (optind + 1 != argc)
		return optind == argc ? wrong("name a pid, or all", "")
				      : wrong("one pid at a time, not also ",
					      argv[optind + 1]);
	pid = sessions_parse_pid(argv[optind]);
	return pid ? stop_those(pid) : wrong("no pid: ", argv[optind]);
}
