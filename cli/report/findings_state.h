/*
 * findings_state.h - what the parts of the findings share: the one that looks at
 * processes with a snapshot, and the rest. For findings.c and findings_scan.c alone.
 */
#pragma once

#include "cli/base/table.h"
#include "cli/profile/totals.h"
#include "cli/report/findings.h"
#include "cli/report/proofs.h"
#include "cli/report/recursion.h"

struct findings_gather {
	const struct profile *p;
	const struct findings_options *o;
	struct findings *ret;
	struct runtime *runtime;
	uint8_t *is_runtime;	/* by stack: 0 not asked yet, 1 no, 2 yes */
	uint32_t *near;		/* by stack: the finding that was last meant + 1 */
	struct table disproved; /* process, stack -> blocks that were not lost */
	struct table numbers;	/* process, stack, kind, rule -> finding */
	struct recursion *recursion;
	uint32_t *group;      /* by stack: recursion_group(); 0: not asked yet */
	struct table grouped; /* process, group, kind, rule -> finding */
	const char **unscanned; /* by process: why, or NULL */
	bool *in_part; /* by process: it is a row of several, one of which was looked at */
	struct proofs_index proofs;
	struct profile_serials serials;
	size_t *last;	   /* by process: its last snapshot + 1 */
	size_t *before;	   /* by snapshot: the process's one before it + 1 */
	uint32_t snapshot; /* of the process under way, or FINDING_NONE */
};

/* Whether blocks of the stack are the runtime's own. */
bool findings_is_runtime(struct findings_gather *g, uint32_t stack);

/* The finding of that kind, process, stack and rule, made if need be; NULL without
 * memory. Valid until the next call. */
struct finding *findings_number(struct findings_gather *g, uint32_t kind,
				uint32_t process, uint32_t stack, uint32_t rule);

/* Whether blocks of that class are findings, or only summed up. */
bool findings_lists(const struct findings_gather *g, uint32_t kind);

/* Blocks of a class, and of its finding; NULL: it is not listed. */
void findings_add(struct findings_gather *g, uint32_t kind, struct finding *f,
		  uint64_t blocks, uint64_t bytes);

/* Counts one more block of the process and stack that was called lost and was not. 0 or
 * -ENOMEM. */
int findings_disprove(struct findings_gather *g, uint32_t process, uint32_t stack);
uint64_t findings_disproved(const struct findings_gather *g, uint32_t process,
			    uint32_t stack);

/* All blocks of a process, out of one of its snapshots. 0 or -errno. */
int findings_scanned(struct findings_gather *g, uint32_t process, size_t snapshot);
