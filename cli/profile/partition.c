#include "cli/profile/partition.h"

#include "cli/base/cleanup.h"
#include "cli/profile/totals.h"

#include <errno.h>
#include <stdint.h>

enum { AHEAD = 64 }; /* sites looked at before the table is made */

void partition_done(struct partition *x)
{
	table_done(&x->sites);
}

static bool is_of(const struct profile_site *s, const struct profile_share *row)
{
	return s->stack == row->stack && s->process_serial == row->process_serial &&
	       s->domain == row->domain;
}

static struct table_key key_of(uint32_t process, uint32_t stack, uint32_t domain)
{
	return (struct table_key){(uint64_t)process << 32 | stack, domain};
}

static int make_table(struct partition *x)
{
	const struct profile *p = x->profile;

	for (size_t i = 0; i < p->site_count; i++) {
		const struct profile_site *s = &p->sites[i];
		uint64_t *index =
			table_put(&x->sites,
				  key_of(s->process_serial, s->stack, s->domain), NULL);

		if (!index)
			return -ENOMEM;
		*index = i;
	}
	return 0;
}

int partition_site(struct partition *x, const struct profile_share *row, size_t *ret)
{
	const struct profile *p = x->profile;
	uint64_t *index;

	for (size_t i = x->last; i < p->site_count && i - x->last < AHEAD; i++)
		if (is_of(&p->sites[i], row)) {
			*ret = x->last = i;
			return 0;
		}
	if (p->site_count && !x->sites.count && make_table(x) < 0)
		return -ENOMEM;
	index = table_get(&x->sites,
			  key_of(row->process_serial, row->stack, row->domain));
	*ret = index ? (size_t)*index : SIZE_MAX;
	if (index)
		x->last = *ret;
	return 0;
}

size_t partition_run(const struct profile_share *rows, size_t count)
{
	size_t n = 1;

	while (n < count && profile_share_same_site(&rows[n - 1], &rows[n]))
		n++;
	return n;
}

/* ---- the last row -------------------------------------------------------- */

/* What adds up over the rows of a site. */
#define EACH_COUNT(see)                                                                \
	see(allocs) see(allocated_bytes) see(frees) see(freed_bytes) see(freed_here)   \
		see(freed_here_bytes) see(temporary.blocks) see(temporary.bytes)       \
			see(died.blocks) see(died.bytes) see(peak.blocks)              \
				see(peak.bytes) see(tree_peak.blocks)                  \
					see(tree_peak.bytes) see(left.blocks)          \
						see(left.bytes)

/* Takes a row from what is left of its site. false: it has more than is left. */
static bool subtract(struct profile_share *left, const struct profile_share *row)
{
#define SUBTRACT(field)                                                                \
	if (row->field > left->field)                                                  \
		return false;                                                          \
	left->field -= row->field;
	EACH_COUNT(SUBTRACT)
#undef SUBTRACT
	return true;
}

static bool is_sound(const struct profile_share *row)
{
	return row->died.blocks <= row->allocs &&
	       row->died.bytes <= row->allocated_bytes;
}

/* leaves: its row is one that others are counted in, all of which have ended. */
static struct profile_share whole(const struct profile_site *s, bool peaks, bool leaves)
{
	struct profile_share all = {
		.allocs = s->allocs,
		.allocated_bytes = s->allocated_bytes,
		.frees = s->frees,
		.freed_bytes = s->freed_bytes,
		.freed_here = s->freed_here,
		.freed_here_bytes = s->freed_here_bytes,
		.temporary = s->temporary,
		.died = {s->frees, s->freed_bytes},
	};

	if (peaks) {
		all.peak = s->peak;
		all.tree_peak = s->tree_peak;
	} else {
		all.last_rank = s->last_rank;
		all.last_live_bytes = s->last_live_bytes;
	}
	if (leaves)
		all.left = profile_site_live(s);
	return all;
}

/* n rows of one site. false: they cannot be true. Its last row was written without
 * its counts. */
static bool restore(const struct profile_site *site, struct profile_share *rows,
		    size_t n, bool by_time, bool leaves)
{
	struct profile_share *last = &rows[n - 1], left = whole(site, !by_time, leaves);

	for (size_t i = 0; i + 1 < n; i++) {
		if (!by_time)
			rows[i].died = (struct profile_amount){rows[i].frees,
							       rows[i].freed_bytes};
		if (rows[i].value >= rows[i + 1].value || !is_sound(&rows[i]) ||
		    !subtract(&left, &rows[i]))
			return false;
	}
	left.process_serial = last->process_serial;
	left.stack = last->stack;
	left.domain = last->domain;
	left.value = last->value;
	*last = left;
	return is_sound(last);
}

/* Live after each row: never below nothing. */
static bool lives(const struct profile_share *rows, size_t n)
{
	uint64_t blocks = 0, bytes = 0;

	for (size_t i = 0; i < n; i++) {
		blocks += rows[i].allocs;
		bytes += rows[i].allocated_bytes;
		if (rows[i].frees > blocks || rows[i].freed_bytes > bytes)
			return false;
		blocks -= rows[i].frees;
		bytes -= rows[i].freed_bytes;
		if (rows[i].left.blocks > blocks || rows[i].left.bytes > bytes)
			return false;
		blocks -= rows[i].left.blocks;
		bytes -= rows[i].left.bytes;
	}
	return true;
}

/* Of that serial's row. (Its processes have ended, one by one, when times are kept.) */
static bool leaves(const struct profile *p, struct profile_serials *serials,
		   const struct profile_share *row)
{
	size_t process = profile_serials_find(serials, row->process_serial);

	return process != SIZE_MAX && p->processes[process].counted;
}

static const char *check_epochs(const struct profile *p)
{
	for (size_t i = 1; i < p->epoch_count; i++)
		if (p->epochs[i].at_ns <= p->epochs[i - 1].at_ns)
			return "its epochs go back";
	return NULL;
}

/* Whether a site may have shares; whether it must. */
static bool may_be_cut(const struct profile_site *s, enum profile_dimension by)
{
	return by == PROFILE_TIMES || s->domain == PROFILE_MALLOC;
}

static bool is_cut(const struct profile_site *s, enum profile_dimension by)
{
	return may_be_cut(s, by) && (s->allocs || s->freed_here);
}

/* The last one of a site; the others are less. */
static bool is_value(uint32_t value, enum profile_dimension by, size_t values)
{
	return value < values || (by == PROFILE_OWNERS && value == PROFILE_OTHERS);
}

static int restore_all(struct profile *p, struct profile_share *all, size_t count,
		       enum profile_dimension by, size_t values, const char **ret_wrong)
{
	_cleanup_(partition_done) struct partition x = partition_of(p);
	_cleanup_(profile_serials_done) struct profile_serials serials = {0};
	_cleanup_(freep) unsigned char *seen = calloc(p->site_count + 1, 1);
	bool by_time = by == PROFILE_TIMES;
	size_t n, site;

	if (!seen || profile_serials_init(&serials, p) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < count; i += n) {
		struct profile_share *rows = &all[i];

		n = partition_run(rows, count - i);
		if (partition_site(&x, rows, &site) < 0)
			return -ENOMEM;
		if (site == SIZE_MAX || seen[site]++ || !may_be_cut(&p->sites[site], by)) {
			*ret_wrong = "a share is of a site that is not there";
			return 0;
		}
		if (!is_value(rows[n - 1].value, by, values) ||
		    (n > 1 && rows[n - 2].value >= values) ||
		    !restore(&p->sites[site], rows, n, by_time,
			     by_time && leaves(p, &serials, rows)) ||
		    (by_time && !lives(rows, n))) {
			*ret_wrong = "the shares of a site are not its parts";
			return 0;
		}
	}
	for (size_t i = 0; i < p->site_count; i++)
		if (!seen[i] && is_cut(&p->sites[i], by))
			*ret_wrong = "a site has no shares, and others have";
	return 0;
}

int partition_restore(struct profile *p, unsigned loaded, const char **ret_wrong)
{
	unsigned by = loaded & p->dimensions;
	int r = 0;

	p->dimensions &= PROFILE_DIMENSIONS;
	if (!(p->dimensions & PROFILE_TIMES))
		p->time_count = p->epoch_count = 0;
	if (!(p->dimensions & PROFILE_SIZES))
		p->size_count = 0;
	if (!(p->dimensions & PROFILE_OWNERS))
		p->owner_count = 0;
	p->shares_new = (loaded & PROFILE_DIMENSIONS) == PROFILE_DIMENSIONS;

	*ret_wrong = check_epochs(p);
	if (!*ret_wrong && by & PROFILE_TIMES)
		r = restore_all(p, p->times, p->time_count, PROFILE_TIMES,
				p->epoch_count, ret_wrong);
	if (!r && !*ret_wrong && by & PROFILE_SIZES)
		r = restore_all(p, p->sizes, p->size_count, PROFILE_SIZES, 64,
				ret_wrong);
	if (!r && !*ret_wrong && by & PROFILE_OWNERS)
		r = restore_all(p, p->owners, p->owner_count, PROFILE_OWNERS,
				p->thread_count, ret_wrong);
	return r;
}
