#include "cli/report/wrappers.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/glob.h"
#include "cli/base/table.h"
#include "cli/report/frames.h"
#include "cli/report/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	ROUNDS = 8,   /* each may take away, or add, what the one before rested on */
	LEADING = 64, /* frames of the allocator and of wrappers in a row */
	NAMED = 6,    /* functions in a line of text */
};

struct function {	  /* stacks, by a function's name */
	uint64_t through; /* it is on them */
	uint64_t direct;  /* and nothing but the allocator is beyond it */
	uint64_t alone;	  /* and nobody of its owner called it */
	uint32_t callers; /* functions */
	bool wide;	  /* a line of it asks for sizes of many kinds */
};

struct line { /* that calls the allocator */
	uint64_t least, greatest;
	uint32_t sizes;
};

struct search {
	struct profile *p;
	struct frames_owners *owners;
	struct function *functions; /* by name */
	uint64_t *size;	 /* by node: that its blocks have, + 1; 0: it has none */
	uint64_t *below; /* by node: stacks that end there or below */
	uint8_t *best; /* by node: of its frames and all outwards, the nearest owner */
	struct line *lines;
	size_t line_count, line_room;
	struct table callers, sizes, line_ids;
};

static void search_done(struct search *s)
{
	frames_owners_close(s->owners);
	free(s->functions);
	free(s->size);
	free(s->below);
	free(s->best);
	free(s->lines);
	table_done(&s->callers);
	table_done(&s->sizes);
	table_done(&s->line_ids);
}

static int search_init(struct search *s)
{
	size_t nodes = s->p->stack_count + 1;

	s->owners = frames_owners_open(s->p);
	s->functions = calloc(s->p->strings.count + 1, sizeof(*s->functions));
	s->size = calloc(nodes, sizeof(*s->size));
	s->below = calloc(nodes, sizeof(*s->below));
	s->best = calloc(nodes, 1);
	return s->owners && s->functions && s->size && s->below && s->best ? 0
									   : -ENOMEM;
}

static uint32_t name_of(const struct search *s, const struct frames_frame *f)
{
	uint32_t name = f->code ? f->code->function : 0;

	return name < s->p->wrapper_count ? name : 0;
}

/* ---- stacks -------------------------------------------------------------------- */

/* A function that calls itself counts twice: it is no wrapper. */
static void count_through(struct search *s)
{
	const struct profile *p = s->p;
	struct frames_frame frame;

	for (size_t i = 0; i < p->site_count; i++) {
		const struct profile_site *site = &p->sites[i];

		if (site->allocs && site->stack < p->stack_count)
			s->size[site->stack] = site->allocated_bytes / site->allocs + 1;
	}
	for (size_t i = p->stack_count; i-- > 1;) {
		s->below[i] += s->size[i] != 0;
		s->below[p->stacks[i].parent] += s->below[i];
	}
	for (uint32_t i = 1; i < p->stack_count; i++) {
		struct frames_walk walk = frames_of(p, i);

		while (walk.stack == i && frames_next(&walk, &frame))
			s->functions[name_of(s, &frame)].through += s->below[i];
	}
}

static void find_best(struct search *s)
{
	struct frames_frame frame;

	s->best[0] = FRAMES_BASE;
	for (uint32_t i = 1; i < s->p->stack_count; i++) {
		struct frames_walk walk = frames_of(s->p, i);

		s->best[i] = s->best[s->p->stacks[i].parent];
		while (walk.stack == i && frames_next(&walk, &frame)) {
			enum frames_owner owner = frames_owner(s->owners, &frame);

			s->best[i] = owner < s->best[i] ? (uint8_t)owner : s->best[i];
		}
	}
}

/* The nearest owner of what is outwards of a frame of `node`. */
static enum frames_owner beyond(const struct search *s, struct frames_walk walk,
				uint32_t node)
{
	enum frames_owner best = s->best[s->p->stacks[node].parent], owner;
	struct frames_frame frame;

	while (walk.stack == node && frames_next(&walk, &frame)) {
		owner = frames_owner(s->owners, &frame);
		best = owner < best ? owner : best;
	}
	return best;
}

static void count_frame(struct search *s, const struct frames_frame *frame,
			struct frames_walk walk, uint32_t node)
{
	struct function *f = &s->functions[name_of(s, frame)];

	f->direct++;
	f->alone += beyond(s, walk, node) > frames_whose(s->owners, frame);
}

/* ---- by name, and by choice ------------------------------------------------------ */

/* Counts wrappers up to the first frame that is none of the allocator's. */
static void count_wrappers(struct search *s, uint32_t stack)
{
	struct frames_walk walk = frames_of(s->p, stack);
	struct frames_frame frame;
	uint32_t node = stack;

	for (int i = 0; i < LEADING && frames_next(&walk, &frame); i++) {
		if (frames_owner(s->owners, &frame) != FRAMES_BASE)
			break;
		if (frames_whose(s->owners, &frame) != FRAMES_BASE)
			count_frame(s, &frame, walk, node);
		node = walk.stack;
	}
}

static bool is_refuted(const struct function *f)
{
	return f->direct * 10 < f->through * 9 || f->alone * 10 > f->direct;
}

/* Takes back the marks of functions that do not do as they are called. */
static bool prune(struct search *s)
{
	struct profile *p = s->p;
	bool changed = false;

	for (size_t i = 0; i < p->wrapper_count; i++)
		s->functions[i].direct = s->functions[i].alone = 0;
	find_best(s);
	for (uint32_t i = 1; i < p->stack_count; i++)
		if (s->size[i])
			count_wrappers(s, i);
	for (size_t i = 0; i < p->wrapper_count; i++) {
		const struct function *f = &s->functions[i];
		bool chosen = p->wrappers[i] == WRAPPER_BY_CHOICE;

		if (!p->wrappers[i] || (f->direct && (chosen || !is_refuted(f))))
			continue;
		p->wrappers[i] = WRAPPER_NONE;
		changed = true;
	}
	return changed;
}

/* ---- by calls ---------------------------------------------------------------------- */

static struct line *line_of(struct search *s, struct table_key key)
{
	bool is_new;
	uint64_t *id = table_put(&s->line_ids, key, &is_new);

	if (!id ||
	    (is_new && array_reserve(&s->lines, &s->line_room, s->line_count + 1) < 0))
		return NULL;
	if (is_new) {
		*id = s->line_count;
		s->lines[s->line_count++] = (struct line){.least = UINT64_MAX};
	}
	return &s->lines[*id];
}

/* A size that a line of the function asked for. */
static int count_size(struct search *s, uint32_t function, uint32_t number,
		      uint64_t size)
{
	uint64_t place = (uint64_t)function << 32 | number;
	struct line *line = line_of(s, (struct table_key){place, 0});
	bool is_new;

	if (!line || !table_put(&s->sizes, (struct table_key){place, size}, &is_new))
		return -ENOMEM;
	line->sizes += is_new;
	line->least = size < line->least ? size : line->least;
	line->greatest = size > line->greatest ? size : line->greatest;
	if (line->sizes >= WRAPPER_SIZES &&
	    line->greatest / WRAPPER_SPREAD >= (line->least ? line->least : 1))
		s->functions[function].wide = true;
	return 0;
}

static int count_caller(struct search *s, uint32_t function, struct frames_walk walk)
{
	struct frames_frame caller;
	struct table_key key = {function, 0};
	bool is_new;

	if (!frames_next(&walk, &caller))
		return 0;
	key.b = caller.code && caller.code->function ? caller.code->function
						     : caller.stack->pc | 1ull << 63;
	if (!table_put(&s->callers, key, &is_new))
		return -ENOMEM;
	s->functions[function].callers += is_new;
	return 0;
}

/* The first frame of a stack that is none of the allocator's, if it has a name: that;
 * 0: no other one may be a wrapper. *walk goes on from it, *ret_node is its node. */
static uint32_t front_of(const struct search *s, struct frames_walk *walk,
			 struct frames_frame *ret, uint32_t *ret_node)
{
	for (int i = 0; i < LEADING; i++) {
		*ret_node = walk->stack;
		if (!frames_next(walk, ret))
			return 0;
		if (frames_owner(s->owners, ret) != FRAMES_BASE)
			return frames_is_python(s->p, ret->stack->module)
				       ? 0
				       : name_of(s, ret);
	}
	return 0;
}

static void count_front(struct search *s, uint32_t stack)
{
	struct frames_walk walk = frames_of(s->p, stack);
	struct frames_frame frame;
	uint32_t node;

	if (front_of(s, &walk, &frame, &node))
		count_frame(s, &frame, walk, node);
}

/* Of those that are not ruled out by that: most are. */
static int count_calls(struct search *s, uint32_t stack)
{
	struct frames_walk walk = frames_of(s->p, stack);
	struct frames_frame frame;
	uint32_t node, name = front_of(s, &walk, &frame, &node);
	int r;

	if (!name || is_refuted(&s->functions[name]))
		return 0;
	r = count_size(s, name, frame.code->line, s->size[stack] - 1);
	return r < 0 ? r : count_caller(s, name, walk);
}

static void begin_round(struct search *s)
{
	for (size_t i = 0; i < s->p->wrapper_count; i++)
		s->functions[i] =
			(struct function){s->functions[i].through, 0, 0, 0, 0};
	table_done(&s->callers);
	table_done(&s->sizes);
	table_done(&s->line_ids);
	s->line_count = 0;
	find_best(s);
}

/* What calls those that were found may be one in turn. refused: by name, that none is.
 * 1: some were found; 0; -ENOMEM. */
static int find_by_calls(struct search *s, const bool *refused)
{
	struct profile *p = s->p;
	int r = 0, found = 0;

	begin_round(s);
	for (uint32_t i = 1; i < p->stack_count; i++)
		if (s->size[i])
			count_front(s, i);
	for (uint32_t i = 1; !r && i < p->stack_count; i++)
		if (s->size[i])
			r = count_calls(s, i);
	for (size_t i = 1; !r && i < p->wrapper_count; i++) {
		const struct function *f = &s->functions[i];

		if (refused[i] || p->wrappers[i] || !f->wide ||
		    f->callers < WRAPPER_CALLERS || is_refuted(f))
			continue;
		p->wrappers[i] = WRAPPER_BY_CALLS;
		found = 1;
	}
	return r < 0 ? r : found;
}

/* ---- choices --------------------------------------------------------------------- */

struct choice {
	struct glob globs[WRAPPER_WORDS];
	bool is_none[WRAPPER_WORDS]; /* the pattern's functions are no wrappers */
	size_t count;
	bool only; /* those, and no others */
};

static void choice_done(struct choice *c)
{
	for (size_t i = 0; i < c->count; i++)
		glob_done(&c->globs[i]);
}

static const char *add_word(struct choice *c, const char *word, size_t len)
{
	bool minus = len && *word == '-';

	if (len == 4 && !strncmp(word, "none", 4)) {
		c->only = true;
		return NULL;
	}
	if (c->count == WRAPPER_WORDS)
		return "more than 64 words";
	if (glob_init(&c->globs[c->count], GLOB_WHOLE, word + minus, len - minus) < 0)
		return "a word is none, or a function's name, with - in front or "
		       "without, and is not all *";
	c->is_none[c->count++] = minus;
	return NULL;
}

static const char *choice_init(struct choice *c, const char *text)
{
	const char *why = NULL;

	*c = (struct choice){0};
	while (text && !why) {
		size_t len = strcspn(text, ",");

		why = add_word(c, text, len);
		text = text[len] ? text + len + 1 : NULL;
	}
	return why;
}

const char *wrappers_choice(const char *choice)
{
	_cleanup_(choice_done) struct choice c;

	return choice_init(&c, choice);
}

/* Whether it is one by its name; the last word that names it decides. */
static enum wrapper_why why_by_name(const struct choice *c, const char *name,
				    bool *ret_refused)
{
	char shorter[512];

	name = frames_short_name(name, shorter, sizeof(shorter));
	for (size_t i = c->count; i-- > 0;)
		if (glob_match(&c->globs[i], name)) {
			*ret_refused = c->is_none[i];
			return c->is_none[i] ? WRAPPER_NONE : WRAPPER_BY_CHOICE;
		}
	return !c->only && wrappers_is_name(name) ? WRAPPER_BY_NAME : WRAPPER_NONE;
}

/* ---- all --------------------------------------------------------------------------- */

static int search_all(struct search *s, const struct choice *c)
{
	struct profile *p = s->p;
	_cleanup_(freep) bool *refused = calloc(p->wrapper_count + 1, sizeof(*refused));
	_cleanup_(freep) bool *asked = calloc(p->wrapper_count + 1, sizeof(*asked));
	int r = search_init(s), more = 1;

	if (r < 0 || !refused || !asked)
		return -ENOMEM;
	for (size_t i = 0; i < p->frame_count; i++) {
		uint32_t name = p->frames[i].function;

		if (!name || name >= p->wrapper_count || asked[name])
			continue;
		asked[name] = true;
		p->wrappers[name] = (uint8_t)why_by_name(
			c, strings_get(&p->strings, name), &refused[name]);
	}
	count_through(s);
	for (int i = 0; i < ROUNDS && prune(s); i++)
		;
	for (int i = 0; i < ROUNDS && !c->only && more == 1; i++)
		more = find_by_calls(s, refused);
	return more < 0 ? more : 0;
}

int wrappers_find(struct profile *p, const char *choice)
{
	_cleanup_(search_done) struct search s = {.p = p};
	_cleanup_(choice_done) struct choice c;
	int r = 0;

	if (choice_init(&c, choice))
		return -EINVAL;
	free(p->wrappers);
	p->wrappers = calloc(p->strings.count + 1, 1);
	p->wrapper_count = p->wrappers ? p->strings.count : 0;
	if (!p->wrappers)
		r = -ENOMEM;
	else if (!c.only || c.count)
		r = search_all(&s, &c);
	if (r < 0)
		p->wrapper_count = 0;
	return r;
}

/* Marks in `to` what is marked in `from`. */
static void share(const struct profile *from, struct profile *to)
{
	for (uint32_t i = 0; i < from->wrapper_count; i++) {
		uint32_t number;

		if (!from->wrappers[i])
			continue;
		number = strings_find(&to->strings, strings_get(&from->strings, i));
		if (number < to->wrapper_count && !to->wrappers[number])
			to->wrappers[number] = from->wrappers[i];
	}
}

void wrappers_share(struct profile *a, struct profile *b)
{
	share(a, b);
	share(b, a);
}

/* ---- words ------------------------------------------------------------------------- */

static const char *const words[WRAPPER_WHYS] = {
	[WRAPPER_BY_NAME] = "name",
	[WRAPPER_BY_CALLS] = "calls",
	[WRAPPER_BY_CHOICE] = "choice",
};

static void put_name(const struct profile *p, uint32_t function, FILE *out)
{
	char shorter[512];

	text_put_elided(out,
			frames_short_name(strings_get(&p->strings, function), shorter,
					  sizeof(shorter)),
			40);
}

void wrappers_text(const struct profile *p, FILE *out)
{
	size_t count = 0;

	for (uint32_t i = 0; i < p->wrapper_count; i++) {
		if (!p->wrappers[i] || count++ >= NAMED)
			continue;
		fputs(count == 1 ? "Named after who called: " : ", ", out);
		put_name(p, i, out);
		if (p->wrappers[i] == WRAPPER_BY_CALLS)
			fputs(" (by its calls)", out);
	}
	if (count > NAMED)
		fprintf(out, " and %zu more", count - NAMED);
	if (count)
		fputs("; --wrappers=none names these\n", out);
}

void wrappers_json(const struct profile *p, struct json *j)
{
	json_key(j, "wrappers");
	json_array(j);
	for (uint32_t i = 0; i < p->wrapper_count; i++) {
		if (!p->wrappers[i])
			continue;
		json_object(j);
		json_put_string(j, "function", strings_get(&p->strings, i));
		json_put_string(j, "by", words[p->wrappers[i]]);
		json_close(j);
	}
	json_close(j);
}
