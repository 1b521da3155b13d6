/*
 * server_state.h - what the parts of the collector's process share. For server.c and
 * callers.c alone.
 */
#pragma once

#include "cli/collect/accounts.h"
#include "cli/collect/bell.h"
#include "cli/collect/engine.h"
#include "cli/collect/marks.h"
#include "cli/collect/members.h"
#include "cli/collect/press.h"
#include "cli/collect/recording.h"
#include "cli/collect/scan.h"
#include "cli/collect/schedule.h"
#include "cli/collect/server.h"
#include "cli/profile/file.h"
#include "cli/symbol/symbols.h"

#include <poll.h>

enum { SERVER_CALLERS = 64 }; /* connections that have not said hello yet */

struct server {
	struct server_options *o;
	struct recording memory;
	struct bell *bell;
	struct engine *engine;
	struct profile *profile; /* by server_profile() alone */
	struct profile_writer *writer;
	struct press *press; /* has both of them now; or NULL */
	struct symbols *symbols;

	struct accounts *accounts;
	struct members *members;
	struct scans *scans;
	struct marks marks;
	struct schedule schedule;
	size_t modules;		  /* seen */
	uint32_t watched, newest; /* serials of processes: seen to */

	int callers[SERVER_CALLERS];
	size_t caller_count;

	struct control_result result; /* about the root */
	struct control_root root;     /* pid 0: not ended yet */
	bool launcher_gone, answered;
	int stopper; /* who asked us to stop, waiting for the answer; -1: nobody */
	uint32_t unwanted; /* programs kept out by --no-follow and --only */
	bool strangers;	   /* some process has the memory mapped that we do not know */
	bool opened, closing_time; /* --delay is over, --duration is */
	bool foreseen;		   /* the program's end */

	struct pollfd *fds;
	size_t fds_room;
	uint64_t events_since; /* the last checkpoint */
	uint64_t began_ns, root_ended_ns, nap_us;
	uint64_t rss_at, reap_at, checkpoint_at, checkpoint_every, checkpoint_took;
};

/* The profile, which nobody writes meanwhile. */
struct profile *server_profile(struct server *s);

/* Brings it, and its file, up to date. */
void server_write(struct server *s);

/* Sees to processes that have come since the last look. */
void server_watch_new(struct server *s);
