/*
 * cmd_help.c - heapline help [VERB]
 */
#include "cli/cmd/verb.h"

#include "cli/base/message.h"
#include "cli/report/text.h"

#include <stdio.h>
#include <unistd.h>

static const struct option_spec options[] = {{0}};

const struct options_spec help_spec = {
	.usage = "[VERB]",
	.about = "Explains a verb, or lists them all.",
	.options = options,
	.notes = "Exit status: 0; 2 if there is no such verb.",
	.operands = OPTIONS_VERB,
	.wrong = VERB_USAGE,
};

static int list_verbs(void)
{
	puts("heapline - heap profiles and leaks of Linux programs, exact to the byte\n"
	     "\n"
	     "Usage: heapline VERB [OPTIONS] ...\n"
	     "\n"
	     "Verbs:");
	for (const struct verb *v = verbs; v->name; v++)
		printf("  %-10s  %s\n", v->name, v->summary);
	puts("\n"
	     "heapline help VERB explains one; heapline --version tells which this "
	     "is.\n"
	     "Verbs that read a profile take the newest *.heapline here if you name "
	     "none.");
	return fflush(stdout) == 0 ? VERB_OK : VERB_FAILED;
}

int cmd_help(int argc, char **argv)
{
	char *help[] = {NULL, (char[]){"--help"}, NULL};
	int status = options_parse("help", &help_spec, argc, argv, NULL, NULL);
	const struct verb *verb;
	char clean[128];

	if (status >= 0)
		return status;
	if (optind == argc)
		return list_verbs();
	if (argc - optind > 1)
		return options_wrong("help", &help_spec, "one verb at a time, not also ",
				     argv[optind + 1], "");
	verb = verb_find(argv[optind]);
	if (!verb) {
		message_error("%s: no such verb",
			      text_clean(argv[optind], clean, sizeof(clean)));
		verb = verb_like(argv[optind]);
		message_help(verb ? "did you mean `heapline help %s`?"
				  : "`heapline help` lists the verbs",
			     verb ? verb->name : "");
		return VERB_USAGE;
	}
	help[0] = argv[optind];
	return verb->run(2, help);
}
