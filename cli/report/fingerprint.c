#include "cli/report/fingerprint.h"

#include "cli/base/bytes.h"
#include "cli/base/hash.h"
#include "cli/report/frames.h"
#include "cli/report/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PERIOD = 4, /* functions that call each other in turn */
	SHOWN = 5,
	RUST_HASH = 16, /* hexadecimal digits */
	TAG = 256,	/* bytes of "[abi:...]" */
};

struct fingerprints {
	const struct profile *profile;
	struct frames_owners *owners;
	struct strings names;
	uint32_t *functions; /* by string: number in names + 1; 0: not yet asked */
	uint32_t *callees;   /* the same, of libc */
	uint32_t *modules;   /* by index + 1; [0] is none */
};

/* ---- names ------------------------------------------------------------------ */

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

static size_t hex_digits(const char *s)
{
	return strspn(s, "0123456789abcdef");
}

/* Of ".cold", ".part.0" and the like, which go to the name's end. */
static bool is_suffix(const char *s)
{
	static const char *const words[] = {"cold",	 "part",     "isra",
					    "constprop", "lto_priv", "localalias",
					    "llvm",	 "clone"};

	for (size_t i = 0; *s == '.' && i < sizeof(words) / sizeof(words[0]); i++) {
		size_t len = strlen(words[i]);

		if (!strncmp(s + 1, words[i], len) &&
		    (!s[1 + len] || s[1 + len] == '.'))
			return true;
	}
	return false;
}

/* From a brace to behind its partner; to the end if there is none. */
static size_t braces(const char *s)
{
	size_t depth = 0, i = 0;

	do {
		depth += s[i] == '{';
		depth -= s[i] == '}';
		i++;
	} while (depth && s[i]);
	return i;
}

/* "{lambda(int)#1}", "{closure#0}", "{unnamed type#2}". Returns what it took. A name
 * may be all braces: each is looked at from once. */
static size_t put_braces(struct bytes *b, const char *s)
{
	size_t keep = 1 + strcspn(s + 1, "#{}"), end;

	if (begins(s, "{lambda")) {
		bytes_put(b, "{lambda}", 8);
		return braces(s);
	}
	if (s[keep] != '#')
		return 0;
	end = keep + 1 + strspn(s + keep + 1, "0123456789");
	if (s[end] != '}')
		return 0;
	bytes_put(b, s, keep);
	bytes_put(b, "}", 1);
	return end + 1;
}

/* To behind the bracket that closes a tag; 0: none is near. */
static size_t tag(const char *s)
{
	const char *end = memchr(s, ']', strnlen(s, TAG));

	return end ? (size_t)(end - s) + 1 : 0;
}

/* What is to be left out, or was put in other words, at s of a name that began at
 * start: its length; 0: nothing. */
static size_t special(struct bytes *b, const char *start, const char *s)
{
	bool inner = s - start >= 2 && s[-1] == ':' && s[-2] == ':';

	if (*s == '{')
		return put_braces(b, s);
	if (begins(s, "$_") && s[2] >= '0' && s[2] <= '9') {
		bytes_put(b, "{lambda}", 8);
		return 2 + strspn(s + 2, "0123456789");
	}
	if (begins(s, " [clone ") || begins(s, "[abi:"))
		return tag(s);
	if (inner && begins(s, "__cxx11::"))
		return 9;
	if (inner && begins(s, "__1::"))
		return 5;
	if (begins(s, "::h") && hex_digits(s + 3) == RUST_HASH && !s[3 + RUST_HASH])
		return 3 + RUST_HASH;
	return s > start && is_suffix(s) ? strlen(s) : 0;
}

char *fingerprint_name(const char *function, bool libc)
{
	struct bytes b = {0};
	const char *s;

	if (libc && begins(function, "__GI_"))
		function += 5;
	if (libc && begins(function, "__"))
		function += strspn(function, "_");
	for (s = function; *s;) {
		size_t len = special(&b, function, s);

		if (!len)
			bytes_put(&b, s, 1);
		s += len ? len : 1;
	}
	bytes_put(&b, "", 1);
	if (!b.failed)
		return (char *)b.data;
	bytes_done(&b);
	return NULL;
}

/* "libfoo.so.1.2" is libfoo.so, "test-0123456789abcdef", as cargo calls it, is test. */
static size_t module_length(const char *base)
{
	const char *so = strstr(base, ".so."), *dash = strrchr(base, '-');

	if (so)
		return (size_t)(so - base) + 3;
	if (dash && dash != base && hex_digits(dash + 1) == RUST_HASH &&
	    !dash[1 + RUST_HASH])
		return (size_t)(dash - base);
	return strlen(base);
}

/* Number in names + 1; 0 without memory. */
static uint32_t function_of(struct fingerprints *f, uint32_t string, bool libc)
{
	uint32_t *known = libc ? f->callees : f->functions, number;
	char *name;

	if (string >= f->profile->strings.count)
		return 1;
	if (known[string])
		return known[string];
	name = fingerprint_name(strings_get(&f->profile->strings, string), libc);
	number = name ? strings_add(&f->names, name) : UINT32_MAX;
	free(name);
	known[string] = number + 1;
	return number + 1;
}

static int name_modules(struct fingerprints *f)
{
	const struct profile *p = f->profile;

	for (size_t i = 0; i < p->module_count; i++) {
		const char *base =
			frames_base(strings_get(&p->strings, p->modules[i].path));

		f->modules[i + 1] = strings_add_n(&f->names, base, module_length(base));
		if (f->modules[i + 1] == UINT32_MAX)
			return -ENOMEM;
	}
	return 0;
}

struct fingerprints *fingerprints_open(const struct profile *p)
{
	struct fingerprints *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->profile = p;
	f->owners = frames_owners_open(p);
	f->functions = calloc(p->strings.count + 1, sizeof(*f->functions));
	f->callees = calloc(p->strings.count + 1, sizeof(*f->callees));
	f->modules = calloc(p->module_count + 1, sizeof(*f->modules));
	if (!f->owners || !f->functions || !f->callees || !f->modules ||
	    strings_add(&f->names, "") || name_modules(f) < 0) {
		fingerprints_close(f);
		return NULL;
	}
	return f;
}

void fingerprints_close(struct fingerprints *f)
{
	if (!f)
		return;
	frames_owners_close(f->owners);
	strings_done(&f->names);
	free(f->functions);
	free(f->callees);
	free(f->modules);
	free(f);
}

/* ---- stacks ----------------------------------------------------------------- */

struct token { /* numbers of names */
	uint32_t function, module;
};

struct tokens {
	struct token items[FINGERPRINT_FRAMES];
	unsigned count;
	struct token base; /* of the run of libc's frames that is being read */
	bool in_base;
};

static bool same(const struct token *a, const struct token *b, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (a[i].function != b[i].function || a[i].module != b[i].module)
			return false;
	return true;
}

/* Functions that call themselves, or each other in turn, count once. */
static void push(struct tokens *t, struct token token)
{
	t->items[t->count++] = token;
	for (unsigned k = 1; k <= PERIOD && 2 * k <= t->count; k++) {
		const struct token *last = &t->items[t->count - k];

		if (same(last, last - k, k)) {
			t->count -= k;
			return;
		}
	}
}

static bool full(const struct tokens *t)
{
	return t->count == FINGERPRINT_FRAMES;
}

/* The frame's name; -ENOMEM. */
static int name_frame(struct fingerprints *f, const struct frames_frame *frame,
		      bool libc, struct token *ret)
{
	uint32_t module = frame->stack->module;

	*ret = (struct token){0};
	if (module <= f->profile->module_count)
		ret->module = f->modules[module];
	if (!frame->code)
		return 0;
	ret->function = function_of(f, frame->code->function, libc);
	return ret->function-- ? 0 : -ENOMEM;
}

/* Adds one frame. 1: it is the last; 0; -ENOMEM. */
static int add(struct fingerprints *f, struct tokens *t,
	       const struct frames_frame *frame)
{
	bool libc = frames_whose(f->owners, frame) == FRAMES_BASE;
	struct token token;
	int r = name_frame(f, frame, libc, &token);

	if (r < 0 || frame->stack->flags & PROFILE_STACK_CUT)
		return r;
	if (libc) {
		/* The outermost with a name is what was called. */
		if (!t->in_base || token.function || !t->base.function)
			t->base = token;
		t->in_base = true;
		return 0;
	}
	if (t->in_base) {
		push(t, t->base);
		t->in_base = false;
		if (full(t))
			return 1;
	}
	push(t, token);
	return full(t) || !strcmp(strings_get(&f->names, token.function), "main");
}

/* The same whichever process asks: fingerprints are kept in files. */
static uint64_t hash_of(const struct fingerprint *f)
{
	static const struct hash_key key = {0x686561706c696e65, 0x66696e6765727031};
	uint64_t hash = f->count;

	for (unsigned i = 0; i < f->count; i++) {
		const struct fingerprint_frame *frame = &f->frames[i];
		struct hash_key chained = {key.low ^ hash, key.high};
		uint64_t module =
			hash_sip(key, 2, 4, frame->module, strlen(frame->module));

		hash = module + hash_sip(chained, 2, 4, frame->function,
					 strlen(frame->function));
	}
	return hash ? hash : 1;
}

int fingerprint_of(struct fingerprints *f, uint32_t stack, struct fingerprint *ret)
{
	struct frames_walk walk = frames_of(f->profile, stack);
	struct tokens t = {0};
	struct frames_frame frame;
	int r = 0;

	while (r == 0 && frames_next(&walk, &frame))
		r = add(f, &t, &frame);
	if (r < 0)
		return r;
	if (!t.count && t.in_base)
		push(&t, t.base); /* libc's own doing */
	ret->count = t.count;
	for (unsigned i = 0; i < t.count; i++) {
		ret->frames[i].function = strings_get(&f->names, t.items[i].function);
		ret->frames[i].module = strings_get(&f->names, t.items[i].module);
	}
	ret->hash = hash_of(ret);
	return 0;
}

const char *fingerprint_where(const struct fingerprint *f, char *buffer, size_t room)
{
	char name[256], clean[512];
	size_t at = 0;

	snprintf(buffer, room, "%s", f->count ? "" : "(no stack)");
	for (unsigned i = 0; i < f->count && i < SHOWN && at + 1 < room; i++) {
		const struct fingerprint_frame *frame = &f->frames[i];
		bool last = i + 1 == f->count || i + 1 == SHOWN ||
			    strcmp(frame->module, f->frames[i + 1].module) != 0;
		const char *function =
			*frame->function
				? frames_short_name(frame->function, name, sizeof(name))
				: "?";
		int n;

		snprintf(clean, sizeof(clean), "%s%s%s%.100s%s", i ? " < " : "",
			 strlen(function) < sizeof(name) ? function : "(long name)",
			 last ? " (" : "", last ? frame->module : "", last ? ")" : "");
		n = snprintf(buffer + at, room - at, "%s",
			     text_clean(clean, name, sizeof(name)));
		at += (size_t)n;
	}
	return buffer;
}
