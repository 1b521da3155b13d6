#include "preload/stray.h"

#include "preload/confined.h"
#include "preload/sys.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum {
	PAGE = 4096,
	SHARERS = PAGE / sizeof(struct wire_ring), /* rings whose controls are on one */
	STRAYS = 4,				   /* children of children */
	THREAD_BYTES = (sizeof(struct thread) + PAGE - 1) / PAGE * PAGE,
};
_Static_assert(WIRE_AT_RINGS % PAGE == 0, "whole pages of controls");
_Static_assert(WIRE_RING_BYTES % PAGE == 0, "the scratch memory begins a page");

/* Of a fork that is being made: the page of the control, then the thread. */
static __thread char *copy __attribute__((tls_model("initial-exec")));

static bool copies[WIRE_RINGS / SHARERS]; /* of this process, and inherited */

/* Of this process, if it was forked so: threads whose hooks go on, and which slots may
 * come. Those that had been reserved before the fork are filled by the parent as well, and
 * before the fork in the order of its events. */
static struct stray {
	struct thread *of;
	uint64_t at;
	uint32_t begun; /* reallocs since the fork */
} strays[STRAYS];
static uint32_t count;
static struct thread *heir; /* who claimed a ring since */

static void *map(void *at, size_t bytes, int more)
{
	long p = sys_call6(SYS_mmap, (long)at, (long)bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | more, -1, 0);

	return (unsigned long)p > -4096ul ? NULL : (void *)p;
}

static char *page_of(const struct wire_ring *ring)
{
	return (char *)((uintptr_t)ring & ~(uintptr_t)(PAGE - 1));
}

static uint32_t index_of(const struct wire_ring *ring)
{
	return (uint32_t)(ring - wire_ring(session.base, 0));
}

/* One that is just beginning has not said so yet: the stack tells. */
static bool is_in_hook(struct thread *t, const struct hook_call *c)
{
	return unwind_ancestor(&t->unwind, c->pc, c->cfa, c->fp, 0) ==
	       UNWIND_INTERRUPTED;
}

void stray_before_fork(const struct hook_call *call)
{
	struct thread *t = thread_self, *to;

	copy = NULL;
	if (!t || !thread_is_ours(t) || confined_is() || !is_in_hook(t, call) ||
	    !(copy = map(NULL, PAGE + THREAD_BYTES, 0)))
		return;
	memcpy(copy, page_of(t->ring), PAGE);
	to = memcpy(copy + PAGE, t, sizeof(*t));
	if (to->nesting)
		return;
	/* relaxed: this thread's own. */
	to->hooks[0].started =
		atomic_load_explicit(&t->ring->reserved, memory_order_relaxed);
	to->hooks[0].guard = 0;
	to->nesting = 1;
}

void stray_in_parent(void)
{
	if (copy)
		sys_call3(SYS_munmap, copy, PAGE + THREAD_BYTES, 0);
	copy = NULL;
}

static bool put_at(char *from, void *to, size_t bytes)
{
	long p = sys_call6(SYS_mremap, (long)from, (long)bytes, (long)bytes,
			   MREMAP_MAYMOVE | MREMAP_FIXED, (long)to, 0);

	return (void *)p == to;
}

/* The copy is in its place. */
static void begin(struct thread *t)
{
	struct wire_ring *ring = t->ring;
	/* relaxed, all: nobody else's. */
	uint64_t reserved = atomic_load_explicit(&ring->reserved, memory_order_relaxed);

	copies[index_of(ring) / SHARERS] = true;
	/* There is room, and nobody to wait for. */
	atomic_store_explicit(&ring->head, reserved, memory_order_relaxed);
	atomic_store_explicit(&ring->lost, 0, memory_order_relaxed);
	heir = NULL;
	if (count < STRAYS)
		strays[count++] = (struct stray){t, reserved, 0};
}

void stray_in_child(void)
{
	struct thread *t = thread_self;
	uint64_t signals;

	if (!copy)
		return;
	sys_signals_block(&signals);
	if (map(thread_slots(t), WIRE_RING_BYTES, MAP_FIXED) &&
	    put_at(copy + PAGE, t, THREAD_BYTES) &&
	    put_at(copy, page_of(t->ring), PAGE))
		begin(t);
	copy = NULL;
	sys_signals_restore(&signals);
}

bool stray_has_copy(uint32_t ring)
{
	return copies[ring / SHARERS];
}

/* A realloc that began before the fork has taken the old block from both. Ends nest. */
static enum wire_type type_of(struct stray *s, enum wire_type type, const void *address,
			      uint64_t size)
{
	if (type == WIRE_REALLOC_BEGIN)
		s->begun++;
	if (type != WIRE_REALLOC_END)
		return type;
	if (s->begun) {
		s->begun--;
		return type;
	}
	if (address)
		return WIRE_ALLOC;
	if (size) /* it failed: the old block stands, whatever it was */
		sys_local_add(&heir->ring->lost, 1);
	return WIRE_NOP;
}

/* The event at cursor `at`, which is filled; its bytes. */
static uint64_t put_again(struct stray *s, uint64_t at)
{
	const struct wire_slot *slot = thread_slot(s->of, at), *more;
	/* relaxed, all: nobody else's. */
	uint64_t head = atomic_load_explicit(&slot->head, memory_order_relaxed);
	uint64_t rest = atomic_load_explicit(&slot->rest, memory_order_relaxed);
	uint64_t size = wire_short_size(rest), bytes = sizeof(*slot);
	const void *address = (const void *)(uintptr_t)(head & WIRE_PC_MASK);
	enum wire_type type = (enum wire_type)(head >> 48 & 0xff & ~WIRE_LONG);

	if (head >> 48 & WIRE_LONG) {
		more = thread_slot(s->of, at + bytes);
		size = atomic_load_explicit(&more->head, memory_order_relaxed) &
		       WIRE_SIZE_MASK;
		rest = atomic_load_explicit(&more->rest, memory_order_relaxed);
		bytes = WIRE_LONG_BYTES;
	}
	type = type_of(s, type, address, size);
	if (type != WIRE_NOP && type != WIRE_MORE)
		thread_put(heir, type, address, size, (uint32_t)rest & WIRE_STACK_MASK);
	return bytes;
}

/* What is there was put by this process: the slots were empty. One that is not filled is
 * a hook's that goes on, while some are left. */
static void collect(struct stray *s, uint32_t left)
{
	struct wire_ring *ring = s->of->ring;
	uint64_t end = atomic_load_explicit(&ring->reserved, memory_order_relaxed);

	while ((int64_t)(end - s->at) > 0) {
		bool filled = thread_is_filled(s->of, s->at);

		if (!filled && left)
			break;
		s->at += filled ? put_again(s, s->at) : sizeof(struct wire_slot);
	}
	sys_local_add(&heir->ring->lost,
		      atomic_exchange_explicit(&ring->lost, 0, memory_order_relaxed));
}

void stray_claimed(struct thread *t, const struct thread *old)
{
	if (!count || heir || !old)
		return;
	heir = t;
	for (uint32_t i = 0; i < old->nesting && i < THREAD_NESTING; i++) {
		t->hooks[i].guard = old->hooks[i].guard;
		t->hooks[i].started = t->claimed;
		t->hooks[i].objects = old->hooks[i].objects;
	}
	t->nesting = old->nesting;
	stray_collect(t, t->nesting);
}

void stray_collect(struct thread *t, uint32_t left)
{
	if (!count || heir != t)
		return;
	for (uint32_t i = 0; i < count; i++)
		collect(&strays[i], left);
	if (!left)
		count = 0;
}
