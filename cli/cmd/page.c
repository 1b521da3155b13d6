#include "cli/cmd/page.h"

#include "cli/base/cleanup.h"
#include "cli/base/draft.h"
#include "cli/base/message.h"
#include "cli/base/units.h"
#include "cli/cmd/gate.h"
#include "cli/cmd/verb.h"
#include "cli/export/html.h"
#include "cli/report/leaks.h"
#include "cli/report/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WORD = 256 }; /* room for a name in a message */

/* Whether a file is one that a page may take the place of. (What is no regular file is
 * not asked: to open a pipe would wait.) */
static bool replaceable(const char *path)
{
	char start[sizeof(HTML_START)] = "";
	_cleanup_(fclosep) FILE *file = NULL;
	struct stat st;
	size_t len;

	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	file = fopen(path, "re");
	len = file ? fread(start, 1, sizeof(start) - 1, file) : 0;
	return file && (!len || !strcmp(start, HTML_START));
}

/* ---- leaks ------------------------------------------------------------------------- */

struct asking { /* for findings, as `leaks` has them without options */
	struct gate gate;
	const struct reader *reader;
};

static int find(void *context, int which, enum profile_domain domain,
		struct findings *ret)
{
	struct asking *a = context;
	const struct reader *r = a->reader;
	const struct profile *p = which ? r->files[1].profile : r->profile;
	const struct findings_options o = {
		.path = which ? r->files[1].path : r->path,
		.domain = domain,
		.unlisted = leaks_unlisted(p),
		.young_ns = FINDINGS_YOUNG_NS,
	};

	return gate_find(&a->gate, p, &o, ret);
}

/* ---- the file ---------------------------------------------------------------------- */

static int write_to(struct asking *a, const char *path, size_t limit,
		    struct html_outcome *ret)
{
	const struct reader *r = a->reader;
	_cleanup_(draft_drop) struct draft draft = {.fd = -1};
	struct html_options options = {
		.path = r->path, .limit = limit, .find = find, .context = a};
	int err = draft_open(&draft, path, replaceable(path)), fd;
	bool failed;
	FILE *out;

	if (err < 0)
		return err;
	/* A pipe that nobody reads, a limit: errors, and not the end. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	fd = fcntl(draft.fd, F_DUPFD_CLOEXEC, 0);
	out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!out) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	if (r->count > 1) {
		options.other_path = r->files[1].path;
		err = html_write_pair(r->profile, r->files[1].profile, &options, out,
				      ret);
	} else {
		err = html_write(r->profile, &options, out, ret);
	}
	errno = 0;
	failed = ferror(out);
	failed |= fclose(out) != 0;
	if (failed && !err)
		err = errno ? -errno : -EIO;
	return err < 0 ? err : draft_keep(&draft);
}

static int explain(const char *path, int err)
{
	if (err == -EEXIST) {
		message_error("%s is there already, and is no page of heapline's",
			      path);
		message_help("name another file, or remove that one");
		return VERB_USAGE;
	}
	if (err == -EOVERFLOW) {
		message_error("the profile has figures above 9,007,199,254,740,992, "
			      "which no page can show exactly");
		message_help(
			"the reports show them: `heapline report`, `heapline lines`");
		return VERB_FAILED;
	}
	message_error("%s: %s", path, strerror(-err));
	message_help(err == -ENOMEM ? "end other programs, or use a larger machine"
				    : "name a file that can be written");
	return VERB_FAILED;
}

int page_write(const struct reader *r, const char *path, size_t limit)
{
	struct html_outcome outcome = {0};
	char clean[WORD];
	struct asking asking = {.reader = r};
	int err;

	gate_init(&asking.gate);
	err = gate_load(&asking.gate);
	if (err < 0)
		err = write_to(&asking, path, limit, &outcome);
	gate_done(&asking.gate);
	if (err > 0)
		return err;
	text_clean(path, clean, sizeof(clean));
	if (err < 0)
		return explain(clean, err);
	message_note("page: %s, %s; open it in a browser", clean,
		     units_size(outcome.bytes).text);
	if (outcome.folded)
		message_note(
			"%s of %s places in the stacks are folded into \"smaller\" "
			"ones, so that the page stays small; sums are whole",
			units_count(outcome.folded).text,
			units_count(outcome.nodes).text);
	return VERB_OK;
}
