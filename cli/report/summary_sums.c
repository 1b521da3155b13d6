#include "cli/report/summary_sums.h"

#include "cli/base/cleanup.h"
#include "cli/profile/totals.h"
#include "cli/report/runtime.h"

#include <errno.h>
#include <stdlib.h>

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* Whether frees may have come after the last that was recorded: its blocks were not
 * freed until then, which is not never. */
static bool went_on(const struct profile *p, const struct profile_process *process)
{
	return process->end == PROFILE_RUNNING || *strings_get(&p->strings, p->stopped);
}

static void add_amount(struct profile_amount *to, struct profile_amount what)
{
	to->blocks += what.blocks;
	to->bytes += what.bytes;
}

static struct summary of_process(const struct profile_process *process,
				 enum profile_domain domain)
{
	struct summary s = {
		.allocs = process->domain[domain].allocs,
		.allocated_bytes = process->domain[domain].allocated_bytes,
		.frees = process->domain[domain].frees,
		.freed_bytes = process->domain[domain].freed_bytes,
		.peak = process->domain[domain].peak,
		.peak_at_ns = process->domain[domain].peak_at_ns,
		.unknown_frees = process->unknown_frees,
		.unseen_frees = process->unseen_frees,
		.pools = process->pools,
		.lost = process->lost,
		.held_back_ns = process->held_back_ns,
		.events = process->events,
	};

	if (domain == PROFILE_MALLOC)
		s.temporary = process->temporary;
	s.live_at_end.blocks = less(s.allocs, s.frees);
	s.live_at_end.bytes = less(s.allocated_bytes, s.freed_bytes);
	return s;
}

/* One summary for each process, by index, of those in scope. */
int summary_of_processes(const struct scope *scope, struct summary **ret)
{
	const struct profile *p = scope->profile;
	_cleanup_(runtime_closep) struct runtime *runtime = runtime_open(p);
	struct summary *all = calloc(p->process_count + 1, sizeof(*all));

	if (!runtime || !all) {
		free(all);
		return -ENOMEM;
	}
	for (size_t i = 0; i < p->process_count; i++)
		if (scope->process[i])
			all[i] = of_process(&p->processes[i], scope->domain);
	for (size_t i = 0; i < p->site_count; i++) {
		const struct profile_site *site = &p->sites[i];
		struct profile_amount live = profile_site_live(site);

		if (!live.blocks || !scope_has(scope, site) ||
		    !runtime_reason(runtime, site->stack))
			continue;
		add_amount(&all[scope_process(scope, site)].runtime, live);
	}
	for (size_t i = 0; i < p->process_count; i++) {
		struct summary *s = &all[i];

		s->leaked.blocks = less(s->live_at_end.blocks, s->runtime.blocks);
		s->leaked.bytes = less(s->live_at_end.bytes, s->runtime.bytes);
		s->ended = scope->process[i] && !went_on(p, &p->processes[i]);
		s->went_on = scope->process[i] && !s->ended;
		if (s->went_on)
			s->not_yet = s->leaked;
		if (scope->process[i] && scope->domain == PROFILE_MALLOC &&
		    !s->went_on && profile_is_whole(p))
			s->finalised = p->processes[i].finalised;
	}
	*ret = all;
	return 0;
}

static void add_arenas(struct profile_arenas *to, const struct profile_arenas *what)
{
	to->bytes += what->bytes;
	add_amount(&to->used, what->used);
}

struct summary_arenas summary_arenas(const struct profile *p, int32_t pid)
{
	struct summary_arenas sum = {0};

	/* Of samples, and of parts of a recording, no more is known than what they say. */
	if (p->sampled || !profile_is_whole(p))
		return sum;
	for (size_t i = 0; i < p->process_count; i++) {
		const struct profile_process *q = &p->processes[i];

		if ((pid && q->pid != pid) || !(q->python & PROFILE_PYTHON_OBJECTS))
			continue;
		add_arenas(&sum.at_end, &q->arenas);
		add_arenas(&sum.at_peak, &q->arenas_at_peak);
		sum.processes += q->arenas.bytes || q->arenas_at_peak.bytes;
	}
	return sum;
}

struct summary summary_total(const struct scope *scope, const struct summary *all)
{
	struct summary sum = {0};

	for (size_t i = 0; i < scope->profile->process_count; i++) {
		const struct summary *s = &all[i];

		sum.allocs += s->allocs;
		sum.allocated_bytes += s->allocated_bytes;
		sum.frees += s->frees;
		sum.freed_bytes += s->freed_bytes;
		add_amount(&sum.temporary, s->temporary);
		add_amount(&sum.live_at_end, s->live_at_end);
		add_amount(&sum.runtime, s->runtime);
		add_amount(&sum.leaked, s->leaked);
		add_amount(&sum.not_yet, s->not_yet);
		add_amount(&sum.finalised, s->finalised);
		sum.ended += s->ended && !scope->profile->processes[i].counted;
		sum.went_on += s->went_on && !scope->profile->processes[i].counted;
		sum.unknown_frees += s->unknown_frees;
		sum.unseen_frees += s->unseen_frees;
		sum.pools.unknown += s->pools.unknown;
		sum.pools.frees += s->pools.frees;
		sum.pools.others += s->pools.others;
		sum.pools.overlaps += s->pools.overlaps;
		sum.lost += s->lost;
		sum.held_back_ns += s->held_back_ns;
		sum.events += s->events;
	}
	sum.peak = scope_peak_total(scope, &sum.peak_at_ns);
	return sum;
}

int summary_of(const struct profile *p, const struct scope_options *o,
	       struct summary *ret)
{
	struct scope_options whole = {.domain = o->domain, .pid = o->pid};
	_cleanup_(scope_done) struct scope scope;
	_cleanup_(freep) struct summary *all = NULL;
	int err = scope_init(&scope, p, &whole);

	if (!err)
		err = summary_of_processes(&scope, &all);
	if (!err)
		*ret = summary_total(&scope, all);
	return err;
}

/* Index of the process that the recording began with: the first in scope. SIZE_MAX:
 * none. */
size_t summary_root(const struct scope *scope)
{
	const struct profile_process *items = scope->profile->processes;
	size_t root = SIZE_MAX;

	for (size_t i = 0; i < scope->profile->process_count; i++)
		if (scope->process[i] &&
		    (root == SIZE_MAX || items[i].serial < items[root].serial))
			root = i;
	return root;
}

/* Its status as a shell gives it, or -1: unknown. */
int summary_exit_status(const struct profile_process *process)
{
	if (process && process->end == PROFILE_EXITED)
		return process->end_status;
	if (process && process->end == PROFILE_SIGNALED)
		return 128 + process->end_status;
	return -1;
}
