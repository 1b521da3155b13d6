#include "cli/collect/crowds.h"

#include "cli/base/array.h"
#include "cli/collect/processes.h"

#include <stdlib.h>

void engine_join(struct engine *e)
{
	e->crowds.all = true;
}

void crowds_done(struct crowds *c)
{
	strings_done(&c->programs);
	free(c->of);
	*c = (struct crowds){0};
}

/* Nothing of it has been counted that would have to be moved. */
static bool is_new(const struct process *p)
{
	const struct sites_process *sums = &p->books.sums;

	return !p->pub.ended && !sums->crowd && !sums->is_crowd && !sums->first_site;
}

/* (By size classes and threads each process is divided by itself.) */
static bool is_wanted(const struct engine *e)
{
	const struct sites *s = &e->ledger.sites;

	return !s->divided && (e->crowds.all || sites_are_short(s));
}

static void join(struct engine *e, struct process *p, struct process *crowd)
{
	if (sites_join(&e->ledger.sites, &p->books.sums, &crowd->books.sums) < 0)
		return;
	p->pub.counted_with = crowd->pub.serial;
	if (!crowd->pub.counted++)
		crowd->first_pid = p->pub.pid;
	crowd->living++;
}

/* A row for that program. A serial that is a process's is a lie of the target's. */
static struct process *crowd_new(struct engine *e, const char *exe)
{
	uint32_t serial = atomic_fetch_add(&engine_header(e)->serial, 1) + 1;
	struct process *p;

	if (!serial || engine_process(e, serial))
		return NULL;
	p = processes_new(e, serial, ledger_crowd_start);
	if (!p)
		return NULL;
	processes_bury(e, p);
	p->pub.slot = WIRE_PROCESSES;
	p->pub.start_ns = engine_now_ns(e);
	engine_process_describe(&p->pub, exe, exe);
	return p;
}

/* That of the program, made if there is none. NULL: without memory. */
static struct process *crowd_of(struct engine *e, const char *exe)
{
	struct crowds *c = &e->crowds;
	uint32_t program = strings_add(&c->programs, exe);

	if (program == UINT32_MAX ||
	    array_reserve(&c->of, &c->room, (size_t)program + 1) < 0)
		return NULL;
	if (!c->of[program])
		c->of[program] = crowd_new(e, exe);
	return c->of[program];
}

static void join_program(struct engine *e, struct process *p, const char *exe)
{
	struct process *crowd;

	if (!exe || !*exe || !is_new(p) || !is_wanted(e))
		return;
	crowd = crowd_of(e, exe);
	if (crowd)
		join(e, p, crowd);
}

void engine_process_join(struct engine *e, struct engine_process *p)
{
	join_program(e, (struct process *)p, p->exe);
}

/* Some are ready for the next of their program; there may be any number of programs. */
static void idle(struct engine *e, struct process *crowd)
{
	struct crowds *c = &e->crowds;
	struct process **place = &c->idle[c->idle_next++ % CROWDS_IDLE];

	if (*place && *place != crowd && !(*place)->living)
		sites_crowd_rest(&e->ledger.sites, &(*place)->books.sums);
	*place = crowd;
}

void crowds_leave(struct engine *e, const struct process *p)
{
	struct process *crowd =
		(struct process *)engine_process(e, p->pub.counted_with);

	if (!crowd)
		return;
	crowd->pub.end_ns = p->pub.end_ns;
	if (!--crowd->living)
		idle(e, crowd);
}

void crowds_follow(struct engine *e, struct process *p, uint32_t parent_serial)
{
	const struct engine_process *parent = engine_process(e, parent_serial);

	if (parent)
		join_program(e, p, parent->exe);
}
