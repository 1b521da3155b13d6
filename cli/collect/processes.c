#include "cli/collect/processes.h"

#include "cli/base/array.h"
#include "cli/collect/crowds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct engine_process *engine_process(struct engine *e, uint32_t serial)
{
	uint64_t *index = table_get(&e->serials, (struct table_key){serial, 0});

	return index && *index ? &e->processes[*index - 1]->pub : NULL;
}

struct process *processes_new(struct engine *e, uint32_t serial,
			      int (*open_books)(struct ledger *l,
						struct ledger_process *p,
						uint32_t serial))
{
	struct process *p = calloc(1, sizeof(*p));
	uint64_t *index = table_put(&e->serials, (struct table_key){serial, 0}, NULL);

	if (!p || !index ||
	    array_reserve(&e->processes, &e->process_room, e->process_count + 1) < 0 ||
	    open_books(&e->ledger, &p->books, serial) < 0) {
		free(p);
		engine_fail(e);
		return NULL;
	}
	e->processes[e->process_count++] = p;
	*index = e->process_count;
	p->pub.serial = serial;
	p->before = e->newest;
	*(e->newest ? &e->newest->behind : &e->living) = p;
	e->newest = p;
	return p;
}

/* Who stands at it goes on from there: what is behind it stays. */
void processes_bury(struct engine *e, struct process *p)
{
	*(p->before ? &p->before->behind : &e->living) = p->behind;
	*(p->behind ? &p->behind->before : &e->newest) = p->before;
	p->pub.ended = true;
	/* It will ask for nothing of its parent's any more. */
	e->orphans -= p->forked_from != 0;
	p->forked_from = 0;
}

struct engine_process *engine_process_begin(struct engine *e, uint32_t serial,
					    uint32_t parent_serial, int32_t pid,
					    uint32_t slot)
{
	struct engine_process *known = engine_process(e, serial);
	struct process *p;

	if (known || !serial || slot >= WIRE_PROCESSES)
		return known;
	p = processes_new(e, serial, ledger_process_start);
	if (!p)
		return NULL;
	p->pub.parent_serial = parent_serial;
	p->pub.pid = pid;
	p->pub.slot = slot;
	p->pub.start_ns = clock_ns(&e->clock, engine_stamp(e));
	if (e->hooks.process_seen)
		e->hooks.process_seen(e->hooks.context, &p->pub);
	return &p->pub;
}

/* As soon as its parent is known as well. */
void processes_inherit(struct engine *e, struct process *p)
{
	struct process *parent = (struct process *)engine_process(e, p->forked_from);

	if (!p->forked_from || !parent)
		return;
	ledger_process_inherit(&p->books, &parent->books, p->pub.serial, p->forked_ns);
	p->forked_from = 0;
	e->orphans--;
}

void processes_told(struct engine *e, uint32_t serial)
{
	struct process *p = (struct process *)engine_process(e, serial);

	if (p)
		ledger_process_told(&p->books, serial);
}

void engine_process_forked(struct engine *e, struct engine_process *pub,
			   uint32_t parent_serial, uint64_t stamp)
{
	struct process *p = (struct process *)pub;

	if (p->books.lineage.parent || p->forked_from || !parent_serial)
		return;
	p->forked_from = parent_serial;
	p->forked_ns = clock_ns(&e->clock, stamp);
	e->orphans++;
	processes_inherit(e, p);
	crowds_follow(e, p, parent_serial);
}

void engine_process_unborn(struct engine *e, uint32_t parent_serial, uint32_t serial)
{
	struct process *parent = (struct process *)engine_process(e, parent_serial);

	if (parent && !engine_process(e, serial))
		ledger_forget_fork(&parent->books, serial);
}

/* The process that a ring names. A slot that tells another story is not believed. */
struct process *processes_of_ring(struct engine *e, const struct wire_ring *control)
{
	uint32_t slot = control->process, serial = control->process_serial, parent = 0;
	struct engine_process *known = engine_process(e, serial);
	uint64_t stamp = 0;
	int32_t pid = 0;

	if (!known && slot < WIRE_PROCESSES) {
		const volatile struct wire_process *w = wire_process(e->base, slot);

		if (w->serial == serial) {
			parent = w->parent_serial;
			pid = (int32_t)w->pid;
			stamp = w->start_stamp;
		}
		known = engine_process_begin(e, serial, parent, pid, slot);
		if (known && parent)
			engine_process_forked(e, known, parent, stamp);
	}
	return (struct process *)known;
}

struct engine_heap engine_process_heap(const struct engine_process *pub)
{
	const struct process *p = (const struct process *)pub;
	const struct lineage *l = &p->books.lineage;
	const struct sites_process *sums = &p->books.sums;
	const struct profile_amount *live = &sums->live[PROFILE_MALLOC];
	const struct profile_amount *peak = &sums->peak[PROFILE_MALLOC].max;

	return (struct engine_heap){
		.live_bytes = live->bytes + l->inherited.bytes - l->freed.bytes,
		.peak_bytes = pub->counted_with ? live->bytes : peak->bytes,
		.fallen = peak->blocks > live->blocks ? peak->blocks - live->blocks : 0,
		.frees = sums->frees[PROFILE_MALLOC],
	};
}

struct engine_process *engine_process_next(struct engine *e,
					   const struct engine_process *after)
{
	const struct process *p = (const struct process *)after;
	size_t index = p ? p->books.sums.index + 1 : 0;

	return index < e->process_count ? &e->processes[index]->pub : NULL;
}

struct engine_process *engine_process_next_living(struct engine *e,
						  const struct engine_process *after)
{
	struct process *p = after ? ((const struct process *)after)->behind : e->living;

	while (p && p->pub.ended)
		p = p->behind;
	return p ? &p->pub : NULL;
}

static int replace(char **text, const char *with)
{
	char *copy = strdup(with);

	if (!copy)
		return -ENOMEM;
	free(*text);
	*text = copy;
	return 0;
}

int engine_process_describe(struct engine_process *p, const char *command,
			    const char *exe)
{
	int r = command ? replace(&p->command, command) : 0;

	return r == 0 && exe ? replace(&p->exe, exe) : r;
}

void processes_free_slot(struct engine *e, const struct process *p)
{
	struct wire_process *w = wire_process(e->base, p->pub.slot);

	if (w->serial != p->pub.serial)
		return;
	/* release: whoever claims the slot next sees that it is ours no more. */
	atomic_store_explicit(&w->state, WIRE_PROCESS_FREE, memory_order_release);
}

void processes_read_notes(struct engine *e, struct process *p)
{
	struct wire_process *w = wire_process(e->base, p->pub.slot);

	if (p->pub.ended || w->serial != p->pub.serial)
		return;
	p->pub.notes = atomic_load_explicit(&w->notes, memory_order_relaxed);
	p->pub.python = atomic_load_explicit(&w->python, memory_order_relaxed);
}

void processes_free(struct process *p)
{
	ledger_process_done(&p->books);
	free(p->pub.command);
	free(p->pub.exe);
	free(p);
}
