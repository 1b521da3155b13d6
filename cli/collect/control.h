/*
 * control.h - what `heapline run` and its collector tell each other, over a
 * SOCK_SEQPACKET pair. Both are the same binary: structs as they are.
 */
#pragma once

#include "preload/wire.h"

#include <stdbool.h>

/* Descriptors that `heapline collect` finds open. In bare mode only the first, and it
 * is the connection of the process that started it. */
enum control_fd {
	CONTROL_FD = WIRE_COLLECTOR_FD,
	CONTROL_FD_LISTEN = 4, /* the session's socket, bound and listening */
	CONTROL_FD_OUTPUT = 5, /* the profile, empty */
};

struct control_schedule { /* of snapshots; 0: none such */
	uint64_t every_ns;
	uint64_t at_ns;
	uint64_t peak_bytes; /* live bytes of a process */
};

/* Of control_config.keep: blocks' first bytes, with each snapshot. */
#define CONTROL_KEEP_CONTENTS (1u << 31)

struct control_config {	  /* launcher to collector, first */
	int32_t root_pid; /* the program's; it waits for our word */
	bool free_stacks, lossy;
	/* WIRE_NATIVE_ONLY, WIRE_PYTHON_ONLY, WIRE_NO_OBJECTS, WIRE_SCAN_FINALISATION */
	uint32_t python;
	bool no_follow; /* record the root alone, whatever it executes */
	char only[256]; /* glob: programs to record, by name or path; "": all */
	bool by_program;		/* engine_join() */
	uint64_t delay_ns, duration_ns; /* 0: from the start, to the end */
	bool scan_at_exit;		/* the heap graph of each process at its end */
	bool scan_at_any_exit;		/* by a signal, too: they are traced */
	uint32_t scan_wait_ms;		/* a process waits for that at most */
	struct control_schedule schedule;
	uint64_t sample;		/* bytes; 0: record everything */
	/* enum profile_dimension: sizes, threads; and CONTROL_KEEP_CONTENTS */
	uint32_t keep;
	bool kernel_clock;		/* even if the processor's counter is steady */
	unsigned char token[WIRE_TOKEN_BYTES];
	bool no_source;		 /* embed no source text */
	bool debuginfod;	 /* ask servers for debug information */
	char source_paths[4096]; /* rules FROM=TO, a line each */
	char options[512];	 /* as typed, for the profile */
	char profile[1024];	 /* the profile's path, for people */
};

#define CONTROL_SCAN_WAIT_MS 10000u /* usually */

/* For scan_wait_ms; 0: the usual. */
static inline uint32_t control_scan_wait_ms(uint64_t ns)
{
	if (!ns)
		return CONTROL_SCAN_WAIT_MS;
	return ns / 1000000 < 3600000 ? (uint32_t)(ns / 1000000) : 3600000;
}

struct control_ready { /* collector to launcher: the target may start */
	int32_t err;   /* 0 or -errno */
};

struct control_root { /* launcher to collector: the program has ended */
	int32_t pid;
	int32_t wait_status; /* as of waitpid() */
};

struct control_progress { /* collector to launcher, before the result, if it takes time
			   */
	uint32_t done, all; /* places in the code whose names are looked up */
};

struct control_result {	     /* collector to launcher: the answer to it */
	bool attached;	     /* the program itself was recorded */
	bool complete;	     /* the profile is; else it will be, at the collector's end */
	uint32_t notes;	     /* enum wire_note, of the program */
	uint32_t processes;  /* recorded so far */
	uint32_t others;     /* of them, beside the program itself */
	uint32_t running;    /* not ended: the collector stays for them */
	uint32_t unfollowed; /* programs executed that could not be recorded */
	bool abandoned;	     /* a target gave the collector up */
	int32_t write_error; /* 0 or -errno */
};

/* What anybody of the same user may ask of a collector, on the session's socket. */
#define CONTROL_QUERY_MAGIC 0x3f79727565757168ull

enum control_query_kind {
	CONTROL_STATUS = 1,
	CONTROL_STOP = 2, /* end the recording; answered when the profile is written */
	CONTROL_SNAPSHOT = 3, /* of a process; answered when the profile has it */
	CONTROL_UPDATE = 4, /* answered when the profile has all up to now */
};

struct control_query {
	uint64_t magic;
	uint32_t version; /* WIRE_VERSION */
	uint32_t kind;	  /* enum control_query_kind */
	int32_t pid;	  /* of a snapshot: 0 is the program, or the first process */
	char name[91];	  /* of a snapshot */
	uint8_t contents; /* 1: those of blocks are kept with it */
};

struct control_snapshot { /* the answer to CONTROL_SNAPSHOT */
	uint64_t magic;
	int32_t err;	 /* 0, or -errno: -ESRCH no such process is recorded */
	uint32_t number; /* in the profile, from 1 */
	uint64_t blocks, bytes, edges, roots, pause_ns, scan_ns;
	uint32_t threads, running;
	char cause[256]; /* why it was not scanned; "" */
	char profile[1024];
};

struct control_status { /* the answer */
	uint64_t magic;
	uint32_t version;
	int32_t err; /* of writing the profile: 0 or -errno */
	int32_t collector, root;   /* pids; of the program, or the first process */
	uint32_t processes, alive; /* recorded ever; not ended */
	uint64_t events, live_bytes, wall_ns;
	bool lossless;
	char profile[1024];
	char command[512]; /* of the first process; cut if it is longer */
};
