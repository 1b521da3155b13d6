/*
 * merge_code.c - what stacks are made of into a merged profile: each thing that
 * recordings have in common once.
 */
#include "cli/profile/merge_input.h"

#include <string.h>

enum {
	FRAMES_COMPARED = 1024, /* of one code; longer ones are never shared */
	FRAMES_OVERLAPPING = 8, /* of a code, that are another one's as well */
};

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

/* The index of a thing like it that is known; SIZE_MAX: none. */
static size_t find(const struct table *t, uint64_t a, uint64_t b)
{
	uint64_t *value = table_get(t, (struct table_key){a, b});

	return value ? (size_t)*value - 1 : SIZE_MAX;
}

/* ---- strings and modules ----------------------------------------------------- */

static int add_strings(struct merge_input *in)
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
static size_t free_module(const struct merge_input *in, struct table_key key)
{
	uint64_t *head = table_get(&in->m->modules, key);
	size_t index = head ? (size_t)*head : 0;

	while (index && in->module_taken[index - 1])
		index = in->m->next_module[index - 1];
	return index ? index - 1 : SIZE_MAX;
}

static int add_module(struct merge_input *in, size_t i)
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
	row = merge_row(in->to, module);
	if (!row)
		return -ENOMEM;
	*row = to;
	in->modules[i + 1] = (uint32_t)in->to->module_count;
	return 0;
}

static int know_module(struct profile_merge *m, size_t i)
{
	const struct profile_module *a = &m->p->modules[i];
	struct table_key key;

	if (module_key(m, a->path, a->build_id, a->end - a->start, &key) < 0)
		return -ENOMEM;
	return note_module(m, key, i);
}

/* ---- codes -------------------------------------------------------------------- */

static struct profile_frame translate(const struct merge_input *in,
				      const struct profile_frame *f)
{
	struct profile_frame to = *f;

	to.function = in->strings[f->function];
	to.linkage = in->strings[f->linkage];
	to.file = in->strings[f->file];
	return to;
}

/* The number of a frame, whose strings are the result's; 0 without memory. */
static uint32_t frame_number(struct profile_merge *m, const struct profile_frame *f)
{
	uint64_t name =
		number_of(&m->frame_names, (uint64_t)f->function << 32 | f->linkage,
			  (uint64_t)f->file << 32 | f->line);
	uint64_t frame =
		name ? number_of(&m->frame_places, name,
				 (uint64_t)f->function_first << 32 | f->function_last)
		     : 0;

	return frame < UINT32_MAX ? (uint32_t)frame : 0;
}

/* The number of a long run, like no other: no run has the number that it goes on from.
 */
static uint32_t lone_run(struct profile_merge *m, size_t code)
{
	return pairs_number(&m->run_numbers, UINT32_MAX, (uint32_t)code);
}

/* The number of a run of frames of an input, or of the result (in: NULL); 0 without
 * memory. Equal numbers, equal runs. */
static uint32_t run_of(struct profile_merge *m, const struct merge_input *in,
		       const struct profile_frame *frames, uint32_t count)
{
	uint32_t run = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct profile_frame f = in ? translate(in, &frames[i]) : frames[i];
		uint32_t frame = frame_number(m, &f);

		run = frame ? pairs_number(&m->run_numbers, run, frame) : 0;
		if (!run)
			return 0;
	}
	return run;
}

/* Whether the frames of a code are looked at, which *done counts. Those of a recording
 * are its own; where runs overlap, as only a made-up file's do, a few bytes of it name a
 * thousand frames, and what is beyond a multiple of the file is shared with nobody. */
static bool is_compared(const struct profile *p, const struct profile_code *code,
			size_t *done)
{
	size_t most = p->frame_count + FRAMES_OVERLAPPING * p->code_count;

	if (code->frames > FRAMES_COMPARED || *done > most ||
	    code->frames > most - *done)
		return false;
	*done += code->frames;
	return true;
}

static int copy_frames(struct merge_input *in, size_t first, size_t count)
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

/* Copies all frames at once: where runs overlap, as only a made-up file's do, and
 * copies of each would come to more than the whole. */
static int copy_all_frames(struct merge_input *in)
{
	in->all_frames = true;
	in->first_frame = in->to->frame_count;
	return copy_frames(in, 0, in->from->frame_count);
}

static int append_code(struct merge_input *in, size_t i)
{
	const struct profile_code *from = &in->from->codes[i];
	struct profile_code *to;
	int r = 0;

	if (!in->all_frames && from->frames > in->from->frame_count - in->frames_added)
		r = copy_all_frames(in);
	to = merge_row(in->to, code);
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

static int add_code(struct merge_input *in, size_t i)
{
	const struct profile_code *code = &in->from->codes[i];
	bool compared = is_compared(in->from, code, &in->frames_compared);
	size_t like = SIZE_MAX;
	int r;

	if (compared) {
		in->runs[i] = run_of(in->m, in, &in->from->frames[code->first_frame],
				     code->frames);
		if (!in->runs[i])
			return -ENOMEM;
		like = find(&in->m->codes, in->runs[i], 0);
	}
	if (like != SIZE_MAX) {
		in->codes[i] = (uint32_t)like;
		return 0;
	}
	r = append_code(in, i);
	if (r < 0)
		return r;
	in->codes[i] = (uint32_t)in->to->code_count - 1;
	if (!compared)
		in->runs[i] = lone_run(in->m, in->codes[i]);
	return in->runs[i] ? 0 : -ENOMEM;
}

static int know_code(struct profile_merge *m, size_t i)
{
	const struct profile_code *code = &m->p->codes[i];
	bool compared = is_compared(m->p, code, &m->frames_compared);

	m->runs[i] = compared ? run_of(m, NULL, &m->p->frames[code->first_frame],
				       code->frames)
			      : lone_run(m, i);
	if (!m->runs[i])
		return -ENOMEM;
	return compared ? note(&m->codes, m->runs[i], 0, i) : 0;
}

/* ---- sources ------------------------------------------------------------------- */

static struct table_key source_key(const struct profile_source *s)
{
	return (struct table_key){(uint64_t)s->file << 32 | s->first,
				  (uint64_t)s->count << 32 | s->text};
}

static int add_source(struct merge_input *in, size_t i)
{
	struct profile_source to = in->from->sources[i], *row;
	struct table_key key;

	to.file = in->strings[to.file];
	to.text = in->strings[to.text];
	key = source_key(&to);
	if (find(&in->m->sources, key.a, key.b) != SIZE_MAX)
		return 0;
	row = merge_row(in->to, source);
	if (!row)
		return -ENOMEM;
	*row = to;
	return 0;
}

/* ---- all of them -------------------------------------------------------------------
 */

int merge_know_code(struct profile_merge *m)
{
	const struct profile *p = m->p;
	int r = array_reserve(&m->runs, &m->run_room, p->code_count);

	for (; !r && m->known_modules < p->module_count; m->known_modules++)
		r = know_module(m, m->known_modules);
	for (; !r && m->known_codes < p->code_count; m->known_codes++)
		r = know_code(m, m->known_codes);
	for (; !r && m->known_sources < p->source_count; m->known_sources++) {
		struct table_key key = source_key(&p->sources[m->known_sources]);

		r = note(&m->sources, key.a, key.b, m->known_sources);
	}
	return r;
}

int merge_code(struct merge_input *in)
{
	const struct profile *from = in->from;
	int r = add_strings(in);

	for (size_t i = 0; !r && i < from->module_count; i++)
		r = add_module(in, i);
	for (size_t i = 0; !r && i < from->code_count; i++)
		r = add_code(in, i);
	for (size_t i = 0; !r && i < from->source_count; i++)
		r = add_source(in, i);
	return r;
}
