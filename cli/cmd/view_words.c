#include "cli/cmd/view_words.h"

#include "cli/cmd/verb.h"
#include "cli/report/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { BAD = 400, NOT_FOUND = 404 };

/* Verbs that there are answers of. */
static const char *const served[] = {
	"report",   "lines",  "leaks", "top",	   "tree",  "churn",
	"timeline", "path",   "refs",  "backrefs", "at",    "roots",
	"blocks",   "cycles", "diff",  "info",	   "watch",
};

/* Of these, all that read a graph have a --snapshot, but for `leaks`, which may look
 * at several at once. */
static const char graphs[] = " path refs backrefs at roots blocks cycles ";

/* Options that cut the recording to a part. */
static const char cuts[] = " time at thread size ";

/* Options by name that a question may have, of the verbs that take them; the count of
 * -n is called n. */
static const char options[] =
	" process focus ignore domain time at thread size sort n function file all "
	"nonzero columns fold bottom-up min depth lines by kind since module no-known "
	"snapshot too-many paths held windows warm-up mark max-growth ";

__attribute__((format(printf, 3, 4))) static int refuse(char why[VIEW_WHY], int status,
							const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, VIEW_WHY, format, args);
	va_end(args);
	return status;
}

static bool among(const char *words, const char *word)
{
	char with[64];
	int n = snprintf(with, sizeof(with), " %s ", word);

	return n > 2 && (size_t)n < sizeof(with) && !strchr(word, ' ') &&
	       strstr(words, with);
}

static const struct verb *find(const char *name)
{
	for (size_t i = 0; i < sizeof(served) / sizeof(served[0]); i++)
		if (!strcmp(name, served[i]))
			return verb_find(name);
	return NULL;
}

/* Adds the texts as one word. Returns it, or NULL: there is no room. */
static const char *add(struct view_words *w, const char *dashes, const char *name,
		       const char *sign, const char *value)
{
	size_t room = sizeof(w->text) - w->len;
	char *word = w->text + w->len;
	int n = snprintf(word, room, "%s%s%s%s", dashes, name, sign, value);

	if (n < 0 || (size_t)n >= room || w->argc + 1 >= VIEW_WORDS)
		return NULL;
	w->len += (size_t)n + 1;
	w->argv[w->argc++] = word;
	w->argv[w->argc] = NULL;
	return word;
}

static bool add_word(struct view_words *w, const char *word)
{
	return add(w, "", word, "", "");
}

static const struct option_spec *option_of(const struct options_spec *spec,
					   const char *name)
{
	for (const struct option_spec *o = spec->options; !options_end(o); o++)
		if (o->name ? !strcmp(o->name, name) : o->letter == name[0] && !name[1])
			return o;
	return NULL;
}

static int add_pair(struct view_words *w, const struct options_spec *spec,
		    const struct request_pair *pair, char why[VIEW_WHY])
{
	const struct option_spec *o = NULL;
	const char *word, *value;
	char clean[64];

	if (among(options, pair->name))
		o = option_of(spec, pair->name);
	if (!o)
		return refuse(why, BAD, "no such option of a question: %s",
			      text_clean(pair->name, clean, sizeof(clean)));
	if (!o->argument != !*pair->value && (!o->argument || !o->name))
		return refuse(why, BAD, "%s takes %s value", pair->name,
			      o->argument ? "a" : "no");
	word = add(w, o->name ? "--" : "-", pair->name,
		   o->name && o->argument ? "=" : "", pair->value);
	if (!word)
		return refuse(why, BAD, "a question is not that long");
	value = word + strlen(word) - strlen(pair->value);
	w->parts |= among(cuts, pair->name);
	if (!strcmp(pair->name, "snapshot"))
		w->snapshot = value;
	if (!strcmp(pair->name, "process"))
		w->process = value;
	return 0;
}

/* The verb, its options, and "--" before what is none. *ret_operand: of a verb that
 * takes one. */
static int add_options(struct view_words *w, const struct verb *verb,
		       const struct request *r, const char **ret_operand,
		       char why[VIEW_WHY])
{
	struct reader_options buffer;
	const struct options_spec *spec = verb_options(verb, &buffer);
	const char *operand = verb->reader ? verb->reader->operand : NULL;

	*ret_operand = NULL;
	if (!add_word(w, verb->name) || !add_word(w, "--json"))
		return refuse(why, BAD, "a question is not that long");
	for (size_t i = 0; i < r->count; i++) {
		int refused;

		if (!strcmp(r->pairs[i].name, "operand") && operand && !*ret_operand) {
			*ret_operand = r->pairs[i].value;
			continue;
		}
		refused = add_pair(w, spec, &r->pairs[i], why);
		if (refused)
			return refused;
	}
	if (operand && !*ret_operand)
		return refuse(why, BAD, "name one: operand=%s", operand);
	return add_word(w, "--") ? 0 : refuse(why, BAD, "too many options");
}

int view_words(const char *verb, const struct request *r, const char *const files[2],
	       struct view_words *ret, char why[VIEW_WHY])
{
	bool second = !strncmp(verb, "b.", 2), both;
	const struct verb *v = find(second ? verb + 2 : verb);
	const char *operand;
	int refused;

	*ret = (struct view_words){.snapshot = "", .process = ""};
	if (!v)
		return refuse(why, NOT_FOUND, "no such question");
	both = v->reader && v->reader->profiles == 2;
	if ((second || both) && !files[1])
		return refuse(why, NOT_FOUND, "there is no second profile");
	/* A path of digits would be the number of a process to it. */
	if (!strcmp(v->name, "watch") &&
	    !files[second][strspn(files[second], "0123456789")])
		return refuse(why, BAD, "the profile's name is a number");
	ret->graph = among(graphs, v->name);
	ret->path = files[second];
	refused = add_options(ret, v, r, &operand, why);
	if (refused)
		return refused;
	if ((operand && !add_word(ret, operand)) || !add_word(ret, files[second]) ||
	    (both && !add_word(ret, files[1 - second])))
		return refuse(why, BAD, "a question is not that long");
	return 0;
}
