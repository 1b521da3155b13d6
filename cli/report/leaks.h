/*
 * leaks.h - `leaks`: findings for people and scripts: which of them are wanted, why
 * each is what it is, and what still holds the blocks that something holds.
 */
#pragma once

#include "cli/report/findings.h"
#include "cli/report/frames.h"
#include "cli/report/held.h"
#include "cli/report/scope.h"

#include <stdio.h>

#define LEAKS_ALL ((1u << LEAK_KINDS) - 1)
#define LEAKS_USUAL /* what a report lists unless it is told */                        \
	(1u << LEAK_DEFINITE | 1u << LEAK_CYCLE | 1u << LEAK_INDIRECT |                \
	 1u << LEAK_POSSIBLE | 1u << LEAK_UNSCANNED)
#define LEAKS_LOST (1u << LEAK_DEFINITE | 1u << LEAK_CYCLE | 1u << LEAK_INDIRECT)

/* Bits as options have them: 0 is LEAKS_USUAL. */
static inline uint32_t leaks_kinds(uint32_t kinds)
{
	return kinds ? kinds : LEAKS_USUAL;
}

/* What leaks_parse_kinds() takes: for completion, for people. */
#define LEAKS_KIND_WORDS                                                               \
	"definite cycle indirect possible unscanned exited young reachable runtime "   \
	"inherited suppressed all"
#define LEAKS_KIND_LIST                                                                \
	"definite, cycle, indirect, possible, unscanned, exited, young, reachable, "   \
	"runtime, inherited, suppressed, all"

struct leaks_options {
	struct scope_options scope;
	const char *path;   /* of the profile */
	uint32_t kinds;	    /* bits; 0: LEAKS_USUAL */
	uint64_t least;	    /* bytes of a finding, with what it holds */
	const char *module; /* glob: whose code allocated; NULL: any */
	size_t limit;	    /* findings listed; 0: the report's own */
	bool bytes, colour;
};

struct leaks { /* findings that are wanted */
	const struct profile *profile;
	const struct findings *findings;
	const struct leaks_options *options;
	uint32_t *shown; /* their numbers, the worst first */
	size_t count;
	struct profile_amount sum; /* of those */
	struct frames_owners *owners;
	struct runtime *runtime;
	struct held held;  /* the graph last asked for */
	uint32_t snapshot; /* its number; FINDING_NONE: none is open */
	/* Told of each finding before its text is written; NULL: nobody is. */
	void (*told)(void *context, const struct finding *f);
	void *told_context;
};

/* For findings_options, of a view that lists all classes: none; or where processes are
 * very many, what no report lists unless it is told, as that takes much memory. */
uint32_t leaks_unlisted(const struct profile *p);

/* "definite,cycle", "all": bits in *ret. False: a word that is none. */
bool leaks_parse_kinds(const char *text, uint32_t *ret);

/* All that it is given outlives it. 0, -ESRCH (no such process), -ENOMEM. leaks_done()
 * in any case. */
int leaks_open(struct leaks *l, const struct profile *p, const struct findings *f,
	       const struct leaks_options *o);
void leaks_done(struct leaks *l);

/* Why it is what it is: a sentence without its end, *ret malloc'ed. Raw. 0, -ENOMEM,
 * -errno of reading the graph. */
int leaks_reason(struct leaks *l, const struct finding *f, char **ret);

/* Path of the module whose code allocated; "": not known. */
const char *leaks_module(const struct leaks *l, const struct finding *f);

/* What a kind means, as a clause. */
const char *leaks_meaning(enum leak_kind kind);

/* 0 or -errno as above. */
int leaks_text(struct leaks *l, FILE *out);
int leaks_json(struct leaks *l, FILE *out);

/* The findings alone, without heading and sums, as leaks_text() writes them. */
int leaks_text_list(struct leaks *l, FILE *out);
