/*
 * cmd_check.c - `heapline check`: a program under a limit, for CI.
 */
#include "cli/base/cleanup.h"
#include "cli/base/message.h"
#include "cli/base/quantity.h"
#include "cli/base/units.h"
#include "cli/cmd/launch.h"
#include "cli/cmd/verb.h"
#include "cli/gate/budget.h"
#include "cli/profile/file.h"
#include "cli/report/summary.h"
#include "cli/report/unfollowed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum option { MAX_LEAKED, OUTPUT, FORCE, QUIET };

static const struct option_spec options[] = {
	[MAX_LEAKED] = {.name = "max-leaked",
			.argument = "BYTES",
			.help = "the limit; 64K, 1.5M and the like"},
	[OUTPUT] = {.name = "output",
		    .argument = "FILE",
		    .help = "keep the profile (default: only while checking)",
		    .letter = 'o'},
	[FORCE] = {.name = "force", .help = "overwrite it", .letter = 'f'},
	[QUIET] = {.name = "quiet",
		   .help = "no word if the limit is met",
		   .letter = 'q'},
	{0},
};

const struct options_spec check_spec = {
	.usage = "[--] PROGRAM [ARGUMENT]...",
	.about = "Runs PROGRAM and fails if it, or a process that it started, never "
		 "frees more than\n--max-leaked allows. What libc, the loader and the "
		 "C++ runtime keep for themselves is\napart.",
	.options = options,
	.notes = "Exit status: 70 if it could not be checked (not started, not "
		 "recorded, events lost,\na process that goes on), else 23 if the "
		 "limit was exceeded, else PROGRAM's own.",
	.operands = OPTIONS_COMMAND,
	.wrong = VERB_USAGE,
};

struct check {
	struct launch_options launch;
	struct budget_limits limits;
	bool has_limit, keep;
};

static const char *take(void *own, size_t i, const char *value)
{
	struct check *c = own;

	switch ((enum option)i) {
	case MAX_LEAKED:
		c->has_limit = true;
		return quantity_parse_size(value, &c->limits.max_leaked_bytes)
			       ? "write bytes, or a number with K, M or G"
			       : NULL;
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
	}
	return NULL;
}

/* -1: go on; else the exit status. */
static int parse(struct check *c, int argc, char **argv)
{
	int status = options_parse("check", &check_spec, argc, argv, take, c);

	if (status >= 0)
		return status;
	if (!c->has_limit)
		return options_wrong("check", &check_spec,
				     "no limit given: --max-leaked BYTES", "", "");
	if (optind == argc)
		return options_wrong("check", &check_spec, "no program to check", "",
				     "");
	c->launch.argv = argv + optind;
	return -1;
}

/* What the profile says: the verdict's facts. False: it does not open. */
static bool learn(const char *path, struct budget_facts *facts, struct profile **ret)
{
	struct scope_options all = {.domain = PROFILE_MALLOC};
	struct summary sum;
	char why[256];
	int err = profile_load(path, ret, why, sizeof(why));

	if (err < 0 || summary_of(*ret, &all, &sum) < 0) {
		message_error("cannot read back the profile '%s': %s", path,
			      *why ? why : strerror(-err));
		return false;
	}
	facts->complete =
		(*ret)->complete && !strings_get(&(*ret)->strings, (*ret)->stopped)[0];
	facts->lost = sum.lost;
	facts->sampled = (*ret)->sampled;
	facts->unfollowed = (*ret)->unfollowed_count;
	facts->leaked_bytes = sum.leaked.bytes;
	return true;
}

/* Speaks the verdict, enum budget_verdict. */
static int judge(const struct check *c, const struct launch_outcome *done)
{
	struct summary_options worst = {.sort = SUMMARY_BY_LEAKED,
					.path = c->keep ? done->profile : NULL};
	_cleanup_(profile_closep) struct profile *p = NULL;
	struct budget_facts facts = {0};
	enum budget_verdict verdict;
	char why[256];

	if (done->has_result) {
		facts.recorded = done->result.attached &&
				 !(done->result.notes & WIRE_NOTE_OWN_MALLOC);
		facts.running = done->result.running;
	}
	if (!learn(done->profile, &facts, &p))
		return BUDGET_UNCHECKED;
	verdict = budget_judge(&facts, &c->limits, why, sizeof(why));
	if (verdict == BUDGET_MET) {
		message_note("checked: %s never freed, %s allowed",
			     units_size(facts.leaked_bytes).text,
			     units_size(c->limits.max_leaked_bytes).text);
		return verdict;
	}
	if (verdict == BUDGET_UNCHECKED) {
		message_error("not checked: %s", why);
		unfollowed_text(p, false, stderr);
		message_help(
			"`heapline run` on the same program, then `heapline report`, "
			"tell more");
		return verdict;
	}
	message_error("%s", why);
	summary_text(p, &worst, stderr);
	return verdict;
}

int cmd_check(int argc, char **argv)
{
	struct check c = {.launch = {.free_stacks = true, .text = "check"}};
	char temporary[] = "/tmp/heapline-check-XXXXXX";
	struct launch_outcome done;
	int status = parse(&c, argc, argv), fd;
	bool met = false;

	if (status >= 0)
		return status;
	if (!c.keep) {
		fd = mkstemp(temporary);
		if (fd < 0) {
			message_error("cannot make a file in /tmp: %s",
				      strerror(errno));
			message_help("name a place for the profile with -o FILE");
			return BUDGET_UNCHECKED;
		}
		close(fd);
		c.launch.output = temporary;
		c.launch.force = true;
	}
	status = launch(&c.launch, &done);
	if (status) {
		status = BUDGET_UNCHECKED; /* never started: the reason was said */
	} else {
		status = judge(&c, &done);
		met = status == BUDGET_MET;
	}
	if (!c.keep)
		unlink(temporary);
	return met ? launch_exit(done.wait_status) : status;
}
