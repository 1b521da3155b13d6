#include "cli/cmd/reader.h"

#include "cli/base/cleanup.h"
#include "cli/base/message.h"
#include "cli/cmd/resolve.h"
#include "cli/cmd/slicing.h"
#include "cli/cmd/verb.h"
#include "cli/profile/file.h"
#include "cli/report/cut.h"
#include "cli/report/wrappers.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	WORD = 256, /* room for a word of the user's in a message */
};

/* By letter, which take_common() goes by. */
static const struct common {
	char letter;
	struct option_spec option;
} common[] = {
	{'p',
	 {.name = "process",
	  .argument = "PID",
	  .help = "only the process of that pid"}},
	{'F',
	 {.name = "focus",
	  .argument = "REGEX",
	  .help = "only stacks with a function, file or module that matches"}},
	{'I',
	 {.name = "ignore",
	  .argument = "REGEX",
	  .help = "not the stacks with one that matches"}},
	{'d',
	 {.name = "domain",
	  .argument = "NAME",
	  .help = "malloc (the default), mmap, pool, or arena",
	  .words = "malloc mmap pool arena"}},
	{'t',
	 {.name = "time",
	  .argument = "FROM..TO",
	  .help = "only what was done between two moments: 1.5s..3s"}},
	{'a',
	 {.name = "at",
	  .argument = "MOMENT",
	  .help = "what was live at: peak (the default), end, a time (1.5s) or a "
		  "snapshot"}},
	{'T',
	 {.name = "thread",
	  .argument = "WHICH",
	  .help = "only blocks that a thread allocated: a tid, a name, worker-*"}},
	{'z',
	 {.name = "size",
	  .argument = "FROM..TO",
	  .help = "only blocks of those sizes: 1K..64K, to powers of two"}},
	{'s', {.name = "sort", .argument = "WORD"}},
	{'n', {.argument = "COUNT", .letter = 'n'}},
	{'w',
	 {.name = "wrappers",
	  .argument = "NAMES",
	  .help = "functions that blocks are not named after, but after who called: "
		  "names with * and ?, -NAME: not it, none: only those named"}},
	{'b', {.name = "bytes", .help = "exact numbers of bytes"}},
	{'j', {.name = "json", .help = "JSON for scripts, in exact bytes"}},
	{'C',
	 {.name = "color",
	  .argument = "WHEN",
	  .help = "auto, always or never (NO_COLOR is respected)",
	  .words = "auto always never"}},
	{'S',
	 {.name = "source-path",
	  .argument = "FROM=TO",
	  .help = "read missing sources of FROM/... at TO/..."}},
	{'P', {.name = "no-pager", .help = "no pager on a terminal"}},
};

enum { COMMON = sizeof(common) / sizeof(common[0]) };

static size_t most_of(const struct reader_spec *spec)
{
	return spec->most ? spec->most : spec->profiles ? spec->profiles : 1;
}

/* Whether a verb takes a common option. */
static bool takes(const struct reader_spec *spec, const struct common *c)
{
	if (c->letter == 's' || c->letter == 'n')
		return c->letter == 's' ? spec->sort != NULL : spec->counts != NULL;
	return !spec->lacks || !strchr(spec->lacks, c->letter);
}

void reader_options(const struct reader_spec *spec, struct reader_options *ret)
{
	size_t at = 0;

	snprintf(ret->sort_help, sizeof(ret->sort_help), "order by: %s",
		 spec->sorts ? spec->sorts : "");
	snprintf(ret->count_help, sizeof(ret->count_help), "at most COUNT %s",
		 spec->counts ? spec->counts : "");
	for (size_t i = 0; spec->options && !options_end(&spec->options[i]); i++)
		ret->options[at++] = spec->options[i];
	ret->own = at;
	for (size_t i = 0; i < COMMON; i++) {
		struct option_spec *o = &ret->options[at];

		if (!takes(spec, &common[i]))
			continue;
		*o = common[i].option;
		if (common[i].letter == 's') {
			o->help = ret->sort_help;
			o->words = spec->sort_words;
		} else if (common[i].letter == 'n') {
			o->help = ret->count_help;
		}
		ret->letters[at++] = common[i].letter;
	}
	ret->options[at] = (struct option_spec){0};
	snprintf(ret->usage, sizeof(ret->usage), "%s%s%s",
		 spec->operand ? spec->operand : "", spec->operand ? " " : "",
		 spec->profiles	     ? "A B"
		 : most_of(spec) > 1 ? "[PROFILE [B]]"
				     : "[PROFILE]");
	ret->spec = (struct options_spec){
		.usage = ret->usage,
		.about = spec->about,
		.options = ret->options,
		.notes = spec->profiles
				 ? "Exit status: 0; 2 for a wrong command line; 3 for "
				   "a profile that cannot be read."
				 : "PROFILE is the newest *.heapline in this directory "
				   "if none is named.\n"
				   "Exit status: 0; 2 for a wrong command line; 3 for "
				   "a profile that cannot be read.",
		.operands = OPTIONS_PROFILES,
		.refused = spec->uncut,
		.wrong = VERB_USAGE,
	};
}

/* ---- options ------------------------------------------------------------- */

const char *reader_regex(const char *pattern, regex_t *ret)
{
	static char why[256];
	int err = regcomp(ret, pattern, REG_EXTENDED | REG_NOSUB);

	if (!err)
		return NULL;
	regerror(err, ret, why, sizeof(why));
	return why;
}

static bool parse_count(const char *text, unsigned long long most,
			unsigned long long *ret)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	return !*end && !errno && *ret > 0 && *ret <= most;
}

static bool want_colour(const char *when)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if (when)
		return !strcmp(when, "always");
	return isatty(STDOUT_FILENO) && !(no && *no) &&
	       !(term && !strcmp(term, "dumb"));
}

static const char *take_slice(struct reader *r, const struct reader_spec *spec,
			      unsigned *given, slicing_take *parse, const char *value)
{
	unsigned most = (unsigned)most_of(spec);
	const char *why = NULL;

	if (*given == most)
		return most == 1 ? "given twice" : "given for A and for B already";
	for (unsigned i = *given; i < READER_PROFILES && !why; i++)
		why = parse(&r->slice[i], value);
	++*given;
	return why;
}

/* NULL, or a clause on what is wrong with the value. */
static const char *take_common(struct reader *r, const struct reader_spec *spec,
			       void *own, int letter, const char *value)
{
	unsigned long long number;
	const char *why = NULL;

	switch (letter) {
	case 'p':
		if (!parse_count(value, INT32_MAX, &number))
			return "a pid is a number above 0";
		r->scope.pid = (int32_t)number;
		return NULL;
	case 'F':
	case 'I': {
		bool focus = letter == 'F',
		     *has = focus ? &r->has_focus : &r->has_ignore;
		regex_t *regex = focus ? &r->focus : &r->ignore;

		if (*has)
			return "given twice; join the two as A|B";
		why = reader_regex(value, regex);
		*has = !why;
		if (focus)
			r->scope.focus = why ? NULL : regex;
		else
			r->scope.ignore = why ? NULL : regex;
		return why;
	}
	case 'd':
		for (int d = 0; d < PROFILE_DOMAINS; d++)
			if (!strcmp(value, scope_domains[d])) {
				r->scope.domain = (enum profile_domain)d;
				return NULL;
			}
		return "malloc, mmap, pool or arena";
	case 't':
		return take_slice(r, spec, &r->slices[0], slicing_range, value);
	case 'T':
		return take_slice(r, spec, &r->slices[3], slicing_threads, value);
	case 'z':
		return take_slice(r, spec, &r->slices[1], slicing_sizes, value);
	case 'a':
		return take_slice(r, spec, &r->slices[2], slicing_moment, value);
	case 's':
		return spec->sort(own, value) ? NULL : spec->sorts;
	case 'n':
		if (!parse_count(value, SIZE_MAX, &number))
			return "a count is a number above 0";
		r->limit = (size_t)number;
		return NULL;
	case 'w':
		r->wrappers = value;
		return wrappers_choice(value);
	case 'b':
		r->bytes = true;
		return NULL;
	case 'j':
		r->json = true;
		return NULL;
	case 'S':
		return source_paths_add(&r->source_paths, value);
	case 'C':
		if (strcmp(value, "auto") && strcmp(value, "always") &&
		    strcmp(value, "never"))
			return "auto, always or never";
		r->colour = want_colour(strcmp(value, "auto") ? value : NULL);
		return NULL;
	default:
		r->no_pager = true;
		return NULL;
	}
}

struct taking {
	struct reader *reader;
	const struct reader_spec *spec;
	const struct reader_options *options;
	void *own;
};

static const char *take(void *context, size_t i, const char *value)
{
	const struct taking *t = context;

	return i < t->options->own ? t->spec->take(t->own, i, value)
				   : take_common(t->reader, t->spec, t->own,
						 t->options->letters[i], value);
}

static bool has_operand(const struct reader_spec *spec, const void *own)
{
	return spec->operand && !(spec->named && spec->named(own));
}

static int check_operands(const struct reader *r, const struct reader_spec *spec,
			  const void *own, const struct options_spec *options,
			  int count, char **words)
{
	int most = (int)most_of(spec), least = (int)spec->profiles;
	const char *why = NULL;

	if (has_operand(spec, own) && !count)
		return options_wrong(spec->verb, options, "name one: ", spec->operand,
				     "");
	if (has_operand(spec, own)) {
		count--;
		words++;
	}
	if (count > most)
		return options_wrong(spec->verb, options,
				     most == 1 ? "one profile at a time, not also "
					       : "two profiles, not also ",
				     words[most], "");
	if (count < least)
		return options_wrong(
			spec->verb, options,
			"name two profiles, to compare the first with the second", "",
			"");
	if (count > 1 && spec->alone)
		why = spec->alone(own);
	for (size_t i = 0; i < READER_SLICES && count < 2 && !why; i++)
		if (r->slices[i] > 1)
			why = "an option is given for a second profile, and none is "
			      "named";
	return why ? options_wrong(spec->verb, options, why, "", "") : -1;
}

/* -1: go on, with optind at the operands; else an exit status. */
static int parse(struct reader *r, const struct reader_spec *spec, int argc,
		 char **argv, void *own)
{
	struct reader_options options;
	struct taking taking = {r, spec, &options, own};
	const char *why = NULL;
	int status;

	reader_options(spec, &options);
	r->colour = want_colour(NULL);
	status = options_parse(spec->verb, &options.spec, argc, argv, take, &taking);
	if (status < 0 && spec->refuse)
		why = spec->refuse(own, &r->slice[0]);
	if (why)
		return options_wrong(spec->verb, &options.spec, why, "", "");
	return status >= 0 ? status
			   : check_operands(r, spec, own, &options.spec, argc - optind,
					    argv + optind);
}

/* ---- the profile --------------------------------------------------------- */

static bool newer(struct timespec a, struct timespec b)
{
	return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

/* The newest *.heapline here, or NULL. */
static char *newest_profile(void)
{
	struct timespec best = {0};
	char *name = NULL;
	DIR *dir = opendir(".");
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		struct stat st;
		char *copy;

		if (fnmatch("*.heapline", entry->d_name, FNM_PERIOD) != 0 ||
		    stat(entry->d_name, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		if (name && !newer(st.st_mtim, best))
			continue;
		copy = strdup(entry->d_name);
		if (!copy)
			continue;
		free(name);
		name = copy;
		best = st.st_mtim;
	}
	if (dir)
		closedir(dir);
	return name;
}

int reader_choose(struct reader_file *f, const char *named)
{
	char clean[WORD];

	f->path = named ? strdup(named) : newest_profile();
	if (f->path) {
		if (!named)
			message_note("reading %s, the newest profile here",
				     text_clean(f->path, clean, sizeof(clean)));
		return -1;
	}
	if (named) {
		message_error("out of memory");
		return VERB_FAILED;
	}
	message_error("no profile named, and no *.heapline in this directory");
	message_help("record one with `heapline run PROG`, or name one");
	return VERB_UNREADABLE;
}

static void explain(int err)
{
	switch (err) {
	case -ENOENT:
		message_help("`heapline run PROG` writes one: PROG.PID.heapline");
		break;
	case -EACCES:
	case -EPERM:
		message_help("it belongs to who recorded it: read it as that user");
		break;
	case -EISDIR:
		message_help("name a file, not a directory");
		break;
	case -EPROTO:
		message_help(
			"heapline reads what `heapline run` writes; is this another "
			"tool's file?");
		break;
	case -EPROTONOSUPPORT:
		message_help("read it with the heapline that wrote it, or a newer one");
		break;
	case -ENODATA:
		message_help(
			"the recording ended, or the disk was full, before the first "
			"update was whole: record again");
		break;
	case -EBADMSG:
		message_help(
			"copy it again from where it was recorded, or record again");
		break;
	default:
		break;
	}
}

static const char *reason(int err)
{
	switch (err) {
	case -EPROTO:
		return "not a heapline profile";
	case -EPROTONOSUPPORT:
		return "written by a newer heapline";
	case -ENODATA:
		return "truncated before its first complete update";
	case -EBADMSG:
		return "damaged";
	default:
		return strerror(-err);
	}
}

/* Says what came of reading it. -1, or the exit status of a failure. */
static int say_read(const struct reader_file *f, int err)
{
	char clean[WORD], why[sizeof(f->why)];

	text_clean(f->why, why, sizeof(why));
	text_clean(f->path, clean, sizeof(clean));
	if (err < 0) {
		message_error("%s: %s", clean, *why ? why : reason(err));
		explain(err);
		return err == -ENOMEM ? VERB_FAILED : VERB_UNREADABLE;
	}
	if (*why)
		message_note("%s: %s", clean, why);
	return -1;
}

/* ---- profiles that are open already ------------------------------------------ */

static struct reader_file open_already[READER_PROFILES];

void reader_keep(struct reader_file *f)
{
	size_t i = 0;

	while (i + 1 < READER_PROFILES && open_already[i].profile)
		i++;
	reader_unload(&open_already[i]);
	open_already[i] = *f;
	*f = (struct reader_file){0};
}

void reader_drop_kept(void)
{
	for (size_t i = 0; i < READER_PROFILES; i++)
		reader_unload(&open_already[i]);
}

/* The profile that is kept for f's path and has these dimensions, or NULL. */
static struct reader_file *find_kept(const struct reader_file *f, unsigned dimensions)
{
	for (size_t i = 0; i < READER_PROFILES; i++) {
		struct reader_file *kept = &open_already[i];

		if (kept->profile && !strcmp(kept->path, f->path) &&
		    !(dimensions & ~kept->dimensions))
			return kept;
	}
	return NULL;
}

int reader_read(struct reader_file *f, unsigned dimensions)
{
	struct reader_file *kept = find_kept(f, dimensions);

	if (kept) {
		f->profile = take_ptr(kept->profile);
		memcpy(f->why, kept->why, sizeof(f->why));
		f->kept = true;
		return -1;
	}
	f->dimensions = dimensions;
	return say_read(f, profile_load_with(f->path, dimensions, &f->profile, f->why,
					     sizeof(f->why)));
}

/* The collector died before it had resolved names: looks them up here and now, in the
 * modules of this machine that are still the same. What fails stays unknown. Sources
 * that are missing are looked for where the user says. */
static int name_places(struct reader_file *f)
{
	_cleanup_(resolve_done) struct resolve_outcome outcome = {0};
	struct resolve_options how = {.only_source = f->profile->symbolised,
				      .source_paths = f->source_paths};
	char clean[WORD];

	if (how.only_source && !(how.source_paths && *how.source_paths))
		return -1;
	if (!how.only_source) {
		message_note("%s: names were not resolved when it was recorded; using "
			     "the files of this machine",
			     text_clean(f->path, clean, sizeof(clean)));
		message_help("`heapline symbolize` keeps them in the profile");
	}
	if (!resolve(f->profile, &how, &outcome))
		return -1;
	message_error("out of memory");
	return VERB_FAILED;
}

/* Once there are names: whom the blocks are named after. */
static int name_all(struct reader_file *f)
{
	int status = f->kept ? -1 : name_places(f);

	if (status >= 0 || (f->kept && !f->wrappers) ||
	    !wrappers_find(f->profile, f->wrappers))
		return status;
	message_error("out of memory");
	return VERB_FAILED;
}

int reader_load(struct reader_file *f, unsigned dimensions)
{
	int status = reader_read(f, dimensions);

	return status >= 0 ? status : name_all(f);
}

/* ---- several at once -------------------------------------------------------- */

static void *read_one(void *context)
{
	struct reader_file *f = context;

	f->err = profile_load_with(f->path, f->dimensions, &f->profile, f->why,
				   sizeof(f->why));
	return NULL;
}

void reader_begin(struct reader_file *f, unsigned dimensions)
{
	f->dimensions = dimensions;
	f->reading = !find_kept(f, dimensions) &&
		     !pthread_create(&f->thread, NULL, read_one, f);
}

static void wait_for(struct reader_file *f)
{
	if (f->reading)
		pthread_join(f->thread, NULL);
	f->reading = false;
}

int reader_end(struct reader_file *f)
{
	int status;

	if (!f->reading)
		return reader_load(f, f->dimensions);
	wait_for(f);
	status = say_read(f, f->err);
	return status >= 0 ? status : name_all(f);
}

/* Reads n files at once, and then says, in their order, what came of it, and cuts them.
 * -1, or the exit status of a failure. */
static int load_all(struct reader_file *files, const struct slice_options *slices,
		    unsigned needs, size_t n, bool timeline)
{
	int status = -1;

	for (size_t i = 1; i < n; i++)
		reader_begin(&files[i], needs | slice_needs(&slices[i]));
	for (size_t i = 0; status < 0 && i < n; i++) {
		status =
			i ? reader_end(&files[i])
			  : reader_load(&files[0],
					timeline ? 0 : needs | slice_needs(&slices[0]));
		if (status < 0)
			status = slicing_cut(&slices[i], &files[i], timeline);
	}
	if (status < 0 && n > 1)
		wrappers_share(files[0].profile, files[1].profile);
	return status;
}

/* ---- open and close ------------------------------------------------------ */

void reader_unload(struct reader_file *f)
{
	wait_for(f);
	profile_close(f->profile);
	free(f->path);
	*f = (struct reader_file){0};
}

static void done(struct reader *r)
{
	for (size_t i = 0; i < READER_PROFILES; i++)
		reader_unload(&r->files[i]);
	if (r->has_focus)
		regfree(&r->focus);
	if (r->has_ignore)
		regfree(&r->ignore);
}

/* Two may be of one file: each has the letter that the report gives it. */
static void put_cut(const struct reader *r, size_t i)
{
	_cleanup_(freep) char *named = NULL;

	if (r->count > 1 &&
	    asprintf(&named, "%c, %s", (char)('A' + i), r->files[i].path) < 0)
		named = NULL;
	cut_text(r->files[i].profile, named, r->out);
}

bool reader_open(struct reader *r, const struct reader_spec *spec, int argc,
		 char **argv, void *own, int *ret_status)
{
	int status;

	*r = (struct reader){.out = stdout, .pager = {.out = stdout}};
	status = parse(r, spec, argc, argv, own);
	r->count = status < 0 && argc - optind - has_operand(spec, own) > 1 ? 2 : 1;
	for (size_t i = 0; status < 0 && i < r->count; i++) {
		int at = optind + (int)i + has_operand(spec, own);

		status = reader_choose(&r->files[i], at < argc ? argv[at] : NULL);
		r->files[i].source_paths = r->source_paths.rules;
		r->files[i].wrappers = r->wrappers;
	}
	if (status < 0)
		status =
			load_all(r->files, r->slice, spec->needs ? spec->needs(own) : 0,
				 r->count, spec->timeline);
	r->operand = has_operand(spec, own) && optind < argc ? argv[optind] : NULL;
	r->profile = r->files[0].profile;
	r->path = r->files[0].path;
	if (status >= 0) {
		done(r);
		*ret_status = status;
		return false;
	}
	if (spec->silent && spec->silent(own))
		return true;
	if (!r->json && !r->no_pager && isatty(STDOUT_FILENO))
		text_pager_open(&r->pager);
	r->out = r->pager.out;
	for (size_t i = 0; !r->json && !spec->timeline && i < r->count; i++)
		put_cut(r, i);
	return true;
}

int reader_close(struct reader *r, int result)
{
	int status = VERB_OK, written = text_pager_close(&r->pager);

	if (result == -ESRCH) {
		message_error("no process with pid %d was recorded", (int)r->scope.pid);
		message_help("`heapline report` lists the processes");
		status = VERB_USAGE;
	} else if (result == -EXDEV) {
		message_error("process %d was counted together with others",
			      (int)r->scope.pid);
		message_help("`heapline report` has their pid; `heapline run --only` "
			     "records fewer programs");
		status = VERB_USAGE;
	} else if (result < 0) {
		message_error("%s", strerror(-result));
		status = VERB_FAILED;
	} else if (written < 0) {
		message_error("standard output: %s", strerror(-written));
		message_help("the report is incomplete: make room, or write elsewhere");
		status = VERB_FAILED;
	}
	done(r);
	return status;
}
