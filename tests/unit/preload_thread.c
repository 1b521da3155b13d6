/*
 * preload_thread.c - rings as their producers use them, against a consumer that knows
 * only wire.h. Built by the tsan setup too: weaken the release in thread_put(), or the
 * consumer's release of head, and it reports a race on the slots.
 */
#include "tests/unit/unit.h"

#include "preload/silence.h"
#include "preload/sys.h"
#include "preload/thread_held.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

enum { RINGS = 4, EVENTS = 400000 };

static struct session_identity identity = {.serial = 1};

static void session_up(uint32_t flags)
{
	size_t bytes = WIRE_AT_DATA + RINGS * WIRE_DATA_STRIDE;
	struct wire_header *h;

	session.base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(session.base, MAP_FAILED);
	session.rings = RINGS;
	session.flags = flags;
	session_identity = &identity;
	h = session.base;
	h->recording = WIRE_RECORDING;
	h->collector.word = 12345;
	h->nodes_used = 1;
}

/* Unmaps it, and with it entries of this thread's list of robust futexes. */
static void session_down(void)
{
	void **head;
	size_t len;

	syscall(SYS_get_robust_list, 0, &head, &len);
	head[0] = head;
	munmap(session.base, WIRE_AT_DATA + RINGS * WIRE_DATA_STRIDE);
}

/* As hooks do (preload/block.c). */
static void put_plain(struct thread *t, uint64_t event, size_t size, uint32_t stack)
{
	if (!thread_put_quickly(t, event, size, stack))
		thread_put_event(t, event, size, stack);
}

struct seen { /* an event */
	enum wire_type type;
	uint64_t address, stamp, size;
	uint32_t stack;
};

struct consumer {
	struct wire_ring *ring;
	unsigned char *data;
	uint64_t at, stamp, allocs, frees, left_out, two;
	bool in_order;
};

static struct consumer consumer(uint32_t ring)
{
	return (struct consumer){.ring = wire_ring(session.base, ring),
				 .data = wire_data(session.base, ring),
				 .in_order = true};
}

static struct wire_slot *slot_at(const struct consumer *c, uint64_t at)
{
	return (struct wire_slot *)(c->data + (at & (WIRE_RING_BYTES - 1)));
}

/* The next slot, or two. False: it is not committed. */
static bool take(struct consumer *c, struct seen *ret)
{
	const struct wire_slot *slot = slot_at(c, c->at), *more;
	/* acquire: pairs with thread_commit()'s release. */
	uint64_t head = atomic_load_explicit(&slot->head, memory_order_acquire), rest;
	uint32_t type = head >> 48 & 0xff;

	if (head >> 56 != wire_lap(c->at))
		return false;
	rest = atomic_load_explicit(&slot->rest, memory_order_relaxed);
	*ret = (struct seen){.type = (enum wire_type)(type & ~(uint32_t)WIRE_LONG),
			     .address = head & WIRE_PC_MASK,
			     .stamp = wire_short_stamp(rest, c->stamp),
			     .size = wire_short_size(rest),
			     .stack = rest & WIRE_STACK_MASK};
	c->at += sizeof(*slot);
	if (type & WIRE_LONG) {
		more = slot_at(c, c->at);
		head = atomic_load_explicit(&more->head, memory_order_relaxed);
		assert_int_equal(head >> 48, WIRE_MORE | wire_lap(c->at) << 8);
		ret->stamp = rest;
		ret->size = head & WIRE_SIZE_MASK;
		ret->stack = (uint32_t)more->rest & WIRE_STACK_MASK;
		c->at += sizeof(*slot);
		c->two++;
	}
	if (ret->type != WIRE_NOP && ret->type != WIRE_MORE)
		c->stamp = ret->stamp;
	return true;
}

/* All that is committed now; how many. */
static size_t consume(struct consumer *c)
{
	struct seen s;
	size_t n = 0;

	for (; take(c, &s); n++) {
		c->left_out += s.type == WIRE_NOP || s.type == WIRE_MORE;
		c->frees += s.type == WIRE_FREE && s.address;
		if (s.type == WIRE_ALLOC) {
			c->in_order &= s.size == c->allocs && s.stack == 7;
			c->allocs++;
		}
	}
	/* release: done with the slots; pairs with the producer's acquire. */
	atomic_store_explicit(&c->ring->head, c->at, memory_order_seq_cst);
	if (atomic_load_explicit(&c->ring->waiting, memory_order_seq_cst)) {
		atomic_fetch_add(&c->ring->room, 1);
		sys_futex_wake(&c->ring->room);
	}
	atomic_fetch_add(&((struct wire_header *)session.base)->heartbeat, 1);
	return n;
}

static void *produce(void *unused)
{
	struct thread *t = thread_claim(true);

	(void)unused;
	for (size_t i = 0; i < EVENTS; i++)
		thread_put(t, WIRE_ALLOC, (void *)(i * 16), i, 7);
	return NULL;
}

static void every_event_arrives_once_and_in_order(void **state)
{
	struct consumer c;
	pthread_t thread;

	(void)state;
	session_up(WIRE_CLOCK_TSC);
	c = consumer(0);
	pthread_create(&thread, NULL, produce, NULL);
	while (c.allocs < EVENTS)
		consume(&c);
	pthread_join(thread, NULL);
	assert_true(c.in_order);
	assert_int_equal(c.allocs, EVENTS);
	assert_int_equal(c.ring->lost, 0);
	session_down();
}

/* The stamp of the ring's event i. */
static uint64_t stamp_of(uint32_t ring, size_t i)
{
	struct consumer c = consumer(ring);
	struct seen s;

	do
		assert_true(take(&c, &s));
	while (i--);
	return s.stamp;
}

/* Two threads and a lock, taken in turns of 1 to 40 events: the stamps never go back. */
static void who_holds_the_lock_stamps_in_its_order(void **state)
{
	struct thread *t[2];
	size_t n[2] = {0, 0};
	uint64_t last = 0;

	(void)state;
	session_up(WIRE_CLOCK_TSC);
	t[0] = thread_claim(true);
	t[1] = thread_claim(true);
	for (size_t turn = 0; turn < 200; turn++) {
		size_t k = turn % 2;

		for (size_t i = 0; i < 1 + turn * 7 % 40; i++) {
			/* One that needs no lock stands in between, now and then. */
			bool held = (turn + i) % 11 != 0;
			uint64_t at;

			assert_true((held ? thread_put_held
					  : thread_put)(t[k], WIRE_ALLOC, &n, i, 1));
			at = stamp_of((uint32_t)k, n[k]++);
			assert_true(at >= last);
			last = at;
		}
	}
	session_down();
}

static size_t different_stamps(struct thread *t, struct consumer *c, size_t events,
			       bool passes)
{
	struct wire_header *h = session.base;
	uint64_t last = 0;
	struct seen s;
	size_t n = 0;

	for (size_t i = 0; i < events; i++) {
		thread_put_held(t, WIRE_ALLOC, &n, i, 1);
		assert_true(take(c, &s));
		n += s.stamp != last;
		last = s.stamp;
		while (wire_stamp(sys_ticks()) == last)
			continue;
		if (passes)
			h->heartbeat++;
	}
	return n;
}

static void a_stamp_is_shared_while_the_collector_is_at_a_pass(void **state)
{
	struct wire_header *h;
	struct consumer c;
	struct thread *t;

	(void)state;
	session_up(WIRE_CLOCK_TSC);
	h = session.base;
	c = consumer(0);
	t = thread_claim(true);
	assert_uint_in_range(different_stamps(t, &c, 160, false), 10, 11);
	assert_int_equal(different_stamps(t, &c, 160, true), 160);
	h->asleep = 1;
	assert_int_equal(different_stamps(t, &c, 160, false), 160);
	h->asleep = 0;
	assert_uint_in_range(different_stamps(t, &c, 160, false), 10, 11);
	session_down();
}

static void the_kernel_tells_that_an_owner_died(void **state)
{
	struct wire_ring *ring;
	pthread_t thread;

	(void)state;
	session_up(WIRE_CLOCK_TSC | WIRE_LOSSY);
	ring = wire_ring(session.base, 0);
	pthread_create(&thread, NULL, produce, NULL);
	pthread_join(thread, NULL);
	for (int i = 0; i < 60000 && !(ring->owner.word & FUTEX_OWNER_DIED); i++)
		usleep(1000);
	assert_true(ring->owner.word & FUTEX_OWNER_DIED);
	session_down();
}

static void lossy_drops_and_counts_without_waiting(void **state)
{
	struct thread *t;
	struct consumer c;
	size_t put = 0;

	(void)state;
	session_up(WIRE_CLOCK_TSC | WIRE_LOSSY);
	t = thread_claim(true);
	c = consumer(0);
	for (size_t i = 0; i < 100000; i++)
		put += thread_put(t, WIRE_ALLOC, NULL, put, 7);
	assert_int_equal(put + t->ring->lost, 100000);
	/* (On a busy machine, some may come so late that they take two slots.) */
	assert_uint_in_range(put, WIRE_RING_BYTES / 16 - 149, WIRE_RING_BYTES / 16);
	assert_uint_in_range(atomic_load(&t->ring->reserved) / 16, put + 1, put + 21);
	consume(&c);
	assert_int_equal(c.allocs, put);
	assert_true(thread_put(t, WIRE_ALLOC, NULL, put, 7));
	session_down();
}

static void a_dead_collector_ends_recording_at_once(void **state)
{
	struct wire_header *h;
	struct thread *t;
	size_t put = 0;

	(void)state;
	session_up(WIRE_CLOCK_TSC);
	h = session.base;
	t = thread_claim(true);
	h->collector.word |= FUTEX_OWNER_DIED;
	while (thread_put(t, WIRE_ALLOC, NULL, 0, 7))
		put++;
	/* (On a busy machine, some may come so late that they take two slots.) */
	assert_uint_in_range(put, WIRE_RING_BYTES / 16 - 20, WIRE_RING_BYTES / 16 - 1);
	assert_int_equal(h->recording, WIRE_ABANDONED);
	assert_int_equal(t->ring->lost, 1);
	session_down();
}

static void a_silent_collector_ends_recording_in_time(void **state)
{
	struct thread *t;
	uint64_t began;

	(void)state;
	session_up(WIRE_CLOCK_TSC);
	t = thread_claim(true);
	began = sys_monotonic_ns();
	while (thread_put(t, WIRE_ALLOC, NULL, 0, 7))
		continue;
	assert_uint_in_range(sys_monotonic_ns() - began, 1000000000, 20000000000);
	assert_int_equal(((struct wire_header *)session.base)->recording,
			 WIRE_ABANDONED);
	assert_true(t->ring->held_back > 0);
	session_down();
}

static void holes_of_hooks_that_never_returned_are_filled(void **state)
{
	struct consumer c;
	struct thread *t;
	uint64_t at;

	(void)state;
	session_up(WIRE_CLOCK_TSC);
	t = thread_claim(true);
	c = consumer(0);
	thread_put(t, WIRE_ALLOC, NULL, 0, 7);
	/* A hook that was left between its reservation and its commit, with a signal
	 * handler's event behind it. */
	t->hooks[0].started = atomic_load(&t->ring->reserved);
	sys_local_add(&t->ring->reserved, sizeof(struct wire_slot));
	thread_put(t, WIRE_ALLOC, NULL, 1, 7);
	assert_int_equal(consume(&c), 1);
	thread_recover(t, 0);
	/* (That one was put where it was not said to be, first.) */
	assert_int_equal(consume(&c), 3);
	/* The same of an event of two slots, of which the second was written. */
	t->hooks[0].started = atomic_load(&t->ring->reserved);
	at = sys_local_add(&t->ring->reserved, WIRE_LONG_BYTES) + 16;
	slot_at(&c, at)->head = wire_head(4096, WIRE_MORE, at);
	thread_put(t, WIRE_ALLOC, NULL, 2, 7);
	assert_int_equal(consume(&c), 0);
	thread_recover(t, 0);
	assert_int_equal(consume(&c), 3);
	assert_int_equal(c.left_out, 4);
	assert_int_equal(c.allocs, 3);
	assert_true(c.in_order);
	session_down();
}

static void a_handler_does_not_wait_for_what_it_interrupted(void **state)
{
	struct wire_header *h;
	struct consumer c;
	struct thread *t;
	size_t n = 0;

	(void)state;
	session_up(WIRE_CLOCK_TSC);
	h = session.base;
	t = thread_claim(true);
	c = consumer(0);
	thread_put(t, WIRE_ALLOC, NULL, 0, 7);
	/* A hook in the middle of an event, and handlers on top of it that do not end. */
	t->nesting = 2;
	t->hooks[0].started = atomic_load(&t->ring->reserved);
	sys_local_add(&t->ring->reserved, sizeof(struct wire_slot));
	while (n < 2 * WIRE_RING_BYTES / sizeof(struct wire_slot) &&
	       thread_put(t, WIRE_ALLOC, NULL, n + 1, 7))
		n++;
	/* (Handlers' events take two slots.) */
	assert_uint_in_range(n, WIRE_RING_BYTES / WIRE_LONG_BYTES - 100,
			     WIRE_RING_BYTES / WIRE_LONG_BYTES);
	assert_int_equal(h->recording, WIRE_RECORDING);
	assert_int_equal(t->ring->lost, 1);
	/* Once it goes on, so does all else. */
	thread_recover(t, 0);
	consume(&c);
	assert_int_equal(c.allocs, n + 1);
	assert_true(thread_put(t, WIRE_ALLOC, NULL, n + 1, 7));
	consume(&c);
	assert_true(c.in_order);
	assert_int_equal(t->ring->lost, 1);
	session_down();
}

static struct thread *storm_thread;
static volatile size_t storm_puts;

/* As hooks do. It may take longer than times of one slot can tell. */
static void storm(int signal)
{
	uint64_t late = sys_ticks() + 2 * WIRE_TIME_RANGE;

	(void)signal;
	storm_thread->nesting = 2;
	while (storm_puts % 1000 == 999 && sys_ticks() < late)
		continue;
	thread_put(storm_thread, WIRE_FREE, NULL, 0, 0);
	storm_puts++;
	storm_thread->nesting = 1;
}

static void a_handler_may_put_in_the_middle_of_a_put(void **state)
{
	struct sigaction action = {.sa_handler = storm}, old;
	struct itimerval often = {{0, 200}, {0, 200}}, never = {0};
	struct consumer c;
	size_t n = 0, total = 0;

	(void)state;
	session_up(WIRE_CLOCK_TSC);
	storm_thread = thread_claim(true);
	storm_thread->nesting = 1;
	c = consumer(0);
	sigaction(SIGALRM, &action, &old);
	setitimer(ITIMER_REAL, &often, NULL);
	for (; n < 2000000; n++) {
		uint64_t before = sys_ticks();

		put_plain(storm_thread, thread_event(WIRE_ALLOC, NULL), n, 7);
		if (n % 1000)
			continue;
		total += consume(&c);
		/* The last one's, which nothing was put behind. */
		assert_uint_in_range(c.stamp, wire_stamp(before), sys_ticks());
	}
	setitimer(ITIMER_REAL, &never, NULL);
	total += consume(&c);
	assert_true(storm_puts > 0);
	assert_int_equal(total - c.left_out, n + storm_puts);
	assert_int_equal(c.allocs, n);
	assert_true(c.in_order);
	sigaction(SIGALRM, &old, NULL);
	session_down();
}

/* Else the child would not have what its parent freed later. */
static void no_time_is_shared_across_a_fork(void **state)
{
	struct thread *t, *other;

	(void)state;
	session_up(WIRE_CLOCK_TSC);
	t = thread_claim(true);
	other = thread_claim(true);
	thread_put_held(t, WIRE_ALLOC, (void *)16, 1, 0);
	thread_put(t, WIRE_FORK, (void *)2, 0, 0);
	thread_part_times(t);
	thread_put_held(t, WIRE_FREE, (void *)16, 0, 0);
	thread_put_held(t, WIRE_ALLOC, (void *)16, 1, 0);
	assert_true(stamp_of(0, 1) < stamp_of(0, 2));
	assert_true(stamp_of(0, 2) == stamp_of(0, 3));
	/* The other one forks; who asked for the time last is t. */
	thread_put(other, WIRE_FORK, (void *)3, 0, 0);
	thread_part_times(other);
	thread_put_held(t, WIRE_FREE, (void *)16, 0, 0);
	assert_true(stamp_of(1, 0) < stamp_of(0, 4));
	session_down();
}

/* Two slots where one does not say it all; what comes behind is told from it. */
static void what_is_large_or_late_takes_two_slots(void **state)
{
	static const struct {
		size_t size;
		bool late, forgets;
		uint64_t two;
	} cases[] = {{0, false, false, 1}, /* a thread's first */
		     {0, false, false, 0},
		     {WIRE_SHORT_SIZE - 1, false, false, 0},
		     {WIRE_SHORT_SIZE, false, false, 1},
		     {WIRE_SIZE_MASK + 5, false, false, 1},
		     {7, false, false, 0},
		     {7, true, false, 1},
		     {7, false, false, 0},
		     {7, false, true, 1},
		     {7, false, false, 0}};
	struct consumer c;
	struct thread *t;
	struct seen s;

	(void)state;
	session_up(WIRE_CLOCK_TSC);
	t = thread_claim(true);
	c = consumer(0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint64_t two = c.two, last = c.stamp, now = sys_ticks();

		while (cases[i].late && sys_ticks() - now < WIRE_TIME_RANGE)
			continue;
		now = sys_ticks();
		if (cases[i].forgets)
			thread_recover(t, 0);
		put_plain(t, thread_event(WIRE_ALLOC, (void *)0x1230), cases[i].size,
			  9);
		assert_true(take(&c, &s));
		assert_int_equal(s.type, WIRE_ALLOC);
		assert_int_equal(s.address, 0x1230);
		assert_int_equal(s.size, cases[i].size < WIRE_SIZE_MASK
						 ? cases[i].size
						 : WIRE_SIZE_MASK);
		assert_int_equal(s.stack, 9);
		assert_uint_in_range(s.stamp, wire_stamp(now), sys_ticks());
		/* (Whatever a busy machine makes late is.) */
		if (cases[i].two || s.stamp - last < WIRE_TIME_RANGE)
			assert_int_equal(c.two - two, cases[i].two);
	}
	assert_int_equal(c.at, atomic_load(&t->ring->reserved));
	session_down();
}

/* Whatever was put since the base, or in between. */
static void an_event_counts_from_what_ends_where_it_begins(void **state)
{
	uint64_t began, now;
	struct consumer c;
	struct thread *t;

	(void)state;
	do {
		session_up(WIRE_CLOCK_TSC);
		t = thread_claim(true);
		c = consumer(0);
		began = sys_ticks();
		put_plain(t, thread_event(WIRE_ALLOC, (void *)16), 0, 7);
		put_plain(t, thread_event(WIRE_ALLOC, (void *)16), 1, 7);
		t->base_end -= sizeof(struct wire_slot);
		now = sys_ticks();
		put_plain(t, thread_event(WIRE_ALLOC, (void *)16), 2, 7);
		consume(&c);
		assert_uint_in_range(c.stamp, wire_stamp(now), sys_ticks());
		/* A handler's tells its own, and the next one may count from it. */
		t->nesting = 2;
		thread_put(t, WIRE_FREE, (void *)16, 0, 7);
		t->nesting = 1;
		put_plain(t, thread_event(WIRE_ALLOC, (void *)16), 3, 7);
		consume(&c);
		now = sys_ticks();
		session_down();
	} while (now - began >= WIRE_TIME_RANGE); /* some may have been late */
	assert_int_equal(c.left_out, 1);
	assert_int_equal(c.two, 3);
	assert_int_equal(c.allocs, 4);
	assert_true(c.in_order);
}

/* Any time passes: all stamps that are known are of long ago. */
static void age(struct thread *t, struct consumer *c)
{
	t->base -= 2 * WIRE_TIME_RANGE;
	c->stamp -= 2 * WIRE_TIME_RANGE;
}

/* (By steps a sanitizer's own instructions take too long.) */
#if defined(__x86_64__) && !defined(UNIT_SANITIZED)
#define BY_STEPS 1

enum { TRAP = 0x100 };

static volatile int steps_left;
static sigjmp_buf out_of_steps;

/* No frame here may keep anything below the stack pointer. */
#define STEP()                                                                         \
	__asm__ volatile(                                                              \
		"lea -128(%%rsp), %%rsp; pushfq; orq $0x100, (%%rsp); popfq; "         \
		"lea 128(%%rsp), %%rsp" ::                                             \
			: "memory", "cc")
#define STEP_NO_MORE()                                                                 \
	__asm__ volatile(                                                              \
		"lea -128(%%rsp), %%rsp; pushfq; andq $~0x100, (%%rsp); popfq; "       \
		"lea 128(%%rsp), %%rsp" ::                                             \
			: "memory", "cc")

static void (*at_step)(void);

static void trap(int signal, siginfo_t *info, void *context)
{
	ucontext_t *c = context;

	(void)signal;
	(void)info;
	if (--steps_left)
		return;
	c->uc_mcontext.gregs[REG_EFL] &= ~TRAP;
	at_step();
}

static void leave(void)
{
	siglongjmp(out_of_steps, 1);
}

/* Its put is left, or interrupted, at the given instruction. False: it was over. */
static bool put_by_steps(struct thread *t, int steps, bool outermost)
{
	steps_left = steps;
	if (!sigsetjmp(out_of_steps, 1)) {
		STEP();
		if (outermost)
			put_plain(t, thread_event(WIRE_FREE, (void *)32), 0, 7);
		else
			thread_put(t, WIRE_FREE, (void *)32, 0, 7);
		STEP_NO_MORE();
	}
	return steps_left <= 0;
}

static struct sigaction trap_action(void)
{
	return (struct sigaction){.sa_sigaction = trap,
				  .sa_flags = SA_SIGINFO | SA_NODEFER};
}

/* By one within it that jumps to it. No hook of its begins then before the interrupted
 * one goes on, which finds what it has left. */
static void a_handlers_put_may_be_left_anywhere(void **state)
{
	struct sigaction action = trap_action(), old;
	bool within = true;
	struct consumer c;
	struct thread *t;
	struct seen s;

	(void)state;
	at_step = leave;
	session_up(WIRE_CLOCK_TSC);
	t = thread_claim(true);
	c = consumer(0);
	sigaction(SIGTRAP, &action, &old);
	put_plain(t, thread_event(WIRE_ALLOC, (void *)16), 1, 7);
	for (int step = 1; within; step++) {
		uint64_t now;

		consume(&c);
		age(t, &c);
		t->hooks[0].started = t->hooks[1].started = thread_reserved(t);
		t->nesting = 2;
		within = put_by_steps(t, step, false);
		t->nesting = 1;
		now = sys_ticks();
		put_plain(t, thread_event(WIRE_ALLOC, (void *)16), 1, 7);
		if (c.at != thread_reserved(t) && !thread_is_filled(t, c.at))
			thread_recover(t, 0);
		do
			assert_true(take(&c, &s));
		while (c.at != thread_reserved(t));
		assert_int_equal(s.type, WIRE_ALLOC);
		assert_uint_in_range(s.stamp, wire_stamp(now), sys_ticks());
		assert_true(step < 10000);
	}
	sigaction(SIGTRAP, &old, NULL);
	session_down();
}

/* What comes in the middle of a put, and whose. */
static struct {
	struct thread *thread;
	struct consumer *consumer;
	int kind, puts;
} meddler;

/* Before it, just so much time has passed that an event of one slot can tell how late it
 * is, if its stamp was taken already; and then some more does. */
static void meddle(void)
{
	struct thread *t = meddler.thread;
	uint64_t last = meddler.consumer->stamp;
	uint64_t more = WIRE_TIME_RANGE - WIRE_TIME_UNIT - (t->stamp - last);

	if (t->stamp != last) {
		meddler.consumer->stamp -= more;
		t->base -= t->base == last ? more : 0;
	}
	if (meddler.kind == 0) {
		t->nesting++;
		thread_put(t, WIRE_REALLOC_BEGIN, (void *)48, 0, 7);
		t->nesting--;
	} else if (meddler.kind == 1) { /* of another coroutine's outermost hook */
		put_plain(t, thread_event(WIRE_REALLOC_BEGIN, (void *)48), 0, 7);
	} else {
		put_plain(t, thread_event(WIRE_REALLOC_BEGIN, (void *)48), 0, 7);
		thread_put(t, WIRE_REALLOC_BEGIN, (void *)48, 1 << 20, 7);
		meddler.puts++;
	}
	meddler.puts++;
}

/* All that was put, each once: how many. None has another stamp than it had. */
static size_t seen_since(struct consumer *c, const struct thread *t, uint64_t since)
{
	struct seen s;
	size_t n = 0;

	while (take(c, &s)) {
		if (s.type == WIRE_NOP)
			continue;
		assert_uint_in_range(s.stamp, wire_stamp(since), sys_ticks());
		n++;
	}
	assert_int_equal(c->at, atomic_load(&t->ring->reserved));
	consume(c);
	return n;
}

static void puts_may_be_in_the_middle_of_a_put(void **state)
{
	struct sigaction action = trap_action(), old;
	struct consumer c;
	struct thread *t;

	(void)state;
	at_step = meddle;
	sigaction(SIGTRAP, &action, &old);
	for (int kind = 0; kind < 6; kind++) {
		bool within = true;

		session_up(WIRE_CLOCK_TSC);
		t = thread_claim(true);
		t->nesting = 1;
		c = consumer(0);
		meddler.thread = t;
		meddler.consumer = &c;
		meddler.kind = kind / 2;
		for (int step = 1; within; step++) {
			uint64_t since = sys_ticks();

			put_plain(t, thread_event(WIRE_ALLOC, (void *)16), 1, 7);
			assert_int_equal(seen_since(&c, t, since), 1);
			since = sys_ticks();
			meddler.puts = 0;
			within = put_by_steps(t, step, kind % 2);
			put_plain(t, thread_event(WIRE_ALLOC, (void *)16), 1, 7);
			assert_int_equal(seen_since(&c, t, since), 2 + meddler.puts);
			assert_true(step < 10000);
		}
		session_down();
	}
	sigaction(SIGTRAP, &old, NULL);
}

#endif

static void *put_around_a_hole(void *hole)
{
	struct thread *t = thread_claim(true);

	t->hooks[0].started = thread_reserved(t);
	t->nesting = 1;
	put_plain(t, thread_event(WIRE_ALLOC, (void *)16), 0, 7);
	sys_local_add(&t->ring->reserved, (uintptr_t)hole);
	for (size_t i = 1; i < EVENTS; i++)
		put_plain(t, thread_event(WIRE_ALLOC, (void *)16), i, 7);
	return NULL;
}

/* Of a handler's hook that was left for good, to a handler that then returned. */
static void a_hole_below_it_is_filled_by_who_would_wait_for_room(void **state)
{
	struct wire_header *h;
	struct consumer c;
	pthread_t thread;

	(void)state;
	for (uintptr_t slots = 1; slots <= 2; slots++) {
		session_up(WIRE_CLOCK_TSC);
		h = session.base;
		c = consumer(0);
		pthread_create(&thread, NULL, put_around_a_hole,
			       (void *)(slots * sizeof(struct wire_slot)));
		while (c.allocs < EVENTS && h->recording == WIRE_RECORDING)
			consume(&c);
		pthread_join(thread, NULL);
		assert_int_equal(h->recording, WIRE_RECORDING);
		assert_true(c.in_order);
		assert_int_equal(c.left_out, slots + 1); /* and the next one's first */
		assert_int_equal(c.ring->lost, 0);
		session_down();
	}
}

/* ---- calm ------------------------------------------------------------------- */

static bool put_quickly(struct thread *t)
{
	uint64_t before = atomic_load(&t->ring->reserved);
	bool put = thread_put_quickly(t, thread_event(WIRE_ALLOC, (void *)16), 1, 7);

	/* All of it, or nothing. (A machine may be so busy that it is late.) */
	assert_int_equal(atomic_load(&t->ring->reserved) - before,
			 put ? sizeof(struct wire_slot) : 0);
	return put;
}

/* Where the collector sleeps, the event that ends at a mark wakes it, and no other. */
static void a_sleeping_collector_is_woken_at_each_mark(void **state)
{
	struct consumer c;
	struct thread *t;

	(void)state;
	session_up(WIRE_CLOCK_TSC);
	t = thread_claim(true);
	c = consumer(0);
	for (uint64_t mark = 1; mark < 2 * WIRE_RING_BYTES / THREAD_BELL_BYTES + 2;
	     mark++) {
		_Atomic uint32_t *asleep = &session_header()->asleep;
		uint64_t end = 0;

		atomic_store(asleep, WIRE_ASLEEP);
		while (atomic_load(asleep) && end < (mark + 1) * THREAD_BELL_BYTES) {
			put_plain(t, thread_event(WIRE_ALLOC, (void *)16), 1, 7);
			end = atomic_load(&t->ring->reserved);
			consume(&c);
		}
		assert_uint_in_range(end, mark * THREAD_BELL_BYTES,
				     mark * THREAD_BELL_BYTES +
					     sizeof(struct wire_slot));
	}
	session_down();
}

/* An event that would lie where one was not read yet has to ask, wherever that is. */
static void a_full_ring_is_not_calm(void **state)
{
	const size_t slot = sizeof(struct wire_slot);
	struct consumer c;
	struct thread *t;
	uint64_t end;

	(void)state;
	session_up(WIRE_CLOCK_TSC);
	t = thread_claim(true);
	c = consumer(0);
	for (int i = 0; i < 5000; i++) {
		put_plain(t, thread_event(WIRE_ALLOC, (void *)16), 1, 7);
		if (i % 700 == 0)
			consume(&c);
	}
	for (;;) {
		end = atomic_load(&t->ring->reserved);
		assert_true(end <= c.at + WIRE_RING_BYTES);
		if (put_quickly(t))
			continue;
		if (end + 2 * slot > c.at + WIRE_RING_BYTES)
			break;
		/* It was late, or at a mark. */
		thread_put_event(t, thread_event(WIRE_ALLOC, (void *)16), 1, 7);
	}
	consume(&c);
	assert_int_equal(c.at, atomic_load(&t->ring->reserved));
	thread_put_event(t, thread_event(WIRE_ALLOC, (void *)16), 1, 7);
	while (!put_quickly(t)) /* unless it was late */
		thread_put_event(t, thread_event(WIRE_ALLOC, (void *)16), 1, 7);
	session_down();
}

/* Who has ignoring switched on has every event looked at. */
static void what_is_ignored_is_not_calm(void **state)
{
	struct thread *t;

	(void)state;
	session_up(WIRE_CLOCK_TSC);
	t = thread_claim(true);
	assert_false(put_quickly(t));
	thread_put_event(t, thread_event(WIRE_ALLOC, (void *)16), 1, 7);
	while (!put_quickly(t))
		thread_put_event(t, thread_event(WIRE_ALLOC, (void *)16), 1, 7);
	silence_thread = 1;
	thread_stir(t);
	for (int i = 0; i < 3; i++) {
		assert_false(put_quickly(t));
		thread_put_event(t, thread_event(WIRE_ALLOC, (void *)16), 1, 7);
	}
	silence_thread = 0;
	do
		thread_put_event(t, thread_event(WIRE_ALLOC, (void *)16), 1, 7);
	while (!put_quickly(t));
	session_down();
}

static void a_chunk_has_its_pool(void **state)
{
	void *pool = (void *)0x7fedcba98765, *chunk = (void *)0x1000;
	const struct wire_slot *slots;
	struct thread *t;

	(void)state;
	session_up(WIRE_CLOCK_TSC);
	t = thread_claim(true);
	slots = (const struct wire_slot *)thread_slots(t);
	assert_true(thread_put_chunk(t, WIRE_POOL_ALLOC, pool, chunk, 77, 9));
	assert_true(thread_put_chunk(t, WIRE_POOL_ALLOC, pool, chunk, 1ull << 47, 9));
	for (int i = 0; i < 4; i += 2) {
		uint64_t size = slots[i + 1].head, rest = slots[i + 1].rest;

		assert_int_equal(wire_long_pool(size, rest), pool);
		assert_int_equal(size & WIRE_CHUNK_MASK, i ? WIRE_CHUNK_MASK : 77);
		assert_int_equal(rest & WIRE_STACK_MASK, 9);
	}
	session_down();
}

static void *claim_one(void *ret)
{
	*(struct thread **)ret = thread_claim(false);
	return NULL;
}

static void rings_are_handed_out_once(void **state)
{
	struct thread *t[RINGS + 1] = {0};
	pthread_t threads[RINGS + 1];

	(void)state;
	session_up(WIRE_CLOCK_TSC);
	for (int i = 0; i <= RINGS; i++)
		pthread_create(&threads[i], NULL, claim_one, &t[i]);
	for (int i = 0; i <= RINGS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0, none = 0; i <= RINGS; i++) {
		none += !t[i];
		for (int k = 0; k < i; k++)
			assert_true(t[i] != t[k] || !t[i]);
		assert_true(none <= 1);
	}
	session_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_event_arrives_once_and_in_order),
		cmocka_unit_test(who_holds_the_lock_stamps_in_its_order),
		cmocka_unit_test(a_stamp_is_shared_while_the_collector_is_at_a_pass),
		cmocka_unit_test(the_kernel_tells_that_an_owner_died),
		cmocka_unit_test(lossy_drops_and_counts_without_waiting),
		cmocka_unit_test(a_dead_collector_ends_recording_at_once),
		cmocka_unit_test(a_silent_collector_ends_recording_in_time),
		cmocka_unit_test(holes_of_hooks_that_never_returned_are_filled),
		cmocka_unit_test(a_handler_does_not_wait_for_what_it_interrupted),
		cmocka_unit_test(a_handler_may_put_in_the_middle_of_a_put),
		cmocka_unit_test(no_time_is_shared_across_a_fork),
		cmocka_unit_test(what_is_large_or_late_takes_two_slots),
		cmocka_unit_test(an_event_counts_from_what_ends_where_it_begins),
#ifdef BY_STEPS
		cmocka_unit_test(a_handlers_put_may_be_left_anywhere),
		cmocka_unit_test(puts_may_be_in_the_middle_of_a_put),
#endif
		cmocka_unit_test(a_hole_below_it_is_filled_by_who_would_wait_for_room),
		cmocka_unit_test(a_sleeping_collector_is_woken_at_each_mark),
		cmocka_unit_test(a_full_ring_is_not_calm),
		cmocka_unit_test(what_is_ignored_is_not_calm),
		cmocka_unit_test(a_chunk_has_its_pool),
		cmocka_unit_test(rings_are_handed_out_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
