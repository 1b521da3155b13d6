/*
 * cmd_run.c - `heapline run`: a program, recorded.
 */
#include "cli/base/cleanup.h"
#include "cli/base/message.h"
#include "cli/base/quantity.h"
#include "cli/base/units.h"
#include "cli/cmd/keep.h"
#include "cli/cmd/launch.h"
#include "cli/cmd/resolve.h"
#include "cli/cmd/schedule_words.h"
#include "cli/cmd/verb.h"
#include "cli/profile/file.h"
#include "cli/report/ending.h"
#include "cli/report/summary.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum option {
	OUTPUT,
	FORCE,
	QUIET,
	NO_FREE_STACKS,
	LOSSY,
	DELAY,
	DURATION,
	NO_FOLLOW,
	ONLY,
	BY_PROGRAM,
	SNAPSHOT_AT_EXIT,
	SNAPSHOT_AT_ANY_EXIT,
	SNAPSHOT_EVERY,
	SNAPSHOT_AT,
	SNAPSHOT_WAIT,
	SOURCE_PATH,
	NO_SOURCE,
	DEBUGINFOD,
	SAMPLE,
	KEEP,
	PYTHON,
	KERNEL_CLOCK,
	NO_OBJECTS,
	OWN_NEW
};

#define SAMPLE_MAX (1ull << 40)

static const struct option_spec options[] = {
	[OUTPUT] = {.name = "output",
		    .argument = "FILE",
		    .help = "the profile (default PROGRAM.PID.heapline)",
		    .letter = 'o'},
	[FORCE] = {.name = "force", .help = "overwrite it", .letter = 'f'},
	[QUIET] = {.name = "quiet", .help = "no word of heapline's own", .letter = 'q'},
	[NO_FREE_STACKS] = {.name = "no-free-stacks",
			    .help = "record frees without their stacks: faster, but "
				    "line reports then have no negative increments"},
	[LOSSY] = {.name = "lossy",
		   .help = "drop events rather than make the program wait"},
	[DELAY] = {.name = "delay",
		   .argument = "TIME",
		   .help = "start recording after TIME (2, 1.5s, 200ms, 3m)"},
	[DURATION] = {.name = "duration",
		      .argument = "TIME",
		      .help = "stop recording after that long"},
	[NO_FOLLOW] = {.name = "no-follow",
		       .help = "record PROGRAM alone, not the processes it starts"},
	[ONLY] = {.name = "only",
		  .argument = "GLOB",
		  .help = "of all of them, record programs of that name or path"},
	[BY_PROGRAM] = {.name = "by-program",
			.help = "count all processes of a program together, as one "
				"(what is done anyway where there are too many)"},
	[SNAPSHOT_AT_EXIT] = {.name = "snapshot-at-exit",
			      .help = "read each process's heap at its end: who holds "
				      "each block (`heapline path`)"},
	[SNAPSHOT_AT_ANY_EXIT] = {.name = "snapshot-at-any-exit",
				  .help = "and if a signal ends it: it is traced for "
					  "that, all its life"},
	[SNAPSHOT_EVERY] = {.name = "snapshot-every",
			    .argument = "TIME",
			    .help = "read the heaps of all processes at intervals"},
	[SNAPSHOT_AT] = {.name = "snapshot-at",
			 .argument = "WHEN",
			 .help = "and once after TIME, or with 'peak>SIZE' each that has "
				 "grown so large"},
	[SNAPSHOT_WAIT] = {.name = "snapshot-wait",
			   .argument = "TIME",
			   .help = "a process waits for that no longer (10s)"},
	[SOURCE_PATH] = {.name = "source-path",
			 .argument = "FROM=TO",
			 .help = "read sources of FROM/... at TO/... (repeatable)"},
	[NO_SOURCE] = {.name = "no-source",
		       .help = "embed no source text in the profile"},
	[DEBUGINFOD] = {.name = "debuginfod",
			.help = "ask the servers of $DEBUGINFOD_URLS for debug "
				"information that is not here: they learn the "
				"build-ids"},
	[SAMPLE] = {.name = "sample",
		    .argument = "BYTES",
		    .help = "record about one allocation in so many bytes (512K): nearly "
			    "free; every figure is then an estimate"},
	[KEEP] = {.name = "keep",
		  .argument = "LIST",
		  .help = "size, thread: count by these, too, for --size and --thread of "
			  "the readers: more work for the collector; contents: the first "
			  "bytes of blocks, with each snapshot, secrets among them",
		  .words = KEEP_WORDS},
	[PYTHON] = {.name = "python",
		    .argument = "WHICH",
		    .help = "of CPython: merged (its frames in place of the "
			    "interpreter's, the default), only, or native",
		    .words = "merged only native"},
	[KERNEL_CLOCK] = {.name = "kernel-clock",
			  .help = "stamp events by the kernel's clock, not the "
				  "processor's counter: for emulated programs, slower"},
	[NO_OBJECTS] = {.name = "no-objects",
			.help = "of CPython: what reaches malloc alone, not the small "
				"blocks in its own arenas: faster"},
	[OWN_NEW] = {.name = "own-new",
		     .help = "record C++'s operators new and delete as such: for "
			     "allocators whose own reach no malloc (done without asking "
			     "for jemalloc, tcmalloc and mimalloc)"},
	{0},
};

const struct options_spec run_spec = {
	.usage = "[--] PROGRAM [ARGUMENT]...",
	.about = "Records the heap of PROGRAM and of what it forks and executes, and "
		 "exits as it does.",
	.options = options,
	.notes = "What cannot be recorded, since nothing can be preloaded "
		 "into it: static\nprograms (Go's, mostly), those that "
		 "change their privileges (setuid, file\ncapabilities), "
		 "32-bit ones, those of musl's loader, and what is executed "
		 "by a\nbare system call without LD_PRELOAD in its "
		 "environment. Nor can a program that\ndefines malloc "
		 "itself, or asks the kernel for memory past malloc. "
		 "`heapline\ndoctor PROGRAM` tells before; a report names "
		 "the programs that it lacks.\n\nExit status: PROGRAM's; 125 "
		 "if heapline itself failed, 126 if PROGRAM cannot "
		 "be\nexecuted, 127 if it is not found.",
	.operands = OPTIONS_COMMAND,
	.wrong = LAUNCH_FAILED,
};

static const char *take(void *own, size_t i, const char *value)
{
	static const char no_time[] = "write seconds, or a number with ms, s, m or h";
	struct launch_options *o = own;

	switch ((enum option)i) {
	case OUTPUT:
		o->output = value;
		break;
	case FORCE:
		o->force = true;
		break;
	case QUIET:
		message_quiet();
		break;
	case NO_FREE_STACKS:
		o->free_stacks = false;
		break;
	case LOSSY:
		o->lossy = true;
		break;
	case DELAY:
		return quantity_parse_duration(value, &o->delay_ns) ? no_time : NULL;
	case DURATION:
		return quantity_parse_duration(value, &o->duration_ns) ? no_time : NULL;
	case NO_FOLLOW:
		o->no_follow = true;
		break;
	case ONLY:
		o->only = value;
		break;
	case BY_PROGRAM:
		o->by_program = true;
		break;
	case SNAPSHOT_AT_ANY_EXIT:
		o->scan_at_any_exit = true;
		/* fall through */
	case SNAPSHOT_AT_EXIT:
		o->scan_at_exit = true;
		o->python |= WIRE_SCAN_FINALISATION;
		break;
	case SNAPSHOT_EVERY:
	case SNAPSHOT_AT:
		return schedule_words_add(&o->schedule, i == SNAPSHOT_EVERY, value);
	case SNAPSHOT_WAIT:
		return quantity_parse_duration(value, &o->scan_wait_ns) ? no_time
									: NULL;
	case SOURCE_PATH:
		return source_paths_add(&o->source_paths, value);
	case NO_SOURCE:
		o->no_source = true;
		break;
	case DEBUGINFOD:
		o->debuginfod = true;
		break;
	case SAMPLE:
		if (!quantity_parse_size(value, &o->sample) && o->sample &&
		    o->sample <= SAMPLE_MAX)
			break;
		return "write bytes, or a number with K, M or G, up to 1024G: 512K";
	case KEEP:
		return keep_take(&o->keep, value);
	case PYTHON:
		return launch_parse_python(value, &o->python)
			       ? NULL
			       : "write merged, only or native";
	case KERNEL_CLOCK:
		o->kernel_clock = true;
		break;
	case NO_OBJECTS:
		o->python |= WIRE_NO_OBJECTS;
		break;
	case OWN_NEW:
		o->own_new = true;
		break;
	}
	return NULL;
}

/* The collector could not say it. */
static bool can_ask_servers(void)
{
	struct symbols *s = NULL;
	int err = symbols_open(&s);

	if (!err)
		err = symbols_ask_servers(s);
	symbols_close(s);
	if (err)
		resolve_say_no_servers(err);
	return !err;
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
	message_note("%s%s allocations, at most %s live at once, %s %s%s",
		     p->sampled ? "estimated: " : "", units_count(sum.allocs).text,
		     units_size(sum.peak.bytes).text, units_size(sum.leaked.bytes).text,
		     freed_when(done, &sum),
		     sum.lost ? "; EVENTS WERE LOST" : "");
}

/* Whether the program was recorded; if not, why. */
static bool say_if_recorded(const struct control_result *r)
{
	const char *what = r->others ? "the program itself was not recorded"
				     : "nothing was recorded";

	if (r->notes & WIRE_NOTE_OWN_MALLOC) {
		message_error("%s: it defines malloc itself, before the shim's", what);
		message_help(
			"link it against libc's malloc, or against another one as a "
			"shared library");
		return false;
	}
	if (!r->attached) {
		message_error("%s: the shim did not come up in it", what);
		message_help(
			"the loader says on standard error why it could not preload; a "
			"program that clears its environment in a script hides it");
		return false;
	}
	return true;
}

static void say_result(const struct launch_outcome *done)
{
	const struct control_result *r = &done->result;
	bool recorded;

	if (!done->has_result) {
		bool known = done->collector_status != LAUNCH_NO_STATUS;

		message_error(
			"the collector ended before the program%s%s: the profile '%s' "
			"holds what it had written until then",
			known ? ", " : "",
			known ? ending_of_wait(done->collector_status).text : "",
			done->profile);
		return;
	}
	if (r->write_error) {
		message_error("the profile '%s' is not complete: %s", done->profile,
			      strerror(-r->write_error));
		message_help("make room, or name another place with -o FILE");
	}
	recorded = say_if_recorded(r);
	if (!recorded && !r->others)
		return;
	if (!recorded)
		message_note("%u other program%s recorded; the figures are of %s",
			     r->others, r->others == 1 ? " was" : "s were",
			     r->others == 1 ? "that" : "those");
	if (r->notes & WIRE_NOTE_OWN_NEW) {
		message_error("the program's allocator brings C++'s operators new and "
			      "delete: what they handed out was not recorded");
		message_help("record it with --own-new");
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
	int code = options_parse("run", &run_spec, argc, argv, take, &o);

	if (code >= 0)
		return code;
	if (optind == argc)
		return options_wrong("run", &run_spec, "no program to run", "", "");
	if (o.debuginfod && !can_ask_servers())
		return LAUNCH_FAILED;
	join(argv + 1, optind - 1, typed, sizeof(typed));
	o.argv = argv + optind;
	o.text = typed;
	code = launch(&o, &done);
	if (code)
		return code;
	say_result(&done);
	launch_wait(&done);
	if (WIFEXITED(done.wait_status) && !WEXITSTATUS(done.wait_status) &&
	    (!done.has_result || done.result.write_error))
		return LAUNCH_FAILED;
	return launch_exit(done.wait_status);
}
