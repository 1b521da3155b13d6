#include "cli/cmd/output.h"

#include "cli/base/cleanup.h"
#include "cli/base/draft.h"
#include "cli/base/message.h"
#include "cli/profile/file.h"
#include "cli/profile/format.h"
#include "cli/report/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

static void mark_sites(struct profile *p)
{
	for (size_t i = 0; i < p->site_count; i++)
		p->sites[i].dirty = 1;
}

static int write_into(int fd, const struct output_profile *what)
{
	struct profile_writer *w = NULL;
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0), r;

	if (own < 0)
		return -errno;
	r = profile_writer_open(own, &w);
	if (r < 0)
		return r;
	mark_sites(what->p);
	for (size_t i = 0; i < what->more_count; i++)
		mark_sites(what->more[i]);
	profile_writer_use_threads(w);
	profile_writer_level(w, 1);
	r = profile_writer_update_with(w, what->p, what->more, what->more_count);
	profile_writer_close(w);
	return r;
}

int output_write(const char *path, bool replace, const struct output_profile *what)
{
	_cleanup_(draft_drop) struct draft d = {.fd = -1};
	int r = draft_open(&d, path, replace);

	if (r < 0)
		return r;
	/* A pipe that nobody reads, a limit: errors, and not the end. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	r = write_into(d.fd, what);
	if (!r && what->check)
		r = what->check(what->context);
	return r < 0 ? r : draft_keep(&d);
}

void output_say(const char *path, int err, const char *cause)
{
	char clean[256];

	message_error("cannot write '%s': %s", text_clean(path, clean, sizeof(clean)),
		      cause ? cause : strerror(-err));
	if (err == -EEXIST)
		message_help("-f overwrites it, -o FILE names another");
	else if (!cause)
		message_help("make room, or name a file that can be written with -o");
}
