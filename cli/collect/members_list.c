#include "cli/collect/members_list.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/collect/procfs.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ANCESTORS = 64 };

/* ---- the list ------------------------------------------------------------ */

struct member *members_find_pid(struct members *m, pid_t pid)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->items[i].pid == pid)
			return &m->items[i];
	return NULL;
}

struct member *members_find_serial(struct members *m, uint32_t serial)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->items[i].serial == serial)
			return &m->items[i];
	return NULL;
}

struct member *members_add(struct members *m, enum member_kind kind,
			   const struct member_who *who)
{
	struct member *i;

	if (array_reserve(&m->items, &m->room, m->count + 1) < 0)
		return NULL;
	i = &m->items[m->count++];
	*i = (struct member){.kind = kind,
			     .pid = who->pid,
			     .own_pid = who->own_pid,
			     .nested = who->nested,
			     .gone = who->gone,
			     .root = -1,
			     .slot = WIRE_PROCESSES};
	i->pidfd = who->gone ? -1 : (int)syscall(SYS_pidfd_open, who->pid, 0);
	m->any = true;
	return i;
}

void members_free_slot(struct members *m, uint32_t slot)
{
	/* release: our reads of the slot, before its next owner's writes. */
	if (slot < WIRE_PROCESSES)
		atomic_store_explicit(&wire_process(m->memory->base, slot)->state,
				      WIRE_PROCESS_FREE, memory_order_release);
}

void members_forget_born(struct members *m, const struct member *i)
{
	engine_process_unborn(m->engine, i->parent_serial, i->serial);
	members_free_slot(m, i->slot);
}

void members_drop(struct members *m, struct member *i)
{
	closep(&i->pidfd);
	free(i->program);
	*i = m->items[--m->count];
}

/* ---- what the kernel tells ----------------------------------------------- */

uint32_t members_known_above(const struct members *m, uint32_t serial)
{
	for (int n = 0; serial && n < ANCESTORS; n++) {
		uint64_t *above;

		if (engine_process(m->engine, serial))
			return serial;
		above = table_get(&m->born, (struct table_key){serial, 0});
		serial = above ? (uint32_t)*above : 0;
	}
	return 0;
}

uint32_t members_ancestor(struct members *m, pid_t pid)
{
	for (int n = 0; n < ANCESTORS; n++) {
		struct member *above;

		pid = procfs_parent(pid);
		if (pid <= 1)
			return 0;
		above = members_find_pid(m, pid);
		if (above)
			return above->serial ? above->serial : above->parent_serial;
	}
	return 0;
}

static bool is_nested(const struct members *m, uint32_t serial)
{
	return table_get(&m->nested, (struct table_key){serial, 0});
}

static bool has_word(const struct wire_process *p)
{
	return atomic_load_explicit(&p->exec, memory_order_acquire) != WIRE_EXEC_NONE;
}

struct member_who members_who(struct members *m, const struct wire_process *p,
			      pid_t pid, uint32_t parent_serial)
{
	const struct member *above = members_find_serial(m, parent_serial);
	struct pids_claim claim = {
		.pid = pid,
		.parent = above && !above->gone ? above->pid : 0,
		.nested = is_nested(m, parent_serial),
		.maps = !has_word(p),
	};
	struct member_who who = {.own_pid = pid};

	who.gone = !pids_resolve(&m->pids, &claim, &who.pid);
	if (who.gone && claim.maps && has_word(p)) {
		claim.maps = false; /* it did so while we looked */
		who.gone = !pids_resolve(&m->pids, &claim, &who.pid);
	}
	/* Nobody is forked as number 1 but in a namespace that begins there. */
	who.nested = who.pid != pid || (who.gone && (claim.nested || pid == 1));
	return who;
}

/* ---- not followed -------------------------------------------------------- */

char *members_copy_path(const struct wire_process *p)
{
	return strndup(p->exec_path, sizeof(p->exec_path));
}

void members_list_stranger(struct members *m, uint32_t parent, pid_t pid, char *program,
			   enum wire_exec why)
{
	struct stranger stranger = {.parent_serial = members_known_above(m, parent),
				    .pid = pid,
				    .program = program,
				    .why = why,
				    .at_ns = engine_now_ns(m->engine)};

	strangers_add(&m->strangers, &stranger);
}

enum wire_exec members_exec_of(const struct members *m, const struct member *i)
{
	uint32_t is;

	if (i->slot >= WIRE_PROCESSES)
		return WIRE_EXEC_NONE;
	/* acquire: pairs with the target's release, the path is there. */
	is = atomic_load_explicit(&wire_process(m->memory->base, i->slot)->exec,
				  memory_order_acquire);
	return is < WIRE_EXECS ? (enum wire_exec)is : WIRE_EXEC_NONE;
}
