/*
 * suppress.c - the list of rules: what all formats add to, and the words on it.
 */
#include "cli/gate/suppress.h"

#include "cli/base/array.h"
#include "cli/gate/suppress_rules.h"
#include "cli/report/fingerprint.h"
#include "cli/report/frames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	NAME_BYTES = 1000, /* of a name in a rule that we write */
	GENERATED = 12,	   /* frames of it */
};

void suppress_init(struct suppress *s)
{
	time_t now = time(NULL);
	struct tm tm = {0};

	gmtime_r(&now, &tm);
	*s = (struct suppress){.today = (uint32_t)((tm.tm_year + 1900) * 10000 +
						   (tm.tm_mon + 1) * 100 + tm.tm_mday)};
}

void suppress_done(struct suppress *s)
{
	for (size_t i = 0; i < s->pattern_count; i++)
		glob_done(&s->patterns[i].glob);
	free(s->patterns);
	free(s->frames);
	free(s->rules);
	strings_done(&s->texts);
	*s = (struct suppress){0};
}

const char *suppress_text(struct suppress *s, const char *text, size_t len)
{
	uint32_t number = strings_add_n(&s->texts, text, len);

	/* The strings themselves do not move. */
	return number == UINT32_MAX ? NULL : strings_get(&s->texts, number);
}

int suppress_add_rule(struct suppress *s, const struct suppress_rule *rule)
{
	if (s->count >= SUPPRESS_RULES)
		return -E2BIG;
	if (array_reserve(&s->rules, &s->room, s->count + 1) < 0)
		return -ENOMEM;
	s->rules[s->count] = *rule;
	s->rules[s->count].expired = rule->expires && rule->expires < s->today;
	s->count++;
	return 0;
}

int suppress_add_frame(struct suppress *s, struct suppress_frame frame)
{
	if (array_reserve(&s->frames, &s->frame_room, s->frame_count + 1) < 0)
		return -ENOMEM;
	s->frames[s->frame_count++] = frame;
	return 0;
}

static bool all_stars(const char *text, size_t len)
{
	while (len && text[len - 1] == '*')
		len--;
	return !len;
}

int suppress_add_pattern(struct suppress *s, enum suppress_role role, const char *text,
			 size_t len, uint32_t line, uint32_t *ret)
{
	struct suppress_pattern p = {.role = role, .line = line};
	int r;

	*ret = SUPPRESS_NONE;
	if (role != SUPPRESS_ANYTHING && len && all_stars(text, len) && !line)
		return 0; /* any one frame */
	r = glob_init(&p.glob, role == SUPPRESS_ANYTHING ? GLOB_INSIDE : GLOB_WHOLE,
		      text, len);
	if (r < 0)
		return r;
	if (array_reserve(&s->patterns, &s->pattern_room, s->pattern_count + 1) < 0) {
		glob_done(&p.glob);
		return -ENOMEM;
	}
	*ret = (uint32_t)s->pattern_count;
	s->patterns[s->pattern_count++] = p;
	return 0;
}

/* What a stack begins with that is not seen: the allocator's own function. */
bool suppress_is_allocator(const struct suppress *s, const struct suppress_frame *frame)
{
	static const char *const functions[] = {
		"malloc",	  "calloc",   "realloc",
		"reallocarray",	  "memalign", "aligned_alloc",
		"posix_memalign", "valloc",   "pvalloc"};
	static const char module[] = "/vgpreload_memcheck-amd64-linux.so";
	const struct suppress_pattern *p;

	if (frame->dots || frame->module != SUPPRESS_NONE)
		return false;
	if (frame->pattern == SUPPRESS_NONE)
		return true;
	p = &s->patterns[frame->pattern];
	if (p->role == SUPPRESS_MODULE)
		return glob_match(&p->glob, module);
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		if (p->role == SUPPRESS_FUNCTION && glob_match(&p->glob, functions[i]))
			return true;
	return false;
}

bool suppress_is_vague(const struct suppress *s, uint32_t first, uint32_t count)
{
	uint32_t end = first + count, names = 0;

	while (first < end && s->frames[first].dots)
		first++;
	if (first < end && suppress_is_allocator(s, &s->frames[first]))
		first++;
	for (; first < end; first++)
		names += s->frames[first].pattern != SUPPRESS_NONE ||
			 s->frames[first].module != SUPPRESS_NONE;
	return !names;
}

size_t suppress_unused(const struct suppress *s)
{
	size_t unused = 0;

	for (size_t i = 0; i < s->count; i++)
		unused += !s->rules[i].builtin && !s->rules[i].findings;
	return unused;
}

/* ---- new rules --------------------------------------------------------------- */

/* A name in a string of TOML. What means something there, in a pattern or to a
 * terminal is any one byte; a name without end is cut. */
static void put_name(FILE *out, const char *name)
{
	for (size_t i = 0; name[i]; i++) {
		bool plain =
			name[i] >= ' ' && name[i] < 0x7f && !strchr("*\"\\", name[i]);

		if (i == NAME_BYTES) {
			fputc('*', out);
			break;
		}
		fputc(plain ? name[i] : '?', out);
	}
}

/* 1: it is the last one to name. Debug information has libc's functions under
 * other names than its symbols: what is in front differs. */
static int put_frame(struct frames_owners *owners, const struct profile *p,
		     const struct frames_frame *frame, FILE *out)
{
	bool base = frames_whose(owners, frame) == FRAMES_BASE;
	uint32_t function = frame->code ? frame->code->function : 0;
	const char *raw = strings_get(&p->strings, function);
	char *name = fingerprint_name(raw, base);
	bool last;

	if (!name)
		return -ENOMEM;
	last = !strcmp(name, "main");
	fputs(!*name			       ? "  \"obj:*"
	      : base && !strncmp(raw, "__", 2) ? "  \"fun:*"
					       : "  \"fun:",
	      out);
	put_name(out, *name ? name : frames_base(frames_module(p, frame->stack)));
	fputs("\",\n", out);
	free(name);
	return last;
}

int suppress_generate(struct frames_owners *owners, const struct profile *p,
		      uint32_t stack, enum leak_kind kind, FILE *out)
{
	struct frames_walk walk = frames_of(p, stack);
	struct frames_frame frame;
	int r = 0;

	fprintf(out, "[[suppression]]\nreason = \"\"\nkinds = [\"%s\"]\nstack = [\n",
		leak_words[kind]);
	for (int i = 0; !r && i < GENERATED && frames_next(&walk, &frame); i++)
		r = put_frame(owners, p, &frame, out);
	fputs("]\n\n", out);
	return r < 0 ? r : 0;
}
