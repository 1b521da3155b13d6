/*
 * cmd_check.c - `heapline check`: a program, or a recording of one, against limits, for
 * CI.
 */
#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/message.h"
#include "cli/base/table.h"
#include "cli/base/units.h"
#include "cli/cmd/gate.h"
#include "cli/cmd/launch.h"
#include "cli/cmd/verb.h"
#include "cli/gate/budget.h"
#include "cli/gate/measure.h"
#include "cli/profile/file.h"
#include "cli/profile/format.h"
#include "cli/profile/totals.h"
#include "cli/report/leaks.h"
#include "cli/report/summary.h"
#include "cli/report/unfollowed.h"
#include "cli/report/wrappers.h"
#include "cli/symbol/elf_contents.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum option {
	FAIL_ON,
	MAX_LEAKED,
	MAX_PEAK,
	MAX_LIVE,
	MAX_ALLOCATIONS,
	MAX_TEMPORARY,
	TRIES,
	ANY_EXIT,
	OWN_NEW,
	WRAPPERS,
	OUTPUT,
	FORCE,
	QUIET,
	GATE /* and those behind it */
};

enum { TRIES_MOST = 100, SHOWN = 20 };

static const struct option_spec options[] = {
	[FAIL_ON] = {.name = "fail-on",
		     .argument = "KIND",
		     .help = "classes that fail, apart by commas, or none (definite,"
			     "cycle,indirect)",
		     .words = "definite cycle indirect possible unscanned exited young "
			      "reachable runtime inherited suppressed all none"},
	[MAX_LEAKED] = {.name = "max-leaked",
			.argument = "LIMIT",
			.help = "so many bytes of them are allowed (0)"},
	[MAX_PEAK] = {.name = "max-peak",
		      .argument = "LIMIT",
		      .help = "bytes live at the peak"},
	[MAX_LIVE] = {.name = "max-live-at-exit",
		      .argument = "LIMIT",
		      .help = "bytes never freed, still held or not"},
	[MAX_ALLOCATIONS] = {.name = "max-allocations",
			     .argument = "LIMIT",
			     .help = "allocations over the whole run"},
	[MAX_TEMPORARY] = {.name = "max-temporary",
			   .argument = "LIMIT",
			   .help = "those that the thread's next event frees"},
	[TRIES] = {.name = "tries",
		   .argument = "COUNT",
		   .help = "runs at most, until one is checked and within its budgets "
			   "(1); a leak is one at once"},
	[ANY_EXIT] =
		{.name = "snapshot-at-any-exit",
		 .help = "look at processes that a signal ends, too: each is traced "
			 "for life"},
	[OWN_NEW] = {.name = "own-new",
		     .help = "record C++'s operators new and delete as such, as `run` "
			     "does"},
	[WRAPPERS] = {.name = "wrappers",
		      .argument = "NAMES",
		      .help = "functions that leaks are not named after, but after who "
			      "called, as in `leaks`"},
	[OUTPUT] = {.name = "output",
		    .argument = "FILE",
		    .help = "keep the profile (default: only while checking)",
		    .letter = 'o'},
	[FORCE] = {.name = "force", .help = "overwrite it", .letter = 'f'},
	[QUIET] = {.name = "quiet",
		   .help = "no word if all limits are met",
		   .letter = 'q'},
	GATE_ROWS((int)GATE),
	{0},
};

const struct options_spec check_spec = {
	.usage = "[--] PROGRAM [ARGUMENT]... | PROFILE",
	.about =
		"Runs PROGRAM and fails if it, or a process that it started, leaks, or "
		"goes beyond a\nlimit. LIMIT is a number (sizes: 64K, 1.5M), or "
		"PATH=NUMBER for what was allocated by\nway of functions, files or "
		"modules that the glob PATH matches. A PROFILE of `run\n"
		"--snapshot-at-exit` is checked as it is.",
	.options = options,
	.notes = "Exit status: 70 if it could not be checked (not started, not "
		 "recorded, events lost,\na process that goes on, or whose heap could "
		 "not be looked at), else 23 for leaks, else\n24 for a limit that was "
		 "exceeded, else PROGRAM's own (0 of a PROFILE).",
	.operands = OPTIONS_COMMAND,
	.wrong = VERB_USAGE,
};

struct check {
	struct launch_options launch;
	struct gate gate;
	const char *wrappers;
	const char *file; /* a profile to check; NULL: run the program */
	bool keep, last;  /* last: no try follows */
	uint64_t tries;

	uint32_t kinds; /* bits, that fail */
	struct budget_limit *limits;
	size_t limit_count, limit_room;
};

struct verdict { /* of one run */
	enum budget_verdict is;
	struct launch_outcome done;
};

/* ---- options ------------------------------------------------------------- */

static const char *add_limit(struct check *c, enum budget_metric metric,
			     const char *value)
{
	char *path = NULL;
	uint64_t most = 0;
	int r = budget_parse(value, metric, &path, &most);

	if (r == -EINVAL)
		return metric == BUDGET_ALLOCATIONS || metric == BUDGET_TEMPORARY
			       ? "write a number, or PATH=NUMBER"
			       : "write bytes, or a number with K, M or G; or "
				 "PATH=BYTES";
	for (size_t i = 0; !r && i < c->limit_count; i++)
		if (c->limits[i].metric == metric && !c->limits[i].path && !path)
			return "given twice";
	if (!r)
		r = array_reserve(&c->limits, &c->limit_room, c->limit_count + 2);
	if (r < 0) {
		free(path);
		return "out of memory";
	}
	c->limits[c->limit_count++] =
		(struct budget_limit){.metric = metric, .path = path, .most = most};
	return NULL;
}

static const char *take_tries(struct check *c, const char *value)
{
	char *end;

	c->tries = strtoull(value, &end, 10);
	return *value < '0' || *value > '9' || *end || !c->tries ||
			       c->tries > TRIES_MOST
		       ? "a number from 1 to 100"
		       : NULL;
}

static const char *take_kinds(struct check *c, const char *value)
{
	c->kinds = 0;
	return !strcmp(value, "none") || leaks_parse_kinds(value, &c->kinds)
		       ? NULL
		       : "none, all, or some of definite, cycle, indirect, possible, "
			 "unscanned, exited, young, reachable, runtime, inherited, "
			 "suppressed";
}

static const char *take(void *own, size_t i, const char *value)
{
	struct check *c = own;

	if (i >= GATE)
		return gate_take(&c->gate, (enum gate_option)(i - GATE), value);
	switch ((enum option)i) {
	case FAIL_ON:
		return take_kinds(c, value);
	case MAX_LEAKED:
		return add_limit(c, BUDGET_LEAKED, value);
	case MAX_PEAK:
		return add_limit(c, BUDGET_PEAK, value);
	case MAX_LIVE:
		return add_limit(c, BUDGET_LIVE, value);
	case MAX_ALLOCATIONS:
		return add_limit(c, BUDGET_ALLOCATIONS, value);
	case MAX_TEMPORARY:
		return add_limit(c, BUDGET_TEMPORARY, value);
	case TRIES:
		return take_tries(c, value);
	case ANY_EXIT:
		c->launch.scan_at_any_exit = true;
		break;
	case WRAPPERS:
		c->wrappers = value;
		return wrappers_choice(value);
	case OWN_NEW:
		c->launch.own_new = true;
		break;
	case OUTPUT:
		c->launch.output = value;
		c->keep = true;
		break;
	case FORCE:
		c->launch.force = true;
		break;
	case QUIET:
		message_quiet();
		break;
	case GATE:
		break;
	}
	return NULL;
}

static bool is_profile(const char *path)
{
	_cleanup_(fclosep) FILE *f = fopen(path, "re");
	char magic[FORMAT_MAGIC_BYTES];

	return f && fread(magic, 1, sizeof(magic), f) == sizeof(magic) &&
	       !memcmp(magic, FORMAT_MAGIC, sizeof(magic));
}

/* Leaks fail unless somebody allows them. */
static int complete_limits(struct check *c)
{
	bool whole = false, any = false;

	for (size_t i = 0; i < c->limit_count; i++)
		if (c->limits[i].metric == BUDGET_LEAKED) {
			any = true;
			whole |= !c->limits[i].path;
		}
	if (!c->kinds)
		return any ? -EINVAL : 0;
	if (!whole && add_limit(c, BUDGET_LEAKED, "0"))
		return -ENOMEM;
	return 0;
}

/* -1: go on; else the exit status. */
static int parse(struct check *c, int argc, char **argv)
{
	int status =
		gate_parse(&c->gate, "check", &check_spec, GATE, argc, argv, take, c);

	if (status >= 0)
		return status;
	if (optind == argc)
		return options_wrong("check", &check_spec, "no program to check", "",
				     "");
	if (complete_limits(c) < 0)
		return options_wrong(
			"check", &check_spec,
			"--max-leaked, but nothing is to fail: ", "--fail-on none", "");
	if (!c->kinds && !c->limit_count)
		return options_wrong("check", &check_spec,
				     "nothing to check: ", "--fail-on none",
				     ", and no limit");
	if (optind + 1 == argc && strcmp(argv[optind - 1], "--") != 0 &&
	    is_profile(argv[optind]))
		c->file = argv[optind];
	c->launch.argv = argv + optind;
	return gate_load(&c->gate);
}

/* ---- the verdict --------------------------------------------------------- */

static bool load(const struct check *c, const char *path, struct profile **ret)
{
	char why[256];
	int err = profile_load(path, ret, why, sizeof(why));

	if (!err)
		err = wrappers_find(*ret, c->wrappers);
	if (!err)
		return true;
	message_error("cannot read back the profile '%s': %s", path,
		      *why ? why : strerror(-err));
	return false;
}

/* What is known of the program itself: of a run, from its collector. */
static void learn_program(const struct launch_outcome *done, const struct profile *p,
			  struct budget_facts *f)
{
	if (done) {
		f->recorded = done->has_result && done->result.attached &&
			      !(done->result.notes & WIRE_NOTE_OWN_MALLOC);
		f->running = done->has_result ? done->result.running : 0;
		return;
	}
	f->recorded = p->process_count != 0;
	for (size_t i = 0; i < p->process_count; i++) {
		f->running += p->processes[i].end == PROFILE_RUNNING &&
			      !p->processes[i].counted;
		if (!p->processes[i].parent_serial &&
		    p->processes[i].notes & WIRE_NOTE_OWN_MALLOC)
			f->recorded = false;
	}
}

/* Why what the process allocated was not all seen, or NULL. Its program is looked at
 * unless it is among those that were. */
static const char *blindness(const struct profile *p, const struct profile_process *q,
			     struct table *looked_at, struct elf_contents *room)
{
	bool is_new = true;

	if (q->notes & WIRE_NOTE_OWN_MALLOC)
		return "defines malloc itself: nothing of it was recorded";
	if (q->notes & WIRE_NOTE_OWN_NEW)
		return "has an allocator with operators new of its own, which were not "
		       "recorded: --own-new does";
	/* (Without memory for that, once more.) */
	table_put(looked_at, (struct table_key){q->exe, 0}, &is_new);
	if (!is_new ||
	    symbols_elf_contents(strings_get(&p->strings, q->exe), room) < 0 ||
	    !room->allocator_hidden)
		return NULL;
	return "has an allocator in it under names of its own (jemalloc's, as Rust "
	       "programs have it): what that hands out is not seen";
}

/* The first program with an allocator that was not recorded, in ret. A program that is
 * not there any more is not looked at. */
static bool find_unseen(const struct profile *p, char *ret, size_t room)
{
	_cleanup_(freep) struct elf_contents *contents = malloc(sizeof(*contents));
	_cleanup_(table_done) struct table looked_at = {0};
	char clean[256];

	for (size_t i = 0; contents && i < p->process_count; i++) {
		const struct profile_process *q = &p->processes[i];
		const char *why = blindness(p, q, &looked_at, contents);

		if (!why)
			continue;
		text_clean(strings_get(&p->strings, q->exe), clean, sizeof(clean));
		snprintf(ret, room, "'%s' %s", clean, why);
		return true;
	}
	return false;
}

static struct budget_facts learn(const struct check *c,
				 const struct launch_outcome *done,
				 const struct profile *p, const struct findings *found,
				 char *unseen, size_t room)
{
	struct budget_facts f = {
		.complete = p->complete && !strings_get(&p->strings, p->stopped)[0],
		.lost = profile_lost_events(p),
		.sampled = p->sampled,
		.unfollowed = p->unfollowed_count,
		.leaks_matter = c->kinds != 0,
		.unscanned = found->unscanned,
		.cause = found->cause,
		.early = found->early,
	};

	learn_program(done, p, &f);
	if (find_unseen(p, unseen, room))
		f.unseen = unseen;
	return f;
}

static struct units_text figure(enum budget_metric metric, uint64_t value)
{
	return metric == BUDGET_ALLOCATIONS || metric == BUDGET_TEMPORARY
		       ? units_count(value)
		       : units_size(value);
}

static void say_met(const struct check *c, const struct findings *found)
{
	for (size_t i = 0; i < c->limit_count; i++) {
		const struct budget_limit *l = &c->limits[i];
		static const char *const names[BUDGET_METRICS] = {
			"lost", "at the peak", "live at the exit", "allocations",
			"temporary allocations"};
		char clean[256];

		message_note("checked: %s %s%s%s, %s allowed",
			     figure(l->metric, l->is).text, names[l->metric],
			     l->path ? " by way of " : "",
			     l->path ? text_clean(l->path, clean, sizeof(clean)) : "",
			     figure(l->metric, l->most).text);
	}
	if (c->kinds && found->disproved)
		message_note("%" PRIu64
			     " blocks that a snapshot called lost were freed "
			     "later",
			     found->disproved);
}

/* Whether a process was ended by a signal. */
static bool any_signaled(const struct profile *p)
{
	for (size_t i = 0; i < p->process_count; i++)
		if (p->processes[i].end == PROFILE_SIGNALED)
			return true;
	return false;
}

static void say_unchecked(const struct check *c, const struct profile *p,
			  const struct findings *found, const char *why)
{
	char clean[512];

	message_error("not checked: %s", text_clean(why, clean, sizeof(clean)));
	unfollowed_text(p, false, stderr);
	if (found->unscanned && !c->launch.scan_at_any_exit && any_signaled(p)) {
		message_help("--snapshot-at-any-exit looks at what a signal ends, too");
		return;
	}
	message_help("`heapline run --snapshot-at-exit` on the same program, then "
		     "`heapline report` and `heapline leaks`, tell more");
}

static void say_leaks(const struct check *c, const char *path, const struct profile *p,
		      const struct findings *found)
{
	const struct leaks_options o = {
		.path = path, .kinds = c->kinds, .limit = SHOWN};
	struct leaks l = {.snapshot = FINDING_NONE};

	if (!leaks_open(&l, p, found, &o))
		leaks_text_list(&l, stderr);
	leaks_done(&l);
	fputc('\n', stderr);
	wrappers_text(p, stderr);
}

static void say_over(const struct check *c, const struct launch_outcome *done,
		     const struct profile *p, enum budget_metric metric)
{
	static const enum summary_sort sorts[BUDGET_METRICS] = {
		[BUDGET_PEAK] = SUMMARY_BY_PEAK,
		[BUDGET_LIVE] = SUMMARY_BY_LEAKED,
		[BUDGET_ALLOCATIONS] = SUMMARY_BY_ALLOCATED,
		[BUDGET_TEMPORARY] = SUMMARY_BY_TEMPORARY,
	};
	struct summary_options worst = {.sort = sorts[metric],
					.path = c->file		  ? c->file
						: c->keep && done ? done->profile
								  : NULL};

	summary_text(p, &worst, stderr);
}

static enum budget_verdict speak(struct check *c, const struct launch_outcome *done,
				 const char *path, const struct profile *p,
				 const struct findings *found)
{
	char unseen[512];
	const struct budget_facts facts =
		learn(c, done, p, found, unseen, sizeof(unseen));
	enum budget_verdict is;
	char why[512], clean[512];
	size_t limit;

	is = budget_judge(&facts, c->limits, c->limit_count, why, sizeof(why), &limit);
	switch (is) {
	case BUDGET_MET:
		say_met(c, found);
		break;
	case BUDGET_UNCHECKED:
		say_unchecked(c, p, found, why);
		break;
	case BUDGET_LEAKS:
		say_leaks(c, path, p, found);
		message_error("%s", text_clean(why, clean, sizeof(clean)));
		break;
	case BUDGET_OVER:
		message_error("%s", text_clean(why, clean, sizeof(clean)));
		say_over(c, done, p, c->limits[limit].metric);
		break;
	}
	return gate_finish(&c->gate, is, why, c->limits, c->limit_count,
			   c->last || is == BUDGET_MET || is == BUDGET_LEAKS);
}

/* Of a profile; done: of the run that made it, or NULL. */
static enum budget_verdict judge(struct check *c, const struct launch_outcome *done,
				 const char *path)
{
	_cleanup_(profile_closep) struct profile *p = NULL;
	_cleanup_(findings_done) struct findings found = {0};
	const struct findings_options o = {.path = path, .unlisted = ~c->kinds};
	int r;

	if (!load(c, path, &p)) {
		gate_unchecked(&c->gate, "the profile cannot be read back");
		return BUDGET_UNCHECKED;
	}
	r = gate_find(&c->gate, p, &o, &found);
	if (!r)
		r = gate_compare(&c->gate, p, &found, c->kinds);
	if (!r)
		r = measure(p, &found, c->kinds, c->limits, c->limit_count);
	if (!r)
		return speak(c, done, path, p, &found);
	message_error("not checked: the profile cannot be evaluated: %s", strerror(-r));
	message_help("keep it with -o FILE, then `heapline leaks FILE` tells more");
	gate_unchecked(&c->gate, "the profile cannot be evaluated");
	return BUDGET_UNCHECKED;
}

/* ---- runs ---------------------------------------------------------------- */

static struct verdict run_once(struct check *c)
{
	struct verdict v = {.is = BUDGET_UNCHECKED};

	/* (If it is never started, the reason was said.) */
	if (!launch(&c->launch, &v.done)) {
		v.is = judge(c, &v.done, v.done.profile);
		launch_wait(&v.done);
	} else
		gate_unchecked(&c->gate, "the program was not started");
	return v;
}

/* Leaks are proven by one run; what is doubtful, or may be chance, is run again. */
static struct verdict run_all(struct check *c)
{
	struct verdict v;

	c->last = c->tries == 1;
	v = run_once(c);
	for (uint64_t i = 2; i <= c->tries; i++) {
		if (v.is == BUDGET_MET || v.is == BUDGET_LEAKS)
			break;
		message_note("try %" PRIu64 " of %" PRIu64, i, c->tries);
		c->launch.force = true;
		c->last = i == c->tries;
		v = run_once(c);
	}
	return v;
}

static int run(struct check *c)
{
	char temporary[] = "/tmp/heapline-check-XXXXXX";
	struct verdict v;
	int fd;

	if (!c->keep) {
		fd = mkstemp(temporary);
		if (fd < 0) {
			message_error("cannot make a file in /tmp: %s",
				      strerror(errno));
			message_help("name a place for the profile with -o FILE");
			return BUDGET_UNCHECKED;
		}
		close(fd);
		c->launch.output = temporary;
		c->launch.force = true;
	}
	v = run_all(c);
	if (!c->keep)
		unlink(temporary);
	return v.is == BUDGET_MET ? launch_exit(v.done.wait_status) : (int)v.is;
}

int cmd_check(int argc, char **argv)
{
	struct check c = {
		.launch = {.free_stacks = true, .scan_at_exit = true, .text = "check"},
		.kinds = LEAKS_LOST,
		.tries = 1,
	};
	int status;

	gate_init(&c.gate);
	status = parse(&c, argc, argv);
	c.last = true; /* of a profile; runs tell */
	if (status < 0)
		status = c.file ? (int)judge(&c, NULL, c.file) : run(&c);
	gate_done(&c.gate);
	for (size_t i = 0; i < c.limit_count; i++)
		free(c.limits[i].path);
	free(c.limits);
	return status;
}
