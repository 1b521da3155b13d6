#include "tests/unit/unit.h"

#include "cli/gate/suppress.h"
#include "tests/unit/report_views.h"

#include <errno.h>

#define LIBC "/lib/x86_64-linux-gnu/libc.so.6"
#define STDCXX "/usr/lib/x86_64-linux-gnu/libstdc++.so.6"

struct frame {
	const char *module, *function, *linkage, *file;
	uint32_t line;
};

/* Innermost first; ended by no module. */
static uint32_t build(struct profile *p, const struct frame *frames)
{
	uint32_t node = 0;
	size_t count = 0;

	while (frames[count].module)
		count++;
	while (count--) {
		const struct frame *f = &frames[count];
		uint32_t module = report_module(p, f->module);

		node = report_call(p, node, module, f->function, f->file ? f->file : "",
				   f->line, 1, 99);
		if (f->linkage)
			p->frames[p->frame_count - 1].linkage =
				report_string(p, f->linkage);
	}
	return node;
}

static void load(struct suppress *s, const char *text)
{
	char why[300] = "";

	suppress_init(s);
	s->today = 20261121;
	if (suppress_add(s, "f", text, strlen(text), why, sizeof(why)))
		fail_msg("%s: %s", text, why);
}

/* The line of the rule that hides a stack; 0: none. */
static unsigned matched(const char *rules, const struct frame *frames,
			enum leak_kind kind)
{
	struct suppress s;
	struct profile *p = report_profile();
	uint32_t stack = build(p, frames), rule;
	struct suppress_matcher *m;
	unsigned line;

	load(&s, rules);
	m = suppress_bind(&s, p);
	rule = suppress_matched(m, p, 0, stack, kind);
	assert_int_equal(suppress_matched(m, p, 0, stack, kind), rule);
	line = rule == FINDING_NONE ? 0 : s.rules[rule].line;
	suppress_unbind(m);
	suppress_done(&s);
	profile_close(p);
	return line;
}

static const struct frame plain[] = {
	{"/opt/libq.so.1", "q_push", NULL, "/src/q/push.c", 12},
	{"/opt/demo", "work", NULL, "/src/demo.c", 7},
	{"/opt/demo", "main", NULL, "/src/demo.c", 30},
	{LIBC, "", NULL, NULL, 0},
	{0},
};

static const struct frame cpp[] = {
	{STDCXX, "operator new(unsigned long)", "_Znwm", NULL, 0},
	{STDCXX, "operator new[](unsigned long)", "_Znam", NULL, 0},
	{"/opt/demo", "a::grow(int)", "_ZN1a4growEi", NULL, 0},
	{"/opt/demo", "main", NULL, NULL, 0},
	{0},
};

#define RULE(frames) "{\n n\n Memcheck:Leak\n" frames "}\n"
#define OWN(rest) "[[suppression]]\nreason = 'r'\n" rest "\n"

static void a_sanitizers_pattern_is_for_any_frame(void **state)
{
	static const char *const hit[] = {"q_pu", "^q_push$", "/push.c", "libq.so",
					  "main", "^wo*k$",   "demo.c$", "^/opt/libq*"};
	static const char *const miss[] = {"^push",  "q_pus$", "libq$",
					   "q_?ush", "Main",   "q_push work"};

	(void)state;
	for (size_t i = 0; i < sizeof(hit) / sizeof(hit[0]); i++) {
		char rule[100];

		snprintf(rule, sizeof(rule), "# c\n\n  leak:%s \r\n", hit[i]);
		if (matched(rule, plain, LEAK_DEFINITE) != 3)
			fail_msg("%s", hit[i]);
	}
	for (size_t i = 0; i < sizeof(miss) / sizeof(miss[0]); i++) {
		char rule[100];

		snprintf(rule, sizeof(rule), "leak:%s", miss[i]);
		if (matched(rule, plain, LEAK_DEFINITE))
			fail_msg("%s", miss[i]);
	}
	assert_int_equal(matched("leak:main\n", plain, LEAK_REACHABLE), 0);
}

static void a_row_is_the_stacks_beginning(void **state)
{
	static const char *const hit[] = {
		RULE("fun:q_push\n"),
		RULE("fun:malloc\nfun:q_push\nfun:work\n"),
		RULE("fun:*alloc\nfun:q_p?sh\nfun:w*\nfun:main\nobj:*libc.so*\n"),
		RULE("...\nfun:main\n"),
		RULE("fun:malloc\n...\nfun:main\n"),
		RULE("obj:/opt/libq.so*\n"),
		RULE("fun:*\nfun:q_push\n"),
		RULE("...\nfun:work\n...\nobj:*libc*\n...\n"),
		RULE("src:push.c\n"),
		RULE("src:/src/q/push.c:12\nsrc:demo.c:7\n"),
		RULE("obj:*/vgpreload_memcheck-*.so\nfun:q_push\n"),
		RULE("fun:q_push\nfun:*\nfun:main\n"),
		OWN("stack = ['fun:q_push']"),
		OWN("stack = ['fun:q_push in libq.so*', '...', 'fun:main in */demo']"),
		OWN("match = '^work$'"),
	};
	static const char *const miss[] = {
		RULE("fun:work\n"),
		RULE("fun:malloc\nfun:work\n"),
		RULE("fun:push\n"),
		RULE("fun:q_push\nfun:main\n"),
		RULE("...\nfun:main\nfun:work\n"),
		RULE("src:push.c:13\n"),
		RULE("fun:*\nfun:*\nfun:q_push\n"),
		RULE("fun:q_push\nfun:work\nfun:main\nfun:*\nfun:start\n"),
		OWN("stack = ['fun:q_push in libr.so*']"),
		RULE("fun:q_push in libq*\n"),
		OWN("stack = ['...', 'fun:main', '...', 'fun:work']"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(hit) / sizeof(hit[0]); i++)
		if (matched(hit[i], plain, LEAK_DEFINITE) != 1)
			fail_msg("%s", hit[i]);
	for (size_t i = 0; i < sizeof(miss) / sizeof(miss[0]); i++)
		if (matched(miss[i], plain, LEAK_DEFINITE))
			fail_msg("%s", miss[i]);
}

static void names_are_the_linkers_or_the_sources(void **state)
{
	/* As libc's debug information has it. */
	static const struct frame inner[] = {{LIBC, "__GI___strdup", NULL, NULL, 0},
					     {"/opt/demo", "main", NULL, NULL, 0},
					     {0}};

	(void)state;
	assert_true(matched(RULE("fun:_Znam\nfun:_ZN1a4growEi\n"), cpp, LEAK_CYCLE));
	assert_true(matched(RULE("fun:_Zna*\nfun:a::grow(int)\n"), cpp, LEAK_CYCLE));
	assert_true(matched(RULE("fun:_Znwm\nfun:_Znam\n"), cpp, LEAK_CYCLE));
	assert_true(matched("leak:a::grow\n", cpp, LEAK_CYCLE));
	assert_false(matched(RULE("fun:malloc\nfun:a::grow(int)\n"), cpp, LEAK_CYCLE));
	assert_false(matched(RULE("fun:a::grow(int)\n"), cpp, LEAK_CYCLE));
	assert_true(matched(RULE("fun:strdup\nfun:main\n"), inner, LEAK_CYCLE));
	assert_true(matched(RULE("fun:__GI___strdup\nfun:main\n"), inner, LEAK_CYCLE));
	assert_false(matched(RULE("fun:dup\nfun:main\n"), inner, LEAK_CYCLE));
}

static void a_rule_is_for_the_kinds_that_it_names(void **state)
{
	static const char definite[] =
		RULE("match-leak-kinds: definite, possible\nfun:q_push\n");

	(void)state;
	assert_true(matched(definite, plain, LEAK_DEFINITE));
	assert_true(matched(definite, plain, LEAK_POSSIBLE));
	assert_false(matched(definite, plain, LEAK_INDIRECT));
	assert_false(matched(definite, plain, LEAK_REACHABLE));
	assert_true(matched(RULE("fun:q_push\n"), plain, LEAK_REACHABLE));
	assert_true(matched(OWN("kinds = ['reachable']\nstack = ['fun:q_push']"), plain,
			    LEAK_REACHABLE));
	assert_false(matched(OWN("stack = ['fun:q_push']"), plain, LEAK_REACHABLE));
	assert_false(
		matched("{\nn\nHelgrind:Race\nfun:q_push\n}\n", plain, LEAK_DEFINITE));
	assert_true(matched("{\nn\nAddrcheck,Memcheck:Leak\nfun:q_push\n}\n", plain,
			    LEAK_DEFINITE));
	assert_false(matched("{\nn\nMemcheck:Param\nwrite(buf)\nfun:q_push\n}\n", plain,
			     LEAK_DEFINITE));
}

static void the_first_rule_counts_and_expired_ones_do_not(void **state)
{
	static const char two[] = RULE("...\nfun:main\n") "leak:work\n";

	(void)state;
	assert_int_equal(matched(two, plain, LEAK_DEFINITE), 1);
	assert_int_equal(matched("leak:work\n" RULE("fun:q_push\n"), plain, LEAK_CYCLE),
			 1);
	assert_true(
		matched(OWN("match='work'\nexpires=2026-11-21"), plain, LEAK_CYCLE));
	assert_false(
		matched(OWN("match='work'\nexpires=2026-11-20"), plain, LEAK_CYCLE));
	assert_int_equal(matched(OWN("match='work'\nexpires=2026-11-20")
					 OWN("match='main'"),
				 plain, LEAK_CYCLE),
			 5);
}

static void refused(const char *text, const char *where, const char *word)
{
	struct suppress s;
	char why[300] = "";

	suppress_init(&s);
	assert_int_equal(
		suppress_add(&s, "dir/f", text, strlen(text), why, sizeof(why)),
		-EINVAL);
	suppress_done(&s);
	if (strncmp(why, where, strlen(where)) != 0 || !strstr(why, word))
		fail_msg("%s: %s", text, why);
}

static void what_is_wrong_is_told_with_file_and_line(void **state)
{
	(void)state;
	refused("leak:a\nrace:b\n", "dir/f:2: ", "not a suppression of leaks");
	refused("leak:a\n\nleak:\n", "dir/f:3: ", "everything");
	refused("leak:*\n", "dir/f:1: ", "everything");
	refused("leak:^$\n", "dir/f:1: ", "everything");
	refused("\n{\nn\nMemcheck:Leak\nfun:a\n", "dir/f:2: ", "no end");
	refused("{\nn\nMemcheck:Leak\n}\n", "dir/f:1: ", "no frames");
	refused("{\nn\nfun:a\nfun:b\n}\n", "dir/f:3: ", "second line");
	refused("{\nn\nMemcheck\nfun:a\n}\n", "dir/f:3: ", "Memcheck:Leak");
	refused("{\nn\nMemcheck:Leak\nfoo:a\n}\n", "dir/f:4: ", "a frame is");
	refused("{\nn\nMemcheck:Leak\nfun:\n}\n", "dir/f:4: ", "name is missing");
	refused("{\nn\nMemcheck:Leak\nmatch-leak-kinds: lost\nfun:a\n}\n",
		"dir/f:4: ", "definite");
	refused(RULE("fun:malloc\n"), "dir/f:1: ", "hide everything");
	refused(RULE("...\n"), "dir/f:1: ", "hide everything");
	refused(RULE("fun:*\n...\n"), "dir/f:1: ", "hide everything");
	refused(RULE("fun:*alloc\nfun:*\nobj:*\n"), "dir/f:1: ", "hide everything");
	refused("[[suppression]]\nmatch='a'\n", "dir/f:1: ", "say why");
	refused("[[suppression]]\nmatch='a'\nreason=' '\n", "dir/f:1: ", "say why");
	refused("[[suppression]]\nreason='a'\n", "dir/f:1: ", "either match or stack");
	refused(OWN("match='a'\nstack=['fun:a']"), "dir/f:1: ", "either");
	refused(OWN("match='a'\nkinds=['lots']"), "dir/f:4: ", "no such kind");
	refused(OWN("match='a'\nkinds=[]"), "dir/f:4: ", "at least one");
	refused(OWN("match='a'\nexpires='soon'"), "dir/f:4: ", "a date");
	refused(OWN("match='a'\nmax-bytes='much'"), "dir/f:4: ", "64K");
	refused(OWN("match='a'\nwhatever=1"), "dir/f:4: ", "no such name");
	refused(OWN("stack='fun:a'"), "dir/f:3: ", "a list of frames");
	refused("[suppression]\nmatch='a'\n", "dir/f:1: ", "[[suppression]]");
	refused("[[suppression]]\nmatch=a\n", "dir/f:2: ", "no value");
	refused("[limits]\na=1\n", "dir/f:1: ", "no such table");
	refused("[\"\\u001b\"]\n[\"\\u001b\"]\n", "dir/f:2: ", "\\x1b");
}

static void limits_are_told(void **state)
{
	static char text[SUPPRESS_RULES * 8 + 100];
	size_t at = 0;

	(void)state;
	memset(text, 'a', SUPPRESS_LINE + 2);
	refused(text, "dir/f:1: ", "a line of more");
	for (int i = 0; i <= SUPPRESS_RULES; i++)
		at += (size_t)sprintf(text + at, "leak:a\n");
	refused(text, "dir/f:10001: ", "more than 10000");
	at = (size_t)sprintf(text, "{\nn\nMemcheck:Leak\n");
	for (int i = 0; i <= SUPPRESS_FRAMES; i++)
		at += (size_t)sprintf(text + at, "fun:a\n");
	sprintf(text + at, "}\n");
	refused(text, "dir/f:1: ", "more than 64 frames");
}

/* ---- tallies ------------------------------------------------------------------- */

/* As findings_of() would make them: one stack a finding. */
static void make_findings(struct finding *items, size_t count, const uint32_t *stacks,
			  struct suppress_matcher *m, const struct profile *p)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t rule = suppress_matched(m, p, 0, stacks[i], LEAK_DEFINITE);

		items[i] = (struct finding){
			.kind = rule == FINDING_NONE ? LEAK_DEFINITE : LEAK_SUPPRESSED,
			.stack = stacks[i],
			.blocks = 2,
			.bytes = 100,
			.rule = rule,
		};
	}
}

static void hits_are_counted_and_a_maximum_ends_a_rule(void **state)
{
	static const char rules[] =
		OWN("match='q_push'\nmax-blocks=2") OWN("match='work'\nmax-bytes='1K'")
			OWN("match='nowhere'") OWN("match='grow'\nexpires=2020-01-01");
	struct suppress s;
	struct profile *p = report_profile();
	uint32_t stacks[3] = {build(p, plain), build(p, plain), build(p, cpp)};
	struct finding items[3];
	struct findings f = {.items = items, .count = 3};
	struct suppress_matcher *m;

	(void)state;
	load(&s, rules);
	m = suppress_bind(&s, p);
	make_findings(items, 3, stacks, m, p);
	assert_true(suppress_tally(m, &f));
	assert_int_equal(s.rules[0].blocks, 4);
	assert_true(s.rules[0].exceeded);
	make_findings(items, 3, stacks, m, p);
	assert_int_equal(items[0].rule, 1);
	assert_false(suppress_tally(m, &f));
	assert_int_equal(s.rules[0].findings, 0);
	assert_int_equal(s.rules[1].findings, 2);
	assert_int_equal(s.rules[1].bytes, 200);
	assert_int_equal(items[2].kind, LEAK_DEFINITE);
	assert_true(s.rules[3].expired);
	assert_int_equal(s.rules[3].blocks, 2);
	assert_int_equal(suppress_unused(&s), 2);
	assert_false(suppress_failed(m));
	suppress_unbind(m);
	suppress_done(&s);
	profile_close(p);
}

/* ---- against every rule and frame by itself ----------------------------------------
 */

struct oracle {
	const struct profile *p;
	const struct suppress *s;
	struct frames_frame frames[200];
	size_t count;
};

static bool oracle_pattern(const struct oracle *o, uint32_t number,
			   const struct frames_frame *f)
{
	const struct suppress_pattern *p = &o->s->patterns[number];
	const char *function =
		f->code ? strings_get(&o->p->strings, f->code->function) : "";
	const char *file = f->code ? strings_get(&o->p->strings, f->code->file) : "";
	const char *module = frames_module(o->p, f->stack);
	bool any = p->role == SUPPRESS_ANYTHING;

	return ((any || p->role == SUPPRESS_FUNCTION) && *function &&
		glob_match(&p->glob, function)) ||
	       ((any || p->role == SUPPRESS_MODULE) &&
		(glob_match(&p->glob, module) ||
		 (!any && glob_match(&p->glob, frames_base(module))))) ||
	       ((any || p->role == SUPPRESS_SOURCE) && *file &&
		(!p->line || p->line == f->code->line) &&
		(glob_match(&p->glob, file) ||
		 (!any && glob_match(&p->glob, frames_base(file)))));
}

static bool oracle_row(const struct oracle *o, uint32_t at, uint32_t end, size_t frame)
{
	const struct suppress_frame *w = &o->s->frames[at];

	if (at == end)
		return true;
	if (w->dots)
		return oracle_row(o, at + 1, end, frame) ||
		       (frame < o->count && oracle_row(o, at, end, frame + 1));
	return frame < o->count &&
	       (w->pattern == SUPPRESS_NONE ||
		oracle_pattern(o, w->pattern, &o->frames[frame])) &&
	       oracle_row(o, at + 1, end, frame + 1);
}

static uint32_t oracle_rule(struct oracle *o, uint32_t stack, enum leak_kind kind)
{
	struct frames_walk walk = frames_of(o->p, stack);

	for (o->count = 0; frames_next(&walk, &o->frames[o->count]);)
		o->count++;
	for (uint32_t i = 0; i < o->s->count; i++) {
		const struct suppress_rule *r = &o->s->rules[i];

		if (r->kinds & 1u << kind &&
		    oracle_row(o, r->first, r->first + r->count, 0))
			return i;
	}
	return FINDING_NONE;
}

static void random_rules(struct make *m, char *text, size_t room)
{
	static const char *const names[] = {"main",    "parse", "gr*",	  "a*d",
					    "f<int>*", "p?rse", "*(int)", "*"};
	size_t at = 0;

	for (uint32_t n = 1 + make_below(m, 8); n; n--) {
		if (!make_below(m, 5)) {
			at += (size_t)snprintf(text + at, room - at, "leak:%s\n",
					       names[make_below(m, 7)]);
			continue;
		}
		at += (size_t)snprintf(text + at, room - at,
				       "{\nn\nMemcheck:Leak\nmatch-leak-kinds:%s\n",
				       make_below(m, 2) ? "all" : "definite");
		for (uint32_t k = 1 + make_below(m, 4); k; k--)
			switch (make_below(m, 6)) {
			case 0:
			case 1:
				at += (size_t)snprintf(text + at, room - at, "...\n");
				break;
			case 2:
				at += (size_t)snprintf(
					text + at, room - at, "obj:*%s*\n",
					make_below(m, 2) ? "own" : "demo");
				break;
			case 3:
				at += (size_t)snprintf(text + at, room - at,
						       "src:*/u/?.c:%u\n",
						       10 * make_below(m, 9));
				break;
			default:
				at += (size_t)snprintf(text + at, room - at, "fun:%s\n",
						       names[make_below(m, 8)]);
			}
		/* Somebody, so that it does not hide everything. */
		at += (size_t)snprintf(text + at, room - at, "fun:%s\n}\n",
				       names[make_below(m, 7)]);
	}
}

/* fun:* in front is met by the allocator, whom no stack has: those are left out. */
static bool begins_with_any(const struct suppress *s)
{
	for (size_t i = 0; i < s->count; i++) {
		uint32_t at = s->rules[i].first;

		while (s->frames[at].dots)
			at++;
		if (s->frames[at].pattern == SUPPRESS_NONE)
			return true;
	}
	return false;
}

static void the_index_finds_what_trying_all_rules_does(void **state)
{
	static char text[8192];
	struct make m = {0};
	int hits = 0, stacks = 0;

	(void)state;
	for (int round = 0; round < unit_rounds(2000); round++) {
		struct profile *p = views_profile(&m);
		struct suppress s;
		struct oracle o = {.p = p, .s = &s};
		struct suppress_matcher *matcher;

		random_rules(&m, text, sizeof(text));
		load(&s, text);
		matcher = suppress_bind(&s, p);
		for (uint32_t i = 0; !begins_with_any(&s) && i < p->stack_count; i++) {
			enum leak_kind kind = i % 2 ? LEAK_DEFINITE : LEAK_POSSIBLE;
			uint32_t rule = oracle_rule(&o, i, kind);

			stacks++;
			hits += rule != FINDING_NONE;
			if (suppress_matched(matcher, p, 0, i, kind) != rule)
				fail_msg("stack %u, rule %u of\n%s", i, rule, text);
		}
		suppress_unbind(matcher);
		suppress_done(&s);
		profile_close(p);
	}
	assert_true(hits > stacks / 10 && hits < stacks);
}

/* ---- rules of our own making -------------------------------------------------------
 */

static void a_generated_rule_hides_its_stack_once_it_has_a_reason(void **state)
{
	static const struct frame odd[] = {
		{"/opt/lib*q.so", "f\033\"\\*\xc3\xa9<int>(char*)", NULL, NULL, 0},
		{"/opt/a b.so", "", NULL, NULL, 0},
		{"/opt/demo", "g.part.0", NULL, NULL, 0},
		{"/opt/demo", "main", NULL, NULL, 0},
		{LIBC, "", NULL, NULL, 0},
		{0}};
	static const struct frame libc[] = {{LIBC, "__GI___strdup", NULL, NULL, 0},
					    {"/opt/demo", "main", NULL, NULL, 0},
					    {0}};
	const struct frame *const stacks[] = {plain, cpp, odd, libc};
	enum { STACKS = sizeof(stacks) / sizeof(stacks[0]) };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct profile *p = report_profile();
		uint32_t stack = build(p, stacks[i]);
		struct frames_owners *owners = frames_owners_open(p);
		char *text = REPORT_TEXT(
			suppress_generate(owners, p, stack, LEAK_POSSIBLE, out));
		size_t at = strcspn(text, "\"");
		char filled[2000];

		refused(text, "dir/f:1: ", "say why");
		snprintf(filled, sizeof(filled), "%.*s\"known\"%s", (int)at, text,
			 text + at + 2);
		if (!matched(filled, stacks[i], LEAK_POSSIBLE))
			fail_msg("%s", filled);
		assert_false(matched(filled, stacks[i], LEAK_DEFINITE));
		assert_false(matched(filled, stacks[(i + 1) % STACKS], LEAK_POSSIBLE));
		free(text);
		frames_owners_close(owners);
		profile_close(p);
	}
}

static void what_is_built_in_is_well_formed_and_told_apart(void **state)
{
	struct suppress s;

	(void)state;
	suppress_init(&s);
	assert_int_equal(suppress_add_known(&s), 0);
	for (size_t i = 0; i < s.count; i++) {
		assert_true(s.rules[i].builtin);
		assert_true(strlen(s.rules[i].reason) > 20);
	}
	assert_true(s.count > 10);
	assert_int_equal(suppress_unused(&s), 0);
	suppress_done(&s);
}

/* Whatever the bytes: it ends, with a place and a clause if it refuses them. */
static void any_bytes_come_to_an_end(void **state)
{
	static const char start
		[] = "# c\nleak:^a*b$\n{\nname\nMemcheck:Leak\nmatch-leak-kinds: all\n"
		     "fun:malloc\n...\nobj:*x\nsrc:a.c:12\nfun:f\n}\nleak:x\n",
	   own[] = "[[suppression]]\nreason='r'\nstack=['fun:f in g',"
		   "'...','src:a.c:3']\nexpires=2027-01-31\nmax-bytes='1K'\n",
	   letters[] = "{}*?^$:.,#[]'\"= \n\r\t\0\xff"
		       "1a";
	int good = 0;

	(void)state;
	srand(5);
	for (int i = 0; i < unit_rounds(60000); i++) {
		const char *from = i % 2 ? own : start;
		size_t all = i % 2 ? sizeof(own) : sizeof(start);
		size_t len = rand() % 3 ? all - 1 : (size_t)rand() % all;
		char *text = malloc(len ? len : 1), why[300] = ""; /* exact */
		struct suppress s;
		int r;

		memcpy(text, from, len);
		for (int n = rand() % 4; n && len; n--)
			text[(size_t)rand() % len] =
				letters[(size_t)rand() % (sizeof(letters) - 1)];
		suppress_init(&s);
		r = suppress_add(&s, "f", text, len, why, sizeof(why));
		assert_true(r == 0 || (r == -EINVAL && !strncmp(why, "f:", 2)));
		good += r == 0;
		suppress_done(&s);
		free(text);
	}
	assert_true(good > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sanitizers_pattern_is_for_any_frame),
		cmocka_unit_test(a_row_is_the_stacks_beginning),
		cmocka_unit_test(names_are_the_linkers_or_the_sources),
		cmocka_unit_test(a_rule_is_for_the_kinds_that_it_names),
		cmocka_unit_test(the_first_rule_counts_and_expired_ones_do_not),
		cmocka_unit_test(what_is_wrong_is_told_with_file_and_line),
		cmocka_unit_test(limits_are_told),
		cmocka_unit_test(hits_are_counted_and_a_maximum_ends_a_rule),
		cmocka_unit_test(the_index_finds_what_trying_all_rules_does),
		cmocka_unit_test(a_generated_rule_hides_its_stack_once_it_has_a_reason),
		cmocka_unit_test(what_is_built_in_is_well_formed_and_told_apart),
		cmocka_unit_test(any_bytes_come_to_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
