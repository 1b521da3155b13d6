#include "cli/profile/coherence.h"

#include "cli/base/cleanup.h"
#include "cli/profile/totals.h"

static const char *check_symbols(const struct profile *p)
{
	for (size_t i = 0; i < p->module_count; i++)
		if (p->modules[i].end < p->modules[i].start)
			return "a module ends before it begins";
	for (size_t i = 0; i < p->code_count; i++) {
		const struct profile_code *c = &p->codes[i];

		if (!c->frames || c->frames > p->frame_count ||
		    c->first_frame > p->frame_count - c->frames)
			return "a code has frames that are not there";
	}
	for (size_t i = 0; i < p->stack_count; i++) {
		if (p->stacks[i].module > p->module_count)
			return "a stack is in a module that is not there";
		if (p->stacks[i].code > p->code_count)
			return "a stack has a code that is not there";
	}
	for (size_t i = 0; i < p->source_count; i++) {
		const struct profile_source *s = &p->sources[i];

		if (!s->first || s->count > UINT32_MAX - s->first)
			return "a piece of source has impossible line numbers";
	}
	return NULL;
}

/* It names a row for that, and is none itself. */
static bool is_counted_there(const struct profile *p, const struct profile_process *a,
			     struct profile_serials *serials)
{
	size_t with = profile_serials_find(serials, a->counted_with);

	return with != SIZE_MAX && p->processes[with].counted && !a->counted;
}

static const char *check_processes(const struct profile *p,
				   struct profile_serials *serials)
{
	for (size_t i = 0; i < p->process_count; i++) {
		const struct profile_process *a = &p->processes[i];

		/* One with the serial of another is not the one that is found. */
		if (!a->serial || profile_serials_find(serials, a->serial) != i)
			return "two processes have one serial";
		if (a->parent_serial >= a->serial)
			return "a process is older than its parent";
		if (a->parent_serial &&
		    profile_serials_find(serials, a->parent_serial) == SIZE_MAX)
			return "a process has a parent that is not there";
		if (a->counted_with && !is_counted_there(p, a, serials))
			return "a process is counted with others that are not there";
		for (int d = 0; d < PROFILE_DOMAINS; d++)
			if (a->domain[d].frees > a->domain[d].allocs ||
			    a->domain[d].freed_bytes > a->domain[d].allocated_bytes)
				return "a process freed more than it allocated";
	}
	for (size_t i = 0; i < p->thread_count; i++)
		if (profile_serials_find(serials, p->threads[i].process_serial) ==
		    SIZE_MAX)
			return "a thread is of a process that is not there";
	return NULL;
}

static const char *check_sites(const struct profile *p, struct profile_serials *serials)
{
	for (size_t i = 0; i < p->site_count; i++) {
		const struct profile_site *s = &p->sites[i];

		if (profile_serials_find(serials, s->process_serial) == SIZE_MAX)
			return "a site is of a process that is not there";
		if (s->frees > s->allocs || s->freed_bytes > s->allocated_bytes)
			return "a site has more freed than allocated";
		if (s->repeated > s->values)
			return "a site has more values again than it has values";
	}
	return NULL;
}

static const char *check_snapshots(const struct profile *p,
				   struct profile_serials *serials)
{
	for (size_t i = 0; i < p->snapshot_count; i++) {
		const struct profile_snapshot *s = &p->snapshots[i];

		if (profile_serials_find(serials, s->process_serial) == SIZE_MAX)
			return "a snapshot is of a process that is not there";
		if (s->piece_count > p->piece_count ||
		    s->first_piece > p->piece_count - s->piece_count)
			return "a snapshot has pieces that are not there";
	}
	return NULL;
}

static const char *check_proofs(const struct profile *p,
				struct profile_serials *serials)
{
	for (size_t i = 0; i < p->proof_count; i++)
		if (profile_serials_find(serials, p->proofs[i].process_serial) ==
		    SIZE_MAX)
			return "a block is of a process that is not there";
	return NULL;
}

static const char *check_marks(const struct profile *p, struct profile_serials *serials)
{
	for (size_t i = 0; i < p->mark_count; i++)
		if (profile_serials_find(serials, p->marks[i].process_serial) ==
		    SIZE_MAX)
			return "a mark is of a process that is not there";
	return NULL;
}

static const char *check_bins(const struct profile *p)
{
	for (size_t i = 0; i < p->bin_count; i++) {
		if (i && p->bins[i].at_ns <= p->bins[i - 1].at_ns)
			return "the timeline goes back";
		if (p->bins[i].min_bytes > p->bins[i].max_bytes)
			return "the timeline has a minimum above a maximum";
	}
	return NULL;
}

int coherence_check(const struct profile *p, const char **ret_wrong)
{
	_cleanup_(profile_serials_done) struct profile_serials serials = {0};
	const char *wrong;
	int r = profile_serials_init(&serials, p);

	if (r < 0)
		return r;
	wrong = check_symbols(p);
	if (!wrong)
		wrong = check_processes(p, &serials);
	if (!wrong)
		wrong = check_sites(p, &serials);
	if (!wrong)
		wrong = check_snapshots(p, &serials);
	if (!wrong)
		wrong = check_marks(p, &serials);
	if (!wrong)
		wrong = check_proofs(p, &serials);
	*ret_wrong = wrong ? wrong : check_bins(p);
	return 0;
}
