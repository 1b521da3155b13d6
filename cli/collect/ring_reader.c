#include "cli/collect/ring_reader.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLOT sizeof(struct wire_slot)
#define PAGE 4096ull
#define AHEAD 32
#define HELD_MAX (WIRE_RING_BYTES / 4 * 3)
#define WAKE_BYTES (WIRE_RING_BYTES / 4)

static inline const struct wire_slot *slot_at(const struct ring_reader *r,
					      uint64_t cursor)
{
	return (const struct wire_slot *)(const void *)(r->data +
							cursor % WIRE_RING_BYTES);
}

static void look_at(struct ring_reader *r, uint64_t cursor)
{
	r->read = cursor;
	r->slot = &slot_at(r, cursor)->head;
	r->lap = wire_lap(cursor);
}

void ring_open(struct ring_reader *r, void *base, uint32_t index)
{
	struct wire_ring *control = wire_ring(base, index);
	/* Relaxed: only a reader of this ring has ever stored it. */
	uint64_t head = atomic_load_explicit(&control->head, memory_order_relaxed);

	*r = (struct ring_reader){.control = control,
				  .data = wire_data(base, index),
				  .index = (uint16_t)index};
	look_at(r, head & ~(SLOT - 1));
	r->given = r->read;
}

uint64_t ring_bound(const struct ring_reader *r)
{
	/* Relaxed: an event that was acquired brought with it all that its thread had
	 * seen, reservations of slots committed before it among them. */
	uint64_t reserved =
		atomic_load_explicit(&r->control->reserved, memory_order_relaxed);

	/* More than a ring is a producer that waits for its slot to become free. */
	if (reserved - r->read > WIRE_RING_BYTES)
		reserved = (int64_t)(reserved - r->read) < 0
				   ? r->read
				   : r->read + WIRE_RING_BYTES;
	return reserved & ~(SLOT - 1);
}

void ring_bury(struct ring_reader *r)
{
	r->end = ring_bound(r);
	r->dead = true;
}

static uint32_t nodes_used(void *base)
{
	struct wire_header *h = base;
	/* Relaxed: the event that names a node was acquired. */
	uint32_t used = atomic_load_explicit(&h->nodes_used, memory_order_relaxed);

	return used < WIRE_NODES ? used : WIRE_NODES;
}

static inline uint8_t type_of(uint64_t head)
{
	return (uint8_t)(head >> 48);
}

/* Nothing to hand on, if not. */
static bool is_sense(struct ring_reader *r, uint64_t address, uint8_t type)
{
	if (type == WIRE_NOP || type == WIRE_MORE)
		return false;
	if (type < WIRE_TYPES && (address || type == WIRE_REALLOC_END ||
				  (type >= WIRE_MMAP && type < WIRE_MORE)))
		return true;
	r->bad++;
	return false;
}

/* nodes: those known to be used. */
static inline uint32_t check_stack(void *base, uint64_t rest, uint32_t *nodes)
{
	uint32_t stack = rest & WIRE_STACK_MASK;

	if (stack >= *nodes)
		*nodes = nodes_used(base);
	return stack < *nodes ? stack : 0;
}

/* What one call has got to. */
struct filling {
	void *base;
	uint64_t read, end; /* cursors: of the next slot; where it ends at the latest */
	uint64_t stamp;	    /* of the last event */
	struct event *to;
	uint64_t last;	/* head of to[-1]; 0: its free can't follow, or has */
	uint32_t nodes; /* known to be used: none is that no event has named */
};

/* An event's fields, but for those that are found out later: see ledger_look_ahead(). */
static inline void put(struct filling *f, uint16_t ring, uint64_t head, uint8_t type,
		       uint64_t stamp, uint64_t size, uint64_t rest)
{
	struct event *ev = f->to;

	ev->address = head & WIRE_PC_MASK;
	ev->type = type;
	ev->stamp = f->stamp = stamp;
	ev->size = size;
	ev->stack = check_stack(f->base, rest, &f->nodes);
	ev->ring = ring;
}

/* An event of two slots, of which f->read is the first one. Whether it is one. */
static bool put_long(struct ring_reader *r, struct filling *f, uint64_t head,
		     uint64_t stamp)
{
	const struct wire_slot *slot = slot_at(r, f->read + SLOT);
	/* relaxed, both: the first slot's head was acquired. */
	uint64_t more = atomic_load_explicit(&slot->head, memory_order_relaxed);
	uint64_t rest = atomic_load_explicit(&slot->rest, memory_order_relaxed);
	uint8_t type = type_of(head) & (uint8_t)~WIRE_LONG;
	uint64_t pool = wire_long_pool(more, rest);

	if (more >> 56 != wire_lap(f->read + SLOT) || type_of(more) != WIRE_MORE ||
	    (r->dead && r->end - f->read < WIRE_LONG_BYTES)) {
		r->bad++;
		return false;
	}
	f->read += SLOT;
	if (!is_sense(r, head & WIRE_PC_MASK, type))
		return false;
	put(f, r->index, head, type, stamp, more & WIRE_SIZE_MASK, rest);
	if (type != WIRE_POOL_ALLOC && type != WIRE_POOL_FREE)
		return true;
	f->to->size = (more & WIRE_CHUNK_MASK) | pool >> 32 << 48;
	f->to->pool = (uint32_t)pool;
	return true;
}

/* A slot that is no allocation or free of its own. False: nothing is there yet. */
static __attribute__((noinline)) bool
put_other(struct ring_reader *r, struct filling *f, uint64_t head, uint64_t rest)
{
	uint8_t type = type_of(head);

	if (head >> 56 != wire_lap(f->read)) {
		/* A dead one's is a hole, as if there were nothing in it. */
		f->read += r->dead ? SLOT : 0;
		return r->dead;
	}
	if (type & WIRE_LONG) {
		f->to += put_long(r, f, head, rest);
	} else if (is_sense(r, head & WIRE_PC_MASK, type)) {
		put(f, r->index, head, type, wire_short_stamp(rest, f->stamp),
		    wire_short_size(rest), rest);
		f->to++;
	}
	f->read += SLOT;
	return true;
}

/* Right behind an allocation, f->to[-1], the free of its block: they are one event. */
static inline bool join(struct filling *f, uint64_t rest)
{
	uint64_t stamp = wire_short_stamp(rest, f->stamp);
	struct event *ev = f->to - 1;

	if (stamp - ev->stamp > UINT32_MAX)
		return false;
	ev->type = EVENT_PAIR;
	ev->freed_by = check_stack(f->base, rest, &f->nodes);
	ev->gap = (uint32_t)(stamp - ev->stamp);
	f->stamp = stamp;
	return true;
}

/* Gives the slots below `to` back, and wakes the producer if it waits for room. */
static void publish(struct ring_reader *r, uint64_t to)
{
	struct wire_ring *c = r->control;

	r->given = to;
	/* release: pairs with the producer's acquire of head. We are done reading the
	 * slots that it may overwrite now. seq_cst, both: the producer stores `waiting`
	 * before it looks at head, so one of the two sees the other. */
	atomic_store_explicit(&c->head, to, memory_order_seq_cst);
	if (!atomic_load_explicit(&c->waiting, memory_order_seq_cst))
		return;
	atomic_fetch_add_explicit(&c->room, 1, memory_order_release);
	syscall(SYS_futex, &c->room, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* As little as will do: what is given back can't be trimmed. The producer always has
 * a quarter of its ring ahead of it, as of this look; then half of it again. */
static void give(struct ring_reader *r)
{
	/* Relaxed: a lower bound; what it says later is for the next look. Less than what
	 * was read is a lie. */
	uint64_t said =
		atomic_load_explicit(&r->control->reserved, memory_order_relaxed);
	uint64_t reserved = (int64_t)(said - r->read) < 0 ? r->read : said;
	uint64_t used = reserved - r->given, half = WIRE_RING_BYTES / 2;
	uint64_t to = (reserved - half) & ~(PAGE - 1);
	bool waits = used > WIRE_RING_BYTES ||
		     atomic_load_explicit(&r->control->waiting, memory_order_relaxed);

	/* Woken for every few slots, who waits would do little else. */
	if (r->dead || (waits && (r->read - r->given >= WAKE_BYTES || !ring_ready(r))))
		publish(r, r->read);
	else if (!waits && used > HELD_MAX)
		publish(r, to - r->given < r->read - r->given ? to : r->read);
}

static void punch(int fd, const struct ring_reader *r, uint64_t at, uint64_t len)
{
	if (len)
		fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  (off_t)(WIRE_AT_DATA + r->index * WIRE_DATA_STRIDE + at),
			  (off_t)len);
}

bool ring_trim(struct ring_reader *r, int fd, uint64_t least)
{
	uint64_t from = (r->given + PAGE - 1) & ~(PAGE - 1), to = r->read & ~(PAGE - 1);
	uint64_t at = from % WIRE_RING_BYTES, len, first;

	/* relaxed: seen at the next look otherwise. */
	if (atomic_load_explicit(&r->control->waiting, memory_order_relaxed)) {
		publish(r, r->read);
		return false;
	}
	if (to <= from || to - from < least)
		return false;
	len = to - from;
	first = len < WIRE_RING_BYTES - at ? len : WIRE_RING_BYTES - at;
	punch(fd, r, at, first);
	punch(fd, r, 0, len - first);
	/* A page that is ours in part waits until it is ours whole. */
	publish(r, to);
	return true;
}

/* As far as the ring's memory goes on, or up to so many slots as the window has room for.
 * False: there is no more. (A copy of `all`, whose address nobody has, is kept in
 * registers.) */
static inline bool fill(struct ring_reader *r, struct filling *all)
{
	struct filling f = *all;
	const struct event *full = r->window + RING_WINDOW;
	uint64_t left = WIRE_RING_BYTES - f.read % WIRE_RING_BYTES, room;
	const struct wire_slot *from = slot_at(r, f.read), *slot = from, *end;
	uint64_t alloc = wire_head(0, WIRE_ALLOC, f.read) >> 48;

	room = (uint64_t)(full - f.to) * SLOT;
	left = left < room ? left : room;
	left = f.end - f.read < left ? f.end - f.read : left;
	for (end = from + left / SLOT; slot != end; slot++) {
		/* acquire: pairs with the producer's release of the head word, so that
		 * the event's other words are read as they were before it, and the
		 * count of nodes as it was when the event named one. */
		uint64_t head = atomic_load_explicit(&slot->head, memory_order_acquire);
		/* relaxed: behind that. */
		uint64_t rest = atomic_load_explicit(&slot->rest, memory_order_relaxed);
		uint64_t type = (head >> 48) - alloc + WIRE_ALLOC;

		/* Another processor's cache has them: one by one they would cost more
		 * than all that is done with them. */
		__builtin_prefetch(slot + AHEAD);
		if (__builtin_expect(type - WIRE_ALLOC > 1 || !(head & WIRE_PC_MASK),
				     0)) {
			f.read += (uint64_t)(slot - from) * SLOT;
			f.last = 0;
			*all = f;
			return put_other(r, all, head, rest) && all->to < full &&
			       (int64_t)(all->end - all->read) > 0;
		}
		/* The free of that block, in the same lap: all else is as it was. */
		if (head - f.last == (uint64_t)(WIRE_FREE - WIRE_ALLOC) << 48 &&
		    join(&f, rest)) {
			f.last = 0;
			continue;
		}
		put(&f, r->index, head, (uint8_t)type, wire_short_stamp(rest, f.stamp),
		    wire_short_size(rest), rest);
		f.to++;
		f.last = head;
	}
	f.read += (uint64_t)(slot - from) * SLOT;
	*all = f;
	return f.to < full && (int64_t)(f.end - f.read) > 0;
}

size_t ring_fill(struct ring_reader *r, void *base)
{
	uint64_t start = r->read, end = start + WIRE_RING_BYTES / 4;
	struct filling f = {.base = base,
			    .read = start,
			    .end = end,
			    .stamp = r->stamp,
			    .to = r->window};

	if (r->dead && end - start > r->end - start)
		f.end = r->end;
	while (fill(r, &f))
		continue;
	look_at(r, f.read);
	r->stamp = f.stamp;
	r->window_start = start;
	r->at = 0;
	r->count = (uint32_t)(f.to - r->window);
	if (f.read != start)
		give(r);
	return r->count;
}

void ring_release(struct ring_reader *r)
{
	struct wire_ring *c = r->control;

	/* Relaxed: the owner is dead, and the next one acquires the state. */
	atomic_store_explicit(&c->reserved, r->read, memory_order_relaxed);
	atomic_store_explicit(&c->head, r->read, memory_order_relaxed);
	atomic_store_explicit(&c->lost, 0, memory_order_relaxed);
	atomic_store_explicit(&c->held_back, 0, memory_order_relaxed);
	atomic_store_explicit(&c->waiting, 0, memory_order_relaxed);
	/* release: pairs with the acquire of the next owner's compare-and-exchange. */
	atomic_store_explicit(&c->state, WIRE_RING_FREE, memory_order_release);
}
