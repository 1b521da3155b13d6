/*
 * profile.h - a profile in memory: what the collector aggregates, the file keeps and
 * the reports read. Plain arrays that refer to each other by index.
 *
 * Moments are ns since the recording began; amounts are bytes and blocks as the
 * program requested them. Invariants, of each site and of the sums over sites:
 *
 *	live = allocs - frees,	live_bytes = allocated_bytes - freed_bytes
 *	sum of freed_bytes == sum of freed_here_bytes, each process and domain,
 *		but for blocks of earlier processes' (struct profile_process)
 */
#pragma once

#include "cli/base/strings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum profile_domain {
	PROFILE_MALLOC = 0,
	PROFILE_MMAP = 1, /* the program's own calls of mmap; not in totals */
	PROFILE_POOL = 2, /* chunks of its own allocators (heapline.h); not in totals */
	PROFILE_ARENA = 3, /* what Python has its small objects in; not in totals */
	PROFILE_DOMAINS
};

enum profile_end { /* how a process ended */
	PROFILE_RUNNING = 0, /* not seen to end: the recording did first */
	PROFILE_EXITED = 1,  /* status in end_status, or -1 if nobody could tell */
	PROFILE_SIGNALED = 2, /* signal in end_status */
	PROFILE_EXECED = 3,
};

/* A sum of blocks. */
struct profile_amount {
	uint64_t blocks, bytes;
};

/* Where a process's memory was, at a moment near the one wanted. Bytes. */
struct profile_memory {
	uint64_t at_ns;
	uint64_t live_bytes; /* requested, of blocks in use; inherited ones too */
	/* As the allocator says: in use, with its overhead; had of the system. Both 0:
	 * it does not tell. */
	uint64_t used_bytes, system_bytes;
	/* Resident, as the kernel says: all, and its parts. rss_bytes 0: not known. */
	uint64_t rss_at_ns, rss_bytes;
	uint64_t rss_anonymous, rss_files, rss_stack, rss_shared;
	uint64_t rss_own; /* heapline's */
};

enum profile_moment {
	PROFILE_AT_PEAK = 0, /* of the answers, the one with the most live bytes */
	PROFILE_AT_END = 1,  /* the last one: at exit, if the process got there */
	PROFILE_MOMENTS
};

enum profile_python { /* as enum wire_python */
	PROFILE_PYTHON_NEW = 2,
	PROFILE_PYTHON_SYMBOLS = 3,
	PROFILE_PYTHON_BUILD = 4,
	PROFILE_PYTHON_CHECK = 5,
	PROFILE_PYTHON_MEMORY = 6,
	PROFILE_PYTHONS
};

/* Blocks of Python's object allocators are among the malloc domain's. */
#define PROFILE_PYTHON_OBJECTS (1u << 24)

struct profile_process {
	uint32_t serial;	/* unique; what sites name */
	uint32_t parent_serial; /* who forked or spawned it; 0: nobody known */
	int32_t pid;
	uint32_t command; /* string: arguments, shell-quoted */
	uint32_t exe;	  /* string: path of the executable */
	uint32_t end;	  /* enum profile_end */
	int32_t end_status;
	uint32_t notes; /* enum wire_note of preload/wire.h */
	/* Its Python interpreter: PROFILE_PYTHON_OBJECTS, major, minor, enum
	 * profile_python, a byte each; 0: it has none. */
	uint32_t python;
	/* Where many processes ran, those of one program may be counted together, in a row
	 * that is no process: it has their sums and sites, as of one heap that what a
	 * process leaves is no part of any more, and the pid of the first of them.
	 * counted_with: the serial of that row; 0: the process has its own. counted: of
	 * that row, how many are; 0: it is a process. */
	uint32_t counted_with, counted;
	uint32_t pad;
	uint64_t start_ns, end_ns;

	/* Of each domain. `peak` is the greatest live bytes, and the blocks then. */
	struct {
		uint64_t allocs, allocated_bytes, frees, freed_bytes;
		struct profile_amount peak;
		uint64_t peak_at_ns;
	} domain[PROFILE_DOMAINS];
	struct profile_amount
		temporary; /* freed by the very next event of its thread */

	/* Malloc blocks that were its parent's at the fork, and those of them that it
	 * freed (or reallocated) itself. In no other figure of the process. */
	struct profile_amount inherited, inherited_freed;

	struct profile_memory memory[PROFILE_MOMENTS];

	uint64_t
		unknown_frees; /* of blocks that nobody saw allocated */
	uint64_t unseen_frees;	/* an address came again without having been freed */
	/* Wrong calls about pools: of pools that are not there or were already, frees of
	 * chunks that are not there, by another pool, allocations of those that are. */
	struct profile_pools {
		uint64_t unknown, frees, others, overlaps;
	} pools;
	/* Of what is live at the end: blocks that an interpreter freed as it was taken
	 * down. */
	struct profile_amount finalised;
	/* Of Python's arenas: as its interpreter was about to be taken down, else at its
	 * end; and at its heap's peak, or at that moment if the peak was later. */
	struct profile_arenas {
		uint64_t bytes;		    /* that they had */
		struct profile_amount used; /* the heap's blocks that lay in them */
	} arenas, arenas_at_peak;
	uint64_t lost; /* events lost, see profile.lost_* for those of no process */
	uint64_t held_back_ns;	/* sum over threads: time waited for the collector */
	uint64_t events;
};

enum profile_why { /* a program was not followed; as enum wire_exec */
	PROFILE_DID_NOT_COME = 1, /* its shim did not get through to the collector */
	PROFILE_STATIC = 2,	  /* no loader runs in it that could preload */
	PROFILE_FOREIGN = 3,	  /* of another machine, or 32-bit */
	PROFILE_OTHER_LIBC = 4,	  /* musl's loader */
	PROFILE_SECURE = 5,	  /* setuid, setgid, capabilities */
	PROFILE_NO_SHIM = 6,	  /* the shim's file is not in its root */
	PROFILE_CONFINED = 7,	  /* behind a seccomp filter that may kill for our calls */
	PROFILE_APART = 8,	  /* its network namespace has not the session's socket */
	PROFILE_UNMAPPED = 9,	  /* no descriptor, or address space, for the memory */
	PROFILE_SANITIZED = 10,	  /* its AddressSanitizer insists on coming first */
	PROFILE_WHYS
};

/* A program that a recorded process executed, and that was not recorded. */
struct profile_unfollowed {
	uint32_t
		parent_serial; /* who executed it, as itself or as a child; 0: unknown */
	int32_t pid;
	uint32_t program; /* string: path */
	uint32_t why;	  /* enum profile_why */
	uint64_t at_ns;
};

struct profile_thread {
	uint32_t process_serial;
	int32_t tid;
	uint32_t name; /* string */
	uint32_t mixed; /* 1: some of its blocks count as those of "other threads" */
	uint64_t events, start_ns, end_ns;
};

/* The path of the module that Python frames are in: no file has such a one, without a
 * slash. Their pc tells their code and the place in it, and is no address. */
#define PROFILE_PYTHON "python"

struct profile_module {
	uint32_t path;	   /* string, as the loader had it */
	uint32_t build_id; /* string, lower-case hex; "" for none */
	uint64_t start, end, bias;
};

enum profile_stack_flag { /* as enum wire_node_flag */
	PROFILE_STACK_EXACT = 1u << 0,
	PROFILE_STACK_GUESSED = 1u << 1,
	PROFILE_STACK_CUT = 1u << 2, /* pc is an enum profile_cut */
};

enum profile_cut { /* as enum wire_cut */
	PROFILE_CUT_DEPTH = 1,
	PROFILE_CUT_LOST = 2,
	PROFILE_CUT_FULL = 3,
};

/* A node of the stack tree. stacks[0] is the root; parent < own index. */
struct profile_stack {
	uint64_t pc;
	uint32_t parent;
	uint32_t module; /* index + 1 into modules; 0: none */
	uint32_t flags;
	uint32_t code; /* index + 1 into codes; 0: not symbolised yet */
};

/* What one pc of one module stands for: a run of frames, the innermost (inlined)
 * first, the function that contains the machine code last. */
struct profile_code {
	uint32_t first_frame, frames; /* frames >= 1 */
};

struct profile_frame {
	uint32_t function; /* string, demangled; "" unknown */
	uint32_t linkage;  /* string, mangled; "" if the same or unknown */
	uint32_t file;	   /* string: source path; "" unknown */
	uint32_t line;	   /* 0: unknown */
	/* First and last source line of the function, in file; 0: unknown. */
	uint32_t function_first, function_last;
};

/* Count of allocations whose size, or of blocks whose lifetime, is in one class. */
struct profile_class {
	uint32_t log2; /* bucket: floor(log2(max(1, bytes or ns))) */
	uint64_t count;
};

#define PROFILE_UNKNOWN UINT64_MAX /* of last_live_bytes, once a profile is cut */

/* All that is counted for one (process, stack, domain). */
struct profile_site {
	uint32_t process_serial;
	uint32_t stack;	 /* index into stacks */
	uint32_t domain; /* enum profile_domain */
	uint32_t dirty;	 /* 1: changed since the last profile_writer_update() */

	/* Blocks allocated with this stack, whoever frees them. */
	uint64_t allocs, allocated_bytes, frees, freed_bytes;
	struct profile_amount peak;	 /* live at the process's peak of this domain */
	struct profile_amount tree_peak; /* live at the peak of all processes' sum */
	struct profile_amount temporary;
	uint64_t first_ns, last_ns; /* first and last allocation */

	/* Frees executed with this stack, whoever allocated. */
	uint64_t freed_here, freed_here_bytes;

	/* The site's last event of any kind: its rank among all events of the
	 * recording, and the process's live bytes of the domain right after it. */
	uint64_t last_rank, last_live_bytes;

	/* Of its blocks that were freed, Python objects whose value was looked at, and of
	 * these, those with one of the last few values before. */
	uint64_t values, repeated;

	/* Owned, but by the profile if it was loaded; ascending. Sizes: of allocations.
	 * Lives: of freed blocks. */
	struct profile_class *sizes, *lives;
	uint32_t sizes_count, lives_count;
};

/*
 * Of a site, what belongs to one value of a dimension:
 *
 *	times	what it did in one epoch; `died` counts by the epoch of birth
 *	owners	the blocks that one thread allocated, whoever freed them: its index in
 *		threads, or PROFILE_OTHERS; malloc domain only
 *	sizes	the blocks of one class, floor(log2(max(1, bytes))); malloc domain only
 *
 * The rows of a site follow each other, their values ascend, and they add up to the
 * site's own counts (last_* apart, which are those of the site in its last row).
 */
#define PROFILE_OTHERS UINT32_MAX /* threads that could not be kept apart */

struct profile_share {
	uint32_t process_serial, stack, domain; /* of the site */
	uint32_t value;
	uint64_t allocs, allocated_bytes, frees, freed_bytes;
	uint64_t freed_here, freed_here_bytes;
	struct profile_amount temporary;
	struct profile_amount died; /* of the blocks allocated, up to the end */
	struct profile_amount peak, tree_peak; /* as of the site; not by time */
	/* By time, of a row that others are counted in: live blocks that went with a
	 * process in this epoch. */
	struct profile_amount left;
	uint64_t last_rank, last_live_bytes; /* as of the site; by time only */
};

enum profile_dimension { /* bits: what a profile can be cut by */
	PROFILE_TIMES = 1u << 0,
	PROFILE_SIZES = 1u << 1,
	PROFILE_OWNERS = 1u << 2,
	PROFILE_DIMENSIONS = (1u << 3) - 1
};

/* An epoch of the recording: [at_ns, next one's at_ns), the last one to its end. */
struct profile_epoch {
	uint64_t at_ns;
};

/* A bin of the timeline of all processes: [at_ns, next bin's at_ns). Malloc domain. */
struct profile_bin {
	uint64_t at_ns;
	uint64_t min_bytes, max_bytes, last_bytes; /* live */
	uint64_t last_blocks;
	uint64_t allocs;
	uint64_t rss_bytes; /* last sample in the bin, all processes; 0: none */
};

/* Lines first .. first+count-1 of a source file, as they were at recording. */
struct profile_source {
	uint32_t file;	      /* string: as in profile_frame.file */
	uint32_t first, count; /* lines from 1 */
	uint32_t text;	      /* string: the lines, each ended by '\n' */
};

enum profile_why_scanned {
	PROFILE_AT_EXIT = 0, /* the process stood at its end */
	PROFILE_ASKED = 1,   /* somebody asked while it lived */
	PROFILE_BY_PROGRAM = 2, /* it asked itself: heapline_snapshot() */
	PROFILE_LEAK_CHECK = 3, /* heapline_leak_check() */
	PROFILE_SCHEDULED = 4,	/* --snapshot-every, --snapshot-at */
	PROFILE_SCANS
};

/* The heap graph of a process at one moment, or why there is none. */
struct profile_snapshot {
	uint32_t process_serial;
	uint32_t name;	/* string: what it was called; "" */
	uint32_t cause; /* string: why it was not scanned; "": it was */
	uint32_t kind;	/* enum profile_why_scanned */
	uint64_t at_ns;
	uint64_t blocks, bytes, edges, roots;
	uint64_t read_bytes, unread_bytes; /* of its memory */
	uint64_t pause_ns; /* that the process was stopped */
	uint64_t scan_ns;  /* in all */
	uint32_t threads, running; /* in all; not stopped in time */
	uint32_t lacking; /* 1: what was recorded is not all of its blocks */
	/* 1: those that nothing held were followed: struct profile_proof tells all that
	 * were freed later. */
	uint32_t followed;
	uint32_t first_piece, piece_count;
};

/* A moment that the program gave a name, and how many of that name until the next row's:
 * rows of one process and name follow each other, in the order of time. */
struct profile_mark {
	uint32_t process_serial;
	uint32_t name; /* string */
	uint64_t at_ns, marks;
};

/* A block that a snapshot, the first at lost_ns, found held by nothing, was freed (or
 * reallocated) later: so somebody had its address. */
struct profile_proof {
	uint32_t process_serial, pad;
	uint64_t address, lost_ns, freed_ns;
};

/* A piece of a snapshot's graph, in the form of cli/heap/store.h: read when wanted. */
struct profile_piece {
	unsigned char *data; /* as stored; owned; NULL once it is in the file */
	uint32_t stored, raw; /* bytes */
	bool deflated;
	uint64_t at; /* of its chunk in the file; 0: not there yet */
};

/* What a profile was cut to after it was loaded: see slice.h. */
struct profile_slice {
	bool has_range, has_moment;
	uint64_t from_ns, to_ns; /* events that count: [from_ns, to_ns) */
	uint64_t at_ns;		 /* in the place of the peak */
	bool to_end, at_end;	 /* ... which are the end of the recording */
	bool has_threads;
	size_t threads;	       /* whose blocks count; so many */
	size_t thread;	       /* index of one of them */
	bool threads_mixed;    /* some of their blocks are not known as theirs */
	bool has_sizes;
	uint64_t low_bytes, high_bytes; /* blocks that count: [low_bytes, high_bytes) */
};

struct profile {
	struct strings strings;

	/* About the recording. Strings are numbers of `strings`. */
	uint32_t version;      /* of the heapline that recorded, string */
	uint32_t host;	       /* string */
	uint32_t options;      /* string: the options of `run` */
	uint64_t start_unix_ns; /* CLOCK_REALTIME at moment 0 */
	uint64_t wall_ns;      /* length of the recording */
	bool complete;	       /* the collector finished: false if it died */
	bool symbolised;
	bool free_stacks, lossy; /* as recorded */
	/* About one malloc in so many bytes was recorded, and all amounts of that domain
	 * are estimates (report/estimate.h); 0: all were. */
	uint64_t sampled;
	uint64_t lost_no_ring;	/* events lost because every ring was taken */
	uint64_t cut_stacks;	/* for which the tree, or the collector, had no room */
	/* String: why recording ended before the program did; "" if it did not. */
	uint32_t stopped;
	/* Why the file could not be written in full (ENOSPC, ...), or 0. */
	int32_t write_error;

	/* enum profile_dimension: what the sites' shares are kept by. None before the end
	 * of the recording, or where they would have become too many. */
	uint32_t dimensions;
	uint32_t divided; /* sizes, owners: those that the recording was to keep */

	struct profile_amount tree_peak; /* of the processes' sum, malloc domain */
	uint64_t tree_peak_at_ns;

	struct profile_process *processes;
	struct profile_thread *threads;
	struct profile_module *modules;
	struct profile_stack *stacks;
	struct profile_code *codes;
	struct profile_frame *frames;
	struct profile_site *sites;
	struct profile_bin *bins;
	struct profile_source *sources;
	struct profile_unfollowed *unfolloweds;
	struct profile_snapshot *snapshots;
	struct profile_mark *marks;
	struct profile_proof *proofs;
	struct profile_piece *pieces;

	/* In step with the sites as of the end of the recording. Loaded if asked for:
	 * profile_load_with(). Those that were loaded with all dimensions, or made, are
	 * there to be written. */
	struct profile_epoch *epochs;
	struct profile_share *times, *sizes, *owners;
	bool shares_new; /* they are all there, and not written yet */

	struct profile_slice slice; /* all false: it is whole */

	/* By string, of functions' names: enum wrapper_why of report/wrappers.h. NULL:
	 * nobody looked. In no file. */
	uint8_t *wrappers;
	size_t wrapper_count;

	size_t process_count, thread_count, module_count, stack_count, code_count,
		frame_count, site_count, bin_count, source_count, unfollowed_count,
		snapshot_count, mark_count, proof_count, piece_count, epoch_count,
		time_count, size_count, owner_count;
	/* What a loaded profile's sites have of classes; none: each site owns its own. */
	struct profile_class **class_blocks;
	size_t class_block_count, class_block_room;
	/* Capacities for base/array.h. */
	size_t process_room, thread_room, module_room, stack_room, code_room,
		frame_room, site_room, bin_room, source_room, unfollowed_room,
		snapshot_room, mark_room, proof_room, piece_room, epoch_room, time_room,
		size_room, owner_room;
};

/* Whether no part of it was cut out. */
static inline bool profile_is_whole(const struct profile *p)
{
	return !p->slice.has_range && !p->slice.has_threads && !p->slice.has_sizes;
}

static inline bool profile_share_same_site(const struct profile_share *a,
					   const struct profile_share *b)
{
	return a->stack == b->stack && a->process_serial == b->process_serial &&
	       a->domain == b->domain;
}

/* What they have in memory, and their array. */
void profile_pieces_free(struct profile_piece *pieces, size_t count);

/* An empty profile (stacks[0] is there). Free with profile_close(). NULL without
 * memory. */
struct profile *profile_new(void);

/* Frees the sites, and what they own: for who has taken what it needs of them. */
void profile_drop_sites(struct profile *p);

/* Frees all but the sites, and what they own. */
void profile_keep_sites(struct profile *p);

/* Frees it and all it owns. NULL is fine. */
void profile_close(struct profile *p);

static inline void profile_closep(struct profile **p)
{
	profile_close(*p);
}
