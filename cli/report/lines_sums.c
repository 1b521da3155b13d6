#include "cli/report/lines_sums.h"

#include "cli/base/array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- naming lines and functions ------------------------------------------ */

/* What tells functions of one file, line and module apart: the full name, or what is
 * left of it without template arguments. UINT32_MAX without memory. */
static uint32_t name_id(struct lines_sums *s, uint32_t name)
{
	char buffer[1024];

	if (!s->fold)
		return name;
	return strings_add(
		&s->short_names,
		frames_short_name(strings_get(&s->view.profile->strings, name), buffer,
				  sizeof(buffer)));
}

static int count_instance(struct lines_sums *s, uint32_t function, uint32_t name)
{
	bool is_new;

	if (!table_put(&s->instance_ids, (struct table_key){function, name}, &is_new))
		return -ENOMEM;
	s->functions[function].instances += is_new;
	return 0;
}

/* Index of the function of a frame, added if new. UINT32_MAX without memory. */
static uint32_t function_of(struct lines_sums *s, const struct frames_frame *f)
{
	const struct profile_frame *frame = f->code;
	uint32_t module = labels_module(&s->labels, f->stack->module);
	uint32_t name = name_id(s, frame->function);
	struct table_key key = {(uint64_t)frame->file << 32 | name,
				(uint64_t)module << 32 | frame->function_first};
	bool is_new;
	uint64_t *index;

	if (name == UINT32_MAX)
		return UINT32_MAX;
	index = table_put(&s->function_ids, key, &is_new);
	if (!index)
		return UINT32_MAX;
	if (!is_new)
		return (uint32_t)*index;
	if (array_reserve(&s->functions, &s->function_room, s->function_count + 1) < 0)
		return UINT32_MAX;
	*index = s->function_count;
	s->functions[s->function_count] = (struct lines_function){
		.name = frame->function,
		.file = frame->file,
		.first = frame->function_first,
		.module = module,
	};
	return (uint32_t)s->function_count++;
}

static uint32_t line_of(struct lines_sums *s, uint32_t function, uint32_t number)
{
	struct table_key key = {function, number};
	bool is_new;
	uint64_t *index = table_put(&s->line_ids, key, &is_new);

	if (!index)
		return UINT32_MAX;
	if (!is_new)
		return (uint32_t)*index;
	if (array_reserve(&s->lines, &s->line_room, s->line_count + 1) < 0)
		return UINT32_MAX;
	*index = s->line_count;
	s->lines[s->line_count] =
		(struct lines_line){.function = function, .number = number};
	return (uint32_t)s->line_count++;
}

static int name_frame(struct lines_sums *s, uint32_t index,
		      const struct profile_stack *node)
{
	const struct profile_frame *frame = &s->view.profile->frames[index];
	struct frames_frame named = {.code = frame, .stack = node};
	uint32_t function, line;

	if (!*strings_get(&s->view.profile->strings, frame->file) || !frame->line)
		return 0;
	function = function_of(s, &named);
	if (function == UINT32_MAX)
		return -ENOMEM;
	line = line_of(s, function, frame->line);
	if (line == UINT32_MAX || count_instance(s, function, frame->function) < 0)
		return -ENOMEM;
	if (frame->function_last > s->functions[function].last)
		s->functions[function].last = frame->function_last;
	if (frames_whose(s->view.owners, &named) == FRAMES_OWN)
		s->functions[function].own = true;
	s->module_lined[labels_module(&s->labels, node->module)] = true;
	s->frame_function[index] = function + 1;
	s->frame_line[index] = line + 1;
	return 0;
}

static int name_frames(struct lines_sums *s)
{
	const struct profile *p = s->view.profile;

	s->frame_line = calloc(p->frame_count + 1, sizeof(*s->frame_line));
	s->frame_function = calloc(p->frame_count + 1, sizeof(*s->frame_function));
	s->code_seen = calloc(p->code_count + 1, sizeof(*s->code_seen));
	s->module_lined = calloc(p->module_count + 1, sizeof(*s->module_lined));
	if (!s->frame_line || !s->frame_function || !s->code_seen || !s->module_lined)
		return -ENOMEM;
	for (size_t i = 1; i < p->stack_count; i++) {
		const struct profile_stack *node = &p->stacks[i];
		const struct profile_code *code = calls_code(p, (uint32_t)i);

		if (!code || s->code_seen[node->code])
			continue;
		s->code_seen[node->code] = 1;
		for (uint32_t k = 0; k < code->frames; k++) {
			int err = name_frame(s, code->first_frame + k, node);

			if (err < 0)
				return err;
		}
	}
	return 0;
}

/* ---- the walk ------------------------------------------------------------ */

bool lines_sums_plain(const struct lines_sums *s, const struct profile_stack *stack)
{
	uint32_t module = labels_module(&s->labels, stack->module);

	return module && !s->module_lined[module];
}

/* The function of a frame without a line, or NULL: its module has lines elsewhere. */
static struct lines_plain *plain_of(struct lines_sums *s, const struct frames_frame *f)
{
	uint32_t label;

	if (!lines_sums_plain(s, f->stack) || s->err)
		return NULL;
	label = labels_of(&s->labels, f);
	if (label == UINT32_MAX ||
	    array_reserve(&s->plain, &s->plain_room, label + 1ul) < 0) {
		s->err = -ENOMEM;
		return NULL;
	}
	s->plain[label].own = frames_own_module(s->view.owners, f->stack);
	return &s->plain[label];
}

static void enter_plain(struct lines_sums *s, const struct frames_frame *frame)
{
	struct lines_plain *plain = plain_of(s, frame);

	if (plain)
		plain->on_path++;
}

static void leave_plain(struct lines_sums *s, const struct frames_frame *frame,
			const struct view_sums *sums)
{
	struct lines_plain *plain = plain_of(s, frame);

	if (plain && !--plain->on_path)
		view_add(&plain->sum, sums);
}

static void enter(void *context, uint32_t node, size_t depth)
{
	struct lines_sums *s = context;
	const struct profile *p = s->view.profile;
	const struct profile_code *code = calls_code(p, node);
	struct frames_frame frame = {.stack = &p->stacks[node]};

	if (!code)
		enter_plain(s, &frame);
	for (uint32_t k = 0; code && k < code->frames; k++) {
		uint32_t line = s->frame_line[code->first_frame + k];
		uint32_t function = s->frame_function[code->first_frame + k];

		if (!line) {
			frame.code = &p->frames[code->first_frame + k];
			enter_plain(s, &frame);
			continue;
		}
		s->line_on_path[line - 1]++;
		s->function_on_path[function - 1]++;
		/* Inlined frames are deeper than those around them. */
		if (depth * 2 + !k < s->depth[function - 1])
			s->depth[function - 1] = depth * 2 + !k;
	}
}

static void leave(void *context, uint32_t node, const struct view_sums *sums)
{
	struct lines_sums *s = context;
	const struct profile *p = s->view.profile;
	const struct profile_code *code = calls_code(p, node);
	struct frames_frame frame = {.stack = &p->stacks[node]};

	if (!code)
		leave_plain(s, &frame, sums);
	for (uint32_t k = 0; code && k < code->frames; k++) {
		uint32_t line = s->frame_line[code->first_frame + k];
		uint32_t function = s->frame_function[code->first_frame + k];

		if (!line) {
			frame.code = &p->frames[code->first_frame + k];
			leave_plain(s, &frame, sums);
			continue;
		}
		if (!--s->line_on_path[line - 1])
			view_add(&s->lines[line - 1].sum, sums);
		if (!--s->function_on_path[function - 1])
			view_add(&s->functions[function - 1].sum, sums);
	}
}

static int prepare_walk(struct lines_sums *s)
{
	s->line_on_path = calloc(s->line_count + 1, sizeof(*s->line_on_path));
	s->function_on_path =
		calloc(s->function_count + 1, sizeof(*s->function_on_path));
	s->depth = calloc(s->function_count + 1, sizeof(*s->depth));
	if (!s->line_on_path || !s->function_on_path || !s->depth)
		return -ENOMEM;
	for (size_t i = 0; i < s->function_count; i++)
		s->depth[i] = UINT64_MAX;
	return 0;
}

static int sum_up(struct lines_sums *s)
{
	static const struct calls_visitor visitor = {enter, leave};
	struct calls calls;
	int err = calls_init(&calls, &s->view);

	if (!err)
		err = prepare_walk(s);
	if (!err)
		err = calls_walk(&calls, &visitor, s);
	calls_done(&calls);
	return err ? err : s->err;
}

/* ---- the order of lines ---------------------------------------------------- */

static int by_number(const void *left, const void *right, void *context)
{
	const struct lines_sums *s = context;
	const struct lines_line *a = &s->lines[*(const uint32_t *)left];
	const struct lines_line *b = &s->lines[*(const uint32_t *)right];

	if (a->function != b->function)
		return a->function < b->function ? -1 : 1;
	return a->number < b->number ? -1 : a->number > b->number;
}

static int arrange(struct lines_sums *s)
{
	s->order = calloc(s->line_count + 1, sizeof(*s->order));
	if (!s->order)
		return -ENOMEM;
	for (size_t i = 0; i < s->line_count; i++)
		s->order[i] = (uint32_t)i;
	qsort_r(s->order, s->line_count, sizeof(*s->order), by_number, s);
	for (size_t i = s->line_count; i-- > 0;) {
		struct lines_function *f =
			&s->functions[s->lines[s->order[i]].function];

		f->first_line = (uint32_t)i;
		f->lines++;
	}
	return 0;
}

int lines_sums_name(struct lines_sums *s, const struct profile *p,
		    const struct scope_options *o, bool fold)
{
	int err;

	*s = (struct lines_sums){.fold = fold};
	err = view_init(&s->view, p, o);
	if (!err)
		err = labels_init(&s->labels, p, LABELS_FUNCTION);
	return err ? err : name_frames(s);
}

int lines_sums_init(struct lines_sums *s, const struct profile *p,
		    const struct scope_options *o, bool fold)
{
	int err = lines_sums_name(s, p, o, fold);

	if (!err)
		err = sum_up(s);
	return err ? err : arrange(s);
}

void lines_sums_done(struct lines_sums *s)
{
	view_done(&s->view);
	labels_done(&s->labels);
	table_done(&s->line_ids);
	table_done(&s->function_ids);
	table_done(&s->instance_ids);
	strings_done(&s->short_names);
	free(s->lines);
	free(s->functions);
	free(s->plain);
	free(s->order);
	free(s->code_seen);
	free(s->module_lined);
	free(s->frame_line);
	free(s->frame_function);
	free(s->line_on_path);
	free(s->function_on_path);
	free(s->depth);
	*s = (struct lines_sums){0};
}
