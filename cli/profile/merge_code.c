/*
 * merge_code.c - what stacks are made of, and the stacks, into a merged profile: each
 * thing that recordings have in common once.
 */
#include "cli/profile/merge_input.h"

#include <string.h>

enum { FRAMES_COMPARED = 1024 /* of one code; longer ones are never shared */ };

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

	while (index && (index - 1 >= in->had_modules || in->module_taken[index - 1]))
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
	return note_module(in->m, key, in->to->module_count - 1);
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

/* The number of a run of frames, in to's strings; 0 without memory. Equal numbers,
 * equal runs. */
static uint64_t run_of(struct merge_input *in, const struct profile_code *code)
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

/* Copies all frames at once: of the first input; and where runs overlap, as only a
 * made-up file's do, and copies of each would come to more than the whole. */
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
static struct profile_stack node_of(const struct merge_input *in,
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

static int add_stack(struct merge_input *in, size_t i)
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
	row = merge_row(in->to, stack);
	if (!row)
		return -ENOMEM;
	*row = node;
	in->stacks[i] = (uint32_t)in->to->stack_count - 1;
	return note(&in->m->stacks, above, node.pc, in->stacks[i]);
}

static int add_source(struct merge_input *in, size_t i)
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
	row = merge_row(in->to, source);
	if (!row)
		return -ENOMEM;
	*row = to;
	return note(&in->m->sources, a, b, in->to->source_count - 1);
}

int merge_code(struct merge_input *in)
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
