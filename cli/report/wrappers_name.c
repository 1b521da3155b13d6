/*
 * wrappers_name.c - what allocators are called. For wrappers.c alone.
 */
#include "cli/report/wrappers.h"

#include <ctype.h>
#include <string.h>

enum { WORDS = 12, LETTERS = 24 };

struct words {
	char items[WORDS][LETTERS]; /* lower case; a longer one keeps its end */
	size_t count;
};

/* What libc calls them, with letters of others in front: xmalloc, bstrdup. */
static const char *const allocators[] = {
	"malloc",   "mallocz", "calloc",      "realloc",  "reallocf",  "reallocarray",
	"memalign", "zalloc",  "mallocarray", "strdup",	  "strndup",   "wcsdup",
	"memdup",   "memdupz", "strdupz",     "asprintf", "vasprintf",
};

/* Words that stand behind these and say nothing of what is made. */
static const char *const endings[] = {
	"zero", "zeroed", "clear", "raw",     "nofail",	  "array",  "aligned", "impl",
	"full", "size",	  "n",	   "nn",      "z",	  "or",	    "null",    "die",
	"fail", "exit",	  "safe",  "checked", "internal", "printf", "vprintf", "align",
};

/* Words that stand beside "alloc" where no kind of thing is meant that it is for. */
static const char *const plain[] = {
	"x",	"my", "mem", "memory", "safe", "checked", "do", "sys",	   "raw",
	"heap", "g",  "e",   "ck",     "must", "try",	  "no", "default",
};

static const char *const allocs[] = {"alloc", "xalloc", "allocate", "allocz"};

/* What begins the name of a program's part that tries allocators. */
static const char *const trials[] = {
	"test", "tests", "testing", "bench", "benchmark", "check", "leak",    "leaks",
	"lose", "loses", "lost",    "fuzz",  "stress",	  "demo",  "example",
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define IS_OF(list, word) is_of(list, COUNT(list), word)

static bool is_of(const char *const *list, size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(list[i], word))
			return true;
	return false;
}

static bool ends_in_allocator(const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i < COUNT(allocators); i++) {
		size_t n = strlen(allocators[i]);

		if (len >= n && !strcmp(word + len - n, allocators[i]))
			return true;
	}
	return false;
}

/* Whether a word begins at s, of a name that begins at `start`: "myMalloc", "DBMalloc".
 */
static bool begins_word(const char *start, const char *s)
{
	if (s == start || !isupper((unsigned char)*s))
		return false;
	return islower((unsigned char)s[-1]) || isdigit((unsigned char)s[-1]) ||
	       (isupper((unsigned char)s[-1]) && islower((unsigned char)s[1]));
}

static void put_letter(char word[LETTERS], char letter)
{
	size_t len = strlen(word);

	if (len + 1 == LETTERS)
		memmove(word, word + 1, len--);
	word[len] = (char)tolower((unsigned char)letter);
	word[len + 1] = '\0';
}

/* The words of a name, without digits; of more than there is room for, the last counts
 * as one with all between. */
static void split(const char *name, struct words *w)
{
	bool fresh = true;

	*w = (struct words){0};
	for (const char *s = name; *s; s++) {
		if (!isalpha((unsigned char)*s)) {
			fresh = true;
			continue;
		}
		if ((fresh || begins_word(name, s)) && w->count < WORDS)
			w->count++;
		fresh = false;
		put_letter(w->items[w->count - 1], *s);
	}
}

/* Behind the last "::". */
static const char *last_part(const char *name)
{
	const char *last = name;

	for (const char *s = name; (s = strstr(s, "::")); s += 2)
		last = s + 2;
	return last;
}

static bool is_plain_alloc(const struct words *w)
{
	if (!IS_OF(allocs, w->items[w->count - 1]))
		return false;
	for (size_t i = 0; i + 1 < w->count; i++)
		if (!IS_OF(plain, w->items[i]))
			return false;
	return true;
}

bool wrappers_is_name(const char *name)
{
	struct words w;

	name = last_part(name);
	if (!strcmp(name, "operator new") || !strcmp(name, "operator new[]"))
		return true;
	split(name, &w);
	if (!w.count || IS_OF(trials, w.items[0]))
		return false;
	while (w.count > 1 && IS_OF(endings, w.items[w.count - 1]))
		w.count--;
	return ends_in_allocator(w.items[w.count - 1]) || is_plain_alloc(&w);
}
