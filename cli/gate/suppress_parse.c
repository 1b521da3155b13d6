/*
 * suppress_parse.c - rules out of files in three formats, told apart by their first
 * line that is not a comment.
 */
#include "cli/gate/suppress_rules.h"

#include "cli/base/cleanup.h"
#include "cli/base/contents.h"
#include "cli/base/quantity.h"
#include "cli/gate/gatefile.h"
#include "cli/report/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct parser {
	struct suppress *s;
	const char *name; /* of the file */
	const char *at, *end;
	unsigned line; /* of the line last taken */
	char *why;
	size_t room;
};

static int __attribute__((format(printf, 3, 4)))
wrong(struct parser *p, unsigned line, const char *format, ...)
{
	char name[256], clean[256], what[256];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	snprintf(p->why, p->room, "%s:%u: %s", text_clean(p->name, name, sizeof(name)),
		 line, text_clean(what, clean, sizeof(clean)));
	return -EINVAL;
}

static int rule_failed(struct parser *p, unsigned line, int err)
{
	if (err == -E2BIG)
		return wrong(p, line, "more than %d suppressions", SUPPRESS_RULES);
	return err;
}

/* The next line without blanks around it. 1, 0 at the end, or -EINVAL. */
static int next_line(struct parser *p, const char **ret, size_t *ret_len)
{
	const char *end;

	if (p->at == p->end)
		return 0;
	p->line++;
	end = memchr(p->at, '\n', (size_t)(p->end - p->at));
	end = end ? end : p->end;
	if (end - p->at > SUPPRESS_LINE)
		return wrong(p, p->line, "a line of more than %d bytes", SUPPRESS_LINE);
	if (memchr(p->at, '\0', (size_t)(end - p->at)))
		return wrong(p, p->line, "not a text file");
	*ret = p->at;
	p->at = end < p->end ? end + 1 : end;
	while (*ret < end && strchr(" \t", **ret))
		++*ret;
	while (end > *ret && strchr(" \t\r", end[-1]))
		end--;
	*ret_len = (size_t)(end - *ret);
	return 1;
}

/* The same, without empty lines and comments. */
static int next_words(struct parser *p, const char **ret, size_t *ret_len)
{
	int r;

	do
		r = next_line(p, ret, ret_len);
	while (r > 0 && (!*ret_len || **ret == '#'));
	return r;
}

static bool is(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && !memcmp(text, word, len);
}

/* Whether the text begins with the word; moves behind it. */
static bool takes(const char **text, size_t *len, const char *word)
{
	size_t n = strlen(word);

	if (*len < n || memcmp(*text, word, n) != 0)
		return false;
	*text += n;
	*len -= n;
	return true;
}

static void trim(const char **text, size_t *len)
{
	while (*len && strchr(" \t", **text)) {
		++*text;
		--*len;
	}
	while (*len && strchr(" \t", (*text)[*len - 1]))
		--*len;
}

/* ---- LeakSanitizer's ---------------------------------------------------------- */

/* The frames of "leak:PATTERN". */
static int any_frame(struct parser *p, unsigned line, const char *text, size_t len)
{
	struct suppress_frame dots = {true, SUPPRESS_NONE, SUPPRESS_NONE};
	struct suppress_frame frame = {false, SUPPRESS_NONE, SUPPRESS_NONE};
	int r = suppress_add_pattern(p->s, SUPPRESS_ANYTHING, text, len, 0,
				     &frame.pattern);

	if (r == -EINVAL)
		return wrong(p, line, "the pattern matches everything");
	if (!r)
		r = suppress_add_frame(p->s, dots);
	return r ? r : suppress_add_frame(p->s, frame);
}

static int sanitizer_line(struct parser *p, const char *text, size_t len)
{
	struct suppress_rule rule = {
		.name = suppress_text(p->s, text, len),
		.file = suppress_text(p->s, p->name, strlen(p->name)),
		.reason = "",
		.line = p->line,
		.kinds = SUPPRESS_LOST,
		.max_blocks = UINT64_MAX,
		.max_bytes = UINT64_MAX,
		.first = (uint32_t)p->s->frame_count,
		.count = 2,
	};
	int r;

	if (!rule.name || !rule.file)
		return -ENOMEM;
	if (!takes(&text, &len, "leak:"))
		return wrong(
			p, p->line,
			"not a suppression of leaks: write leak:PATTERN, Valgrind's "
			"{ ... } or [[suppression]]");
	r = any_frame(p, p->line, text, len);
	return r ? r : rule_failed(p, p->line, suppress_add_rule(p->s, &rule));
}

/* ---- frames of rows ------------------------------------------------------------ */

static int add_pattern(struct parser *p, unsigned line, enum suppress_role role,
		       const char *text, size_t len, uint32_t source_line,
		       uint32_t *ret)
{
	int r = suppress_add_pattern(p->s, role, text, len, source_line, ret);

	return r == -EINVAL ? wrong(p, line, "a name is missing") : r;
}

/* "FILE" or "FILE:LINE". */
static int source_frame(struct parser *p, unsigned line, const char *text, size_t len,
			uint32_t *ret)
{
	size_t at = len;
	uint32_t number = 0;

	while (at && len - at < 9 && text[at - 1] >= '0' && text[at - 1] <= '9')
		at--;
	if (at == len || !at || text[at - 1] != ':')
		return add_pattern(p, line, SUPPRESS_SOURCE, text, len, 0, ret);
	for (size_t i = at; i < len; i++)
		number = number * 10 + (uint32_t)(text[i] - '0');
	return add_pattern(p, line, SUPPRESS_SOURCE, text, at - 1, number, ret);
}

/* Of our own: "NAME in MODULE". */
static int function_frame(struct parser *p, unsigned line, const char *text, size_t len,
			  bool own, struct suppress_frame *frame)
{
	const char *in = NULL;
	int r = 0;

	for (size_t i = 0; own && i + 4 <= len; i++)
		if (!memcmp(text + i, " in ", 4))
			in = text + i;
	if (in) {
		r = add_pattern(p, line, SUPPRESS_MODULE, in + 4,
				(size_t)(text + len - in) - 4, 0, &frame->module);
		len = (size_t)(in - text);
	}
	return r ? r
		 : add_pattern(p, line, SUPPRESS_FUNCTION, text, len, 0,
			       &frame->pattern);
}

static int frame_line(struct parser *p, unsigned line, const char *text, size_t len,
		      bool own)
{
	struct suppress_frame frame = {false, SUPPRESS_NONE, SUPPRESS_NONE};
	int r = 0;

	if (is(text, len, "..."))
		frame.dots = true;
	else if (takes(&text, &len, "fun:"))
		r = function_frame(p, line, text, len, own, &frame);
	else if (takes(&text, &len, "obj:"))
		r = add_pattern(p, line, SUPPRESS_MODULE, text, len, 0, &frame.pattern);
	else if (takes(&text, &len, "src:"))
		r = source_frame(p, line, text, len, &frame.pattern);
	else
		r = wrong(p, line, "a frame is ..., fun:NAME, obj:FILE or src:FILE");
	return r ? r : suppress_add_frame(p->s, frame);
}

/* Ends the rule whose frames were the last ones added. */
static int finish(struct parser *p, struct suppress_rule *rule)
{
	struct suppress *s = p->s;

	rule->count = (uint32_t)s->frame_count - rule->first;
	if (!rule->count)
		return wrong(p, rule->line, "the suppression has no frames");
	if (rule->count > SUPPRESS_FRAMES)
		return wrong(p, rule->line, "more than %d frames", SUPPRESS_FRAMES);
	if (suppress_is_vague(s, rule->first, rule->count))
		return wrong(p, rule->line,
			     "it names nobody but the allocator, and would hide "
			     "everything");
	return rule_failed(p, rule->line, suppress_add_rule(s, rule));
}

/* ---- Valgrind's ---------------------------------------------------------------- */

static const struct {
	const char *word;
	uint32_t kinds;
} valgrind_kinds[] = {
	{"definite", 1u << LEAK_DEFINITE | 1u << LEAK_CYCLE | 1u << LEAK_UNSCANNED |
			     1u << LEAK_YOUNG},
	{"indirect", 1u << LEAK_INDIRECT | 1u << LEAK_CYCLE},
	{"possible", 1u << LEAK_POSSIBLE},
	{"reachable", 1u << LEAK_REACHABLE | 1u << LEAK_EXITED},
	{"all", SUPPRESS_LOST | 1u << LEAK_REACHABLE},
	{"none", 0},
};

static int match_leak_kinds(struct parser *p, const char *text, size_t len,
			    uint32_t *ret)
{
	*ret = 0;
	while (len) {
		const char *comma = memchr(text, ',', len), *word = text;
		size_t n = comma ? (size_t)(comma - text) : len, i = 0, had = n;
		size_t most = sizeof(valgrind_kinds) / sizeof(valgrind_kinds[0]);

		trim(&word, &n);
		while (i < most && !is(word, n, valgrind_kinds[i].word))
			i++;
		if (i == most)
			return wrong(p, p->line,
				     "match-leak-kinds takes definite, "
				     "indirect, possible, reachable, all");
		*ret |= valgrind_kinds[i].kinds;
		text += had + (comma != NULL);
		len -= had + (comma != NULL);
	}
	return 0;
}

/* "Memcheck:Leak", or several tools and kinds with commas: whether it is about leaks.
 */
static bool about_leaks(const char *text, size_t len)
{
	const char *colon = memchr(text, ':', len), *tool = text;

	if (!colon || !is(colon + 1, (size_t)(text + len - colon) - 1, "Leak"))
		return false;
	while (tool < colon) {
		const char *comma = memchr(tool, ',', (size_t)(colon - tool));
		const char *end = comma ? comma : colon;

		if (is(tool, (size_t)(end - tool), "Memcheck"))
			return true;
		tool = end + 1;
	}
	return false;
}

/* "Tool:Kind", and not a frame. */
static bool is_kind(const char *text, size_t len)
{
	return memchr(text, ':', len) && !takes(&text, &len, "fun:") &&
	       !takes(&text, &len, "obj:") && !takes(&text, &len, "src:");
}

/* From behind "{" to "}". */
static int valgrind_rule(struct parser *p)
{
	struct suppress *s = p->s;
	struct suppress_rule rule = {
		.file = suppress_text(s, p->name, strlen(p->name)),
		.reason = "",
		.line = p->line,
		.kinds = SUPPRESS_LOST | 1u << LEAK_REACHABLE,
		.max_blocks = UINT64_MAX,
		.max_bytes = UINT64_MAX,
		.first = (uint32_t)s->frame_count,
	};
	const char *text;
	size_t len;
	bool leaks, begun = false;
	int r = next_words(p, &text, &len);

	if (r > 0) {
		rule.name = suppress_text(s, text, len);
		r = next_words(p, &text, &len);
	}
	if (r > 0 && !is_kind(text, len))
		return wrong(p, p->line, "the second line is the kind: Memcheck:Leak");
	leaks = r > 0 && about_leaks(text, len);
	while (r > 0 && (r = next_words(p, &text, &len)) > 0 && !is(text, len, "}")) {
		if (!leaks)
			continue;
		if (!begun && takes(&text, &len, "match-leak-kinds:"))
			r = match_leak_kinds(p, text, len, &rule.kinds);
		else
			r = frame_line(p, p->line, text, len, false);
		begun = true;
		if (r < 0)
			return r;
		r = 1;
	}
	if (r < 0)
		return r;
	if (!r)
		return wrong(p, rule.line, "the suppression has no end");
	if (!rule.file || !rule.name)
		return -ENOMEM;
	return leaks ? finish(p, &rule) : 0;
}

/* ---- heapline's ---------------------------------------------------------------- */

static int own_kinds(struct parser *p, const struct toml_entry *e, uint32_t *ret)
{
	*ret = 0;
	for (size_t i = 0; i < e->value.count; i++) {
		uint32_t k = 0;

		while (k < LEAK_KINDS && strcmp(leak_words[k], e->value.strings[i]))
			k++;
		if (k >= LEAK_SUPPRESSED)
			return wrong(p, e->line, "no such kind of leak");
		*ret |= 1u << k;
	}
	return *ret ? 0 : wrong(p, e->line, "name at least one kind");
}

static int own_amount(struct parser *p, const struct toml_entry *e, uint64_t *ret)
{
	if (e->value.kind == TOML_NUMBER)
		*ret = e->value.number;
	else if (quantity_parse_size(e->value.text, ret) < 0)
		return wrong(p, e->line, "write bytes, or a size as \"64K\"");
	return 0;
}

static int own_stack(struct parser *p, const struct toml_entry *e)
{
	int r = 0;

	for (size_t i = 0; !r && i < e->value.count; i++)
		r = frame_line(p, e->line, e->value.strings[i],
			       strlen(e->value.strings[i]), true);
	return r;
}

enum own_key {
	NAME,
	REASON,
	MATCH,
	STACK,
	KINDS,
	EXPIRES,
	MAX_BLOCKS,
	MAX_BYTES,
	KEYS
};

static const struct {
	const char *name;
	uint32_t takes; /* bits of enum toml_kind */
	const char *form;
} own_keys[] = {
	[NAME] = {"name", 1u << TOML_STRING, "a string"},
	[REASON] = {"reason", 1u << TOML_STRING, "a string"},
	[MATCH] = {"match", 1u << TOML_STRING, "a string"},
	[STACK] = {"stack", 1u << TOML_LIST, "a list of frames"},
	[KINDS] = {"kinds", 1u << TOML_LIST, "a list of kinds"},
	[EXPIRES] = {"expires", 1u << TOML_DATE, "a date as 2027-01-31"},
	[MAX_BLOCKS] = {"max-blocks", 1u << TOML_NUMBER, "a number"},
	[MAX_BYTES] = {"max-bytes", 1u << TOML_NUMBER | 1u << TOML_STRING,
		       "bytes, or a size as \"64K\""},
};

static int own_entry(struct parser *p, const struct toml_entry *e,
		     struct suppress_rule *rule)
{
	enum own_key key = 0;

	while (key < KEYS && strcmp(own_keys[key].name, e->name))
		key++;
	if (key == KEYS)
		return wrong(p, e->line, "no such name in a suppression");
	if (!(own_keys[key].takes & 1u << e->value.kind))
		return wrong(p, e->line, "%s is %s", e->name, own_keys[key].form);
	switch (key) {
	case NAME:
		rule->name = suppress_text(p->s, e->value.text, strlen(e->value.text));
		return rule->name ? 0 : -ENOMEM;
	case REASON:
		rule->reason =
			suppress_text(p->s, e->value.text, strlen(e->value.text));
		return rule->reason ? 0 : -ENOMEM;
	case MATCH:
		return any_frame(p, e->line, e->value.text, strlen(e->value.text));
	case STACK:
		return own_stack(p, e);
	case KINDS:
		return own_kinds(p, e, &rule->kinds);
	case EXPIRES:
		rule->expires = (uint32_t)e->value.number;
		return 0;
	case MAX_BLOCKS:
		rule->max_blocks = e->value.number;
		return 0;
	default:
		return own_amount(p, e, &rule->max_bytes);
	}
}

/* The table of that serial; entries from *at on. */
static int own_rule(struct parser *p, const struct toml *t, uint32_t serial, size_t *at)
{
	struct suppress_rule rule = {
		.name = "",
		.file = suppress_text(p->s, p->name, strlen(p->name)),
		.reason = "",
		.line = t->tables[serial - 1].line,
		.kinds = SUPPRESS_LOST,
		.max_blocks = UINT64_MAX,
		.max_bytes = UINT64_MAX,
		.first = (uint32_t)p->s->frame_count,
	};
	bool match = false, stack = false;
	int r = rule.file ? 0 : -ENOMEM;

	for (; !r && *at < t->count && t->entries[*at].serial == serial; ++*at) {
		match = match || !strcmp(t->entries[*at].name, "match");
		stack = stack || !strcmp(t->entries[*at].name, "stack");
		r = own_entry(p, &t->entries[*at], &rule);
	}
	if (r)
		return r;
	if (match == stack)
		return wrong(p, rule.line, "a suppression has either match or stack");
	if (!rule.reason[strspn(rule.reason, " ")])
		return wrong(p, rule.line, "the reason is missing: say why");
	return finish(p, &rule);
}

int suppress_add_toml(struct suppress *s, const char *name, const struct toml *t,
		      char *why, size_t room)
{
	struct parser p = {.s = s, .name = name, .why = why, .room = room};
	size_t at = 0;
	int r = 0;

	for (uint32_t i = 1; !r && i <= t->table_count; i++) {
		while (at < t->count && t->entries[at].serial < i)
			at++;
		if (strcmp(t->tables[i - 1].name, "suppression") != 0)
			continue;
		r = t->tables[i - 1].list
			    ? own_rule(&p, t, i, &at)
			    : wrong(&p, t->tables[i - 1].line, "write [[suppression]]");
	}
	return r;
}

static int own_file(struct parser *p, const char *text, size_t len)
{
	struct toml t;
	char why[200] = "";
	unsigned line;
	int r = toml_parse(&t, text, len, why, sizeof(why), &line);

	if (r == -EINVAL)
		r = wrong(p, line, "%s", why);
	/* A gate file is one too. */
	if (!r && gatefile_check(&t, why, sizeof(why), &line))
		r = wrong(p, line, "%s", why);
	if (!r)
		r = suppress_add_toml(p->s, p->name, &t, p->why, p->room);
	toml_done(&t);
	return r;
}

/* ---- files --------------------------------------------------------------------- */

int suppress_add(struct suppress *s, const char *name, const char *text, size_t len,
		 char *why, size_t room)
{
	struct parser p = {.s = s, .name = name, .why = why, .room = room};
	const char *words;
	size_t n;
	int r;

	p.at = text;
	p.end = text + len;
	while ((r = next_words(&p, &words, &n)) > 0) {
		if (*words == '[')
			return own_file(&p, text, len);
		r = is(words, n, "{") ? valgrind_rule(&p)
				      : sanitizer_line(&p, words, n);
		if (r < 0)
			break;
	}
	return r;
}

int suppress_read(struct suppress *s, const char *path, char *why, size_t room)
{
	_cleanup_(freep) char *text = NULL;
	size_t len;
	int r = contents_read(path, SUPPRESS_BYTES, &text, &len);

	if (r < 0)
		return r;
	if (len > SUPPRESS_BYTES) {
		struct parser p = {.name = path, .why = why, .room = room};

		return wrong(&p, 1, "larger than %d bytes", SUPPRESS_BYTES);
	}
	return suppress_add(s, path, text, len, why, room);
}
