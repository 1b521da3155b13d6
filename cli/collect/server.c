#include "cli/collect/server.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/collect/bell.h"
#include "cli/collect/engine.h"
#include "cli/collect/procfs.h"
#include "cli/collect/recording.h"
#include "cli/profile/file.h"
#include "cli/symbol/symbols.h"
#include "preload/sys.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
	CALLERS = 64,		       /* connections that have not said hello yet */
	BUSY_EVENTS = 4096,	       /* a pass that found more is followed at once */
	NAP_MIN_US = 500,
	NAP_MAX_US = 250000,
	RSS_NS = 10000000,
	CHECKPOINT_FIRST_NS = 250000000,
	CHECKPOINT_MAX_NS = 10000000000u / 2,
	CHECKPOINT_SHARE = 20, /* of the time since the last, at most one part is spent */
};

struct member { /* a process that is recorded */
	uint32_t serial, slot;
	pid_t pid;  /* as we see it; 0: unknown */
	int pidfd;  /* -1: none to be had */
	bool root;  /* the launcher's own child */
};

struct server {
	struct server_options *o;
	struct recording memory;
	struct bell *bell;
	struct engine *engine;
	struct profile *profile;
	struct profile_writer *writer;
	struct symbols *symbols;

	struct member *members; /* live ones */
	size_t member_count, member_room;
	uint32_t serials_seen, modules_seen;

	int callers[CALLERS];
	size_t caller_count;

	struct control_result result; /* about the root */
	struct control_root root;     /* pid 0: not ended yet */
	uint32_t root_serial;	      /* its last image */
	bool launcher_gone, answered;

	uint64_t began_ns, nap_us, rss_at, checkpoint_at, checkpoint_every;
};

static struct wire_header *header(struct server *s)
{
	return (struct wire_header *)s->memory.base;
}

/* ---- who is there -------------------------------------------------------- */

static struct member *member_of(struct server *s, pid_t pid)
{
	for (size_t i = 0; i < s->member_count; i++)
		if (s->members[i].pid == pid)
			return &s->members[i];
	return NULL;
}

/* The process has ended, or its image was replaced: its last word is counted. */
static void member_end(struct server *s, struct member *m, enum profile_end how, int status)
{
	if (m->serial == s->root_serial && how != PROFILE_EXECED)
		s->result.notes = wire_process(s->memory.base, m->slot)->notes;
	engine_process_end(s->engine, m->serial, how, status);
	closep(&m->pidfd);
	*m = s->members[--s->member_count];
}

static struct member *member_add(struct server *s, uint32_t serial, uint32_t slot, pid_t pid)
{
	struct member *m;

	if (array_reserve(&s->members, &s->member_room, s->member_count + 1) < 0)
		return NULL;
	m = &s->members[s->member_count++];
	*m = (struct member){.serial = serial, .slot = slot, .pid = pid, .pidfd = -1};
	if (pid > 0)
		m->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return m;
}

/* Fork children attach without a word: their slots tell. */
static void members_look(struct server *s)
{
	uint32_t serials = atomic_load(&header(s)->serial);

	if (serials == s->serials_seen)
		return;
	s->serials_seen = serials;
	for (uint32_t i = 0; i < WIRE_PROCESSES; i++) {
		struct wire_process *p = wire_process(s->memory.base, i);
		struct engine_process *known;

		/* acquire: pairs with the child's release; its fields are whole. */
		if (atomic_load_explicit(&p->state, memory_order_acquire) ==
		    WIRE_PROCESS_CLAIMED)
			s->serials_seen = serials - 1; /* look again */
		if (atomic_load(&p->state) != WIRE_PROCESS_LIVE ||
		    engine_knows(s->engine, p->serial))
			continue;
		known = engine_process_begin(s->engine, i, p->serial, p->parent_serial,
					     (int)p->pid);
		if (!known || !member_add(s, p->serial, i, (pid_t)p->pid))
			continue;
		procfs_describe((pid_t)p->pid, engine_profile_process(s->engine, p->serial),
				&s->profile->strings);
	}
}

/* A process has come by handshake. */
static void welcome(struct server *s, const struct recording_peer *peer)
{
	struct member *before = member_of(s, peer->pid), *m;
	bool root = s->o->config.root_pid ? peer->pid == s->o->config.root_pid
					  : !s->root_serial;

	/* The same pid again is the same process with another image. */
	if (before)
		member_end(s, before, PROFILE_EXECED, 0);
	if (!engine_process_begin(s->engine, peer->slot, peer->serial, 0, peer->pid))
		return;
	m = member_add(s, peer->serial, peer->slot, peer->pid);
	if (!m)
		return;
	procfs_describe(peer->pid, engine_profile_process(s->engine, peer->serial),
			&s->profile->strings);
	if (root) {
		s->root_serial = peer->serial;
		s->result.attached = true;
	}
}
