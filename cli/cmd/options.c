#include "cli/cmd/options.h"

#include "cli/base/message.h"
#include "cli/base/nearest.h"
#include "cli/cmd/verb.h"
#include "cli/report/text.h"

#include <getopt.h>
#include <stdbool.h>
#include <string.h>

enum {
	VALUE = 0x1000, /* getopt's values: VALUE + index into the table */
	WORD = 256,	/* room for a word of the user's in a message */
	HELP_COLUMN = 27,
	COLUMNS = 88,
};

const struct option_spec options_common = {
	.name = "help", .help = "this text", .letter = 'h'};

/* ---- help ---------------------------------------------------------------- */

/* In lines of COLUMNS, each indented but the first. */
static void put_wrapped(const char *text, FILE *out)
{
	int at = HELP_COLUMN;

	while (*text) {
		int len = (int)strcspn(text, " ");

		if (at + 1 + len > COLUMNS) {
			fprintf(out, "\n%*s", HELP_COLUMN, "");
			at = HELP_COLUMN;
		} else if (at > HELP_COLUMN) {
			fputc(' ', out);
			at++;
		}
		fprintf(out, "%.*s", len, text);
		at += len;
		text += len;
		text += *text == ' ';
	}
	fputc('\n', out);
}

static void put_option(const struct option_spec *o, FILE *out)
{
	char left[64];
	int at = o->letter ? snprintf(left, sizeof(left), "-%c%s", o->letter,
				      o->name ? ", " : " ")
			   : snprintf(left, sizeof(left), "    ");

	snprintf(left + at, sizeof(left) - (size_t)at, "%s%s%s%s", o->name ? "--" : "",
		 o->name ? o->name : "", o->name && o->argument ? "=" : "",
		 o->argument ? o->argument : "");
	fprintf(out, "  %-*s", HELP_COLUMN - 2, left);
	if (strlen(left) > HELP_COLUMN - 3)
		fprintf(out, "\n%*s", HELP_COLUMN, "");
	put_wrapped(o->help, out);
}

void options_help(const char *verb, const struct options_spec *spec, FILE *out)
{
	fprintf(out, "Usage: heapline %s [OPTIONS]%s%s\n\n%s\n\nOptions:\n", verb,
		*spec->usage ? " " : "", spec->usage, spec->about);
	for (const struct option_spec *o = spec->options; !options_end(o); o++)
		put_option(o, out);
	put_option(&options_common, out);
	if (spec->notes)
		fprintf(out, "\n%s\n", spec->notes);
}

/* ---- what is wrong --------------------------------------------------------- */

int options_wrong(const char *verb, const struct options_spec *spec, const char *what,
		  const char *word, const char *why)
{
	char clean[WORD];

	message_error("%s: %s%s%s", verb, what, text_clean(word, clean, sizeof(clean)),
		      why);
	message_help("`heapline help %s` lists what it takes", verb);
	return spec->wrong;
}

/* How many options a long word, up to its '=', is the beginning of. */
static size_t beginnings(const struct options_spec *spec, const char *word, size_t len)
{
	size_t count = !strncmp("help", word, len);

	for (const struct option_spec *o = spec->options; !options_end(o); o++)
		count += o->name && !strncmp(o->name, word, len);
	return count;
}

/* Options that other verbs take, and who is used to them will try here. */
static bool is_refused(const struct options_spec *spec, const char *word)
{
	static const char *const names[] = {"--time", "--at", "--size", "--thread"};
	size_t len = strcspn(word, "=");

	for (size_t i = 0; spec->refused && i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == len && !strncmp(word, names[i], len))
			return true;
	return false;
}

static int no_such_option(const char *verb, const struct options_spec *spec,
			  const char *word)
{
	char typed[WORD], clean[WORD];
	struct nearest n;

	if (is_refused(spec, word))
		return options_wrong(verb, spec, "", word, spec->refused);
	snprintf(typed, sizeof(typed), "%.*s", (int)strcspn(word + 2, "="), word + 2);
	n = nearest_to(typed);
	for (const struct option_spec *o = spec->options; !options_end(o); o++)
		if (o->name)
			nearest_offer(&n, o->name);
	nearest_offer(&n, "help");
	if (!n.best)
		return options_wrong(verb, spec, "no such option: ", word, "");
	message_error("%s: no such option: %s", verb,
		      text_clean(word, clean, sizeof(clean)));
	message_help("did you mean --%s? `heapline help %s` lists what it takes",
		     n.best, verb);
	return spec->wrong;
}

static int bad_option(const char *verb, const struct options_spec *spec, int code,
		      const char *word)
{
	char letter[3] = {'-', (char)optopt, '\0'};

	if (strncmp(word, "--", 2) != 0)
		word = letter;
	if (code == ':')
		return options_wrong(verb, spec, "a value is missing after ", word, "");
	if (word == letter)
		return options_wrong(verb, spec, "no such option: ", word, "");
	if (optopt >= VALUE || strchr(word, '=')) {
		if (beginnings(spec, word + 2, strcspn(word + 2, "=")) == 1)
			return options_wrong(verb, spec, "no value belongs to ", word,
					     "");
	} else if (beginnings(spec, word + 2, strlen(word + 2)) > 1) {
		return options_wrong(verb, spec, "several options begin with ", word,
				     "");
	}
	return no_such_option(verb, spec, word);
}

/* The one of an option's words that a value was meant to be; "" if none is like it. */
static const char *meant(const struct option_spec *o, const char *value, char *ret,
			 size_t room)
{
	const char *words = o->words ? o->words : "";
	struct nearest n = nearest_to(value);
	char word[WORD];

	*ret = '\0';
	while (*words) {
		size_t len = strcspn(words, " "), had = n.distance;

		snprintf(word, sizeof(word), "%.*s", (int)len, words);
		nearest_offer(&n, word);
		if (n.distance < had)
			snprintf(ret, room, "%s", word);
		words += len;
		words += *words == ' ';
	}
	return ret;
}

static int bad_value(const char *verb, const struct options_spec *spec,
		     const struct option_spec *o, const char *value, const char *why)
{
	char what[WORD], tail[WORD + 4], letter[2] = {o->letter, '\0'};
	char clean[WORD], word[WORD];

	value = value ? value : "";
	snprintf(what, sizeof(what), "%s%s: ", o->name ? "--" : "-",
		 o->name ? o->name : letter);
	snprintf(tail, sizeof(tail), ": %s", why);
	if (!*meant(o, value, word, sizeof(word)))
		return options_wrong(verb, spec, what, value, tail);
	message_error("%s: %s%s%s", verb, what, text_clean(value, clean, sizeof(clean)),
		      tail);
	message_help("did you mean --%s=%s?", o->name, word);
	return spec->wrong;
}

/* ---- parsing --------------------------------------------------------------- */

struct tables { /* getopt's form of ours */
	struct option longs[OPTIONS_MOST + 2];
	char shorts[2 * OPTIONS_MOST + 8];
	size_t count;
};

static void make_tables(const struct options_spec *spec, struct tables *t)
{
	bool stops = spec->operands == OPTIONS_COMMAND;
	char *s = stpcpy(t->shorts, stops ? "+:h" : ":h");
	size_t at = 0;

	for (t->count = 0; !options_end(&spec->options[t->count]); t->count++) {
		const struct option_spec *o = &spec->options[t->count];

		if (o->name)
			t->longs[at++] = (struct option){o->name, o->argument != NULL,
							 NULL, VALUE + (int)t->count};
		if (o->letter)
			*s++ = o->letter;
		if (o->letter && o->argument)
			*s++ = ':';
	}
	*s = '\0';
	t->longs[at++] = (struct option){"help", no_argument, NULL, 'h'};
	t->longs[at] = (struct option){0};
}

static size_t index_of(const struct options_spec *spec, int code)
{
	size_t i = 0;

	if (code >= VALUE)
		return (size_t)(code - VALUE);
	while (spec->options[i].letter != code)
		i++;
	return i;
}

int options_parse(const char *verb, const struct options_spec *spec, int argc,
		  char **argv, options_take *take, void *own)
{
	struct tables t;
	int code;

	make_tables(spec, &t);
	opterr = 0;
	optind = 0; /* glibc: begin anew */
	while ((code = getopt_long(argc, argv, t.shorts, t.longs, NULL)) != -1) {
		const char *why;
		size_t i;

		if (code == '?' || code == ':')
			return bad_option(verb, spec, code, argv[optind - 1]);
		if (code == 'h') {
			options_help(verb, spec, stdout);
			return fflush(stdout) == 0 ? VERB_OK : VERB_FAILED;
		}
		i = index_of(spec, code);
		why = take(own, i, optarg);
		if (why)
			return bad_value(verb, spec, &spec->options[i], optarg, why);
	}
	return -1;
}
