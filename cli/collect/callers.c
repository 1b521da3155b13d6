#include "cli/collect/callers.h"

#include "cli/collect/procfs.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void callers_add(struct server *s, int fd)
{
	if (s->caller_count < SERVER_CALLERS)
		s->callers[s->caller_count++] = fd;
	else
		close(fd);
}

/* --no-follow and --only. */
static bool is_wanted(const struct server *s, const struct recording_peer *peer)
{
	const struct control_config *c = &s->o->config;
	char exe[4096];
	const char *slash;

	if (c->no_follow && c->root_pid && peer->pid != c->root_pid)
		return false;
	if (!*c->only)
		return true;
	procfs_exe(peer->pid, exe, sizeof(exe));
	slash = strrchr(exe, '/');
	return !fnmatch(c->only, exe, 0) || (slash && !fnmatch(c->only, slash + 1, 0));
}

/* A process wants to come in. What /proc tells is asked while it waits for us. */
static void let_in(struct server *s, int caller, struct recording_peer *peer)
{
	bool root = peer->pid == s->o->config.root_pid;

	if (!is_wanted(s, peer)) {
		s->result.attached |= root;
		s->unwanted++;
		members_unwanted(s->members, peer->pid);
		recording_refuse(caller, WIRE_NOT_WANTED);
		return;
	}
	if (!recording_claim(&s->memory, caller, peer))
		return;
	if (members_welcome(s->members, peer) < 0) {
		recording_refuse(caller, WIRE_FULL);
		return;
	}
	server_watch_new(s); /* while it waits for us */
	s->result.attached |= members_root_serial(s->members) == peer->serial;
	recording_admit(&s->memory, caller, peer);
}

/* For `heapline ps`: as of the last pass. */
static void fill_status(struct server *s, struct control_status *ret)
{
	struct engine_process *first = engine_process_next(s->engine, NULL);
	struct profile_amount live = engine_live(s->engine);

	*ret = (struct control_status){
		.magic = CONTROL_QUERY_MAGIC,
		.version = WIRE_VERSION,
		.collector = getpid(),
		.root = s->o->config.root_pid ? s->o->config.root_pid
			: first		      ? first->pid
					      : 0,
		.alive = (uint32_t)members_count(s->members),
		.live_bytes = live.bytes,
		.wall_ns = engine_now_ns(s->engine),
		.lossless = !engine_error(s->engine),
		.err = server_profile(s)->write_error,
	};
	for (struct engine_process *p = first; p;
	     p = engine_process_next(s->engine, p)) {
		ret->processes += !p->counted;
		ret->events += p->events;
	}
	snprintf(ret->profile, sizeof(ret->profile), "%s", s->o->config.profile);
	snprintf(ret->command, sizeof(ret->command), "%s",
		 first && first->command ? first->command : "");
}

void callers_send_status(struct server *s, int to)
{
	struct control_status status;

	fill_status(s, &status);
	send(to, &status, sizeof(status), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* What the targets have done up to now is in the file once the answer is. */
static void update(struct server *s, int caller)
{
	s->events_since += engine_pass(s->engine);
	server_write(s);
	callers_send_status(s, caller);
}

struct asker { /* waits for a snapshot */
	struct server *server;
	int fd; /* owned */
};

static void tell_snapshot(void *context, int result)
{
	struct asker *a = context;
	const struct profile *p;
	struct control_snapshot answer = {.magic = CONTROL_QUERY_MAGIC,
					  .err = result < 0 ? result : -ENOMEM};

	if (result >= 0)
		server_write(a->server);
	p = server_profile(a->server);
	if (result >= 0 && (size_t)result < p->snapshot_count) {
		const struct profile_snapshot *row = &p->snapshots[result];

		answer.err = 0;
		answer.number = (uint32_t)result + 1;
		answer.blocks = row->blocks;
		answer.bytes = row->bytes;
		answer.edges = row->edges;
		answer.roots = row->roots;
		answer.pause_ns = row->pause_ns;
		answer.scan_ns = row->scan_ns;
		answer.threads = row->threads;
		answer.running = row->running;
		snprintf(answer.cause, sizeof(answer.cause), "%s",
			 strings_get(&p->strings, row->cause));
	}
	snprintf(answer.profile, sizeof(answer.profile), "%s",
		 a->server->o->config.profile);
	send(a->fd, &answer, sizeof(answer), MSG_NOSIGNAL | MSG_DONTWAIT);
	close(a->fd);
	free(a);
}

/* The living process of that pid; 0: the program, or the first that lives. */
static struct engine_process *process_of(struct server *s, int32_t pid)
{
	struct engine_process *p = NULL;

	if (!pid)
		pid = s->o->config.root_pid;
	while ((p = engine_process_next_living(s->engine, p)))
		if (!pid || p->pid == pid)
			return p;
	return NULL;
}

/* The caller is answered later: it is kept open. */
static void take_snapshot(struct server *s, int caller, struct control_query *q)
{
	struct engine_process *p = process_of(s, q->pid);
	struct asker *a = malloc(sizeof(*a));

	if (!a) {
		close(caller);
		return;
	}
	*a = (struct asker){s, caller};
	q->name[sizeof(q->name) - 1] = '\0';
	if (!p || scans_ask(s->scans, p, q->name, q->contents, tell_snapshot, a) < 0)
		tell_snapshot(a, p ? -EBUSY : -ESRCH);
}

/* A question, not a hello? 1: yes, it is answered, or will be (*kept); 0: no;
 * -EAGAIN: nothing there yet. */
static int hear_query(struct server *s, int caller, bool *kept)
{
	struct control_query q;
	struct ucred who;
	socklen_t len = sizeof(who);
	ssize_t n = recv(caller, &q, sizeof(q), MSG_DONTWAIT | MSG_PEEK);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (n < (ssize_t)sizeof(q) || q.magic != CONTROL_QUERY_MAGIC)
		return 0;
	recv(caller, &q, sizeof(q), MSG_DONTWAIT); /* unread, it would be a reset */
	if (getsockopt(caller, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0 ||
	    (who.uid != geteuid() && who.uid != 0) || q.version != WIRE_VERSION)
		return 1;
	if (q.kind == CONTROL_STATUS)
		callers_send_status(s, caller);
	if (q.kind == CONTROL_UPDATE)
		update(s, caller);
	if (q.kind == CONTROL_SNAPSHOT) {
		take_snapshot(s, caller, &q);
		*kept = true;
	}
	if (q.kind == CONTROL_STOP && s->stopper < 0) {
		s->stopper = caller;
		*kept = true;
	}
	return 1;
}

void callers_hear(struct server *s)
{
	for (size_t i = 0; i < s->caller_count;) {
		bool trusted = s->callers[i] == s->o->first, kept = false;
		struct recording_peer peer;
		int answer = hear_query(s, s->callers[i], &kept);

		if (answer > 0)
			answer = 0;
		else if (!answer)
			answer = recording_hear(&s->memory, s->callers[i], trusted,
						&peer);
		if (answer == -EAGAIN) {
			i++;
			continue;
		}
		if (answer > 0)
			let_in(s, s->callers[i], &peer);
		if (!kept)
			close(s->callers[i]);
		s->callers[i] = s->callers[--s->caller_count];
	}
}
