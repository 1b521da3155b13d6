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
#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
	"usage: heapline check --max-leaked BYTES [OPTION]... [--] PROGRAM [ARG]...\n"
	"\n"
	"Runs PROGRAM and fails if it, or a process that it started, never frees\n"
	"more than BYTES. What libc, the loader and the C++ runtime keep for\n"
	"themselves is apart.\n"
	"\n"
	"      --max-leaked BYTES  the limit; 64K, 1.5M and the like\n"
	"  -o, --output FILE       keep the profile (default: only while checking)\n"
	"  -f, --force             overwrite it\n"
	"  -q, --quiet             no word if the limit is met\n"
	"  -h, --help              this text\n"
	"\n"
	"Exit status: 70 if it could not be checked (not started, not recorded, "
	"events\n"
	"lost, a process that goes on), else 23 if the limit was exceeded, else\n"
	"PROGRAM's own.\n";

enum { MAX_LEAKED = 256 };

static const struct option options[] = {
	{"max-leaked", required_argument, NULL, MAX_LEAKED},
	{"output", required_argument, NULL, 'o'},
	{"force", no_argument, NULL, 'f'},
	{"quiet", no_argument, NULL, 'q'},
	{"help", no_argument, NULL, 'h'},
	{0},
};

struct check {
	struct launch_options launch;
	struct budget_limits limits;
	bool has_limit, keep;
};

/* -1: go on; else the exit status. */
static int parse(struct check *c, int argc, char **argv)
{
	int o;

	opterr = 0;
	while ((o = getopt_long(argc, argv, "+:o:fqh", options, NULL)) != -1)
		switch (o) {
		case MAX_LEAKED:
			if (quantity_parse_size(optarg, &c->limits.max_leaked_bytes) <
			    0) {
				message_error("--max-leaked: '%s' is no size", optarg);
				message_help("write bytes, or a number with K, M or G");
				return VERB_USAGE;
			}
			c->has_limit = true;
			break;
		case 'o':
			c->launch.output = optarg;
			c->keep = true;
			break;
		case 'f':
			c->launch.force = true;
			break;
		case 'q':
			message_quiet();
			break;
		case 'h':
			fputs(usage, stdout);
			return VERB_OK;
		case ':':
			message_error("'%s' needs a value", argv[optind - 1]);
			message_help("heapline check --help lists the options");
			return VERB_USAGE;
		default:
			message_error("'%s' is no option", argv[optind - 1]);
			message_help("heapline check --help lists the options");
			return VERB_USAGE;
		}
	if (!c->has_limit || optind == argc) {
		message_error(c->has_limit ? "no program to check" : "no limit given");
		message_help(
			"heapline check --max-leaked BYTES -- PROGRAM [ARGUMENT]...");
		return VERB_USAGE;
	}
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
	facts->complete = (*ret)->complete && !strings_get(&(*ret)->strings,
							   (*ret)->stopped)[0];
	facts->lost = sum.lost;
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
