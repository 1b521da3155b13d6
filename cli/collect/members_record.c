#include "cli/collect/members_record.h"

#include "cli/base/cleanup.h"
#include "cli/collect/procfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum {
	COMMAND_BYTES = 16384,
	EXE_BYTES = 4096,
};

/* ---- beginnings ---------------------------------------------------------- */

void members_came(struct members *m, pid_t pid, bool nested, uint32_t serial)
{
	uint64_t *last =
		table_put(&m->came, (struct table_key){(uint64_t)pid, nested}, NULL);

	if (last)
		*last = serial;
	m->any = true;
}

uint32_t members_last_of(const struct members *m, pid_t pid, bool nested)
{
	uint64_t *last = table_get(&m->came, (struct table_key){(uint64_t)pid, nested});

	return last ? (uint32_t)*last : 0;
}

/* A fork child is another of its parent's kind, as far as /proc is concerned. */
static void describe_child(struct members *m, struct engine_process *p)
{
	struct engine_process *parent = engine_process(m->engine, p->parent_serial);

	if (parent && parent->exe)
		engine_process_describe(p, parent->command, parent->exe);
}

static void describe(struct members *m, struct member *i)
{
	char command[COMMAND_BYTES], exe[EXE_BYTES];

	describe_child(m, i->process);
	if (i->process->exe)
		return;
	procfs_command(i->pid, command, sizeof(command));
	procfs_exe(i->pid, exe, sizeof(exe));
	engine_process_describe(i->process, command, exe);
}

int members_record(struct members *m, struct member *i, uint32_t slot, uint32_t serial,
		   uint32_t parent, bool fresh)
{
	char command[COMMAND_BYTES], exe[EXE_BYTES];
	struct engine_process *p;

	parent = members_known_above(m, parent);
	p = engine_process_begin(m->engine, serial, parent, i->pid, slot);
	if (!p)
		return -ENOMEM;
	p->parent_serial = parent;
	p->pid = i->pid;
	i->kind = MEMBER_RECORDED;
	i->process = p;
	i->slot = slot;
	i->serial = serial;
	i->fresh = fresh;
	i->parent_serial = parent;
	i->root = roots_of(&m->roots, i->pid);
	if (fresh) {
		procfs_command(i->pid, command, sizeof(command));
		procfs_exe(i->pid, exe, sizeof(exe));
		engine_process_describe(p, command, exe);
	} else {
		describe(m, i);
	}
	engine_process_join(m->engine, p);
	p->owner = p; /* marks it as one of the members, ever */
	m->recorded++;
	members_came(m, i->pid, false, serial);
	if (i->nested)
		table_put(&m->nested, (struct table_key){serial, 0}, NULL);
	return 0;
}

/* ---- ends ---------------------------------------------------------------- */

int members_own_word(const struct members *m, const struct member *i)
{
	uint32_t is = atomic_load_explicit(
		&wire_process(m->memory->base, i->slot)->exited, memory_order_relaxed);

	return is & WIRE_EXITED ? (int)(is & 0xff) : -1;
}

bool members_was_waited(struct members *m, pid_t pid, int *ret_wait_status)
{
	uint64_t *status = table_get(&m->waited, (struct table_key){(uint64_t)pid, 0});

	if (!status || !*status)
		return false;
	*ret_wait_status = (int)(uint32_t)(*status - 1);
	*status = 0;
	return true;
}

void members_know_end(struct engine_process *p, int wait_status)
{
	p->end = WIFSIGNALED(wait_status) ? PROFILE_SIGNALED : PROFILE_EXITED;
	p->end_status = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status)
						 : WEXITSTATUS(wait_status);
}

void members_end_recorded(struct members *m, struct member *i, enum profile_end how,
			  int status)
{
	struct engine_process *p = i->process;
	int own = members_own_word(m, i), wait_status;

	engine_process_end(m->engine, p, how, status);
	if (i->fresh && !(p->notes & WIRE_NOTE_MAPPED) && p->exe)
		members_list_stranger(m, i->parent_serial, i->pid, strdup(p->exe),
				      WIRE_EXEC_UNMAPPED);
	/* What its parent was told may have been among the events just read. */
	if (how == PROFILE_EXITED && status < 0) {
		p->end_status = own;
		if (members_was_waited(m, i->pid, &wait_status))
			members_know_end(p, wait_status);
	}
	m->recorded--;
	members_drop(m, i);
}

void members_end_unfollowed(struct members *m, struct member *i, bool alive)
{
	enum wire_exec why = members_exec_of(m, i);
	bool announced = why == WIRE_EXEC_EXPECTED;
	char *program =
		why == WIRE_EXEC_NONE
			? take_ptr(i->program)
			: members_copy_path(wire_process(m->memory->base, i->slot));

	if (why == WIRE_EXEC_NONE)
		why = WIRE_EXEC_EXPECTED;
	if (program)
		members_list_stranger(m, i->serial, i->pid, program, why);
	if (i->kind == MEMBER_RECORDED) {
		engine_process_end(m->engine, i->process, PROFILE_EXECED, 0);
		m->recorded--;
	} else {
		members_forget_born(m, i);
	}
	i->kind = MEMBER_STRANGER;
	i->late = announced;
	i->process = NULL;
	i->slot = WIRE_PROCESSES;
	if (!alive)
		members_drop(m, i);
}

bool members_record_child(struct members *m, struct member *i, uint32_t slot,
			  uint32_t serial, uint32_t parent, uint64_t stamp)
{
	if (members_record(m, i, slot, serial, parent, false) < 0) {
		members_drop(m, i);
		return false;
	}
	engine_process_forked(m->engine, i->process, parent, stamp);
	return true;
}

bool members_record_born(struct members *m, struct member *i)
{
	return members_record_child(
		m, i, i->slot, i->serial, i->parent_serial,
		wire_process(m->memory->base, i->slot)->start_stamp);
}
