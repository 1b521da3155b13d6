/*
 * cmd_run.c - `heapline run`: a program, recorded.
 */
#include "cli/base/cleanup.h"
#include "cli/base/message.h"
#include "cli/base/quantity.h"
#include "cli/base/units.h"
#include "cli/cmd/launch.h"
#include "cli/cmd/verb.h"
#include "cli/profile/file.h"
#include "cli/report/summary.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static const char usage[] =
	"usage: heapline run [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
	"\n"
	"Records the heap of PROGRAM and of what it forks and executes, and exits as\n"
	"it does (125: heapline itself failed, 126: not executable, 127: not found).\n"
	"\n"
	"  -o, --output FILE    the profile (default PROGRAM.PID.heapline)\n"
	"  -f, --force          overwrite it\n"
	"  -q, --quiet          no word of heapline's own\n"
	"      --no-free-stacks record frees without their stacks: faster, but line\n"
	"                       reports then have no negative increments\n"
	"      --lossy          drop events rather than make the program wait\n"
	"      --delay TIME     start recording after TIME (2, 1.5s, 200ms, 3m)\n"
	"      --duration TIME  stop recording after that long\n"
	"      --no-follow      record PROGRAM alone, not the processes it starts\n"
	"      --only GLOB      of all of them, record programs of that name or path\n"
	"  -h, --help           this text\n";

enum { NO_FREE_STACKS = 256, LOSSY, DELAY, DURATION, NO_FOLLOW, ONLY };

static const struct option options[] = {
	{"output", required_argument, NULL, 'o'},
	{"force", no_argument, NULL, 'f'},
	{"quiet", no_argument, NULL, 'q'},
	{"no-free-stacks", no_argument, NULL, NO_FREE_STACKS},
	{"lossy", no_argument, NULL, LOSSY},
	{"delay", required_argument, NULL, DELAY},
	{"duration", required_argument, NULL, DURATION},
	{"no-follow", no_argument, NULL, NO_FOLLOW},
	{"only", required_argument, NULL, ONLY},
	{"help", no_argument, NULL, 'h'},
	{0},
};

static bool parse_time(const char *name, const char *text, uint64_t *ret)
{
	if (!quantity_parse_duration(text, ret))
		return true;
	message_error("--%s: '%s' is no time", name, text);
	message_help("write seconds, or a number with ms, s, m or h: 200ms");
	return false;
}

/* The options as typed, for the profile. */
static void join(char *const *words, int n, char *ret, size_t room)
{
	size_t used = 0;

	ret[0] = '\0';
	for (int i = 0; i < n && used < room; i++)
		used += (size_t)snprintf(ret + used, room - used, "%s%s", i ? " " : "",
					 words[i]);
}

static const char *freed_when(const struct launch_outcome *done,
			      const struct summary *sum)
{
	if (done->result.running)
		return "not freed yet";
	return sum->went_on ? "not freed until recording ended" : "never freed";
}

/* A line of figures, as `report` has them. */
static void say_figures(const struct launch_outcome *done)
{
	_cleanup_(profile_closep) struct profile *p = NULL;
	struct scope_options all = {.domain = PROFILE_MALLOC};
	struct summary sum;

	if (profile_load(done->profile, &p, NULL, 0) < 0 ||
	    summary_of(p, &all, &sum) < 0)
		return;
	message_note("%s allocations, at most %s live at once, %s %s%s",
		     units_count(sum.allocs).text, units_size(sum.peak.bytes).text,
		     units_size(sum.leaked.bytes).text, freed_when(done, &sum),
		     sum.lost ? "; EVENTS WERE LOST" : "");
}

static void say_result(const struct launch_outcome *done)
{
	const struct control_result *r = &done->result;

	if (!done->has_result) {
		message_error(
			"the collector ended before the program: the profile '%s' "
			"holds what it had written until then",
			done->profile);
		return;
	}
	if (r->write_error) {
		message_error("the profile '%s' is not complete: %s", done->profile,
			      strerror(-r->write_error));
		message_help("make room, or name another place with -o FILE");
	}
	if (r->notes & WIRE_NOTE_OWN_MALLOC) {
		message_error(
			"nothing was recorded: the program defines malloc itself, "
			"before the shim's");
		message_help(
			"link it against libc's malloc, or against another one as a "
			"shared library");
		return;
	}
	if (!r->attached) {
		message_error(
			"the program was not recorded: the shim did not come up in it");
		message_help(
			"the loader says on standard error why it could not preload; a "
			"program that clears its environment in a script hides it");
		return;
	}
	if (r->abandoned)
		message_error(
			"the collector was stopped or starved for seconds: recording "
			"ended before the program did");
	if (!message_is_quiet())
		say_figures(done);
	if (r->running)
		message_note("%u processes run on and are recorded until they end",
			     r->running);
	message_note("profile: %s; next: heapline lines '%s'", done->profile,
		     done->profile);
}

int cmd_run(int argc, char **argv)
{
	struct launch_options o = {.free_stacks = true};
	struct launch_outcome done;
	char typed[512];
	int c, code;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "+:o:fqh", options, NULL)) != -1)
		switch (c) {
		case 'o':
			o.output = optarg;
			break;
		case 'f':
			o.force = true;
			break;
		case 'q':
			message_quiet();
			break;
		case NO_FREE_STACKS:
			o.free_stacks = false;
			break;
		case LOSSY:
			o.lossy = true;
			break;
		case DELAY:
			if (!parse_time("delay", optarg, &o.delay_ns))
				return LAUNCH_FAILED;
			break;
		case DURATION:
			if (!parse_time("duration", optarg, &o.duration_ns))
				return LAUNCH_FAILED;
			break;
		case NO_FOLLOW:
			o.no_follow = true;
			break;
		case ONLY:
			o.only = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		case ':':
			message_error("'%s' needs a value", argv[optind - 1]);
			message_help("heapline run --help lists the options");
			return LAUNCH_FAILED;
		default:
			message_error("'%s' is no option", argv[optind - 1]);
			message_help("heapline run --help lists the options");
			return LAUNCH_FAILED;
		}
	if (optind == argc) {
		message_error("no program to run");
		message_help("heapline run [OPTION]... [--] PROGRAM [ARGUMENT]...");
		return LAUNCH_FAILED;
	}
	join(argv + 1, optind - 1, typed, sizeof(typed));
	o.argv = argv + optind;
	o.text = typed;
	code = launch(&o, &done);
	if (code)
		return code;
	say_result(&done);
	if (WIFEXITED(done.wait_status) && !WEXITSTATUS(done.wait_status) &&
	    (!done.has_result || done.result.write_error))
		return LAUNCH_FAILED;
	return launch_exit(done.wait_status);
}
