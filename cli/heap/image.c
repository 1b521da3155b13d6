#include "cli/heap/image.h"

#include "cli/base/array.h"
#include "cli/heap/memory.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	PIECE = 4 << 20,     /* bytes copied at once */
	LEAST = 64 << 10,    /* not in less, if there is more */
	MORE = 64 << 20,     /* room, where what was prepared is used up */
	HEADERS = 16 << 10,  /* of a module: what says where its data is */
	CREW = 4,	     /* threads that copy: memory is not much faster */
	TASK = 16 << 20,     /* bytes of addresses, so that all have something to do */
	CONSTANTS = 8 << 20, /* of a module's mapping; what is larger is data */
};

/* What is to be copied, in the order of addresses. */
struct task {
	uint64_t start, len;
	bool untouched; /* pages as the file has them are wanted, too */
};

struct worker {
	pthread_t thread;
	struct crew *crew;
	struct heap_image part; /* what it copied; its buffers are of its own */
	char *at;		/* room that it has taken */
	uint64_t left;
	int err;
};

struct crew {
	struct heap_memory *memory;
	uint64_t most;
	struct task *tasks;
	size_t task_count, task_room;
	_Atomic size_t next;
	_Atomic uint64_t bytes;
	struct heap_image_buffer *prepared; /* NULL: nothing was */
	_Atomic uint64_t prepared_used;
	struct worker workers[CREW];
};

void heap_image_done(struct heap_image *image)
{
	for (size_t i = 0; i < image->buffer_count; i++)
		munmap(image->buffers[i].at, image->buffers[i].len);
	free(image->buffers);
	free(image->runs);
	*image = (struct heap_image){0};
}

static struct heap_image_buffer *add_buffer(struct heap_image *image, uint64_t len)
{
	void *at;

	if (array_reserve(&image->buffers, &image->buffer_room,
			  image->buffer_count + 1) < 0)
		return NULL;
	at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		  0);
	if (at == MAP_FAILED)
		return NULL;
	madvise(at, len, MADV_HUGEPAGE);
	image->buffers[image->buffer_count] = (struct heap_image_buffer){at, len};
	return &image->buffers[image->buffer_count++];
}

void heap_image_prepare(struct heap_image *image, uint64_t bytes)
{
	struct heap_image_buffer *b;

	*image = (struct heap_image){0};
	/* Each of those that copy leaves a piece half used. */
	b = add_buffer(image, (bytes + PIECE - 1) / PIECE * PIECE + CREW * PIECE);
	if (!b)
		return;
#ifdef MADV_POPULATE_WRITE
	if (!madvise(b->at, b->len, MADV_POPULATE_WRITE))
		return;
#endif
	for (uint64_t i = 0; i < b->len; i += 4096) /* Linux before 5.14 */
		((volatile char *)b->at)[i] = 0;
}

/* ---- one of those that copy ------------------------------------------------ */

/* Where the next bytes go: *ret_len of them at most. */
static char *room(struct worker *w, uint64_t len, uint64_t *ret_len)
{
	struct crew *c = w->crew;
	struct heap_image_buffer *b;
	uint64_t at;

	if (w->left < len && w->left < LEAST) {
		w->left = 0;
		/* relaxed: places that differ, nothing more. */
		at = !c->prepared ? 0
				  : atomic_fetch_add_explicit(&c->prepared_used, PIECE,
							      memory_order_relaxed);
		if (c->prepared && at + PIECE <= c->prepared->len) {
			w->at = c->prepared->at + at;
			w->left = PIECE;
		} else {
			b = add_buffer(&w->part, MORE);
			w->at = b ? b->at : NULL;
			w->left = b ? MORE : 0;
		}
	}
	*ret_len = len < w->left ? len : w->left;
	return w->left ? w->at : NULL;
}

static int add_run(struct heap_image *image, uint64_t start, uint64_t len,
		   const char *at)
{
	struct heap_image_run *last =
		image->run_count ? &image->runs[image->run_count - 1] : NULL;

	if (last && last->end == start && last->at + (last->end - last->start) == at) {
		last->end += len;
		return 0;
	}
	if (array_reserve(&image->runs, &image->run_room, image->run_count + 1) < 0)
		return -ENOMEM;
	image->runs[image->run_count++] =
		(struct heap_image_run){start, start + len, at};
	return 0;
}

static int keep(struct worker *w, uint64_t start, uint64_t len)
{
	int r = add_run(&w->part, start, len, w->at);

	w->at += len;
	w->left -= len;
	/* relaxed: a bound, which may be missed by a piece of each. */
	if (!r &&
	    atomic_fetch_add_explicit(&w->crew->bytes, len, memory_order_relaxed) +
			    len >
		    w->crew->most)
		r = -E2BIG;
	return r;
}

static int copy(struct worker *w, uint64_t start, uint64_t len)
{
	uint64_t done = 0;
	int r = 0;

	while (!r && done < len) {
		uint64_t skip = 0, left = len - done, want;
		char *to = room(w, left < PIECE ? left : PIECE, &want);
		ssize_t n = to ? heap_memory_read(w->crew->memory, start + done, to,
						  want, &skip)
			       : -ENOMEM;

		if (n < 0)
			return (int)n;
		if (n)
			r = keep(w, start + done, (uint64_t)n);
		done += n ? (uint64_t)n : skip < 8 ? 8 : skip < left ? skip : left;
	}
	return r;
}

/* With those that are the file's own, untouched pages, if all of it can be read. */
static int copy_untouched(struct worker *w, uint64_t start, uint64_t len)
{
	uint64_t some;
	char *to;

	/* In one piece, or not at all. */
	if (w->left < len)
		w->left = 0;
	to = room(w, len, &some);
	if (!to || some < len)
		return -ENOMEM;
	if (!heap_memory_get(w->crew->memory, start, to, len))
		return copy(w, start, len);
	return keep(w, start, len);
}

static void *work(void *context)
{
	struct worker *w = context;
	struct crew *c = w->crew;

	while (!w->err) {
		/* relaxed: each task is one's. */
		size_t i = atomic_fetch_add_explicit(&c->next, 1, memory_order_relaxed);
		const struct task *t = &c->tasks[i];

		if (i >= c->task_count)
			break;
		w->err = t->untouched ? copy_untouched(w, t->start, t->len)
				      : copy(w, t->start, t->len);
	}
	return NULL;
}

/* ---- what is to be done ------------------------------------------------------ */

static int add_task(struct crew *c, uint64_t start, uint64_t len, bool untouched)
{
	uint64_t most = untouched ? PIECE : TASK;

	for (uint64_t done = 0, some; done < len; done += some) {
		some = len - done < most ? len - done : most;
		if (array_reserve(&c->tasks, &c->task_room, c->task_count + 1) < 0)
			return -ENOMEM;
		c->tasks[c->task_count++] =
			(struct task){start + done, some, untouched};
	}
	return 0;
}

static int add_parts(struct crew *c, const struct heap_map *map,
		     const struct heap_ranges *parts)
{
	int r = 0;

	for (size_t i = 0; !r && i < parts->count; i++) {
		const struct heap_range *x = &parts->items[i];
		uint64_t start = x->start > map->start ? x->start : map->start;
		uint64_t end = x->end < map->end ? x->end : map->end;

		if (start < end)
			r = add_task(c, start, end - start, false);
	}
	return r;
}

/* Of a mapping that a program cannot write, how much is wanted as its file has it: the
 * first pages, or all that may be constants. */
static uint64_t untouched(const struct crew *c, const struct heap_map *map)
{
	uint64_t len = map->end - map->start;

	if (!map->read || !map->inode || map->shared || map->write)
		return 0;
	if (c->memory->constants && len <= CONSTANTS && (!map->exec || !map->offset))
		return len;
	if (map->offset)
		return 0;
	return len < HEADERS ? len : HEADERS;
}

/* Of a module's data, all: what the program has not changed since it was loaded may be
 * objects all the same, if they are never counted. */
static bool is_data(const struct crew *c, const struct heap_map *map)
{
	return c->memory->constants && map->inode && map->read && map->write &&
	       !map->shared && map->end - map->start <= CONSTANTS;
}

static int add_tasks(struct crew *c, const struct heap_ranges *also)
{
	const struct heap_maps *maps = c->memory->maps;
	int r = 0;

	for (size_t i = 0; !r && i < maps->count; i++) {
		const struct heap_map *map = &maps->items[i];
		uint64_t len = map->end - map->start;

		if (heap_map_holds(map) || map->closed ||
		    (map->read && map->write && !map->shared))
			r = add_task(c, map->start, len, is_data(c, map));
		else if (untouched(c, map))
			r = add_task(c, map->start, untouched(c, map), true);
		else if (map->read)
			r = add_parts(c, map, also);
	}
	return r;
}

/* ---- together ------------------------------------------------------------------ */

static int compare_runs(const void *a, const void *b)
{
	const struct heap_image_run *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* What a worker has is the image's. */
static int hand_over(struct heap_image *image, struct heap_image *part)
{
	size_t runs = image->run_count + part->run_count;
	size_t buffers = image->buffer_count + part->buffer_count;

	if (array_reserve(&image->runs, &image->run_room, runs) < 0 ||
	    array_reserve(&image->buffers, &image->buffer_room, buffers) < 0)
		return -ENOMEM;
	if (part->run_count)
		memcpy(image->runs + image->run_count, part->runs,
		       part->run_count * sizeof(*part->runs));
	if (part->buffer_count)
		memcpy(image->buffers + image->buffer_count, part->buffers,
		       part->buffer_count * sizeof(*part->buffers));
	image->run_count = runs;
	image->buffer_count = buffers;
	part->buffer_count = part->run_count = 0;
	return 0;
}

/* The caller is one of them; those that do not come leave it to the others. */
static int copy_all(struct crew *c, struct heap_image *image)
{
	bool came[CREW] = {true};
	int r = 0;

	for (size_t i = 0; i < CREW; i++)
		c->workers[i].crew = c;
	for (size_t i = 1; i < CREW && i < c->task_count; i++)
		came[i] = !pthread_create(&c->workers[i].thread, NULL, work,
					  &c->workers[i]);
	work(&c->workers[0]);
	for (size_t i = 0; i < CREW; i++) {
		struct worker *w = &c->workers[i];

		if (i && came[i])
			pthread_join(w->thread, NULL);
		if (w->err && r != -ENOMEM)
			r = w->err;
		if (!r && w->part.run_count + w->part.buffer_count)
			r = hand_over(image, &w->part);
		heap_image_done(&w->part);
	}
	return r;
}

int heap_image_take(struct heap_image *image, struct heap_memory *memory,
		    const struct heap_ranges *also, uint64_t most)
{
	struct crew c = {.memory = memory,
			 .most = most,
			 .prepared = image->buffer_count ? image->buffers : NULL};
	struct heap_image_buffer prepared;
	int r;

	if (c.prepared) { /* the array may move */
		prepared = image->buffers[0];
		c.prepared = &prepared;
	}
	r = add_tasks(&c, also);
	if (!r)
		r = copy_all(&c, image);
	free(c.tasks);
	if (r < 0) {
		heap_image_done(image);
		return r;
	}
	image->bytes = c.bytes;
	qsort(image->runs, image->run_count, sizeof(*image->runs), compare_runs);
	return 0;
}

/* The first run that ends behind an address; run_count: none. */
static size_t run_at(const struct heap_image *image, uint64_t address)
{
	size_t low = 0, high = image->run_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (image->runs[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

ssize_t heap_image_read(const struct heap_image *image, uint64_t address, void *to,
			size_t len, uint64_t *ret_skip)
{
	size_t i = run_at(image, address);
	const struct heap_image_run *run = &image->runs[i];
	uint64_t n;

	if (i == image->run_count) {
		*ret_skip = (UINT64_MAX - address) & ~7ull;
		return 0;
	}
	if (run->start > address) {
		*ret_skip = run->start - address;
		return 0;
	}
	n = run->end - address < len ? run->end - address : len;
	memcpy(to, run->at + (address - run->start), n);
	return (ssize_t)n;
}

bool heap_image_get(const struct heap_image *image, uint64_t address, void *to,
		    size_t len)
{
	size_t done = 0;

	while (done < len) {
		uint64_t skip;
		ssize_t n = heap_image_read(image, address + done, (char *)to + done,
					    len - done, &skip);

		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}
