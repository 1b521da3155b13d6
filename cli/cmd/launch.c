#include "cli/cmd/launch.h"

#include "cli/base/cleanup.h"
#include "cli/base/message.h"
#include "cli/cmd/progress.h"
#include "cli/cmd/target.h"
#include "cli/collect/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { POLL_MS = 250, STOPPED_POLLS = 20, ENDING_LOOKS = 100 };

struct launch { /* all that is open on the way */
	struct target target;
	char name[64]; /* of the session's socket */
	struct control_config config;
	int control[2]; /* ours, the collector's */
	int listen, output;
	int go[2];    /* the program waits for a byte from us */
	int failed[2]; /* its errno if it could not be executed */
	pid_t program, collector;
};

/* Signals that a supervisor or a shell sends to us are meant for the program. */
static volatile sig_atomic_t forward_to;

static void forward(int signal)
{
	int saved = errno;

	if (forward_to)
		kill(forward_to, signal);
	errno = saved;
}

static const int forwarded[] = {SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
enum { FORWARDED = sizeof(forwarded) / sizeof(*forwarded) };
static struct sigaction before[FORWARDED + 2];

/* The terminal's INT and QUIT reach the program without us: we only stay alive, also
 * behind its end, until what is recorded is told and the collector is gone. */
static void signals_take(void)
{
	struct sigaction pass = {.sa_handler = forward, .sa_flags = SA_RESTART};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	for (int i = 0; i < FORWARDED; i++) {
		sigaction(forwarded[i], NULL, &before[i]);
		if (before[i].sa_handler != SIG_IGN)
			sigaction(forwarded[i], &pass, NULL);
	}
	sigaction(SIGINT, &ignore, &before[FORWARDED]);
	sigaction(SIGQUIT, &ignore, &before[FORWARDED + 1]);
}

static void signals_give_back(void)
{
	for (int i = 0; i < FORWARDED; i++)
		sigaction(forwarded[i], &before[i], NULL);
	sigaction(SIGINT, &before[FORWARDED], NULL);
	sigaction(SIGQUIT, &before[FORWARDED + 1], NULL);
}

/* In the program-to-be: waits until the collector is ready, then becomes it. */
static void become_program(struct launch *l, char *const *argv)
{
	char preload[8192], where[WIRE_SESSION_BYTES], *theirs = getenv("LD_PRELOAD");
	int err;
	char go;

	signals_give_back();
	if (read(l->go[0], &go, 1) != 1)
		_exit(LAUNCH_FAILED);
	snprintf(preload, sizeof(preload), "%s%s%s", l->target.shim,
		 theirs && *theirs ? ":" : "", theirs ? theirs : "");
	recording_session(l->name, l->config.token, where);
	if (!setenv("LD_PRELOAD", preload, 1) && !setenv(WIRE_ENV_SESSION, where, 1)) {
		unsetenv(WIRE_ENV_OPTIONS);
		execv(l->target.path, argv);
	}
	err = errno;
	if (write(l->failed[1], &err, sizeof(err)) < 0)
		_exit(LAUNCH_FAILED);
	_exit(LAUNCH_NOT_EXECUTABLE);
}

/* In the collector-to-be: a session of its own, and nothing of ours but the three. */
static void become_collector(struct launch *l)
{
	int from[] = {l->control[1], l->listen, l->output};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	for (int i = 0; i < 3; i++)
		from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 10);
	for (int i = 0; i < 3; i++)
		if (dup2(null, i) < 0 || dup2(from[i], CONTROL_FD + i) < 0)
			_exit(LAUNCH_FAILED);
	close_range(CONTROL_FD + 3, ~0u, 0);
	unsetenv("LD_PRELOAD");
	execl("/proc/self/exe", "heapline", "collect", (char *)NULL);
	_exit(LAUNCH_FAILED);
}

static int say_output(const char *path, int err)
{
	message_error("cannot write the profile '%s': %s", path, strerror(err));
	if (err == EEXIST)
		message_help("-f overwrites it, -o FILE names another");
	else
		message_help("name a file that can be written with -o FILE");
	return LAUNCH_FAILED;
}

static int open_output(struct launch *l, const struct launch_options *o, char *path,
		       size_t room)
{
	int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (o->force ? O_TRUNC : O_EXCL), n;
	char full[PATH_MAX];

	if (o->output)
		n = snprintf(path, room, "%s", o->output);
	else
		n = snprintf(path, room, "%s.%d.heapline", basename(l->target.path),
			     (int)l->program);
	if (n < 0 || (size_t)n >= room)
		return say_output(o->output ? o->output : "", ENAMETOOLONG);
	l->output = open(path, flags, 0666);
	if (l->output < 0)
		return say_output(path, errno);
	if (realpath(path, full) && strlen(full) < sizeof(l->config.profile))
		strcpy(l->config.profile, full);
	return 0;
}

static int fail(const char *what)
{
	message_error("cannot start the collector: %s: %s", what, strerror(errno));
	return LAUNCH_FAILED;
}

static int start_program(struct launch *l, char *const *argv)
{
	if (pipe2(l->go, O_CLOEXEC) < 0 || pipe2(l->failed, O_CLOEXEC) < 0)
		return fail("pipe");
	l->program = fork();
	if (l->program < 0)
		return fail("fork");
	if (!l->program) {
		/* Else nobody would notice our own end, nor we the collector's. */
		close(l->go[1]);
		close(l->control[1]);
		become_program(l, argv);
	}
	close(l->failed[1]);
	l->failed[1] = -1;
	forward_to = l->program;
	return 0;
}

enum { SCRIPT_MAX = 4 << 20 };

/* Whether a script says @profile, or asks for memory_profiler. */
static bool has_marks(const char *path)
{
	_cleanup_(fclosep) FILE *f = fopen(path, "re");
	_cleanup_(freep) char *line = NULL;
	size_t room = 0, read = 0;
	bool found = false;
	struct stat st;
	ssize_t n;

	if (!f || fstat(fileno(f), &st) || !S_ISREG(st.st_mode))
		return false;
	while (!found && read < SCRIPT_MAX && (n = getline(&line, &room, f)) > 0) {
		read += (size_t)n;
		found = !strncmp(line + strspn(line, " \t"), "@profile", 8) ||
			strstr(line, "memory_profiler");
	}
	return found;
}

/* Of a Python script among the arguments, or that is the program. */
static bool wants_marks(char *const *argv)
{
	for (; *argv; argv++) {
		size_t len = strlen(*argv);

		if (len > 3 && !strcmp(*argv + len - 3, ".py") && has_marks(*argv))
			return true;
	}
	return false;
}

static int start_collector(struct launch *l, const struct launch_options *o)
{
	struct control_ready ready = {.err = -EPIPE};

	l->config.root_pid = l->program;
	l->config.free_stacks = o->free_stacks;
	l->config.sample = o->sample;
	l->config.keep = o->keep;
	l->config.kernel_clock = o->kernel_clock;
	l->config.lossy = o->lossy;
	l->config.python = o->python | (wants_marks(o->argv) ? WIRE_MARKS : 0);
	l->config.no_follow = o->no_follow;
	l->config.by_program = o->by_program;
	l->config.no_source = o->no_source;
	l->config.debuginfod = o->debuginfod;
	snprintf(l->config.source_paths, sizeof(l->config.source_paths), "%s",
		 o->source_paths.rules);
	snprintf(l->config.only, sizeof(l->config.only), "%s", o->only ? o->only : "");
	l->config.delay_ns = o->delay_ns;
	l->config.duration_ns = o->duration_ns;
	l->config.scan_at_exit = o->scan_at_exit;
	l->config.scan_at_any_exit = o->scan_at_any_exit;
	l->config.schedule = o->schedule;
	l->config.scan_wait_ms = control_scan_wait_ms(o->scan_wait_ns);
	snprintf(l->config.options, sizeof(l->config.options), "%s", o->text);
	l->collector = fork();
	if (l->collector < 0)
		return fail("fork");
	if (!l->collector)
		become_collector(l);
	close(l->control[1]);
	l->control[1] = -1;
	if (send(l->control[0], &l->config, sizeof(l->config), MSG_NOSIGNAL) < 0)
		return fail("send");
	if (recv(l->control[0], &ready, sizeof(ready), 0) != sizeof(ready))
		ready.err = -EPIPE;
	if (!ready.err)
		return 0;
	errno = -ready.err;
	return fail("it gave up");
}

/* Lets the program go. 0, or the exit code if it could not be executed. */
static int let_go(struct launch *l, const char *name)
{
	int err = 0;

	if (write(l->go[1], "", 1) != 1)
		return fail("write");
	/* End of file: close-on-exec says that it runs. */
	if (read(l->failed[0], &err, sizeof(err)) != sizeof(err))
		return 0;
	message_error("cannot execute '%s': %s", name, strerror(err));
	if (err == ENOEXEC)
		message_help("the file has no format that the kernel knows; a script "
			     "needs a first line like #!/bin/sh");
	return err == ENOENT ? LAUNCH_NOT_FOUND : LAUNCH_NOT_EXECUTABLE;
}

static void close_both(int fd[2])
{
	closep(&fd[0]);
	closep(&fd[1]);
}

/* Ends what was started, if anything was, and forgets the file. */
static void give_up(struct launch *l, const char *path)
{
	if (l->program > 0) {
		kill(l->program, SIGKILL);
		waitpid(l->program, NULL, 0);
	}
	/* The collector ends with its control connection. */
	close_both(l->control);
	if (l->collector > 0)
		waitpid(l->collector, NULL, 0);
	if (l->output >= 0)
		unlink(path);
}

static void finish(struct launch *l)
{
	close_both(l->control);
	close_both(l->go);
	close_both(l->failed);
	closep(&l->listen);
	closep(&l->output);
}

/* What the collector has to say: 1, the result; 0, how far it is; -1, it is gone. */
static int hear(struct launch *l, struct progress *progress, struct control_result *ret)
{
	union {
		struct control_progress progress;
		struct control_result result;
	} said;
	ssize_t n = recv(l->control[0], &said, sizeof(said), 0);

	_Static_assert(sizeof(said.progress) != sizeof(said.result), "told by size");
	if (n == sizeof(said.progress)) {
		progress_show(progress, said.progress.done, said.progress.all);
		return 0;
	}
	progress_end(progress);
	if (n != sizeof(said.result))
		return -1;
	*ret = said.result;
	return 1;
}

static bool has_ended(int wait_status)
{
	return WIFEXITED(wait_status) || WIFSIGNALED(wait_status);
}

/* Of a collector whose connection is closed: it has ended, or is about to. */
static void learn_end(struct launch *l, int *ret)
{
	struct timespec a_moment = {.tv_nsec = 10000000};

	for (int i = 0; i < ENDING_LOOKS && waitpid(l->collector, ret, WNOHANG) == 0; i++)
		nanosleep(&a_moment, NULL);
}

/* The collector's answer, or else how it ended. It may take its time to write a large
 * profile; but one that was stopped is not waited for. */
static bool hear_result(struct launch *l, struct control_result *ret, int *ret_ended)
{
	struct pollfd control = {.fd = l->control[0], .events = POLLIN};
	struct progress progress;

	*ret_ended = LAUNCH_NO_STATUS;
	progress_begin(&progress);
	for (int stopped = 0; stopped < STOPPED_POLLS;) {
		int status = 0;

		if (poll(&control, 1, POLL_MS) > 0) {
			int heard = hear(l, &progress, ret);

			if (heard < 0 && *ret_ended == LAUNCH_NO_STATUS)
				learn_end(l, ret_ended);
			if (heard)
				return heard > 0;
			continue;
		}
		/* Stays stopped until it is seen to continue. */
		if (waitpid(l->collector, &status, WNOHANG | WUNTRACED | WCONTINUED) >
		    0) {
			if (has_ended(status))
				*ret_ended = status;
			stopped = WIFSTOPPED(status) ? 1 : 0;
		} else if (stopped)
			stopped++;
	}
	progress_end(&progress);
	message_error("the collector is stopped: what it has in memory is not written");
	message_help("continue it (kill -CONT %d), and it finishes the profile",
		     (int)l->collector);
	return false;
}

static void wait_for_collector(struct launch_outcome *done)
{
	while (done->ending && waitpid(done->ending, NULL, 0) < 0 && errno == EINTR)
		continue;
	done->ending = 0;
}

static void wait_for_program(struct launch *l, struct launch_outcome *ret)
{
	struct control_root root = {.pid = l->program};

	while (waitpid(l->program, &root.wait_status, 0) < 0 && errno == EINTR)
		continue;
	forward_to = 0;
	ret->wait_status = root.wait_status;
	/* A collector that was told to stop has answered already, and is gone. */
	send(l->control[0], &root, sizeof(root), MSG_NOSIGNAL);
	ret->has_result = hear_result(l, &ret->result, &ret->collector_status);
	if (ret->has_result && !ret->result.running)
		ret->ending = l->collector;
	/* It had to answer before it was sure that nobody is left. */
	if (!ret->result.complete)
		wait_for_collector(ret);
}

void launch_wait(struct launch_outcome *done)
{
	wait_for_collector(done);
	signals_give_back();
}

int launch(const struct launch_options *o, struct launch_outcome *ret)
{
	struct launch l = {
		.control = {-1, -1}, .go = {-1, -1}, .failed = {-1, -1}, .output = -1,
		.listen = -1,
	};
	int code;

	*ret = (struct launch_outcome){0};
	code = target_find(o->argv[0], o->own_new, &l.target);
	if (code)
		return code;
	signals_take();
	l.listen = recording_listen(l.name, sizeof(l.name));
	if (l.listen < 0 ||
	    getrandom(l.config.token, sizeof(l.config.token), 0) !=
		    sizeof(l.config.token) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, l.control) < 0)
		code = fail("socket");
	if (!code)
		code = start_program(&l, o->argv);
	if (!code)
		code = open_output(&l, o, ret->profile, sizeof(ret->profile));
	if (!code)
		code = start_collector(&l, o);
	if (!code)
		code = let_go(&l, o->argv[0]);
	if (code)
		give_up(&l, ret->profile);
	else
		wait_for_program(&l, ret);
	finish(&l);
	if (code)
		signals_give_back();
	return code;
}

bool launch_parse_python(const char *text, uint32_t *ret)
{
	uint32_t which = !strcmp(text, "merged") ? 0
			 : !strcmp(text, "only") ? WIRE_PYTHON_ONLY
			 : !strcmp(text, "native") ? WIRE_NATIVE_ONLY
						   : UINT32_MAX;

	if (which == UINT32_MAX)
		return false;
	*ret = (*ret & ~(WIRE_PYTHON_ONLY | WIRE_NATIVE_ONLY)) | which;
	return true;
}

int launch_exit(int wait_status)
{
	struct rlimit none = {0, 0};

	if (WIFEXITED(wait_status))
		return WEXITSTATUS(wait_status);
	/* The program's core was dumped already, if at all: not ours too. */
	setrlimit(RLIMIT_CORE, &none);
	fflush(NULL);
	signal(WTERMSIG(wait_status), SIG_DFL);
	raise(WTERMSIG(wait_status));
	return 128 + WTERMSIG(wait_status);
}
