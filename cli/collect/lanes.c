#include "cli/collect/lanes.h"

#include "cli/base/array.h"
#include "cli/collect/processes.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>

enum {
	TRIM_RINGS = 256,      /* trimmed at most at a time */
	SLOW_BYTES = 4096,     /* read between two looks: more is busy */
	SLOW_HOLDS = 64 << 10, /* what makes it worth trimming a slow ring */
	LOOK_RINGS = 64, /* rings looked at in each pass for a dead owner, or a claim */
};

static bool lane_thread(struct engine *e, struct lane *lane)
{
	const struct wire_ring *control = lane->reader.control;
	struct thread *t;

	if (array_reserve(&e->threads, &e->thread_room, e->thread_count + 1) < 0)
		return false;
	lane->thread = e->thread_count++;
	lane->books.number = (uint32_t)lane->thread + 1;
	t = &e->threads[lane->thread];
	*t = (struct thread){.process = lane->process->books.sums.index,
			     .tid = control->tid,
			     .start_ns = clock_ns(&e->clock, e->stamp)};
	memcpy(t->name, control->name, WIRE_THREAD_NAME_BYTES);
	t->name[strcspn(t->name, "\n")] = 0;
	return true;
}

/* A ring was claimed. One that names no process is left alone; one whose process has
 * ended already cannot be true, and is emptied as it stands. */
static void lane_open(struct engine *e, uint32_t index)
{
	struct lane *lane = &e->lanes[index];

	*lane = (struct lane){0};
	ring_open(&lane->reader, e->base, index);
	lane->process = processes_of_ring(e, lane->reader.control);
	if (!lane->process || !lane_thread(e, lane))
		return;
	if (lane->process->pub.ended)
		ring_bury(&lane->reader);
	e->in_use[index] = true;
	e->open[e->open_count++] = (uint16_t)index;
}

static void look_at_claim(struct engine *e, uint32_t index)
{
	/* acquire: pairs with the claimant's release of the state. */
	if (!e->in_use[index] &&
	    atomic_load_explicit(&wire_ring(e->base, index)->state,
				 memory_order_acquire) == WIRE_RING_LIVE)
		lane_open(e, index);
}

/* Behind them there are pages that nobody has touched. Nor do we, who would make them. */
static uint32_t ever_taken(const struct engine *e)
{
	return wire_used(&engine_header(e)->rings_used, e->rings);
}

/* Opens the rings that were claimed since the last time. */
void lanes_look_at_claims(struct engine *e, bool all)
{
	/* acquire: pairs with the claimant's release, after its ring became LIVE. */
	uint32_t claims =
		atomic_load_explicit(&engine_header(e)->claims, memory_order_acquire);

	if (claims != e->claims)
		all = true;
	e->claims = claims;
	if (!all)
		return;
	e->ever = ever_taken(e);
	for (uint32_t i = 0; i < e->ever; i++)
		look_at_claim(e, i);
}

void lanes_return_window(struct engine *e, struct lane *lane)
{
	struct event *window = lane->reader.window;

	if (!window)
		return;
	memcpy((void *)window, &e->windows, sizeof(e->windows));
	e->windows = window;
	lane->reader.window = NULL;
}

bool lanes_borrow_window(struct engine *e, struct lane *lane)
{
	struct event *window = e->windows;

	if (lane->reader.window)
		return true;
	if (window)
		memcpy(&e->windows, (void *)window, sizeof(e->windows));
	else
		window = aligned_alloc(64, RING_WINDOW * sizeof(*window));
	lane->reader.window = window;
	if (!window)
		engine_fail(e);
	return window;
}

static void close_thread(struct engine *e, struct lane *lane)
{
	e->threads[lane->thread].ended = true;
	e->threads[lane->thread].end_ns = clock_ns(&e->clock, e->stamp);
}

/* Everything was read: the ring may have another owner. */
static void lane_close(struct engine *e, size_t at)
{
	struct lane *lane = &e->lanes[e->open[at]];
	struct wire_ring *control = lane->reader.control;
	uint16_t index = lane->reader.index;

	lane->process->lost +=
		atomic_load_explicit(&control->lost, memory_order_relaxed);
	lane->process->held_back +=
		atomic_load_explicit(&control->held_back, memory_order_relaxed);
	lane->process->books.lost += lane->reader.bad;
	ledger_thread_end(&e->ledger, &lane->process->books, &lane->books);
	close_thread(e, lane);
	lanes_return_window(e, lane);
	if (e->fd >= 0)
		fallocate(e->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  (off_t)(WIRE_AT_DATA + index * WIRE_DATA_STRIDE),
			  (off_t)WIRE_DATA_STRIDE);
	e->in_use[index] = false;
	e->open[at] = e->open[--e->open_count];
	ring_release(&lane->reader);
}

static bool is_drained(const struct lane *lane)
{
	return lane->reader.dead && lane->reader.at == lane->reader.count &&
	       !ring_ready(&lane->reader);
}

/* Frees the rings that are dead and read. */
void lanes_close_drained(struct engine *e)
{
	for (size_t i = e->open_count; i-- > 0;)
		if (is_drained(&e->lanes[e->open[i]]))
			lane_close(e, i);
}

void lanes_look_at_owner(struct lane *lane)
{
	/* acquire: the kernel marked the word after all that the owner ever did. */
	uint32_t word = atomic_load_explicit(&lane->reader.control->owner.word,
					     memory_order_acquire);

	if (word & FUTEX_OWNER_DIED && !lane->reader.dead)
		ring_bury(&lane->reader);
}

/* A few rings in each pass: those in use for their owners' death, and any for a claim
 * that was not announced. */
void lanes_look_around(struct engine *e)
{
	if (e->look >= e->ever) {
		e->look = 0;
		e->ever = ever_taken(e);
	}
	for (size_t i = 0; i < LOOK_RINGS && e->look < e->ever; i++, e->look++) {
		look_at_claim(e, e->look);
		if (i < e->open_count)
			lanes_look_at_owner(
				&e->lanes[e->open[e->look % e->open_count]]);
	}
}

/* An idle ring's pages go back. Not a busy one's: it would only fault them in again. */
static bool trim(struct engine *e, struct lane *lane)
{
	struct ring_reader *r = &lane->reader;
	uint64_t news = r->read - lane->looked_at;

	lane->looked_at = r->read;
	if (e->fd < 0 || r->dead || news > SLOW_BYTES)
		return false;
	return ring_trim(r, e->fd, news ? SLOW_HOLDS : 1);
}

void lanes_trim(struct engine *e)
{
	int most = TRIM_RINGS;

	for (size_t i = 0; i < e->open_count && most; i++, e->trim++)
		most -= trim(e, &e->lanes[e->open[e->trim % e->open_count]]);
}
