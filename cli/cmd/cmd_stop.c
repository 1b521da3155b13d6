/*
 * cmd_stop.c - `heapline stop`: ends recordings. The programs go on without.
 */
#include "cli/base/cleanup.h"
#include "cli/base/message.h"
#include "cli/cmd/sessions.h"
#include "cli/cmd/verb.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
	"usage: heapline stop [OPTION]... PID|all\n"
	"\n"
	"Ends the recording of the program, or by the collector, of that pid, or all\n"
	"of them, and waits until the profile is written. The program goes on.\n"
	"\n"
	"  -q, --quiet          no word if all goes well\n"
	"  -h, --help           this text\n";

static const struct option options[] = {
	{"quiet", no_argument, NULL, 'q'},
	{"help", no_argument, NULL, 'h'},
	{0},
};

static int wrong(const char *what, const char *word)
{
	message_error("stop: %s%s", what, word);
	message_help("heapline stop PID, or heapline stop all; heapline ps lists them");
	return VERB_USAGE;
}

/* -1 is all; 0 is wrong. */
static int32_t parse_pid(const char *word)
{
	char *end;
	long pid;

	if (!strcmp(word, "all"))
		return -1;
	errno = 0;
	pid = strtol(word, &end, 10);
	return *end || errno || pid <= 0 || pid > INT32_MAX ? 0 : (int32_t)pid;
}

static int stop_one(const struct control_status *which)
{
	struct control_status last;
	int err = sessions_stop(which, &last);

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
	int status = VERB_OK, found = 0, err;
	size_t n = 0;

	err = sessions_list(&list, &n);
	if (err < 0) {
		message_error("cannot look for recordings: %s", strerror(-err));
		message_help("they are found in /proc/net/unix");
		return VERB_FAILED;
	}
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
	int o;

	opterr = 0;
	while ((o = getopt_long(argc, argv, "qh", options, NULL)) != -1)
		if (o == 'q') {
			message_quiet();
		} else if (o == 'h') {
			fputs(usage, stdout);
			return VERB_OK;
		} else {
			return wrong("no such option: ", argv[optind - 1]);
		}
	if (optind + 1 != argc)
		return optind == argc ? wrong("which one?", "")
				      : wrong("one pid at a time, not also ",
					      argv[optind + 1]);
	pid = parse_pid(argv[optind]);
	return pid ? stop_those(pid) : wrong("no pid: ", argv[optind]);
}
