#include "cli/collect/members.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/kernel.h"
#include "cli/base/table.h"
#include "cli/collect/pids.h"
#include "cli/collect/procfs.h"
#include "cli/collect/roots.h"
#include "cli/collect/strangers.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
	ANCESTORS = 64,
	COMMAND_BYTES = 16384,
	EXE_BYTES = 4096,
};

/* A child that has done nothing for so long is no way to a program. Less than the
 * engine's patience with forks. */
#define WORKER_NS 20000000000ull
#define ARRIVAL_NS 12000000000ull /* a handshake takes no longer, as a rule */
#define SETTLED_NS 200000000ull	  /* by then an exec has failed or not */

enum member_kind {
	MEMBER_RECORDED,
	MEMBER_BORN,	 /* a fork child without an event so far */
	MEMBER_EXPECTED, /* executes a program, is to shake hands */
	MEMBER_STRANGER, /* could not be followed; listed as such */
};

struct member {
	enum member_kind kind;
	struct engine_process *process; /* if recorded */
	uint32_t serial, parent_serial;
	uint32_t slot;	   /* of wire_process; WIRE_PROCESSES: none */
	pid_t pid;	   /* as we see it */
	pid_t own_pid;	   /* as it sees itself */
	bool nested;	   /* it sees another: it is in a PID namespace of its own */
	bool fresh;	   /* came by handshake */
	bool gone;	   /* it was not there any more when we heard of it */
	bool late;	   /* listed as one that did not come; it still may */
	int pidfd;	   /* -1: none to be had */
	int root;	   /* of members.roots */
	char *program;	   /* owned; of an expected one, or seen to run in its place */
	uint64_t since_ns; /* expected, or seen to execute; 0: not yet */
	uint64_t born_ns;
};

struct members {
	struct recording *memory;
	struct engine *engine;
	struct member *items;
	size_t count, room, recorded;
	struct strangers strangers;
	struct roots roots;
	struct pids pids;
	struct table came; /* (pid, its number is of a namespace) -> serial of its last
			    * image that came */
	struct table nested; /* serial -> 1: its process is in a PID namespace */
	struct table waited; /* pid -> status + 1 that its parent was told; 0: none */
	struct table born;   /* serial -> parent's, of those only born so far */
	uint32_t changes_seen;
	bool any, root_watched;
	pid_t root_pid;
	uint32_t root_serial;
};

static struct wire_header *header(const struct members *m)
{
	return (struct wire_header *)m->memory->base;
}

int members_open(struct recording *memory, struct engine *engine, pid_t root_pid,
		 struct members **ret)
{
	struct members *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->memory = memory;
	pids_init(&m->pids, memory->memory);
	m->engine = engine;
	m->root_pid = root_pid;
	*ret = m;
	return 0;
}

void members_close(struct members *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->count; i++) {
		closep(&m->items[i].pidfd);
		free(m->items[i].program);
	}
	roots_done(&m->roots);
	strangers_done(&m->strangers);
	table_done(&m->came);
	table_done(&m->nested);
	table_done(&m->born);
	table_done(&m->waited);
	free(m->items);
	free(m);
}

/* ---- the list ------------------------------------------------------------ */

static struct member *find_pid(struct members *m, pid_t pid)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->items[i].pid == pid)
			return &m->items[i];
	return NULL;
}

static struct member *find_serial(struct members *m, uint32_t serial)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->items[i].serial == serial)
			return &m->items[i];
	return NULL;
}

/* Who is there: a pid as we see it. */
struct who {
	pid_t pid, own_pid;
	bool nested, gone;
};

static struct member *add(struct members *m, enum member_kind kind,
			  const struct who *who)
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

static void free_slot(struct members *m, uint32_t slot)
{
	/* release: our reads of the slot, before its next owner's writes. */
	if (slot < WIRE_PROCESSES)
		atomic_store_explicit(&wire_process(m->memory->base, slot)->state,
				      WIRE_PROCESS_FREE, memory_order_release);
}

/* It executed a program, and was nothing but the way there. */
static void forget_born(struct members *m, const struct member *i)
{
	engine_process_unborn(m->engine, i->parent_serial, i->serial);
	free_slot(m, i->slot);
}

static void drop(struct members *m, struct member *i)
{
	closep(&i->pidfd);
	free(i->program);
	*i = m->items[--m->count];
}

/* ---- what the kernel tells ----------------------------------------------- */

/* Who of a line of forks is in the profile: a process that has recorded something. */
static uint32_t known_above(const struct members *m, uint32_t serial)
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

/* The nearest process above that is known, by the kernel's word; 0: none. */
static uint32_t ancestor(struct members *m, pid_t pid)
{
	for (int n = 0; n < ANCESTORS; n++) {
		struct member *above;

		pid = procfs_parent(pid);
		if (pid <= 1)
			return 0;
		above = find_pid(m, pid);
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

/* Who a slot speaks of. Until it executes something it has the memory mapped. */
static struct who who_is(struct members *m, const struct wire_process *p, pid_t pid,
			 uint32_t parent_serial)
{
	const struct member *above = find_serial(m, parent_serial);
	struct pids_claim claim = {
		.pid = pid,
		.parent = above && !above->gone ? above->pid : 0,
		.nested = is_nested(m, parent_serial),
		.maps = !has_word(p),
	};
	struct who who = {.own_pid = pid};

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

/* Of a path that a target wrote. */
static char *copy_path(const struct wire_process *p)
{
	return strndup(p->exec_path, sizeof(p->exec_path));
}

/* Takes the program over. */
static void list_stranger(struct members *m, uint32_t parent, pid_t pid, char *program,
			  enum wire_exec why)
{
	struct stranger stranger = {.parent_serial = known_above(m, parent),
				    .pid = pid,
				    .program = program,
				    .why = why,
				    .at_ns = engine_now_ns(m->engine)};

	strangers_add(&m->strangers, &stranger);
}

/* What a slot says is executed; NONE also for nonsense. */
static enum wire_exec exec_of(const struct members *m, const struct member *i)
{
	uint32_t is;

	if (i->slot >= WIRE_PROCESSES)
		return WIRE_EXEC_NONE;
	/* acquire: pairs with the target's release, the path is there. */
	is = atomic_load_explicit(&wire_process(m->memory->base, i->slot)->exec,
				  memory_order_acquire);
	return is < WIRE_EXECS ? (enum wire_exec)is : WIRE_EXEC_NONE;
}

/* ---- beginnings ---------------------------------------------------------- */

static void came(struct members *m, pid_t pid, bool nested, uint32_t serial)
{
	uint64_t *last =
		table_put(&m->came, (struct table_key){(uint64_t)pid, nested}, NULL);

	if (last)
		*last = serial;
	m->any = true;
}

/* Serial of the last image that came under that pid; 0: none. nested: it is a number
 * of some namespace that we know nothing else of. */
static uint32_t last_of(const struct members *m, pid_t pid, bool nested)
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

/* i may be a fork child that was only born so far. pid: as we see it; the process's own
 * number may be another (PID namespaces). */
static int record(struct members *m, struct member *i, uint32_t slot, uint32_t serial,
		  uint32_t parent, bool fresh)
{
	char command[COMMAND_BYTES], exe[EXE_BYTES];
	struct engine_process *p;

	parent = known_above(m, parent);
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
	p->owner = p; /* marks it as one of the members, ever */
	m->recorded++;
	came(m, i->pid, false, serial);
	if (i->nested)
		table_put(&m->nested, (struct table_key){serial, 0}, NULL);
	return 0;
}

/* ---- ends ---------------------------------------------------------------- */

/* The status that a process said it would end with, or -1. */
static int own_word(const struct members *m, const struct member *i)
{
	uint32_t is = atomic_load_explicit(
		&wire_process(m->memory->base, i->slot)->exited, memory_order_relaxed);

	return is & WIRE_EXITED ? (int)(is & 0xff) : -1;
}

static bool was_waited(struct members *m, pid_t pid, int *ret_wait_status)
{
	uint64_t *status = table_get(&m->waited, (struct table_key){(uint64_t)pid, 0});

	if (!status || !*status)
		return false;
	*ret_wait_status = (int)(uint32_t)(*status - 1);
	*status = 0;
	return true;
}

static void know_end(struct engine_process *p, int wait_status)
{
	p->end = WIFSIGNALED(wait_status) ? PROFILE_SIGNALED : PROFILE_EXITED;
	p->end_status = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status)
						 : WEXITSTATUS(wait_status);
}

/* The process has ended, or its image was replaced: its last word is counted. */
static void end_recorded(struct members *m, struct member *i, enum profile_end how,
			 int status)
{
	struct engine_process *p = i->process;
	int own = own_word(m, i), wait_status;

	engine_process_end(m->engine, p, how, status);
	if (i->fresh && !(p->notes & WIRE_NOTE_MAPPED) && p->exe)
		list_stranger(m, i->parent_serial, i->pid, strdup(p->exe),
			      WIRE_EXEC_UNMAPPED);
	/* What its parent was told may have been among the events just read. */
	if (how == PROFILE_EXITED && status < 0) {
		p->end_status = own;
		if (was_waited(m, i->pid, &wait_status))
			know_end(p, wait_status);
	}
	m->recorded--;
	drop(m, i);
}

/* It executed what has not come: the program is a stranger, alive or not. */
static void end_unfollowed(struct members *m, struct member *i, bool alive)
{
	enum wire_exec why = exec_of(m, i);
	bool announced = why == WIRE_EXEC_EXPECTED;
	char *program = why == WIRE_EXEC_NONE
				? take_ptr(i->program)
				: copy_path(wire_process(m->memory->base, i->slot));

	if (why == WIRE_EXEC_NONE)
		why = WIRE_EXEC_EXPECTED;
	if (program)
		list_stranger(m, i->serial, i->pid, program, why);
	if (i->kind == MEMBER_RECORDED) {
		engine_process_end(m->engine, i->process, PROFILE_EXECED, 0);
		m->recorded--;
	} else {
		forget_born(m, i);
	}
	i->kind = MEMBER_STRANGER;
	i->late = announced;
	i->process = NULL;
	i->slot = WIRE_PROCESSES;
	if (!alive)
		drop(m, i);
}

void members_waited(struct members *m, int32_t pid, int32_t wait_status)
{
	struct engine_process *p = engine_process(m->engine, last_of(m, pid, false));
	uint64_t *status;

	/* The number may be of a namespace, and mean another process here. */
	if (m->nested.count)
		return;
	if (!p || !p->ended) {
		status = table_put(&m->waited, (struct table_key){(uint64_t)pid, 0},
				   NULL);
		if (status)
			*status = (uint64_t)(uint32_t)wait_status + 1;
	} else if (p->end == PROFILE_EXITED && p->end_status < 0) {
		know_end(p, wait_status);
	}
}

/* A fork child is one of the recorded from now on. i is gone if there is no memory. */
static void record_child(struct members *m, struct member *i, uint32_t slot,
			 uint32_t serial, uint32_t parent, uint64_t stamp)
{
	if (record(m, i, slot, serial, parent, false) < 0)
		drop(m, i);
	else
		engine_process_forked(m->engine, i->process, parent, stamp);
}

static void record_born(struct members *m, struct member *i)
{
	record_child(m, i, i->slot, i->serial, i->parent_serial,
		     wire_process(m->memory->base, i->slot)->start_stamp);
}

static void see_live(struct members *m, uint32_t slot, struct wire_process *p)
{
	struct engine_process *known = engine_process(m->engine, p->serial);
	uint32_t serial = p->serial, parent = p->parent_serial;
	struct member *i;
	struct who who;

	if (known && known->owner)
		return;
	i = find_serial(m, parent);
	if (i && i->kind == MEMBER_BORN)
		record_born(m, i);
	i = find_serial(m, serial);
	if (!i) {
		who = who_is(m, p, (pid_t)p->pid, parent);
		i = add(m, MEMBER_BORN, &who);
	}
	if (i)
		record_child(m, i, slot, serial, parent, p->start_stamp);
}

/* It recorded something after all, since we looked last. */
static void see_live_now(struct members *m, struct member *i)
{
	struct wire_process *p = wire_process(m->memory->base, i->slot);

	if (i->slot < WIRE_PROCESSES && p->serial == i->serial &&
	    atomic_load_explicit(&p->state, memory_order_acquire) == WIRE_PROCESS_LIVE)
		see_live(m, i->slot, p);
}

static void end(struct members *m, struct member *i)
{
	int wait_status;

	if (i->kind == MEMBER_BORN)
		see_live_now(m, i);
	switch (i->kind) {
	case MEMBER_RECORDED:
	case MEMBER_BORN:
		if (exec_of(m, i) != WIRE_EXEC_NONE || i->program) {
			end_unfollowed(m, i, false);
			return;
		}
		/* It has no heap of its own to tell of, but a beginning and an end. */
		if (i->kind == MEMBER_BORN)
			record_born(m, i);
		if (i->kind == MEMBER_BORN)
			return;
		if (!procfs_exit_status(i->pid, i->pidfd, &wait_status))
			end_recorded(m, i, PROFILE_EXITED, -1);
		else if (WIFSIGNALED(wait_status))
			end_recorded(m, i, PROFILE_SIGNALED, WTERMSIG(wait_status));
		else
			end_recorded(m, i, PROFILE_EXITED, WEXITSTATUS(wait_status));
		return;
	case MEMBER_EXPECTED:
		list_stranger(m, i->parent_serial, i->pid, take_ptr(i->program),
			      WIRE_EXEC_EXPECTED);
		break;
	case MEMBER_STRANGER:
		break;
	}
	drop(m, i);
}

/* ---- slots --------------------------------------------------------------- */

static void see_born(struct members *m, uint32_t slot, struct wire_process *p)
{
	struct member *i;
	uint64_t *above;
	struct who who;

	if (find_serial(m, p->serial))
		return;
	who = who_is(m, p, (pid_t)p->pid, p->parent_serial);
	i = add(m, MEMBER_BORN, &who);
	if (!i)
		return;
	i->slot = slot;
	i->born_ns = kernel_monotonic_ns();
	i->serial = p->serial;
	i->parent_serial = p->parent_serial;
	if (who.nested)
		table_put(&m->nested, (struct table_key){i->serial, 0}, NULL);
	above = table_put(&m->born, (struct table_key){i->serial, 0}, NULL);
	if (above)
		*above = i->parent_serial;
}

/* The slot is free again at once. */
static void see_word(struct members *m, uint32_t slot, struct wire_process *p)
{
	uint32_t kind = atomic_load_explicit(&p->exec, memory_order_acquire);
	uint32_t serial = p->serial, parent = p->parent_serial;
	char *program = copy_path(p);
	struct member *i = NULL;
	struct who who = who_is(m, p, (pid_t)p->pid, parent);

	free_slot(m, slot);
	/* It may have come before we got to read of it, and even have gone. */
	if (last_of(m, who.pid, who.nested && who.gone) > serial || !program ||
	    kind >= WIRE_EXECS || kind == WIRE_EXEC_NONE) {
		free(program);
		return;
	}
	i = add(m, MEMBER_EXPECTED, &who);
	if (!i) {
		free(program);
		return;
	}
	i->parent_serial = parent;
	i->since_ns = kernel_monotonic_ns();
	i->program = program;
	if (kind == WIRE_EXEC_EXPECTED)
		return;
	list_stranger(m, parent, who.pid, take_ptr(i->program), (enum wire_exec)kind);
	i->kind = MEMBER_STRANGER;
}

static bool see(struct members *m, uint32_t slot)
{
	struct wire_process *p = wire_process(m->memory->base, slot);

	/* acquire: pairs with the target's release; the fields are whole. */
	switch (atomic_load_explicit(&p->state, memory_order_acquire)) {
	case WIRE_PROCESS_CLAIMED:
		return false; /* soon something else */
	case WIRE_PROCESS_LIVE:
		see_live(m, slot, p);
		break;
	case WIRE_PROCESS_BORN:
		see_born(m, slot, p);
		break;
	case WIRE_PROCESS_WORD:
		see_word(m, slot, p);
		break;
	case WIRE_PROCESS_VOID:
		free_slot(m, slot);
		break;
	default:
		break;
	}
	return true;
}

void members_look(struct members *m)
{
	/* acquire: pairs with family_changed(). */
	uint32_t changes =
		atomic_load_explicit(&header(m)->changes, memory_order_acquire);
	bool whole = true;

	if (changes == m->changes_seen)
		return;
	for (uint32_t slot = 0; slot < WIRE_PROCESSES; slot++)
		whole &= see(m, slot);
	if (whole)
		m->changes_seen = changes;
}

/* ---- the handshake ------------------------------------------------------- */

/* One that was known by its own number alone: it was not found when we looked. */
static struct member *find_lost(struct members *m, pid_t own_pid)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->items[i].gone && m->items[i].nested &&
		    m->items[i].own_pid == own_pid)
			return &m->items[i];
	return NULL;
}

static struct member *find_before(struct members *m, pid_t pid, pid_t own_pid)
{
	struct member *i = find_pid(m, pid);

	return i || pid == own_pid ? i : find_lost(m, own_pid);
}

/* What was known of the pid before its new image: gone. Returns the parent's serial. */
static uint32_t succeed(struct members *m, pid_t pid, pid_t own_pid)
{
	uint32_t parent = 0;
	struct member *i;

	members_look(m);
	for (i = find_before(m, pid, own_pid); i; i = find_before(m, pid, own_pid)) {
		parent = i->parent_serial;
		if (i->late)
			strangers_withdraw(&m->strangers, i->pid);
		if (i->kind == MEMBER_RECORDED) {
			end_recorded(m, i, PROFILE_EXECED, 0);
			continue;
		}
		if (i->kind == MEMBER_BORN)
			forget_born(m, i);
		drop(m, i);
	}
	return parent ? parent : ancestor(m, pid);
}

int members_welcome(struct members *m, const struct recording_peer *peer)
{
	uint32_t parent = succeed(m, peer->pid, (pid_t)peer->own_pid);
	struct who who = {.pid = peer->pid,
			  .own_pid = (pid_t)peer->own_pid,
			  .nested = (uint32_t)peer->pid != peer->own_pid};
	struct member *i = add(m, MEMBER_EXPECTED, &who);
	int stale;

	if (!i)
		return -ENOMEM;
	if (record(m, i, peer->slot, peer->serial, parent, true) < 0) {
		drop(m, i);
		return -ENOMEM;
	}
	if (who.nested)
		came(m, (pid_t)peer->own_pid, true, peer->serial);
	was_waited(m, peer->pid, &stale); /* it lives: of an earlier one's end */
	if (m->root_pid ? peer->pid == m->root_pid : !m->root_serial)
		m->root_serial = peer->serial;
	return 0;
}

void members_unwanted(struct members *m, pid_t pid)
{
	succeed(m, pid, pid);
	came(m, pid, false, atomic_load(&header(m)->serial));
}

void members_end_root(struct members *m, pid_t pid, int wait_status)
{
	struct member *i;

	engine_pass(m->engine);
	members_look(m);
	i = find_pid(m, pid);
	m->root_watched = true;
	if (!i || i->kind != MEMBER_RECORDED || i->program ||
	    exec_of(m, i) != WIRE_EXEC_NONE)
		return; /* its pidfd tells the rest */
	if (WIFSIGNALED(wait_status))
		end_recorded(m, i, PROFILE_SIGNALED, WTERMSIG(wait_status));
	else
		end_recorded(m, i, PROFILE_EXITED, WEXITSTATUS(wait_status));
}

void members_watch_root(struct members *m)
{
	m->root_watched = true;
}

/* Dead, if only a zombie. Without a pidfd (an old kernel, or it was gone when we
 * looked) the kernel is asked by number. */
static bool is_gone(const struct member *i)
{
	struct pollfd fd = {.fd = i->pidfd, .events = POLLIN};

	if (i->pidfd < 0)
		return i->gone || (kill(i->pid, 0) < 0 && errno == ESRCH);
	return poll(&fd, 1, 0) > 0;
}

void members_end_all(struct members *m)
{
	members_look(m);
	while (m->count) {
		struct member *i = &m->items[m->count - 1];

		if (i->kind == MEMBER_RECORDED && !is_gone(i) &&
		    exec_of(m, i) == WIRE_EXEC_NONE)
			end_recorded(m, i, PROFILE_RUNNING, 0);
		else
			end(m, i);
	}
}

/* ---- now and then -------------------------------------------------------- */

/* Whether another program runs there, executed by a bare system call. */
static bool is_replaced(struct member *i)
{
	char exe[EXE_BYTES];
	const char *was = i->process ? i->process->exe : NULL;

	if (i->program || !was || !*was)
		return i->program;
	procfs_exe(i->pid, exe, sizeof(exe));
	/* (One that was deleted meanwhile has a word behind its name.) */
	if (*exe && strncmp(exe, was, strlen(was)) != 0)
		i->program = strdup(exe);
	return i->program;
}

/* The slot says that its process executed something, or the kernel does. */
static void check_exec(struct members *m, struct member *i, uint64_t now_ns)
{
	enum wire_exec kind = exec_of(m, i);
	uint64_t patience = kind > WIRE_EXEC_EXPECTED ? SETTLED_NS : ARRIVAL_NS;

	/* It could not be executed; or it was by a vfork child, behind a filter. */
	if ((kind == WIRE_EXEC_NONE || kind == WIRE_EXEC_CONFINED) && !is_replaced(i))
		i->since_ns = 0;
	else if (!i->since_ns)
		i->since_ns = now_ns;
	else if (now_ns > i->since_ns + patience)
		end_unfollowed(m, i, true);
}

void members_check(struct members *m, uint64_t now_ns)
{
	/* From the last: what ends has the last put in its place. */
	for (size_t n = m->count; n-- > 0;) {
		struct member *i = &m->items[n];

		if (i->pidfd < 0 && is_gone(i))
			end(m, i);
		else if (i->kind == MEMBER_BORN && now_ns > i->born_ns + WORKER_NS)
			record_born(m, i);
		else if (i->kind == MEMBER_RECORDED || i->kind == MEMBER_BORN)
			check_exec(m, i, now_ns);
		else if (i->kind == MEMBER_EXPECTED &&
			 now_ns > i->since_ns + ARRIVAL_NS) {
			list_stranger(m, i->parent_serial, i->pid, take_ptr(i->program),
				      WIRE_EXEC_EXPECTED);
			i->kind = MEMBER_STRANGER;
			i->late = true;
		}
	}
}

bool members_thread_exists(const struct members *m, pid_t pid, pid_t tid)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->items[i].pid == pid && m->items[i].nested)
			return true; /* the number is none of ours */
	return procfs_thread_exists(pid, tid);
}

size_t members_count(const struct members *m)
{
	return m->count;
}

size_t members_recorded(const struct members *m)
{
	return m->recorded;
}

bool members_had_any(const struct members *m)
{
	return m->any;
}

uint32_t members_root_serial(const struct members *m)
{
	return m->root_serial;
}

/* The program's end is the launcher's to tell, with its status. */
static bool is_watched(const struct members *m, const struct member *i)
{
	return i->pid != m->root_pid || m->root_watched;
}

size_t members_poll(const struct members *m, struct pollfd *fds)
{
	for (size_t i = 0; i < m->count; i++)
		fds[i] = (struct pollfd){is_watched(m, &m->items[i]) ? m->items[i].pidfd
								     : -1,
					 POLLIN, 0};
	return m->count;
}

void members_polled(struct members *m, const struct pollfd *fds, size_t n)
{
	/* From the last: what ends has the last put in its place. */
	while (n-- > 0)
		if (n < m->count && fds[n].revents)
			end(m, &m->items[n]);
}

pid_t members_pid(const struct members *m, const struct engine_process *p)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->items[i].process == p)
			return m->items[i].pid;
	return 0;
}

uint64_t members_rss(const struct members *m)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < m->count; i++)
		if (m->items[i].kind == MEMBER_RECORDED)
			sum += procfs_rss(m->items[i].pid);
	return sum;
}

void members_root_path(const struct members *m, const struct engine_process *p,
		       char *ret, size_t room)
{
	*ret = '\0';
	for (size_t i = 0; i < m->count; i++)
		if (m->items[i].process == p)
			roots_path(&m->roots, m->items[i].root, ret, room);
}

/* ---- the profile --------------------------------------------------------- */

int members_fill(const struct members *m, struct profile *p)
{
	return strangers_fill(&m->strangers, p);
}
