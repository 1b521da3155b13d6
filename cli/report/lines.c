#include "cli/report/lines.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/json.h"
#include "cli/base/units.h"
#include "cli/report/frames.h"
#include "cli/report/losses.h"
#include "cli/report/runtime.h"
#include "cli/report/text.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/*
 * The sums are made over the stack tree, not over stacks. A walk in depth first order
 * keeps, for each line, how many of the frames between the root and here are on it.
 * Where a node brings a line onto the path, everything below the node belongs to the
 * line, once: the node's inclusive sum is added to it as the walk leaves the node.
 * Each node costs its own frames, however deep it is.
 */

enum {
	ROW_TEXT = 48,
	/* A function that claims more lines has only those with events shown. */
	RANGE_LIMIT = 100000,
};

struct sum {
	uint64_t allocs, allocated, frees, freed, peak, leaked, temporary;
	uint64_t last_rank, last_live;
};

struct line {
	uint32_t function, number;
	uint32_t on_path; /* frames on it between the root and the walk's node */
	struct sum sum;
};

struct function {
	uint32_t name, file, first, last; /* as in profile_frame; last: the greatest */
	const char *module;
	uint32_t on_path;
	bool own, chosen;
	uint32_t first_line, lines; /* in report.order */
	uint64_t depth; /* of the outermost node seen in it */
	struct sum sum;
};

struct report {
	const struct profile *profile;
	struct scope scope;
	struct frames_owners *owners;
	struct runtime *runtime;

	struct line *lines;
	struct function *functions;
	size_t line_count, line_room, function_count, function_room;
	struct table line_ids, function_ids; /* values are indexes */
	struct strings modules;		     /* a name for each distinct module */
	uint32_t *module_ids;		     /* by module index + 1 */

	uint32_t *code_node;	 /* by code: a node that it belongs to, 0 unused */
	uint32_t *frame_line;	  /* by frame: index + 1 into lines, 0: no line */
	uint32_t *frame_function; /* by frame: index + 1 into functions */

	uint32_t *ranked;  /* functions, the most important first */
	uint32_t *order;   /* lines, by function and number */
	size_t chosen;     /* functions selected, before the limit */
	bool fell_back;	   /* there is no code of the program's own */
};

static void add(struct sum *to, const struct sum *what)
{
	to->allocs += what->allocs;
	to->allocated += what->allocated;
	to->frees += what->frees;
	to->freed += what->freed;
	to->peak += what->peak;
	to->leaked += what->leaked;
	to->temporary += what->temporary;
	if (what->last_rank >= to->last_rank && (what->allocs || what->frees)) {
		to->last_rank = what->last_rank;
		to->last_live = what->last_live;
	}
}

static bool has_event(const struct sum *s)
{
	return s->allocs || s->frees;
}

static int64_t increment(const struct sum *s)
{
	return (int64_t)(s->allocated - s->freed);
}

/* ---- naming lines and functions ------------------------------------------ */

/* Modules of one file and build are one, wherever they were mapped. */
static int name_modules(struct report *r)
{
	const struct profile *p = r->profile;

	r->module_ids = calloc(p->module_count + 1, sizeof(*r->module_ids));
	if (!r->module_ids)
		return -ENOMEM;
	for (size_t i = 0; i < p->module_count; i++) {
		_cleanup_(freep) char *key = NULL;

		if (asprintf(&key, "%s\n%s",
			     strings_get(&p->strings, p->modules[i].path),
			     strings_get(&p->strings, p->modules[i].build_id)) < 0)
			return -ENOMEM;
		r->module_ids[i + 1] = strings_add(&r->modules, key);
		if (r->module_ids[i + 1] == UINT32_MAX)
			return -ENOMEM;
	}
	return 0;
}

/* Index of the function of a frame, added if new. UINT32_MAX without memory. */
static uint32_t function_of(struct report *r, const struct profile_frame *frame,
			    const struct profile_stack *node)
{
	uint32_t module = node->module <= r->profile->module_count
				  ? r->module_ids[node->module]
				  : 0;
	struct table_key key = {(uint64_t)frame->file << 32 | frame->function,
				(uint64_t)module << 32 | frame->function_first};
	bool is_new;
	uint64_t *index = table_put(&r->function_ids, key, &is_new);

	if (!index)
		return UINT32_MAX;
	if (!is_new)
		return (uint32_t)*index;
	if (array_reserve(&r->functions, &r->function_room, r->function_count + 1) < 0)
		return UINT32_MAX;
	*index = r->function_count;
	r->functions[r->function_count] = (struct function){
		.name = frame->function,
		.file = frame->file,
		.first = frame->function_first,
		.module = frames_module(r->profile, node),
		.depth = UINT64_MAX,
	};
	return (uint32_t)r->function_count++;
}

static uint32_t line_of(struct report *r, uint32_t function, uint32_t number)
{
	struct table_key key = {function, number};
	bool is_new;
	uint64_t *index = table_put(&r->line_ids, key, &is_new);

	if (!index)
		return UINT32_MAX;
	if (!is_new)
		return (uint32_t)*index;
	if (array_reserve(&r->lines, &r->line_room, r->line_count + 1) < 0)
		return UINT32_MAX;
	*index = r->line_count;
	r->lines[r->line_count] = (struct line){.function = function, .number = number};
	return (uint32_t)r->line_count++;
}

static int name_frame(struct report *r, uint32_t index,
		      const struct profile_stack *node)
{
	const struct profile_frame *frame = &r->profile->frames[index];
	struct frames_frame named = {.code = frame, .stack = node};
	uint32_t function, line;

	if (!*strings_get(&r->profile->strings, frame->file) || !frame->line)
		return 0;
	function = function_of(r, frame, node);
	if (function == UINT32_MAX)
		return -ENOMEM;
	line = line_of(r, function, frame->line);
	if (line == UINT32_MAX)
		return -ENOMEM;
	if (frame->function_last > r->functions[function].last)
		r->functions[function].last = frame->function_last;
	if (frames_owner(r->owners, &named) == FRAMES_OWN)
		r->functions[function].own = true;
	r->frame_function[index] = function + 1;
	r->frame_line[index] = line + 1;
	return 0;
}

static int name_frames(struct report *r)
{
	const struct profile *p = r->profile;
	int err = name_modules(r);

	r->frame_line = calloc(p->frame_count + 1, sizeof(*r->frame_line));
	r->frame_function = calloc(p->frame_count + 1, sizeof(*r->frame_function));
	r->code_node = calloc(p->code_count + 1, sizeof(*r->code_node));
	if (err < 0 || !r->frame_line || !r->frame_function || !r->code_node)
		return -ENOMEM;
	for (size_t i = 1; i < p->stack_count; i++) {
		const struct profile_stack *node = &p->stacks[i];
		const struct profile_code *code;

		if (!node->code || node->code > p->code_count ||
		    r->code_node[node->code])
			continue;
		r->code_node[node->code] = (uint32_t)i;
		code = &p->codes[node->code - 1];
		for (uint32_t k = 0; k < code->frames; k++) {
			err = name_frame(r, code->first_frame + k, node);
			if (err < 0)
				return err;
		}
	}
	return 0;
}

/* ---- the walk ------------------------------------------------------------ */

/* The tree downwards: child and sibling by node, first site by node, next by site.
 * Node 0 is nobody's child or sibling; site numbers are index + 1. */
struct tree {
	uint32_t *child, *sibling, *site, *next_site;
	struct sum *path; /* sums of the nodes from the root to here */
	size_t path_room;
};

static void tree_done(struct tree *t)
{
	free(t->child);
	free(t->sibling);
	free(t->site);
	free(t->next_site);
	free(t->path);
}

static int tree_init(struct tree *t, const struct report *r)
{
	const struct profile *p = r->profile;

	t->child = calloc(p->stack_count + 1, sizeof(*t->child));
	t->sibling = calloc(p->stack_count + 1, sizeof(*t->sibling));
	t->site = calloc(p->stack_count + 1, sizeof(*t->site));
	t->next_site = calloc(p->site_count + 1, sizeof(*t->next_site));
	if (!t->child || !t->sibling || !t->site || !t->next_site)
		return -ENOMEM;
	for (size_t i = p->stack_count; i-- > 1;) {
		uint32_t parent = p->stacks[i].parent;

		t->sibling[i] = t->child[parent];
		t->child[parent] = (uint32_t)i;
	}
	for (size_t i = 0; i < p->site_count; i++) {
		if (!scope_has(&r->scope, &p->sites[i]))
			continue;
		t->next_site[i] = t->site[p->sites[i].stack];
		t->site[p->sites[i].stack] = (uint32_t)i + 1;
	}
	return array_reserve(&t->path, &t->path_room, 64);
}

static uint64_t live_bytes(const struct profile_site *site)
{
	return site->allocated_bytes > site->freed_bytes
		       ? site->allocated_bytes - site->freed_bytes
		       : 0;
}

/* What the sites of one node had. */
static struct sum sum_of_node(const struct report *r, const struct tree *t,
			      uint32_t node)
{
	struct sum sum = {0};

	for (uint32_t i = t->site[node]; i; i = t->next_site[i - 1]) {
		const struct profile_site *site = &r->profile->sites[i - 1];
		uint64_t live = live_bytes(site);
		struct sum one = {
			.allocs = site->allocs,
			.allocated = site->allocated_bytes,
			.frees = site->freed_here,
			.freed = site->freed_here_bytes,
			.peak = scope_peak(&r->scope, site).bytes,
			.temporary = site->temporary.bytes,
			.last_rank = site->last_rank,
			.last_live = site->last_live_bytes,
		};

		if (live && !runtime_reason(r->runtime, site->stack))
			one.leaked = live;
		add(&sum, &one);
	}
	return sum;
}

static const struct profile_code *code_of(const struct profile *p, uint32_t node)
{
	uint32_t code = p->stacks[node].code;

	return code && code <= p->code_count ? &p->codes[code - 1] : NULL;
}

static void enter(struct report *r, uint32_t node, size_t depth)
{
	const struct profile_code *code = code_of(r->profile, node);

	for (uint32_t k = 0; code && k < code->frames; k++) {
		uint32_t line = r->frame_line[code->first_frame + k];
		uint32_t function = r->frame_function[code->first_frame + k];

		if (!line)
			continue;
		r->lines[line - 1].on_path++;
		r->functions[function - 1].on_path++;
		/* Inlined frames are deeper than those around them. */
		if (depth * 2 + !k < r->functions[function - 1].depth)
			r->functions[function - 1].depth = depth * 2 + !k;
	}
}

static void leave(struct report *r, uint32_t node, const struct sum *sum)
{
	const struct profile_code *code = code_of(r->profile, node);

	for (uint32_t k = 0; code && k < code->frames; k++) {
		uint32_t line = r->frame_line[code->first_frame + k];
		uint32_t function = r->frame_function[code->first_frame + k];

		if (!line)
			continue;
		if (!--r->lines[line - 1].on_path)
			add(&r->lines[line - 1].sum, sum);
		if (!--r->functions[function - 1].on_path)
			add(&r->functions[function - 1].sum, sum);
	}
}

static int walk(struct report *r, struct tree *t)
{
	const struct profile *p = r->profile;
	uint32_t node = t->child[0];
	size_t depth = 0; /* of node's parent, whose sum is not kept at depth 0 */

	while (node) {
		if (array_reserve(&t->path, &t->path_room, depth + 2) < 0)
			return -ENOMEM;
		enter(r, node, depth);
		t->path[++depth] = sum_of_node(r, t, node);
		if (t->child[node]) {
			node = t->child[node];
			continue;
		}
		for (;;) { /* up, until there is a sibling to go to */
			leave(r, node, &t->path[depth]);
			add(&t->path[depth - 1], &t->path[depth]);
			depth--;
			if (t->sibling[node] || !p->stacks[node].parent)
				break;
			node = p->stacks[node].parent;
		}
		node = t->sibling[node];
	}
	return 0;
}

static int sum_up(struct report *r)
{
	_cleanup_(tree_done) struct tree t = {0};
	int err = tree_init(&t, r);

	return err < 0 ? err : walk(r, &t);
}

/* ---- selection and order ------------------------------------------------- */

static bool file_matches(const char *pattern, const char *file)
{
	size_t len = strlen(pattern), file_len = strlen(file);

	if (!fnmatch(pattern, file, 0) || !fnmatch(pattern, frames_base(file), 0))
		return true;
	/* The end of a path, whole parts only: "src/a.c" of "/src/u/src/a.c". */
	return len < file_len && !strcmp(file + file_len - len, pattern) &&
	       (*pattern == '/' || file[file_len - len - 1] == '/');
}

static bool selected(const struct report *r, const struct lines_options *o,
		     const struct function *f)
{
	const struct strings *s = &r->profile->strings;

	if (!has_event(&f->sum))
		return false;
	if (o->function && regexec(o->function, strings_get(s, f->name), 0, NULL, 0))
		return false;
	return !o->file || file_matches(o->file, strings_get(s, f->file));
}

static void choose(struct report *r, const struct lines_options *o, bool everything)
{
	bool named = o->function || o->file || o->all || everything;
	bool any_own = false;

	for (size_t i = 0; i < r->function_count; i++)
		any_own |= r->functions[i].own && has_event(&r->functions[i].sum);
	r->fell_back = !named && !any_own;
	for (size_t i = 0; i < r->function_count; i++) {
		struct function *f = &r->functions[i];

		f->chosen = selected(r, o, f) && (named || f->own || !any_own);
		r->chosen += f->chosen;
	}
}

static uint64_t rank_value(const struct sum *s, enum lines_sort sort)
{
	switch (sort) {
	case LINES_BY_LEAKED:
		return s->leaked;
	case LINES_BY_ALLOCATED:
		return s->allocated;
	case LINES_BY_TEMPORARY:
		return s->temporary;
	default:
		return s->peak;
	}
}

struct ranking {
	const struct report *report;
	enum lines_sort sort;
};

static int compare(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int by_rank(const void *left, const void *right, void *context)
{
	const struct ranking *k = context;
	const struct strings *s = &k->report->profile->strings;
	const struct function *a = &k->report->functions[*(const uint32_t *)left];
	const struct function *b = &k->report->functions[*(const uint32_t *)right];
	int order = compare(rank_value(&b->sum, k->sort), rank_value(&a->sum, k->sort));

	if (!order)
		order = compare(b->sum.allocated, a->sum.allocated);
	if (!order)
		order = compare(b->depth, a->depth);
	if (!order)
		order = strcmp(strings_get(s, a->file), strings_get(s, b->file));
	if (!order)
		order = compare(a->first, b->first);
	if (!order)
		order = strcmp(strings_get(s, a->name), strings_get(s, b->name));
	return order ? order : strcmp(a->module, b->module);
}

static int by_number(const void *left, const void *right, void *context)
{
	const struct report *r = context;
	const struct line *a = &r->lines[*(const uint32_t *)left];
	const struct line *b = &r->lines[*(const uint32_t *)right];

	if (a->function != b->function)
		return compare(a->function, b->function);
	return compare(a->number, b->number);
}

static int arrange(struct report *r, enum lines_sort sort)
{
	struct ranking ranking = {r, sort};
	size_t at = 0;

	r->ranked = calloc(r->function_count + 1, sizeof(*r->ranked));
	r->order = calloc(r->line_count + 1, sizeof(*r->order));
	if (!r->ranked || !r->order)
		return -ENOMEM;
	for (size_t i = 0; i < r->function_count; i++)
		if (r->functions[i].chosen)
			r->ranked[at++] = (uint32_t)i;
	qsort_r(r->ranked, at, sizeof(*r->ranked), by_rank, &ranking);
	for (size_t i = 0; i < r->line_count; i++)
		r->order[i] = (uint32_t)i;
	qsort_r(r->order, r->line_count, sizeof(*r->order), by_number, r);
	for (size_t i = r->line_count; i-- > 0;) {
		struct function *f = &r->functions[r->lines[r->order[i]].function];

		f->first_line = (uint32_t)i;
		f->lines++;
	}
	return 0;
}

static void report_done(struct report *r)
{
	scope_done(&r->scope);
	frames_owners_close(r->owners);
	runtime_close(r->runtime);
	table_done(&r->line_ids);
	table_done(&r->function_ids);
	strings_done(&r->modules);
	free(r->lines);
	free(r->functions);
	free(r->module_ids);
	free(r->code_node);
	free(r->frame_line);
	free(r->frame_function);
	free(r->ranked);
	free(r->order);
}

/* everything: functions that are not the program's own, too. */
static int report_init(struct report *r, const struct profile *p,
		       const struct lines_options *o, bool everything)
{
	int err;

	*r = (struct report){.profile = p};
	err = scope_init(&r->scope, p, &o->scope);
	if (err < 0)
		return err;
	r->owners = frames_owners_open(p);
	r->runtime = runtime_open(p);
	if (!r->owners || !r->runtime)
		return -ENOMEM;
	err = name_frames(r);
	if (!err)
		err = sum_up(r);
	if (err < 0)
		return err;
	choose(r, o, everything);
	return arrange(r, o->sort);
}

/* ---- the lines of one function ------------------------------------------- */

/* Steps through a function's lines: those of its range and those with events, in
 * order. Starts zeroed. */
struct steps {
	uint32_t number;	/* the line's */
	const struct line *line; /* NULL: no event there */
	uint32_t at;		/* into the function's lines */
	bool started;
};

static bool has_range(const struct function *f)
{
	return f->first && f->last >= f->first && f->last - f->first < RANGE_LIMIT;
}

static bool step(const struct report *r, const struct function *f, bool nonzero,
		 struct steps *s)
{
	const struct line *next = NULL;
	uint64_t plain = UINT64_MAX; /* the next line of the range */

	while (s->at < f->lines) {
		next = &r->lines[r->order[f->first_line + s->at]];
		if (has_event(&next->sum))
			break;
		next = NULL;
		s->at++;
	}
	if (has_range(f) && !nonzero) {
		plain = s->started ? (uint64_t)s->number + 1 : f->first;
		if (plain < f->first)
			plain = f->first;
		if (plain > f->last)
			plain = UINT64_MAX;
	}
	s->line = NULL;
	if (next && next->number <= plain) {
		s->line = next;
		s->number = next->number;
		s->at++;
	} else if (plain != UINT64_MAX) {
		s->number = (uint32_t)plain;
	} else {
		return false;
	}
	s->started = true;
	return true;
}

/* A place in a source text that goes forward with the lines asked for. */
struct source {
	const struct profile *profile;
	uint32_t file;
	const struct profile_source *current;
	const char *text; /* at line `number` of current */
	uint32_t number;
};

static const struct profile_source *source_with(const struct profile *p, uint32_t file,
						uint32_t number)
{
	for (size_t i = 0; i < p->source_count; i++) {
		const struct profile_source *s = &p->sources[i];

		if (s->file == file && number >= s->first &&
		    number - s->first < s->count)
			return s;
	}
	return NULL;
}

static bool source_known(const struct profile *p, uint32_t file)
{
	for (size_t i = 0; i < p->source_count; i++)
		if (p->sources[i].file == file && p->sources[i].count)
			return true;
	return false;
}

/* The text of a line; its length in *ret_len. NULL: the profile does not have it. */
static const char *source_line(struct source *s, uint32_t number, size_t *ret_len)
{
	const struct profile_source *c = s->current;

	if (!c || number < s->number || number - c->first >= c->count) {
		c = s->current = source_with(s->profile, s->file, number);
		if (!c)
			return NULL;
		s->text = strings_get(&s->profile->strings, c->text);
		s->number = c->first;
	}
	while (s->number < number && *s->text) {
		s->text += strcspn(s->text, "\n");
		s->text += *s->text == '\n';
		s->number++;
	}
	if (s->number < number || !*s->text)
		return NULL;
	*ret_len = strcspn(s->text, "\n");
	return s->text;
}

/* ---- text ---------------------------------------------------------------- */

static const struct {
	unsigned bit;
	const char *name, *title;
} columns[] = {
	{LINES_ALLOCATED, "allocated", "Allocated"}, {LINES_FREED, "freed", "Freed"},
	{LINES_PEAK, "peak", "At peak"},	     {LINES_LEAKED, "leaked", "Leaked"},
	{LINES_TEMPORARY, "temporary", "Temporary"},
};

enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };

static int64_t column_value(const struct sum *s, unsigned bit)
{
	switch (bit) {
	case LINES_ALLOCATED:
		return (int64_t)s->allocated;
	case LINES_FREED:
		return (int64_t)s->freed;
	case LINES_PEAK:
		return (int64_t)s->peak;
	case LINES_LEAKED:
		return (int64_t)s->leaked;
	default:
		return (int64_t)s->temporary;
	}
}

static struct units_text amount(const struct lines_options *o, int64_t bytes)
{
	struct units_text t;

	if (!o->bytes)
		return units_mib(bytes);
	snprintf(t.text, sizeof(t.text), "%" PRId64, bytes);
	return t;
}

static void put_header(const struct lines_options *o, FILE *out)
{
	char header[256];
	int at = snprintf(header, sizeof(header), "%6s %12s %12s  %10s", "Line #",
			  "Mem usage", "Increment", "Occurrences");

	for (size_t i = 0; i < COLUMNS; i++)
		if (o->columns & columns[i].bit)
			at += snprintf(header + at, sizeof(header) - (size_t)at,
				       " %12s", columns[i].title);
	at += snprintf(header + at, sizeof(header) - (size_t)at, "   Line Contents");
	text_style(out, o->colour, TEXT_BOLD);
	fprintf(out, "%s\n", header);
	text_style(out, o->colour, TEXT_PLAIN);
	while (at--)
		fputc('=', out);
	fputc('\n', out);
}

/* A row up to the line's contents. The header's "Occurrences" is one wider than its
 * column, as in memory_profiler; the columns on request stand right under theirs. */
static void put_numbers(const struct lines_options *o, uint32_t number,
			const struct sum *s, FILE *out)
{
	char occurrences[24] = "";

	if (s)
		snprintf(occurrences, sizeof(occurrences), "%" PRIu64, s->allocs);
	fprintf(out, "%6" PRIu32 " %12s %12s  %10s", number,
		s ? amount(o, (int64_t)s->last_live).text : "",
		s ? amount(o, increment(s)).text : "", occurrences);
	for (size_t i = 0, shift = 1; i < COLUMNS; i++) {
		if (!(o->columns & columns[i].bit))
			continue;
		fprintf(out, "%*s %12s", (int)shift, "",
			s ? amount(o, column_value(s, columns[i].bit)).text : "");
		shift = 0;
	}
	fputs("   ", out);
}

static void put_row(const struct lines_options *o, const struct steps *at,
		    struct source *source, FILE *out)
{
	size_t len = 0;
	const char *text = source_line(source, at->number, &len);

	if (!at->line)
		text_style(out, o->colour, TEXT_DIM);
	put_numbers(o, at->number, at->line ? &at->line->sum : NULL, out);
	if (text)
		text_put_source(out, text, len);
	if (!at->line)
		text_style(out, o->colour, TEXT_PLAIN);
	fputc('\n', out);
}

static void put_function(const struct report *r, const struct lines_options *o,
			 const struct function *f, FILE *out)
{
	const struct profile *p = r->profile;
	const char *name = strings_get(&p->strings, f->name);
	bool sourced = source_known(p, f->file);
	struct source source = {.profile = p, .file = f->file};
	struct steps at = {0};

	fputs("Filename: ", out);
	text_put(out, strings_get(&p->strings, f->file));
	fputs("\nFunction: ", out);
	text_style(out, o->colour, TEXT_BOLD);
	text_put(out, *name ? name : "(unknown)");
	text_style(out, o->colour, TEXT_PLAIN);
	fputs(" in ", out);
	text_put(out, *f->module ? frames_base(f->module) : "the executable");
	if (!sourced)
		fputs("\n(the profile has no source of this file: only lines with "
		      "events "
		      "are shown)",
		      out);
	fputs("\n\n", out);
	put_header(o, out);
	while (step(r, f, o->nonzero || !sourced, &at))
		put_row(o, &at, &source, out);
	fputc('\n', out);
}

static const char *const sort_names[] = {
	[LINES_BY_PEAK] = "peak",
	[LINES_BY_LEAKED] = "leaked",
	[LINES_BY_ALLOCATED] = "allocated",
	[LINES_BY_TEMPORARY] = "temporary",
};

static const char *const sort_phrases[] = {
	[LINES_BY_PEAK] = "bytes at the peak",
	[LINES_BY_LEAKED] = "bytes never freed",
	[LINES_BY_ALLOCATED] = "bytes allocated",
	[LINES_BY_TEMPORARY] = "bytes of temporary blocks",
};

static const char *peak_phrase(enum scope_moment moment)
{
	switch (moment) {
	case SCOPE_TREE_PEAK:
		return "the peak of all processes' sum";
	case SCOPE_OWN_PEAKS:
		return "each process's own peak";
	default:
		return "the process's peak";
	}
}

static void put_heading(const struct report *r, const struct lines_options *o,
			FILE *out)
{
	const struct profile *p = r->profile;
	bool mmap = o->scope.domain == PROFILE_MMAP;

	text_style(out, o->colour, TEXT_BOLD);
	fprintf(out, "Line report of %s, whole run\n",
		mmap ? "mapped memory (mmap)" : "the heap (malloc)");
	text_style(out, o->colour, TEXT_PLAIN);
	fprintf(out, "Mem usage: %s of the process after the last event at the line.\n",
		mmap ? "mapped bytes" : "live heap");
	if (p->free_stacks)
		fputs("Increment: bytes allocated minus bytes freed by code at the "
		      "line "
		      "and what it calls.\n",
		      out);
	else
		fputs("Increment: bytes allocated by code at the line and what it "
		      "calls; "
		      "frees were recorded\nwithout their stacks "
		      "(--no-free-stacks): nothing is subtracted.\n",
		      out);
	fputs("Occurrences: allocations.", out);
	if (o->columns & LINES_PEAK)
		fprintf(out, " At peak: live at %s.", peak_phrase(r->scope.moment));
	if (o->columns & LINES_LEAKED)
		fputs(" Leaked: never freed, runtime blocks apart.", out);
	if (o->columns & LINES_TEMPORARY)
		fputs(" Temporary: freed by the thread's next event.", out);
	fprintf(out, "\nFunctions by %s", sort_phrases[o->sort]);
	if (o->sort == LINES_BY_PEAK)
		fprintf(out, " (%s)", peak_phrase(r->scope.moment));
	fputs(".\n", out);
	losses_text(p, o->colour, out);
	fputc('\n', out);
}

static void put_nothing(const struct report *r, const struct lines_options *o,
			FILE *out)
{
	if (o->function || o->file)
		fputs("No function with line information matches and has events.\n",
		      out);
	else if (o->scope.focus || o->scope.ignore)
		fputs("No event in the stacks that --focus and --ignore leave has line "
		      "information.\n",
		      out);
	else if (!r->function_count)
		fputs("Nothing here has line information. Compile the program with -g "
		      "and "
		      "record it again;\n`heapline report` needs none.\n",
		      out);
	else
		fputs("No function with line information has events.\n", out);
}

static bool all_small(const struct report *r, size_t shown)
{
	for (size_t i = 0; i < shown; i++) {
		const struct sum *s = &r->functions[r->ranked[i]].sum;

		if (s->allocated > 52428 || s->freed > 52428 || s->last_live > 52428)
			return false;
	}
	return shown > 0;
}

static void put_footing(const struct report *r, const struct lines_options *o,
			size_t shown, FILE *out)
{
	if (r->fell_back && shown)
		fputs("None of this is the program's own code, as far as paths tell: "
		      "shown is all\nthat has line information.\n",
		      out);
	if (shown < r->chosen)
		fprintf(out,
			"%zu more function%s with events: --all shows every one, -n "
			"COUNT "
			"more of them,\n--function REGEX and --file NAME those you "
			"name.\n",
			r->chosen - shown, r->chosen - shown == 1 ? "" : "s");
	if (!o->bytes && all_small(r, shown))
		fputs("All amounts are small: --bytes shows them exactly.\n", out);
}

static size_t shown_functions(const struct report *r, const struct lines_options *o)
{
	size_t limit = o->limit;

	if (!limit)
		limit = o->all || o->function || o->file ? SIZE_MAX : LINES_LIMIT;
	return limit < r->chosen ? limit : r->chosen;
}

int lines_text(const struct profile *p, const struct lines_options *o, FILE *out)
{
	_cleanup_(report_done) struct report r;
	int err = report_init(&r, p, o, false);
	size_t shown;

	if (err < 0)
		return err;
	put_heading(&r, o, out);
	shown = shown_functions(&r, o);
	for (size_t i = 0; i < shown; i++)
		put_function(&r, o, &r.functions[r.ranked[i]], out);
	if (!shown)
		put_nothing(&r, o, out);
	put_footing(&r, o, shown, out);
	return 0;
}

/* ---- JSON ---------------------------------------------------------------- */

static void put_value(struct json *j, const char *name, const struct sum *s,
		      uint64_t value)
{
	json_key(j, name);
	if (s)
		json_unsigned(j, value);
	else
		json_null(j);
}

static void put_json_line(const struct report *r, struct json *j,
			  const struct steps *at)
{
	static const struct sum none;
	const struct sum *s = at->line ? &at->line->sum : NULL, *v = s ? s : &none;
	const struct sum *frees = r->profile->free_stacks ? s : NULL;

	json_object(j);
	json_put_unsigned(j, "line", at->number);
	put_value(j, "mem_usage", s, v->last_live);
	json_key(j, "increment");
	if (s)
		json_signed(j, increment(s));
	else
		json_null(j);
	put_value(j, "occurrences", s, v->allocs);
	put_value(j, "allocated", s, v->allocated);
	put_value(j, "freed", frees, v->freed);
	put_value(j, "peak", s, v->peak);
	put_value(j, "leaked", s, v->leaked);
	put_value(j, "temporary", s, v->temporary);
	json_close(j);
}

static void put_json_function(const struct report *r, const struct lines_options *o,
			      struct json *j, const struct function *f)
{
	const struct strings *s = &r->profile->strings;
	struct steps at = {0};

	json_object(j);
	json_put_string(j, "name", strings_get(s, f->name));
	json_put_string(j, "file", strings_get(s, f->file));
	json_put_string(j, "module", f->module);
	json_put_bool(j, "own", f->own);
	json_key(j, "lines");
	json_array(j);
	while (step(r, f, o->nonzero, &at))
		put_json_line(r, j, &at);
	json_close(j);
	json_close(j);
}

int lines_json(const struct profile *p, const struct lines_options *o, FILE *out)
{
	_cleanup_(report_done) struct report r;
	struct json j = {.out = out, .spread = 4};
	int err = report_init(&r, p, o, true);
	size_t shown;

	if (err < 0)
		return err;
	shown = o->limit && o->limit < r.chosen ? o->limit : r.chosen;
	json_object(&j);
	json_put_unsigned(&j, "schema", LINES_SCHEMA);
	json_put_string(&j, "domain",
			o->scope.domain == PROFILE_MMAP ? "mmap" : "malloc");
	json_put_bool(&j, "free_stacks", p->free_stacks);
	losses_json(p, &j);
	json_key(&j, "functions");
	json_array(&j);
	for (size_t i = 0; i < shown; i++)
		put_json_function(&r, o, &j, &r.functions[r.ranked[i]]);
	json_close(&j);
	json_close(&j);
	json_end(&j);
	return 0;
}

/* ---- options ------------------------------------------------------------- */

bool lines_parse_columns(const char *text, unsigned *ret)
{
	unsigned bits = 0;

	if (!strcmp(text, "all")) {
		*ret = LINES_ALL_COLUMNS;
		return true;
	}
	for (;;) {
		size_t len = strcspn(text, ","), i = 0;

		while (i < COLUMNS && (strlen(columns[i].name) != len ||
				       strncmp(columns[i].name, text, len) != 0))
			i++;
		if (i == COLUMNS)
			return false;
		bits |= columns[i].bit;
		if (!text[len])
			break;
		text += len + 1;
	}
	*ret = bits;
	return true;
}

bool lines_parse_sort(const char *text, enum lines_sort *ret)
{
	for (size_t i = 0; i < sizeof(sort_names) / sizeof(sort_names[0]); i++)
		if (!strcmp(text, sort_names[i])) {
			*ret = (enum lines_sort)i;
			return true;
		}
	return false;
}
