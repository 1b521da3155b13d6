#include "cli/heap/roots.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/heap/glibc.h"
#include "cli/heap/ranges.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum {
	PAGE = 4096,
	RED_ZONE = 128,	   /* below the stack pointer, of who is in no call */
	TCB_BYTES = 0x900, /* glibc's struct pthread, or a little less */
	DTV_SLOTS = 1 << 16,
	KEY_BLOCKS = 32, /* of a thread; the first is in struct pthread */
	KEYS = 32,	 /* in each: pairs of a sequence number and a value */
	ORIG_RAX = 15,	 /* of user_regs_struct */
	VECTOR_SKIP = 4, /* words of control registers */
};

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

	if (f->o->is_shim && f->o->is_shim(base))
		return heap_ranges_add(&f->taken, start, page_up(end));
	/* The loader's own allocations follow its data in the same page. */
	if (!strncmp(base, "ld-linux", 8))
		end = page_up(end);
	if (!is_libc(base) || !glibc_main_arena(f->source, start, end, &from, &to))
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

/* ---- keys -------------------------------------------------------------------- */

/* Where the first block of the thread's keys is, 0 if that is not known. */
static uint64_t first_keys(struct finding *f, const struct who *w)
{
	uint64_t at = w->thread->tp + f->o->keys, first;

	if (!f->o->keys || f->o->keys > TCB_BYTES || !word_at(f, at, &first) ||
	    first < w->thread->tp || first - w->thread->tp > TCB_BYTES)
		return 0;
	return first;
}

static int add_key(struct finding *f, const struct who *w, unsigned key, uint64_t at,
		   uint64_t value)
{
	struct heap_area area = {.start = at,
				 .end = at + HEAP_WORD,
				 .kind = HEAP_TLS,
				 .owner = w->owner,
				 .tid = w->thread->tid};
	struct heap_hit hit;
	char text[32];
	uint32_t number;
	int r;

	if (!heap_blocks_hit(&f->g->blocks, value, &hit))
		return 0;
	snprintf(text, sizeof(text), "pthread key %u", key);
	r = name(f, text, &area.name);
	if (!r)
		r = heap_graph_add_area(f->g, &area, &number);
	return r ? r : heap_graph_add_root(f->g, number, at, &hit);
}

static int add_keys(struct finding *f, const struct who *w)
{
	uint64_t blocks[KEY_BLOCKS], keys[2 * KEYS];
	int r = 0;

	if (!first_keys(f, w) || !heap_memory_get(f->memory, w->thread->tp + f->o->keys,
						  blocks, sizeof(blocks)))
		return 0;
	for (unsigned i = 0; i < KEY_BLOCKS; i++) {
		if (!blocks[i] ||
		    !heap_memory_get(f->memory, blocks[i], keys, sizeof(keys)))
			continue;
		for (unsigned k = 0; !r && k < KEYS; k++)
			r = add_key(f, w, i * KEYS + k, blocks[i] + 16 * k + 8,
				    keys[2 * k + 1]);
	}
	return r;
}

/* ---- thread-local storage ---------------------------------------------------- */

/* But for the first block of keys. */
static int scan_around(struct finding *f, const struct who *w, uint64_t low,
		       uint64_t high, uint64_t keys)
{
	uint64_t from = keys ? keys : high, to = keys ? keys + KEYS * 16 : high;
	int r;

	from = from < high ? from : high;
	to = to < high ? to : high;
	r = scan(f, HEAP_TLS, "thread-local storage", w->owner, w->thread->tid, low,
		 from);
	if (!r)
		r = heap_ranges_add(&f->taken, from, to);
	return r ? r
		 : scan(f, HEAP_TLS, "thread-local storage", w->owner, w->thread->tid,
			to, high);
}

/* Variables in blocks of their own. */
static int add_parts(struct finding *f, const struct who *w)
{
	struct heap_area area = {
		.kind = HEAP_TLS, .owner = w->owner, .tid = w->thread->tid};
	int r = name(f, "thread-local storage", &area.name);

	for (size_t i = 0; !r && i < f->o->tls_count; i++) {
		const struct heap_tls_part *x = &f->o->tls[i];

		if (x->tid != w->thread->tid ||
		    heap_blocks_around(&f->g->blocks, x->start) == HEAP_NONE)
			continue;
		area.start = x->start;
		area.end = x->end;
		r = heap_graph_scan_area(f->g, f->source, &area, x->start, x->end);
	}
	return r;
}

/* Where the variables begin that are there from a thread's start: not before the first
 * of them, or, if those are not known, as low as they may. */
static uint64_t static_tls(const struct finding *f, const struct who *w,
			   const struct heap_map *map)
{
	uint64_t tp = w->thread->tp, low = tp;

	for (size_t i = 0; i < f->o->tls_count; i++) {
		const struct heap_tls_part *x = &f->o->tls[i];

		if (x->tid == w->thread->tid && x->start >= map->start &&
		    x->start < low &&
		    heap_blocks_around(&f->g->blocks, x->start) == HEAP_NONE)
			low = x->start;
	}
	if (low < tp)
		return low & ~63ull;
	return tp - map->start < f->tls_bytes ? map->start
					      : (tp - f->tls_bytes) & ~63ull;
}

/* TLS below the thread pointer, and libc's thread behind it. */
static int add_tls(struct finding *f, const struct who *w, const struct heap_map *map,
		   uint64_t *ret_low, uint64_t *ret_high)
{
	uint64_t tp = w->thread->tp, low = static_tls(f, w, map), high = tp + TCB_BYTES;

	high = high < map->end ? high : map->end;
	/* A stack in the same mapping may reach up to here. */
	if (heap_maps_find(f->maps, w->thread->sp) == map && w->thread->sp < tp &&
	    low < w->thread->sp)
		low = w->thread->sp;
	*ret_low = low;
	*ret_high = high;
	return scan_around(f, w, low, high, first_keys(f, w));
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

/* The stack [low, high) that the thread began on, while it runs on another: where a
 * signal interrupted it, it is known how much of it is live. */
static int add_left_stack(struct finding *f, const struct who *w, uint64_t low,
			  uint64_t high)
{
	uint64_t from = w->thread->left_sp;
	int r;

	if (from < low || from >= high)
		return scan(f, HEAP_MAPPING, "left stack", w->owner, w->thread->tid,
			    low, high);
	r = scan(f, w->exits ? HEAP_EXITED : HEAP_STACK, "stack", w->owner,
		 w->thread->tid, from, high);
	return r ? r : heap_ranges_add(&f->taken, low, from);
}

static const struct heap_map *main_stack(const struct finding *f)
{
	for (size_t i = 0; i < f->maps->count; i++)
		if (!strcmp(f->maps->items[i].path, "[stack]"))
			return &f->maps->items[i];
	return NULL;
}

static bool is_data(const struct finding *f, uint64_t address)
{
	const struct heap_modules *m = &f->ret->modules;

	for (size_t i = 0; i < m->segment_count; i++)
		if (m->segments[i].start <= address && address < m->segments[i].end)
			return true;
	return false;
}

static int add_thread(struct finding *f, const struct heap_thread *x)
{
	const struct heap_map *on = heap_maps_find(f->maps, x->sp);
	const struct heap_map *tls = heap_maps_find(f->maps, x->tp);
	const struct heap_map *first = x->tid == f->threads->pid ? main_stack(f) : tls;
	uint32_t block = heap_blocks_around(&f->g->blocks, x->sp);
	uint64_t low = 0, high = 0;
	const struct heap_altstack *alternate = NULL;
	struct who w;
	int r = who_is(f, x, &w);

	if (!r)
		r = add_registers(f, &w);
	if (!r && f->o->altstacks) {
		alternate = heap_altstacks_of(f->o->altstacks, x);
		r = heap_altstacks_add(f->o->altstacks, x->tid, w.owner, f->g,
				       &f->ret->names);
	}
	if (!r && tls && tls->read)
		r = add_tls(f, &w, tls, &low, &high);
	if (!r && tls && tls->read)
		r = add_keys(f, &w);
	if (!r && tls && tls->read)
		r = add_parts(f, &w);
	if (!r && tls && tls->read)
		r = add_dynamic_tls(f, &w);
	if (r || !on || !on->read)
		return r;
	if (block != HEAP_NONE) { /* a coroutine's, in a block */
		const struct heap_block *b = &f->g->blocks.items[block];
		uint64_t end = b->address + b->size;

		end = on == tls && x->sp < low && low < end ? low : end;
		r = add_stack_in_block(f, &w, end);
	} else if (is_data(f, x->sp)) {
		r = 0; /* a signal's, in a variable: its words are roots already */
	} else if (alternate && alternate->end <= on->end) {
		r = add_stack(f, &w, alternate->start, alternate->end);
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
		r = glibc_arenas(f->memory, map, &f->taken);
		if (!r)
			r = glibc_large(f->memory, &f->g->blocks, map, &f->taken);
		if (!r && !has_thread(f, map) && glibc_is_left_over(f->memory, map))
			r = heap_ranges_add(&f->taken, map->start, map->end);
	}
	if (!r)
		r = take_nodes(f);
	heap_ranges_tidy(&f->taken);
	for (size_t i = 0; !r && i < f->maps->count; i++)
		if (heap_map_holds(&f->maps->items[i]))
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
