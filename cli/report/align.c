#include "cli/report/align.h"

#include "cli/base/array.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MANY = UINT32_MAX };

#define PROGRAM "(program)" /* what no file is called */

/* The number of one of a side's strings among the common names; UINT32_MAX without
 * memory. */
static uint32_t name_of(struct align *al, int side, uint32_t string)
{
	struct align_side *s = &al->side[side];
	uint32_t name;

	if (string >= s->profile->strings.count)
		return 0;
	if (s->names[string])
		return s->names[string] - 1;
	name = strings_add(&al->names, strings_get(&s->profile->strings, string));
	if (name != UINT32_MAX)
		s->names[string] = name + 1;
	return name;
}

/* ---- modules -------------------------------------------------------------- */

/* The one program that a recording ran, a string; 0 if there were several. */
static uint32_t only_program(const struct profile *p)
{
	uint32_t exe = 0;

	for (size_t i = 0; i < p->process_count; i++) {
		if (exe && p->processes[i].exe != exe)
			return 0;
		exe = p->processes[i].exe;
	}
	return exe;
}

static uint32_t add_module(struct align *al, const char *path)
{
	const char *base = frames_base(path), *so = strstr(base, ".so.");

	return strings_add_n(&al->names, base,
			     so ? (size_t)(so - base) + 3 : strlen(base));
}

static int name_modules(struct align *al)
{
	uint32_t program[ALIGN_SIDES];
	bool same = true;

	for (int k = 0; k < ALIGN_SIDES; k++) {
		program[k] = only_program(al->side[k].profile);
		same = same && program[k];
	}
	for (int k = 0; k < ALIGN_SIDES; k++) {
		struct align_side *s = &al->side[k];
		const struct profile *p = s->profile;

		for (size_t i = 0; i < p->module_count; i++) {
			uint32_t path = p->modules[i].path, name;

			name = same && path == program[k]
				       ? strings_add(&al->names, PROGRAM)
				       : add_module(al, strings_get(&p->strings, path));
			if (name == UINT32_MAX)
				return -ENOMEM;
			s->modules[i + 1] = name;
		}
	}
	return 0;
}

/* ---- functions of one name in several files -------------------------------- */

static int note_file(struct align *al, int side, const struct profile_frame *frame,
		     uint32_t *seen)
{
	const struct profile *p = al->side[side].profile;
	const char *path = strings_get(&p->strings, frame->file);
	uint32_t function = name_of(al, side, frame->function), file;

	if (!function || !*path)
		return 0;
	file = strings_add(&al->names, frames_base(path));
	if (function == UINT32_MAX || file == UINT32_MAX ||
	    array_reserve(&al->files, &al->files_room, al->names.count) < 0)
		return -ENOMEM;
	if (seen[function] && seen[function] != file + 1)
		al->files[function] = MANY;
	seen[function] = file + 1;
	return 0;
}

/* Finds, of each side by itself, what several files have functions of. */
static int find_many(struct align *al, int side)
{
	const struct profile *p = al->side[side].profile;
	size_t room = al->names.count + 2 * (size_t)p->frame_count + 2;
	uint32_t *seen = calloc(room, sizeof(*seen));
	int r = seen ? 0 : -ENOMEM;

	for (size_t i = 0; !r && i < p->frame_count; i++)
		r = note_file(al, side, &p->frames[i], seen);
	free(seen);
	return r;
}

static bool in_many_files(const struct align *al, uint32_t function)
{
	return function < al->files_room && al->files[function] == MANY;
}

/* ---- set up ----------------------------------------------------------------- */

int align_init(struct align *al, const struct profile *a, const struct profile *b)
{
	const struct profile *both[ALIGN_SIDES] = {a, b};
	int r;

	*al = (struct align){0};
	if (strings_add(&al->names, "") != 0)
		return -ENOMEM;
	for (int k = 0; k < ALIGN_SIDES; k++) {
		struct align_side *s = &al->side[k];

		s->profile = both[k];
		s->names = calloc(both[k]->strings.count + 1, sizeof(*s->names));
		s->modules = calloc(both[k]->module_count + 1, sizeof(*s->modules));
		if (!s->names || !s->modules)
			return -ENOMEM;
	}
	r = name_modules(al);
	for (int k = 0; !r && k < ALIGN_SIDES; k++)
		r = find_many(al, k);
	return r;
}

void align_done(struct align *al)
{
	for (int k = 0; k < ALIGN_SIDES; k++) {
		free(al->side[k].names);
		free(al->side[k].modules);
		free(al->side[k].stacks);
	}
	strings_done(&al->names);
	free(al->files);
	table_done(&al->functions);
	table_done(&al->places);
	table_done(&al->stacks);
	*al = (struct align){0};
}

/* ---- numbers ------------------------------------------------------------------ */

/* The number of a key, given out in order of coming; 0 without memory. */
static uint32_t number_of(struct table *t, uint64_t a, uint64_t b)
{
	bool is_new;
	uint64_t *number = table_put(t, (struct table_key){a, b}, &is_new);

	if (!number || t->count >= UINT32_MAX)
		return 0;
	if (is_new)
		*number = t->count;
	return (uint32_t)*number;
}

static uint32_t module_name(const struct align *al, int side,
			    const struct frames_frame *f)
{
	if (!f->stack || f->stack->module > al->side[side].profile->module_count)
		return 0;
	return al->side[side].modules[f->stack->module];
}

uint32_t align_module(const struct align *al, int side, const struct frames_frame *f)
{
	return module_name(al, side, f) + 1;
}

/* What nothing is known of but where it is. No function is called "". */
static uint32_t unnamed(struct align *al, int side, const struct frames_frame *f)
{
	const struct profile *p = al->side[side].profile;
	uint32_t module = module_name(al, side, f);
	uint64_t at = 0;

	if (!f->stack) /* allocated with no stack at all */
		return number_of(&al->functions, UINT32_MAX, 0);
	at = f->stack->pc;
	if (f->stack->flags & PROFILE_STACK_CUT)
		return number_of(&al->functions, UINT32_MAX, 1 + at);
	if (f->stack->module && f->stack->module <= p->module_count)
		at -= p->modules[f->stack->module - 1].bias;
	return number_of(&al->functions, module, at);
}

uint32_t align_function(struct align *al, int side, const struct frames_frame *f)
{
	const struct profile *p = al->side[side].profile;
	uint32_t function = f->code ? name_of(al, side, f->code->function) : 0;
	uint32_t file = 0;

	if (function == UINT32_MAX)
		return 0;
	if (!function)
		return unnamed(al, side, f);
	if (in_many_files(al, function))
		file = strings_add(&al->names, frames_base(strings_get(&p->strings,
								       f->code->file)));
	if (file == UINT32_MAX)
		return 0;
	return number_of(&al->functions,
			 (uint64_t)function << 32 | module_name(al, side, f), file);
}

/* A line as the function sees it. Lines before its first (a macro's, of another file)
 * stay as they are, apart from the others. */
static uint64_t line_within(const struct profile_frame *code)
{
	if (!code || !code->line)
		return 0;
	if (!code->function_first || code->line < code->function_first)
		return 1ull << 32 | code->line;
	return 1 + (uint64_t)(code->line - code->function_first);
}

uint32_t align_line(struct align *al, int side, const struct frames_frame *f)
{
	uint32_t function = align_function(al, side, f);

	return function ? number_of(&al->places, function, line_within(f->code)) : 0;
}

/* ---- stacks -------------------------------------------------------------------- */

/* A node's number: its parent's, gone on with over its frames from the outside in. */
static uint32_t stack_number(struct align *al, int side, uint32_t node)
{
	const struct profile *p = al->side[side].profile;
	const struct profile_stack *s = &p->stacks[node];
	bool known = s->code && s->code <= p->code_count;
	uint32_t count = known ? p->codes[s->code - 1].frames : 1;
	uint32_t number = al->side[side].stacks[s->parent];

	for (uint32_t i = count; number && i > 0; i--) {
		struct frames_frame f = {.stack = s};
		uint32_t line;

		if (known)
			f.code = &p->frames[p->codes[s->code - 1].first_frame + i - 1];
		line = align_line(al, side, &f);
		number = line ? number_of(&al->stacks, number, line) : 0;
	}
	return number;
}

int align_stacks(struct align *al)
{
	/* Roots are the same; no line has number 0. */
	uint32_t root = number_of(&al->stacks, 0, 0);

	for (int k = 0; k < ALIGN_SIDES; k++) {
		struct align_side *s = &al->side[k];
		size_t count = s->profile->stack_count;

		s->stacks = calloc(count + 1, sizeof(*s->stacks));
		if (!s->stacks || !root)
			return -ENOMEM;
		s->stacks[0] = root;
		for (uint32_t i = 1; i < count; i++) {
			s->stacks[i] = stack_number(al, k, i);
			if (!s->stacks[i])
				return -ENOMEM;
		}
	}
	return 0;
}
