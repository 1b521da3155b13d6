/*
 * cmd_watch.c - `heapline watch`: which sites of a program that goes on grow without an
 * end.
 */
#include "cli/base/cleanup.h"
#include "cli/base/kernel.h"
#include "cli/base/message.h"
#include "cli/base/quantity.h"
#include "cli/base/units.h"
#include "cli/cmd/resolve.h"
#include "cli/cmd/sessions.h"
#include "cli/cmd/verb.h"
#include "cli/gate/budget.h"
#include "cli/profile/file.h"
#include "cli/profile/totals.h"
#include "cli/report/growing.h"
#include "cli/report/wrappers.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum option {
	EVERY,
	WINDOWS,
	WARM_UP,
	MARK,
	OPERATION,
	MAX_GROWTH,
	COUNT,
	BYTES,
	JSON,
	QUIET,
};

enum { WINDOWS_MOST = 1000, WHY = 256 };

#define EVERY_NS 10000000000u

static const struct option_spec options[] = {
	[EVERY] = {.name = "every",
		   .argument = "TIME",
		   .help = "how long a window of a PID is (10s)"},
	[WINDOWS] = {.name = "windows",
		     .argument = "COUNT",
		     .help = "how many there are, with the warm-up (6)"},
	[WARM_UP] = {.name = "warm-up",
		     .argument = "COUNT",
		     .help = "the first of them, that do not count (1)"},
	[MARK] = {.name = "mark",
		  .argument = "NAME",
		  .help = "what heapline_mark() calls an operation: growth for each"},
	[OPERATION] = {.name = "operation",
		       .argument = "SIGNAL",
		       .help = "or an operation is a SIGNAL to this heapline: USR1, "
			       "USR2, RTMIN+n"},
	[MAX_GROWTH] = {.name = "max-growth",
			.argument = "BYTES",
			.help = "so much of a site in each window is no growth (0)"},
	[COUNT] = {.argument = "COUNT",
		   .help = "at most COUNT sites (10; in JSON all)",
		   .letter = 'n'},
	[BYTES] = {.name = "bytes", .help = "exact numbers of bytes", .letter = 'b'},
	[JSON] = {.name = "json", .help = "JSON for scripts", .letter = 'j'},
	[QUIET] = {.name = "quiet", .help = "no word between windows", .letter = 'q'},
	{0},
};

const struct options_spec watch_spec = {
	.usage = "PID|PROFILE",
	.about = "Watches the recording of the program, or of the collector, PID for a "
		 "while and names the\nsites whose live bytes grew in every window of "
		 "time after the warm-up: what a server\ngathers without an end. The "
		 "program goes on, and is not stopped. Of a PROFILE: in windows of "
		 "equal\nlength, over the whole recording.",
	.options = options,
	.notes = "Exit status: 23 if a site grew, 70 if it could not be watched (not "
		 "recorded, it ended,\nevents were lost), 0 else; 1 if the report "
		 "could not be written, 2 for a wrong command\nline.",
	.operands = OPTIONS_RECORDINGS,
	.wrong = VERB_USAGE,
};

struct watch {
	uint64_t every_ns;
	size_t windows;
	struct growing_options report;
	int signal;    /* that stands for an operation; 0: none */
	char name[16]; /* of it, for people */
	bool json;

	struct control_status session;
	struct profile *last;	 /* of the latest moment */
	struct reader_file file; /* of a PROFILE */
	struct growth growth;
};

/* ---- the command line ---------------------------------------------------------- */

static bool parse_count(const char *value, size_t least, size_t *ret)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(value, &end, 10);
	if (*value < '0' || *value > '9' || *end || errno || n < least ||
	    n > WINDOWS_MOST)
		return false;
	*ret = (size_t)n;
	return true;
}

/* ---- operations that are told of by a signal -------------------------------------
 *
 * To this process: what the program does with its signals is its own affair, and who
 * drives it (a load generator, a script) knows when an operation is done. Signals of
 * real time are queued, each counts; of the others, some that come at once are one. A
 * number that is queued with one says how many operations it stands for.
 */

static volatile _Atomic uint64_t signalled;

static void hear(int number, siginfo_t *info, void *context)
{
	uint64_t n = 1;

	(void)number;
	(void)context;
	if (info->si_code == SI_QUEUE && info->si_value.sival_int > 0)
		n = (uint64_t)info->si_value.sival_int;
	/* relaxed: a count. */
	atomic_fetch_add_explicit(&signalled, n, memory_order_relaxed);
}

static const char *take_signal(struct watch *w, const char *value)
{
	static const char why[] = "USR1, USR2, or RTMIN to RTMIN+30";
	const char *name = strncmp(value, "SIG", 3) ? value : value + 3;
	int number = 0;
	size_t more = 0;

	if (!strcmp(name, "USR1"))
		number = SIGUSR1;
	else if (!strcmp(name, "USR2"))
		number = SIGUSR2;
	else if (!strncmp(name, "RTMIN", 5) &&
		 (!name[5] || (name[5] == '+' && parse_count(name + 6, 0, &more))) &&
		 more <= (size_t)(SIGRTMAX - SIGRTMIN))
		number = SIGRTMIN + (int)more;
	if (!number)
		return why;
	w->signal = number;
	snprintf(w->name, sizeof(w->name), "%s", name);
	return NULL;
}

/* From here on it is counted. */
static void listen(const struct watch *w)
{
	struct sigaction how = {.sa_sigaction = hear,
				.sa_flags = SA_SIGINFO | SA_RESTART};
	sigset_t set;

	if (!w->signal)
		return;
	sigaction(w->signal, &how, NULL);
	sigemptyset(&set);
	sigaddset(&set, w->signal);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	message_note("an operation is `kill -%s %d`", w->name, (int)getpid());
}

static const char *take(void *own, size_t i, const char *value)
{
	struct watch *w = own;

	switch ((enum option)i) {
	case EVERY:
		return quantity_parse_duration(value, &w->every_ns) == 0 && w->every_ns
			       ? NULL
			       : "a time: 10s, 500ms, 2m";
	case WINDOWS:
		return parse_count(value, 2, &w->windows) ? NULL
							  : "a number from 2 to 1000";
	case WARM_UP:
		return parse_count(value, 0, &w->report.skip)
			       ? NULL
			       : "a number from 0 to 1000";
	case MARK:
		w->report.mark = value;
		return *value ? NULL : "the name that heapline_mark() is given";
	case OPERATION:
		return take_signal(w, value);
	case MAX_GROWTH:
		return quantity_parse_size(value, &w->report.allowed) == 0
			       ? NULL
			       : "bytes, or a number with K, M or G";
	case COUNT:
		return parse_count(value, 1, &w->report.limit)
			       ? NULL
			       : "a number from 1 to 1000";
	case BYTES:
		w->report.bytes = true;
		break;
	case JSON:
		w->json = true;
		break;
	case QUIET:
		message_quiet();
		break;
	}
	return NULL;
}

static int wrong(const char *what, const char *word, const char *why)
{
	return options_wrong("watch", &watch_spec, what, word, why);
}

/* ---- what keeps it from being watched ---------------------------------------------
 */

/* What to do about it, where it is not what is being recorded. */
static int unwatched_for(const char *why, const char *help)
{
	char clean[WHY];

	message_error("not watched: %s", text_clean(why, clean, sizeof(clean)));
	message_help("%s", help);
	return BUDGET_UNCHECKED;
}

static int unwatched(const char *why)
{
	return unwatched_for(why, "heapline ps lists what is being recorded");
}

/* What keeps the figures from being the truth; NULL: nothing. */
static const char *flaw(const struct profile *p)
{
	uint32_t notes = 0;

	for (size_t i = 0; i < p->process_count; i++)
		notes |= p->processes[i].notes;
	if (profile_lost_events(p))
		return "events were lost";
	if (notes & WIRE_NOTE_OWN_MALLOC)
		return "a process has an allocator inside that is not recorded";
	if (notes & WIRE_NOTE_OWN_NEW)
		return "an allocator's own operators new are not recorded (run "
		       "--own-new)";
	return p->process_count ? NULL : "no process has come to be recorded";
}

/* ---- a recording that has ended ---------------------------------------------------
 */

/* -1, or the exit status of a failure. */
static int read_windows(struct watch *w, const char *path)
{
	int r, status = reader_choose(&w->file, path);
	const char *flawed;

	if (status < 0)
		status = reader_load(&w->file, PROFILE_TIMES);
	if (status >= 0)
		return BUDGET_UNCHECKED;
	flawed = flaw(w->file.profile);
	if (flawed)
		return unwatched(flawed);
	r = growth_of(&w->growth, w->file.profile, w->report.mark);
	if (r == -ENODATA)
		return unwatched_for("it has no counts by time",
				     "they are written when a recording ends; name "
				     "the PID of one that goes on");
	if (r == -ERANGE)
		return unwatched_for("the recording is too short",
				     "fewer --windows may do");
	return r < 0 ? unwatched(strerror(-r)) : -1;
}

/* ---- one that goes on -------------------------------------------------------------
 */

/* -1, or the exit status of a failure. */
static int find(struct watch *w, int32_t pid)
{
	_cleanup_(freep) struct control_status *list = NULL;
	char why[WHY];
	size_t n = 0;

	if (!sessions_look(&list, &n))
		return BUDGET_UNCHECKED;
	for (size_t i = 0; i < n; i++)
		if (list[i].collector == pid || list[i].root == pid) {
			w->session = list[i];
			return -1;
		}
	snprintf(why, sizeof(why), "nothing of pid %d is being recorded", pid);
	return unwatched(why);
}

/* The same, and why no more will come. */
static const char *flaw_alive(const struct profile *p)
{
	if (p->complete)
		return "the recording has ended";
	if (*strings_get(&p->strings, p->stopped))
		return strings_get(&p->strings, p->stopped);
	return flaw(p);
}

/* The next moment. -1, or the exit status of a failure. */
static int look(struct watch *w)
{
	struct profile *now = NULL;
	char why[WHY] = "";
	const char *flawed;
	int r = sessions_update(&w->session, &w->session);

	if (r == -ESRCH)
		return unwatched("the recording has ended");
	if (!r)
		r = profile_load(w->session.profile, &now, why, sizeof(why));
	if (r < 0)
		return unwatched(*why ? why : strerror(-r));
	profile_close(w->last);
	w->last = now;
	if (wrappers_find(now, NULL) < 0)
		return unwatched(strerror(ENOMEM));
	flawed = flaw_alive(now);
	if (flawed)
		return unwatched(flawed);
	r = growth_add(&w->growth, now, w->report.mark);
	if (!r && w->signal)
		w->growth.moments[w->growth.count - 1].operations =
			atomic_load_explicit(&signalled, memory_order_relaxed);
	if (r == -ESTALE)
		return unwatched("the profile's file is another one by now");
	return r < 0 ? unwatched(strerror(-r)) : -1;
}

static void wait_until(uint64_t ns)
{
	const struct timespec when = {(time_t)(ns / 1000000000u),
				      (long)(ns % 1000000000u)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) == EINTR)
		;
}

static void say_window(const struct watch *w, size_t i)
{
	const struct growth_moment *m = &w->growth.moments[i];

	message_note("window %zu of %zu%s: %s, %s live", i, w->windows,
		     i <= w->report.skip ? " (warm-up)" : "",
		     units_duration(m[0].at_ns - m[-1].at_ns).text,
		     units_size(w->session.live_bytes).text);
}

/* Windows begin at equal distances, however long a look takes, but none is shorter than
 * half of what was asked for: when the machine is busy or asleep, a window could end as it
 * began, with nothing that grew in it, and what grows without an end would pass. */
static int watch(struct watch *w)
{
	uint64_t when, now;
	int status;

	listen(w);
	status = look(w);
	when = kernel_monotonic_ns();
	for (size_t i = 1; status < 0 && i <= w->windows; i++) {
		when += w->every_ns;
		wait_until(when);
		status = look(w);
		if (status < 0)
			say_window(w, i);
		now = kernel_monotonic_ns();
		if (now - when > w->every_ns / 2)
			when = now;
	}
	return status;
}

/* ---- the verdict ---------------------------------------------------------------- */

static int put_report(struct watch *w, const struct profile *p, size_t found)
{
	return w->json ? growing_json(&w->growth, found, p, &w->report, stdout)
		       : growing_text(&w->growth, found, p, &w->report, stdout);
}

static int report(struct watch *w)
{
	size_t found = growth_judge(&w->growth, w->report.skip, w->report.allowed);
	_cleanup_(resolve_done) struct resolve_outcome names = {0};
	const struct resolve_options how = {.no_source = true};
	const struct profile *p = w->last ? w->last : w->file.profile;
	int r = found && w->last ? resolve(w->last, &how, &names) : 0;

	if (r >= 0)
		r = put_report(w, p, found);
	if (r < 0 || fflush(stdout) != 0) {
		message_error("standard output: %s", strerror(r < 0 ? -r : errno));
		message_help("the report is incomplete");
		return VERB_FAILED;
	}
	if (w->signal && !growth_operations(&w->growth, w->report.skip))
		return unwatched_for("no such signal came in the windows that count",
				     "it is sent to `heapline watch`, not to the "
				     "program");
	if (!w->signal && w->report.mark &&
	    !growth_operations(&w->growth, w->report.skip))
		return unwatched_for("there was no mark of that name in the windows",
				     "longer windows may have some; `heapline "
				     "timeline` lists names");
	if (p->sampled)
		return unwatched_for("figures of a sampled recording are estimates",
				     "the sites above are as good as these; for a "
				     "verdict record without --sample");
	return found ? (int)BUDGET_LEAKS : VERB_OK;
}

/* pid 0: of the profile. */
static int run(struct watch *w, int32_t pid, const char *path)
{
	int status = pid ? find(w, pid) : -1;

	if (status < 0 && growth_init(&w->growth, w->windows) < 0)
		status = unwatched("out of memory");
	if (status < 0)
		status = pid ? watch(w) : read_windows(w, path);
	if (status < 0)
		status = report(w);
	growth_done(&w->growth);
	profile_close(w->last);
	reader_unload(&w->file);
	return status;
}

int cmd_watch(int argc, char **argv)
{
	struct watch w = {.windows = 6, .report = {.skip = 1}};
	int status = options_parse("watch", &watch_spec, argc, argv, take, &w);
	int32_t pid;

	if (status >= 0)
		return status;
	if (optind + 1 != argc)
		return optind == argc ? wrong("name a pid, or a profile", "",
					      "; heapline ps lists what is recorded")
				      : wrong("one at a time, not also ",
					      argv[optind + 1], "");
	pid = sessions_parse_pid(argv[optind]);
	if (pid < 0)
		return wrong("one at a time, not ", argv[optind], "");
	if (!pid && w.every_ns)
		return wrong("--every is of a PID; a profile has --windows", "", "");
	if (!pid && w.signal)
		return wrong("--operation is of a PID; a profile has --mark", "", "");
	if (w.signal && w.report.mark)
		return wrong("an operation is a --mark or an --operation, not both", "",
			     "");
	if (w.signal)
		w.report.mark = w.name;
	if (!w.every_ns)
		w.every_ns = EVERY_NS;
	if (w.report.skip + 2 > w.windows)
		return wrong("two windows at least must be left after the warm-up", "",
			     "");
	w.report.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	return run(&w, pid, argv[optind]);
}
