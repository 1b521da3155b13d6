#include "preload/family.h"

#include "preload/altstack.h"
#include "preload/confined.h"
#include "preload/regions.h"
#include "preload/sys.h"

#include <string.h>

static uint32_t own_pid(void)
{
	return (uint32_t)sys_call3(SYS_getpid, 0, 0, 0);
}

uint32_t family_serial(void)
{
	/* relaxed: numbers that differ, nothing more. */
	return atomic_fetch_add_explicit(&session_header()->serial, 1,
					 memory_order_relaxed) +
	       1;
}

void family_changed(void)
{
	/* release: the slots' states before the count that makes them looked at. */
	atomic_fetch_add_explicit(&session_header()->changes, 1, memory_order_release);
}

/* (The lowest that is free: no more were ever in use than lived at a time.) */
static struct wire_process *take(uint32_t i)
{
	struct wire_process *p = wire_process(session.base, i);
	uint32_t is = WIRE_PROCESS_FREE;

	/* acquire: pairs with the collector's release that freed the slot. */
	if (atomic_load_explicit(&p->state, memory_order_relaxed) !=
		    WIRE_PROCESS_FREE ||
	    !atomic_compare_exchange_strong_explicit(
		    &p->state, &is, WIRE_PROCESS_CLAIMED, memory_order_acquire,
		    memory_order_relaxed))
		return NULL;
	wire_use_slot(session.base, i);
	return p;
}

struct wire_process *family_claim(enum wire_process_state state, uint32_t pid,
				  uint32_t serial, uint32_t parent_serial,
				  uint64_t stamp)
{
	struct wire_process *p = NULL;

	for (uint32_t i = 0; i < WIRE_PROCESSES && !p; i++)
		p = take(i);
	if (!p)
		return NULL;
	p->pid = pid;
	p->serial = serial ? serial : family_serial();
	p->parent_serial = parent_serial;
	p->start_stamp = stamp;
	p->exec_path[0] = '\0';
	p->regions = regions_at();
	p->altstack = altstack_at();
	atomic_store_explicit(&p->exec, WIRE_EXEC_NONE, memory_order_relaxed);
	atomic_store_explicit(&p->notes, 0, memory_order_relaxed);
	atomic_store_explicit(&p->exited, 0, memory_order_relaxed);
	atomic_store_explicit(&p->scan, WIRE_SCAN_NONE, memory_order_relaxed);
	/* release: the fields, then the state; pairs with the collector's look. */
	atomic_store_explicit(&p->state, state, memory_order_release);
	family_changed();
	return p;
}

bool family_follows(void)
{
	return session_on() && !(session.flags & WIRE_NO_FOLLOW);
}

/* ---- exec ---------------------------------------------------------------- */

static void write_word(struct wire_process *p, const char *path, enum wire_exec kind)
{
	size_t n = strnlen(path, sizeof(p->exec_path) - 1);

	memcpy(p->exec_path, path, n);
	p->exec_path[n] = '\0';
	/* release: the path, then the word. */
	atomic_store_explicit(&p->exec, kind, memory_order_release);
}

void family_word_spawn(struct family_word *w)
{
	*w = (struct family_word){0};
	if (family_follows())
		w->serial = family_serial();
}

void family_word_spawned(const struct family_word *w, uint32_t pid, const char *path,
			 enum wire_exec kind)
{
	struct wire_process *p;

	if (!w->serial)
		return;
	/* Void until the path is there: nobody looks at it then. */
	p = family_claim(WIRE_PROCESS_CLAIMED, pid, w->serial, session_last_serial(),
			 session_stamp());
	if (!p)
		return;
	write_word(p, path, kind);
	atomic_store_explicit(&p->state, WIRE_PROCESS_WORD, memory_order_release);
	family_changed();
}

void family_word_exec(struct family_word *w, const char *path, enum wire_exec kind)
{
	struct wire_process *own = session_own_slot();

	*w = (struct family_word){0};
	if (!session_on())
		return;
	/* Behind a filter nobody is asked whether this is a vfork child: the collector
	 * looks. */
	w->own = own && (confined_is() || own->pid == own_pid());
	if (w->own) {
		w->slot = own;
		write_word(own, path, kind);
		return;
	}
	if (!family_follows() || confined_is())
		return;
	w->slot = family_claim(WIRE_PROCESS_CLAIMED, own_pid(), 0,
			       session_last_serial(), session_stamp());
	if (!w->slot)
		return;
	write_word(w->slot, path, kind);
	atomic_store_explicit(&w->slot->state, WIRE_PROCESS_WORD, memory_order_release);
	family_changed();
}

void family_word_back(const struct family_word *w)
{
	if (!w->slot)
		return;
	atomic_store_explicit(&w->slot->exec, WIRE_EXEC_NONE, memory_order_relaxed);
	if (w->own)
		return;
	/* release: whatever was written, before the collector frees the slot. */
	atomic_store_explicit(&w->slot->state, WIRE_PROCESS_VOID, memory_order_release);
	family_changed();
}

void family_word_exit(int status)
{
	struct wire_process *own = session_own_slot();

	/* (A vfork child ends alone.) relaxed: read after the process's end. */
	if (own && !confined_is() && own->pid == own_pid())
		atomic_store_explicit(&own->exited,
				      WIRE_EXITED | ((uint32_t)status & 0xff),
				      memory_order_relaxed);
}
