/*
 * cmd_help.c - heapline help [VERB]
 */
#include "cli/cmd/verb.h"

#include "cli/base/message.h"
#include "cli/report/text.h"

#include <stdio.h>

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
	const struct verb *verb;
	char clean[128];

	if (argc < 2 || !verb_find(argv[1]) || verb_find(argv[1])->run == cmd_help) {
		if (argc < 2 || verb_find(argv[1]) || argv[1][0] == '-')
			return list_verbs();
		message_error("%s: no such verb",
			      text_clean(argv[1], clean, sizeof(clean)));
		verb = verb_like(argv[1]);
		message_help(verb ? "did you mean `heapline help %s`?"
				  : "`heapline help` lists the verbs",
			     verb ? verb->name : "");
		return VERB_USAGE;
	}
	verb = verb_find(argv[1]);
	help[0] = argv[1];
	return verb->run(2, help);
}
