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

void profile_merge_close(struct profile_merge *m)
{
	if (!m)
		return;
	profile_close(m->p);
	table_done(&m->modules);
	table_done(&m->codes);
	table_done(&m->stacks);
	table_done(&m->sources);
	table_done(&m->frame_names);
	table_done(&m->frame_places);
	table_done(&m->runs);
	table_done(&m->places);
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
		      const struct profile *from)
{
	*in = (struct merge_input){.m = m, .from = from, .to = m->p};
	in->had_modules = m->p->module_count;
	in->had_codes = m->p->code_count;
	in->had_stacks = m->p->stack_count;
	in->had_sources = m->p->source_count;
	in->all_frames = !m->inputs;
	in->strings = calloc(from->strings.count + 1, sizeof(*in->strings));
	in->codes = calloc(from->code_count + 1, sizeof(*in->codes));
	in->runs = calloc(from->code_count + 1, sizeof(*in->runs));
	in->stacks = calloc(from->stack_count + 1, sizeof(*in->stacks));
	in->modules = calloc(from->module_count + 1, sizeof(*in->modules));
	in->serials = calloc(from->process_count + 1, sizeof(*in->serials));
	in->module_taken = calloc(in->had_modules + 1, 1);
	in->stack_taken = calloc(in->had_stacks + 1, 1);
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

		in->serials[i] = in->m->inputs ? last + 1 + (uint32_t)k
					       : in->from->processes[i].serial;
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

static int copy_classes(struct profile_class **items, uint32_t count)
{
	struct profile_class *copy = NULL;

	if (count) {
		copy = malloc(count * sizeof(*copy));
		if (copy)
			memcpy(copy, *items, count * sizeof(*copy));
	}
	*items = copy;
	return count && !copy ? -ENOMEM : 0;
}

static int add_site(struct merge_input *in, const struct profile_site *from,
		    bool in_peak)
{
	struct profile_site *s = merge_row(in->to, site);
	int sizes, lives;

	if (!s)
		return -ENOMEM;
	*s = *from;
	sizes = copy_classes(&s->sizes, s->sizes_count);
	lives = copy_classes(&s->lives, s->lives_count);
	if (sizes < 0 || lives < 0)
		return -ENOMEM;
	s->process_serial = merge_serial(in, from->process_serial);
	if (!s->process_serial)
		return -EBADMSG;
	s->stack = in->stacks[from->stack];
	s->dirty = 1;
	s->last_rank = from->last_rank > UINT64_MAX - in->rank
			       ? UINT64_MAX
			       : from->last_rank + in->rank;
	if (!in_peak)
		s->tree_peak = (struct profile_amount){0};
	merge_shift_site(s, in->offset_ns);
	return 0;
}

static int add_sites(struct merge_input *in)
{
	struct profile *to = in->to;
	const struct profile *from = in->from;
	bool highest = !in->m->inputs || from->tree_peak.bytes > to->tree_peak.bytes;

	in->highest = highest;
	for (size_t i = 0; i < to->site_count; i++) {
		in->rank = merge_later(in->rank, to->sites[i].last_rank);
		if (highest)
			to->sites[i].tree_peak = (struct profile_amount){0};
	}
	for (size_t i = 0; i < from->site_count; i++) {
		int r = add_site(in, &from->sites[i], highest);

		if (r < 0)
			return r;
	}
	if (highest) {
		to->tree_peak = from->tree_peak;
		to->tree_peak_at_ns = from->tree_peak_at_ns + in->offset_ns;
	}
	return 0;
}

/* ---- the description -------------------------------------------------- */

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
	if (strlen(a) + strlen(b) + 3 > sizeof(text) || strstr(a, b))
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
	bool first = !in->m->inputs;

	to->complete = from->complete && (first || to->complete);
	to->symbolised = from->symbolised && (first || to->symbolised);
	to->free_stacks = from->free_stacks && (first || to->free_stacks);
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

int profile_merge_add(struct profile_merge *m, const struct profile *from)
{
	_cleanup_(input_done) struct merge_input in = {0};
	int r = input_open(&in, m, from);

	if (!r)
		r = merge_place(&in);
	if (!r)
		r = merge_code(&in);
	if (!r)
		r = choose_serials(&in);
	if (!r)
		r = add_processes(&in);
	if (!r)
		r = add_unfollowed(&in);
	if (!r)
		r = add_sites(&in);
	if (!r)
		r = merge_shares(&in);
	if (!r)
		r = merge_bins(&in);
	if (!r)
		r = describe(&in);
	m->inputs++;
	return r;
}

int profile_merge_finish(struct profile_merge *m, struct profile **ret)
{
	int r = merge_epochs(m);

	if (!r)
		r = merge_timeline(m);
	if (!r)
		*ret = take_ptr(m->p);
	return r;
}
