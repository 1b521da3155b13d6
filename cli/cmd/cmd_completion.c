/*
 * cmd_completion.c - heapline completion SHELL: what a shell needs to complete
 * heapline's command line, written from the verbs' own tables.
 */
#include "cli/base/message.h"
#include "cli/cmd/verb.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct option_spec options[] = {{0}};

const struct options_spec completion_spec = {
	.usage = "bash|zsh|fish",
	.about = "Writes the completions of heapline's command line for a shell. They "
		 "are installed where\nthe shell looks by itself; else, for bash: "
		 "source <(heapline completion bash)",
	.options = options,
	.notes = "Exit status: 0; 2 for a wrong command line.",
	.operands = OPTIONS_WORDS,
	.operand_words = "bash zsh fish",
	.wrong = VERB_USAGE,
};

/* Calls put() with every option of a verb, help last. */
static void each_option(const char *verb, const struct options_spec *spec,
			void (*put)(const char *verb, const struct option_spec *o))
{
	for (const struct option_spec *o = spec->options; !options_end(o); o++)
		put(verb, o);
	put(verb, &options_common);
}

static void each_verb(void (*put)(const struct verb *v, const struct options_spec *s))
{
	struct reader_options buffer;

	for (const struct verb *v = verbs; v->name; v++)
		put(v, verb_options(v, &buffer));
}

static void put_verbs(void)
{
	for (const struct verb *v = verbs; v->name; v++)
		printf("%s%s", v == verbs ? "" : " ", v->name);
}

/* ---- bash ---------------------------------------------------------------- */

static void bash_option(const char *verb, const struct option_spec *o)
{
	(void)verb;
	if (o->name)
		printf(" --%s", o->name);
	if (o->letter)
		printf(" -%c", o->letter);
}

/* The options that are followed by a value, as patterns of case. */
static void bash_takes(const char *verb, const struct option_spec *o)
{
	if (!o->argument)
		return;
	if (o->name)
		printf("|%s:--%s", verb, o->name);
	if (o->letter)
		printf("|%s:-%c", verb, o->letter);
}

static void bash_words(const char *verb, const struct option_spec *o)
{
	if (o->words)
		printf("\t%s:--%s) values='%s' ;;\n", verb, o->name, o->words);
}

static void bash_files(const char *verb, const struct option_spec *o)
{
	if (o->argument && !strcmp(o->argument, "FILE"))
		printf("\t%s:--%s%s%.1s) files=1 ;;\n", verb, o->name,
		       o->letter ? "|*:-" : "", o->letter ? &o->letter : "");
}

static void bash_verb(const struct verb *v, const struct options_spec *s)
{
	static const char *const kinds[] = {
		[OPTIONS_NOTHING] = "nothing", [OPTIONS_PROFILES] = "profiles",
		[OPTIONS_COMMAND] = "command", [OPTIONS_RECORDINGS] = "recordings",
		[OPTIONS_VERB] = "verbs",      [OPTIONS_WORDS] = "words",
	};

	printf("\t%s) operands=%s words='%s' options='", v->name, kinds[s->operands],
	       s->operand_words ? s->operand_words : "");
	each_option(v->name, s, bash_option);
	puts("' ;;");
}

static void bash_verb_words(const struct verb *v, const struct options_spec *s)
{
	each_option(v->name, s, bash_words);
	each_option(v->name, s, bash_files);
}

static void bash_verb_takes(const struct verb *v, const struct options_spec *s)
{
	each_option(v->name, s, bash_takes);
}

static void put_bash(void)
{
	puts("# Completions of heapline for bash, written by `heapline completion "
	     "bash`.\n"
	     "_heapline() {\n"
	     "\tlocal cur=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]} prev= i\n"
	     "\tlocal operands= words= options= values= files=\n"
	     "\tCOMPREPLY=()");
	printf("\tlocal verbs='");
	put_verbs();
	puts("'\n"
	     "\tif ((COMP_CWORD == 1)); then\n"
	     "\t\tCOMPREPLY=($(compgen -W \"$verbs --help --version\" -- \"$cur\"))\n"
	     "\t\treturn\n"
	     "\tfi\n"
	     "\tcase $verb in");
	each_verb(bash_verb);
	puts("\t*) return ;;\n\tesac\n"
	     "\t# A value may be a word of its own, or behind '=', which splits "
	     "words.\n"
	     "\tprev=${COMP_WORDS[COMP_CWORD-1]}\n"
	     "\tif [[ $prev == = ]]; then\n"
	     "\t\tprev=${COMP_WORDS[COMP_CWORD-2]}\n"
	     "\telif [[ $cur == = ]]; then\n"
	     "\t\tcur=\n"
	     "\tfi\n"
	     "\t# Behind a program's name, its own words are completed.\n"
	     "\tif [[ $operands == command ]]; then\n"
	     "\t\tfor ((i = 2; i < COMP_CWORD; i++)); do\n"
	     "\t\t\tcase $verb:${COMP_WORDS[i]} in");
	printf("\t\t\tnone:none");
	each_verb(bash_verb_takes);
	puts(") [[ ${COMP_WORDS[i+1]} == = ]] && ((i++)); ((i++)) ;;\n"
	     "\t\t\t*:--) ((i++)); break ;;\n"
	     "\t\t\t*:-*) ;;\n"
	     "\t\t\t*) break ;;\n"
	     "\t\t\tesac\n"
	     "\t\tdone\n"
	     "\t\tif ((i < COMP_CWORD)); then\n"
	     "\t\t\tif declare -F _command_offset >/dev/null; then\n"
	     "\t\t\t\t_command_offset \"$i\"\n"
	     "\t\t\telse\n"
	     "\t\t\t\tCOMPREPLY=($(compgen -f -- \"$cur\"))\n"
	     "\t\t\tfi\n"
	     "\t\t\treturn\n"
	     "\t\tfi\n"
	     "\tfi\n"
	     "\tcase $verb:$prev in");
	each_verb(bash_verb_words);
	printf("\tnone:none");
	each_verb(bash_verb_takes);
	puts(") return ;;\n"
	     "\tesac\n"
	     "\tif [[ $values ]]; then\n"
	     "\t\tCOMPREPLY=($(compgen -W \"$values\" -- \"$cur\"))\n"
	     "\telif [[ $files ]]; then\n"
	     "\t\tcompopt -o filenames 2>/dev/null\n"
	     "\t\tCOMPREPLY=($(compgen -f -- \"$cur\"))\n"
	     "\telif [[ $cur == -* ]]; then\n"
	     "\t\tCOMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
	     "\telse\n"
	     "\t\tcase $operands in\n"
	     "\t\tprofiles)\n"
	     "\t\t\tcompopt -o filenames 2>/dev/null\n"
	     "\t\t\tCOMPREPLY=($(compgen -f -X '!*.heapline' -- \"$cur\") "
	     "$(compgen -d -- \"$cur\")) ;;\n"
	     "\t\tcommand) COMPREPLY=($(compgen -c -- \"$cur\")) ;;\n"
	     "\t\trecordings)\n"
	     "\t\t\tCOMPREPLY=($(compgen -W \"all $(\"${COMP_WORDS[0]}\" ps "
	     "2>/dev/null "
	     "|\n\t\t\t\tawk '$1 ~ /^[0-9]+$/ { print $1, $2 }')\" -- \"$cur\")) ;;\n"
	     "\t\tverbs) COMPREPLY=($(compgen -W \"$verbs\" -- \"$cur\")) ;;\n"
	     "\t\twords) COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")) ;;\n"
	     "\t\tesac\n"
	     "\tfi\n"
	     "}\n"
	     "complete -F _heapline heapline");
}

/* ---- zsh ----------------------------------------------------------------- */

/* Text within single quotes of a specification of _arguments. */
static void zsh_text(const char *text)
{
	for (; *text; text++)
		if (*text == '\'')
			printf("'\\''");
		else
			printf("%s%c", strchr("[]:\\", *text) ? "\\" : "", *text);
}

static void zsh_option(const char *verb, const struct option_spec *o)
{
	(void)verb;
	printf(" \\\n\t\t\t");
	if (o->name && o->letter)
		printf("'(-%c --%s)'{-%c%s,--%s%s}", o->letter, o->name, o->letter,
		       o->argument ? "+" : "", o->name, o->argument ? "=" : "");
	else if (o->name)
		printf("--%s%s", o->name, o->argument ? "=" : "");
	else
		printf("-%c%s", o->letter, o->argument ? "+" : "");
	printf("'[");
	zsh_text(o->help);
	putchar(']');
	if (o->argument) {
		printf(":%s:", o->argument);
		if (o->words)
			printf("(%s)", o->words);
		else if (!strcmp(o->argument, "FILE"))
			printf("_files");
	}
	putchar('\'');
}

static void zsh_verb(const struct verb *v, const struct options_spec *s)
{
	printf("\t%s)\n\t\t_arguments -s%s", v->name,
	       s->operands == OPTIONS_COMMAND ? " -S" : "");
	each_option(v->name, s, zsh_option);
	switch (s->operands) {
	case OPTIONS_PROFILES:
		printf(" \\\n\t\t\t'*:profile:_files -g \"*.heapline\"'");
		break;
	case OPTIONS_COMMAND:
		printf(" \\\n\t\t\t'(-):program:_command_names -e' "
		       "'*::argument:_normal'");
		break;
	case OPTIONS_RECORDINGS:
		printf(" \\\n\t\t\t'1:recording:(all ${(f)\"$(heapline ps 2>/dev/null "
		       "| "
		       "awk '\\''$1 ~ /^[0-9]+$/ { print $1 }'\\'')\"})'");
		break;
	case OPTIONS_VERB:
		printf(" \\\n\t\t\t'1:verb:(");
		put_verbs();
		printf(")'");
		break;
	case OPTIONS_WORDS:
		printf(" \\\n\t\t\t'1:word:(%s)'", s->operand_words);
		break;
	case OPTIONS_NOTHING:
		break;
	}
	puts(" ;;");
}

static void zsh_verb_name(const struct verb *v, const struct options_spec *s)
{
	(void)s;
	printf("\t\t'%s:", v->name);
	zsh_text(v->summary);
	puts("'");
}

static void put_zsh(void)
{
	puts("#compdef heapline\n"
	     "# Completions of heapline for zsh, written by `heapline completion "
	     "zsh`.\n"
	     "_heapline() {\n"
	     "\tlocal -a verbs=(");
	each_verb(zsh_verb_name);
	puts("\t)\n"
	     "\tif ((CURRENT == 2)); then\n"
	     "\t\t_describe verb verbs\n"
	     "\t\treturn\n"
	     "\tfi\n"
	     "\tshift words\n"
	     "\t((CURRENT--))\n"
	     "\tcase $words[1] in");
	each_verb(zsh_verb);
	puts("\tesac\n"
	     "}\n"
	     "# Run at the first completion, or sourced by hand.\n"
	     "if [[ $funcstack[1] == _heapline ]]; then\n"
	     "\t_heapline \"$@\"\n"
	     "else\n"
	     "\tcompdef _heapline heapline\n"
	     "fi");
}

/* ---- fish ---------------------------------------------------------------- */

static void fish_text(const char *text)
{
	putchar('\'');
	for (; *text; text++)
		printf("%s%c", strchr("'\\", *text) ? "\\" : "", *text);
	putchar('\'');
}

static void fish_option(const char *verb, const struct option_spec *o)
{
	printf("complete -c heapline -n '__fish_seen_subcommand_from %s'", verb);
	if (o->name)
		printf(" -l %s", o->name);
	if (o->letter)
		printf(" -s %c", o->letter);
	if (o->words)
		printf(" -x -a '%s'", o->words);
	else if (o->argument && !strcmp(o->argument, "FILE"))
		printf(" -r -F");
	else if (o->argument)
		printf(" -x");
	printf(" -d ");
	fish_text(o->help);
	putchar('\n');
}

static void fish_verb(const struct verb *v, const struct options_spec *s)
{
	printf("complete -c heapline -n __fish_use_subcommand -a %s -d ", v->name);
	fish_text(v->summary);
	putchar('\n');
	each_option(v->name, s, fish_option);
	if (s->operands == OPTIONS_NOTHING)
		return;
	printf("complete -c heapline -n '__fish_seen_subcommand_from %s' -a ", v->name);
	switch (s->operands) {
	case OPTIONS_PROFILES:
		puts("'(__fish_complete_suffix .heapline)'");
		break;
	case OPTIONS_COMMAND:
		puts("'(__fish_complete_subcommand --fcs-skip=2)'");
		break;
	case OPTIONS_RECORDINGS:
		puts("'all (heapline ps 2>/dev/null | string match -r \"^ *[0-9]+\" | "
		     "string trim)'");
		break;
	case OPTIONS_VERB:
		putchar('\'');
		put_verbs();
		puts("'");
		break;
	default:
		printf("'%s'\n", s->operand_words);
		break;
	}
}

static void put_fish(void)
{
	puts("# Completions of heapline for fish, written by `heapline completion "
	     "fish`.\n"
	     "complete -c heapline -f");
	each_verb(fish_verb);
}

int cmd_completion(int argc, char **argv)
{
	static const struct {
		const char *shell;
		void (*put)(void);
	} shells[] = {{"bash", put_bash}, {"zsh", put_zsh}, {"fish", put_fish}};
	int status =
		options_parse("completion", &completion_spec, argc, argv, NULL, NULL);

	if (status >= 0)
		return status;
	if (argc - optind != 1)
		return options_wrong("completion", &completion_spec,
				     "name one shell: bash, zsh or fish", "", "");
	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++)
		if (!strcmp(argv[optind], shells[i].shell)) {
			shells[i].put();
			return fflush(stdout) == 0 ? VERB_OK : VERB_FAILED;
		}
	return options_wrong("completion", &completion_spec,
			     "no such shell: ", argv[optind], ": bash, zsh or fish");
}
