/*
 * preload_thread.c - rings as their producers use them, against a consumer that knows
 * only wire.h. Built by the tsan setup too: weaken the release in thread_put(), or the
 * consumer's release of head, and it reports a race on the slots.
 */
#include "tests/unit/unit.h"

#include "preload/sys.h"
#include "preload/thread_held.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
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

struct consumer {
	struct wire_ring *ring;
	unsigned char *data;
	uint64_t at, allocs, frees, shut;
	bool in_order;
};

static struct consumer consumer(uint32_t ring)
{
	return (struct consumer){.ring = wire_ring(session.base, ring),
				 .data = wire_data(session.base, ring),
				 .in_order = true};
}

static bool is(uint64_t head, enum wire_type type)
{
	return (head >> 48 & 0xff) == type;
}

/* All that is committed now; how many. */
static size_t consume(struct consumer *c)
{
	size_t n = 0;

	for (;; n++) {
		struct wire_slot *slot =
			(struct wire_slot *)(c->data + (c->at & (WIRE_RING_BYTES - 1)));
		/* acquire: pairs with thread_put()'s release. */
		uint64_t head = atomic_load_explicit(&slot->head, memory_order_acquire);

		if (head >> 56 != wire_lap(c->at))
			break;
		c->frees += is(head, WIRE_PAIR) ||
			    (is(head, WIRE_FREE) && head & WIRE_PC_MASK);
		c->shut += is(head, WIRE_SHUT);
		if (is(head, WIRE_ALLOC) || is(head, WIRE_PAIR) ||
		    is(head, WIRE_SHUT)) {
			c->in_order &= (slot->size & WIRE_SIZE_MASK) == c->allocs &&
				       (slot->stacks & WIRE_STACK_MASK) == 7;
			c->allocs++;
		}
		c->at += sizeof(*slot);
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
	return ((struct wire_slot *)(void *)wire_data(session.base, ring))[i].stamp;
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

static size_t different_stamps(struct thread *t, size_t events, bool passes)
{
	struct wire_header *h = session.base;
	uint64_t first = atomic_load(&t->ring->reserved) / sizeof(struct wire_slot);
	size_t n = 0;

	for (size_t i = 0; i < events; i++) {
		thread_put_held(t, WIRE_ALLOC, &n, i, 1);
		n += !i || stamp_of(0, first + i) != stamp_of(0, first + i - 1);
		if (passes)
			h->heartbeat++;
	}
	return n;
}

static void a_stamp_is_shared_while_the_collector_is_at_a_pass(void **state)
{
	struct wire_header *h;
	struct thread *t;

	(void)state;
	session_up(WIRE_CLOCK_TSC);
	h = session.base;
	t = thread_claim(true);
	assert_uint_in_range(different_stamps(t, 160, false), 10, 11);
	assert_int_equal(different_stamps(t, 160, true), 160);
	h->asleep = 1;
	assert_int_equal(different_stamps(t, 160, false), 160);
	h->asleep = 0;
	assert_uint_in_range(different_stamps(t, 160, false), 10, 11);
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
	assert_uint_in_range(put, WIRE_RING_BYTES / 32 - 64, WIRE_RING_BYTES / 32);
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
	assert_int_equal(put, WIRE_RING_BYTES / 32);
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
	assert_int_equal(consume(&c), 2);
	assert_int_equal(c.allocs, 2);
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
	assert_uint_in_range(n, WIRE_RING_BYTES / sizeof(struct wire_slot) - 100,
			     WIRE_RING_BYTES / sizeof(struct wire_slot));
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

static void storm(int signal)
{
	(void)signal;
	thread_put(storm_thread, WIRE_FREE, NULL, 0, 0);
	storm_puts++;
}

static void a_handler_may_put_in_the_middle_of_a_put(void **state)
{
	struct sigaction action = {.sa_handler = storm}, old;
	struct itimerval often = {{0, 200}, {0, 200}}, never = {0};
	struct consumer c;
	size_t total = 0;

	(void)state;
	session_up(WIRE_CLOCK_TSC);
	storm_thread = thread_claim(true);
	c = consumer(0);
	sigaction(SIGALRM, &action, &old);
	setitimer(ITIMER_REAL, &often, NULL);
	for (size_t i = 0; i < 2000000; i++) {
		thread_put(storm_thread, WIRE_ALLOC, NULL, i, 7);
		if (!(i % 1000))
			total += consume(&c);
	}
	setitimer(ITIMER_REAL, &never, NULL);
	total += consume(&c);
	assert_true(storm_puts > 0);
	assert_int_equal(total, 2000000 + storm_puts);
	assert_true(c.in_order);
	sigaction(SIGALRM, &old, NULL);
	session_down();
}

static uint64_t stamp_at(const struct thread *t, size_t i)
{
	return ((struct wire_slot *)t->slots)[i].stamp;
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
	assert_true(stamp_at(t, 1) < stamp_at(t, 2));
	assert_true(stamp_at(t, 2) == stamp_at(t, 3));
	/* The other one forks; who asked for the time last is t. */
	thread_put(other, WIRE_FORK, (void *)3, 0, 0);
	thread_part_times(other);
	thread_put_held(t, WIRE_FREE, (void *)16, 0, 0);
	assert_true(stamp_at(other, 0) < stamp_at(t, 4));
	session_down();
}

static void what_is_freed_at_once_takes_one_slot(void **state)
{
	void *one = (void *)0x1000, *other = (void *)0x2000;
	struct consumer c;
	struct thread *t;

	(void)state;
	session_up(WIRE_CLOCK_TSC);
	t = thread_claim(true);
	c = consumer(0);
	assert_false(thread_pair(t, one, 9));
	thread_put(t, WIRE_ALLOC, one, 0, 7);
	assert_false(thread_pair(t, other, 9));
	assert_true(thread_pair(t, one, 9));
	assert_false(thread_pair(t, one, 9));
	thread_put(t, WIRE_ALLOC, one, 1, 7);
	thread_put(t, WIRE_ALLOC, other, 2, 7);
	assert_false(thread_pair(t, one, 9));
	assert_true(thread_pair(t, other, 9));
	assert_int_equal(consume(&c), 3);
	assert_true(c.in_order);
	assert_int_equal(c.allocs, 3);
	assert_int_equal(c.frees, 2);
	session_down();
}

static void a_threads_first_free_joins_no_other_threads_allocation(void **state)
{
	void *one = (void *)0x1000;
	struct thread *t;

	(void)state;
	session_up(WIRE_CLOCK_TSC);
	t = thread_claim(true);
	thread_put(t, WIRE_ALLOC, one, 0, 7);
	/* The collector gives the ring back, and does not get to punching it. */
	t->ring->head = t->ring->reserved;
	t->ring->state = WIRE_RING_FREE;
	assert_ptr_equal(thread_claim(true), t);
	assert_false(thread_pair(t, one, 9));
	thread_put(t, WIRE_ALLOC, one, 1, 7);
	assert_true(thread_pair(t, one, 9));
	session_down();
}

/* A long enough time, and its slot would be another event's. */
static void a_hook_left_in_the_middle_of_a_pair_makes_none(void **state)
{
	void *one = (void *)0x1000;
	struct consumer c;
	struct thread *t;

	(void)state;
	session_up(WIRE_CLOCK_TSC);
	t = thread_claim(true);
	c = consumer(0);
	thread_put(t, WIRE_ALLOC, one, 0, 7);
	t->pairing = (struct wire_slot *)t->slots;
	for (size_t i = 1; i < WIRE_RING_BYTES / 32; i++)
		thread_put(t, WIRE_ALLOC, one, i, 7);
	assert_int_equal(consume(&c), WIRE_RING_BYTES / 32);
	assert_int_equal(c.shut, 1);
	thread_put(t, WIRE_ALLOC, one, WIRE_RING_BYTES / 32, 7);
	/* It was left out, and the next one taken. */
	assert_int_equal(consume(&c), 2);
	assert_true(is(((struct wire_slot *)t->slots)->head, WIRE_NOP));
	assert_int_equal(c.allocs, WIRE_RING_BYTES / 32 + 1);
	t->hooks[0].started = atomic_load(&t->ring->reserved);
	thread_recover(t, 0);
	assert_null(t->pairing);
	assert_true(thread_pair(t, one, 9));
	session_down();
}

/* Recorded or not: the child of a handler's fork has the ring, and its own time. */
static void a_fork_in_the_middle_of_a_pair_makes_none(void **state)
{
	void *one = (void *)0x1000;
	struct thread *t;

	(void)state;
	session_up(WIRE_CLOCK_TSC);
	t = thread_claim(true);
	thread_put(t, WIRE_ALLOC, one, 0, 7);
	thread_self = t;
	thread_forks();
	assert_true(thread_pair(t, one, 9));
	thread_put(t, WIRE_ALLOC, one, 1, 7);
	t->pairing = (struct wire_slot *)t->slots + 1;
	thread_forks();
	assert_true(is(t->pairing->head, WIRE_SHUT));
	assert_false(thread_pair(t, one, 9));
	thread_self = NULL;
	session_down();
}

static void a_handler_may_put_in_the_middle_of_a_pair(void **state)
{
	struct sigaction action = {.sa_handler = storm}, old;
	struct itimerval often = {{0, 200}, {0, 200}}, never = {0};
	struct consumer c;
	size_t n = 0, total = 0, pairs = 0;

	(void)state;
	session_up(WIRE_CLOCK_TSC);
	storm_thread = thread_claim(true);
	storm_puts = 0;
	c = consumer(0);
	sigaction(SIGALRM, &action, &old);
	setitimer(ITIMER_REAL, &often, NULL);
	/* Until it has happened, and some more. */
	for (; n < 2000000 || (c.shut < 3 && n < 200000000); n++) {
		void *p = (void *)(16 + n % 100 * 16);
		bool paired;

		thread_put(storm_thread, WIRE_ALLOC, p, n, 7);
		paired = thread_pair(storm_thread, p, 9);
		pairs += paired;
		if (!paired)
			thread_put(storm_thread, WIRE_FREE, p, 0, 0);
		if (!(n % 1000))
			total += consume(&c);
	}
	setitimer(ITIMER_REAL, &never, NULL);
	total += consume(&c);
	assert_true(c.shut > 0);
	assert_true(c.in_order);
	assert_int_equal(c.allocs, n);
	assert_int_equal(c.frees, n);
	assert_int_equal(total, n + (n - pairs) + storm_puts);
	sigaction(SIGALRM, &old, NULL);
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
		cmocka_unit_test(what_is_freed_at_once_takes_one_slot),
		cmocka_unit_test(
			a_threads_first_free_joins_no_other_threads_allocation),
		cmocka_unit_test(a_hook_left_in_the_middle_of_a_pair_makes_none),
		cmocka_unit_test(a_fork_in_the_middle_of_a_pair_makes_none),
		cmocka_unit_test(a_handler_may_put_in_the_middle_of_a_pair),
		cmocka_unit_test(rings_are_handed_out_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
