/*
 * cmd_view.c - heapline view [OPTIONS] [PROFILE [PROFILE2]]
 */
#include "cli/base/cleanup.h"
#include "cli/base/message.h"
#include "cli/cmd/target.h"
#include "cli/cmd/verb.h"
#include "cli/cmd/view.h"
#include "cli/cmd/view_browser.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h> /* optind */

enum option { PORT, OPEN, SOURCE_PATH };

enum { PORT_MOST = 65535, ADDRESS = 96, WORD = 256 };

static const struct option_spec options[] = {
	[PORT] = {.name = "port",
		  .argument = "NUMBER",
		  .help = "of 127.0.0.1, to be asked at (any that is free)"},
	[OPEN] = {.name = "open", .help = "start the browser there, by xdg-open"},
	[SOURCE_PATH] = {.name = "source-path",
			 .argument = "FROM=TO",
			 .help = "read missing sources of FROM/... at TO/..."},
	{0},
};

const struct options_spec view_spec = {
	.usage = "[PROFILE [PROFILE2]]",
	.about = "Serves a profile to a browser on this machine, as the pages of "
		 "`report --html` show it, but\nof any size: what is looked at is "
		 "read when it is looked at. Prints the address, and serves\nuntil "
		 "Ctrl-C. With PROFILE2 the two can be compared.",
	.options = options,
	.notes = "PROFILE is the newest *.heapline in this directory if none is "
		 "named.\nExit status: 0; 1 if it could not serve; 2 for a wrong "
		 "command line; 3 for a profile that\ncannot be read.",
	.operands = OPTIONS_PROFILES,
	.wrong = VERB_USAGE,
};

struct own {
	unsigned port;
	bool open;
	struct source_paths source_paths;
};

static const char *take(void *own, size_t i, const char *value)
{
	struct own *o = own;
	char *end;

	switch ((enum option)i) {
	case PORT:
		errno = 0;
		o->port = (unsigned)strtoul(value, &end, 10);
		return *value < '0' || *value > '9' || *end || errno ||
				       o->port > PORT_MOST
			       ? "a number up to 65535; 0: any that is free"
			       : NULL;
	case OPEN:
		o->open = true;
		return NULL;
	case SOURCE_PATH:
		return source_paths_add(&o->source_paths, value);
	}
	return NULL;
}

static int make_token(char token[REQUEST_TOKEN + 1])
{
	unsigned char bytes[REQUEST_TOKEN / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return -EIO;
	for (size_t i = 0; i < sizeof(bytes); i++)
		sprintf(token + 2 * i, "%02x", bytes[i]);
	return 0;
}

static int explain(int err, unsigned port)
{
	if (port && (err == -EADDRINUSE || err == -EACCES)) {
		message_error("port %u: %s", port, strerror(-err));
		message_help("without --port it takes one that is free");
		return VERB_FAILED;
	}
	message_error("cannot serve: %s", strerror(-err));
	return VERB_FAILED;
}

/* -1, or the exit status of a failure. */
static int load_server(void)
{
	char path[4096], why[2 * 4096];

	if (!web_is_built())
		message_error("this heapline was built without libmicrohttpd, and "
			      "serves nothing");
	else if (target_module("heapline-view.so", path, sizeof(path), why,
			       sizeof(why)) < 0 ||
		 web_load(path, why, sizeof(why)) < 0)
		message_error("cannot load the server: %s", why);
	else
		return -1;
	message_help("`heapline report --html FILE` writes the same application into a "
		     "file");
	return VERB_FAILED;
}

static void open_browser(struct view_browser *b, const char *address)
{
	int err = view_browser_open(b, address);

	if (err == -ENOENT)
		message_note("there is no xdg-open here: open the address by hand");
	else if (err < 0)
		message_note("cannot start a browser: %s", strerror(-err));
}

/* Serves until it is told to end. 0 or -errno. */
static int serve(struct view *v, struct web *s, const struct own *own,
		 const char *address)
{
	struct view_browser browser = {""};
	int err;

	view_serve(v, s);
	if (own->open)
		open_browser(&browser, address);
	err = web_run(s);
	view_browser_close(&browser);
	return err;
}

/* The two signals are for the server alone from here on. */
static void block_ends(void)
{
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
}

static int run(struct view *v, const struct own *own)
{
	char token[REQUEST_TOKEN + 1], address[ADDRESS];
	struct web_options o = {
		.port = own->port, .token = token, .ask = view_ask, .context = v};
	struct web *s = NULL;
	unsigned port;
	int err = make_token(token);

	block_ends();
	if (!err)
		err = web_open(&o, &s, &port);
	if (err)
		return explain(err, own->port);
	snprintf(address, sizeof(address), "http://127.0.0.1:%u/%s/", port, token);
	if (printf("%s\n", address) < 0 || fflush(stdout) != 0) {
		err = -errno;
		message_error("standard output: %s", strerror(-err));
	} else {
		message_note("open it in a browser of this machine; Ctrl-C ends it");
		err = serve(v, s, own, address);
		if (err < 0)
			explain(err, 0);
	}
	web_close(s);
	return err < 0 ? VERB_FAILED : VERB_OK;
}

/* The profiles' paths. -1, or the exit status of a failure. */
static int choose(struct reader_file files[], size_t count, char **names)
{
	int status = -1;

	for (size_t i = 0; i < count && status < 0; i++)
		status = reader_choose(&files[i], names[i]);
	return status;
}

int cmd_view(int argc, char **argv)
{
	struct own own = {0};
	struct reader_file files[READER_PROFILES] = {{0}};
	struct keeper_profiles profiles = {.count = 1};
	struct keeper k = {.socket = -1};
	int status = options_parse("view", &view_spec, argc, argv, take, &own);

	if (status < 0 && argc - optind > READER_PROFILES)
		status = options_wrong("view", &view_spec, "two profiles, not also ",
				       argv[optind + READER_PROFILES], "");
	if (status < 0) {
		profiles.count = argc - optind > 1 ? 2 : 1;
		status = choose(files, profiles.count, argv + optind);
	}
	if (status < 0)
		status = load_server();
	profiles.source_paths = own.source_paths.rules;
	for (size_t i = 0; i < READER_PROFILES; i++)
		profiles.paths[i] = files[i].path;
	if (status < 0)
		status = keeper_open(&k, &profiles);
	if (status < 0) {
		struct view *v = view_open(&profiles, k);

		if (!v)
			message_error("out of memory");
		status = v ? run(v, &own) : VERB_FAILED;
		view_close(v);
	}
	for (size_t i = 0; i < READER_PROFILES; i++)
		reader_unload(&files[i]);
	return status;
}
