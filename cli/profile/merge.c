#include "cli/profile/merge.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/table.h"
#include "cli/profile/totals.h"

#include <errno.h>
#include <string.h>

enum {
	FRAMES_COMPARED = 1024, /* of one code; longer ones are never shared */
	NOTE_BYTES = 1024,	/* of versions, hosts or options put together */
};

#define FAR_NS (100ull * 366 * 86400 * 1000000000) /* a clock that is wrong */

/* Where one recording lies in the common time. */
struct span {
	uint64_t start, end;
};

struct profile_merge {
	struct profile *p;
	size_t inputs;
	struct span *spans;
	size_t span_count, span_room;

	/* What is in p already: content -> index + 1. */
	struct table modules, codes, stacks, sources;
	/* Numbers of runs of frames, and of (module, flags, run). */
	struct table frame_names, frame_places, runs, places;
	struct strings bases;  /* last parts of modules' paths */
	uint32_t *next_module; /* by index: the next of that build-id + 1, or 0 */
	size_t next_room;
};

/* One profile on its way into p. */
struct input {
	struct profile_merge *m;
	const struct profile *from;
	struct profile *to;
	uint64_t offset_ns; /* of its moment 0 */
	uint64_t rank;	    /* what its ranks begin behind */
	/* Numbers in `to` of what has a number in `from`. */
	uint32_t *strings, *codes, *stacks;
	uint64_t *runs; /* by code of `from`: what it stands for, whatever its number */
	uint32_t *modules; /* index + 1 both; [0] is none */
	uint32_t *serials; /* by index of the process */
	struct profile_serials known;
	/* Things of `to` that were there before, and those that this input has taken:
	 * each at most once, so that what differs in an input differs in the result. */
	size_t had_modules, had_codes, had_stacks, had_sources;
	unsigned char *module_taken, *stack_taken;
	size_t frames_added;
	bool all_frames; /* are in `to`, from first_frame on */
	size_t first_frame;
};

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

static void input_done(struct input *in)
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

static int input_open(struct input *in, struct profile_merge *m,
		      const struct profile *from)
{
	*in = (struct input){.m = m, .from = from, .to = m->p};
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

/* A new row at the end of one of to's arrays; NULL without memory, or room for its
 * number. */
#define add_row(to, member)                                                            \
	((to)->member##_count >= UINT32_MAX - 1 ||                                     \
			 array_reserve(&(to)->member##s, &(to)->member##_room,         \
				       (to)->member##_count + 1) < 0                   \
		 ? NULL                                                                \
		 : &(to)->member##s[(to)->member##_count++])

/* The number of a key, given out in order of coming; 0 without memory. */
static uint64_t number_of(struct table *t, uint64_t a, uint64_t b)
{
	bool is_new;
	uint64_t *number = table_put(t, (struct table_key){a, b}, &is_new);

	if (!number)
		return 0;
	if (is_new)
		*number = t->count;
	return *number;
}

/* Notes where a thing is, unless one like it is noted. 0 or -ENOMEM. */
static int note(struct table *t, uint64_t a, uint64_t b, size_t index)
{
	bool is_new;
	uint64_t *value = table_put(t, (struct table_key){a, b}, &is_new);

	if (!value)
		return -ENOMEM;
	if (is_new)
		*value = index + 1;
	return 0;
}

/* The index of a thing that was there before this input; SIZE_MAX: none. */
static size_t find(const struct table *t, uint64_t a, uint64_t b, size_t had)
{
	uint64_t *value = table_get(t, (struct table_key){a, b});

	return value && *value - 1 < had ? (size_t)*value - 1 : SIZE_MAX;
}

/* ---- strings and modules ----------------------------------------------------- */

static int add_strings(struct input *in)
{
	const struct strings *from = &in->from->strings;

	for (uint32_t i = 0; i < from->count; i++) {
		in->strings[i] = strings_add(&in->to->strings, from->items[i]);
		if (in->strings[i] == UINT32_MAX)
			return -ENOMEM;
	}
	return 0;
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* By what a module is known; path and build_id are strings of the result. */
static int module_key(struct profile_merge *m, uint32_t path, uint32_t build_id,
		      uint64_t size, struct table_key *ret)
{
	uint32_t base =
		strings_add(&m->bases, base_of(strings_get(&m->p->strings, path)));

	if (base == UINT32_MAX)
		return -ENOMEM;
	if (build_id)
		*ret = (struct table_key){(uint64_t)build_id << 32 | base, UINT64_MAX};
	else
		*ret = (struct table_key){path, size};
	return 0;
}

static int note_module(struct profile_merge *m, struct table_key key, size_t index)
{
	bool is_new;
	uint64_t *head = table_put(&m->modules, key, &is_new);

	if (!head || array_reserve(&m->next_module, &m->next_room, index + 1) < 0)
		return -ENOMEM;
	/* Behind the first: which one of several is taken first makes no difference. */
	if (is_new) {
		*head = index + 1;
		m->next_module[index] = 0;
	} else {
		m->next_module[index] = m->next_module[*head - 1];
		m->next_module[*head - 1] = (uint32_t)index + 1;
	}
	return 0;
}

/* A module like it that is free to take; SIZE_MAX: none. */
static size_t free_module(const struct input *in, struct table_key key)
{
	uint64_t *head = table_get(&in->m->modules, key);
	size_t index = head ? (size_t)*head : 0;

	while (index && (index - 1 >= in->had_modules || in->module_taken[index - 1]))
		index = in->m->next_module[index - 1];
	return index ? index - 1 : SIZE_MAX;
}

static int add_module(struct input *in, size_t i)
{
	const struct profile_module *from = &in->from->modules[i];
	struct profile_module to = *from, *row;
	struct table_key key;
	size_t like;

	to.path = in->strings[from->path];
	to.build_id = in->strings[from->build_id];
	if (module_key(in->m, to.path, to.build_id, from->end - from->start, &key) < 0)
		return -ENOMEM;
	like = free_module(in, key);
	if (like != SIZE_MAX) {
		in->module_taken[like] = 1;
		in->modules[i + 1] = (uint32_t)like + 1;
		return 0;
	}
	row = add_row(in->to, module);
	if (!row)
		return -ENOMEM;
	*row = to;
	in->modules[i + 1] = (uint32_t)in->to->module_count;
	return note_module(in->m, key, in->to->module_count - 1);
}

/* ---- codes -------------------------------------------------------------------- */

static struct profile_frame translate(const struct input *in,
				      const struct profile_frame *f)
{
	struct profile_frame to = *f;

	to.function = in->strings[f->function];
	to.linkage = in->strings[f->linkage];
	to.file = in->strings[f->file];
	return to;
}

/* The number of a run of frames, in to's strings; 0 without memory. Equal numbers,
 * equal runs. */
static uint64_t run_of(struct input *in, const struct profile_code *code)
{
	struct profile_merge *m = in->m;
	uint64_t run = 0;

	for (uint32_t i = 0; i < code->frames; i++) {
		struct profile_frame f =
			translate(in, &in->from->frames[code->first_frame + i]);
		uint64_t name = number_of(&m->frame_names,
					  (uint64_t)f.function << 32 | f.linkage,
					  (uint64_t)f.file << 32 | f.line);
		uint64_t frame = name ? number_of(&m->frame_places, name,
						  (uint64_t)f.function_first << 32 |
							  f.function_last)
				      : 0;

		run = frame ? number_of(&m->runs, run, frame) : 0;
		if (!run)
			return 0;
	}
	return run;
}

static int copy_frames(struct input *in, size_t first, size_t count)
{
	struct profile *to = in->to;

	if (to->frame_count + count >= UINT32_MAX)
		return -EOVERFLOW;
	if (array_reserve(&to->frames, &to->frame_room, to->frame_count + count) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		to->frames[to->frame_count++] =
			translate(in, &in->from->frames[first + i]);
	in->frames_added += count;
	return 0;
}

/* Copies all frames at once: of the first input; and where runs overlap, as only a
 * made-up file's do, and copies of each would come to more than the whole. */
static int copy_all_frames(struct input *in)
{
	in->all_frames = true;
	in->first_frame = in->to->frame_count;
	return copy_frames(in, 0, in->from->frame_count);
}

static int append_code(struct input *in, size_t i)
{
	const struct profile_code *from = &in->from->codes[i];
	struct profile_code *to;
	int r = 0;

	if (!in->all_frames && from->frames > in->from->frame_count - in->frames_added)
		r = copy_all_frames(in);
	to = add_row(in->to, code);
	if (r < 0 || !to)
		return r < 0 ? r : -ENOMEM;
	to->frames = from->frames;
	if (in->all_frames) {
		to->first_frame = (uint32_t)in->first_frame + from->first_frame;
		return 0;
	}
	to->first_frame = (uint32_t)in->to->frame_count;
	return copy_frames(in, from->first_frame, from->frames);
}

static int add_code(struct input *in, size_t i)
{
	const struct profile_code *code = &in->from->codes[i];
	bool compared = code->frames <= FRAMES_COMPARED;
	uint64_t run = compared ? run_of(in, code) : 0;
	size_t like;
	int r;

	if (compared && !run)
		return -ENOMEM;
	in->runs[i] = run;
	like = compared ? find(&in->m->codes, run, 0, in->had_codes) : SIZE_MAX;
	if (like != SIZE_MAX) {
		in->codes[i] = (uint32_t)like;
		return 0;
	}
	r = append_code(in, i);
	if (r < 0)
		return r;
	in->codes[i] = (uint32_t)in->to->code_count - 1;
	if (!compared)
		in->runs[i] = 1ull << 63 | in->codes[i]; /* like no other */
	return compared ? note(&in->m->codes, run, 0, in->codes[i]) : 0;
}

/* ---- stacks -------------------------------------------------------------------- */

/* A node as it is in `to`: addresses of a module that is there are seen from its bias.
 * Why frames are missing (PROFILE_STACK_CUT) is no address. */
static struct profile_stack node_of(const struct input *in,
				    const struct profile_stack *from)
{
	struct profile_stack to = *from;

	to.parent = in->stacks[from->parent];
	to.module = in->modules[from->module];
	if (from->module && !(from->flags & PROFILE_STACK_CUT))
		to.pc += in->to->modules[to.module - 1].bias -
			 in->from->modules[from->module - 1].bias;
	to.code = from->code ? in->codes[from->code - 1] + 1 : 0;
	return to;
}

static int add_stack(struct input *in, size_t i)
{
	const struct profile_stack *from = &in->from->stacks[i];
	struct profile_stack node = node_of(in, from), *row;
	/* Several codes may say the same: the code's number is no part of the key. */
	uint64_t run = from->code ? in->runs[from->code - 1] : 0;
	uint64_t place = number_of(&in->m->places,
				   (uint64_t)node.module << 32 | node.flags, run);
	uint64_t above = (uint64_t)node.parent << 32 | (uint32_t)place;
	size_t like;

	if (!place || place > UINT32_MAX)
		return -ENOMEM;
	like = find(&in->m->stacks, above, node.pc, in->had_stacks);
	if (like != SIZE_MAX && !in->stack_taken[like]) {
		in->stack_taken[like] = 1;
		in->stacks[i] = (uint32_t)like;
		return 0;
	}
	row = add_row(in->to, stack);
	if (!row)
		return -ENOMEM;
	*row = node;
	in->stacks[i] = (uint32_t)in->to->stack_count - 1;
	return note(&in->m->stacks, above, node.pc, in->stacks[i]);
}

static int add_source(struct input *in, size_t i)
{
	const struct profile_source *from = &in->from->sources[i];
	struct profile_source to = *from, *row;
	uint64_t a, b;

	to.file = in->strings[from->file];
	to.text = in->strings[from->text];
	a = (uint64_t)to.file << 32 | to.first;
	b = (uint64_t)to.count << 32 | to.text;
	if (find(&in->m->sources, a, b, in->had_sources) != SIZE_MAX)
		return 0;
	row = add_row(in->to, source);
	if (!row)
		return -ENOMEM;
	*row = to;
	return note(&in->m->sources, a, b, in->to->source_count - 1);
}

static int add_code_parts(struct input *in)
{
	const struct profile *from = in->from;
	int r = add_strings(in);

	for (size_t i = 0; !r && i < from->module_count; i++)
		r = add_module(in, i);
	if (!r && in->all_frames)
		r = copy_all_frames(in);
	for (size_t i = 0; !r && i < from->code_count; i++)
		r = add_code(in, i);
	/* The root is the root; symbols may say something of it in a made-up file. */
	if (!r && !in->m->inputs && from->stacks[0].code)
		in->to->stacks[0].code = in->codes[from->stacks[0].code - 1] + 1;
	for (size_t i = 1; !r && i < from->stack_count; i++)
		r = add_stack(in, i);
	for (size_t i = 0; !r && i < from->source_count; i++)
		r = add_source(in, i);
	return r;
}

/* ---- time ---------------------------------------------------------------------- */

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* The last moment that anything in a profile names, and one more. */
static uint64_t extent(const struct profile *p)
{
	uint64_t end = later(p->wall_ns, p->tree_peak_at_ns);

	for (size_t i = 0; i < p->process_count; i++) {
		const struct profile_process *q = &p->processes[i];

		end = later(end, later(q->start_ns, q->end_ns));
		for (int d = 0; d < PROFILE_DOMAINS; d++)
			end = later(end, q->domain[d].peak_at_ns);
		for (int m = 0; m < PROFILE_MOMENTS; m++)
			end = later(end, later(q->memory[m].at_ns,
					       q->memory[m].rss_at_ns));
	}
	for (size_t i = 0; i < p->thread_count; i++)
		end = later(end, later(p->threads[i].start_ns, p->threads[i].end_ns));
	for (size_t i = 0; i < p->site_count; i++)
		end = later(end, later(p->sites[i].first_ns, p->sites[i].last_ns));
	for (size_t i = 0; i < p->unfollowed_count; i++)
		end = later(end, p->unfolloweds[i].at_ns);
	if (p->bin_count)
		end = later(end, p->bins[p->bin_count - 1].at_ns);
	return end < UINT64_MAX ? end + 1 : end;
}

static void shift_process(struct profile_process *q, uint64_t ns)
{
	q->start_ns += ns;
	if (q->end != PROFILE_RUNNING || q->end_ns)
		q->end_ns += ns;
	for (int m = 0; m < PROFILE_MOMENTS; m++) {
		q->memory[m].at_ns += q->memory[m].at_ns ? ns : 0;
		q->memory[m].rss_at_ns += q->memory[m].rss_bytes ? ns : 0;
	}
	for (int d = 0; d < PROFILE_DOMAINS; d++)
		if (q->domain[d].peak.blocks || q->domain[d].peak.bytes)
			q->domain[d].peak_at_ns += ns;
}

static void shift_thread(struct profile_thread *t, uint64_t ns)
{
	t->start_ns += ns;
	if (t->end_ns)
		t->end_ns += ns;
}

static void shift_site(struct profile_site *s, uint64_t ns)
{
	if (!s->allocs)
		return;
	s->first_ns += ns;
	s->last_ns += ns;
}

/* Makes room for an earlier recording before all others. */
static void shift_all(struct profile_merge *m, uint64_t ns)
{
	struct profile *p = m->p;

	for (size_t i = 0; i < p->process_count; i++)
		shift_process(&p->processes[i], ns);
	for (size_t i = 0; i < p->thread_count; i++)
		shift_thread(&p->threads[i], ns);
	for (size_t i = 0; i < p->site_count; i++)
		shift_site(&p->sites[i], ns);
	for (size_t i = 0; i < p->bin_count; i++)
		p->bins[i].at_ns += ns;
	for (size_t i = 0; i < p->unfollowed_count; i++)
		p->unfolloweds[i].at_ns += ns;
	for (size_t i = 0; i < m->span_count; i++) {
		m->spans[i].start += ns;
		m->spans[i].end += ns;
	}
	p->tree_peak_at_ns += ns;
	p->wall_ns += ns;
}

static bool is_free(const struct profile_merge *m, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < m->span_count; i++)
		if (start < m->spans[i].end && m->spans[i].start < end)
			return false;
	return true;
}

static uint64_t end_of_all(const struct profile_merge *m)
{
	uint64_t end = 0;

	for (size_t i = 0; i < m->span_count; i++)
		end = later(end, m->spans[i].end);
	return end;
}

/* Where a recording of that length lies: its moment 0 in the common time. */
static uint64_t choose_place(struct profile_merge *m, uint64_t start_unix_ns,
			     uint64_t length)
{
	uint64_t first = m->p->start_unix_ns, ns;

	if (!start_unix_ns || !first)
		return end_of_all(m);
	if (start_unix_ns >= first) {
		ns = start_unix_ns - first;
		return ns < FAR_NS && is_free(m, ns, ns + length) ? ns : end_of_all(m);
	}
	ns = first - start_unix_ns;
	if (ns >= FAR_NS || length > ns)
		return end_of_all(m);
	shift_all(m, ns);
	m->p->start_unix_ns = start_unix_ns;
	return 0;
}

static int place(struct input *in)
{
	struct profile_merge *m = in->m;
	uint64_t length = extent(in->from);

	if (array_reserve(&m->spans, &m->span_room, m->span_count + 1) < 0)
		return -ENOMEM;
	if (!m->inputs) {
		m->p->start_unix_ns = in->from->start_unix_ns;
	} else {
		if (length > UINT64_MAX / 4 || end_of_all(m) > UINT64_MAX / 4)
			return -EOVERFLOW;
		in->offset_ns = choose_place(m, in->from->start_unix_ns, length);
	}
	m->spans[m->span_count++] =
		(struct span){in->offset_ns, in->offset_ns + length};
	m->p->wall_ns = later(m->p->wall_ns, in->offset_ns + in->from->wall_ns);
	return 0;
}

/* ---- processes, sites, bins ------------------------------------------------------ */

/* Serials behind all that are there, in the order that they had. */
static int choose_serials(struct input *in)
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

/* A process's serial in `to`; 0: it is not there. */
static uint32_t serial_of(struct input *in, uint32_t serial)
{
	size_t i = profile_serials_find(&in->known, serial);

	return i == SIZE_MAX ? 0 : in->serials[i];
}

static int add_processes(struct input *in)
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
			q->parent_serial = serial_of(in, q->parent_serial);
		q->command = in->strings[q->command];
		q->exe = in->strings[q->exe];
		shift_process(q, in->offset_ns);
	}
	for (size_t i = 0; i < from->thread_count; i++) {
		struct profile_thread *t = add_row(in->to, thread);

		if (!t)
			return -ENOMEM;
		*t = from->threads[i];
		t->process_serial = serial_of(in, t->process_serial);
		if (!t->process_serial)
			return -EBADMSG;
		t->name = in->strings[t->name];
		shift_thread(t, in->offset_ns);
	}
	return 0;
}

static int add_unfollowed(struct input *in)
{
	for (size_t i = 0; i < in->from->unfollowed_count; i++) {
		struct profile_unfollowed *u = add_row(in->to, unfollowed);

		if (!u)
			return -ENOMEM;
		*u = in->from->unfolloweds[i];
		if (u->parent_serial)
			u->parent_serial = serial_of(in, u->parent_serial);
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

static int add_site(struct input *in, const struct profile_site *from, bool in_peak)
{
	struct profile_site *s = add_row(in->to, site);
	int sizes, lives;

	if (!s)
		return -ENOMEM;
	*s = *from;
	sizes = copy_classes(&s->sizes, s->sizes_count);
	lives = copy_classes(&s->lives, s->lives_count);
	if (sizes < 0 || lives < 0)
		return -ENOMEM;
	s->process_serial = serial_of(in, from->process_serial);
	if (!s->process_serial)
		return -EBADMSG;
	s->stack = in->stacks[from->stack];
	s->dirty = 1;
	s->last_rank = from->last_rank > UINT64_MAX - in->rank
			       ? UINT64_MAX
			       : from->last_rank + in->rank;
	if (!in_peak)
		s->tree_peak = (struct profile_amount){0};
	shift_site(s, in->offset_ns);
	return 0;
}

static int add_sites(struct input *in)
{
	struct profile *to = in->to;
	const struct profile *from = in->from;
	bool highest = !in->m->inputs || from->tree_peak.bytes > to->tree_peak.bytes;

	for (size_t i = 0; i < to->site_count; i++) {
		in->rank = later(in->rank, to->sites[i].last_rank);
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

static int add_bins(struct input *in)
{
	for (size_t i = 0; i < in->from->bin_count; i++) {
		struct profile_bin *b = add_row(in->to, bin);

		if (!b)
			return -ENOMEM;
		*b = in->from->bins[i];
		b->at_ns += in->offset_ns;
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

static int describe(struct input *in)
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
	_cleanup_(input_done) struct input in = {0};
	int r = input_open(&in, m, from);

	if (!r)
		r = place(&in);
	if (!r)
		r = add_code_parts(&in);
	if (!r)
		r = choose_serials(&in);
	if (!r)
		r = add_processes(&in);
	if (!r)
		r = add_unfollowed(&in);
	if (!r)
		r = add_sites(&in);
	if (!r)
		r = add_bins(&in);
	if (!r)
		r = describe(&in);
	m->inputs++;
	return r;
}

/* ---- the timeline ----------------------------------------------------- */

static int by_time(const void *left, const void *right)
{
	const struct profile_bin *a = left, *b = right;

	return a->at_ns < b->at_ns ? -1 : a->at_ns > b->at_ns;
}

static bool begins(const struct profile_merge *m, uint64_t at)
{
	for (size_t i = 0; i < m->span_count; i++)
		if (m->spans[i].start == at)
			return true;
	return false;
}

/* Between two recordings nothing is live. */
static int close_spans(struct profile_merge *m)
{
	uint64_t end = end_of_all(m);

	for (size_t i = 0; i < m->span_count; i++) {
		struct profile_bin *b;

		if (m->spans[i].end == end || begins(m, m->spans[i].end))
			continue;
		b = add_row(m->p, bin);
		if (!b)
			return -ENOMEM;
		*b = (struct profile_bin){.at_ns = m->spans[i].end};
	}
	return 0;
}

static void join_bins(struct profile_bin *a, const struct profile_bin *b)
{
	a->min_bytes = a->min_bytes < b->min_bytes ? a->min_bytes : b->min_bytes;
	a->max_bytes = later(a->max_bytes, b->max_bytes);
	a->last_bytes = b->last_bytes;
	a->last_blocks = b->last_blocks;
	a->allocs += b->allocs;
	if (b->rss_bytes)
		a->rss_bytes = b->rss_bytes;
}

/* Joins neighbours until there are few enough. */
static void thin_out(struct profile *p)
{
	size_t each = p->bin_count / PROFILE_MERGE_BINS + 1, kept = 0;

	for (size_t i = 0; i < p->bin_count; i++) {
		if (i % each == 0)
			p->bins[kept++] = p->bins[i];
		else
			join_bins(&p->bins[kept - 1], &p->bins[i]);
	}
	p->bin_count = kept;
}

int profile_merge_finish(struct profile_merge *m, struct profile **ret)
{
	if (m->inputs > 1) {
		if (close_spans(m) < 0)
			return -ENOMEM;
		if (m->p->bin_count)
			qsort(m->p->bins, m->p->bin_count, sizeof(*m->p->bins),
			      by_time);
		thin_out(m->p);
	}
	*ret = take_ptr(m->p);
	return 0;
}
