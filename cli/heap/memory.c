#include "cli/heap/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	PAGE = 4096,
	LOOK = 512,	       /* pages looked up at once */
	SHARED_MAX = 16 << 20, /* of a mapping: a little more or less is no matter */
};

enum { /* Documentation/admin-guide/mm/pagemap.rst */
       PRESENT = 63,
       SWAPPED = 62,
       OF_FILE = 61, /* or of shared memory */
};

void heap_memory_open(struct heap_memory *m, pid_t pid, const struct heap_maps *maps)
{
	char path[64];

	*m = (struct heap_memory){.pid = pid, .maps = maps, .closed = -1};
	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
	m->pagemap = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	/* Only pages that were touched, or guard pages would be. */
	if (m->pagemap >= 0)
		m->closed = open(path, O_RDONLY | O_CLOEXEC);
}

void heap_memory_close(struct heap_memory *m)
{
	if (m->pagemap >= 0)
		close(m->pagemap);
	if (m->closed >= 0)
		close(m->closed);
	m->pagemap = m->closed = -1;
}

/* What one process shares with others they may have touched, of which its pages tell
 * nothing. To look costs memory, where nobody has. */
static bool is_unknown(const struct heap_memory *m, const struct heap_map *map)
{
	if (!map->shared)
		return false;
	if (map->end - map->start <= SHARED_MAX)
		return true;
	for (size_t i = 0; m->regions && i < m->regions->count; i++)
		if (m->regions->items[i].start < map->end &&
		    m->regions->items[i].end > map->start)
			return true;
	return false;
}

/* Whether a page may differ from what its file has, or from zeroes. */
static bool is_own(uint64_t entry, const struct heap_map *map)
{
	if (!(entry >> PRESENT & 1) && !(entry >> SWAPPED & 1))
		return false;
	return map->shared || !map->inode || !(entry >> OF_FILE & 1);
}

/* How many bytes from an address on are all touched, or (*ret_own) none. */
static uint64_t alike(const struct heap_memory *m, const struct heap_map *map,
		      uint64_t address, uint64_t len, bool *ret_own)
{
	uint64_t entries[LOOK], first = address / PAGE,
				last = (address + len - 1) / PAGE;
	size_t n = last - first + 1 < LOOK ? (size_t)(last - first + 1) : LOOK, i;
	ssize_t got = m->pagemap < 0 || is_unknown(m, map)
			      ? -1
			      : pread(m->pagemap, entries, n * 8,
				      (off_t)(first * sizeof(*entries)));

	*ret_own = true;
	if (got < (ssize_t)sizeof(*entries))
		return len;
	n = (size_t)got / sizeof(*entries);
	*ret_own = is_own(entries[0], map);
	for (i = 1; i < n && is_own(entries[i], map) == *ret_own; i++)
		;
	first = (first + i) * PAGE - address;
	return first < len ? first : len;
}

/* To the next mapping that is there to be read. */
static uint64_t gap(const struct heap_maps *maps, const struct heap_map *map,
		    uint64_t address)
{
	size_t low = 0, high = maps->count;

	if (map)
		return map->end - address;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (maps->items[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < maps->count ? maps->items[low].start - address : UINT64_MAX - 7;
}

static ssize_t copy(const struct heap_memory *m, uint64_t address, void *to, size_t len)
{
	struct iovec local = {to, len};
	struct iovec remote = {(void *)(uintptr_t)address, len};

	return process_vm_readv(m->pid, &local, 1, &remote, 1, 0);
}

static bool is_readable(const struct heap_memory *m, const struct heap_map *map)
{
	return map->read || (map->closed && m->closed >= 0);
}

ssize_t heap_memory_read(void *context, uint64_t address, void *to, size_t len,
			 uint64_t *ret_skip)
{
	const struct heap_memory *m = context;
	const struct heap_map *map = heap_maps_find(m->maps, address);
	uint64_t run;
	bool own;
	ssize_t n;

	if (m->image)
		return heap_image_read(m->image, address, to, len, ret_skip);
	if (!map || !is_readable(m, map)) {
		*ret_skip = gap(m->maps, map, address) & ~7ull;
		return 0;
	}
	run = alike(m, map, address, map->end - address, &own);
	if (!own) {
		*ret_skip = run & ~7ull;
		return 0;
	}
	len = run < len ? (size_t)run : len;
	n = map->read ? copy(m, address, to, len)
		      : pread(m->closed, to, len, (off_t)address);
	if (n < 0 && errno != EFAULT && errno != EIO)
		return -errno;
	if (n < HEAP_WORD) {
		/* One page and no more: the next may be there again. */
		*ret_skip = PAGE - address % PAGE;
		return 0;
	}
	return n & ~7;
}

bool heap_memory_get(struct heap_memory *m, uint64_t address, void *to, size_t len)
{
	if (m->image)
		return heap_image_get(m->image, address, to, len);
	return copy(m, address, to, len) == (ssize_t)len;
}
