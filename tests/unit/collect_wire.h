/*
 * collect_wire.h - a wire of their own for the tests of cli/collect, and the shim's
 * side of it, as preload/wire.h says it.
 */
#pragma once

#include "preload/wire.h"

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static inline void *wire_make(uint32_t flags)
{
	void *base = mmap(NULL, WIRE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct wire_header *h = base;

	if (base == MAP_FAILED)
		return NULL;
	h->magic = WIRE_MAGIC;
	h->version = WIRE_VERSION;
	h->flags = flags;
	h->nodes_used = 1;
	h->modules_used = 1;
	return base;
}

/* The same in a memfd, which the caller closes. */
static inline void *wire_make_shared(uint32_t flags, int *ret_fd)
{
	int fd = memfd_create("wire", MFD_CLOEXEC);
	void *base = wire_make(flags);

	*ret_fd = fd;
	if (!base || fd < 0 || ftruncate(fd, (off_t)WIRE_BYTES) < 0)
		return NULL;
	if (mmap(base, WIRE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		 0) == MAP_FAILED)
		return NULL;
	*(struct wire_header *)base = (struct wire_header){.magic = WIRE_MAGIC,
							   .version = WIRE_VERSION,
							   .flags = flags,
							   .nodes_used = 1,
							   .modules_used = 1};
	return base;
}

static inline void wire_unmake(void *base)
{
	munmap(base, WIRE_BYTES);
}

/* Back to fresh zeroes. */
static inline void wire_wipe(void *base, uint32_t flags)
{
	struct wire_header *h = base;

	madvise(base, WIRE_BYTES, MADV_DONTNEED);
	h->magic = WIRE_MAGIC;
	h->version = WIRE_VERSION;
	h->flags = flags;
	h->nodes_used = 1;
	h->modules_used = 1;
}

static inline uint32_t wire_add_node(void *base, uint64_t pc, uint32_t parent)
{
	struct wire_header *h = base;
	uint32_t id = atomic_fetch_add(&h->nodes_used, 1);

	*wire_node(base, id) = (struct wire_node){.pc_flags = pc, .parent = parent};
	return id;
}

static inline void wire_add_process(void *base, uint32_t slot, uint32_t serial,
				    uint32_t parent)
{
	struct wire_process *p = wire_process(base, slot);

	wire_use_slot(base, slot);
	p->serial = serial;
	p->pid = 1000 + serial;
	p->parent_serial = parent;
	atomic_store(&p->state, WIRE_PROCESS_LIVE);
}

/* The stamp of the ring's last event, or WIRE_NO_BASE; in the ring's scratch memory. */
static inline uint64_t *wire_last_stamp(void *base, uint32_t ring)
{
	return (uint64_t *)(void *)wire_scratch(base, ring);
}

/* Claims that ring, as a new thread, without a word about it. False: it is not free. */
static inline bool wire_claim_at(void *base, uint32_t i, uint32_t slot, uint32_t serial,
				 uint32_t tid)
{
	struct wire_ring *r = wire_ring(base, i);
	uint32_t state = WIRE_RING_FREE;

	if (!atomic_compare_exchange_strong(&r->state, &state, WIRE_RING_CLAIMED))
		return false;
	wire_use_ring(base, i);
	r->process = slot;
	r->process_serial = serial;
	r->tid = tid;
	*wire_last_stamp(base, i) = WIRE_NO_BASE;
	atomic_store(&r->owner.word, tid);
	atomic_store(&r->state, WIRE_RING_LIVE);
	return true;
}

/* Claims the first free ring, as a new thread. */
static inline uint32_t wire_claim(void *base, uint32_t slot, uint32_t serial,
				  uint32_t tid)
{
	struct wire_header *h = base;

	for (uint32_t i = 0; i < WIRE_RINGS; i++) {
		if (!wire_claim_at(base, i, slot, serial, tid))
			continue;
		atomic_fetch_add(&h->claims, 1);
		return i;
	}
	return UINT32_MAX;
}

/* Is there room for n more events? */
static inline bool wire_room(void *base, uint32_t ring, uint64_t n)
{
	struct wire_ring *r = wire_ring(base, ring);

	return atomic_load_explicit(&r->reserved, memory_order_relaxed) -
		       atomic_load_explicit(&r->head, memory_order_acquire) +
		       n * WIRE_LONG_BYTES <=
	       WIRE_RING_BYTES;
}

static inline struct wire_slot *wire_slot_at(void *base, uint32_t ring, uint64_t cursor)
{
	return (struct wire_slot *)(void *)(wire_data(base, ring) +
					    cursor % WIRE_RING_BYTES);
}

static inline uint64_t wire_reserve_bytes(void *base, uint32_t ring, uint64_t bytes)
{
	struct wire_ring *r = wire_ring(base, ring);
	uint64_t cursor = atomic_load_explicit(&r->reserved, memory_order_relaxed);

	atomic_store_explicit(&r->reserved, cursor + bytes, memory_order_relaxed);
	return cursor;
}

/* Of two slots, for wire_commit(), at any time. */
static inline uint64_t wire_reserve(void *base, uint32_t ring)
{
	*wire_last_stamp(base, ring) = WIRE_NO_BASE;
	return wire_reserve_bytes(base, ring, WIRE_LONG_BYTES);
}

static inline void wire_commit(void *base, uint32_t ring, uint64_t cursor,
			       enum wire_type type, uint64_t address, uint64_t stamp,
			       uint64_t size, uint32_t stack)
{
	uint64_t behind = cursor + sizeof(struct wire_slot);
	struct wire_slot *slot = wire_slot_at(base, ring, cursor);
	struct wire_slot *more = wire_slot_at(base, ring, behind);

	atomic_store_explicit(&more->rest, wire_long_rest(stack & WIRE_STACK_MASK, 0),
			      memory_order_relaxed);
	atomic_store_explicit(&more->head,
			      wire_head(wire_long_size(size, 0), WIRE_MORE, behind),
			      memory_order_relaxed);
	atomic_store_explicit(&slot->rest, stamp, memory_order_relaxed);
	/* release: pairs with the reader's acquire in ring_fill(). */
	atomic_store_explicit(&slot->head,
			      wire_head(address, type, cursor) | (uint64_t)WIRE_LONG
									 << 48,
			      memory_order_release);
}

/* The same of one slot: wire_is_short(), and `stamp` is a whole unit. */
static inline void wire_commit_short(void *base, uint32_t ring, uint64_t cursor,
				     enum wire_type type, uint64_t address,
				     uint64_t stamp, uint64_t size, uint32_t stack)
{
	struct wire_slot *slot = wire_slot_at(base, ring, cursor);

	atomic_store_explicit(&slot->rest,
			      wire_short(stamp, size, stack & WIRE_STACK_MASK),
			      memory_order_relaxed);
	/* release: as above. */
	atomic_store_explicit(&slot->head, wire_head(address, type, cursor),
			      memory_order_release);
}

/* Of one slot where that will do, as producers choose. */
static inline void wire_put(void *base, uint32_t ring, enum wire_type type,
			    uint64_t address, uint64_t stamp, uint64_t size,
			    uint32_t stack)
{
	uint64_t *last = wire_last_stamp(base, ring);

	if (stamp != wire_stamp(stamp) || !wire_is_short(stamp, *last, size)) {
		wire_commit(base, ring, wire_reserve(base, ring), type, address, stamp,
			    size, stack);
		*last = wire_stamp(stamp) == stamp ? stamp : WIRE_NO_BASE;
		return;
	}
	*last = stamp;
	wire_commit_short(base, ring,
			  wire_reserve_bytes(base, ring, sizeof(struct wire_slot)),
			  type, address, stamp, size, stack);
}
