#include "cli/profile/merge.h"

#include "cli/base/cleanup.h"
#include "cli/profile/merge_input.h"

#include <string.h>

enum { NOTE_BYTES = 1024 /* of versions, hosts or options put together */ };

int profile_merge_open(struct profile_merge **ret)
{
	struct profile_merge *m = calloc(1, sizeof(*m));

	if (m)
		m->p = profile_new();
	if (!m || !m->p) {
		free(m);
		return -ENOMEM;
	}
	*ret = m;
	return 0;
}

void profile_merged_done(struct profile_merged *merged)
{
	profile_close(merged->p);
	for (size_t i = 0; i < merged->more_count; i++)
		profile_close(merged->more[i]);
	free(merged->more);
	*merged = (struct profile_merged){0};
}

void profile_merge_close(struct profile_merge *m)
{
	if (!m)
		return;
	profile_merged_done(
		&(struct profile_merged){m->p, m->more, m->inputs ? m->inputs - 1 : 0});
	table_done(&m->modules);
	table_done(&m->codes);
	table_done(&m->sources);
	free(m->stacks.slots);
	free(m->runs);
	table_done(&m->frame_names);
	table_done(&m->frame_places);
	pairs_done(&m->run_numbers);
	strings_done(&m->bases);
	free(m->next_module);
	free(m->spans);
	free(m);
}

static void input_done(struct merge_input *in)
{
	free(in->strings);
	free(in->codes);
	free(in->runs);
	free(in->stacks);
	free(in->modules);
	free(in->serials);
	free(in->module_taken);
	free(in->stack_taken);
	profile_serials_done(&in->known);
}

static int input_open(struct merge_input *in, struct profile_merge *m,
		      struct profile *from)
{
	*in = (struct merge_input){.m = m, .from = from, .to = m->p};
	in->offset_ns = m->spans[m->inputs].start;
	in->rank = m->last_rank;
	in->highest = from->tree_peak.bytes > m->p->tree_peak.bytes;
	in->strings = calloc(from->strings.count + 1, sizeof(*in->strings));
	in->codes = calloc(from->code_count + 1, sizeof(*in->codes));
	in->runs = calloc(from->code_count + 1, sizeof(*in->runs));
	in->stacks = calloc(from->stack_count + 1, sizeof(*in->stacks));
	in->modules = calloc(from->module_count + 1, sizeof(*in->modules));
	in->serials = calloc(from->process_count + 1, sizeof(*in->serials));
	in->module_taken = calloc(m->p->module_count + 1, 1);
	in->stack_count = m->p->stack_count;
	in->stack_taken = calloc(in->stack_count + 1, 1);
	if (!in->strings || !in->codes || !in->runs || !in->stacks || !in->modules ||
	    !in->serials || !in->module_taken || !in->stack_taken)
		return -ENOMEM;
	return profile_serials_init(&in->known, from);
}

/* ---- processes, sites, bins ------------------------------------------------------ */

/* Serials behind all that are there, in the order that they had. */
static int choose_serials(struct merge_input *in)
{
	uint32_t last = 0;

	for (size_t i = 0; i < in->to->process_count; i++)
		last = in->to->processes[i].serial > last ? in->to->processes[i].serial
							  : last;
	if (in->from->process_count >= UINT32_MAX - last)
		return -EOVERFLOW;
	for (size_t k = 0; k < in->from->process_count; k++) {
		uint32_t i = in->known.order[k];

		in->serials[i] = last + 1 + (uint32_t)k;
	}
	return 0;
}

uint32_t merge_serial(struct merge_input *in, uint32_t serial)
{
	size_t i = profile_serials_find(&in->known, serial);

	return i == SIZE_MAX ? 0 : in->serials[i];
}

static int add_processes(struct merge_input *in)
{
	const struct profile *from = in->from;

	for (size_t i = 0; i < from->process_count; i++) {
		struct profile_process *q;

		if (array_reserve(&in->to->processes, &in->to->process_room,
				  in->to->process_count + 1) < 0)
			return -ENOMEM;
		q = &in->to->processes[in->to->process_count++];
		*q = from->processes[i];
		q->serial = in->serials[i];
		if (q->parent_serial)
			q->parent_serial = merge_serial(in, q->parent_serial);
		if (q->counted_with)
			q->counted_with = merge_serial(in, q->counted_with);
		q->command = in->strings[q->command];
		q->exe = in->strings[q->exe];
		merge_shift_process(q, in->offset_ns);
	}
	for (size_t i = 0; i < from->thread_count; i++) {
		struct profile_thread *t = merge_row(in->to, thread);

		if (!t)
			return -ENOMEM;
		*t = from->threads[i];
		t->process_serial = merge_serial(in, t->process_serial);
		if (!t->process_serial)
			return -EBADMSG;
		t->name = in->strings[t->name];
		merge_shift_thread(t, in->offset_ns);
	}
	return 0;
}

static int add_unfollowed(struct merge_input *in)
{
	for (size_t i = 0; i < in->from->unfollowed_count; i++) {
		struct profile_unfollowed *u = merge_row(in->to, unfollowed);

		if (!u)
			return -ENOMEM;
		*u = in->from->unfolloweds[i];
		if (u->parent_serial)
			u->parent_serial = merge_serial(in, u->parent_serial);
		u->program = in->strings[u->program];
		u->at_ns += in->offset_ns;
	}
	return 0;
}

static int add_marks(struct merge_input *in)
{
	for (size_t i = 0; i < in->from->mark_count; i++) {
		struct profile_mark *m = merge_row(in->to, mark);

		if (!m)
			return -ENOMEM;
		*m = in->from->marks[i];
		m->process_serial = merge_serial(in, m->process_serial);
		if (!m->process_serial)
			return -EBADMSG;
		m->name = in->strings[m->name];
		m->at_ns += in->offset_ns;
	}
	return 0;
}

/* Ranks of an input lie behind those of all inputs before it. */
static uint64_t rank_of(const struct profile_merge *m, uint64_t rank)
{
	return rank > UINT64_MAX - m->last_rank ? UINT64_MAX : rank + m->last_rank;
}

/* The sites stay where they are, and are made sites of the result. */
static int add_sites(struct merge_input *in)
{
	struct profile *from = in->from;

	for (size_t i = 0; i < from->site_count; i++) {
		struct profile_site *s = &from->sites[i];

		s->process_serial = merge_serial(in, s->process_serial);
		if (!s->process_serial)
			return -EBADMSG;
		s->stack = in->stacks[s->stack];
		s->last_rank = rank_of(in->m, s->last_rank);
	}
	return 0;
}

static void choose_highest(struct merge_input *in)
{
	const struct profile *from = in->from;

	if (!in->highest)
		return;
	in->to->tree_peak = from->tree_peak;
	in->to->tree_peak_at_ns = from->tree_peak_at_ns + in->offset_ns;
	in->m->highest = in->m->inputs;
}

/* What depends on all inputs: where a recording begins, and whether the peak of all is
 * its own. */
static void settle_sites(struct profile *p, uint64_t offset_ns, bool highest)
{
	if (!offset_ns && highest)
		return;
	for (size_t i = 0; i < p->site_count; i++) {
		struct profile_site *s = &p->sites[i];

		if (!highest)
			s->tree_peak = (struct profile_amount){0};
		if (!s->allocs)
			continue;
		s->first_ns += offset_ns;
		s->last_ns += offset_ns;
	}
}

/* ---- the description -------------------------------------------------- */

/* Whether a text is one of a list's, "a, b". */
static bool is_listed(const char *list, const char *text)
{
	size_t len = strlen(text);

	for (const char *at = list; (at = strstr(at, text)); at++) {
		bool starts =
			at == list || (at - list > 1 && !strncmp(at - 2, ", ", 2));

		if (starts && (!at[len] || !strncmp(at + len, ", ", 2)))
			return true;
	}
	return false;
}

/* "a, b": what several recordings said, each once. 0 or -ENOMEM. */
static int join(struct strings *strings, uint32_t *to, uint32_t more)
{
	const char *a = strings_get(strings, *to), *b = strings_get(strings, more);
	char text[NOTE_BYTES];
	uint32_t joined;

	if (*to == more || !*b)
		return 0;
	if (!*a) {
		*to = more;
		return 0;
	}
	if (strlen(a) + strlen(b) + 3 > sizeof(text) || is_listed(a, b))
		return 0;
	strcpy(stpcpy(stpcpy(text, a), ", "), b);
	joined = strings_add(strings, text);
	if (joined == UINT32_MAX)
		return -ENOMEM;
	*to = joined;
	return 0;
}

static int describe(struct merge_input *in)
{
	const struct profile *from = in->from;
	struct profile *to = in->to;

	to->complete = from->complete && to->complete;
	to->symbolised = from->symbolised && to->symbolised;
	to->free_stacks = from->free_stacks && to->free_stacks;
	to->lossy = from->lossy || to->lossy;
	/* The coarsest: what it says of the error holds for all. */
	to->sampled = from->sampled > to->sampled ? from->sampled : to->sampled;
	to->lost_no_ring += from->lost_no_ring;
	to->cut_stacks += from->cut_stacks;
	if (!to->write_error)
		to->write_error = from->write_error;
	if (join(&to->strings, &to->version, in->strings[from->version]) < 0 ||
	    join(&to->strings, &to->host, in->strings[from->host]) < 0 ||
	    join(&to->strings, &to->options, in->strings[from->options]) < 0 ||
	    join(&to->strings, &to->stopped, in->strings[from->stopped]) < 0)
		return -ENOMEM;
	return 0;
}

/* ---- inputs ------------------------------------------------------------ */

static struct merge_look look_at(struct profile *p)
{
	struct merge_look look = {0};

	for (size_t i = 0; i < p->site_count; i++) {
		struct profile_site *s = &p->sites[i];

		look.last_ns =
			merge_later(look.last_ns, merge_later(s->first_ns, s->last_ns));
		look.last_rank = merge_later(look.last_rank, s->last_rank);
		s->dirty = 1;
	}
	return look;
}

/* The first input is what comes of it, until there is another. */
static void begin_with(struct profile_merge *m, struct profile *from)
{
	profile_close(m->p);
	m->p = from;
	for (size_t i = 0; i < from->piece_count; i++)
		free(from->pieces[i].data);
	from->snapshot_count = from->piece_count = from->proof_count = 0;
}

/* All but the sites, of which a number at most changes. */
static int join_to(struct profile_merge *m, struct profile *from)
{
	_cleanup_(input_done) struct merge_input in = {0};
	int r = input_open(&in, m, from);

	if (!r)
		r = merge_know_code(m);
	if (!r)
		r = merge_code(&in);
	if (!r)
		r = merge_stacks(&in);
	if (!r)
		r = choose_serials(&in);
	if (!r)
		r = add_processes(&in);
	if (!r)
		r = add_unfollowed(&in);
	if (!r)
		r = add_marks(&in);
	if (!r)
		r = add_sites(&in);
	if (!r)
		r = merge_shares(&in);
	if (!r)
		r = merge_bins(&in);
	if (!r)
		r = describe(&in);
	if (!r)
		choose_highest(&in);
	return r;
}

int profile_merge_add(struct profile_merge *m, struct profile *from)
{
	_cleanup_(profile_closep) struct profile *owned = from;
	struct merge_look look = look_at(from);
	int r;

	if (array_reserve(&m->more, &m->more_room, m->inputs + 1) < 0)
		return -ENOMEM;
	if (!m->inputs)
		begin_with(m, take_ptr(owned));
	r = merge_place(m, from, look);
	if (!r && m->inputs)
		r = join_to(m, from);
	if (r < 0)
		return r;
	m->last_rank = rank_of(m, look.last_rank);
	if (m->inputs) {
		profile_keep_sites(from);
		m->more[m->inputs - 1] = take_ptr(owned);
	}
	m->inputs++;
	return 0;
}

int profile_merge_finish(struct profile_merge *m, struct profile_merged *ret)
{
	int r = merge_epochs(m);

	if (!r)
		r = merge_timeline(m);
	if (r < 0)
		return r;
	for (size_t i = 0; i < m->inputs; i++)
		settle_sites(i ? m->more[i - 1] : m->p, m->spans[i].start,
			     i == m->highest);
	*ret = (struct profile_merged){take_ptr(m->p), take_ptr(m->more),
				       m->inputs ? m->inputs - 1 : 0};
	m->inputs = 0;
	return 0;
}
