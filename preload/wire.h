/*
 * wire.h - the shared memory between traced processes and their collector.
 *
 * One memfd serves a whole tree of forks. The collector makes it, sizes it to
 * WIRE_BYTES (sparse) and hands it over a Unix socket; every traced process maps
 * all of it. Where address space is scarce either has a shorter one, with fewer rings.
 * Offsets are constants of this version: nobody trusts an offset read from it.
 *
 *	header | processes | ring controls | modules | names | tree index | tree nodes |
 *	tree links | Python's code | rings
 *
 * The target can scribble over all of it. The collector copies what it reads,
 * checks the copy, and never reads a thing twice.
 *
 * This is the only header that preload/ and cli/ share.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WIRE_MAGIC 0x31656e696c706168ull /* "hapline1", little-endian */
#define WIRE_VERSION 7u

/* Names in a target's environment. */
#define WIRE_ENV_SESSION "HEAPLINE_SESSION" /* "NAME:TOKEN", set by `heapline run` */
#define WIRE_ENV_OPTIONS "HEAPLINE_OPTIONS" /* options of a bare LD_PRELOAD */
#define WIRE_COLLECTOR_FD 3 /* the socket that a started collector finds open */

enum wire_limit {
	WIRE_PROCESSES = 4096,	     /* process slots; reused after a process ended */
	WIRE_RINGS = 4096,	     /* concurrent recorded threads of the whole tree */
	WIRE_MODULES = 4096,	     /* distinct files ever seen */
	WIRE_NAMES = 1024,	     /* distinct names that programs give to moments */
	WIRE_NAME_BYTES = 60,	     /* of one, its NUL included; the rest is cut off */
	WIRE_REGIONS = 4096,	     /* root regions of one process at once */
	WIRE_NODES = 1 << 23,	     /* stack tree nodes */
	WIRE_RING_BYTES = 512 << 10, /* event slots of one ring */
	WIRE_SCRATCH_BYTES = 1792 << 10, /* behind each ring: its producer's own */
	WIRE_TOKEN_BYTES = 16,
	WIRE_SESSION_BYTES = 192,
	WIRE_BUILD_ID_BYTES = 32,
	WIRE_THREAD_NAME_BYTES = 16,
	WIRE_PROBE = 8,	  /* tree index slots looked at in each level */
	WIRE_LOOPS = 512, /* functions that run Python code */
	WIRE_CODES =
		1 << 18, /* distinct Python code objects; number 0 is "not known" */
	WIRE_CODE_SLOTS = 1 << 19,
	WIRE_CODE_BYTES = 64 << 20, /* of all of them */
	WIRE_CODE_MAX = 256 << 10,  /* of one */
};

/*
 * Beside each node of the tree are words that link it with others, and for nodes that
 * have many children there is an index. What either holds is tree.c's own: nobody else
 * reads it.
 *
 * The tree index is a cascade of hash tables, each eight times the one before, so
 * that it touches memory in proportion to what is in it. A key lives in the first
 * level whose window of WIRE_PROBE slots has room. Slots never empty again, hence a
 * free slot in a window proves that the key is in no deeper level.
 */
enum wire_index {
	WIRE_INDEX_LEVELS = 4,
	WIRE_INDEX_FIRST_BITS = 14, /* slots of level 0, log2; +3 for each level */
	WIRE_INDEX_SLOTS = (1 << 14) + (1 << 17) + (1 << 20) + (1 << 23),
	WIRE_LINKS = 2, /* words beside each node: see tree.c */
};

/* ---- the header ---------------------------------------------------------- */

enum wire_flag { /* wire_header.flags, constant once the memfd is handed over */
	WIRE_FREE_STACKS = 1u << 0, /* record stacks of frees too */
	WIRE_LOSSY = 1u << 1,	    /* a full ring drops and counts, never waits */
	WIRE_CLOCK_TSC = 1u << 2,   /* stamps are rdtsc, or 16 cntvct, else ns */
	WIRE_NO_FOLLOW = 1u << 3,   /* fork children are not recorded */
	WIRE_SCAN_AT_EXIT = 1u << 4, /* who ends waits for its memory to be read */
	WIRE_NATIVE_ONLY = 1u << 5,  /* no Python frames */
	WIRE_PYTHON_ONLY = 1u << 6,  /* no native frames where there are Python's */
	WIRE_NO_OBJECTS = 1u << 7,   /* of Python, blocks of malloc alone */
	WIRE_MARKS = 1u << 8,	     /* a script wants memory_profiler's decorator */
	/* And a snapshot before Python is taken down, beside WIRE_SCAN_AT_EXIT. */
	WIRE_SCAN_FINALISATION = 1u << 9,
};

enum wire_recording { /* wire_header.recording; PAUSED is below all others */
	WIRE_PAUSED = 0,    /* before --delay, after --duration */
	WIRE_RECORDING = 1,
	WIRE_ABANDONED = 2, /* a target declared the collector unresponsive: final */
	WIRE_ASKING = 3,    /* recording, and some process's `ask` is set */
};

/*
 * Laid out as glibc's robust mutexes, so that the kernel marks the word when its
 * owner dies (Documentation/locking/robust-futex-ABI.rst): the list link sits 32
 * bytes behind the lock word, which is what glibc registers as futex_offset.
 */
struct wire_robust {
	_Atomic uint32_t word; /* owner's tid; FUTEX_OWNER_DIED set by the kernel */
	uint32_t pad[5];
	uint64_t prev; /* &next of the previous entry, in the owner's addresses */
	uint64_t next;
};
_Static_assert(offsetof(struct wire_robust, next) == 32, "glibc's futex_offset");

struct wire_header {
	uint64_t magic;
	uint32_t version;
	uint32_t flags; /* enum wire_flag */
	uint32_t scan_wait_ms; /* at most, of WIRE_SCAN_AT_EXIT; constant like flags */
	/* Record about one allocation in so many bytes (sample.h); 0: all. Constant
	 * once the memfd is handed over. */
	uint64_t sample;

	/* Written by the collector. */
	_Alignas(64) _Atomic uint32_t recording; /* enum wire_recording */
	_Alignas(64) struct wire_robust collector; /* held for the collector's life */
	_Atomic uint64_t heartbeat;		   /* grows with every pass */

	/* A futex. WIRE_ASLEEP: the collector sleeps. A producer that crosses a doorbell
	 * mark in its ring, or waits for room, swaps it to 0 and wakes the collector.
	 * WIRE_NAPS: it will be back before a ring is full. */
	_Alignas(64) _Atomic uint32_t asleep;

	/* Written by the targets. */
	_Alignas(64) _Atomic uint32_t
		nodes_used; /* nodes handed out; id 0 is the root */
	_Atomic uint32_t modules_used;		  /* entry 0 is "no module" */
	_Atomic uint32_t serial; /* handed out to processes, from 1 */
	/* Process slots ever changed by a target: added to (release) after the change,
	 * so that the collector need not look at all slots. */
	_Atomic uint32_t changes;
	/* Process slots that were ever taken, by anybody: no other one needs a look. Said
	 * before the slot's change is. */
	_Atomic uint32_t slots_used;
	/* Rings ever claimed: added to (release) after a ring's state became LIVE and
	 * before its first event, so that the collector need not look at all rings. */
	_Atomic uint32_t claims;
	_Atomic uint32_t rings_used; /* as slots_used */
	/* Scans ever asked for: added to (release) after a slot's scan became ASKED. */
	_Atomic uint32_t scans;
	_Atomic uint32_t loops_used;  /* entries of wire_loop() handed out */
	_Atomic uint32_t codes_used;  /* numbers of code objects handed out, below 1: none */
	_Atomic uint64_t code_bytes;  /* of the room for code objects, handed out */
	_Atomic uint64_t cut_stacks; /* stacks cut because the tree was full */
	_Atomic uint64_t unrung;     /* events lost: every ring was taken */
};

/* ---- processes ----------------------------------------------------------- */

enum wire_process_state {
	WIRE_PROCESS_FREE = 0,
	WIRE_PROCESS_CLAIMED = 1, /* fields are being written */
	WIRE_PROCESS_LIVE = 2, /* until the collector has seen its end: then FREE */
	WIRE_PROCESS_BORN = 3, /* a fork child that has recorded nothing: will be LIVE */
	/* About a process without a slot of its own (a vfork child, a spawned one): it
	 * executes a program. The collector frees it. */
	WIRE_PROCESS_WORD = 4,
	WIRE_PROCESS_VOID = 5, /* a word taken back: the program was not executed */
};

#define WIRE_EXITED 0x100u

enum wire_scan { /* wire_process.scan */
	WIRE_SCAN_NONE = 0,
	WIRE_SCAN_ASKED = 1, /* a thread of the process stands and waits (a futex) */
	WIRE_SCAN_DONE = 2,  /* the collector has read it, or will not */
	WIRE_SCAN_CLAIMED = 3, /* by a thread that writes what it asks */
};

enum wire_scan_kind { /* wire_process.scan_kind */
	WIRE_SCAN_AT_END = 0,	/* the process ends; it waits until it was read */
	WIRE_SCAN_SNAPSHOT = 1, /* the program asks: the same */
	WIRE_SCAN_LEAKS = 2,	/* it waits for the answer: how many blocks nobody holds */
	WIRE_SCAN_KINDS
};

/* What a process executes. Whoever does not come to shake hands was not followed. */
enum wire_exec {
	WIRE_EXEC_NONE = 0,
	WIRE_EXEC_EXPECTED = 1,	  /* nothing is known against it */
	WIRE_EXEC_STATIC = 2,	  /* no loader runs in it */
	WIRE_EXEC_FOREIGN = 3,	  /* of another machine or word size than the shim */
	WIRE_EXEC_OTHER_LIBC = 4, /* its loader is not glibc's */
	WIRE_EXEC_SECURE = 5,	  /* changes privileges: preloads are ignored */
	WIRE_EXEC_NO_SHIM = 6,	  /* the shim's file is not in its root */
	WIRE_EXEC_CONFINED = 7,	  /* under a seccomp filter that may kill for our calls */
	WIRE_EXEC_APART = 8,	  /* in a network namespace without the session's socket */
	WIRE_EXEC_UNMAPPED = 9,	  /* it came, and could not map the memory (no word) */
	WIRE_EXEC_SANITIZED = 10, /* its AddressSanitizer insists on coming first */
	WIRE_EXECS
};

struct wire_process {
	_Alignas(64) _Atomic uint32_t state;
	uint32_t pid;		/* as the process itself sees it */
	uint32_t serial;	/* never reused in a session; from 1 */
	uint32_t parent_serial; /* the process it was forked from; 0: exec'd afresh */
	uint64_t start_stamp;	/* of the fork, or of the word */
	/* Blocks and bytes that the shim knows it could not record, with why. */
	_Atomic uint32_t notes; /* enum wire_note, or'ed */
	/* enum wire_exec, stored (release) behind the path. Taken back where the
	 * program could not be executed. */
	_Atomic uint32_t exec;
	/* WIRE_EXITED | status, once it is about to end of its own will. */
	_Atomic uint32_t exited;
	/* 1: the collector asks for a WIRE_ACCOUNT; whoever gives it takes this back. */
	_Atomic uint32_t ask;
	/* 1: at exit it would take too long to answer. Of the collector. */
	_Atomic uint32_t dear;
	_Atomic uint32_t account_us; /* what the last answer took */
	_Atomic uint32_t scan;	   /* enum wire_scan */
	uint32_t scan_tid;	   /* who ends the process, as it sees itself */
	uint64_t scan_sp; /* frames below are of the exit; 0: not known */
	uint32_t scan_kind; /* enum wire_scan_kind */
	uint32_t scan_name; /* index of a wire_name; 0: none */
	/* Of the collector, before DONE: -1 not scanned; else 0, or what was asked. */
	int64_t scan_result;
	uint64_t regions; /* address of its struct wire_region[WIRE_REGIONS]; 0: none */
	/* The CPython in it: its version, and what became of it; see WIRE_PYTHON(). */
	_Atomic uint32_t python;
	uint32_t spare;
	int64_t altstack; /* of struct wire_altstack, from thread pointers; 0: none */
	char exec_path[1024 - 104]; /* cut if it is longer; NUL-terminated */
};
_Static_assert(sizeof(struct wire_process) == 1024, "four slots a page");

/* Whether the last part of a path names the shim, in either of its forms. */
static inline bool wire_is_shim(const char *base)
{
	return !strcmp(base, "libheapline.so") || !strcmp(base, "libheapline-cxx.so");
}

enum wire_note {
	WIRE_NOTE_OWN_MALLOC = 1u << 0, /* the program defines malloc itself */
	WIRE_NOTE_NO_RING = 1u << 1,	/* more threads at once than rings */
	WIRE_NOTE_NO_UNWIND = 1u << 2,	/* stacks are guessed by frame pointers */
	WIRE_NOTE_CONFINED = 1u << 3,	/* events lost behind a seccomp filter */
	WIRE_NOTE_MAPPED = 1u << 4,	/* no fault: it has mapped the memory */
	WIRE_NOTE_OWN_NEW = 1u << 5,	/* its allocator's own operators new are unseen */
};

enum wire_python { /* why Python's frames are recorded, or not */
	WIRE_PYTHON_NONE = 0, /* no interpreter was met */
	WIRE_PYTHON_ON = 1,
	WIRE_PYTHON_NEW = 2,	   /* a version whose layout is not known */
	WIRE_PYTHON_SYMBOLS = 3,   /* it lacks symbols that are needed */
	WIRE_PYTHON_BUILD = 4,	   /* objects begin unlike a usual build's: free-threaded */
	WIRE_PYTHON_CHECK = 5,	   /* its frames were not where they should be */
	WIRE_PYTHON_MEMORY = 6,	   /* no memory for what is known of code objects */
	WIRE_PYTHONS
};

/* Or'ed to it: its object allocators are recorded, too. */
#define WIRE_PYTHON_OBJECTS (1u << 24)

/* version: major << 8 | minor. */
#define WIRE_PYTHON(version, why) ((uint32_t)(version) << 8 | (uint32_t)(why))

/* ---- modules -------------------------------------------------------------
 * Written by the shim when the first return address inside a mapped ELF file is
 * met; found again by what it has, wherever another process has it: addresses here and
 * in nodes are the file's own, of its program headers. So all processes of a program
 * have the same nodes. (Without a build-id a file of the same path may be another one by
 * now: then its inode and times count, too.)
 *
 * A node names its module, so an address reused after dlclose is never taken for what
 * was there before.
 */
struct wire_module {
	_Atomic uint32_t ready; /* 1 once the rest is written (release) */
	uint32_t build_id_len;	/* 0: none */
	uint64_t start, end;	/* what is mapped of it, or one segment with code */
	uint64_t version; /* without a build-id: tells it from others of its path */
	uint32_t process_serial; /* that saw it first */
	uint32_t path_len;
	unsigned char build_id[WIRE_BUILD_ID_BYTES];
	char path[4096 -
		  72]; /* as the loader has it; of the executable, /proc/self/exe's */
};
_Static_assert(sizeof(struct wire_module) == 4096, "one page a module");

/* ---- names ---------------------------------------------------------------
 * What programs call moments and snapshots (heapline.h). Entry 0 is no name; two may be
 * equal (a lost race). Like modules, they are never taken back.
 */
enum wire_name_state { WIRE_NAME_FREE = 0, WIRE_NAME_CLAIMED = 1, WIRE_NAME_READY = 2 };

struct wire_name {
	_Atomic uint32_t state; /* enum wire_name_state; READY (release) after the text */
	char text[WIRE_NAME_BYTES]; /* NUL-terminated */
};
_Static_assert(sizeof(struct wire_name) == 64, "one cache line a name");

/* In the process's own memory, not in this: a root region, free if end is 0. */
struct wire_region {
	_Atomic uint64_t start, end;
};

/* Thread-local in the process: the thread's signal stack, as sigaltstack(2) has it. */
struct wire_altstack {
	_Atomic uint64_t start, bytes; /* 0, 0: none */
	_Atomic uint32_t flags;	       /* SS_AUTODISARM */
	_Atomic uint32_t changing;     /* 1: the call is under way */
};

/* ---- the stack tree ------------------------------------------------------
 * Node 0 is the root. A stack is named by the node of its innermost frame. Parents
 * are handed out before their children, so parent < id: no cycles. Two nodes may
 * have equal contents (a lost race): readers treat them as one.
 *
 * pc is a return address, except in a frame that a signal interrupted
 * (WIRE_NODE_EXACT): there it is the interrupted instruction itself. It is an address of
 * its module, or of the process where there is none.
 */
struct wire_node {
	uint64_t pc_flags; /* pc in the low 48 bits, enum wire_node_flag above */
	uint32_t parent;
	uint32_t module; /* index of a wire_module; 0: code that no file maps */
};

enum wire_node_flag {
	WIRE_NODE_EXACT = 1u << 0, /* pc is an instruction, not a return address */
	WIRE_NODE_GUESSED = 1u
			    << 1, /* found by a frame pointer, not by unwind tables */
	WIRE_NODE_CUT = 1u << 2,  /* pseudo frame: frames left out here (pc = why) */
	/* Python's: see below. */
	WIRE_NODE_PYTHON = 1u << 3,
	WIRE_NODE_ENTRY = 1u << 4,
	WIRE_NODE_PAIR = 1u << 5,
};

enum wire_cut { /* pc of a WIRE_NODE_CUT node */
	WIRE_CUT_DEPTH = 1,  /* the middle of a very deep stack */
	WIRE_CUT_LOST = 2,   /* unwinding could not go on */
	WIRE_CUT_FULL = 3,   /* the tree has no room for more nodes */
};

#define WIRE_PC_BITS 48
#define WIRE_PC_MASK ((1ull << WIRE_PC_BITS) - 1)

/* ---- Python ----------------------------------------------------------------
 * A thread that runs Python code has two stacks: of native frames, and of frames that
 * one interpreter function, the evaluation loop, keeps in memory of its own. Both are
 * chains of the tree. In a Python frame's node, module is the number of a code object
 * and pc an offset into its instructions (WIRE_PC_MASK: not begun, or not known).
 * Those that one call of the loop runs end, outermost, in one with WIRE_NODE_ENTRY.
 *
 *	WIRE_NODE_PAIR	parent: node of the native stack, pc: of the Python stack
 *
 * So an event's stack is one number (or a Python stack alone: WIRE_PYTHON_ONLY), and
 * whoever reads it puts the two together: each run of Python frames stands for the
 * native frame of its loop, the innermost for the innermost. Native frames of the loop
 * are those whose pc is in a wire_loop.
 */
struct wire_loop {
	_Atomic uint32_t ready; /* 1 once the rest is written (release) */
	uint32_t module;
	uint64_t start, end; /* of a function, or of a part of it, in its file */
};

/* A code object: three texts follow. Two never have the same contents, but for a lost
 * race. */
struct wire_code {
	uint32_t version; /* of the interpreter, major << 8 | minor */
	uint32_t first_line;
	uint32_t file_len, name_len; /* UTF-8 */
	uint32_t lines_len;	     /* the line table, as the interpreter has it */
	unsigned char text[];
};

/* ---- events --------------------------------------------------------------
 * A ring is an array of slots. Its producer reserves the next one or two by adding to
 * `reserved` (one instruction, so that a signal handler may do the same in between),
 * fills it, and commits by storing its first word with release. The first word
 * carries the lap: whatever an earlier lap left there does not count. The consumer
 * stops at the first slot that is not committed; behind a dead owner, or one that
 * came back by siglongjmp (it writes WIRE_NOP), there is none left over.
 *
 *	word 0	address (48 bits) | type (8 bits) | lap (8 bits)
 *	word 1	stack, a node id (24 bits) | size (18 bits) | time (22 bits)
 *
 * Of the stamp, in units of WIRE_TIME_UNIT ticks, the time has the lower bits: it is less
 * than WIRE_TIME_RANGE behind that of the ring's event before. What is larger, or later,
 * or an owner's first event, or a signal handler's, or comes behind one that others were
 * put in the middle of, takes two slots. The type of the first has WIRE_LONG, and it is
 * committed last:
 *
 *	word 1	stamp
 *	word 2	size (48 bits) | WIRE_MORE | lap
 *	word 3	stack (24 bits)
 *
 * Of a chunk's event the size has 40 bits; above it and above the stack are the upper 8
 * and the lower 40 bits of its pool. A slot of WIRE_MORE by itself means nothing: its
 * first one was never committed.
 */
struct wire_slot {
	_Atomic uint64_t head;
	_Atomic uint64_t rest;
};
_Static_assert(sizeof(struct wire_slot) == 16, "four slots a cache line");

enum { WIRE_LONG_BYTES = 2 * sizeof(struct wire_slot) };

enum wire_type {
	WIRE_NOP = 0,
	WIRE_ALLOC = 1, /* address, size: after the real allocation */
	WIRE_FREE = 2,	/* address: before the real free */
	/* Before a realloc of address (not NULL). The block belongs to nobody until
	 * the same thread's WIRE_REALLOC_END: another thread may be given the
	 * address in between. Ends nest by signal handlers only, innermost first. */
	WIRE_REALLOC_BEGIN = 3,
	/* After it: address is the new block, size its size. Address 0 with size 0
	 * is realloc(p, 0) that freed p; address 0 with size > 0 is a failure, and
	 * the old block stands. */
	WIRE_REALLOC_END = 4,
	WIRE_MMAP = 5,		/* address, size: after; replaces what it overlaps */
	WIRE_MUNMAP = 6,	/* address, size: before */
	WIRE_MUNMAP_FAILED = 7, /* the same thread's last WIRE_MUNMAP did nothing */
	/* address: serial of the child to be; before the fork. Or the process's own:
	 * nobody told of its fork, which was before this. */
	WIRE_FORK = 8,
	WIRE_WAITED = 9, /* address: pid of a child, size: its status, of waitpid() */
	/* What the allocator says: address: bytes in use, its own overhead included;
	 * size: bytes that it has of the system. Asked for, or from an exit handler. */
	WIRE_ACCOUNT = 10,
	WIRE_ACCOUNT_AT_EXIT = 11,
	/* The block at address is no leak, nor what it alone holds: until it is freed. */
	WIRE_IGNORE = 12,
	WIRE_MARK =
		13, /* address: index of a wire_name. The program names the moment */
	/* address: a block that is taken down with its owner, an interpreter, before the
	 * real free. It was alive at the end, and stays in the counters. */
	WIRE_GONE = 14,
	/* Of an allocator of the program's own (heapline.h). A pool is an address that the
	 * program chose; of these two it is in `address`. */
	WIRE_POOL_CREATE = 15,
	WIRE_POOL_DESTROY = 16, /* and all its chunks are free */
	/* address: the chunk, size: below 1 << WIRE_POOL_BITS; and its pool. Two slots. */
	WIRE_POOL_ALLOC = 17, /* before the program has it */
	WIRE_POOL_FREE = 18,  /* before anybody else can */
	WIRE_MORE = 19,	      /* the second slot of an event */
	/* An arena of Python's for its objects, however it was had: address, size, to the
	 * byte. Else as WIRE_MMAP and WIRE_MUNMAP, which may take one away as well. */
	WIRE_ARENA = 20,
	WIRE_ARENA_FREE = 21,
	/* address: a block that is freed next, size: what the Python object in it says
	 * (python_value.h). Of some frees. */
	WIRE_VALUE = 22,
	WIRE_TYPES,
	WIRE_LONG = 128, /* added to it: the event has a second slot */
};

#define WIRE_SIZE_BITS 48
#define WIRE_SIZE_MASK ((1ull << WIRE_SIZE_BITS) - 1)
#define WIRE_STACK_BITS 24
#define WIRE_STACK_MASK ((1u << WIRE_STACK_BITS) - 1)
_Static_assert(WIRE_NODES <= WIRE_STACK_MASK, "a node id is a stack");

/* An event of one slot: sizes below this, and times. Some 5 to 16 nanoseconds are a unit:
 * 16 of the stamp counter's ticks, or of the kernel's clock. Others' counters are as slow
 * as that by themselves, so their stamps are sixteenths of a tick: what is here must not
 * depend on the machine, for a shim may be another one's (by way of an emulator) than its
 * collector. */
#define WIRE_SHORT_BITS 18
#define WIRE_SHORT_SIZE (1ull << WIRE_SHORT_BITS)
#define WIRE_TIME_AT (WIRE_STACK_BITS + WIRE_SHORT_BITS)
#define WIRE_TIME_SHIFT 4
#define WIRE_TIME_UNIT (1ull << WIRE_TIME_SHIFT)
#define WIRE_TIME_RANGE (1ull << (63 - WIRE_TIME_AT + WIRE_TIME_SHIFT))

/* Stamps are whole units: one that was told by its lower bits is what it was. */
static inline uint64_t wire_stamp(uint64_t ticks)
{
	return ticks & ~(WIRE_TIME_UNIT - 1);
}

/* In the place of the stamp before that is not known: none is within the range of it. */
#define WIRE_NO_BASE (1ull << 63)

/* May it be an event of one slot? before: the stamp of the one before. */
static inline bool wire_is_short(uint64_t stamp, uint64_t before, uint64_t size)
{
	return stamp - before < WIRE_TIME_RANGE && size < WIRE_SHORT_SIZE;
}

static inline uint64_t wire_short(uint64_t stamp, uint64_t size, uint32_t stack)
{
	return stack | size << WIRE_STACK_BITS |
	       stamp >> WIRE_TIME_SHIFT << WIRE_TIME_AT;
}

static inline uint64_t wire_short_size(uint64_t rest)
{
	return rest >> WIRE_STACK_BITS & (WIRE_SHORT_SIZE - 1);
}

static inline uint64_t wire_short_stamp(uint64_t rest, uint64_t before)
{
	uint64_t later = (rest >> WIRE_TIME_AT) - (before >> WIRE_TIME_SHIFT);

	/* Or a little earlier, if the base was not the last event's. */
	return before + ((int64_t)(later << WIRE_TIME_AT) >>
			 (WIRE_TIME_AT - WIRE_TIME_SHIFT));
}

/* Words 2 and 3 of one of two slots, the former but for what wire_head() adds. pool: 0,
 * or a chunk's. */
#define WIRE_POOL_BITS 40 /* of a chunk's size, and of a pool's lower part */
#define WIRE_CHUNK_MASK ((1ull << WIRE_POOL_BITS) - 1)

static inline uint64_t wire_long_size(uint64_t size, uint64_t pool)
{
	uint64_t most = pool ? WIRE_CHUNK_MASK : WIRE_SIZE_MASK;

	return (size < most ? size : most) | pool >> WIRE_POOL_BITS << WIRE_POOL_BITS;
}

static inline uint64_t wire_long_rest(uint32_t stack, uint64_t pool)
{
	return stack | pool << WIRE_STACK_BITS;
}

static inline uint64_t wire_long_pool(uint64_t size, uint64_t rest)
{
	return (size & WIRE_SIZE_MASK) >> WIRE_POOL_BITS << WIRE_POOL_BITS |
	       rest >> WIRE_STACK_BITS;
}

/* Lap of the slot at byte cursor c: 128..255, so that fresh zeroes never match. */
static inline uint64_t wire_lap(uint64_t cursor)
{
	return (cursor / WIRE_RING_BYTES & 127) | 128;
}

static inline uint64_t wire_head(uint64_t address, enum wire_type type, uint64_t cursor)
{
	return (address & WIRE_PC_MASK) | ((uint64_t)type << 48) |
	       wire_lap(cursor) << 56;
}

/* How many blocks of its size a recorded malloc block stands for: see sample.h. */
static inline uint64_t wire_weight(uint64_t interval, uint64_t size)
{
	if (__builtin_expect(interval <= size || !size, 1))
		return 1;
	return (interval + size - 1) / size;
}

enum wire_sleep { WIRE_AWAKE = 0, WIRE_ASLEEP = 1, WIRE_NAPS = 2 };

enum wire_ring_state {
	WIRE_RING_FREE = 0,
	WIRE_RING_CLAIMED = 1, /* by compare-and-exchange; fields being written */
	WIRE_RING_LIVE = 2,    /* has an owner, until the collector frees it */
};

/*
 * Cursors count bytes since the ring's creation and carry on from owner to owner.
 * Invariant: head <= reserved, and reserved - head <= WIRE_RING_BYTES except while a
 * producer waits for its slot to become free.
 */
struct wire_ring {
	/* Producer's line. Plain stores by one thread; the consumer reads. */
	_Alignas(64) _Atomic uint64_t reserved;
	_Atomic uint64_t lost;	    /* events dropped (lossy, or abandoned) */
	_Atomic uint64_t held_back; /* stamp ticks spent waiting for room */
	_Atomic uint32_t waiting;   /* 1: the owner sleeps on `room` */

	/* Consumer's line. */
	_Alignas(64) _Atomic uint64_t head; /* bytes consumed */
	_Atomic uint32_t room;		    /* futex, bumped when head moved */

	/* Written at claim; owner.word tells the owner's death. */
	_Alignas(64) _Atomic uint32_t state; /* enum wire_ring_state */
	uint32_t process;		     /* slot of the owner's process */
	uint32_t process_serial;
	uint32_t tid;
	char name[WIRE_THREAD_NAME_BYTES];
	_Alignas(64) struct wire_robust owner; /* word 0: not registered, ask by tid */
};
_Static_assert(sizeof(struct wire_ring) == 256, "ring control");

/* ---- layout -------------------------------------------------------------- */

#define WIRE_AT_PROCESSES 4096ull
#define WIRE_AT_RINGS (WIRE_AT_PROCESSES + WIRE_PROCESSES * sizeof(struct wire_process))
#define WIRE_AT_MODULES (WIRE_AT_RINGS + WIRE_RINGS * sizeof(struct wire_ring))
#define WIRE_AT_MODULE_KEYS                                                            \
	(WIRE_AT_MODULES + WIRE_MODULES * sizeof(struct wire_module))
#define WIRE_AT_NAMES (WIRE_AT_MODULE_KEYS + WIRE_MODULES * sizeof(uint32_t))
#define WIRE_AT_INDEX (WIRE_AT_NAMES + WIRE_NAMES * sizeof(struct wire_name))
#define WIRE_AT_NODES (WIRE_AT_INDEX + WIRE_INDEX_SLOTS * sizeof(uint32_t))
#define WIRE_AT_LINKS (WIRE_AT_NODES + WIRE_NODES * sizeof(struct wire_node))
#define WIRE_AT_LOOPS (WIRE_AT_LINKS + WIRE_NODES * sizeof(uint32_t) * WIRE_LINKS)
#define WIRE_AT_CODE_INDEX (WIRE_AT_LOOPS + WIRE_LOOPS * sizeof(struct wire_loop))
#define WIRE_AT_CODE_SLOTS (WIRE_AT_CODE_INDEX + WIRE_CODES * sizeof(uint32_t))
#define WIRE_AT_CODES (WIRE_AT_CODE_SLOTS + WIRE_CODE_SLOTS * sizeof(uint32_t))
#define WIRE_AT_DATA (WIRE_AT_CODES + WIRE_CODE_BYTES)
#define WIRE_DATA_STRIDE ((uint64_t)WIRE_RING_BYTES + WIRE_SCRATCH_BYTES)
#define WIRE_BYTES WIRE_BYTES_OF(WIRE_RINGS)
/* With so many rings. */
#define WIRE_BYTES_OF(rings) (WIRE_AT_DATA + (rings) * WIRE_DATA_STRIDE)
_Static_assert(sizeof(struct wire_header) <= WIRE_AT_PROCESSES, "header page");
_Static_assert(WIRE_AT_DATA % 4096 == 0, "rings are mapped page by page");

/* How many rings a memory of so many bytes has, at most WIRE_RINGS. */
static inline uint32_t wire_rings(uint64_t bytes)
{
	uint64_t rings =
		bytes < WIRE_AT_DATA ? 0 : (bytes - WIRE_AT_DATA) / WIRE_DATA_STRIDE;

	return rings < WIRE_RINGS ? (uint32_t)rings : (uint32_t)WIRE_RINGS;
}

/* For the n-th try: all of them, then ever fewer; 0: there is no further one. */
static inline uint32_t wire_rings_to_try(int n)
{
	static const uint32_t tries[] = {WIRE_RINGS, 512, 64, 8};

	return n < (int)(sizeof(tries) / sizeof(*tries)) ? tries[n] : 0;
}

static inline struct wire_process *wire_process(void *base, uint32_t slot)
{
	return (struct wire_process *)((char *)base + WIRE_AT_PROCESSES) + slot;
}

/* relaxed: what makes it looked at is released behind this. */
static inline void wire_use(_Atomic uint32_t *used, uint32_t number)
{
	uint32_t is = atomic_load_explicit(used, memory_order_relaxed);

	while (is <= number && !atomic_compare_exchange_weak_explicit(
				       used, &is, number + 1, memory_order_relaxed,
				       memory_order_relaxed))
		;
}

/* How many from the first on may be in use; a target may have written anything. */
static inline uint32_t wire_used(const _Atomic uint32_t *used, uint32_t most)
{
	uint32_t is = atomic_load_explicit(used, memory_order_relaxed);

	return is < most ? is : most;
}

/* Whoever has taken the slot, or the ring, before its state is another one. */
static inline void wire_use_slot(void *base, uint32_t slot)
{
	wire_use(&((struct wire_header *)base)->slots_used, slot);
}

static inline void wire_use_ring(void *base, uint32_t ring)
{
	wire_use(&((struct wire_header *)base)->rings_used, ring);
}

static inline uint32_t wire_slots_used(const void *base)
{
	return wire_used(&((const struct wire_header *)base)->slots_used,
			 WIRE_PROCESSES);
}

static inline struct wire_ring *wire_ring(void *base, uint32_t ring)
{
	return (struct wire_ring *)((char *)base + WIRE_AT_RINGS) + ring;
}

static inline struct wire_module *wire_module(void *base, uint32_t module)
{
	return (struct wire_module *)((char *)base + WIRE_AT_MODULES) + module;
}

/* Of each module a hash of what it has, for the shim alone; 0: it is not ready. */
static inline _Atomic uint32_t *wire_module_keys(void *base)
{
	return (_Atomic uint32_t *)((char *)base + WIRE_AT_MODULE_KEYS);
}

static inline struct wire_name *wire_name(void *base, uint32_t name)
{
	return (struct wire_name *)((char *)base + WIRE_AT_NAMES) + name;
}

static inline _Atomic uint32_t *wire_index(void *base)
{
	return (_Atomic uint32_t *)((char *)base + WIRE_AT_INDEX);
}

static inline struct wire_node *wire_node(void *base, uint32_t node)
{
	return (struct wire_node *)((char *)base + WIRE_AT_NODES) + node;
}

static inline struct wire_loop *wire_loop(void *base, uint32_t loop)
{
	return (struct wire_loop *)((char *)base + WIRE_AT_LOOPS) + loop;
}

static inline _Atomic uint32_t *wire_links(void *base, uint32_t node)
{
	return (_Atomic uint32_t *)((char *)base + WIRE_AT_LINKS) +
	       (size_t)node * WIRE_LINKS;
}

/* Of a code object's number: where it begins, in units of 8 bytes; 0: not there yet. */
static inline _Atomic uint32_t *wire_code_at(void *base, uint32_t code)
{
	return (_Atomic uint32_t *)((char *)base + WIRE_AT_CODE_INDEX) + code;
}

/* A hash table by contents: numbers of code objects. */
static inline _Atomic uint32_t *wire_code_slots(void *base)
{
	return (_Atomic uint32_t *)((char *)base + WIRE_AT_CODE_SLOTS);
}

static inline unsigned char *wire_codes(void *base)
{
	return (unsigned char *)base + WIRE_AT_CODES;
}

static inline unsigned char *wire_data(void *base, uint32_t ring)
{
	return (unsigned char *)base + WIRE_AT_DATA + ring * WIRE_DATA_STRIDE;
}

static inline unsigned char *wire_scratch(void *base, uint32_t ring)
{
	return wire_data(base, ring) + WIRE_RING_BYTES;
}

/* ---- the handshake, over a SOCK_SEQPACKET socket ------------------------- */

struct wire_hello { /* target to collector */
	uint64_t magic;
	uint32_t version;
	uint32_t pid; /* as the process sees itself */
	unsigned char token[WIRE_TOKEN_BYTES];
};

enum wire_answer {
	WIRE_WELCOME = 0,     /* a memfd comes along (SCM_RIGHTS) */
	WIRE_BAD_TOKEN = 1,
	WIRE_BAD_VERSION = 2, /* shim and collector of different releases */
	WIRE_FULL = 3,	      /* no process slot left */
	WIRE_NOT_WANTED = 4,  /* --no-follow, --only: not this program */
};

struct wire_welcome { /* collector to target */
	uint64_t magic;
	uint32_t version;
	uint32_t answer;	 /* enum wire_answer */
	uint32_t process;	 /* slot made for it, LIVE already */
	uint32_t process_serial;
	/* "NAME:TOKEN" for programs that the process executes; "" is none. */
	char session[WIRE_SESSION_BYTES];
};
