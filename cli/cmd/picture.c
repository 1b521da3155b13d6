#include "cli/cmd/picture.h"

#include "cli/base/cleanup.h"
#include "cli/base/draft.h"
#include "cli/base/message.h"
#include "cli/cmd/verb.h"
#include "cli/report/text.h"

#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Runs it from one descriptor to another. 0, -ENOPKG: there is none; -EPIPE: it failed;
 * -errno. */
static int run_dot(int in, int out)
{
	char *argv[] = {(char *)"dot", (char *)"-Tsvg", NULL};
	posix_spawn_file_actions_t files;
	int status, err;
	pid_t pid;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	err = posix_spawnp(&pid, argv[0], &files, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	if (err)
		return err == ENOENT ? -ENOPKG : -err;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EPIPE;
}

static int draw(const char *path, FILE *out, int in)
{
	_cleanup_(draft_drop) struct draft draft = {.fd = -1};
	int r;

	if (!strcmp(path, "-"))
		return fflush(out) ? -errno : run_dot(in, fileno(out));
	r = draft_open(&draft, path, true);
	if (!r)
		r = run_dot(in, draft.fd);
	return r ? r : draft_keep(&draft);
}

static int explain(const char *path, int err)
{
	char clean[256];

	if (err == -ENOPKG) {
		message_error("a picture needs Graphviz's dot, which is not installed");
		message_help("apt-get install graphviz; or --dot, and draw it "
			     "elsewhere");
	} else if (err == -EPIPE) {
		message_error("Graphviz's dot could not draw it");
		message_help("a smaller picture: --depth=2, --too-many=5");
	} else {
		message_error("%s: %s", text_clean(path, clean, sizeof(clean)),
			      strerror(-err));
		message_help("name a file that can be written");
	}
	return VERB_FAILED;
}

int picture_draw(const char *path, FILE *out, int (*write)(void *context, FILE *dot),
		 void *context, int *ret_status)
{
	_cleanup_(fclosep) FILE *words = tmpfile();
	int r;

	*ret_status = VERB_OK;
	if (!words)
		return -errno;
	r = write(context, words);
	if (r < 0)
		return r;
	if (fflush(words) || lseek(fileno(words), 0, SEEK_SET) < 0)
		return -errno;
	r = draw(path, out, fileno(words));
	if (r < 0)
		*ret_status = explain(path, r);
	return 0;
}
