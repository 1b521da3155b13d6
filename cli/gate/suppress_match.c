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

/* Rules of a single pattern for any frame, as LeakSanitizer's, are plain: whether one
 * hides is known of each node at once. */
struct touch {
	uint32_t plain; /* the first plain rule that a name matches, + 1; 0: none */
	bool loose;	/* a name begins a variant that may begin at any frame */
	bool known;
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
	/* By node, of all frames from it outwards. What most stacks need, and where
	 * neither is set and nothing is anchored, no rule can hide. */
	struct touch *touched;
	bool anchored; /* some variant is */
	/* The stack at hand, read as far as it was needed. */
	struct frames_walk walk;
	struct seen *frames;
	size_t frame_room, count, news; /* news: of them operator new's, innermost */
	bool ended;
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
	m->anchored = m->anchored || v.anchored;
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
	size_t at = m->pool_count;
	const char *name;
	struct names n;
	bool ok;

	if (string >= m->profile->strings.count)
		string = 0;
	if (m->lists[role][string] != UNKNOWN)
		return m->lists[role][string] - 1;
	name = strings_get(&m->profile->strings, string);
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

static bool hides(const struct suppress_rule *rule, enum leak_kind kind)
{
	return rule->kinds & 1u << kind && !rule->expired && !rule->exceeded;
}

static bool is_plain(const struct suppress *s, const struct suppress_rule *rule)
{
	const struct suppress_frame *f = &s->frames[rule->first];

	return rule->count == 2 && f[0].dots && f[1].pattern != SUPPRESS_NONE &&
	       f[1].module == SUPPRESS_NONE && !s->patterns[f[1].pattern].line &&
	       rule->kinds == SUPPRESS_LOST && hides(rule, LEAK_DEFINITE);
}

static uint32_t lesser(uint32_t a, uint32_t b)
{
	return a && (!b || a < b) ? a : b;
}

static void touch_chain(const struct suppress_matcher *m, uint32_t chain,
			struct touch *ret)
{
	for (; chain; chain = m->variants[chain - 1].next) {
		const struct variant *v = &m->variants[chain - 1];

		if (is_plain(m->s, &m->s->rules[v->rule]))
			ret->plain = lesser(ret->plain, v->rule + 1);
		else
			ret->loose = ret->loose || !v->anchored;
	}
}

/* false: the list could not be made. */
static bool touch_list(const struct suppress_matcher *m, uint32_t list,
		       struct touch *ret)
{
	if (list == FAILED)
		return false;
	for (uint32_t i = 1; i <= m->pool[list]; i++)
		touch_chain(m, m->begins[m->pool[list + i]], ret);
	return true;
}

static bool touch_code(struct suppress_matcher *m, uint32_t number, struct touch *ret)
{
	const struct profile *p = m->profile;
	bool ok = ret->known = true;

	for (uint32_t i = 0; ok && number && i < p->codes[number - 1].frames; i++) {
		const struct profile_frame *f =
			&p->frames[p->codes[number - 1].first_frame + i];

		ok = touch_list(m, list_of(m, SUPPRESS_FUNCTION, f->function), ret) &&
		     touch_list(m, list_of(m, SUPPRESS_FUNCTION, f->linkage), ret) &&
		     touch_list(m, list_of(m, SUPPRESS_SOURCE, f->file), ret);
	}
	return ok;
}

static bool is_shim(const struct profile *p, const struct profile_stack *node)
{
	return !strncmp(frames_base(frames_module(p, node)), "libheapline", 11);
}

static bool touch_module(struct suppress_matcher *m, uint32_t number, struct touch *ret)
{
	uint32_t path = number ? m->profile->modules[number - 1].path : 0;

	ret->known = true;
	return touch_list(m, list_of(m, SUPPRESS_MODULE, path), ret);
}

static void join(struct touch *a, const struct touch *b)
{
	a->plain = lesser(a->plain, b->plain);
	a->loose = a->loose || b->loose;
}

/* One pass over the tree: a node comes after its parent. */
static bool touch_nodes(struct suppress_matcher *m, struct touch *codes,
			struct touch *modules)
{
	const struct profile *p = m->profile;
	bool ok = true;

	touch_chain(m, m->any, &m->touched[0]);
	for (size_t i = 1; ok && i < p->stack_count; i++) {
		const struct profile_stack *s = &p->stacks[i];
		uint32_t code = s->code <= p->code_count ? s->code : 0;
		uint32_t module = s->module <= p->module_count ? s->module : 0;

		m->touched[i] = m->touched[s->parent];
		if (is_shim(p, s))
			continue;
		if (!codes[code].known)
			ok = touch_code(m, code, &codes[code]);
		if (!modules[module].known)
			ok = touch_module(m, module, &modules[module]) && ok;
		join(&m->touched[i], &codes[code]);
		join(&m->touched[i], &modules[module]);
	}
	return ok;
}

static bool touch_all(struct suppress_matcher *m)
{
	const struct profile *p = m->profile;
	struct touch *codes = calloc(p->code_count + 1, sizeof(*codes));
	struct touch *modules = calloc(p->module_count + 1, sizeof(*modules));
	bool ok;

	free(m->touched);
	m->touched = calloc(p->stack_count + 1, sizeof(*m->touched));
	ok = codes && modules && m->touched && touch_nodes(m, codes, modules);
	free(codes);
	free(modules);
	return ok;
}

struct suppress_matcher *suppress_bind(struct suppress *s, const struct profile *p)
{
	struct suppress_matcher *m = calloc(1, sizeof(*m));
	bool ok;

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
	for (uint32_t i = 0; ok && i < s->count; i++) {
		s->rules[i].exceeded = false;
		ok = add_rule(m, i) == 0;
	}
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

static void begin_stack(struct suppress_matcher *m, uint32_t stack)
{
	m->walk = frames_of(m->profile, stack);
	m->count = m->news = 0;
	m->ended = false;
	m->stacks++;
}

static void read_frame(struct suppress_matcher *m)
{
	const struct strings *strings = &m->profile->strings;
	struct frames_frame f;

	do
		m->ended = !frames_next(&m->walk, &f);
	while (!m->ended && !m->count && is_shim(m->profile, f.stack));
	if (m->ended)
		return;
	if (array_room(&m->frames, &m->frame_room, m->count + 1) < 0 ||
	    !look_at(m, &f, &m->frames[m->count])) {
		m->failed = m->ended = true;
		return;
	}
	if (m->news == m->count && f.code &&
	    !strncmp(strings_get(strings, f.code->function), "operator new", 12))
		m->news++;
	m->count++;
}

/* Whether the stack at hand has a frame of that number. */
static bool has_frame(struct suppress_matcher *m, size_t number)
{
	while (number >= m->count && !m->ended)
		read_frame(m);
	return number < m->count;
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
static bool row_matches(struct suppress_matcher *m, const struct variant *v, size_t at)
{
	const struct suppress_frame *frames = m->s->frames;
	uint32_t want = v->first, after_dots = SUPPRESS_NONE;
	size_t from = 0;

	while (want < v->end) {
		if (frames[want].dots) {
			after_dots = ++want;
			from = at;
		} else if (!has_frame(m, at)) {
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

struct search {
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
		size_t last = !v->anchored		 ? SIZE_MAX
			      : v->allocator || !m->news ? 0
							 : m->news - 1;

		chain = v->next;
		if (v->rule >= *found || at > last ||
		    !(rule->kinds & 1u << search->kind))
			continue;
		if (!v->anchored && v->tried == m->stacks)
			continue;
		v->tried = m->stacks;
		if (row_matches(m, v, at))
			*found = v->rule;
	}
}

static void try_list(struct suppress_matcher *m, uint32_t list, size_t at,
		     struct search *search)
{
	for (uint32_t i = 1; i <= m->pool[list]; i++)
		try_chain(m, m->begins[m->pool[list + i]], at, search);
}

static void try_stack(struct suppress_matcher *m, uint32_t stack, struct search *search)
{
	bool loose = m->touched[stack].loose;

	begin_stack(m, stack);
	for (size_t at = 0; has_frame(m, at) && (loose || at <= m->news); at++) {
		const struct seen f = m->frames[at];

		has_frame(m, at + 1); /* for how many operator news there are */
		try_list(m, f.function, at, search);
		try_list(m, f.linkage, at, search);
		try_list(m, f.source, at, search);
		try_list(m, f.module, at, search);
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
	if (!m->touched || stack >= m->profile->stack_count)
		return FINDING_NONE;
	if (SUPPRESS_LOST & 1u << kind && m->touched[stack].plain)
		search.best = m->touched[stack].plain - 1;
	if (!m->anchored && !m->touched[stack].loose)
		return search.best;
	known = table_put(&m->known, key, &new);
	if (!known) {
		m->failed = true;
		return FINDING_NONE;
	}
	if (!new)
		return (uint32_t)*known;
	try_stack(m, stack, &search);
	if (m->failed)
		search.best = search.idle = FINDING_NONE;
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
	if (again) {
		table_done(&m->known);
		m->failed = !touch_all(m) || m->failed;
	}
	return again;
}
