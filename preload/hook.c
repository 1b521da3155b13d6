#include "preload/hook.h"

#include "preload/account.h"
#include "preload/confined.h"
#include "preload/exec.h"
#include "preload/real.h"
#include "preload/sample.h"
#include "preload/stray.h"
#include "preload/sys.h"

#define TLS __thread __attribute__((tls_model("initial-exec")))

static TLS bool busy;	  /* attaching or claiming: hooks inside it are our own */
static TLS bool ringless; /* no ring was to be had, after a patient wait */

/* A handler that jumped out of what is `busy` would leave it so for good. */
static void busy_begin(uint64_t *ret_signals)
{
	sys_signals_block(ret_signals);
	busy = true;
}

static void busy_end(const uint64_t *signals)
{
	busy = false;
	sys_signals_restore(signals);
}

/* A ring for this thread; a new one in a fork child, whose copy is the parent's. */
static struct thread *claim(void)
{
	struct thread *t = thread_claim(!ringless), *old = thread_self;
	uint32_t serial;

	ringless = !t;
	thread_self = t;
	if (t) {
		if ((serial = session_untold()))
			thread_put(t, WIRE_FORK, (void *)(uintptr_t)serial, 0, 0);
		stray_claimed(t, old);
		return t;
	}
	session_count_unrung();
	/* relaxed: notes are read after the fact. */
	atomic_fetch_or_explicit(
		&wire_process(session.base, session_identity->process)->notes,
		WIRE_NOTE_NO_RING, memory_order_relaxed);
	return NULL;
}

/* What would need the kernel is counted, with the reason. */
static struct thread *lose(void)
{
	struct wire_process *own = session_own_slot();

	if (!session_on())
		return NULL;
	session_count_unrung();
	/* relaxed: notes are read after the fact. */
	if (own)
		atomic_fetch_or_explicit(&own->notes, WIRE_NOTE_CONFINED,
					 memory_order_relaxed);
	return NULL;
}

static struct thread *own_thread(void)
{
	struct thread *t = thread_self;
	uint64_t signals;

	if (t && thread_is_ours(t))
		return t;
	if (busy || session_is_off())
		return NULL;
	if (confined_is())
		return lose();
	busy_begin(&signals);
	t = session_attach() ? claim() : NULL;
	busy_end(&signals);
	return t;
}

/*
 * Where the hook of this call stands among those that are at work: the number of those
 * below it. *ret_called: the last of them called it (an allocator's own doing, part of
 * what is recorded already). What the thread says may be another thing by then: a signal
 * handler may have gone to another coroutine's stack, and have come back.
 */
static uint32_t depth(struct thread *t, const struct hook_call *call, bool *ret_called)
{
	uint32_t nesting = t->nesting, n = nesting;
	enum unwind_ancestor is = UNWIND_NOT_FOUND;

	for (; n; n--) {
		uintptr_t guard = t->hooks[n - 1].guard;

		/* Where our own frame lies now, another hook's lies no more. */
		if (guard == call->cfa)
			continue;
		is = unwind_ancestor(&t->unwind, call->pc, call->cfa, call->fp, guard);
		if (is != UNWIND_NOT_FOUND)
			break;
	}
	*ret_called = is == UNWIND_CALLED;
	if (*ret_called)
		return n;
	if (n < nesting)
		thread_recover(t, n);
	stray_collect(t, n);
	return n;
}

bool hook_enter_slowly(struct hook *h, enum hook_kind kind)
{
	struct thread *t;
	uint32_t recording, below;
	bool samples = sample_on(), called;

	if (hook_recording() == WIRE_PAUSED)
		return false;
	if (busy || !real_init() || !(t = own_thread()))
		return false;
	/* Its caller did not draw: a sampled recording begins behind this call. */
	if (sample_on() && !samples)
		return false;
	recording = atomic_load_explicit(&session_header()->recording,
					 memory_order_relaxed);
	if (recording != WIRE_RECORDING && recording != WIRE_ASKING) {
		if (recording == WIRE_ABANDONED)
			sys_local_add(&t->ring->lost, 1);
		return false;
	}
	below = depth(t, &h->call, &called);
	if (called && t->hooks[below - 1].objects) {
		/* What Python's allocators have from malloc may have been freed by
		 * another thread just now, without their lock. */
		t->stamp_share = 0;
		called = kind != HOOK_MAPS;
	}
	if (!called && below >= THREAD_NESTING)
		sys_local_add(&t->ring->lost, 1);
	if (called || below >= THREAD_NESTING)
		return false;
	hook_begin(h, t, below);
	if (recording == WIRE_ASKING && !below && kind == HOOK_ALLOCATES)
		account_answer(h);
	return true;
}

static uint32_t walk(struct hook *h)
{
	struct thread *t = h->thread;
	const struct hook_call *c = &h->call;
	uint32_t node = last_take(&t->last, &t->unwind, session.base, c->pc, c->cfa,
				  c->fp, t->frames[0]);

	runs_keep(&t->runs, &t->last, c->pc, c->cfa, c->fp, node);
	return node;
}

/* The native stack and Python's. Where the native one ends in a run, nothing but its
 * node is known of it, which mostly suffices. */
static uint32_t walk_both(struct hook *h, bool locked)
{
	struct thread *t = h->thread;
	struct recall_call c = {h->call.pc, h->call.cfa, h->call.fp};
	uint32_t native = runs_take(&t->runs, &t->last, c.pc, c.sp, c.fp), node = 0;

	if (native)
		node = python_walk_take(&t->python, session.base, native, NULL, locked);
	if (node && !(locked && recall_wants(&t->recall, &t->python, &c, node)))
		return node;
	native = walk(h);
	node = python_walk_take(&t->python, session.base, native, &t->last, locked);
	if (locked)
		recall_keep(&t->recall, &t->last, &t->python, &c, native, node);
	return node;
}

uint32_t hook_stack_slowly(struct hook *h, bool locked)
{
	struct thread *t = h->thread;
	const struct hook_call *c = &h->call;
	uint32_t node;

	if (h->depth)
		return last_take_anew(&t->unwind, session.base, c->pc, c->cfa, c->fp,
				      t->frames[h->depth]);
	if (!python_is_on())
		return walk(h);
	if (session.flags & WIRE_PYTHON_ONLY &&
	    (node = python_walk_alone(&t->python, session.base, locked)))
		return node;
	return walk_both(h, locked);
}

uint32_t hook_stack(struct hook *h)
{
	uint32_t node = 0;

	if (__builtin_expect(!h->depth && !python_is_on(), 1))
		node = runs_take(&h->thread->runs, &h->thread->last, h->call.pc,
				 h->call.cfa, h->call.fp);
	return node ? node : hook_stack_slowly(h, false);
}

__attribute__((constructor)) static void start(void)
{
	uint64_t signals;

	if (busy || !real_init())
		return;
	busy_begin(&signals);
	exec_init();
	session_attach();
	hooks_fork_init();
	hooks_exit_init();
	hooks_python_init();
	if (hooks_new_init)
		hooks_new_init();
	busy_end(&signals);
}
