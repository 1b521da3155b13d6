#include "preload/stand.h"

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

/* Until the word is something else, the time is over, or nobody will change it. */
static void wait_while(struct wire_process *own, uint32_t is, uint64_t until_ns)
{
	struct session_patience patience = {0};

	/* acquire: pairs with the collector's release: it has let go of us, and its
	 * answer is there; or with the release of who stood here before. */
	while (atomic_load_explicit(&own->scan, memory_order_acquire) == is &&
	       sys_monotonic_ns() < until_ns && session_collector_lives(&patience, 0))
		sys_futex_wait(&own->scan, is, LOOK_NS);
}

/* Our turn. False: the process was read at its end, or it takes too long. */
static bool claim(struct wire_process *own, enum wire_scan_kind kind, uint64_t until_ns)
{
	for (;;) {
		uint32_t is = WIRE_SCAN_NONE;

		if (atomic_compare_exchange_strong_explicit(
			    &own->scan, &is, WIRE_SCAN_CLAIMED, memory_order_acquire,
			    memory_order_acquire))
			return true;
		if (is == WIRE_SCAN_DONE && own->scan_kind == WIRE_SCAN_AT_END)
			return false;
		wait_while(own, is, until_ns);
		if (sys_monotonic_ns() >= until_ns ||
		    atomic_load_explicit(&own->scan, memory_order_relaxed) == is)
			return false;
		/* Of two that end the process, the second has not to be read. */
		if (kind == WIRE_SCAN_AT_END &&
		    atomic_load_explicit(&own->scan, memory_order_acquire) ==
			    WIRE_SCAN_DONE &&
		    own->scan_kind == WIRE_SCAN_AT_END)
			return false;
	}
}

static void ask(struct wire_process *own, enum wire_scan_kind kind, uint32_t name,
		uintptr_t sp)
{
	struct wire_header *h = session_header();

	own->scan_tid = (uint32_t)sys_call3(SYS_gettid, 0, 0, 0);
	own->scan_sp = sp;
	own->scan_kind = kind;
	own->scan_name = name;
	own->scan_result = -1;
	allow(h);
	/* release: who, where and what, before the word; pairs with the collector's
	 * look. */
	atomic_store_explicit(&own->scan, WIRE_SCAN_ASKED, memory_order_release);
	atomic_fetch_add_explicit(&h->scans, 1, memory_order_release);
	session_ring_bell();
}

/* Makes way for the next; who ends the process is the last. */
static int64_t give_back(struct wire_process *own, enum wire_scan_kind kind)
{
	uint32_t is = WIRE_SCAN_ASKED;
	int64_t result = -1;

	if (kind == WIRE_SCAN_AT_END)
		return 0;
	/* Not answered in time: taken back. */
	if (!atomic_compare_exchange_strong_explicit(&own->scan, &is, WIRE_SCAN_NONE,
						     memory_order_release,
						     memory_order_acquire)) {
		result = own->scan_result;
		atomic_store_explicit(&own->scan, WIRE_SCAN_NONE, memory_order_release);
	}
	sys_futex_wake(&own->scan);
	return result;
}

/* This process's slot, if it can be read at all. (Behind a seccomp filter, no call of
 * ours is safe; a vfork child ends alone; one that recorded nothing has nothing.) */
static struct wire_process *slot(void)
{
	struct wire_process *own = confined_is() ? NULL : session_own_slot();

	if (!own || own->pid != (uint32_t)sys_call3(SYS_getpid, 0, 0, 0) ||
	    atomic_load_explicit(&own->state, memory_order_relaxed) !=
		    WIRE_PROCESS_LIVE)
		return NULL;
	return own;
}

int64_t stand(enum wire_scan_kind kind, uint32_t name, uintptr_t sp)
{
	struct wire_process *own = slot();
	uint64_t signals, until_ns;
	int64_t result = -1;

	if (!own)
		return -1;
	until_ns = sys_monotonic_ns() + session_header()->scan_wait_ms * 1000000ull;
	sys_signals_block(&signals);
	if (claim(own, kind, until_ns)) {
		ask(own, kind, name, sp);
		wait_while(own, WIRE_SCAN_ASKED, until_ns);
		result = give_back(own, kind);
	}
	sys_signals_restore(&signals);
	return result;
}
