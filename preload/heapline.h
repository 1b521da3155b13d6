/*
 * heapline.h - for programs that tell heapline more than it sees, or ask it something.
 *
 * Nothing needs to be linked: the functions are there when libheapline.so is
 * preloaded, and weak otherwise, so that their address says whether they are. Without
 * it a call costs the test:
 *
 *	HEAPLINE(heapline_mark, ("request"));
 *	HEAPLINE(heapline_disable, ());
 *	if (heapline_recording && heapline_recording())
 *		...
 *
 * (Compile position-independently, as compilers do nowadays: else the linker settles
 * that they are not there.) All may be called from any thread, and do nothing while
 * nothing is recorded. None of them changes errno, or takes a lock.
 */
#ifndef HEAPLINE_H
#define HEAPLINE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HEAPLINE_WEAK __attribute__((weak))

/* Calls the function if it is there: HEAPLINE(heapline_mark, ("name")). */
#define HEAPLINE(function, arguments)                                                  \
	do {                                                                           \
		if (function)                                                          \
			function arguments;                                            \
	} while (0)

/* 1 while this process's heap is being recorded, else 0. */
int heapline_recording(void) HEAPLINE_WEAK;

/* ---- moments ------------------------------------------------------------- */

/* Gives this moment a name, on the profile's time axis: `heapline timeline`. Cheap: may
 * mark each operation of a server. Of the first 1000 different names, 59 bytes count. */
void heapline_mark(const char *name) HEAPLINE_WEAK;

/* Stands still until the process's memory has been read: the heap graph of now goes
 * into the profile, and `heapline path --snapshot NAME` and its kin show it. 0; -1: it
 * could not be read, or nothing is recorded. */
int heapline_snapshot(const char *name) HEAPLINE_WEAK;

/* ---- leaks --------------------------------------------------------------- */

/* Looks for leaks now, and waits for the answer: how many blocks are held by nothing,
 * neither by variables, stacks and registers nor by blocks that are, but for those
 * ignored. -1: it could not look. The graph goes into the profile, as a snapshot. */
long heapline_leak_check(void) HEAPLINE_WEAK;

/* The block that begins at p, and what it alone holds, is no leak, until it is freed (a
 * realloc frees it). */
void heapline_ignore(const void *p) HEAPLINE_WEAK;

/* What this thread allocates until heapline_enable() is ignored in this way. They
 * nest. */
void heapline_disable(void) HEAPLINE_WEAK;
void heapline_enable(void) HEAPLINE_WEAK;

/* Memory that holds blocks though nobody would think so: shared memory, a file, a
 * device's. It is read for pointers until it is taken back, with the same arguments. At
 * most 4096 at once. */
void heapline_root_region(const void *start, size_t bytes) HEAPLINE_WEAK;
void heapline_root_region_end(const void *start, size_t bytes) HEAPLINE_WEAK;

/* ---- pools --------------------------------------------------------------- */

/*
 * An allocator of the program's own takes a block, a mapping or a static array, and
 * gives out parts of it. With these, the parts (chunks) are blocks of their own: with a
 * stack, live until they are freed, held by what points at them, lost if nothing does.
 * They count in a domain of their own, so that no byte counts twice; and what is held
 * holds what it lies in.
 *
 * A pool is called by any address that only it has: of the allocator's own structure,
 * say. It may give out chunks of several blocks. A chunk may be another pool's memory,
 * if that begins with something of its own: no two chunks begin at one address.
 *
 *	void *arena_alloc(struct arena *a, size_t n)
 *	{
 *		void *p = carve(a, n);
 *
 *		HEAPLINE(heapline_alloc, (a, p, n));
 *		return p;
 *	}
 *
 * Call heapline_free() before another thread may be given the same chunk. A chunk that
 * is resized is freed and allocated. Memory goes back (free, munmap) after its chunks
 * have, or after their pool was destroyed: of those left in it nobody knows any more.
 *
 * Wrong calls are counted and shown by `heapline report`: a pool that is not there or is
 * there already, a chunk that is not there, is there already, or is another pool's.
 */
void heapline_pool_create(const void *pool) HEAPLINE_WEAK;

/* And all its chunks are free at once. */
void heapline_pool_destroy(const void *pool) HEAPLINE_WEAK;

void heapline_alloc(const void *pool, const void *p, size_t bytes) HEAPLINE_WEAK;
void heapline_free(const void *pool, const void *p) HEAPLINE_WEAK;

#ifdef __cplusplus
}
#endif

#endif
