#include "cli/cmd/sessions.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/kernel.h"
#include "cli/base/message.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
	ANSWER_MS = 5000, /* a collector answers between two passes */
	STOP_MS = 600000, /* and writes its profile in that, however large */
	LINE = 512,
};

/* -ESRCH: it has ended meanwhile. */
static int connect_to(const char *name)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t len = strlen(name);
	_cleanup_(closep) int fd =
		socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (len >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	memcpy(to.sun_path + 1, name, len);
	if (connect(fd, (struct sockaddr *)&to,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len)) < 0)
		return errno == ECONNREFUSED ? -ESRCH : -errno;
	return take_fd(fd);
}

/* Within that time, whatever signals come (heapline watch --operation). */
static bool has_answered(int fd, int patience_ms)
{
	uint64_t end = kernel_monotonic_ns() + (uint64_t)patience_ms * 1000000;
	struct pollfd answer = {.fd = fd, .events = POLLIN};
	int r;

	while ((r = poll(&answer, 1, patience_ms)) < 0 && errno == EINTR) {
		uint64_t now = kernel_monotonic_ns();

		patience_ms = now < end ? (int)((end - now) / 1000000) + 1 : 0;
	}
	return r > 0;
}

static int ask(const char *name, enum control_query_kind kind, int patience_ms,
	       struct control_status *ret)
{
	const struct control_query q = {
		.magic = CONTROL_QUERY_MAGIC, .version = WIRE_VERSION, .kind = kind};
	_cleanup_(closep) int fd = connect_to(name);

	if (fd < 0)
		return fd;
	if (send(fd, &q, sizeof(q), MSG_NOSIGNAL) != sizeof(q))
		return -errno;
	if (!has_answered(fd, patience_ms))
		return -ETIMEDOUT;
	if (recv(fd, ret, sizeof(*ret), 0) != sizeof(*ret) ||
	    ret->magic != CONTROL_QUERY_MAGIC || ret->version != WIRE_VERSION)
		return -EACCES; /* it hung up: another user's, or another release's */
	ret->profile[sizeof(ret->profile) - 1] = '\0';
	ret->command[sizeof(ret->command) - 1] = '\0';
	return 0;
}

/* Calls see() with the name of every session's socket until it returns other than 0. */
static int each_name(int (*see)(void *context, const char *name), void *context)
{
	_cleanup_(fclosep) FILE *f = fopen("/proc/net/unix", "re");
	char line[LINE];

	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		char *name = strrchr(line, ' ');
		int r;

		if (!name || strncmp(name, " @heapline-", 11) != 0)
			continue;
		name[strcspn(name, "\n")] = '\0';
		r = see(context, name + 2);
		if (r)
			return r;
	}
	return 0;
}

struct list {
	struct control_status *items;
	size_t count, room;
	char **asked; /* names, each once */
	size_t asked_count, asked_room;
};

/* A socket is listed once for itself and once for every connection to it: one that is
 * stopped has many that wait, ours among them. True if it is the first. */
static bool is_new(struct list *l, const char *name)
{
	for (size_t i = 0; i < l->asked_count; i++)
		if (!strcmp(l->asked[i], name))
			return false;
	if (array_reserve(&l->asked, &l->asked_room, l->asked_count + 1) < 0)
		return true;
	l->asked[l->asked_count] = strdup(name);
	l->asked_count += l->asked[l->asked_count] != NULL;
	return true;
}

static void forget_names(struct list *l)
{
	for (size_t i = 0; i < l->asked_count; i++)
		free(l->asked[i]);
	free(l->asked);
}

static bool has(const struct list *l, int32_t collector)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->items[i].collector == collector)
			return true;
	return false;
}

static int add(void *context, const char *name)
{
	struct list *l = context;
	struct control_status status;

	if (!is_new(l, name) || ask(name, CONTROL_STATUS, ANSWER_MS, &status) < 0 ||
	    has(l, status.collector))
		return 0; /* not ours, or just gone */
	if (array_reserve(&l->items, &l->room, l->count + 1) < 0)
		return -ENOMEM;
	l->items[l->count++] = status;
	return 0;
}

int sessions_list(struct control_status **ret, size_t *ret_count)
{
	struct list l = {0};
	int r = each_name(add, &l);

	forget_names(&l);
	if (r < 0) {
		free(l.items);
		return r;
	}
	*ret = l.items;
	*ret_count = l.count;
	return 0;
}

struct scanning {
	int32_t collector;
	struct control_query q;
	struct control_snapshot *ret;
};

static int ask_snapshot(const char *name, const struct control_query *q,
			struct control_snapshot *ret)
{
	_cleanup_(closep) int fd = connect_to(name);

	if (fd < 0)
		return fd;
	if (send(fd, q, sizeof(*q), MSG_NOSIGNAL) != sizeof(*q))
		return -errno;
	if (!has_answered(fd, STOP_MS))
		return -ETIMEDOUT;
	if (recv(fd, ret, sizeof(*ret), 0) != sizeof(*ret) ||
	    ret->magic != CONTROL_QUERY_MAGIC)
		return -EPIPE; /* it ended */
	ret->profile[sizeof(ret->profile) - 1] = '\0';
	ret->cause[sizeof(ret->cause) - 1] = '\0';
	return ret->err;
}

static int scan(void *context, const char *name)
{
	struct scanning *s = context;
	struct control_status status;
	int r;

	if (ask(name, CONTROL_STATUS, ANSWER_MS, &status) < 0 ||
	    status.collector != s->collector)
		return 0;
	r = ask_snapshot(name, &s->q, s->ret);
	return r < 0 ? r : 1;
}

int sessions_snapshot(const struct control_status *which, int32_t pid, const char *name,
		      bool contents, struct control_snapshot *ret)
{
	struct scanning s = {.collector = which->collector,
			     .q = {.magic = CONTROL_QUERY_MAGIC,
				   .version = WIRE_VERSION,
				   .kind = CONTROL_SNAPSHOT,
				   .pid = pid,
				   .contents = contents},
			     .ret = ret};
	int r;

	snprintf(s.q.name, sizeof(s.q.name), "%s", name);
	r = each_name(scan, &s);
	return r < 0 ? r : r ? 0 : -ESRCH;
}

struct telling { /* one collector something that it answers with its status */
	int32_t collector;
	enum control_query_kind kind;
	struct control_status *ret;
};

static int tell(void *context, const char *name)
{
	struct telling *s = context;
	struct control_status status;
	int r;

	if (ask(name, CONTROL_STATUS, ANSWER_MS, &status) < 0 ||
	    status.collector != s->collector)
		return 0;
	r = ask(name, s->kind, STOP_MS, s->ret);
	return r < 0 ? r : 1;
}

int sessions_update(const struct control_status *which, struct control_status *ret)
{
	struct telling s = {which->collector, CONTROL_UPDATE, ret};
	int r = each_name(tell, &s);

	return r < 0 ? r : r ? ret->err : -ESRCH;
}

int sessions_stop(const struct control_status *which, struct control_status *ret)
{
	struct telling s = {which->collector, CONTROL_STOP, ret};
	int r = each_name(tell, &s);

	return r < 0 ? r : r ? 0 : -ESRCH;
}

bool sessions_look(struct control_status **ret, size_t *ret_count)
{
	int err = sessions_list(ret, ret_count);

	if (err >= 0)
		return true;
	message_error("cannot look for recordings: %s", strerror(-err));
	message_help("they are found in /proc/net/unix");
	return false;
}

int32_t sessions_parse_pid(const char *word)
{
	char *end;
	long pid;

	if (!strcmp(word, "all"))
		return -1;
	errno = 0;
	pid = strtol(word, &end, 10);
	return *end || errno || pid <= 0 || pid > INT32_MAX ? 0 : (int32_t)pid;
}
