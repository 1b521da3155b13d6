#include "preload/farewell.h"

#include "preload/confined.h"
#include "preload/session.h"
#include "preload/sys.h"

#include <sys/prctl.h>

#define LOOK_NS 100000000ull /* between looks at whether the collector lives */

/* Where Yama forbids it, the collector may still trace whoever allows it. */
static void allow(const struct wire_header *h)
{
	uint32_t tid = atomic_load_explicit(&h->collector.word, memory_order_relaxed) &
		       FUTEX_TID_MASK;

	sys_call3(SYS_prctl, PR_SET_PTRACER, tid, 0);
}

static void wait_for_it(struct wire_process *own, const struct wire_header *h)
{
	uint64_t end = sys_monotonic_ns() + h->scan_wait_ms * 1000000ull;
	struct session_patience patience = {0};

	/* acquire: pairs with the collector's release; it has let go of us. */
	while (atomic_load_explicit(&own->scan, memory_order_acquire) ==
		       WIRE_SCAN_ASKED &&
	       sys_monotonic_ns() < end && session_collector_lives(&patience, 0))
		sys_futex_wait(&own->scan, WIRE_SCAN_ASKED, LOOK_NS);
}

void farewell(uintptr_t sp)
{
	struct wire_process *own;
	struct wire_header *h;
	uint32_t none = WIRE_SCAN_NONE;
	uint64_t signals;

	/* (Behind a seccomp filter, no call of ours is safe.) */
	if (!session_on() || !(session.flags & WIRE_SCAN_AT_EXIT) || confined_is())
		return;
	own = session_own_slot();
	h = session_header();
	/* (A vfork child ends alone; one that recorded nothing has nothing to show.) */
	if (!own || own->pid != (uint32_t)sys_call3(SYS_getpid, 0, 0, 0) ||
	    atomic_load_explicit(&own->state, memory_order_relaxed) !=
		    WIRE_PROCESS_LIVE)
		return;
	sys_signals_block(&signals);
	if (atomic_load_explicit(&own->scan, memory_order_relaxed) == none) {
		own->scan_tid = (uint32_t)sys_call3(SYS_gettid, 0, 0, 0);
		own->scan_sp = sp;
		allow(h);
		/* release: who and where, before the word; pairs with the collector's
		 * look. */
		if (atomic_compare_exchange_strong_explicit(
			    &own->scan, &none, WIRE_SCAN_ASKED, memory_order_release,
			    memory_order_relaxed)) {
			atomic_fetch_add_explicit(&h->scans, 1, memory_order_release);
			session_ring_bell();
		}
	}
	wait_for_it(own, h);
	sys_signals_restore(&signals);
}
