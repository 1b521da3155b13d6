/*
 * cmd_collect.c - `heapline collect`: the collector's process. Not for people: `run`
 * starts it, or the shim where it was preloaded without `run`.
 */
#include "cli/base/cleanup.h"
#include "cli/base/quantity.h"
#include "cli/cmd/keep.h"
#include "cli/cmd/launch.h"
#include "cli/cmd/schedule_words.h"
#include "cli/cmd/source_paths.h"
#include "cli/cmd/verb.h"
#include "cli/collect/server.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* What ends the program must not end the collector before it has drained. */
static void outlive(void)
{
	static const int ignored[] = {SIGINT,  SIGTERM, SIGHUP,	 SIGQUIT, SIGPIPE,
				      SIGXFSZ, SIGTTOU, SIGTTIN, SIGUSR1, SIGUSR2};
	struct rlimit limit;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		signal(ignored[i], SIG_IGN);
	/* Limits were meant for the program. */
	for (int i = 0; i < (int)RLIM_NLIMITS; i++)
		if (!getrlimit(i, &limit) && limit.rlim_cur != limit.rlim_max) {
			limit.rlim_cur = limit.rlim_max;
			setrlimit(i, &limit);
		}
}

static bool option(const char *word, size_t len, const char *name)
{
	return len == strlen(name) && !strncmp(word, name, len);
}

static void scan_at_exit(struct control_config *c, bool any)
{
	c->scan_at_exit = true;
	c->scan_at_any_exit |= any;
	c->python |= WIRE_SCAN_FINALISATION;
}

/* "output=FILE,lossy,no-free-stacks,delay=T,duration=T,no-follow,only=GLOB,by-program,
 * force,sample=N,keep=LIST,python=W,no-objects,snapshot-at-exit,snapshot-every=T,
 * snapshot-at=WHEN,no-source,debuginfod,source-path=FROM=TO,kernel-clock", of the
 * environment. */
static int parse_bare(const char *options, struct control_config *c, char *output,
		      size_t room, bool *force)
{
	struct source_paths paths = {0};

	_Static_assert(sizeof(c->source_paths) >= sizeof(paths.rules), "");
	snprintf(c->options, sizeof(c->options), "%s", options);
	c->free_stacks = true;
	c->scan_wait_ms = CONTROL_SCAN_WAIT_MS;
	while (*options) {
		size_t len = strcspn(options, ",");
		_cleanup_(freep) char *word = strndup(options, len);
		char *value = word ? strchr(word, '=') : NULL;
		size_t name = value ? (size_t)(value - word) : len;

		if (!word)
			return -ENOMEM;
		if (option(word, name, "output") && value && strlen(value + 1) < room)
			strcpy(output, value + 1);
		else if (option(word, name, "lossy"))
			c->lossy = true;
		else if (option(word, name, "python") && value)
			launch_parse_python(value + 1, &c->python);
		else if (option(word, name, "no-objects"))
			c->python |= WIRE_NO_OBJECTS;
		else if (option(word, name, "no-free-stacks"))
			c->free_stacks = false;
		else if (option(word, name, "no-follow"))
			c->no_follow = true;
		else if (option(word, name, "only") && value)
			snprintf(c->only, sizeof(c->only), "%s", value + 1);
		else if (option(word, name, "by-program"))
			c->by_program = true;
		else if (option(word, name, "no-source"))
			c->no_source = true;
		else if (option(word, name, "debuginfod"))
			c->debuginfod = true;
		else if (option(word, name, "source-path") && value &&
			 !source_paths_add(&paths, value + 1))
			strcpy(c->source_paths, paths.rules);
		else if (option(word, name, "snapshot-at-exit"))
			scan_at_exit(c, false);
		else if (option(word, name, "kernel-clock"))
			c->kernel_clock = true;
		else if (option(word, name, "snapshot-at-any-exit"))
			scan_at_exit(c, true);
		else if (option(word, name, "snapshot-every") && value)
			schedule_words_add(&c->schedule, true, value + 1);
		else if (option(word, name, "snapshot-at") && value)
			schedule_words_add(&c->schedule, false, value + 1);
		else if (option(word, name, "force"))
			*force = true;
		else if (option(word, name, "delay") && value)
			quantity_parse_duration(value + 1, &c->delay_ns);
		else if (option(word, name, "duration") && value)
			quantity_parse_duration(value + 1, &c->duration_ns);
		else if (option(word, name, "sample") && value)
			quantity_parse_size(value + 1, &c->sample);
		else if (option(word, name, "keep") && value)
			keep_take(&c->keep, value + 1);
		else if (c->keep && !value) /* keep=size,thread: the list goes on */
			keep_take(&c->keep, word);
		options += len + (options[len] == ',');
	}
	return 0;
}

/* PROG.PID.heapline of the process that started us. */
static void name_output(char *ret, size_t room)
{
	char link[64], exe[3000];
	struct ucred who = {0};
	socklen_t len = sizeof(who);
	ssize_t n;
	char *slash;

	getsockopt(CONTROL_FD, SOL_SOCKET, SO_PEERCRED, &who, &len);
	snprintf(link, sizeof(link), "/proc/%d/exe", (int)who.pid);
	n = readlink(link, exe, sizeof(exe) - 1);
	exe[n > 0 ? n : 0] = '\0';
	slash = strrchr(exe, '/');
	snprintf(ret, room, "%s.%d.heapline", slash ? slash + 1 : "program",
		 (int)who.pid);
}

static int open_bare(const char *options, struct server_options *o)
{
	char output[4096] = "", full[PATH_MAX];
	bool force = false;

	if (parse_bare(options, &o->config, output, sizeof(output), &force) < 0)
		return -ENOMEM;
	if (!*output)
		name_output(output, sizeof(output));
	o->first = CONTROL_FD;
	o->output =
		open(output,
		     O_WRONLY | O_CREAT | O_CLOEXEC | (force ? O_TRUNC : O_EXCL), 0666);
	if (o->output < 0)
		return -errno;
	if (realpath(output, full) && strlen(full) < sizeof(o->config.profile))
		strcpy(o->config.profile, full);
	return 0;
}

int cmd_collect(int argc, char **argv)
{
	struct server_options o = {
		.output = -1, .control = -1, .listen = -1, .first = -1};

	outlive();
	if (argc == 3 && !strcmp(argv[1], "--bare")) {
		if (open_bare(argv[2], &o) < 0)
			return 1;
		_exit(server_run(&o) < 0);
	}
	if (argc != 1 || recv(CONTROL_FD, &o.config, sizeof(o.config), 0) !=
				 sizeof(o.config))
		return 2;
	o.control = CONTROL_FD;
	o.listen = CONTROL_FD_LISTEN;
	o.output = CONTROL_FD_OUTPUT;
	_exit(server_run(&o) < 0);
}
