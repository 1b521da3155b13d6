#include "preload/session.h"

#include "preload/altstack.h"
#include "preload/bare.h"
#include "preload/confined.h"
#include "preload/family.h"
#include "preload/python.h"
#include "preload/real.h"
#include "preload/regions.h"
#include "preload/sample.h"
#include "preload/sys.h"
#include "preload/unwind.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

enum {
	HANDSHAKE_S = 10,
	DESCRIPTORS = 64, /* as many as a process may need to have two free */
};

/* A heartbeat that stands still that long is death: a busy disk may hold it up. */
#define SILENCE_NS 6000000000ull
#define STANDSTILL_NS 10000000000ull /* so is a full ring's head */

struct session session;
static _Atomic uint32_t no_session = WIRE_RECORDING;
_Atomic uint32_t *session_recording = &no_session;
struct session_identity *session_identity;

static struct session_identity identity_pending;
static struct bare_environment environment;

enum {
	NEVER = 0,
	MAKING = 1, /* the session, at the first event */
	ON = 2,
	OFF = 3,
	ATTACHING = 4, /* a fork child to it: it is there */
	PID_SHIFT = 3, /* with either of the two, above it: whose */
};
static _Atomic long state;

static long own_pid(void)
{
	return sys_call3(SYS_getpid, 0, 0, 0);
}

static uint32_t session_slot(const struct wire_process *p)
{
	return (uint32_t)(p - wire_process(session.base, 0));
}

/* Bytes of address space that we may take of the program's: a quarter. */
static uint64_t fair_share(void)
{
	struct rlimit limit;

	if (sys_call4(SYS_prlimit64, 0, RLIMIT_AS, NULL, &limit) < 0)
		return UINT64_MAX;
	return limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur / 4;
}

/* The same mapping serves fork children, so what they inherit is right. */
static bool map(int fd)
{
	uint32_t there = wire_rings((uint64_t)sys_call3(SYS_lseek, fd, 0, SEEK_END));
	uint64_t share = fair_share();
	void *base = MAP_FAILED;
	uint32_t rings;

	/* A shorter prefix where address space is limited. */
	for (int i = 0; base == MAP_FAILED && (rings = wire_rings_to_try(i)); i++) {
		if (rings > there ||
		    (WIRE_BYTES_OF(rings) > share && wire_rings_to_try(i + 1)))
			continue;
		session.rings = rings;
		base = (void *)sys_call6(SYS_mmap, 0, (long)WIRE_BYTES_OF(rings),
					 PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_NORESERVE, fd, 0);
		if ((unsigned long)base > -4096ul)
			base = MAP_FAILED;
	}
	if (base == MAP_FAILED)
		return false;
	/* Rings are opened when claimed: mlockall() must not fill thousands. */
	sys_call3(SYS_mprotect, (char *)base + WIRE_AT_DATA,
		  session.rings * WIRE_DATA_STRIDE, PROT_NONE);
	sys_call3(SYS_madvise, base, WIRE_BYTES_OF(session.rings), MADV_DONTDUMP);
	session.base = base;
	session_recording = &session_header()->recording;
	return true;
}

static void unmap(void)
{
	sys_call3(SYS_munmap, session.base, WIRE_BYTES_OF(session.rings), 0);
	session_recording = &no_session;
	session.base = NULL;
}

static bool identity_page(void)
{
	long page = sys_call6(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if ((unsigned long)page > -4096ul)
		return false;
	if (sys_call3(SYS_madvise, page, 4096, MADV_WIPEONFORK) < 0) {
		sys_call3(SYS_munmap, page, 4096, 0);
		return false; /* Linux before 4.14 */
	}
	session_identity = (struct session_identity *)page;
	return true;
}

/* The collector's answer and, with a welcome, the memfd in *ret_fd. */
static bool receive(int fd, struct wire_welcome *ret, int *ret_fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {ret, sizeof(*ret)};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	long n;

	do {
		n = sys_call3(SYS_recvmsg, fd, &msg, MSG_CMSG_CLOEXEC);
	} while (n == -EINTR);
	c = n == sizeof(*ret) ? CMSG_FIRSTHDR(&msg) : NULL;
	*ret_fd = -1;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
	return n == sizeof(*ret) && ret->magic == WIRE_MAGIC;
}

/* A collector that is stopped or overloaded holds nobody up for good. */
static void be_patient(long fd)
{
	struct timeval patience = {HANDSHAKE_S, 0};

	sys_call6(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, (long)&patience,
		  sizeof(patience), 0);
	sys_call6(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, (long)&patience,
		  sizeof(patience), 0);
}

/* Says hello on a connected socket and maps what comes back. */
static bool shake_hands(int fd, const unsigned char token[WIRE_TOKEN_BYTES])
{
	struct wire_hello hello = {WIRE_MAGIC, WIRE_VERSION, 0, {0}};
	struct wire_welcome welcome;
	uint64_t interval;
	int memory = -1;
	bool ok;

	hello.pid = (uint32_t)own_pid();
	memcpy(hello.token, token, sizeof(hello.token));
	ok = sys_call6(SYS_sendto, fd, (long)&hello, sizeof(hello), MSG_NOSIGNAL, 0,
		       0) == sizeof(hello) &&
	     receive(fd, &welcome, &memory) && memory >= 0 &&
	     welcome.answer == WIRE_WELCOME && welcome.version == WIRE_VERSION &&
	     welcome.process < WIRE_PROCESSES && map(memory);
	if (memory >= 0)
		sys_call3(SYS_close, memory, 0, 0);
	if (!ok)
		return false;
	session.flags = session_header()->flags;
	interval = session_header()->sample;
	if (interval && sample_init(interval) < 0) {
		unmap();
		return false;
	}
	session.flags |= interval ? SESSION_SAMPLES : 0;
	if (!environment.session[0] &&
	    memchr(welcome.session, '\0', sizeof(welcome.session)))
		strcpy(environment.session, welcome.session);
	identity_pending.process = welcome.process;
	atomic_store_explicit(&identity_pending.serial, welcome.process_serial,
			      memory_order_relaxed);
	return true;
}

static int hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
				      : -1;
}

/* Connects to the session "NAME:TOKEN": an abstract socket and 32 hex digits. */
static bool join(const char *where)
{
	const char *colon = strchr(where, ':');
	size_t len = colon ? (size_t)(colon - where) : 0;
	unsigned char token[WIRE_TOKEN_BYTES];
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	long fd;
	bool ok;

	if (!len || len > sizeof(to.sun_path) - 1 ||
	    strlen(colon + 1) != 2 * sizeof(token))
		return false;
	for (size_t i = 0; i < sizeof(token); i++) {
		int high = hex(colon[1 + 2 * i]), low = hex(colon[2 + 2 * i]);

		if (high < 0 || low < 0)
			return false;
		token[i] = (unsigned char)(high << 4 | low);
	}
	memcpy(to.sun_path + 1, where, len);
	fd = sys_call3(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	be_patient(fd);
	ok = sys_call3(SYS_connect, fd, &to,
		       offsetof(struct sockaddr_un, sun_path) + 1 + len) >= 0 &&
	     shake_hands((int)fd, token);
	sys_call3(SYS_close, fd, 0, 0);
	return ok;
}

/* Starts a collector of our own, found beside the shim. */
static bool start(const struct bare_environment *env)
{
	static const unsigned char no_token[WIRE_TOKEN_BYTES];
	int fd = bare_start(env);
	bool ok;

	if (fd < 0)
		return false;
	be_patient(fd);
	ok = shake_hands(fd, no_token);
	sys_call3(SYS_close, fd, 0, 0);
	return ok;
}

static bool connect_session(void)
{
	bare_environment_read(&environment);
	if (environment.session[0])
		return join(environment.session);
	return start(&environment);
}

static uint64_t network;

/* 0: not to be told. */
static uint64_t network_of_now(void)
{
	struct stat st;

	return sys_call4(SYS_newfstatat, AT_FDCWD, "/proc/self/ns/net", &st, 0) < 0
		       ? 0
		       : st.st_ino;
}

bool session_is_apart(void)
{
	uint64_t now;

	if (!session_on() || !network)
		return false;
	now = network_of_now();
	return now && now != network;
}

/* The handshake takes two descriptors; a limit of our own user's making is put back. */
static bool connect_within_limits(void)
{
	struct rlimit was, more;
	bool tight = !sys_call4(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &was) &&
		     was.rlim_cur < DESCRIPTORS && was.rlim_cur < was.rlim_max;
	bool ok;

	if (tight) {
		more = was;
		more.rlim_cur = was.rlim_max < DESCRIPTORS ? was.rlim_max : DESCRIPTORS;
		sys_call4(SYS_prlimit64, 0, RLIMIT_NOFILE, &more, NULL);
	}
	ok = connect_session();
	if (tight)
		sys_call4(SYS_prlimit64, 0, RLIMIT_NOFILE, &was, NULL);
	return ok;
}

static bool make(void)
{
	if (!connect_within_limits())
		return false;
	network = network_of_now();
	atomic_fetch_or_explicit(
		&wire_process(session.base, identity_pending.process)->notes,
		WIRE_NOTE_MAPPED, memory_order_relaxed);
	wire_process(session.base, identity_pending.process)->regions = regions_at();
	wire_process(session.base, identity_pending.process)->altstack = altstack_at();
	if (!identity_page()) {
		unmap();
		return false;
	}
	if (!real_is_interposed()) {
		/* Half of the events would be ours: better none, and said. */
		atomic_fetch_or_explicit(
			&wire_process(session.base, identity_pending.process)->notes,
			WIRE_NOTE_OWN_MALLOC, memory_order_relaxed);
		unmap();
		return false;
	}
	if (!real_new_is_seen())
		atomic_fetch_or_explicit(
			&wire_process(session.base, identity_pending.process)->notes,
			WIRE_NOTE_OWN_NEW, memory_order_relaxed);
	if (unwind_init(session.base, identity_pending.serial) < 0)
		atomic_fetch_or_explicit(
			&wire_process(session.base, identity_pending.process)->notes,
			WIRE_NOTE_NO_UNWIND, memory_order_relaxed);
	session_identity->process = identity_pending.process;
	atomic_store_explicit(&session_identity->serial, identity_pending.serial,
			      memory_order_release);
	return true;
}

/* A fork child's own process slot, claimed without a word to anybody: at its birth, or
 * now where libc did not make it. */
static struct wire_process *child_slot(void)
{
	struct wire_process *p;

	if (session_identity->born) {
		p = wire_process(session.base, session_identity->born - 1);
		atomic_store_explicit(&p->state, WIRE_PROCESS_LIVE,
				      memory_order_release);
		family_changed();
		return p;
	}
	session_identity->untold = true;
	return family_claim(WIRE_PROCESS_LIVE, (uint32_t)own_pid(), 0,
			    session_last_serial(), session_stamp());
}

static bool attach_child(void)
{
	struct wire_process *p;

	if (session.flags & WIRE_NO_FOLLOW)
		return false;
	p = child_slot();
	if (!p) { /* its events are lost, one at least */
		session_count_unrung();
		return false;
	}
	identity_pending.process = session_slot(p);
	atomic_store_explicit(&identity_pending.serial, p->serial,
			      memory_order_relaxed);
	unwind_init(session.base, p->serial);
	python_forked(p);
	session_identity->process = identity_pending.process;
	/* release: whoever sees the serial sees the slot. */
	atomic_store_explicit(&session_identity->serial, p->serial,
			      memory_order_release);
	return true;
}

static long kind_of(long is)
{
	return is & ((1 << PID_SHIFT) - 1);
}

static bool is_busy(long is)
{
	return kind_of(is) == MAKING || kind_of(is) == ATTACHING;
}

/* We were forked in the middle of it, past libc: step aside. (A vfork child, whose
 * parent's it is, may come too late.) */
static void give_up(long is)
{
	bool attaching = kind_of(is) == ATTACHING;

	if (atomic_compare_exchange_strong(&state, &is, OFF) && attaching)
		session_count_unrung();
}

/* Another thread is attaching, in a bounded time of its own. */
static bool wait_for_other_thread(void)
{
	long is;

	while (is_busy(is = atomic_load_explicit(&state, memory_order_acquire))) {
		if (is >> PID_SHIFT != own_pid()) {
			give_up(is);
			return false;
		}
		sys_call3(SYS_sched_yield, 0, 0, 0);
	}
	return is == ON;
}

/* True once the identity page names this process; a fork child finds it wiped. */
static bool attached(void)
{
	return session_identity &&
	       atomic_load_explicit(&session_identity->serial, memory_order_acquire);
}

bool session_attach(void)
{
	long is = atomic_load_explicit(&state, memory_order_acquire), busy;
	int saved = errno;
	bool ok;

	if (is == ON && attached())
		return true;
	if (is == OFF)
		return false;
	busy = (is == NEVER ? MAKING : ATTACHING) | own_pid() << PID_SHIFT;
	if (is_busy(is) || !atomic_compare_exchange_strong(&state, &is, busy))
		return wait_for_other_thread();
	if (is == NEVER)
		ok = make();
	else
		ok = attached() || attach_child();
	atomic_store_explicit(&state, ok ? ON : OFF, memory_order_release);
	errno = saved;
	return ok;
}

bool session_is_off(void)
{
	return atomic_load_explicit(&state, memory_order_acquire) == OFF;
}

bool session_on(void)
{
	long is = atomic_load_explicit(&state, memory_order_acquire);

	return session_identity && (is == ON || kind_of(is) == ATTACHING);
}

struct wire_process *session_own_slot(void)
{
	if (!session_on())
		return NULL;
	if (attached())
		return wire_process(session.base, session_identity->process);
	return session_identity->born
		       ? wire_process(session.base, session_identity->born - 1)
		       : NULL;
}

uint32_t session_last_serial(void)
{
	/* relaxed: this process's own, or what it inherited. */
	return atomic_load_explicit(&identity_pending.serial, memory_order_relaxed);
}

uint32_t session_untold(void)
{
	if (!session_identity->untold)
		return 0;
	session_identity->untold = false;
	return session_last_serial();
}

void session_born(const struct wire_process *p)
{
	session_identity->born = session_slot(p) + 1;
	atomic_store_explicit(&identity_pending.serial, p->serial,
			      memory_order_relaxed);
}

const char *session_name(void)
{
	return environment.session;
}

/* Time stands still where it can't be asked for. */
static _Atomic uint64_t last_stamp;

bool session_stop_clock(void)
{
	if (!(session.flags & WIRE_CLOCK_TSC))
		return false;
	atomic_store_explicit(&last_stamp, wire_stamp(sys_ticks()),
			      memory_order_relaxed);
	session.flags &= ~(uint32_t)WIRE_CLOCK_TSC;
	return true;
}

void session_start_clock(void)
{
	session.flags |= WIRE_CLOCK_TSC;
}

uint64_t session_stamp(void)
{
	uint64_t now;

	if (session.flags & WIRE_CLOCK_TSC)
		return wire_stamp(sys_ticks());
	/* relaxed: stamps are not trusted. */
	if (confined_is() || session_header()->flags & WIRE_CLOCK_TSC) /* stopped */
		return atomic_load_explicit(&last_stamp, memory_order_relaxed);
	now = wire_stamp(sys_monotonic_ns());
	atomic_store_explicit(&last_stamp, now, memory_order_relaxed);
	return now;
}

void session_ring_bell(void)
{
	_Atomic uint32_t *asleep = &session_header()->asleep;

	/* relaxed: the collector never sleeps long, a bell that is missed costs a
	 * little time and nothing else. */
	if (atomic_load_explicit(asleep, memory_order_relaxed) == WIRE_ASLEEP &&
	    !confined_is() &&
	    atomic_exchange_explicit(asleep, WIRE_AWAKE, memory_order_relaxed))
		sys_futex_wake(asleep);
}

/* Whether what is watched has moved within the given time. */
static bool moves(uint64_t is, uint64_t *last, uint64_t *since_ns, uint64_t now,
		  uint64_t within_ns)
{
	if (!*since_ns || is != *last) {
		*last = is;
		*since_ns = now;
	}
	return now - *since_ns < within_ns;
}

bool session_collector_lives(struct session_patience *p, uint64_t head)
{
	struct wire_header *h = session_header();
	/* relaxed: answers about now, asked again and again. */
	uint32_t holder =
		atomic_load_explicit(&h->collector.word, memory_order_relaxed);
	uint64_t beat = atomic_load_explicit(&h->heartbeat, memory_order_relaxed);
	uint64_t now = confined_is() ? confined_ns() : sys_monotonic_ns();
	uint32_t recording = atomic_load_explicit(&h->recording, memory_order_relaxed);

	if (recording == WIRE_ABANDONED)
		return false;
	if (holder && !(holder & FUTEX_OWNER_DIED) &&
	    moves(beat, &p->beat, &p->beat_ns, now, SILENCE_NS) &&
	    (!head || moves(head, &p->head, &p->head_ns, now, STANDSTILL_NS)))
		return true;
	while ((recording == WIRE_RECORDING || recording == WIRE_ASKING) &&
	       !atomic_compare_exchange_weak_explicit(
		       &h->recording, &recording, WIRE_ABANDONED, memory_order_relaxed,
		       memory_order_relaxed))
		;
	return false;
}
