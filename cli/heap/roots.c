#include "cli/heap/roots.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/heap/ranges.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum {
	PAGE = 4096,
	RED_ZONE = 128,	     /* below the stack pointer, of who is in no call */
	TCB_BYTES = 0x900,   /* glibc's struct pthread, or a little less */
	TCB_LOOK = 4 * PAGE, /* at the top of a stack */
	DTV_SLOTS = 1 << 16,
	ORIG_RAX = 15,	     /* of user_regs_struct */
	VECTOR_SKIP = 4,     /* words of control registers */
	BIN_WORDS = 254,     /* glibc's malloc_state: bins ... */
	BIN_PAIRS_LEAST = 8, /* empty ones, for it to be recognised */
	BEFORE_BINS = 112,   /* bytes of it before them ... */
	BEHIND_BINS = 64,    /* ... and behind */
};

#define ARENA (64ull << 20) /* glibc's HEAP_MAX_SIZE */

struct finding {
	struct heap_graph *g;
	const struct heap_source *source;
	struct heap_memory *memory;
	const struct heap_maps *maps;
	const struct heap_threads *threads;
	const struct heap_roots_options *o;
	struct heap_roots *ret;
	struct heap_ranges taken;
	uint64_t tls_bytes; /* static TLS is no larger */
};

static uint64_t page_up(uint64_t at)
{
	return (at + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int name(struct finding *f, const char *text, uint32_t *ret)
{
	*ret = strings_add(&f->ret->names, text);
	return *ret == UINT32_MAX ? -ENOMEM : 0;
}

/* An area and its roots; its range is spoken for. */
static int scan(struct finding *f, enum heap_kind kind, const char *what,
		uint32_t owner, pid_t tid, uint64_t start, uint64_t end)
{
	struct heap_area area = {
		.start = start, .end = end, .kind = kind, .owner = owner, .tid = tid};
	int r;

	if (start >= end)
		return 0;
	r = name(f, what, &area.name);
	if (!r)
		r = heap_ranges_add(&f->taken, start, end);
	return r ? r : heap_graph_scan_area(f->g, f->source, &area, start, end);
}

static bool word_at(struct finding *f, uint64_t address, uint64_t *ret)
{
	return heap_memory_get(f->memory, address, ret, sizeof(*ret));
}

/* ---- modules ------------------------------------------------------------- */

/* Reads words, and zeroes for what cannot be read, or was never touched. */
static bool read_words(struct finding *f, uint64_t start, uint64_t *words, size_t n)
{
	uint64_t at = start, end = start + n * 8;

	memset(words, 0, n * 8);
	while (at < end) {
		uint64_t skip = 0;
		ssize_t got =
			f->source->read(f->source->context, at,
					words + (at - start) / 8, end - at, &skip);

		if (got < 0)
			return false;
		if (!got && (skip < 8 || skip > end - at))
			return true;
		at += got ? (uint64_t)got : skip;
	}
	return true;
}

/* glibc's main_arena, in its data: an empty bin is a pair of words that point 16 bytes
 * before themselves, and the last of the 127 bins is always empty. */
static bool main_arena(struct finding *f, uint64_t start, uint64_t end,
		       uint64_t *ret_start, uint64_t *ret_end)
{
	size_t n, pairs = 0, last = 0;
	_cleanup_(freep) uint64_t *words = NULL;

	start = (start + 7) & ~7ull;
	if (end <= start || end - start > 1 << 20)
		return false;
	n = (size_t)(end - start) / 8;
	words = malloc(n * 8 + 8);
	if (!words || !read_words(f, start, words, n))
		return false;
	for (size_t i = 0; i + 1 < n; i++)
		if (words[i] == start + i * 8 - 16 && words[i + 1] == words[i]) {
			pairs++;
			last = i + 2;
		}
	if (pairs < BIN_PAIRS_LEAST || last < BIN_WORDS + BEFORE_BINS / 8)
		return false;
	*ret_start = start + (last - BIN_WORDS) * 8 - BEFORE_BINS;
	*ret_end = start + last * 8 + BEHIND_BINS;
	return *ret_end <= end;
}

static bool is_libc(const char *base)
{
	return !strncmp(base, "libc.so", 7) || !strncmp(base, "libc-2", 6);
}

static int scan_segment(struct finding *f, const struct heap_segment *x)
{
	uint32_t path = f->ret->modules.items[x->module].path;
	const char *base = base_name(strings_get(&f->ret->names, path));
	uint64_t start = x->start, end = x->end, from, to;
	int r;

	if (f->o->shim && !strcmp(base, f->o->shim))
		return heap_ranges_add(&f->taken, start, page_up(end));
	/* The loader's own allocations follow its data in the same page. */
	if (!strncmp(base, "ld-linux", 8))
		end = page_up(end);
	if (!is_libc(base) || !main_arena(f, start, end, &from, &to))
		from = to = end;
	r = scan(f, HEAP_GLOBAL, "", path, 0, start, from);
	if (!r)
		r = scan(f, HEAP_GLOBAL, "", path, 0, to, end);
	return r ? r : heap_ranges_add(&f->taken, start & ~(PAGE - 1ull), page_up(end));
}

static int find_data(struct finding *f)
{
	const struct heap_modules *m = &f->ret->modules;
	int r = 0;

	for (size_t i = 0; i < m->count; i++)
		f->tls_bytes += m->items[i].tls_bytes + m->items[i].tls_align % PAGE +
				(m->items[i].tls_bytes ? 64 : 0);
	for (size_t i = 0; !r && i < m->segment_count; i++)
		r = scan_segment(f, &m->segments[i]);
	return r;
}

/* ---- threads ------------------------------------------------------------- */

struct who { /* a thread as areas name it */
	const struct heap_thread *thread;
	uint32_t owner;
	bool exits;
};

static int who_is(struct finding *f, const struct heap_thread *x, struct who *ret)
{
	char path[64], text[32] = "";
	_cleanup_(closep) int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", (int)f->threads->pid,
		 (int)x->tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	*ret = (struct who){.thread = x, .exits = x->tid == f->o->exiting};
	return name(f, text, &ret->owner);
}

static int add_registers(struct finding *f, const struct who *w)
{
	const struct heap_thread *x = w->thread;
	struct heap_area area = {.end = sizeof(x->registers),
				 .kind = w->exits ? HEAP_EXITED : HEAP_REGISTER,
				 .owner = w->owner,
				 .tid = x->tid};
	int r = name(f, "registers", &area.name);

	if (!r)
		r = heap_graph_add_words(f->g, &area, x->registers, HEAP_REGISTERS);
	if (r || x->vector_count <= VECTOR_SKIP)
		return r;
	area.end = x->vector_count * HEAP_WORD;
	area.kind = w->exits ? HEAP_EXITED : HEAP_VECTOR;
	r = name(f, "vector registers", &area.name);
	return r ? r
		 : heap_graph_add_words(f->g, &area, x->vectors + VECTOR_SKIP,
					x->vector_count - VECTOR_SKIP);
}

/* Where the memory of a thread's stack or TLS begins that ends at `at`: not before the
 * mapping, nor before what else is known to be in it. */
static uint64_t floor_of(const struct finding *f, const struct heap_map *map,
			 uint64_t at)
{
	uint64_t low = map->start;
	uint32_t block = heap_blocks_before(&f->g->blocks, at);

	for (size_t i = 0; i < f->taken.count; i++)
		if (f->taken.items[i].end <= at && f->taken.items[i].end > low)
			low = f->taken.items[i].end;
	for (size_t i = 0; i < f->threads->count; i++) {
		uint64_t tp = f->threads->items[i].tp;

		if (tp < at && tp >= low && page_up(tp + TCB_BYTES) <= at)
			low = page_up(tp + TCB_BYTES);
	}
	if (block != HEAP_NONE) {
		const struct heap_block *x = &f->g->blocks.items[block];

		if (x->address + x->size <= at && x->address >= low)
			low = page_up(x->address + x->size);
	}
	return low < at ? low : at;
}

/* TLS below the thread pointer, and libc's thread behind it. */
static int add_tls(struct finding *f, const struct who *w, const struct heap_map *map,
		   uint64_t *ret_low, uint64_t *ret_high)
{
	uint64_t tp = w->thread->tp, low = tp - map->start, high = tp + TCB_BYTES;

	low = low < f->tls_bytes ? map->start : (tp - f->tls_bytes) & ~63ull;
	high = high < map->end ? high : map->end;
	/* A stack in the same mapping may reach up to here. */
	if (heap_maps_find(f->maps, w->thread->sp) == map && w->thread->sp < tp &&
	    low < w->thread->sp)
		low = w->thread->sp;
	*ret_low = low;
	*ret_high = high;
	return scan(f, HEAP_TLS, "thread-local storage", w->owner, w->thread->tid, low,
		    high);
}

/* Blocks of TLS made when they were needed: the vector that the thread's second word
 * points into has one entry a module, a pair of words. */
static int add_dynamic_tls(struct finding *f, const struct who *w)
{
	struct heap_area area = {
		.kind = HEAP_TLS, .owner = w->owner, .tid = w->thread->tid};
	uint64_t dtv, slots = 0, value;
	uint32_t number = HEAP_NONE;
	int r = name(f, "dynamic thread-local storage", &area.name);

	if (r || !word_at(f, w->thread->tp + 8, &dtv) || dtv < 16 || dtv % 8 ||
	    !word_at(f, dtv - 16, &slots) || slots > DTV_SLOTS)
		return r;
	for (uint64_t i = 0; !r && i <= slots + 1; i++) {
		/* The vector's own block first; then each module's. */
		uint64_t at = i ? dtv + 16 * (i - 1) : dtv - 16;
		struct heap_hit hit = {.how = HEAP_START};

		value = at;
		if (i && !word_at(f, at, &value))
			break;
		hit.block = heap_blocks_around(&f->g->blocks, value);
		if (hit.block == HEAP_NONE)
			continue;
		if (number == HEAP_NONE)
			r = heap_graph_add_area(f->g, &area, &number);
		if (!r)
			r = heap_graph_add_root(f->g, number, at, &hit);
	}
	return r;
}

int heap_roots_dead(const struct heap_blocks *b, const struct heap_threads *threads,
		    struct heap_ranges *ret)
{
	int r = 0;

	for (size_t i = 0; !r && i < threads->count; i++) {
		uint64_t sp = (threads->items[i].sp - RED_ZONE) & ~7ull;
		uint32_t block = heap_blocks_around(b, threads->items[i].sp);
		uint64_t from =
			block == HEAP_NONE ? sp : b->items[block].address + PAGE;

		if (from < sp)
			r = heap_ranges_add(ret, from & ~7ull, sp);
	}
	heap_ranges_tidy(ret);
	return r;
}

/* The live part of a stack, from sp to `high`; what is below it is dead. */
static int add_stack(struct finding *f, const struct who *w, uint64_t floor,
		     uint64_t high)
{
	uint64_t sp = w->thread->sp & ~7ull, low = sp;
	int r;

	if (w->exits && f->o->exit_sp > sp && f->o->exit_sp <= high)
		low = f->o->exit_sp;
	else if ((int64_t)w->thread->registers[ORIG_RAX] < 0 && sp - floor >= RED_ZONE)
		low = sp - RED_ZONE;
	r = scan(f, w->exits ? HEAP_EXITED : HEAP_STACK, "stack", w->owner,
		 w->thread->tid, low, high);
	return r ? r : heap_ranges_add(&f->taken, floor, high);
}

static int add_stack_in_block(struct finding *f, const struct who *w, uint64_t high)
{
	uint64_t sp = w->thread->sp & ~7ull, low = sp;

	if (w->exits && f->o->exit_sp > sp && f->o->exit_sp <= high)
		low = f->o->exit_sp;
	return scan(f, w->exits ? HEAP_EXITED : HEAP_STACK, "stack in a block",
		    w->owner, w->thread->tid, low, high);
}

/* The stack that the thread began on, while it runs on another: nobody knows how much
 * of it is live. */
static int add_left_stack(struct finding *f, const struct who *w, uint64_t low,
			  uint64_t high)
{
	return scan(f, HEAP_MAPPING, "stack of a thread that is on another one",
		    w->owner, w->thread->tid, low, high);
}

static const struct heap_map *main_stack(const struct finding *f)
{
	for (size_t i = 0; i < f->maps->count; i++)
		if (!strcmp(f->maps->items[i].path, "[stack]"))
			return &f->maps->items[i];
	return NULL;
}

static int add_thread(struct finding *f, const struct heap_thread *x)
{
	const struct heap_map *on = heap_maps_find(f->maps, x->sp);
	const struct heap_map *tls = heap_maps_find(f->maps, x->tp);
	const struct heap_map *first = x->tid == f->threads->pid ? main_stack(f) : tls;
	uint32_t block = heap_blocks_around(&f->g->blocks, x->sp);
	uint64_t low = 0, high = 0;
	struct who w;
	int r = who_is(f, x, &w);

	if (!r)
		r = add_registers(f, &w);
	if (!r && tls && tls->read)
		r = add_tls(f, &w, tls, &low, &high);
	if (!r && tls && tls->read)
		r = add_dynamic_tls(f, &w);
	if (r || !on || !on->read)
		return r;
	if (block != HEAP_NONE) { /* a coroutine's, in a block */
		const struct heap_block *b = &f->g->blocks.items[block];

		uint64_t end = b->address + b->size;

		end = on == tls && x->sp < low && low < end ? low : end;
		r = add_stack_in_block(f, &w, end);
	} else if (on == tls && x->sp < low) {
		r = add_stack(f, &w, floor_of(f, on, x->sp), low);
	} else {
		r = add_stack(f, &w, floor_of(f, on, x->sp), on->end);
	}
	if (!r && first && first != on)
		r = add_left_stack(
			f, &w, first == tls ? floor_of(f, first, low) : first->start,
			first == tls ? low : first->end);
	return r;
}

static int find_threads(struct finding *f)
{
	int r = 0;

	for (size_t i = 0; !r && i < f->threads->count; i++)
		if (f->threads->items[i].sp)
			r = add_thread(f, &f->threads->items[i]);
	return r;
}

/* ---- mappings ------------------------------------------------------------ */

/* Heaps of glibc's further arenas begin at a multiple of their greatest size, with the
 * arena's address, the heap before, and its size. */
static int take_arenas(struct finding *f, const struct heap_map *map)
{
	uint64_t at = (map->start + ARENA - 1) & ~(ARENA - 1);
	int r = 0;

	for (; !r && at < map->end; at += ARENA) {
		uint64_t head[3];

		if (!heap_memory_get(f->memory, at, head, sizeof(head)))
			continue;
		if (!head[0] || head[0] % ARENA > PAGE || !head[2] || head[2] > ARENA ||
		    head[2] % PAGE)
			continue;
		r = heap_ranges_add(&f->taken, at, at + head[2]);
	}
	return r;
}

/* Large blocks that glibc made mappings of: the two words before say so. */
static int take_large(struct finding *f, const struct heap_map *map)
{
	const struct heap_blocks *b = &f->g->blocks;
	uint32_t i = heap_blocks_after(b, map->start);
	int r = 0;

	for (; !r && i < b->count && b->items[i].address < map->end; i++) {
		uint64_t head[2], at = b->items[i].address - 16, start, end;

		if (b->items[i].flags & HEAP_MAPPED ||
		    !heap_memory_get(f->memory, at, head, sizeof(head)))
			continue;
		if (!(head[1] & 2) || head[0] > at)
			continue;
		start = at - head[0];
		end = at + (head[1] & ~7ull);
		if (start % PAGE || end % PAGE || start < map->start || end > map->end)
			continue;
		r = heap_ranges_add(&f->taken, start, end);
	}
	return r;
}

/* A stack that glibc keeps for the next thread: libc's thread is still at its top, and
 * points at itself twice. */
static bool is_left_over(struct finding *f, const struct heap_map *map)
{
	uint64_t words[TCB_LOOK / 8];
	uint64_t len =
		map->end - map->start < TCB_LOOK ? map->end - map->start : TCB_LOOK;
	uint64_t from = map->end - len;

	if (!heap_memory_get(f->memory, from, words, len))
		return false;
	for (size_t i = 0; i + 2 < len / 8; i++)
		if (words[i] == from + i * 8 && words[i + 2] == words[i])
			return true;
	return false;
}

static bool has_thread(const struct finding *f, const struct heap_map *map)
{
	for (size_t i = 0; i < f->threads->count; i++) {
		const struct heap_thread *x = &f->threads->items[i];

		if ((x->sp >= map->start && x->sp < map->end) ||
		    (x->tp >= map->start && x->tp < map->end))
			return true;
	}
	return false;
}

static bool has_block(const struct finding *f, uint64_t start, uint64_t end)
{
	uint32_t i = heap_blocks_after(&f->g->blocks, start);

	return i < f->g->blocks.count && f->g->blocks.items[i].address < end;
}

/* What nobody else has of the mapping: heap of an allocator if blocks are in it. */
static int scan_rest(struct finding *f, const struct heap_map *map)
{
	uint64_t at = map->start, end, left = f->o->read_max;
	uint32_t owner;
	int r = name(f, map->path, &owner);

	for (; !r && at < map->end; at = end) {
		struct heap_area area;

		end = heap_ranges_free(&f->taken, &at, map->end);
		if (end <= at)
			break;
		if (has_block(f, at, end) || !left)
			continue;
		area = (struct heap_area){
			.start = at, .end = end, .kind = HEAP_MAPPING, .owner = owner};
		if (end - at > left) {
			f->g->unread_bytes += end - at - left;
			area.end = at + left;
		}
		left -= area.end - at;
		r = name(f, "mapping", &area.name);
		if (!r)
			r = heap_graph_scan_area(f->g, f->source, &area, at, area.end);
	}
	return r;
}

/* Mappings that are nodes hold what they hold themselves. */
static int take_nodes(struct finding *f)
{
	const struct heap_blocks *b = &f->g->blocks;
	int r = 0;

	for (size_t i = 0; !r && i < b->count; i++)
		if (b->items[i].flags & HEAP_MAPPED)
			r = heap_ranges_add(&f->taken, b->items[i].address,
					    b->items[i].address + b->items[i].size);
	return r;
}

static int find_mappings(struct finding *f)
{
	int r = 0;

	for (size_t i = 0; !r && i < f->maps->count; i++) {
		const struct heap_map *map = &f->maps->items[i];

		if (!heap_map_counts(map) || map->inode)
			continue;
		r = take_arenas(f, map);
		if (!r)
			r = take_large(f, map);
		if (!r && !has_thread(f, map) && is_left_over(f, map))
			r = heap_ranges_add(&f->taken, map->start, map->end);
	}
	if (!r)
		r = take_nodes(f);
	heap_ranges_tidy(&f->taken);
	for (size_t i = 0; !r && i < f->maps->count; i++)
		if (heap_map_counts(&f->maps->items[i]))
			r = scan_rest(f, &f->maps->items[i]);
	return r;
}

int heap_roots_find(struct heap_graph *g, const struct heap_source *source,
		    struct heap_memory *memory, const struct heap_threads *threads,
		    const struct heap_roots_options *o, struct heap_roots *ret)
{
	struct finding f = {.g = g,
			    .source = source,
			    .memory = memory,
			    .maps = memory->maps,
			    .threads = threads,
			    .o = o,
			    .ret = ret};
	int r;

	r = find_data(&f);
	if (!r)
		r = find_threads(&f);
	if (!r)
		r = find_mappings(&f);
	if (!r && o->kernel)
		r = heap_kernel_add(o->kernel, g, &ret->names);
	heap_ranges_done(&f.taken);
	if (r)
		heap_roots_done(ret);
	return r;
}

void heap_roots_done(struct heap_roots *r)
{
	strings_done(&r->names);
	heap_modules_done(&r->modules);
	*r = (struct heap_roots){0};
}
