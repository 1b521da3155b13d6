#include "cli/collect/members.h"

#include "cli/base/cleanup.h"
#include "cli/base/kernel.h"
#include "cli/collect/members_record.h"
#include "cli/collect/procfs.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { EXE_BYTES = 4096 };

/* A child that has done nothing for so long is no way to a program. Less than the
 * engine's patience with forks. */
#define WORKER_NS 20000000000ull
#define ARRIVAL_NS 12000000000ull /* a handshake takes no longer, as a rule */
#define SETTLED_NS 200000000ull	  /* by then an exec has failed or not */

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

/* ---- children --------------------------------------------------------------- */

void members_waited(struct members *m, int32_t pid, int32_t wait_status)
{
	struct engine_process *p =
		engine_process(m->engine, members_last_of(m, pid, false));
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
		members_know_end(p, wait_status);
	}
}

static void see_live(struct members *m, uint32_t slot, struct wire_process *p)
{
	struct engine_process *known = engine_process(m->engine, p->serial);
	uint32_t serial = p->serial, parent = p->parent_serial;
	struct member *i;
	struct member_who who;

	if (known && known->owner)
		return;
	i = members_find_serial(m, parent);
	if (i && i->kind == MEMBER_BORN)
		members_record_born(m, i);
	i = members_find_serial(m, serial);
	if (!i) {
		who = members_who(m, p, (pid_t)p->pid, parent);
		i = members_add(m, MEMBER_BORN, &who);
	}
	if (i)
		members_record_child(m, i, slot, serial, parent, p->start_stamp);
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
		if (members_exec_of(m, i) != WIRE_EXEC_NONE || i->program) {
			members_end_unfollowed(m, i, false);
			return;
		}
		/* It has no heap of its own to tell of, but a beginning and an end. */
		if (i->kind == MEMBER_BORN && !members_record_born(m, i))
			return;
		if (!procfs_exit_status(i->pid, i->pidfd, &wait_status))
			members_end_recorded(m, i, PROFILE_EXITED, -1);
		else if (WIFSIGNALED(wait_status))
			members_end_recorded(m, i, PROFILE_SIGNALED,
					     WTERMSIG(wait_status));
		else
			members_end_recorded(m, i, PROFILE_EXITED,
					     WEXITSTATUS(wait_status));
		return;
	case MEMBER_EXPECTED:
		members_list_stranger(m, i->parent_serial, i->pid, take_ptr(i->program),
				      WIRE_EXEC_EXPECTED);
		break;
	case MEMBER_STRANGER:
		break;
	}
	members_drop(m, i);
}

/* ---- slots --------------------------------------------------------------- */

static void see_born(struct members *m, uint32_t slot, struct wire_process *p)
{
	struct member *i;
	uint64_t *above;
	struct member_who who;

	if (members_find_serial(m, p->serial))
		return;
	who = members_who(m, p, (pid_t)p->pid, p->parent_serial);
	i = members_add(m, MEMBER_BORN, &who);
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
	char *program = members_copy_path(p);
	struct member *i = NULL;
	struct member_who who = members_who(m, p, (pid_t)p->pid, parent);

	members_free_slot(m, slot);
	/* It may have come before we got to read of it, and even have gone. */
	if (members_last_of(m, who.pid, who.nested && who.gone) > serial || !program ||
	    kind >= WIRE_EXECS || kind == WIRE_EXEC_NONE) {
		free(program);
		return;
	}
	i = members_add(m, MEMBER_EXPECTED, &who);
	if (!i) {
		free(program);
		return;
	}
	i->parent_serial = parent;
	i->since_ns = kernel_monotonic_ns();
	i->program = program;
	if (kind == WIRE_EXEC_EXPECTED)
		return;
	members_list_stranger(m, parent, who.pid, take_ptr(i->program),
			      (enum wire_exec)kind);
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
		members_free_slot(m, slot);
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
		atomic_load_explicit(&members_header(m)->changes, memory_order_acquire);
	bool whole = true;

	if (changes == m->changes_seen)
		return;
	for (uint32_t slot = 0; slot < wire_slots_used(m->memory->base); slot++)
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
	struct member *i = members_find_pid(m, pid);

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
			members_end_recorded(m, i, PROFILE_EXECED, 0);
			continue;
		}
		if (i->kind == MEMBER_BORN)
			members_forget_born(m, i);
		members_drop(m, i);
	}
	return parent ? parent : members_ancestor(m, pid);
}

int members_welcome(struct members *m, const struct recording_peer *peer)
{
	uint32_t parent = succeed(m, peer->pid, (pid_t)peer->own_pid);
	struct member_who who = {.pid = peer->pid,
				 .own_pid = (pid_t)peer->own_pid,
				 .nested = (uint32_t)peer->pid != peer->own_pid};
	struct member *i = members_add(m, MEMBER_EXPECTED, &who);
	int stale;

	if (!i)
		return -ENOMEM;
	if (members_record(m, i, peer->slot, peer->serial, parent, true) < 0) {
		members_drop(m, i);
		return -ENOMEM;
	}
	if (who.nested)
		members_came(m, (pid_t)peer->own_pid, true, peer->serial);
	members_was_waited(m, peer->pid,
			   &stale); /* it lives: of an earlier one's end */
	if (m->root_pid ? peer->pid == m->root_pid : !m->root_serial)
		m->root_serial = peer->serial;
	return 0;
}

void members_unwanted(struct members *m, pid_t pid)
{
	succeed(m, pid, pid);
	members_came(m, pid, false, atomic_load(&members_header(m)->serial));
}

void members_end_root(struct members *m, pid_t pid, int wait_status)
{
	struct member *i;

	engine_pass(m->engine);
	members_look(m);
	i = members_find_pid(m, pid);
	m->root_watched = true;
	if (!i || i->kind != MEMBER_RECORDED || i->program ||
	    members_exec_of(m, i) != WIRE_EXEC_NONE)
		return; /* its pidfd tells the rest */
	if (WIFSIGNALED(wait_status))
		members_end_recorded(m, i, PROFILE_SIGNALED, WTERMSIG(wait_status));
	else
		members_end_recorded(m, i, PROFILE_EXITED, WEXITSTATUS(wait_status));
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
		    members_exec_of(m, i) == WIRE_EXEC_NONE)
			members_end_recorded(m, i, PROFILE_RUNNING, 0);
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
	enum wire_exec kind = members_exec_of(m, i);
	uint64_t patience = kind > WIRE_EXEC_EXPECTED ? SETTLED_NS : ARRIVAL_NS;

	/* It could not be executed; or it was by a vfork child, behind a filter. */
	if ((kind == WIRE_EXEC_NONE || kind == WIRE_EXEC_CONFINED) && !is_replaced(i))
		i->since_ns = 0;
	else if (!i->since_ns)
		i->since_ns = now_ns;
	else if (now_ns > i->since_ns + patience)
		members_end_unfollowed(m, i, true);
}

void members_check(struct members *m, uint64_t now_ns)
{
	/* From the last: what ends has the last put in its place. */
	for (size_t n = m->count; n-- > 0;) {
		struct member *i = &m->items[n];

		if (i->pidfd < 0 && is_gone(i))
			end(m, i);
		else if (i->kind == MEMBER_BORN && now_ns > i->born_ns + WORKER_NS)
			members_record_born(m, i);
		else if (i->kind == MEMBER_RECORDED || i->kind == MEMBER_BORN)
			check_exec(m, i, now_ns);
		else if (i->kind == MEMBER_EXPECTED &&
			 now_ns > i->since_ns + ARRIVAL_NS) {
			members_list_stranger(m, i->parent_serial, i->pid,
					      take_ptr(i->program), WIRE_EXEC_EXPECTED);
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

bool members_root_ends(struct members *m)
{
	const struct member *i =
		m->root_serial ? members_find_serial(m, m->root_serial) : NULL;

	return i && i->kind == MEMBER_RECORDED && members_own_word(m, i) >= 0;
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
