/*
 * cmd_tui.c - heapline tui [OPTIONS] [PROFILE]
 */
#include "cli/base/message.h"
#include "cli/cmd/gate.h"
#include "cli/cmd/graph.h"
#include "cli/cmd/reader.h"
#include "cli/cmd/target.h"
#include "cli/cmd/verb.h"
#include "cli/report/leaks.h"
#include "cli/tui/tui.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h> /* optind */

enum option { VIEW };

static const struct option_spec options[] = {
	[VIEW] = {.name = "view",
		  .argument = "VIEW",
		  .help = "the view to begin with (lines)",
		  .words = "lines tree flame top timeline leaks references diff"},
	{0},
};

struct own {
	enum tui_kind first;
	bool has_first;
	struct gate gate;
	const struct reader *reader;
};

static const char *take(void *own, size_t i, const char *value)
{
	(void)i;
	((struct own *)own)->has_first = true;
	return tui_parse_kind(value, &((struct own *)own)->first)
		       ? NULL
		       : "lines, tree, flame, top, timeline, leaks, references or diff";
}

/* Nothing of it is for another reader than the one at the terminal. */
static bool silent(const void *own)
{
	return own;
}

const struct reader_spec tui_spec = {
	.verb = "tui",
	.about = "Shows a profile in the terminal, to move about in: annotated source, "
		 "tree, flame graph,\ntable, timeline, leaks and references; of two, "
		 "what changed. Each view "
		 "names the verb that prints the same.",
	.options = options,
	.take = take,
	.lacks = "tazTjP",
	.uncut = ": its views are of the whole run; `heapline lines` and others take "
		 "it",
	.silent = silent,
	.most = 2,
};

/* ---- options that the views' verbs take too -------------------------------- */

/* By view: letters of the common options that its verb takes. */
static const char *const taken[TUI_KINDS] = {
	[TUI_LINES] = "process focus ignore domain source-path",
	[TUI_TREE] = "process focus ignore domain source-path",
	[TUI_FLAME] = "process focus ignore domain source-path",
	[TUI_TOP] = "process focus ignore domain source-path",
	[TUI_TIMELINE] = "",
	[TUI_LEAKS] = "process focus ignore domain",
	[TUI_REFS] = "process",
	[TUI_DIFF] = "focus ignore source-path",
};

/* Whether the option of an argument ("--proc=1", abbreviated at will) is among them. */
static bool is_taken(const char *words, const char *argument)
{
	size_t len = strcspn(argument, "=");

	for (const char *w = words; len && *w; w += strspn(w, " ")) {
		size_t word = strcspn(w, " ");

		if (len <= word && !strncmp(w, argument, len))
			return true;
		w += word;
	}
	return false;
}

static bool has_value(const char *argument)
{
	static const char with[] = "view process focus ignore domain source-path color";

	return !strchr(argument, '=') && is_taken(with, argument);
}

/* The options of the command line that a view's verb takes, *ret malloc'ed. Options are
 * first: options_parse() sorted them. */
static int collect_words(int argc, char **argv, const char *words, char **ret)
{
	size_t len;
	FILE *out = open_memstream(ret, &len);

	for (int i = 1; out && i < optind && i < argc; i++) {
		const char *name = !strncmp(argv[i], "--", 2) ? argv[i] + 2 : "";
		bool wanted = is_taken(words, name), more = has_value(name);

		if (wanted) {
			fputc(' ', out);
			text_put_word(out, argv[i]);
		}
		if (more && ++i < optind && wanted) {
			fputc(' ', out);
			text_put_word(out, argv[i]);
		}
	}
	return out && fclose(out) == 0 ? 0 : -ENOMEM;
}

/* ---- the verb ------------------------------------------------------------------ */

static int find(void *context, int which, const struct scope_options *scope,
		struct findings *ret)
{
	struct own *own = context;
	const struct profile *p = own->reader->files[which].profile;
	const struct findings_options o = {
		.path = own->reader->files[which].path,
		.pid = scope->pid,
		.domain = scope->domain,
		.unlisted = scope->pid ? 0 : leaks_unlisted(p),
		.young_ns = FINDINGS_YOUNG_NS,
	};

	return gate_find(&own->gate, p, &o, ret);
}

static int refuse(const struct tui_options *o, int status)
{
	message_help("`heapline %s` prints the same as text", tui_verb(o->first));
	return status;
}

/* -1, or the exit status of a failure. */
static int load_viewer(const struct tui_options *o)
{
	char path[4096], why[2 * 4096];

	if (!tui_is_built()) {
		message_error("this heapline was built without ncurses, and has no "
			      "terminal viewer");
		return refuse(o, VERB_USAGE);
	}
	if (!target_module("heapline-tui.so", path, sizeof(path), why, sizeof(why)) &&
	    !tui_load(path, why, sizeof(why)))
		return -1;
	message_error("cannot load the terminal viewer: %s", why);
	return refuse(o, VERB_FAILED);
}

static int explain(const struct tui_options *o, int err)
{
	switch (err) {
	case 0:
		return VERB_OK;
	case -ENOTTY:
		message_error("standard input and output are no terminal");
		break;
	case -ENOTSUP:
		message_error("the terminal cannot be drawn on: $TERM is not set, not "
			      "known here, or a simple one's");
		break;
	default:
		message_error("%s", strerror(-err));
		return VERB_FAILED;
	}
	return refuse(o, VERB_USAGE);
}

static int show(struct reader *r, struct own *own, int argc, char **argv)
{
	struct tui_options o = {.scope = r->scope,
				.path = r->path,
				.bytes = r->bytes,
				.colour = r->colour,
				.first = own->first,
				.find = find,
				.context = own};
	char *words[TUI_KINDS] = {0};
	int err = 0, status = gate_load(&own->gate);

	if (r->count > 1) {
		o.other = r->files[1].profile;
		o.other_path = r->files[1].path;
		o.first = own->has_first ? own->first : TUI_DIFF;
	} else if (status < 0 && own->first == TUI_DIFF) {
		message_error("what changed is a view of two profiles");
		message_help("name both: `heapline tui --view=diff A B`");
		status = VERB_USAGE;
	}
	if (status < 0)
		status = load_viewer(&o);
	if (status >= 0) {
		reader_close(r, 0);
		return status;
	}
	for (int i = 0; i < TUI_KINDS && !err; i++) {
		err = collect_words(argc, argv, taken[i], &words[i]);
		o.words[i] = words[i];
	}
	if (!err)
		err = tui_run(r->profile, &o);
	for (int i = 0; i < TUI_KINDS; i++)
		free(words[i]);
	reader_close(r, 0);
	return explain(&o, err);
}

int cmd_tui(int argc, char **argv)
{
	struct own own = {0};
	struct reader r;
	int status;

	gate_init(&own.gate);
	if (reader_open(&r, &tui_spec, argc, argv, &own, &status)) {
		own.reader = &r;
		status = show(&r, &own, argc, argv);
	}
	gate_done(&own.gate);
	return status;
}
