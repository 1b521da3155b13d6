/*
 * cmd_symbolize.c - `heapline symbolize`: gives a profile the names, lines and sources
 * that it lacks, because its collector died or debug information came later.
 */
#include "cli/base/cleanup.h"
#include "cli/base/json.h"
#include "cli/base/message.h"
#include "cli/base/units.h"
#include "cli/cmd/output.h"
#include "cli/cmd/reader.h"
#include "cli/cmd/resolve.h"
#include "cli/cmd/verb.h"
#include "cli/profile/file.h"
#include "cli/report/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum option { OUTPUT, FORCE, SOURCE_PATH, NO_SOURCE, DEBUGINFOD, JSON, QUIET };

static const struct option_spec options[] = {
	[OUTPUT] = {.name = "output",
		    .argument = "FILE",
		    .help = "write FILE and leave PROFILE as it is",
		    .letter = 'o'},
	[FORCE] = {.name = "force", .help = "overwrite FILE", .letter = 'f'},
	[SOURCE_PATH] = {.name = "source-path",
			 .argument = "FROM=TO",
			 .help = "read sources of FROM/... at TO/... (repeatable)"},
	[NO_SOURCE] = {.name = "no-source", .help = "embed no source text"},
	[DEBUGINFOD] = {.name = "debuginfod",
			.help = "ask the servers of $DEBUGINFOD_URLS for debug "
				"information that is not here: they learn the "
				"build-ids"},
	[JSON] = {.name = "json",
		  .help = "the outcome as JSON, for scripts",
		  .letter = 'j'},
	[QUIET] = {.name = "quiet",
		   .help = "say nothing but what is wrong",
		   .letter = 'q'},
	{0},
};

const struct options_spec symbolize_spec = {
	.usage = "[PROFILE]",
	.about = "Looks up functions, lines and sources that PROFILE lacks, in the "
		 "files of this\nmachine, and rewrites it: for a recording whose "
		 "collector died, or whose debug\ninformation came later. What is "
		 "known stays. Says what was not found, and why.",
	.options = options,
	.notes = "PROFILE is the newest *.heapline in this directory if none is "
		 "named.\n"
		 "Exit status: 0; 1 for a file that cannot be written; 2 for a wrong "
		 "command line;\n3 for a profile that cannot be read, or is still "
		 "being recorded.",
	.operands = OPTIONS_PROFILES,
	.refused = ": the whole profile is given names, and cut when it is read",
	.wrong = VERB_USAGE,
};

enum { WORD = 256, MODULES_SHOWN = 12 };

struct symbolize {
	struct resolve_options how;
	struct source_paths source_paths;
	const char *output; /* NULL: in its place */
	bool force, json, quiet;
	char path[PATH_MAX];  /* of the profile, links followed */
	char clean[PATH_MAX]; /* for people */
	struct stat before;
	struct reader_file file;
	struct profile *profile; /* the file's */
	struct resolve_outcome outcome;
};

/* ---- the command line ---------------------------------------------------- */

static const char *take(void *own, size_t i, const char *value)
{
	struct symbolize *s = own;

	switch ((enum option)i) {
	case OUTPUT:
		s->output = value;
		return *value ? NULL : "name the file to write";
	case FORCE:
		s->force = true;
		break;
	case SOURCE_PATH:
		return source_paths_add(&s->source_paths, value);
	case NO_SOURCE:
		s->how.no_source = true;
		break;
	case DEBUGINFOD:
		s->how.servers = true;
		break;
	case JSON:
		s->json = true;
		break;
	case QUIET:
		s->quiet = true;
		message_quiet();
		break;
	}
	return NULL;
}

/* -1: go on; else an exit status. */
static int parse(struct symbolize *s, int argc, char **argv)
{
	int status = options_parse("symbolize", &symbolize_spec, argc, argv, take, s);

	if (status < 0 && argc - optind > 1)
		return options_wrong("symbolize", &symbolize_spec,
				     "one profile at a time, not also ",
				     argv[optind + 1], "");
	return status;
}

/* ---- what was found ------------------------------------------------------ */

static const char *text_of(const struct symbolize *s, uint32_t number)
{
	return strings_get(&s->profile->strings, number);
}

/* A clause on why the names of a module are not whole. NULL: they are. */
static const char *why(const struct symbolize *s, const struct resolve_module *m)
{
	if (m->lacking)
		return "its .dwo files are not where they were compiled: no inlined "
		       "functions";
	if (m->lined == m->places)
		return NULL;
	switch (m->err) {
	case 0:
		return m->lined	  ? "some of its code has no debug information"
		       : m->named ? "its debug information is not here"
				  : "it has neither symbols nor debug information";
	case -ENOENT:
		return strchr(text_of(s, m->path), '/')
			       ? "not on this machine"
			       : "not a file: the kernel provides it";
	case -ESTALE:
		return "another build: it was replaced since the recording";
	case -ENOEXEC:
		return "not a program or library any more";
	case -EINVAL:
		return "not a regular file";
	default:
		return strerror(-m->err);
	}
}

static int most_lacking(const void *a, const void *b)
{
	const struct resolve_module *x = *(const struct resolve_module *const *)a,
				    *y = *(const struct resolve_module *const *)b;
	size_t i = x->places - x->lined, j = y->places - y->lined;

	if (i != j)
		return i > j ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* Those that lack something, the worst first. NULL without memory. */
static const struct resolve_module **order_modules(const struct symbolize *s,
						   size_t *ret_count)
{
	const struct resolve_module **order =
		calloc(s->outcome.module_count + 1, sizeof(*order));

	*ret_count = 0;
	for (size_t i = 0; order && i < s->outcome.module_count; i++)
		if (why(s, &s->outcome.modules[i]))
			order[(*ret_count)++] = &s->outcome.modules[i];
	if (order && *ret_count)
		qsort(order, *ret_count, sizeof(*order), most_lacking);
	return order;
}

static void put_module(const struct symbolize *s, const struct resolve_module *m)
{
	const char *path = text_of(s, m->path);

	printf("%12s %12s  ", units_count(m->places - m->lined).text,
	       units_count(m->places - m->lined - m->named).text);
	text_put(stdout, *path ? path : "(no path)");
	printf(": %s", why(s, m));
	if (m->err == -ESTALE) {
		fputs(", with build-id ", stdout);
		text_put(stdout, text_of(s, m->build_id));
	}
	putchar('\n');
}

static void put_hints(const struct symbolize *s)
{
	size_t gone = 0, bare = 0, unsure = 0;

	for (size_t i = 0; i < s->outcome.module_count; i++) {
		const struct resolve_module *m = &s->outcome.modules[i];
		bool whole = m->lined == m->places;

		gone += !whole &&
			(m->err == -ESTALE ||
			 (m->err == -ENOENT && strchr(text_of(s, m->path), '/')));
		bare += !whole && !m->err && !m->lined;
		unsure += m->places && !m->err && !*text_of(s, m->build_id);
	}
	if (unsure)
		message_note("%zu %s no build-id: whether what is here is what was "
			     "recorded can't be told",
			     unsure, unsure == 1 ? "file has" : "files have");
	if (gone)
		message_help("put the files back that were recorded, or their debug "
			     "files below /usr/lib/debug/.build-id, and repeat it");
	if (bare)
		message_help("install the debug symbols (Debian: PACKAGE-dbgsym or "
			     "PACKAGE-dbg) and repeat it%s",
			     s->how.servers ? "" : ", or try --debuginfod");
}

static int put_text(const struct symbolize *s)
{
	const struct resolve_module *all = &s->outcome.all;
	size_t count;
	_cleanup_(freep) const struct resolve_module **order = order_modules(s, &count);

	if (!order)
		return -ENOMEM;
	printf("%s places in the code: %s with function and line, %s with the function "
	       "alone, %s unknown; %s of them new\n",
	       units_count(all->places).text, units_count(all->lined).text,
	       units_count(all->named).text,
	       units_count(all->places - all->lined - all->named).text,
	       units_count(s->outcome.better).text);
	if (s->outcome.sources.files || s->outcome.sources.missing)
		printf("%s source files embedded, %s not found\n",
		       units_count(s->outcome.sources.files).text,
		       units_count(s->outcome.sources.missing).text);
	if (count)
		printf("\n%12s %12s  %s\n", "NO LINE", "NO NAME", "MODULE");
	for (size_t i = 0; i < count && i < MODULES_SHOWN; i++)
		put_module(s, order[i]);
	if (count > MODULES_SHOWN)
		printf("%25s  and %zu more modules\n", "", count - MODULES_SHOWN);
	fflush(stdout);
	put_hints(s);
	return 0;
}

static void put_json_module(struct json *j, const struct symbolize *s,
			    const struct resolve_module *m)
{
	const char *reason = why(s, m);

	json_object(j);
	json_put_string(j, "path", text_of(s, m->path));
	json_put_string(j, "build_id", text_of(s, m->build_id));
	json_put_unsigned(j, "places", m->places);
	json_put_unsigned(j, "with_line", m->lined);
	json_put_unsigned(j, "with_function_only", m->named);
	json_key(j, "why");
	if (reason)
		json_string(j, reason);
	else
		json_null(j);
	json_close(j);
}

static void put_json(const struct symbolize *s)
{
	const struct resolve_outcome *r = &s->outcome;
	struct json j = {.out = stdout, .spread = 2};

	json_object(&j);
	json_put_unsigned(&j, "schema", 1);
	json_put_string(&j, "profile", s->output ? s->output : s->path);
	json_put_bool(&j, "changed", r->changed);
	json_put_unsigned(&j, "places", r->all.places);
	json_put_unsigned(&j, "with_line", r->all.lined);
	json_put_unsigned(&j, "with_function_only", r->all.named);
	json_put_unsigned(&j, "new", r->better);
	json_put_unsigned(&j, "source_files", r->sources.files);
	json_put_unsigned(&j, "source_files_missing", r->sources.missing);
	json_key(&j, "modules");
	json_array(&j);
	for (size_t i = 0; i < r->module_count; i++)
		put_json_module(&j, s, &r->modules[i]);
	json_close(&j);
	json_close(&j);
	json_end(&j);
}

/* ---- writing ------------------------------------------------------------- */

/* True if somebody has the file open to write: its collector. Where the kernel cannot
 * tell (a file of another user's, a network), the file's size and time must do. */
static bool is_being_written(int fd)
{
	bool busy = fcntl(fd, F_SETLEASE, F_RDLCK) < 0 && errno == EAGAIN;

	fcntl(fd, F_SETLEASE, F_UNLCK);
	return busy;
}

static int check_unchanged(const void *context)
{
	const struct symbolize *s = context;
	struct stat now;

	return stat(s->path, &now) < 0 || now.st_dev != s->before.st_dev ||
			       now.st_ino != s->before.st_ino ||
			       now.st_size != s->before.st_size ||
			       now.st_mtim.tv_sec != s->before.st_mtim.tv_sec ||
			       now.st_mtim.tv_nsec != s->before.st_mtim.tv_nsec
		       ? -EBUSY
		       : 0;
}

/* Into the file that was named, or in the place of what was read. */
static int write_output(const struct symbolize *s)
{
	struct output_profile what = {.p = s->profile};
	int r = profile_pieces_load(s->path, s->profile);

	if (r < 0)
		return r;
	if (s->output)
		return output_write(s->output, s->force, &what);
	what.check = check_unchanged;
	what.context = s;
	return output_write(s->path, true, &what);
}

static int say_unwritten(const struct symbolize *s, int err)
{
	const char *path = s->output ? s->output : s->path;

	if (err == -EBUSY) {
		output_say(path, err, "it changed meanwhile");
		message_help("repeat it when nothing else writes the profile");
	} else if (err == -EEXIST) {
		output_say(path, err, NULL);
	} else {
		output_say(path, err, strerror(-err));
		message_help("the profile is as it was; -o FILE names another place");
	}
	return VERB_FAILED;
}

/* ---- the whole ----------------------------------------------------------- */

static int refuse(const struct symbolize *s, const char *what, const char *help)
{
	message_error("%s: %s", s->clean, what);
	message_help("%s", help);
	return VERB_UNREADABLE;
}

/* -1: go on. */
static int open_profile(struct symbolize *s, const char *named)
{
	_cleanup_(closep) int fd = -1;
	int status = reader_choose(&s->file, named);

	if (status < 0)
		status = reader_read(&s->file, PROFILE_DIMENSIONS);
	if (status >= 0)
		return status;
	s->profile = s->file.profile;
	if (!realpath(s->file.path, s->path))
		snprintf(s->path, sizeof(s->path), "%s", s->file.path);
	text_clean(s->path, s->clean, sizeof(s->clean));
	if (s->output)
		return -1;
	fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &s->before) < 0)
		return refuse(s, strerror(errno), "-o FILE writes another file");
	if (!S_ISREG(s->before.st_mode))
		return refuse(s, "not a regular file", "-o FILE writes another file");
	if (is_being_written(fd))
		return refuse(s, "it is still being recorded",
			      "`heapline stop` ends the recording; -o FILE writes what "
			      "there is to another file");
	return -1;
}

static int run(struct symbolize *s)
{
	int r;

	s->how.source_paths = s->source_paths.rules;
	r = resolve(s->profile, &s->how, &s->outcome);
	if (r == -ENOENT || r == -ELIBACC) {
		resolve_say_no_servers(r);
		return VERB_USAGE;
	}
	if (r < 0) {
		message_error("%s", strerror(-r));
		return VERB_FAILED;
	}
	if (s->output || s->outcome.changed)
		r = write_output(s);
	if (r < 0)
		return say_unwritten(s, r);
	if (s->json)
		put_json(s);
	else if (!s->quiet && put_text(s) < 0)
		return VERB_FAILED;
	if (s->outcome.server_error)
		message_error("no debuginfod server was of use: %s",
			      strerror(-s->outcome.server_error));
	if (!s->outcome.changed)
		message_note("%s: nothing new was found; it is as it was", s->clean);
	return fflush(stdout) == 0 && !ferror(stdout) ? VERB_OK : VERB_FAILED;
}

int cmd_symbolize(int argc, char **argv)
{
	struct symbolize s = {0};
	int status = parse(&s, argc, argv);

	if (status < 0)
		status = open_profile(&s, optind < argc ? argv[optind] : NULL);
	if (status < 0)
		status = run(&s);
	resolve_done(&s.outcome);
	reader_unload(&s.file);
	return status;
}
