/*
 * scan_job.h - one scan of a process: what the server and the thread that makes it
 * share. For scan.c and scan_job.c alone.
 *
 * The thread is the process's tracer. Fields are its own until it says that it is
 * READING's end, but for the blocks, which the server adds while it waits (STOPPED).
 */
#pragma once

#include "cli/collect/engine.h"
#include "cli/collect/scan_frames.h"
#include "cli/collect/scan_tls.h"
#include "cli/heap/contents.h"
#include "cli/heap/image.h"
#include "cli/heap/roots.h"
#include "cli/profile/profile.h"
#include "preload/wire.h"

#include <pthread.h>
#include <semaphore.h>

enum { SCAN_NAME_BYTES = 128 };

struct scan_want {
	uint32_t serial;
	enum profile_why_scanned kind;
	bool counts;   /* the process waits to hear how many blocks nobody holds */
	bool waits;    /* it waits in preload/stand.c */
	bool contents; /* of blocks are kept */
	bool dying;    /* it stands at its end, held by its watch */
	char name[SCAN_NAME_BYTES];
	void (*done)(void *context, int result);
	void *context;
};

enum scan_phase { SCAN_STOPPING, SCAN_STOPPED, SCAN_READ, SCAN_DONE };

struct scan_job { /* the thread's but where it says otherwise */
	struct scan_want want;
	pid_t pid;
	pid_t exiting; /* thread, 0: none */
	uint64_t exit_sp;
	uint64_t at_ns, started_ns;
	struct wire_process *slot; /* the process's; anybody's, in time */
	bool lacking;
	size_t share; /* how many jobs there were with it, of memory */

	pthread_t thread; /* none where the watch's makes it */
	bool threaded;
	bool watch_again;	 /* once it is done */
	int bell;		 /* rung when phase changed */
	_Atomic int phase;	 /* enum scan_phase */
	sem_t known;		 /* posted by the server: its books are of now */
	sem_t go;		 /* and then: the blocks are there */
	int blocks_err;		 /* the server's */
	struct heap_graph graph; /* whose blocks are the server's to add */

	struct heap_contents contents;
	struct heap_kernel kernel;
	struct heap_block *mappings, *chunks; /* the server's, as the blocks */
	size_t mapping_count, mapping_room, chunk_count, chunk_room;
	struct heap_image image; /* of one that goes on */
	uint64_t image_max;

	int err; /* 0 or -errno: not scanned */
	const char *cause;
	int64_t unheld;		     /* blocks that nobody holds; -1: not counted */
	struct engine_suspect *lost; /* those, of a process that goes on */
	size_t lost_count;
	struct profile_snapshot row;
	struct profile_piece *pieces;
	size_t piece_count, piece_room;
	struct heap_roots roots;
	struct scan_frames frames;
	struct scan_tls tls;
};

/* The thread: stops the process, reads it, lets it go, makes the graph. */
void *scan_job_run(void *job);

/* The same of one whose threads stand already, and whose tracer the caller is; they are
 * let go. NULL: there was no memory for them. */
void scan_job_run_stopped(struct scan_job *j, struct heap_threads *threads);

/* Another one, later: makes pieces of it. */
void *scan_job_pack(void *job);

void scan_job_enter(struct scan_job *j, enum scan_phase phase);

/* The process that waits for it goes on, with that answer; once. By the server, or by
 * the thread while it runs. */
void scan_job_answer(struct scan_job *j, int64_t result);

/* For people. */
const char *scan_job_cause(int err);

static inline bool scan_at_end(const struct scan_want *w)
{
	return w->kind == PROFILE_AT_EXIT;
}

/* No thread of it runs any more. */
void scan_job_close(struct scan_job *j);
