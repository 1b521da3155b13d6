#include "cli/cmd/reader.h"

#include "cli/base/cleanup.h"
#include "cli/base/message.h"
#include "cli/cmd/verb.h"
#include "cli/profile/file.h"
#include "cli/symbol/symbols.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	OWN = 0x1000, /* getopt values of the verb's own options: OWN + index */
	OPTIONS = 64,
	WORD = 256, /* room for a word of the user's in a message */
};

static const struct common {
	const char *name;
	char letter; /* 0: long only */
	const char *argument, *help;
} common[] = {
	{"process", 'p', "PID", "only the process of that pid"},
	{"focus", 'F', "REGEX",
	 "only stacks with a function, file or module that matches"},
	{"ignore", 'I', "REGEX", "not the stacks with one that matches"},
	{"sort", 's', "WORD", NULL},
	{NULL, 'n', "COUNT", NULL},
	{"bytes", 'b', NULL, "exact numbers of bytes"},
	{"json", 'j', NULL, "JSON for scripts, in exact bytes"},
	{"color", 'C', "WHEN", "auto, always or never (NO_COLOR is respected)"},
	{"no-pager", 'P', NULL, "no pager on a terminal"},
	{"help", 'h', NULL, "this text"},
};

enum { COMMON = sizeof(common) / sizeof(common[0]) };

/* Whether a verb takes a common option. */
static bool takes(const struct reader_spec *spec, const struct common *c)
{
	if (c->letter == 's' || c->letter == 'n')
		return c->letter == 's' ? spec->sort != NULL : spec->counts != NULL;
	return !spec->lacks || !strchr(spec->lacks, c->letter);
}

/* ---- help ---------------------------------------------------------------- */

static void put_option(const char *name, char letter, const char *argument,
		       const char *help)
{
	char left[64];
	int at = 0;

	if (letter)
		at = snprintf(left, sizeof(left), "-%c%s", letter, name ? ", " : "");
	else
		at = snprintf(left, sizeof(left), "    ");
	if (name)
		snprintf(left + at, sizeof(left) - (size_t)at, "--%s%s%s", name,
			 argument ? "=" : "", argument ? argument : "");
	else
		snprintf(left + at, sizeof(left) - (size_t)at, " %s", argument);
	printf("  %-24s %s\n", left, help);
}

static int put_help(const struct reader_spec *spec)
{
	char text[256];

	printf("Usage: heapline %s [OPTIONS] %s\n\n%s\n\nOptions:\n", spec->verb,
	       spec->profiles ? "A B" : "[PROFILE]", spec->about);
	for (size_t i = 0; spec->options && spec->options[i].name; i++)
		put_option(spec->options[i].name, 0, spec->options[i].argument,
			   spec->options[i].help);
	for (size_t i = 0; i < COMMON; i++) {
		const char *help = common[i].help;
		/* Letters of the long options above are not promised. */
		char letter = strchr("nhs", common[i].letter) ? common[i].letter : '\0';

		if (!takes(spec, &common[i]))
			continue;
		if (common[i].letter == 's')
			snprintf(text, sizeof(text), "order by: %s", spec->sorts);
		else if (common[i].letter == 'n')
			snprintf(text, sizeof(text), "at most COUNT %s", spec->counts);
		if (!help)
			help = text;
		put_option(common[i].name, letter == 's' ? '\0' : letter,
			   common[i].argument, help);
	}
	if (!spec->profiles)
		puts("\nPROFILE is the newest *.heapline in this directory if none is "
		     "named.");
	puts("Exit status: 0; 2 for a wrong command line; 3 for a profile that cannot "
	     "be read.");
	return fflush(stdout) == 0 ? VERB_OK : VERB_FAILED;
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

static int usage(const struct reader_spec *spec, const char *what, const char *word,
		 const char *why)
{
	char clean[WORD];

	message_error("%s: %s%s%s", spec->verb, what,
		      text_clean(word, clean, sizeof(clean)), why);
	message_help("`heapline help %s` lists what it takes", spec->verb);
	return VERB_USAGE;
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
	case 's':
		return spec->sort(own, value) ? NULL : spec->sorts;
	case 'n':
		if (!parse_count(value, SIZE_MAX, &number))
			return "a count is a number above 0";
		r->limit = (size_t)number;
		return NULL;
	case 'b':
		r->bytes = true;
		return NULL;
	case 'j':
		r->json = true;
		return NULL;
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

static void make_table(const struct reader_spec *spec, struct option table[OPTIONS])
{
	size_t at = 0;

	for (size_t i = 0; i < COMMON; i++)
		if (common[i].name && takes(spec, &common[i]))
			table[at++] = (struct option){common[i].name,
						      common[i].argument != NULL, NULL,
						      common[i].letter};
	for (size_t i = 0; spec->options && spec->options[i].name && at + 1 < OPTIONS;
	     i++)
		table[at++] = (struct option){spec->options[i].name,
					      spec->options[i].argument != NULL, NULL,
					      OWN + (int)i};
	table[at] = (struct option){0};
}

static int bad_option(const struct reader_spec *spec, int code, char **argv)
{
	const char *word = argv[optind - 1];
	char letter[3] = {'-', (char)optopt, '\0'};

	if (optopt > 0 && optopt < OWN && strncmp(word, "--", 2) != 0)
		word = letter;
	return usage(spec,
		     code == ':' ? "a value is missing after " : "no such option: ",
		     word, "");
}

/* What to say of a value that option `name` does not take. */
static int bad_value(const struct reader_spec *spec, const char *name,
		     const char *value, const char *why)
{
	char what[WORD], clean[WORD], tail[WORD + 4];

	snprintf(what, sizeof(what), "%s%s: ", strlen(name) > 1 ? "--" : "-", name);
	snprintf(tail, sizeof(tail), ": %s", why);
	return usage(spec, what, text_clean(value ? value : "", clean, sizeof(clean)),
		     tail);
}

static const char *name_of(const struct reader_spec *spec, int code)
{
	static char letter[2];

	if (code >= OWN)
		return spec->options[code - OWN].name;
	for (size_t i = 0; i < COMMON; i++)
		if (common[i].letter == code && common[i].name)
			return common[i].name;
	letter[0] = (char)code;
	return letter;
}

static int check_operands(const struct reader_spec *spec, int count, char **words)
{
	int most = spec->profiles ? (int)spec->profiles : 1;

	if (count > most)
		return usage(spec,
			     most == 1 ? "one profile at a time, not also "
				       : "two profiles, not also ",
			     words[most], "");
	if (spec->profiles && count < most)
		return usage(spec,
			     "name two profiles, to compare the first with the "
			     "second",
			     "", "");
	return -1;
}

/* -1: go on, with optind at the operands; else an exit status. */
static int parse(struct reader *r, const struct reader_spec *spec, int argc,
		 char **argv, void *own)
{
	struct option table[OPTIONS];
	int code;

	make_table(spec, table);
	r->colour = want_colour(NULL);
	opterr = 0;
	optind = 0; /* glibc: begin anew */
	while ((code = getopt_long(argc, argv, spec->counts ? ":hn:" : ":h", table,
				   NULL)) != -1) {
		const char *why;

		if (code == '?' || code == ':')
			return bad_option(spec, code, argv);
		if (code == 'h')
			return put_help(spec);
		why = code >= OWN ? spec->take(own, (size_t)(code - OWN), optarg)
				  : take_common(r, spec, own, code, optarg);
		if (why)
			return bad_value(spec, name_of(spec, code), optarg, why);
	}
	return check_operands(spec, argc - optind, argv + optind);
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

static int choose_profile(struct reader_file *f, const char *named)
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

/* The collector died before it had resolved names: look them up here and now, in the
 * modules of this machine that are still the same. What fails stays unknown. */
static int resolve(struct profile *p)
{
	struct symbols *symbols = NULL;
	int err = symbols_open(&symbols);

	if (err < 0)
		return err;
	for (size_t i = 0; i < p->module_count; i++)
		symbols_module(symbols, i, strings_get(&p->strings, p->modules[i].path),
			       "", strings_get(&p->strings, p->modules[i].build_id));
	err = symbols_resolve(symbols, p);
	if (!err)
		err = symbols_sources(symbols, p, NULL);
	p->symbolised = !err;
	symbols_close(symbols);
	return err;
}

int reader_load(struct reader_file *f)
{
	char clean[WORD], why[sizeof(f->why)];
	int err = profile_load(f->path, &f->profile, f->why, sizeof(f->why));

	text_clean(f->why, why, sizeof(why));
	text_clean(f->path, clean, sizeof(clean));
	if (err < 0) {
		message_error("%s: %s", clean, *why ? why : reason(err));
		explain(err);
		return err == -ENOMEM ? VERB_FAILED : VERB_UNREADABLE;
	}
	if (*why)
		message_note("%s: %s", clean, why);
	if (f->profile->symbolised)
		return -1;
	message_note(
		"%s: names were not resolved when it was recorded; using the files of "
		"this machine",
		clean);
	if (resolve(f->profile) < 0) {
		message_error("out of memory");
		return VERB_FAILED;
	}
	return -1;
}

/* ---- open and close ------------------------------------------------------ */

void reader_unload(struct reader_file *f)
{
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

bool reader_open(struct reader *r, const struct reader_spec *spec, int argc,
		 char **argv, void *own, int *ret_status)
{
	int status;

	*r = (struct reader){.out = stdout, .pager = {.out = stdout}};
	status = parse(r, spec, argc, argv, own);
	for (size_t i = 0; status < 0 && (!i || i < spec->profiles); i++) {
		int at = optind + (int)i;

		status = choose_profile(&r->files[i], at < argc ? argv[at] : NULL);
		if (status < 0)
			status = reader_load(&r->files[i]);
	}
	r->profile = r->files[0].profile;
	r->path = r->files[0].path;
	if (status >= 0) {
		done(r);
		*ret_status = status;
		return false;
	}
	if (!r->json && !r->no_pager && isatty(STDOUT_FILENO))
		text_pager_open(&r->pager);
	r->out = r->pager.out;
	return true;
}

int reader_close(struct reader *r, int result)
{
	int status = VERB_OK, written = text_pager_close(&r->pager);

	if (result == -ESRCH) {
		message_error("no process with pid %d was recorded", (int)r->scope.pid);
		message_help("`heapline report` lists the processes");
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
