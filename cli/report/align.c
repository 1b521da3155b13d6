#include "cli/report/align.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/report/edits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	MANY = UINT32_MAX,
	BODY_LINES = 20000, /* of a function's text that is compared */
	BUDGET = 64 << 20,  /* pairs of lines compared in all */
};

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

uint32_t align_program(const struct profile *p)
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
		program[k] = align_program(al->side[k].profile);
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

/* ---- texts of functions ------------------------------------------------------- */

static int by_place(const void *left, const void *right, void *profile)
{
	const struct profile *p = profile;
	const struct profile_source *a = &p->sources[*(const uint32_t *)left];
	const struct profile_source *b = &p->sources[*(const uint32_t *)right];

	if (a->file != b->file)
		return a->file < b->file ? -1 : 1;
	return a->first < b->first ? -1 : a->first > b->first;
}

static int sort_sources(struct align_side *s)
{
	const struct profile *p = s->profile;

	s->sources = calloc(p->source_count + 1, sizeof(*s->sources));
	if (!s->sources)
		return -ENOMEM;
	for (size_t i = 0; i < p->source_count; i++)
		s->sources[i] = (uint32_t)i;
	if (p->source_count)
		qsort_r(s->sources, p->source_count, sizeof(*s->sources), by_place,
			(void *)p);
	return 0;
}

/* The piece of source that has the whole body, or NULL. */
static const struct profile_source *source_of(const struct align_side *s,
					      const struct align_body *body)
{
	const struct profile *p = s->profile;
	const struct profile_source *found;
	size_t low = 0, high = p->source_count;

	while (low < high) { /* the last that begins at the body's first or before */
		size_t middle = low + (high - low) / 2;

		found = &p->sources[s->sources[middle]];
		if (found->file < body->file ||
		    (found->file == body->file && found->first <= body->first))
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	found = &p->sources[s->sources[low - 1]];
	return found->file == body->file && body->first >= found->first &&
			       body->last - found->first < found->count
		       ? found
		       : NULL;
}

/* Spends of what may be done for texts in all. */
static void spend(struct align *al, size_t amount)
{
	al->budget -= amount < al->budget ? amount : al->budget;
}

/* Cuts a body's text into lines. How many there are; 0 if it is not all there. */
static size_t cut_lines(struct align *al, int side, const struct align_body *body,
			struct edits_line *lines)
{
	const struct align_side *s = &al->side[side];
	const struct profile_source *source = source_of(s, body);
	const char *start = strings_get(&s->profile->strings, source->text), *text;
	size_t count = 0, skip = body->first - source->first;

	for (text = start; *text && count <= body->last - body->first;
	     skip -= skip > 0) {
		size_t len = strcspn(text, "\n");

		if (!skip)
			lines[count++] = (struct edits_line){text, len};
		text += len + (text[len] == '\n');
	}
	spend(al, (size_t)(text - start));
	return count == body->last - body->first + 1 ? count : 0;
}

static bool comparable(const struct align *al, const struct align_text *f)
{
	for (int k = 0; k < ALIGN_SIDES; k++) {
		const struct align_body *body = &f->body[k];

		if (!body->first || body->many || body->last < body->first ||
		    body->last - body->first >= BODY_LINES ||
		    !source_of(&al->side[k], body))
			return false;
	}
	return al->budget > 0;
}

/* Finds what became of a function's lines. 0 or -ENOMEM. */
static int match_body(struct align *al, struct align_text *f)
{
	const struct align_body *a = &f->body[0], *b = &f->body[1];
	_cleanup_(freep) struct edits_line *old = NULL, *new = NULL;
	size_t n, m;

	f->matched = true;
	if (!comparable(al, f))
		return 0;
	old = calloc(a->last - a->first + 1u, sizeof(*old));
	new = calloc(b->last - b->first + 1u, sizeof(*new));
	if (!old || !new)
		return -ENOMEM;
	n = cut_lines(al, 0, a, old);
	m = cut_lines(al, 1, b, new);
	if (!n || !m)
		return 0;
	f->map = calloc(m, sizeof(*f->map));
	if (!f->map)
		return -ENOMEM;
	f->map_count = (uint32_t)m;
	return edits_match(old, n, new, m, f->map, &al->budget);
}

static int note_body(struct align *al, int side, const struct frames_frame *frame)
{
	const struct profile_frame *code = frame->code;
	struct align_body body = {.first = code->function_first,
				  .last = code->function_last,
				  .file = code->file};
	uint32_t function = align_function(al, side, frame);
	struct align_body *known;

	if (!function ||
	    array_reserve(&al->bodies, &al->bodies_room, (size_t)function + 1) < 0)
		return -ENOMEM;
	known = &al->bodies[function].body[side];
	if (!known->first)
		*known = body;
	else if (body.first && (known->first != body.first || known->file != body.file))
		known->many = true;
	return 0;
}

/* Notes where the functions of a side's frames are written. */
static int find_bodies(struct align *al, int side)
{
	const struct profile *p = al->side[side].profile;
	_cleanup_(freep) unsigned char *seen = calloc(p->code_count + 1, 1);
	int r = seen ? sort_sources(&al->side[side]) : -ENOMEM;

	for (uint32_t i = 1; !r && i < p->stack_count; i++) {
		const struct profile_stack *s = &p->stacks[i];
		const struct profile_code *code;

		if (!s->code || s->code > p->code_count || seen[s->code])
			continue;
		seen[s->code] = 1;
		code = &p->codes[s->code - 1];
		for (uint32_t k = 0; !r && k < code->frames; k++)
			r = note_body(al, side,
				      &(struct frames_frame){
					      .stack = s,
					      .code = &p->frames[code->first_frame + k],
				      });
	}
	return r;
}

/* A line as the function sees it. Lines before its first (a macro's, of another file)
 * stay as they are, apart from the others; so do those of B that A does not have. */
enum {
	LINE_BEFORE = 1,
	LINE_ADDED = 2,
};

/* 0 in *ret: unknown. 0 or -ENOMEM. */
static int line_within(struct align *al, int side, uint32_t function,
		       const struct profile_frame *code, uint64_t *ret)
{
	struct align_text *f =
		function < al->bodies_room ? &al->bodies[function] : NULL;
	uint32_t line;
	int r = 0;

	*ret = 0;
	if (!code || !code->line)
		return 0;
	if (!code->function_first || code->line < code->function_first) {
		*ret = (uint64_t)LINE_BEFORE << 32 | code->line;
		return 0;
	}
	line = code->line - code->function_first;
	*ret = 1 + (uint64_t)line;
	if (f && !f->matched)
		r = match_body(al, f);
	if (r || side != 1 || !f || !f->map || line >= f->map_count)
		return r;
	*ret = f->map[line] == EDITS_NONE ? (uint64_t)LINE_ADDED << 32 | line
					  : 1 + (uint64_t)f->map[line];
	return 0;
}

static uint32_t find_line(struct align *al, int side, const struct frames_frame *f)
{
	uint32_t function = align_function(al, side, f);
	uint64_t line;

	if (!function || line_within(al, side, function, f->code, &line) < 0)
		return 0;
	return number_of(&al->places, function, line);
}

uint32_t align_line(struct align *al, int side, const struct frames_frame *f)
{
	const struct align_side *s = &al->side[side];
	struct align_line *known;

	/* What has no name is known by its address, not by its frame. */
	if (!f->code || !f->code->function)
		return find_line(al, side, f);
	known = &s->lines[f->code - s->profile->frames];
	if (!known->line || known->module != f->stack->module)
		*known = (struct align_line){f->stack->module, find_line(al, side, f)};
	return known->line;
}

/* ---- set up ----------------------------------------------------------------- */

int align_init(struct align *al, const struct profile *a, const struct profile *b)
{
	const struct profile *both[ALIGN_SIDES] = {a, b};
	int r;

	*al = (struct align){.budget = BUDGET};
	if (strings_add(&al->names, "") != 0)
		return -ENOMEM;
	for (int k = 0; k < ALIGN_SIDES; k++) {
		struct align_side *s = &al->side[k];

		s->profile = both[k];
		s->names = calloc(both[k]->strings.count + 1, sizeof(*s->names));
		s->modules = calloc(both[k]->module_count + 1, sizeof(*s->modules));
		s->lines = calloc(both[k]->frame_count + 1, sizeof(*s->lines));
		if (!s->names || !s->modules || !s->lines)
			return -ENOMEM;
	}
	r = name_modules(al);
	for (int k = 0; !r && k < ALIGN_SIDES; k++)
		r = find_many(al, k);
	for (int k = 0; !r && k < ALIGN_SIDES; k++)
		r = find_bodies(al, k);
	return r;
}

void align_done(struct align *al)
{
	for (int k = 0; k < ALIGN_SIDES; k++) {
		free(al->side[k].names);
		free(al->side[k].modules);
		free(al->side[k].stacks);
		free(al->side[k].lines);
		free(al->side[k].sources);
	}
	for (size_t i = 0; i < al->bodies_room; i++)
		free(al->bodies[i].map);
	free(al->bodies);
	strings_done(&al->names);
	free(al->files);
	table_done(&al->functions);
	table_done(&al->places);
	pairs_done(&al->stacks);
	*al = (struct align){0};
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
		number = line ? pairs_number(&al->stacks, number, line) : 0;
	}
	return number;
}

/* How many pairs a side's stacks may need; of a made-up file's, whose codes have very
 * many frames, a part. */
static size_t pairs_of(const struct align_side *s)
{
	const struct profile *p = s->profile;
	size_t most = 4 * p->stack_count, count = 1;

	for (size_t i = 1; i < p->stack_count && count < most; i++) {
		uint32_t code = p->stacks[i].code;

		count += code && code <= p->code_count ? p->codes[code - 1].frames : 1;
	}
	return count < most ? count : most;
}

int align_stacks(struct align *al)
{
	size_t a = pairs_of(&al->side[0]), b = pairs_of(&al->side[1]);
	int r = pairs_reserve(&al->stacks, a > b ? a : b);
	/* Roots are the same; no line has number 0. */
	uint32_t root = r < 0 ? 0 : pairs_number(&al->stacks, 0, 0);

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
