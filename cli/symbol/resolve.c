/*
 * resolve.c - the addresses of stacks become codes: names and lines. Distinct places are
 * listed, looked up by a crew, a file each, and taken over.
 */
#include "cli/symbol/symbols.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/symbol/ahead.h"
#include "cli/symbol/symbols_state.h"

#include <errno.h>
#include <stdlib.h>

/* Table keys of what is in no image: the first word tells it from an image's. */
#define KEY_MODULE (1ull << 62)
#define KEY_CUT (1ull << 63)

enum { PROGRESS_NS = 100000000 };

struct query {
	uint64_t address; /* in the file */
	uint32_t image, code;
};

/* What a stack's code was, of stacks that end alike: most end in few places. */
struct recent {
	uint64_t pc;
	uint32_t module, flags;
	uint32_t code; /* 0: none */
};

enum { RECENT_BITS = 13 };

struct resolver {
	struct symbols *s;
	struct profile *p;
	struct query *queries;
	size_t query_count, query_room;
	struct table codes; /* place -> code + 1 */
	struct recent *recent;
	uint32_t unknown; /* the frame that nothing is known of */
};

static int resolver_open(struct resolver *r, struct symbols *s, struct profile *p)
{
	*r = (struct resolver){.s = s, .p = p};
	r->recent = calloc(1u << RECENT_BITS, sizeof(*r->recent));
	return r->recent ? 0 : -ENOMEM;
}

static void resolver_done(struct resolver *r)
{
	free(r->queries);
	free(r->recent);
	table_done(&r->codes);
}

/* What may have been noted of such a stack. */
static struct recent *recent_of(const struct resolver *r,
				const struct profile_stack *st)
{
	uint64_t h = (st->pc + st->module) * 0x9e3779b97f4a7c15ull;

	return &r->recent[h >> (64 - RECENT_BITS)];
}

static bool recent_is(const struct recent *is, const struct profile_stack *st)
{
	return is->code && is->pc == st->pc && is->module == st->module &&
	       is->flags == st->flags;
}

static void recent_note(struct recent *at, const struct profile_stack *st,
			uint32_t code)
{
	*at = (struct recent){st->pc, st->module, st->flags, code};
}

/* What names the place of a stack's innermost frame; its image + 1, or 0, in *ret. */
static struct table_key place_of(const struct resolver *r,
				 const struct profile_stack *st, uint32_t *ret_image)
{
	uint32_t module = st->module, image = 0;
	uint64_t address = st->flags & PROFILE_STACK_EXACT ? st->pc : st->pc - 1;

	*ret_image = 0;
	if (st->flags & PROFILE_STACK_CUT)
		return (struct table_key){KEY_CUT, st->pc};
	if (module && module <= r->p->module_count && module <= r->s->module_room)
		image = r->s->modules[module - 1];
	if (!image)
		return (struct table_key){KEY_MODULE | module, address};
	*ret_image = image;
	return (struct table_key){image - 1, address - r->p->modules[module - 1].bias};
}

static int query_add(struct resolver *r, uint64_t address, uint32_t image,
		     uint32_t code)
{
	if (array_reserve(&r->queries, &r->query_room, r->query_count + 1))
		return -ENOMEM;
	r->queries[r->query_count++] = (struct query){address, image, code};
	return 0;
}

/* The code of a stack's place, which is made if there was none. */
static int code_of(struct resolver *r, const struct profile_stack *st, uint32_t *ret)
{
	struct recent *recent = recent_of(r, st);
	struct profile *p = r->p;
	struct table_key place;
	uint32_t image;
	uint64_t *code;

	if (recent_is(recent, st)) {
		*ret = recent->code;
		return 0;
	}
	place = place_of(r, st, &image);
	code = table_put(&r->codes, place, NULL);
	if (!code || array_reserve(&p->codes, &p->code_room, p->code_count + 1))
		return -ENOMEM;
	if (!*code) {
		if (p->code_count >= UINT32_MAX - 1 ||
		    (image &&
		     query_add(r, place.b, image - 1, (uint32_t)p->code_count)))
			return -ENOMEM;
		p->codes[p->code_count++] = (struct profile_code){r->unknown, 1};
		*code = p->code_count;
	}
	*ret = (uint32_t)*code;
	recent_note(recent, st, *ret);
	return 0;
}

static int frame_unknown(struct resolver *r)
{
	struct profile *p = r->p;

	if (array_reserve(&p->frames, &p->frame_room, p->frame_count + 1) ||
	    p->frame_count >= UINT32_MAX)
		return -ENOMEM;
	r->unknown = (uint32_t)p->frame_count;
	p->frames[p->frame_count++] = (struct profile_frame){0};
	return 0;
}

/* A stack that has a code: others at its place have the same. */
static int know_code(struct resolver *r, const struct profile_stack *st)
{
	struct recent *recent = recent_of(r, st);
	uint32_t image;
	uint64_t *code;

	if (recent_is(recent, st) && recent->code == st->code)
		return 0;
	code = table_put(&r->codes, place_of(r, st, &image), NULL);
	if (!code)
		return -ENOMEM;
	*code = st->code;
	recent_note(recent, st, st->code);
	return 0;
}

/* Gives every stack a code, unknown at first: whatever fails later, p is sound. */
static int list_queries(struct resolver *r)
{
	struct profile *p = r->p;
	bool any = false;

	for (size_t i = 1; i < p->stack_count; i++)
		if (!p->stacks[i].code)
			any = true;
		else if (know_code(r, &p->stacks[i]))
			return -ENOMEM;
	if (!any)
		return 0;
	if (frame_unknown(r))
		return -ENOMEM;
	for (size_t i = 1; i < p->stack_count; i++)
		if (!p->stacks[i].code && code_of(r, &p->stacks[i], &p->stacks[i].code))
			return -ENOMEM;
	return 0;
}

/* The same places, while stacks stay as they are. */
static int list_ahead(struct resolver *r)
{
	for (size_t i = 1; i < r->p->stack_count; i++) {
		const struct profile_stack *st = &r->p->stacks[i];
		struct recent *recent = recent_of(r, st);
		struct table_key place;
		uint32_t image;
		bool fresh;

		if (st->code || recent_is(recent, st))
			continue;
		place = place_of(r, st, &image);
		recent_note(recent, st, UINT32_MAX);
		if (image && (!table_put(&r->codes, place, &fresh) ||
			      (fresh && query_add(r, place.b, image - 1,
						  (uint32_t)r->query_count))))
			return -ENOMEM;
	}
	return 0;
}

static int by_image(const void *a, const void *b)
{
	const struct query *x = a, *y = b;

	if (x->image != y->image)
		return x->image < y->image ? -1 : 1;
	return x->code < y->code ? -1 : x->code > y->code;
}

/* Answers on their way into the profile. */
struct takeover {
	struct resolver *r;
	const struct answers *from;
	uint32_t image;
	uint32_t *strings; /* of the answers' strings: the profile's + 1; 0: not yet */
};

static int take_string(struct takeover *t, uint32_t number, uint32_t *ret)
{
	const struct strings *from = &t->from->profile->strings;
	uint32_t *known;

	*ret = 0;
	if (!number || number >= from->count)
		return 0;
	known = &t->strings[number];
	if (!*known) {
		uint32_t added =
			strings_add(&t->r->p->strings, strings_get(from, number));

		if (added == UINT32_MAX)
			return -ENOMEM;
		*known = added + 1;
	}
	*ret = *known - 1;
	return 0;
}

static int take_frame(struct takeover *t, const struct profile_frame *from,
		      struct profile_frame *to)
{
	uint64_t *image;

	*to = *from;
	if (take_string(t, from->function, &to->function) ||
	    take_string(t, from->linkage, &to->linkage) ||
	    take_string(t, from->file, &to->file))
		return -ENOMEM;
	if (!to->file)
		return 0;
	image = table_put(&t->r->s->files, (struct table_key){to->file, 0}, NULL);
	if (!image)
		return -ENOMEM;
	if (!*image)
		*image = t->image + 1ull;
	return 0;
}

static int take_code(struct takeover *t, const struct query *q)
{
	const struct profile *from = t->from->profile;
	size_t number = answers_find(t->from, q->address), first;
	struct profile *p = t->r->p;
	struct profile_code code;

	if (number == SIZE_MAX)
		return 0;
	code = from->codes[number];
	first = p->frame_count;
	if (first > UINT32_MAX - code.frames ||
	    array_reserve(&p->frames, &p->frame_room, first + code.frames))
		return -ENOMEM;
	for (size_t i = 0; i < code.frames; i++)
		if (take_frame(t, &from->frames[code.first_frame + i],
			       &p->frames[first + i]))
			return -ENOMEM;
	p->frame_count += code.frames;
	p->codes[q->code] = (struct profile_code){(uint32_t)first, code.frames};
	return 0;
}

static int take_job(struct resolver *r, const struct crew_job *job,
		    const struct query *queries)
{
	struct takeover t = {.r = r, .from = &job->answers, .image = queries->image};
	int e = 0;

	t.strings = calloc(job->answers.profile->strings.count + 1, sizeof(*t.strings));
	if (!t.strings)
		return -ENOMEM;
	for (size_t i = 0; i < job->count && !e; i++)
		e = take_code(&t, &queries[i]);
	free(t.strings);
	return e;
}

/* A job for each image that is asked about. */
static int jobs_of(struct resolver *r, struct crew_jobs *ret)
{
	if (r->query_count)
		qsort(r->queries, r->query_count, sizeof(*r->queries), by_image);
	ret->items = calloc(r->s->image_count + 1, sizeof(*ret->items));
	ret->addresses = calloc(r->query_count + 1, sizeof(*ret->addresses));
	if (!ret->items || !ret->addresses)
		return -ENOMEM;
	for (size_t i = 0; i < r->query_count; i++) {
		const struct query *q = &r->queries[i];

		ret->addresses[i] = q->address;
		if (!i || q->image != q[-1].image)
			ret->items[ret->count++] = (struct crew_job){
				.module = r->s->images[q->image].module,
				.addresses = &ret->addresses[i]};
		ret->items[ret->count - 1].count++;
	}
	return 0;
}

/* Until it is done. */
static void await_ahead(struct symbols *s)
{
	size_t done, all;

	while (!ahead_wait(s->ahead, PROGRESS_NS)) {
		ahead_progress(s->ahead, &done, &all);
		if (s->progress && all)
			s->progress(s->progress_arg, done, all);
	}
}

/* Gives jobs the answers to what was asked ahead. */
static void take_ahead(struct symbols *s, struct crew_jobs *jobs)
{
	_cleanup_(crew_jobs_done) struct crew_jobs had = {0};

	if (!s->ahead)
		return;
	await_ahead(s);
	ahead_end(s->ahead, &had);
	s->ahead = NULL;
	for (size_t i = 0; i < jobs->count; i++)
		for (size_t k = 0; k < had.count; k++)
			if (had.items[k].module == jobs->items[i].module) {
				jobs->items[i].answers = had.items[k].answers;
				had.items[k].answers = (struct answers){0};
			}
}

static int run_queries(struct resolver *r)
{
	_cleanup_(crew_jobs_done) struct crew_jobs jobs = {0};
	struct crew crew = {.cache = r->s->cache,
			    .progress = r->s->progress,
			    .progress_arg = r->s->progress_arg};
	int e = jobs_of(r, &jobs);

	if (e)
		return e;
	take_ahead(r->s, &jobs);
	crew.jobs = jobs.items;
	crew.count = jobs.count;
	e = crew_run(&crew);
	for (size_t i = 0; i < jobs.count && !e; i++)
		e = take_job(r, &jobs.items[i],
			     &r->queries[jobs.items[i].addresses - jobs.addresses]);
	return e;
}

/* An inline function is measured in each unit that has it: all its frames get the
 * furthest line. Frames from first on are new; older ones may be in a file already. */
static int agree_on_last_lines(struct profile *p, size_t first)
{
	_cleanup_(table_done) struct table lasts = {0};

	for (size_t i = 0; i < p->frame_count; i++) {
		const struct profile_frame *f = &p->frames[i];
		uint64_t *last;

		if (!f->function_first)
			continue;
		last = table_put(
			&lasts,
			(struct table_key){(uint64_t)f->function << 32 | f->file,
					   f->function_first},
			NULL);
		if (!last)
			return -ENOMEM;
		*last = f->function_last > *last ? f->function_last : *last;
	}
	for (size_t i = first; i < p->frame_count; i++) {
		struct profile_frame *f = &p->frames[i];

		if (f->function_first)
			f->function_last = (uint32_t)*table_get(
				&lasts, (struct table_key){(uint64_t)f->function << 32 |
								   f->file,
							   f->function_first});
	}
	return 0;
}

int symbols_resolve(struct symbols *s, struct profile *p)
{
	_cleanup_(resolver_done) struct resolver r;
	size_t first = p->frame_count;
	int e = resolver_open(&r, s, p);

	if (!e)
		e = list_queries(&r);
	if (!e)
		e = run_queries(&r);
	if (!e)
		e = agree_on_last_lines(p, first);
	if (!e)
		p->symbolised = true;
	return e;
}

int symbols_begin(struct symbols *s, struct profile *p)
{
	_cleanup_(resolver_done) struct resolver r = {0};
	_cleanup_(crew_jobs_done) struct crew_jobs jobs = {0};
	int e = s->ahead ? -EALREADY : resolver_open(&r, s, p);

	if (!e)
		e = list_ahead(&r);
	if (!e)
		e = jobs_of(&r, &jobs);
	if (e || !jobs.count)
		return e;
	s->ahead = ahead_begin(&jobs, s->cache);
	return s->ahead ? 0 : -ENOMEM;
}

bool symbols_wait(struct symbols *s, uint64_t ns)
{
	return !s->ahead || ahead_wait(s->ahead, ns);
}
