/*
 * main.c - finds the verb and runs it.
 */
#include "cli/cmd/doctor.h"
#include "cli/cmd/verb.h"

#include "cli/base/message.h"
#include "cli/report/text.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

const struct verb verbs[] = {
	{"run", "run a program and record its heap", cmd_run},
	{"check", "run a program and fail if it leaks more than it may", cmd_check},
	{"report", "summarise a profile: peak, never freed, where both came from",
	 cmd_report},
	{"lines", "show source lines with what each allocated, freed and kept",
	 cmd_lines},
	{"top", "show who has most: by line, function, file, module, size, ...", cmd_top},
	{"tree", "show which functions call which to allocate", cmd_tree},
	{"churn", "show which lines allocate most often, and how long blocks live",
	 cmd_churn},
	{"timeline", "chart the heap, resident memory and allocations over time",
	 cmd_timeline},
	{"diff", "compare two profiles: what is new, gone, grown and shrunk", cmd_diff},
	{"merge", "make one profile of several", cmd_merge},
	{"info", "tell what a profile is and what is in it", cmd_info},
	{"ps", "list what is being recorded", cmd_ps},
	{"stop", "end a recording; the program goes on", cmd_stop},
	{"doctor", "find what would keep heapline from recording here", cmd_doctor},
	{"help", "explain a verb", cmd_help},
	{NULL, NULL, NULL},
};

const struct verb *verb_find(const char *name)
{
	for (const struct verb *v = verbs; v->name; v++)
		if (!strcmp(v->name, name))
			return v;
	return NULL;
}

enum { NAME_ROOM = 32 };

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours that make b of a. Both
 * are shorter than NAME_ROOM. */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][NAME_ROOM + 1], n = strlen(b);
	size_t *before = rows[0], *last = rows[1], *row = rows[2];

	for (size_t k = 0; k <= n; k++)
		last[k] = k;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t *oldest = before;

		row[0] = i;
		for (size_t k = 1; k <= n; k++) {
			row[k] = least(last[k - 1] + (a[i - 1] != b[k - 1]),
				       least(last[k], row[k - 1]) + 1);
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] &&
			    a[i - 2] == b[k - 1])
				row[k] = least(row[k], before[k - 2] + 1);
		}
		before = last;
		last = row;
		row = oldest;
	}
	return last[n];
}

const struct verb *verb_like(const char *name)
{
	const struct verb *best = NULL;
	size_t best_distance = 3, len = strlen(name);

	if (!len || len >= NAME_ROOM)
		return NULL;
	for (const struct verb *v = verbs; v->name; v++) {
		size_t d = distance(name, v->name);

		if (!strncmp(name, v->name, len))
			d = 1; /* its beginning */
		if (d < best_distance && d < strlen(v->name)) {
			best_distance = d;
			best = v;
		}
	}
	return best;
}

static int unknown(const char *name)
{
	const struct verb *like = verb_like(name);
	char clean[128];

	message_error("%s: no such %s", text_clean(name, clean, sizeof(clean)),
		      *name == '-' ? "option" : "verb");
	if (like)
		message_help("did you mean `heapline %s`?", like->name);
	else
		message_help("`heapline help` lists the verbs");
	return VERB_USAGE;
}

int main(int argc, char **argv)
{
	const struct verb *verb;

	setlocale(LC_CTYPE, "");
	if (argc < 2) {
		message_error("no verb given");
		message_help("`heapline help` lists the verbs");
		return VERB_USAGE;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("heapline " HEAPLINE_VERSION);
		return fflush(stdout) == 0 ? VERB_OK : VERB_FAILED;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return cmd_help(1, argv + 1);
	if (!strcmp(argv[1], "collect"))
		return cmd_collect(argc - 1, argv + 1); /* not for people */
	if (!strcmp(argv[1], "doctor-probe"))
		return doctor_probe(); /* nor this */
	verb = verb_find(argv[1]);
	return verb ? verb->run(argc - 1, argv + 1) : unknown(argv[1]);
}
