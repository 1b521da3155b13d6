/*
 * gate.h - what `check` adds to its verdict: suppressions, a baseline, a gate file and
 * reports for CI systems; `leaks` shares the suppressions. Speaks to the user itself.
 *
 *	gate_parse()	the command line, and what the gate file says beside it
 *	gate_load()	the files that they name, before anything is run
 *	gate_find()	a profile's findings, suppressed ones told apart
 *	gate_compare()	what of them is in the baseline
 *	gate_finish()	reports, notes, and the baseline's update
 */
#pragma once

#include "cli/cmd/options.h"
#include "cli/export/outcome.h"
#include "cli/gate/baseline.h"
#include "cli/gate/budget.h"
#include "cli/gate/suppress.h"

enum gate_option { /* in a verb's table from some place on */
		   GATE_SUPPRESSIONS,
		   GATE_NO_KNOWN,
		   GATE_SHARED, /* the first that `leaks` does not take */
		   GATE_FAIL_UNUSED = GATE_SHARED,
		   GATE_GENERATE,
		   GATE_BASELINE,
		   GATE_UPDATE,
		   GATE_REPORT,
		   GATE_FILE,
		   GATE_OFF,
		   GATE_OPTIONS,
};

/* from: an int, for the places are of two enums. */
#define GATE_SHARED_ROWS(from)                                                         \
	[(from) + GATE_SUPPRESSIONS] =                                                 \
		{.name = "suppressions",                                               \
		 .argument = "FILE",                                                   \
		 .help = "leaks that are known: LeakSanitizer's, Valgrind's or "       \
			 "heapline's rules; may be given again"},                      \
		  [(from) + GATE_NO_KNOWN] = {                                         \
			  .name = "no-known",                                          \
			  .help = "without the rules that are built in"}

#define GATE_ROWS(from)                                                                \
	GATE_SHARED_ROWS(from),                                                        \
		[(from) + GATE_FAIL_UNUSED] =                                          \
			{.name = "fail-unused-suppressions",                           \
			 .help = "fail for rules that hid nothing"},                   \
			  [(from) + GATE_GENERATE] =                                   \
				  {.name = "gen-suppressions",                         \
				   .argument = "FILE",                                 \
				   .help = "write rules for what failed (-: to "       \
					   "standard output)"},                        \
			  [(from) + GATE_BASELINE] =                                   \
				  {.name = "baseline",                                 \
				   .argument = "FILE",                                 \
				   .help = "leaks that may stay as they are"},         \
			  [(from) + GATE_UPDATE] =                                     \
				  {.name = "update-baseline",                          \
				   .argument = "HOW",                                  \
				   .help = "shrink: take out what is mended; accept: " \
					   "take in what there is",                    \
				   .words = "shrink accept"},                          \
			  [(from) + GATE_REPORT] =                                     \
				  {.name = "report",                                   \
				   .argument = "KIND",                                 \
				   .help = "json, sarif, junit, github, summary or "   \
					   "gitlab, or KIND=FILE; may be given again", \
				   .words = "json sarif junit github summary gitlab"}, \
			  [(from) + GATE_FILE] =                                       \
				  {.name = "gate",                                     \
				   .argument = "FILE",                                 \
				   .help = "options and rules of a gate file "         \
					   "(.heapline.toml here, if there is one)"},  \
			  [(from) + GATE_OFF] = {.name = "no-gate",                    \
						 .help = "no gate file"}

enum { GATE_MOST = 32 }; /* files of suppressions, and reports */

struct gate_report {
	void (*write)(const struct outcome *o, FILE *out);
	const char *path; /* NULL: standard output */
	bool append;
};

enum gate_update { GATE_KEEP, GATE_SHRINK, GATE_ACCEPT };

struct gate {
	struct suppress rules;
	const char *suppressions[GATE_MOST];
	size_t suppression_count;
	bool no_known, fail_unused;
	const char *generate;

	const char *baseline;
	enum gate_update update;
	struct baseline was, now;

	struct gate_report reports[GATE_MOST];
	size_t report_count;

	const char *file; /* gate file; NULL: none */
	bool off;
	struct toml toml;
	struct strings texts; /* values out of it */

	struct outcome outcome;
	bool has_outcome;
};

void gate_init(struct gate *g);
void gate_done(struct gate *g);

/* NULL, or a clause on what is wrong with the value. */
const char *gate_take(struct gate *g, enum gate_option option, const char *value);

/* As options_parse(), the verb's take() handing over gate_take()'s. An option of the
 * command line replaces the gate file's of that name. from: where they begin. */
int gate_parse(struct gate *g, const char *verb, const struct options_spec *spec,
	       size_t from, int argc, char **argv, options_take *take, void *own);

/* -1, or the exit status of a failure. */
int gate_load(struct gate *g);

/* 0 or as findings_of(). */
int gate_find(struct gate *g, const struct profile *p,
	      const struct findings_options *options, struct findings *ret);

/* Findings of these kinds that the baseline allows become suppressed ones. p and f live
 * until gate_finish(). 0 or -ENOMEM. */
int gate_compare(struct gate *g, const struct profile *p, struct findings *f,
		 uint32_t kinds);

/* The verdict, which may be a worse one now. why: of one that is not BUDGET_MET. last:
 * no try follows. */
enum budget_verdict gate_finish(struct gate *g, enum budget_verdict is, const char *why,
				const struct budget_limit *limits, size_t count,
				bool last);

/* Writes the reports of a run that left no profile. */
void gate_unchecked(struct gate *g, const char *why);
