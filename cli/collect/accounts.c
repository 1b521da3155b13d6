#include "cli/collect/accounts.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/kernel.h"
#include "cli/base/table.h"
#include "cli/collect/glance.h"
#include "cli/collect/procfs.h"
#include "preload/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TICK_NS 10000000u
#define PATIENCE_NS 20000000u /* for an answer; then nobody is asked for a while */
#define BETWEEN_NS 50000000u  /* from one question to the next */
#define LATE_NS 200000000u    /* then a small change is reason enough */
#define SMAPS_NS 200000000u   /* from one look at smaps to the next, and 100 times */
#define SMAPS_SHARE 100	      /* what the look takes */

enum {
	LEAST_LIVE = 64 << 10, /* bytes: below it nothing is worth a question */
	ANSWER_SHARE = 200,  /* answers take at most one part in so many of the time */
	FREE_CHUNK_NS = 200, /* what a free block may cost the allocator to answer */
	LONG_NS = 5000000,   /* an answer at exit, or past a peak, may take */
	LEAST_CHUNK = 32,    /* bytes: of glibc */
	SILENT_MOST = 6,     /* times that what lies between two questions doubles */
};

struct account {
	uint64_t asked_ns;
	struct engine_heap asked_at;
	struct engine_heap before; /* where the question before that was asked */
	uint64_t took_ns;	   /* the last answer */
	unsigned silent;	   /* questions since that nobody answered, */
	uint64_t idle_at; /* and the process's events when the last was given up */
	bool asked, answers;
	uint64_t smaps_at;	    /* when to look again */
	struct profile_memory seen; /* the last look: rss_ alone; rss_bytes 0: none */
	struct procfs_pages pages;  /* and what the kernel counted then */
};

/* The one that is under way, and what is to be noted with what it finds. */
struct look {
	struct glance *glance; /* NULL: none is */
	size_t of;	       /* account */
	struct engine_process *p;
	uint64_t began_ns, rss_at_ns;
	struct procfs_pages pages;  /* when it began */
	struct profile_memory said; /* live_bytes; of an answer, all but rss_ */
	bool answer;
};

struct accounts {
	struct engine *engine;
	void *base;
	pid_t (*pid_of)(void *context, const struct engine_process *p);
	void *context;
	struct account *items;
	size_t count, room;
	struct table serials; /* -> index + 1 */
	uint64_t tick_at, asking_until;
	bool asking;
	struct look look;
};

int accounts_open(struct engine *engine, void *base,
		  pid_t (*pid_of)(void *context, const struct engine_process *p),
		  void *context, struct accounts **ret)
{
	struct accounts *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	*a = (struct accounts){
		.engine = engine, .base = base, .pid_of = pid_of, .context = context};
	*ret = a;
	return 0;
}

/* NULL without memory: then nobody is asked. */
static struct account *account_of(struct accounts *a, const struct engine_process *p)
{
	uint64_t *index =
		table_put(&a->serials, (struct table_key){p->serial, 0}, NULL);

	if (index && !*index && array_reserve(&a->items, &a->room, a->count + 1) == 0) {
		a->items[a->count++] = (struct account){0};
		*index = a->count;
	}
	return index && *index ? &a->items[*index - 1] : NULL;
}

/* ---- the kernel's word ---------------------------------------------------- */

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

/* The last part of a path; "" if it has no room. */
static const char *base_of(const char *name, size_t len, char *ret, size_t room)
{
	const char *slash = memrchr(name, '/', len);
	size_t n = slash ? (size_t)(name + len - slash - 1) : 0;

	if (n >= room)
		n = 0;
	memcpy(ret, slash ? slash + 1 : name, n);
	ret[n] = '\0';
	return ret;
}

/* The sum that a mapping belongs to, by its name in smaps. */
static uint64_t *sum_of(struct profile_memory *m, const char *name, size_t len)
{
	char base[32];

	if (!len || begins(name, "[heap]") || begins(name, "[anon"))
		return &m->rss_anonymous;
	if (begins(name, "[stack"))
		return &m->rss_stack;
	if (begins(name, "[v"))
		return &m->rss_files; /* the kernel's own code */
	if (begins(name, "/memfd:heapline") ||
	    wire_is_shim(base_of(name, len, base, sizeof(base))))
		return &m->rss_own;
	if (begins(name, "/memfd:") || begins(name, "/dev/shm/") ||
	    begins(name, "/SYSV") || begins(name, "/dev/zero"))
		return &m->rss_shared;
	return &m->rss_files;
}

/* The name at the end of a mapping's first line: behind five words. */
static const char *name_in(const char *line, const char *end)
{
	for (int words = 0; words < 5 && line < end; words++) {
		line += strcspn(line, " \n");
		line += strspn(line, " ");
	}
	return line < end ? line : end;
}

void accounts_read_smaps(const char *text, struct profile_memory *ret)
{
	uint64_t *sum = &ret->rss_anonymous;

	ret->rss_bytes = ret->rss_anonymous = ret->rss_files = 0;
	ret->rss_stack = ret->rss_shared = ret->rss_own = 0;
	while (*text) {
		const char *end = text + strcspn(text, "\n");

		if (begins(text, "Rss:")) {
			uint64_t bytes = strtoull(text + 4, NULL, 10) * 1024;

			*sum += bytes;
			ret->rss_bytes += bytes;
		} else if (strspn(text, "0123456789abcdef") > 0 &&
			   text[strspn(text, "0123456789abcdef")] == '-') {
			const char *name = name_in(text, end);

			sum = sum_of(ret, name, (size_t)(end - name));
		}
		text = *end ? end + 1 : end;
	}
}

static void keep(struct engine_process *p, const struct profile_memory *now)
{
	if (now->live_bytes >= p->memory[PROFILE_AT_PEAK].live_bytes)
		p->memory[PROFILE_AT_PEAK] = *now;
	p->memory[PROFILE_AT_END] = *now;
}

/* Of an allocator that does not answer: the kernel's word alone. */
static void note(const struct account *i, const struct look *l)
{
	struct profile_memory now = i->seen;

	if (!l->answer && (i->answers || !i->seen.rss_bytes))
		return;
	now.at_ns = l->answer ? l->said.at_ns : now.rss_at_ns;
	now.live_bytes = l->said.live_bytes;
	now.used_bytes = l->said.used_bytes;
	now.system_bytes = l->said.system_bytes;
	keep(l->p, &now);
}

static void finish(struct accounts *a, bool wait)
{
	struct look l = a->look;
	struct profile_memory seen = {.rss_at_ns = l.rss_at_ns};
	_cleanup_(freep) char *text = NULL;
	struct account *i;
	uint64_t took;

	if (!l.glance || (!wait && !glance_is_done(l.glance)))
		return;
	i = &a->items[l.of];
	text = glance_close(l.glance, &took);
	a->look.glance = NULL;
	i->smaps_at = l.began_ns + SMAPS_NS + SMAPS_SHARE * took;
	if (text)
		accounts_read_smaps(text, &seen);
	if (seen.rss_bytes) {
		i->seen = seen;
		i->pages = l.pages;
	}
	note(i, &l);
}

/* From what was then to what is now. */
static void move(uint64_t *sum, uint64_t now, uint64_t then)
{
	if (now < then && *sum < then - now)
		*sum = 0;
	else
		*sum += now - then;
}

/* None is under way. here: at once. */
static void look(struct accounts *a, struct account *i, struct look *l, bool here)
{
	pid_t pid = a->pid_of(a->context, l->p);

	l->of = (size_t)(i - a->items);
	l->began_ns = kernel_monotonic_ns();
	l->rss_at_ns = engine_now_ns(a->engine);
	l->glance = pid && procfs_pages(pid, &l->pages) ? glance_open(pid, here) : NULL;
	if (!l->glance) {
		i->smaps_at = l->began_ns + SMAPS_NS;
		note(i, l);
		return;
	}
	a->look = *l;
	if (here)
		finish(a, true);
}

/* Too soon for another look, which would hold back the program wherever it maps memory:
 * the last one, with what has come and gone since. False: there is none. */
static bool estimate(struct accounts *a, struct account *i, const struct look *l)
{
	pid_t pid = a->pid_of(a->context, l->p);
	struct profile_memory was = i->seen;
	struct procfs_pages now;

	if (!was.rss_bytes || !pid || !procfs_pages(pid, &now))
		return false;
	move(&i->seen.rss_anonymous, now.anonymous, i->pages.anonymous);
	move(&i->seen.rss_files, now.others, i->pages.others);
	i->seen.rss_bytes = i->seen.rss_anonymous + i->seen.rss_files + was.rss_stack +
			    was.rss_shared + was.rss_own;
	i->seen.rss_at_ns = engine_now_ns(a->engine);
	note(i, l);
	i->seen = was;
	return true;
}

void accounts_settle(struct accounts *a)
{
	if (a)
		finish(a, true);
}

/* ---- answers --------------------------------------------------------------- */

void accounts_heard(struct accounts *a, struct engine_process *p,
		    const struct engine_account *said)
{
	struct account *i = account_of(a, p);
	struct look l = {.p = p,
			 .said = {.at_ns = said->at_ns,
				  .live_bytes = said->live_bytes,
				  .used_bytes = said->used_bytes,
				  .system_bytes = said->system_bytes},
			 .answer = true};

	if (!i)
		return;
	i->answers = true;
	i->silent = 0;
	i->took_ns = 1000ull *
		     atomic_load_explicit(&wire_process(a->base, p->slot)->account_us,
					  memory_order_relaxed);
	finish(a, true);
	if (!said->at_exit && kernel_monotonic_ns() < i->smaps_at && estimate(a, i, &l))
		return;
	/* A process that ends does not wait for a thread of ours. */
	look(a, i, &l, said->at_exit);
}

/* ---- questions -------------------------------------------------------------- */

static struct wire_header *header(const struct accounts *a)
{
	return a->base;
}

/* What an answer may take: as long as the last one, and longer by each block that was
 * freed since. */
static uint64_t may_take(const struct account *i, uint64_t freed)
{
	return 2 * i->took_ns + freed * FREE_CHUNK_NS;
}

static uint64_t freed_since(const struct account *i, const struct engine_heap *heap)
{
	return heap->frees - i->asked_at.frees;
}

/* Blocks that may have been freed without one of them being recorded: one in so many
 * bytes is. */
static uint64_t unseen(const struct accounts *a)
{
	return header(a)->sample / LEAST_CHUNK;
}

static bool is_due(const struct account *i, const struct engine_heap *heap,
		   uint64_t now)
{
	uint64_t since = now - i->asked_ns, live = heap->live_bytes;

	if (live < LEAST_LIVE || since < (uint64_t)BETWEEN_NS << i->silent ||
	    since < 2 * ANSWER_SHARE * i->took_ns)
		return false;
	if (live / 11 > i->asked_at.live_bytes / 10 ||
	    (since > LATE_NS && live / 51 > i->asked_at.live_bytes / 50))
		return true;
	/* Past a peak that nobody asked at, and not far: what was freed since is looked
	 * at by the allocator, block by block. */
	if (heap->peak_bytes / 51 > i->asked_at.peak_bytes / 50 &&
	    live < heap->peak_bytes - heap->peak_bytes / 100 &&
	    may_take(i, heap->fallen) <= LONG_NS)
		return true;
	return live < i->asked_at.live_bytes / 2 &&
	       since > ANSWER_SHARE * may_take(i, freed_since(i, heap));
}

static void ask(struct accounts *a, struct account *i, const struct engine_process *p,
		const struct engine_heap *heap, uint64_t now)
{
	i->asked_ns = now;
	i->before = i->asked_at;
	i->asked_at = *heap;
	i->asked = true;
	atomic_store(&wire_process(a->base, p->slot)->ask, 1);
	a->asking_until = now + PATIENCE_NS;
}

void accounts_hush(struct accounts *a)
{
	uint32_t asking = WIRE_ASKING;

	if (!a->asking)
		return;
	a->asking = false;
	atomic_compare_exchange_strong(&header(a)->recording, &asking, WIRE_RECORDING);
}

/* Whether one who was asked has not answered yet. */
static bool is_awaited(struct accounts *a, struct account *i,
		       const struct engine_process *p, uint64_t now)
{
	struct wire_process *slot = wire_process(a->base, p->slot);

	if (!i->asked)
		return false;
	i->asked = !p->ended && slot->serial == p->serial && atomic_load(&slot->ask);
	if (i->asked && now >= a->asking_until) {
		/* It had no time to answer: there will be no better moment than this
		 * one, unless the question counts as never asked. */
		if (atomic_exchange(&slot->ask, 0)) {
			i->asked_at = i->before;
			i->silent += i->silent < SILENT_MOST;
			i->idle_at = p->events;
		}
		i->asked = false;
	}
	return i->asked;
}

/* While a question waits, all processes' hooks go the long way: who sleeps is not asked
 * again before it has done something. */
static bool sleeps(const struct account *i, const struct engine_process *p)
{
	return i->silent && p->events == i->idle_at;
}

static void look_at(struct accounts *a, struct engine_process *p, uint64_t now,
		    bool *awaited, bool *due)
{
	struct engine_heap heap = engine_process_heap(p);
	struct account *i = account_of(a, p);

	if (!i)
		return;
	*awaited |= is_awaited(a, i, p, now);
	atomic_store_explicit(&wire_process(a->base, p->slot)->dear,
			      may_take(i, freed_since(i, &heap) + unseen(a)) > LONG_NS,
			      memory_order_relaxed);
	if (now >= i->smaps_at && heap.live_bytes && !a->look.glance) {
		struct look l = {.p = p, .said.live_bytes = heap.live_bytes};

		look(a, i, &l, false);
	}
	if (!a->asking && !sleeps(i, p) && is_due(i, &heap, now)) {
		ask(a, i, p, &heap, now);
		*due = true;
	}
}

void accounts_tick(struct accounts *a, uint64_t now)
{
	uint32_t recording = WIRE_RECORDING;
	bool awaited = false, due = false;

	if (now < a->tick_at)
		return;
	a->tick_at = now + TICK_NS;
	finish(a, false);
	for (struct engine_process *p = NULL;
	     (p = engine_process_next_living(a->engine, p));)
		look_at(a, p, now, &awaited, &due);
	/* (Who has answered has taken the question back for all.) */
	if (a->asking && !awaited)
		accounts_hush(a);
	else if (due || awaited)
		a->asking |= atomic_compare_exchange_strong(&header(a)->recording,
							    &recording, WIRE_ASKING);
}
