#include "cli/cmd/view_browser.h"

#include "cli/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static const char *directory(void)
{
	static const char *const names[] = {"XDG_RUNTIME_DIR", "TMPDIR"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *name = getenv(names[i]);

		if (name && *name == '/')
			return name;
	}
	return "/tmp";
}

/* The address is of characters that mean nothing to HTML. */
static int write_file(struct view_browser *b, const char *address)
{
	_cleanup_(fclosep) FILE *out = NULL;
	int n = snprintf(b->path, sizeof(b->path), "%s/heapline-XXXXXX.html",
			 directory());
	int fd = n > 0 && (size_t)n < sizeof(b->path) ? mkstemps(b->path, 5) : -1;

	if (fd < 0) {
		b->path[0] = '\0';
		return -errno;
	}
	out = fdopen(fd, "w");
	if (!out) {
		close(fd);
		return -ENOMEM;
	}
	fprintf(out,
		"<!doctype html>\n<meta charset=utf-8>\n<title>heapline</title>\n"
		"<meta http-equiv=refresh content=\"0;url=%s\">\n"
		"<p><a href=\"%s\">heapline</a>\n",
		address, address);
	return fflush(out) == 0 ? 0 : -errno;
}

/* Its output would be in the midst of ours; its signals are not to be ours. */
static int spawn(const char *path)
{
	char name[] = "xdg-open", *argv[] = {name, (char *)path, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t how;
	sigset_t none;
	pid_t pid;
	int err;

	sigemptyset(&none);
	posix_spawnattr_init(&how);
	posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setsigmask(&how, &none);
	posix_spawn_file_actions_init(&files);
	for (int fd = 0; fd < 3; fd++)
		posix_spawn_file_actions_addopen(&files, fd, "/dev/null", O_RDWR, 0);
	err = posix_spawnp(&pid, name, &files, &how, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&how);
	return -err;
}

int view_browser_open(struct view_browser *b, const char *address)
{
	int err = write_file(b, address);

	if (!err)
		err = spawn(b->path);
	if (err)
		view_browser_close(b);
	return err;
}

void view_browser_close(struct view_browser *b)
{
	if (b->path[0])
		unlink(b->path);
	b->path[0] = '\0';
}
