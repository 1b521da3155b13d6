/*
 * suppress_match.c - stacks against the list of rules.
 *
 * Patterns are tried once for each name: what a string matches is remembered. A stack's
 * frames then give the patterns, and each pattern the rules that begin with it, so that
 * rules whose first frame is nowhere in a stack cost nothing.
 */
#include "cli/gate/suppress_rules.h"

#include "cli/base/array.h"
#include "cli/base/table.h"
#include "cli/report/fingerprint.h"
#include "cli/report/frames.h"

#include <stdlib.h>
#include <string.h>

enum { UNKNOWN = 0, FAILED = UINT32_MAX };

/* A way in which a rule can begin: with all of its frames, or without the allocator's.
 * Variants that begin with the same pattern are in a chain. */
struct variant {
	uint32_t rule, first, end; /* frames */
	uint32_t next;		   /* variant + 1 */
	bool anchored;
	bool allocator; /* the frame in front was the allocator's: no operator new is */
	uint32_t tried; /* the stack, by number, that it was tried with */
};

struct seen { /* a frame of the stack at hand: what its names match, see lists */
	uint32_t function, linkage, source, module;
	uint32_t line;
};

struct suppress_matcher {
	struct suppress *s;
	const struct profile *profile;
	struct variant *variants;
	size_t variant_count, variant_room;
	uint32_t *begins; /* by pattern: variant + 1 */
	uint32_t any;	  /* variants that begin with any one frame */
	/* By string, for each role: where in pool a list is, + 1. */
	uint32_t *lists[SUPPRESS_ROLES];
	uint32_t *pool; /* lists: how many, and the patterns */
	size_t pool_count, pool_room;
	/* By node: whether a name on its stack matches any pattern. Where none does, as
	 * on most, no rule can hide: each names somebody. */
	bool *touched;
	struct seen *frames;
	size_t frame_room;
	/* (stack, kind): the rule; in the upper half the rule + 1 that is idle. */
	struct table known;
	uint32_t stacks; /* tried so far */
	bool failed;
};

/* ---- rules by their first pattern ---------------------------------------------- */

static int add_variant(struct suppress_matcher *m, struct variant v, uint32_t concrete)
{
	const struct suppress_frame *f = &m->s->frames[concrete];
	uint32_t pattern = f->pattern != SUPPRESS_NONE ? f->pattern : f->module;
	uint32_t *head = pattern == SUPPRESS_NONE ? &m->any : &m->begins[pattern];

	if (array_reserve(&m->variants, &m->variant_room, m->variant_count + 1) < 0)
		return -1;
	v.next = *head;
	m->variants[m->variant_count++] = v;
	*head = (uint32_t)m->variant_count;
	return 0;
}

static int add_rule(struct suppress_matcher *m, uint32_t number)
{
	const struct suppress_rule *rule = &m->s->rules[number];
	const struct suppress_frame *frames = m->s->frames;
	uint32_t first = rule->first, end = first + rule->count, at = first;
	struct variant v = {.rule = number, .first = first, .end = end};

	while (at < end && frames[at].dots)
		at++;
	v.anchored = at == first;
	if (at < end && add_variant(m, v, at) < 0)
		return -1;
	if (at == end || !suppress_is_allocator(m->s, &frames[at]))
		return 0;
	v.first = ++at;
	while (at < end && frames[at].dots)
		at++;
	v.anchored = at == v.first;
	v.allocator = true;
	return at < end ? add_variant(m, v, at) : 0;
}

/* ---- names --------------------------------------------------------------------- */

struct names { /* forms of one name */
	const char *raw;
	char *plain; /* of a function as of a fingerprint, else the base name; owned */
	char *alias; /* as the library's documentation has it; owned */
};

static bool name_matches(const struct suppress_pattern *p, enum suppress_role role,
			 const struct names *n)
{
	if (p->role == SUPPRESS_ANYTHING)
		return glob_match(&p->glob, n->raw);
	return p->role == role &&
	       (glob_match(&p->glob, n->raw) || glob_match(&p->glob, n->plain) ||
		glob_match(&p->glob, n->alias));
}

static bool make_names(struct names *n, enum suppress_role role, const char *name)
{
	bool function = role == SUPPRESS_FUNCTION;

	n->raw = name;
	n->plain = function ? fingerprint_name(name, false) : strdup(frames_base(name));
	n->alias = function ? fingerprint_name(name, true) : strdup(frames_base(name));
	return n->plain && n->alias;
}

static bool put(struct suppress_matcher *m, uint32_t value)
{
	if (array_room(&m->pool, &m->pool_room, m->pool_count + 1) < 0)
		return false;
	m->pool[m->pool_count++] = value;
	return true;
}

/* The list of a string, made if need be: where it is in pool; FAILED. */
static uint32_t list_of(struct suppress_matcher *m, enum suppress_role role,
			uint32_t string)
{
	const char *name = strings_get(&m->profile->strings, string);
	size_t at = m->pool_count;
	struct names n;
	bool ok;

	if (string >= m->profile->strings.count)
		string = 0;
	if (m->lists[role][string] != UNKNOWN)
		return m->lists[role][string] - 1;
	ok = make_names(&n, role, name) && at < FAILED - 1 && put(m, 0);
	for (uint32_t i = 0; ok && *name && i < m->s->pattern_count; i++)
		if (name_matches(&m->s->patterns[i], role, &n))
			ok = put(m, i);
	free(n.plain);
	free(n.alias);
	if (!ok)
		return FAILED;
	m->pool[at] = (uint32_t)(m->pool_count - at - 1);
	m->lists[role][string] = (uint32_t)at + 1;
	return (uint32_t)at;
}

static bool look_at(struct suppress_matcher *m, const struct frames_frame *frame,
		    struct seen *ret)
{
	const struct profile *p = m->profile;
	const struct profile_frame *code = frame->code;
	uint32_t module = frame->stack->module;
	uint32_t path =
		module && module <= p->module_count ? p->modules[module - 1].path : 0;

	*ret = (struct seen){
		.function = list_of(m, SUPPRESS_FUNCTION, code ? code->function : 0),
		.linkage = list_of(m, SUPPRESS_FUNCTION, code ? code->linkage : 0),
		.source = list_of(m, SUPPRESS_SOURCE, code ? code->file : 0),
		.module = list_of(m, SUPPRESS_MODULE, path),
		.line = code ? code->line : 0,
	};
	return ret->function != FAILED && ret->linkage != FAILED &&
	       ret->source != FAILED && ret->module != FAILED;
}

/* ---- a profile ------------------------------------------------------------------ */

enum touch { ASK, NO, YES };

static unsigned char touch(const struct suppress_matcher *m, uint32_t list)
{
	return m->pool[list] ? YES : NO;
}

/* ASK: memory is short. */
static unsigned char touch_code(struct suppress_matcher *m,
				const struct profile_stack *node)
{
	struct frames_frame frame = {.stack = node};
	const struct profile *p = m->profile;
	const struct profile_code *code = node->code && node->code <= p->code_count
						  ? &p->codes[node->code - 1]
						  : NULL;
	struct seen seen;

	for (uint32_t i = 0; code && i < code->frames; i++) {
		frame.code = &p->frames[code->first_frame + i];
		if (!look_at(m, &frame, &seen))
			return ASK;
		if (touch(m, seen.function) == YES || touch(m, seen.linkage) == YES ||
		    touch(m, seen.source) == YES)
			return YES;
	}
	return NO;
}

static unsigned char touch_module(struct suppress_matcher *m, uint32_t module)
{
	const struct profile *p = m->profile;
	uint32_t list =
		module && module <= p->module_count
			? list_of(m, SUPPRESS_MODULE, p->modules[module - 1].path)
			: list_of(m, SUPPRESS_MODULE, 0);

	return list == FAILED ? ASK : touch(m, list);
}

/* One pass over the tree: a node comes after its parent. */
static bool touch_all(struct suppress_matcher *m)
{
	const struct profile *p = m->profile;
	unsigned char *codes = calloc(p->code_count + 1, 1);
	unsigned char *modules = calloc(p->module_count + 1, 1);
	bool ok;

	m->touched = calloc(p->stack_count + 1, sizeof(*m->touched));
	ok = codes && modules && m->touched;
	for (size_t i = 1; ok && i < p->stack_count; i++) {
		const struct profile_stack *s = &p->stacks[i];
		unsigned char *code = &codes[s->code <= p->code_count ? s->code : 0];
		unsigned char *module =
			&modules[s->module <= p->module_count ? s->module : 0];

		if (*code == ASK)
			*code = touch_code(m, s);
		if (*module == ASK)
			*module = touch_module(m, s->module);
		ok = *code != ASK && *module != ASK;
		m->touched[i] = m->touched[s->parent] || *code == YES || *module == YES;
	}
	free(codes);
	free(modules);
	return ok;
}

struct suppress_matcher *suppress_bind(struct suppress *s, const struct profile *p)
{
	struct suppress_matcher *m = calloc(1, sizeof(*m));
	bool ok = m != NULL;

	if (!m)
		return NULL;
	m->s = s;
	m->profile = p;
	m->begins = calloc(s->pattern_count + 1, sizeof(*m->begins));
	ok = m->begins != NULL;
	for (size_t i = 0; i < SUPPRESS_ROLES; i++) {
		m->lists[i] = calloc(p->strings.count + 1, sizeof(*m->lists[i]));
		ok = ok && m->lists[i];
	}
	for (uint32_t i = 0; ok && i < s->count; i++)
		ok = add_rule(m, i) == 0;
	if (ok && (!s->count || touch_all(m)))
		return m;
	suppress_unbind(m);
	return NULL;
}

void suppress_unbind(struct suppress_matcher *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < SUPPRESS_ROLES; i++)
		free(m->lists[i]);
	free(m->begins);
	free(m->variants);
	free(m->pool);
	free(m->frames);
	free(m->touched);
	table_done(&m->known);
	free(m);
}

/* ---- stacks --------------------------------------------------------------------- */

/* The frames of a stack, and how many of them are operator new's. */
static bool read_stack(struct suppress_matcher *m, uint32_t stack, size_t *ret_count,
		       size_t *ret_news)
{
	struct frames_walk walk = frames_of(m->profile, stack);
	const struct strings *strings = &m->profile->strings;
	struct frames_frame f;
	size_t n = 0, news = 0;

	while (frames_next(&walk, &f)) {
		const char *name = f.code ? strings_get(strings, f.code->function) : "";

		if (!n && !strncmp(frames_base(frames_module(m->profile, f.stack)),
				   "libheapline", 11))
			continue; /* the shim itself */
		if (array_room(&m->frames, &m->frame_room, n + 1) < 0 ||
		    !look_at(m, &f, &m->frames[n]))
			return false;
		if (news == n && !strncmp(name, "operator new", 12))
			news++;
		n++;
	}
	*ret_count = n;
	*ret_news = news;
	return true;
}

/* ---- rows ---------------------------------------------------------------------- */

static bool in_list(const struct suppress_matcher *m, uint32_t list, uint32_t pattern)
{
	for (uint32_t i = 1; i <= m->pool[list]; i++)
		if (m->pool[list + i] == pattern)
			return true;
	return false;
}

static bool has(const struct suppress_matcher *m, const struct seen *frame,
		uint32_t pattern)
{
	uint32_t line = m->s->patterns[pattern].line;

	if (line && line != frame->line)
		return false;
	return in_list(m, frame->function, pattern) ||
	       in_list(m, frame->linkage, pattern) ||
	       in_list(m, frame->source, pattern) || in_list(m, frame->module, pattern);
}

static bool meets(const struct suppress_matcher *m, const struct seen *frame,
		  const struct suppress_frame *want)
{
	return (want->pattern == SUPPRESS_NONE || has(m, frame, want->pattern)) &&
	       (want->module == SUPPRESS_NONE || has(m, frame, want->module));
}

/* Whether the frames at.. begin with the variant's. What stands between two "..." is
 * taken where it is first found: that leaves most for the rest. */
static bool row_matches(const struct suppress_matcher *m, const struct variant *v,
			size_t at, size_t count)
{
	const struct suppress_frame *frames = m->s->frames;
	uint32_t want = v->first, after_dots = SUPPRESS_NONE;
	size_t from = 0;

	while (want < v->end) {
		if (frames[want].dots) {
			after_dots = ++want;
			from = at;
		} else if (at == count) {
			return false; /* nor would it fit further out */
		} else if (meets(m, &m->frames[at], &frames[want])) {
			want++;
			at++;
		} else if (after_dots == SUPPRESS_NONE) {
			return false;
		} else {
			want = after_dots;
			at = ++from;
		}
	}
	return true;
}

static bool hides(const struct suppress_rule *rule, enum leak_kind kind)
{
	return rule->kinds & 1u << kind && !rule->expired && !rule->exceeded;
}

struct search {
	size_t count, news;
	enum leak_kind kind;
	uint32_t best, idle; /* the first rule that hides, and of those that do not */
};

/* Tries the variants of a chain at a frame. */
static void try_chain(struct suppress_matcher *m, uint32_t chain, size_t at,
		      struct search *search)
{
	while (chain) {
		struct variant *v = &m->variants[chain - 1];
		const struct suppress_rule *rule = &m->s->rules[v->rule];
		uint32_t *found =
			hides(rule, search->kind) ? &search->best : &search->idle;
		/* Valgrind has one operator new in a stack, ours may call another. */
		size_t last = !v->anchored		      ? SIZE_MAX
			      : v->allocator || !search->news ? 0
							      : search->news - 1;

		chain = v->next;
		if (v->rule >= *found || at > last ||
		    !(rule->kinds & 1u << search->kind))
			continue;
		if (!v->anchored && v->tried == m->stacks)
			continue;
		v->tried = m->stacks;
		if (row_matches(m, v, at, search->count))
			*found = v->rule;
	}
}

static void try_list(struct suppress_matcher *m, uint32_t list, size_t at,
		     struct search *search)
{
	for (uint32_t i = 1; i <= m->pool[list]; i++)
		try_chain(m, m->begins[m->pool[list + i]], at, search);
}

static void try_stack(struct suppress_matcher *m, struct search *search)
{
	m->stacks++;
	for (size_t at = 0; at < search->count; at++) {
		const struct seen *f = &m->frames[at];

		try_list(m, f->function, at, search);
		try_list(m, f->linkage, at, search);
		try_list(m, f->source, at, search);
		try_list(m, f->module, at, search);
		try_chain(m, m->any, at, search);
	}
}

uint32_t suppress_matched(void *matcher, const struct profile *p, uint32_t process,
			  uint32_t stack, enum leak_kind kind)
{
	struct suppress_matcher *m = matcher;
	struct search search = {
		.kind = kind, .best = FINDING_NONE, .idle = FINDING_NONE};
	struct table_key key = {stack, (uint64_t)kind};
	uint64_t *known;
	bool new;

	(void)p;
	(void)process;
	if (!m->touched || stack >= m->profile->stack_count || !m->touched[stack])
		return FINDING_NONE;
	known = table_put(&m->known, key, &new);
	if (!known) {
		m->failed = true;
		return FINDING_NONE;
	}
	if (!new)
		return (uint32_t)*known;
	*known = FINDING_NONE;
	if (!read_stack(m, stack, &search.count, &search.news)) {
		m->failed = true;
		return FINDING_NONE;
	}
	try_stack(m, &search);
	/* What an idle rule would have hidden, unless another one does. */
	*known = search.best != FINDING_NONE || search.idle == FINDING_NONE
			 ? search.best
			 : (uint64_t)(search.idle + 1) << 32 | FINDING_NONE;
	return search.best;
}

bool suppress_failed(const struct suppress_matcher *m)
{
	return m->failed;
}

/* ---- what they did --------------------------------------------------------------- */

static struct suppress_rule *rule_of(struct suppress_matcher *m,
				     const struct finding *f)
{
	struct table_key key = {f->stack, f->kind};
	const uint64_t *known;
	uint32_t number;

	if (f->kind == LEAK_SUPPRESSED)
		return f->rule < m->s->count ? &m->s->rules[f->rule] : NULL;
	known = table_get(&m->known, key);
	number = known ? (uint32_t)(*known >> 32) : 0;
	return number && number <= m->s->count ? &m->s->rules[number - 1] : NULL;
}

bool suppress_tally(struct suppress_matcher *m, const struct findings *f)
{
	bool again = false;

	for (size_t i = 0; i < m->s->count; i++)
		m->s->rules[i].findings = m->s->rules[i].blocks = m->s->rules[i].bytes =
			0;
	for (size_t i = 0; i < f->count; i++) {
		struct suppress_rule *rule = rule_of(m, &f->items[i]);

		if (!rule)
			continue;
		rule->findings++;
		rule->blocks += f->items[i].blocks;
		rule->bytes += f->items[i].bytes;
	}
	for (size_t i = 0; i < m->s->count; i++) {
		struct suppress_rule *rule = &m->s->rules[i];

		if (!rule->expired && !rule->exceeded &&
		    (rule->blocks > rule->max_blocks || rule->bytes > rule->max_bytes))
			rule->exceeded = again = true;
	}
	if (again)
		table_done(&m->known);
	return again;
}
