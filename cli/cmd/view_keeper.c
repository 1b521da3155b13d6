#include "cli/cmd/view_keeper.h"

#include "cli/base/cleanup.h"
#include "cli/base/message.h"
#include "cli/cmd/verb.h"
#include "cli/export/html.h"
#include "cli/profile/file.h"
#include "cli/profile/format.h"
#include "cli/profile/parts.h"
#include "cli/report/held.h"
#include "cli/report/wrappers.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	ANSWER_BYTES = 256 << 20, /* at most */
	ANSWER_SECONDS = 600,	  /* of processor time, and of the clock */
	FDS = 3,
	TEXT = 24 << 10,
	SMALL_BYTES = 16 << 20, /* of a profile, as it is stored */
};

enum what { ASK, COLUMNS, PARTS, GRAPH };

struct order { /* what goes over the socket; words apart by NULs */
	enum what what;
	enum keeper_level level;
	int argc;
	size_t len;
	char text[TEXT];
};

/* ---- orders --------------------------------------------------------------------- */

static bool put_word(struct order *o, const char *word)
{
	size_t len = strlen(word) + 1;

	if (len > sizeof(o->text) - o->len)
		return false;
	memcpy(o->text + o->len, word, len);
	o->len += len;
	o->argc++;
	return true;
}

/* The words of an order; one more is NULL. */
static int words_of(struct order *o, char **argv, int room)
{
	char *at = o->text, *end = o->text + o->len;
	int n = 0;

	while (n < o->argc && n + 1 < room && at < end) {
		argv[n++] = at;
		at += strlen(at) + 1;
	}
	argv[n] = NULL;
	return n;
}

union fd_space {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(FDS * sizeof(int))];
};

static int send_order(const struct keeper *k, const struct order *o, const int *fds,
		      size_t count)
{
	struct iovec part = {(void *)o, offsetof(struct order, text) + o->len};
	union fd_space space = {0};
	struct msghdr m = {.msg_iov = &part,
			   .msg_iovlen = 1,
			   .msg_control = space.bytes,
			   .msg_controllen = CMSG_SPACE(count * sizeof(int))};

	space.header.cmsg_level = SOL_SOCKET;
	space.header.cmsg_type = SCM_RIGHTS;
	space.header.cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(&space.header), fds, count * sizeof(int));
	return sendmsg(k->socket, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* false: the other end is gone. */
static bool take_order(int from, struct order *o, int fds[FDS])
{
	struct iovec part = {o, sizeof(*o)};
	union fd_space space = {0};
	struct msghdr m = {.msg_iov = &part,
			   .msg_iovlen = 1,
			   .msg_control = space.bytes,
			   .msg_controllen = sizeof(space)};
	ssize_t n;

	for (int i = 0; i < FDS; i++)
		fds[i] = -1;
	do
		n = recvmsg(from, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < (ssize_t)offsetof(struct order, text))
		return false;
	if (m.msg_controllen >= CMSG_LEN(sizeof(int)))
		memcpy(fds, CMSG_DATA(&space.header),
		       space.header.cmsg_len - CMSG_LEN(0));
	return true;
}

static void close_all(const int fds[FDS])
{
	for (int i = 0; i < FDS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* ---- profiles ------------------------------------------------------------------- */

/* What this process, and who started it, keeps. */
static struct keeper_profiles kept;

/* -1, or the exit status of a failure. */
static int open_file(struct reader_file *f, const char *path, unsigned dimensions)
{
	int status = reader_choose(f, path);

	f->source_paths = kept.source_paths;
	return status < 0 ? reader_load(f, dimensions | PROFILE_LATER) : status;
}

static int keep_file(const char *path, unsigned dimensions)
{
	struct reader_file f = {0};
	int status = open_file(&f, path, dimensions);

	if (status < 0)
		reader_keep(&f);
	return status;
}

/* ---- in a child: a question ------------------------------------------------------- */

static void bound(void)
{
	const struct rlimit bytes = {ANSWER_BYTES, ANSWER_BYTES},
			    seconds = {ANSWER_SECONDS, ANSWER_SECONDS}, none = {0, 0};

	setrlimit(RLIMIT_FSIZE, &bytes);
	setrlimit(RLIMIT_CPU, &seconds);
	setrlimit(RLIMIT_CORE, &none);
	alarm(ANSWER_SECONDS);
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
}

static void tell(int done, const struct keeper_word *word)
{
	/* Less than PIPE_BUF: it is whole, or there is nobody. */
	if (write(done, word, sizeof(*word)) < 0)
		_exit(1);
}

struct storing { /* columns on their way into a file */
	int done;
	uint64_t at;
};

static int store(void *context, const char *name, const char *form, size_t count,
		 const void *stream, size_t len)
{
	struct storing *s = context;
	struct keeper_word word = {.count = count, .at = s->at, .len = len};

	snprintf(word.name, sizeof(word.name), "%s", name);
	snprintf(word.form, sizeof(word.form), "%s", form);
	for (size_t part = 0; part < len;) {
		ssize_t n =
			write(STDOUT_FILENO, (const char *)stream + part, len - part);

		if (n < 0)
			return -errno;
		part += (size_t)n;
	}
	s->at += len;
	tell(s->done, &word);
	return 0;
}

static int columns(enum keeper_level level, int done)
{
	struct storing storing = {done, 0};
	const struct columns c = {.take = store, .context = &storing, .level = 1};
	const struct html_options o = {
		.path = kept.paths[0],
		.other_path = kept.paths[1],
		.nodes = level == KEEPER_FIRST ? KEEPER_NODES : KEEPER_NODES_WHOLE,
		.partial = level == KEEPER_FIRST,
	};
	const struct profile *profiles[READER_PROFILES];
	struct profile *opened[READER_PROFILES];
	int err;

	for (size_t i = 0; i < kept.count; i++) {
		struct reader_file f = {0};
		int status = open_file(&f, kept.paths[i],
				       level == KEEPER_FIRST ? 0 : PROFILE_TIMES);

		if (status >= 0)
			return status;
		profiles[i] = opened[i] = f.profile;
	}
	if (kept.count > 1)
		wrappers_share(opened[0], opened[1]);
	err = html_columns(profiles, kept.count, &o, &c);
	if (err < 0)
		message_error("%s", strerror(-err));
	return err < 0 ? VERB_FAILED : VERB_OK;
}

static int run_verb(struct order *o)
{
	char *argv[VIEW_WORDS];
	int argc = words_of(o, argv, VIEW_WORDS);
	const struct verb *v = argc ? verb_find(argv[0]) : NULL;

	return v ? v->run(argc, argv) : VERB_USAGE;
}

__attribute__((noreturn)) static void answer(struct order *o, const int fds[FDS])
{
	struct keeper_word last = {.end = true};

	bound();
	if (dup2(fds[0], STDOUT_FILENO) < 0 || dup2(fds[1], STDERR_FILENO) < 0)
		_exit(1);
	last.status = o->what == ASK ? run_verb(o) : columns(o->level, fds[2]);
	if (fflush(stdout) != 0 && !last.status)
		last.status = VERB_FAILED;
	tell(fds[2], &last);
	_exit(0);
}

/* ---- in a keeper ------------------------------------------------------------------ */

/* Whoever started us may have ended before we asked to be told. */
static void die_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
}

static void open_parts(void)
{
	reader_drop_kept();
	for (size_t i = 0; i < kept.count; i++)
		keep_file(kept.paths[i], PROFILE_DIMENSIONS);
}

/* Without it, questions say what is wrong. */
static void open_graph(struct order *o)
{
	enum { PATH, PROCESS, SNAPSHOT, WORDS };
	char *words[WORDS + 1];
	struct held_options options = {0};
	struct reader_file f = {0};
	const char *cause;
	struct held h;

	if (words_of(o, words, WORDS + 1) < WORDS || open_file(&f, words[PATH], 0) >= 0)
		return;
	options.path = f.path;
	options.pid = atoi(words[PROCESS]);
	options.snapshot = *words[SNAPSHOT] ? words[SNAPSHOT] : NULL;
	if (held_open(&h, f.profile, &options, &cause) < 0)
		held_done(&h);
	else
		held_keep(&h);
	reader_keep(&f);
}

__attribute__((noreturn)) static void keep(int from)
{
	struct order o;
	int fds[FDS];

	signal(SIGINT, SIG_IGN); /* of the terminal: it is meant for the server */
	signal(SIGCHLD, SIG_IGN);
	while (take_order(from, &o, fds)) {
		pid_t self = getpid(), child = fork();

		if (child) {
			close_all(fds);
			continue;
		}
		die_with(self);
		close(from);
		if (o.what == ASK || o.what == COLUMNS)
			answer(&o, fds);
		if (o.what == PARTS)
			open_parts();
		else
			open_graph(&o);
		from = fds[0];
	}
	_exit(0);
}

/* ---- the first keeper --------------------------------------------------------------- */

struct greeting {
	int32_t status; /* -1: the profiles are open */
	bool whole;	/* with all their parts */
};

/* Whether what is in a profile beside the graphs, which are read when they are wanted,
 * takes no time worth mentioning. A pipe can be read but once. */
static bool small(const char *path)
{
	struct profile_parts parts;

	return profile_parts(path, &parts) < 0 ||
	       parts.file_bytes - parts.part[FORMAT_PIECES].stored_bytes <= SMALL_BYTES;
}

/* Profiles that are small are kept with all their parts: then nobody needs another
 * keeper for them. */
static int load(bool *ret_whole)
{
	int status = -1;

	*ret_whole = true;
	for (size_t i = 0; i < kept.count; i++)
		*ret_whole &= small(kept.paths[i]);
	for (size_t i = 0; i < kept.count && status < 0; i++)
		status = keep_file(kept.paths[i], *ret_whole ? PROFILE_DIMENSIONS : 0);
	return status;
}

__attribute__((noreturn)) static void start(int to, const struct keeper_profiles *p)
{
	struct greeting hello = {0};

	kept = *p;
	hello.status = load(&hello.whole);
	if (send(to, &hello, sizeof(hello), MSG_NOSIGNAL) < 0 || hello.status >= 0)
		_exit(0);
	keep(to);
}

static int connect_two(int ends[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ? -errno
									       : 0;
}

int keeper_open(struct keeper *k, const struct keeper_profiles *p)
{
	struct greeting hello = {.status = VERB_FAILED};
	pid_t self = getpid(), child = -1;
	int ends[2], err = connect_two(ends);

	fflush(NULL); /* else a child writes it once more */
	if (!err)
		child = fork();
	if (!child) {
		die_with(self);
		close(ends[0]);
		start(ends[1], p);
	}
	if (child < 0) {
		message_error("cannot start a process: %s", strerror(errno));
		return VERB_FAILED;
	}
	close(ends[1]);
	*k = (struct keeper){.socket = ends[0]};
	if (recv(ends[0], &hello, sizeof(hello), 0) < (ssize_t)sizeof(hello)) {
		message_error("the profile cannot be read: what reads it broke");
		hello.status = VERB_UNREADABLE;
	}
	k->whole = hello.whole;
	return hello.status;
}

void keeper_close(struct keeper *k)
{
	if (k->socket >= 0)
		close(k->socket);
	k->socket = -1;
}

/* ---- in the server ------------------------------------------------------------------- */

/* Has k start a keeper as the order says. */
static int open_another(const struct keeper *k, const struct order *o,
			struct keeper *ret)
{
	int ends[2], err = connect_two(ends);

	if (err)
		return err;
	err = send_order(k, o, &ends[1], 1);
	close(ends[1]);
	if (err)
		close(ends[0]);
	else
		*ret = (struct keeper){.socket = ends[0], .whole = true};
	return err;
}

int keeper_open_parts(const struct keeper *k, struct keeper *ret)
{
	return open_another(k, &(struct order){.what = PARTS}, ret);
}

int keeper_open_graph(const struct keeper *k, const struct view_words *w,
		      struct keeper *ret)
{
	struct order o = {.what = GRAPH};

	if (!put_word(&o, w->path) || !put_word(&o, w->process) ||
	    !put_word(&o, w->snapshot))
		return -E2BIG;
	return open_another(k, &o, ret);
}

static int begin(const struct keeper *k, const struct order *o,
		 const struct keeper_files *f)
{
	const int fds[FDS] = {f->out, f->messages, f->done};

	return send_order(k, o, fds, FDS);
}

int keeper_ask(const struct keeper *k, const struct view_words *w,
	       const struct keeper_files *f)
{
	struct order o = {.what = ASK};

	for (int i = 0; i < w->argc; i++)
		if (!put_word(&o, w->argv[i]))
			return -E2BIG;
	return begin(k, &o, f);
}

int keeper_columns(const struct keeper *k, enum keeper_level level,
		   const struct keeper_files *f)
{
	return begin(k, &(struct order){.what = COLUMNS, .level = level}, f);
}
