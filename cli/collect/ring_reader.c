#include "cli/collect/ring_reader.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLOT sizeof(struct wire_slot)
#define PAGE 4096ull
#define AHEAD 16
#define ROUND_EVENTS 3 /* of one slot and the open one before it, at most */
#define HELD_MAX (WIRE_RING_BYTES / 4 * 3)
#define WAKE_BYTES (WIRE_RING_BYTES / 4)

static void look_at(struct ring_reader *r, uint64_t cursor)
{
	const void *slot = r->data + cursor % WIRE_RING_BYTES;

	r->read = cursor;
	r->slot = &((const struct wire_slot *)slot)->head;
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

/* The first slot that is not given back before it was looked at again. */
static uint64_t kept(const struct ring_reader *r)
{
	return r->open ? r->read - SLOT : r->read;
}

static uint32_t nodes_used(void *base)
{
	struct wire_header *h = base;
	/* Relaxed: the event that names a node was acquired. */
	uint32_t used = atomic_load_explicit(&h->nodes_used, memory_order_relaxed);

	return used < WIRE_NODES ? used : WIRE_NODES;
}

/* Of a slot with no address, or of no type that there is: does it make sense? */
static bool is_sense(struct ring_reader *r, uint8_t type)
{
	if (type == WIRE_NOP)
		return false;
	if (type == WIRE_REALLOC_END || (type >= WIRE_MMAP && type < WIRE_PAIR))
		return true;
	r->bad++;
	return false;
}

static inline uint8_t type_of(uint64_t head)
{
	return (uint8_t)(head >> 48);
}

/* nodes: those known to be used. */
static inline uint32_t check_stack(void *base, uint32_t stack, uint32_t *nodes)
{
	if (stack >= *nodes)
		*nodes = nodes_used(base);
	return stack < *nodes ? stack : 0;
}

/* The rest of a copy, for those that are no plain allocation or free. */
static inline bool copy_other(struct ring_reader *r, uint8_t type, uint64_t sizes,
			      uint64_t stacks, void *base, uint32_t *nodes,
			      struct event *ev)
{
	if (type == WIRE_PAIR) {
		ev->freed_by = check_stack(
			base, stacks >> WIRE_STACK_BITS & WIRE_STACK_MASK, nodes);
		ev->gap = (uint32_t)wire_gap(sizes, stacks);
		if (ev->address)
			return true;
	} else if (type == WIRE_SHUT) {
		ev->type = WIRE_ALLOC;
	} else if (type == WIRE_POOL_ALLOC || type == WIRE_POOL_FREE) {
		ev->size = sizes;
		ev->pool = (uint32_t)(stacks >> 32);
	}
	if (!ev->address || (uint8_t)(ev->type - 1) >= WIRE_TYPES - 1)
		return is_sense(r, ev->type);
	return true;
}

/* A checked copy of a slot. False: nothing to hand on. */
static inline bool copy(struct ring_reader *r, const struct wire_slot *slot,
			uint64_t head, void *base, uint32_t *nodes, struct event *ev)
{
	/* relaxed, both: the head was acquired. What a producer may be adding to them
	 * is above what is taken here. */
	uint64_t sizes = atomic_load_explicit(&slot->size, memory_order_relaxed);
	uint64_t stacks = atomic_load_explicit(&slot->stacks, memory_order_relaxed);
	uint64_t address = head & WIRE_PC_MASK;
	uint8_t type = type_of(head);

	/* Its other fields are found out later: see ledger_look_ahead(), and whoever
	 * reads them. */
	ev->address = address;
	ev->type = type;
	ev->stamp = slot->stamp;
	ev->size = sizes & WIRE_SIZE_MASK;
	ev->stack = check_stack(base, stacks & WIRE_STACK_MASK, nodes);
	ev->ring = r->index;
	return (address && (type == WIRE_ALLOC || type == WIRE_FREE)) ||
	       copy_other(r, type, sizes, stacks, base, nodes, ev);
}

/* What has become of a slot with an allocation. If it was freed, that event; whether. */
static inline bool copy_free(struct ring_reader *r, const struct wire_slot *slot,
			     void *base, uint32_t *nodes, struct event *ev)
{
	/* acquire: pairs with the producer's release when it made it a pair. */
	uint64_t head = atomic_load_explicit(&slot->head, memory_order_acquire);
	uint64_t sizes, stacks;

	if (type_of(head) != WIRE_PAIR)
		return false;
	/* relaxed, both: the head was acquired. */
	sizes = atomic_load_explicit(&slot->size, memory_order_relaxed);
	stacks = atomic_load_explicit(&slot->stacks, memory_order_relaxed);
	ev->address = head & WIRE_PC_MASK;
	ev->type = WIRE_FREE;
	ev->stamp = slot->stamp + wire_gap(sizes, stacks);
	ev->size = 0;
	ev->stack =
		check_stack(base, stacks >> WIRE_STACK_BITS & WIRE_STACK_MASK, nodes);
	ev->ring = r->index;
	return ev->address;
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
	/* Relaxed: a lower bound; what it says later is for the next look. */
	uint64_t reserved =
		atomic_load_explicit(&r->control->reserved, memory_order_relaxed);
	uint64_t used = reserved - r->given, half = WIRE_RING_BYTES / 2;
	uint64_t to = (reserved - half) & ~(PAGE - 1);
	bool waits = used > WIRE_RING_BYTES ||
		     atomic_load_explicit(&r->control->waiting, memory_order_relaxed);

	/* Woken for every few slots, who waits would do little else. */
	if (r->dead || (waits && (kept(r) - r->given >= WAKE_BYTES || !ring_ready(r))))
		publish(r, kept(r));
	else if (!waits && used > HELD_MAX)
		publish(r, to - r->given < kept(r) - r->given ? to : kept(r));
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
	uint64_t from = (r->given + PAGE - 1) & ~(PAGE - 1), to = kept(r) & ~(PAGE - 1);
	uint64_t at = from % WIRE_RING_BYTES, len, first;

	/* relaxed: seen at the next look otherwise. */
	if (atomic_load_explicit(&r->control->waiting, memory_order_relaxed)) {
		publish(r, kept(r));
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

/* Nothing is committed behind the open slot, if there is one: how many events it makes
 * now. It stays open if it is what it was at this one look. */
static size_t look_again(struct ring_reader *r, const struct wire_slot **open,
			 void *base, uint32_t *nodes, struct event *ev)
{
	const struct wire_slot *slot = *open;
	/* acquire: see copy_free(). */
	uint64_t head =
		slot ? atomic_load_explicit(&slot->head, memory_order_acquire) : 0;

	if (type_of(head) != WIRE_ALLOC)
		*open = NULL;
	return type_of(head) == WIRE_PAIR && copy_free(r, slot, base, nodes, ev);
}

size_t ring_fill(struct ring_reader *r, void *base)
{
	uint64_t start = r->read, read = start, stop = start + WIRE_RING_BYTES / 4;
	const struct wire_slot *slot = (const struct wire_slot *)r->slot,
			       *open = r->open;
	struct event *to = r->window, *end = to + RING_WINDOW - ROUND_EVENTS;
	uint32_t nodes = 0; /* none is used that no event has named */
	uint64_t lap = r->lap;
	bool dead = r->dead;

	r->window_start = kept(r);
	if (dead && stop - start > r->end - start)
		stop = r->end;
	while (to < end && read != stop) {
		/* acquire: pairs with the producer's release of the head word, so that
		 * the slot's other words are read as they were before it, and the
		 * count of nodes as it was when the event named one. The slot before
		 * is what it will be, too. */
		uint64_t head = atomic_load_explicit(&slot->head, memory_order_acquire);

		/* Another processor's cache has them: one by one they would cost more
		 * than all that is done with them. */
		__builtin_prefetch(slot + AHEAD);
		if (head >> 56 != lap) {
			if (!dead)
				break;
			head = 0; /* a hole, as if there were nothing in it */
		}
		if (open && copy_free(r, open, base, &nodes, to))
			to++;
		open = NULL;
		if (copy(r, slot, head, base, &nodes, to)) {
			to++;
			open = type_of(head) == WIRE_ALLOC ? slot : NULL;
		}
		read += SLOT;
		slot++;
		if (read % WIRE_RING_BYTES == 0) {
			look_at(r, read);
			slot = (const struct wire_slot *)r->slot;
			lap = r->lap;
		}
	}
	to += look_again(r, &open, base, &nodes, to);
	r->read = read;
	r->slot = &slot->head;
	/* Of a dead ring that was the last time. */
	r->open = dead && read == r->end ? NULL : open;
	r->at = 0;
	r->count = (uint32_t)(to - r->window);
	if (kept(r) != r->window_start)
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
