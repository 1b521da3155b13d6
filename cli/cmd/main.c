/*
 * main.c - finds the verb and runs it.
 */
#include "cli/cmd/doctor.h"
#include "cli/cmd/verb.h"

#include "cli/base/message.h"
#include "cli/base/nearest.h"
#include "cli/report/text.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

const struct verb verbs[] = {
	{"run", "run a program and record its heap", cmd_run, .options = &run_spec},
	{"check", "run a program and fail if it leaks or needs too much", cmd_check,
	 .options = &check_spec},
	{"report", "summarise a profile: peak, never freed, where both came from",
	 cmd_report, .reader = &report_spec},
	{"lines", "show source lines with what each allocated, freed and kept",
	 cmd_lines, .reader = &lines_spec},
	{"leaks", "show what was never freed and nothing holds, and why", cmd_leaks,
	 .reader = &leaks_spec},
	{"top", "show who has most: by line, function, file, module, size, ...",
	 cmd_top, .reader = &top_spec},
	{"tree", "show which functions call which to allocate", cmd_tree,
	 .reader = &tree_spec},
	{"churn", "show which lines allocate most often, and how long blocks live",
	 cmd_churn, .reader = &churn_spec},
	{"timeline", "chart the heap, resident memory and allocations over time",
	 cmd_timeline, .reader = &timeline_spec},
	{"tui", "look at a profile in the terminal: all of these views, with keys",
	 cmd_tui, .reader = &tui_spec},
	{"view", "look at a profile in a browser, or at two: all views, of any size",
	 cmd_view, .options = &view_spec},
	{"path", "say why a block is still there: the shortest way from a root",
	 cmd_path, .reader = &path_spec},
	{"refs", "show what a block points at, and so on", cmd_refs,
	 .reader = &refs_spec},
	{"backrefs", "show what points at a block, and so on", cmd_backrefs,
	 .reader = &backrefs_spec},
	{"at", "show the block at an address", cmd_at, .reader = &at_spec},
	{"roots", "show what holds blocks: variables, stacks, threads, ...",
	 cmd_roots, .reader = &roots_spec},
	{"blocks", "list live blocks by site, and how they are held", cmd_blocks,
	 .reader = &blocks_spec},
	{"cycles", "show blocks that hold each other in a ring", cmd_cycles,
	 .reader = &cycles_spec},
	{"diff", "compare two profiles: what is new, gone, grown and shrunk", cmd_diff,
	 .reader = &diff_spec},
	{"merge", "make one profile of several", cmd_merge, .options = &merge_spec},
	{"info", "tell what a profile is and what is in it", cmd_info,
	 .reader = &info_spec},
	{"symbolize", "look up names and sources that a profile lacks", cmd_symbolize,
	 .options = &symbolize_spec},
	{"ps", "list what is being recorded", cmd_ps, .options = &ps_spec},
	{"snapshot", "read the heap graph of a recorded process that goes on",
	 cmd_snapshot, .options = &snapshot_spec},
	{"watch", "name the sites of a running program that grow without an end",
	 cmd_watch, .options = &watch_spec},
	{"stop", "end a recording; the program goes on", cmd_stop,
	 .options = &stop_spec},
	{"doctor", "find what would keep heapline from recording here", cmd_doctor,
	 .options = &doctor_spec},
	{"completion", "write a shell's completions of heapline's command line",
	 cmd_completion, .options = &completion_spec},
	{"help", "explain a verb", cmd_help, .options = &help_spec},
	{0},
};

const struct verb *verb_find(const char *name)
{
	for (const struct verb *v = verbs; v->name; v++)
		if (!strcmp(v->name, name))
			return v;
	return NULL;
}

const struct verb *verb_like(const char *name)
{
	struct nearest n = nearest_to(name);

	for (const struct verb *v = verbs; v->name; v++)
		nearest_offer(&n, v->name);
	return n.best ? verb_find(n.best) : NULL;
}

const struct options_spec *verb_options(const struct verb *verb,
					struct reader_options *buffer)
{
	if (verb->options)
		return verb->options;
	reader_options(verb->reader, buffer);
	return &buffer->spec;
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
