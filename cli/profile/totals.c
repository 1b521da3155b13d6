#include "cli/profile/totals.h"

#include "cli/base/cleanup.h"

#include <errno.h>
#include <inttypes.h>

static int by_serial(const void *a, const void *b, void *processes)
{
	const struct profile_process *all = processes;
	uint32_t left = all[*(const uint32_t *)a].serial;
	uint32_t right = all[*(const uint32_t *)b].serial;

	return left < right ? -1 : left > right;
}

int profile_serials_init(struct profile_serials *s, const struct profile *p)
{
	uint32_t *order = calloc(p->process_count + 1, sizeof(*order));

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < p->process_count; i++)
		order[i] = (uint32_t)i;
	if (p->process_count)
		qsort_r(order, p->process_count, sizeof(*order), by_serial,
			p->processes);
	*s = (struct profile_serials){.profile = p, .order = order};
	return 0;
}

void profile_serials_done(struct profile_serials *s)
{
	free(s->order);
	*s = (struct profile_serials){0};
}

static uint32_t serial_at(const struct profile_serials *s, size_t place)
{
	return s->profile->processes[s->order[place]].serial;
}

size_t profile_serials_find(struct profile_serials *s, uint32_t serial)
{
	size_t low = 0, high = s->profile->process_count;

	if (s->last < high && serial_at(s, s->last) == serial)
		return s->order[s->last];
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (serial_at(s, middle) < serial)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == s->profile->process_count || serial_at(s, low) != serial)
		return SIZE_MAX;
	s->last = low;
	return s->order[low];
}

size_t profile_processes(const struct profile *p)
{
	size_t count = 0;

	for (size_t i = 0; i < p->process_count; i++)
		count += !p->processes[i].counted;
	return count;
}

/* ---- sums ------------------------------------------------------------------ */

struct profile_totals profile_process_totals(const struct profile_process *process,
					     enum profile_domain domain)
{
	struct profile_totals t = {
		.allocs = process->domain[domain].allocs,
		.allocated_bytes = process->domain[domain].allocated_bytes,
		.frees = process->domain[domain].frees,
		.freed_bytes = process->domain[domain].freed_bytes,
	};

	t.live.blocks = t.allocs - t.frees;
	t.live.bytes = t.allocated_bytes - t.freed_bytes;
	if (domain == PROFILE_MALLOC)
		t.temporary = process->temporary;
	return t;
}

static void add_amount(struct profile_amount *sum, struct profile_amount more)
{
	sum->blocks += more.blocks;
	sum->bytes += more.bytes;
}

struct profile_totals profile_totals(const struct profile *p,
				     enum profile_domain domain)
{
	struct profile_totals sum = {0};

	for (size_t i = 0; i < p->process_count; i++) {
		struct profile_totals t =
			profile_process_totals(&p->processes[i], domain);

		sum.allocs += t.allocs;
		sum.allocated_bytes += t.allocated_bytes;
		sum.frees += t.frees;
		sum.freed_bytes += t.freed_bytes;
		add_amount(&sum.live, t.live);
		add_amount(&sum.temporary, t.temporary);
	}
	return sum;
}

uint64_t profile_lost_events(const struct profile *p)
{
	uint64_t lost = p->lost_no_ring;

	for (size_t i = 0; i < p->process_count; i++)
		lost += p->processes[i].lost;
	return lost;
}

/* ---- the check ------------------------------------------------------------- */

/* The sites of one process and domain, added up. */
struct sum {
	struct profile_totals totals;
	struct profile_amount peak;
	uint64_t freed_here, freed_here_bytes;
};

static void add_site(struct sum *sum, const struct profile_site *s)
{
	sum->totals.allocs += s->allocs;
	sum->totals.allocated_bytes += s->allocated_bytes;
	sum->totals.frees += s->frees;
	sum->totals.freed_bytes += s->freed_bytes;
	sum->freed_here += s->freed_here;
	sum->freed_here_bytes += s->freed_here_bytes;
	add_amount(&sum->peak, s->peak);
	if (s->domain == PROFILE_MALLOC)
		add_amount(&sum->totals.temporary, s->temporary);
}

struct equation {
	const char *what;
	uint64_t sites, said;
};

static int differ(const struct equation *e, char *why, size_t why_bytes)
{
	if (why)
		snprintf(why, why_bytes,
			 "its sites add up to %" PRIu64 " %s, not %" PRIu64, e->sites,
			 e->what, e->said);
	return -EBADMSG;
}

static int check_equations(const struct equation *e, size_t n, char *why,
			   size_t why_bytes)
{
	for (size_t i = 0; i < n; i++)
		if (e[i].sites != e[i].said)
			return differ(&e[i], why, why_bytes);
	return 0;
}

/* Every block of this process was seen to come, and its end too. */
static bool is_whole(const struct profile_process *process)
{
	return !process->unknown_frees && !process->unseen_frees && !process->lost;
}

/* And of those that are counted in its row. */
static bool whole(const struct profile *p, const struct profile_process *process)
{
	bool is = p->free_stacks && is_whole(process);

	for (size_t i = 0; is && process->counted && i < p->process_count; i++)
		if (p->processes[i].counted_with == process->serial)
			is = is_whole(&p->processes[i]);
	return is;
}

static int check_process(const struct profile *p, const struct profile_process *process,
			 enum profile_domain domain, const struct sum *sum, char *why,
			 size_t why_bytes)
{
	struct profile_totals said = profile_process_totals(process, domain);
	const struct profile_totals *t = &sum->totals;
	struct profile_amount peak = process->domain[domain].peak;
	bool here = whole(p, process);
	const struct equation equations[] = {
		{"allocations", t->allocs, said.allocs},
		{"allocated bytes", t->allocated_bytes, said.allocated_bytes},
		{"frees", t->frees, said.frees},
		{"freed bytes", t->freed_bytes, said.freed_bytes},
		{"temporary blocks", t->temporary.blocks, said.temporary.blocks},
		{"temporary bytes", t->temporary.bytes, said.temporary.bytes},
		{"blocks at the peak", sum->peak.blocks, peak.blocks},
		{"bytes at the peak", sum->peak.bytes, peak.bytes},
		{"frees where they ran", here ? sum->freed_here : 0,
		 here ? said.frees : 0},
		{"freed bytes where they ran", here ? sum->freed_here_bytes : 0,
		 here ? said.freed_bytes : 0},
	};

	return check_equations(equations, sizeof(equations) / sizeof(*equations), why,
			       why_bytes);
}

/* Classes, where a site has them, count each of its blocks once. */
static int check_classes(const struct profile_site *s, char *why, size_t why_bytes)
{
	uint64_t sizes = 0, lives = 0;

	for (uint32_t i = 0; i < s->sizes_count; i++)
		sizes += s->sizes[i].count;
	for (uint32_t i = 0; i < s->lives_count; i++)
		lives += s->lives[i].count;
	return check_equations(
		(const struct equation[]){
			{"sizes at one site", sizes, s->sizes_count ? s->allocs : 0},
			{"lifetimes at one site", lives, s->lives_count ? s->frees : 0},
		},
		2, why, why_bytes);
}

/* Adds up the sites into sums, PROFILE_DOMAINS of them a process. */
static int add_sites(const struct profile *p, struct profile_serials *serials,
		     struct sum *sums, char *why, size_t why_bytes)
{
	struct profile_amount tree = {0};

	for (size_t i = 0; i < p->site_count; i++) {
		const struct profile_site *s = &p->sites[i];
		size_t process = profile_serials_find(serials, s->process_serial);
		int r = check_classes(s, why, why_bytes);

		if (r < 0)
			return r;
		if (process == SIZE_MAX || s->domain >= PROFILE_DOMAINS)
			return differ(&(struct equation){"sites of no process", 1, 0},
				      why, why_bytes);
		add_site(&sums[process * PROFILE_DOMAINS + s->domain], s);
		if (s->domain == PROFILE_MALLOC)
			add_amount(&tree, s->tree_peak);
	}
	return check_equations(
		(const struct equation[]){
			{"blocks at the peak of all", tree.blocks, p->tree_peak.blocks},
			{"bytes at the peak of all", tree.bytes, p->tree_peak.bytes},
		},
		2, why, why_bytes);
}

int profile_check(const struct profile *p, char *why, size_t why_bytes)
{
	_cleanup_(profile_serials_done) struct profile_serials serials = {0};
	_cleanup_(freep) struct sum *sums =
		calloc(p->process_count * PROFILE_DOMAINS + 1, sizeof(*sums));
	int r = profile_serials_init(&serials, p);

	if (r < 0 || !sums)
		return -ENOMEM;
	r = add_sites(p, &serials, sums, why, why_bytes);
	for (size_t i = 0; r >= 0 && i < p->process_count * PROFILE_DOMAINS; i++)
		r = check_process(p, &p->processes[i / PROFILE_DOMAINS],
				  i % PROFILE_DOMAINS, &sums[i], why, why_bytes);
	return r;
}
