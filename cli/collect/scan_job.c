#include "cli/collect/scan_job.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/kernel.h"
#include "cli/collect/procfs.h"
#include "cli/collect/scan_names.h"
#include "cli/heap/mappings.h"
#include "cli/heap/memory.h"
#include "cli/heap/cpython.h"
#include "cli/heap/pools.h"
#include "cli/heap/reach.h"
#include "cli/heap/regions.h"
#include "cli/heap/store.h"
#include "cli/profile/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/sysinfo.h>

enum { EDGE_BYTES = 16 }; /* of memory, roots and the way back included */

#define STOP_NS 1000000000ull /* a thread that does not stop for that long runs on */
#define MAPPING_MAX (4ull << 30)

void scan_job_enter(struct scan_job *j, enum scan_phase phase)
{
	int bell = j->bell; /* the server may be done with the job at once */

	/* release: what was done in the phase before; pairs with scans_look(). */
	atomic_store_explicit(&j->phase, phase, memory_order_release);
	eventfd_write(bell, 1);
}

const char *scan_job_cause(int err)
{
	switch (err) {
	case -EPERM:
	case -EACCES:
		return "the kernel does not allow to trace it: another tracer has it, "
		       "or a security module forbids it";
	case -ESRCH:
		return "it ended while it was being read";
	case -EOVERFLOW:
		return "it holds more references than there is memory for";
	case -ENOMEM:
		return "there was not enough memory";
	default:
		return strerror(-err);
	}
}

static uint64_t memory_free(void)
{
	struct sysinfo info;

	if (sysinfo(&info) < 0)
		return 1ull << 30;
	return (info.freeram + info.bufferram) * (uint64_t)info.mem_unit;
}

/* So that processes full of pointers cannot take all memory. */
static size_t edge_max(const struct scan_job *j)
{
	uint64_t most = HEAP_NONE - 1, n = memory_free() / 2 / EDGE_BYTES / j->share;

	n = n < 1 << 20 ? 1 << 20 : n;
	return (size_t)(n < most ? n : most);
}

/* Its CPython, as the shim has met it: major << 8 | minor; 0: there is none whose
 * objects are known. */
static uint32_t python_of(const struct scan_job *j)
{
	/* relaxed: a word, and of anybody's. */
	uint32_t word = atomic_load_explicit(&j->slot->python, memory_order_relaxed);
	uint32_t version = word >> 8 & 0xffff;

	return (word & 0xff) != WIRE_PYTHON_BUILD && heap_cpython_knows(version)
		       ? version
		       : 0;
}

static bool get(void *context, uint64_t address, void *to, size_t len)
{
	return heap_memory_get(context, address, to, len);
}

static int find_types(struct scan_job *j, struct heap_memory *memory)
{
	_cleanup_(heap_peek_done) struct heap_peek peek = {memory, get, NULL};

	return heap_cpython_find(&j->graph, &j->roots.names, &j->roots.modules, &peek,
				python_of(j));
}

/* And what of them is not in use. */
static int find_altstacks(const struct scan_job *j, struct heap_memory *memory,
			  const struct heap_threads *threads,
			  struct heap_altstacks *ret, struct heap_ranges *ret_unused)
{
	int64_t at = *(const volatile int64_t *)&j->slot->altstack;
	int r = heap_altstacks_read(memory, threads, at, ret);

	return r ? r
		 : heap_altstacks_unused(ret, &j->graph.blocks, memory->maps, threads,
					 ret_unused);
}

/* Edges and roots, out of memory that stands still. */
static int find(struct scan_job *j, const struct heap_source *source,
		struct heap_memory *memory, struct heap_threads *threads,
		const struct heap_ranges *regions)
{
	_cleanup_(heap_ranges_done) struct heap_ranges dead = {0}, unused = {0};
	_cleanup_(heap_altstacks_done) struct heap_altstacks altstacks = {0};
	struct heap_roots_options o = {
		.exiting = j->exiting,
		.exit_sp = j->exit_sp,
		.is_shim = wire_is_shim,
		.kernel = &j->kernel,
		.altstacks = &altstacks,
		.read_max = MAPPING_MAX,
	};
	int r;

	j->graph.edge_max = edge_max(j);
	/* What the other one hands out is not recorded. */
	j->lacking |= heap_maps_second_libc(memory->maps);
	r = heap_modules_find(&j->roots.modules, &j->roots.names, memory);
	if (!r)
		r = scan_frames_take(&j->frames, &j->roots, memory, threads, j->exiting,
				     &o.exit_sp);
	if (!r)
		r = scan_tls_take(&j->tls, &j->roots, memory, threads);
	o.tls = j->tls.parts;
	o.tls_count = j->tls.count;
	o.keys = j->tls.keys;
	if (!r)
		r = heap_mappings_add(&j->graph.blocks, j->mappings, j->mapping_count,
				      memory->maps);
	if (!r)
		r = heap_pools_add(&j->graph.blocks, j->chunks, j->chunk_count);
	j->graph.chunks = j->chunk_count;
	if (!r)
		r = heap_blocks_seal(&j->graph.blocks);
	if (!r)
		r = heap_roots_dead(&j->graph.blocks, threads, &dead);
	if (!r)
		r = find_altstacks(j, memory, threads, &altstacks, &unused);
	j->graph.dead = &dead;
	j->graph.unused = &unused;
	j->graph.block_max = MAPPING_MAX;
	if (!r)
		r = heap_graph_scan(&j->graph, source);
	j->graph.dead = NULL;
	if (!r && j->want.contents)
		r = heap_contents_take(&j->contents, &j->graph.blocks, source);
	if (!r)
		r = heap_roots_find(&j->graph, source, memory, threads, &o, &j->roots);
	j->graph.unused = NULL;
	if (!r)
		r = heap_regions_scan(&j->graph, source, regions, &j->roots);
	return r ? r : find_types(j, memory);
}

void scan_job_answer(struct scan_job *j, int64_t result)
{
	struct wire_process *p = j->slot;
	uint32_t is = WIRE_SCAN_ASKED;

	if (!j->want.waits || p->serial != j->want.serial)
		return;
	j->want.waits = false;
	p->scan_result = result;
	/* release: the process was let go, and the answer is there; pairs with stand().
	 * (It may have given up.) */
	if (atomic_compare_exchange_strong_explicit(&p->scan, &is, WIRE_SCAN_DONE,
						    memory_order_release,
						    memory_order_relaxed))
		kernel_futex_wake(&p->scan);
}

static void let_go(struct scan_job *j, struct heap_threads *threads,
		   uint64_t stopped_ns)
{
	heap_threads_resume(threads);
	j->row.pause_ns = kernel_monotonic_ns() - stopped_ns;
}

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem) < 0)
		;
}

/* With the memory open. One that goes on is copied, if that can be, and let go before
 * anything is looked for. */
static int read_memory(struct scan_job *j, struct heap_memory *memory,
		       struct heap_threads *threads, uint64_t stopped_ns)
{
	_cleanup_(heap_ranges_done) struct heap_ranges regions = {0};
	struct heap_source source = {memory, heap_memory_read};
	uint64_t at = *(const volatile uint64_t *)&j->slot->regions;
	int r = heap_regions_read(memory, at, WIRE_REGIONS, &regions);

	memory->regions = &regions;
	memory->constants = python_of(j) != 0; /* names of types */
	if (!r)
		r = scan_at_end(&j->want) ? -E2BIG
					  : heap_image_take(&j->image, memory, &regions,
							    j->image_max);
	wait_for(&j->known);
	if (!r) {
		memory->image = &j->image;
		let_go(j, threads, stopped_ns);
		if (!j->want.counts)
			scan_job_answer(j, 0);
	}
	wait_for(&j->go);
	if (j->blocks_err || (r && r != -E2BIG && r != -ENOMEM))
		return j->blocks_err ? j->blocks_err : r;
	r = find(j, &source, memory, threads, &regions);
	if (!memory->image)
		let_go(j, threads, stopped_ns);
	return r;
}

/* The thread by which the memory is read: the first one may have ended before others,
 * and has none then. */
static pid_t reader_of(const struct heap_threads *threads)
{
	for (size_t i = 0; i < threads->count; i++)
		if (threads->items[i].stopped)
			return threads->items[i].tid;
	return threads->pid;
}

/* The process is stopped; its blocks are on their way. */
static int read_process(struct scan_job *j, struct heap_threads *threads,
			uint64_t stopped_ns)
{
	_cleanup_(heap_maps_done) struct heap_maps maps = {0};
	struct heap_memory memory;
	pid_t reader = reader_of(threads);
	int r = heap_maps_read(reader, &maps);

	if (!r)
		r = heap_kernel_read(reader, &j->kernel);
	if (r < 0) {
		wait_for(&j->known);
		wait_for(&j->go);
		return r;
	}
	heap_memory_open(&memory, reader, &maps);
	r = read_memory(j, &memory, threads, stopped_ns);
	heap_memory_close(&memory);
	return r;
}

static int put_piece(void *context, const void *data, size_t len)
{
	struct scan_job *j = context;
	int r = array_reserve(&j->pieces, &j->piece_room, j->piece_count + 1);

	if (!r)
		r = profile_piece_make(data, len, &j->pieces[j->piece_count]);
	if (!r)
		j->piece_count++;
	return r;
}

/* Its threads stand. */
static int scan_stopped(struct scan_job *j, struct heap_threads *threads)
{
	uint64_t stopped_ns = kernel_monotonic_ns();
	int r;

	j->row.threads = (uint32_t)threads->count;
	j->row.running = (uint32_t)threads->running;
	scan_job_enter(j, SCAN_STOPPED);
	r = read_process(j, threads, stopped_ns);
	heap_threads_done(threads);
	return r;
}

static int scan(struct scan_job *j)
{
	struct heap_threads threads;
	uint64_t rss = procfs_rss(j->pid);
	int r;

	j->image_max = memory_free() / 2 / j->share;
	if (!scan_at_end(&j->want) && rss < j->image_max)
		heap_image_prepare(&j->image, rss);
	r = heap_threads_stop(&threads, j->pid, STOP_NS);
	return r < 0 ? r : scan_stopped(j, &threads);
}

static int list_unheld(struct scan_job *j, const uint8_t *level)
{
	const struct heap_blocks *b = &j->graph.blocks;

	j->lost = malloc((size_t)(j->unheld + 1) * sizeof(*j->lost));
	if (!j->lost)
		return -ENOMEM;
	for (size_t i = 0; i < b->count; i++)
		if (level[i] == HEAP_UNREACHED && !(b->items[i].flags & HEAP_MAPPED))
			j->lost[j->lost_count++] = (struct engine_suspect){
				b->items[i].address,
				(b->items[i].flags & HEAP_CHUNK) != 0};
	return 0;
}

/* By any pointer, and with what the program ignores. */
static int find_unheld(struct scan_job *j)
{
	const struct heap_graph *g = &j->graph;
	_cleanup_(freep) uint32_t *ignored = NULL;
	_cleanup_(freep) uint8_t *level = malloc(g->blocks.count + 1);
	size_t n = 0;
	int r = level ? heap_graph_flagged(g, HEAP_IGNORED, &ignored, &n) : -ENOMEM;

	if (!r)
		r = heap_reach(g, &heap_levels_any, ignored, n, level);
	if (r)
		return r;
	j->unheld = 0;
	for (size_t i = 0; i < g->blocks.count; i++)
		j->unheld += level[i] == HEAP_UNREACHED &&
			     !(g->blocks.items[i].flags & HEAP_MAPPED);
	return list_unheld(j, level);
}

static void conclude(struct scan_job *j)
{
	if (!j->err)
		j->err = scan_names(&j->graph, &j->roots, &j->frames, &j->tls, j->pid);
	heap_image_done(&j->image);
	heap_pools_settle(&j->graph.blocks);
	if (!j->err)
		heap_graph_seal(&j->graph);
	if (!j->err && !scan_at_end(&j->want))
		j->err = find_unheld(j);
	if (j->err)
		j->cause = scan_job_cause(j->err);
	j->row.scan_ns = kernel_monotonic_ns() - j->started_ns;
	scan_job_enter(j, SCAN_READ); /* the process may go on: it was let go */
}

void *scan_job_run(void *context)
{
	struct scan_job *j = context;

	j->err = scan(j);
	conclude(j);
	return NULL;
}

void scan_job_run_stopped(struct scan_job *j, struct heap_threads *threads)
{
	j->err = threads ? scan_stopped(j, threads) : -ENOMEM;
	conclude(j);
}

void *scan_job_pack(void *context)
{
	struct scan_job *j = context;

	j->err = heap_store(&j->graph, &j->roots, put_piece, j);
	if (!j->err)
		j->err = heap_contents_store(&j->contents, put_piece, j);
	if (j->err)
		j->cause = scan_job_cause(j->err);
	scan_job_enter(j, SCAN_DONE);
	return NULL;
}

void scan_job_close(struct scan_job *j)
{
	profile_pieces_free(j->pieces, j->piece_count);
	heap_graph_done(&j->graph);
	heap_roots_done(&j->roots);
	scan_frames_done(&j->frames);
	scan_tls_done(&j->tls);
	heap_kernel_done(&j->kernel);
	heap_contents_done(&j->contents);
	free(j->mappings);
	free(j->chunks);
	free(j->lost);
	sem_destroy(&j->known);
	sem_destroy(&j->go);
	free(j);
}
