#include "cli/heap/image.h"

#include "cli/base/array.h"
#include "cli/heap/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	PIECE = 4 << 20,    /* bytes copied at once */
	MORE = 64 << 20,    /* room, where what was prepared is used up */
	HEADERS = 16 << 10, /* of a module: what says where its data is */
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
	image->buffers[image->buffer_count] = (struct heap_image_buffer){at, len, 0};
	return &image->buffers[image->buffer_count++];
}

void heap_image_prepare(struct heap_image *image, uint64_t bytes)
{
	struct heap_image_buffer *b;

	*image = (struct heap_image){0};
	b = add_buffer(image, (bytes + PIECE - 1) / PIECE * PIECE + PIECE);
	if (!b)
		return;
#ifdef MADV_POPULATE_WRITE
	if (!madvise(b->at, b->len, MADV_POPULATE_WRITE))
		return;
#endif
	for (uint64_t i = 0; i < b->len; i += 4096) /* Linux before 5.14 */
		((volatile char *)b->at)[i] = 0;
}

/* Room for len bytes behind what was copied last, at most a piece. */
static char *room(struct heap_image *image, uint64_t len)
{
	struct heap_image_buffer *b =
		image->buffer_count ? &image->buffers[image->buffer_count - 1] : NULL;

	if (!b || b->len - b->used < len)
		b = add_buffer(image, MORE);
	return b ? b->at + b->used : NULL;
}

static void use(struct heap_image *image, uint64_t len)
{
	image->buffers[image->buffer_count - 1].used += len;
}

static int add_run(struct heap_image *image, uint64_t start, uint64_t len,
		   const char *at)
{
	struct heap_image_run *last =
		image->run_count ? &image->runs[image->run_count - 1] : NULL;

	image->bytes += len;
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

static int copy(struct heap_image *image, struct heap_memory *memory, uint64_t start,
		uint64_t len, uint64_t most)
{
	uint64_t done = 0;
	int r = 0;

	while (!r && done < len) {
		uint64_t skip = 0, left = len - done;
		size_t want = left < PIECE ? (size_t)left : PIECE;
		char *to = room(image, want);
		ssize_t n = to ? heap_memory_read(memory, start + done, to, want, &skip)
			       : -ENOMEM;

		if (n < 0)
			return (int)n;
		if (n) {
			use(image, (uint64_t)n);
			r = add_run(image, start + done, (uint64_t)n, to);
		}
		if (image->bytes > most)
			return -E2BIG;
		done += n ? (uint64_t)n : skip < 8 ? 8 : skip < left ? skip : left;
	}
	return r;
}

/* As far as they can be read: they are the file's own, untouched pages. */
static int copy_headers(struct heap_image *image, struct heap_memory *memory,
			const struct heap_map *map)
{
	uint64_t len = map->end - map->start;
	char *to;

	len = len < HEADERS ? len : HEADERS;
	to = room(image, len);
	if (!to)
		return -ENOMEM;
	if (!heap_memory_get(memory, map->start, to, len))
		return 0;
	use(image, len);
	return add_run(image, map->start, len, to);
}

static int copy_parts(struct heap_image *image, struct heap_memory *memory,
		      const struct heap_map *map, const struct heap_ranges *parts,
		      uint64_t most)
{
	int r = 0;

	for (size_t i = 0; !r && i < parts->count; i++) {
		const struct heap_range *x = &parts->items[i];
		uint64_t start = x->start > map->start ? x->start : map->start;
		uint64_t end = x->end < map->end ? x->end : map->end;

		if (start < end)
			r = copy(image, memory, start, end - start, most);
	}
	return r;
}

int heap_image_take(struct heap_image *image, struct heap_memory *memory,
		    const struct heap_ranges *also, uint64_t most)
{
	int r = 0;

	for (size_t i = 0; !r && i < memory->maps->count; i++) {
		const struct heap_map *map = &memory->maps->items[i];
		uint64_t len = map->end - map->start;

		if (heap_map_counts(map) || (map->read && map->write && !map->shared))
			r = copy(image, memory, map->start, len, most);
		else if (map->read && map->inode && !map->offset && !map->shared)
			r = copy_headers(image, memory, map);
		else if (map->read)
			r = copy_parts(image, memory, map, also, most);
	}
	if (r < 0)
		heap_image_done(image);
	return r;
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
