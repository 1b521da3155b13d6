#include "cli/collect/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/base/cleanup.h"

/* Whether the stamp counter runs at one rate on all cores, through sleep too. */
static bool has_steady_ticks(void)
{
#if defined(__x86_64__)
	_cleanup_(fclosep) FILE *f = fopen("/proc/cpuinfo", "re");
	char line[8192];

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "flags", 5))
			return strstr(line, " constant_tsc") &&
			       strstr(line, " nonstop_tsc");
	return false;
#else
	return true; /* aarch64's counter is steady by definition */
#endif
}

/* glibc's robust mutex has the layout of struct wire_robust: the kernel marks the word
 * if this thread dies, whatever kills it. */
static int hold(struct wire_robust *word)
{
	_Static_assert(sizeof(pthread_mutex_t) <= sizeof(*word), "fits");
	pthread_mutexattr_t attr;
	int err;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	err = pthread_mutex_init((pthread_mutex_t *)word, &attr);
	pthread_mutexattr_destroy(&attr);
	return err ? -err : -pthread_mutex_lock((pthread_mutex_t *)word);
}

/* Is there room for the rest of what we will need? */
static bool has_spare(void)
{
	const size_t spare = 1ull << 30;
	void *at = mmap(NULL, spare, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return false;
	munmap(at, spare);
	return true;
}

/* With so many rings; frugal: leaving room. 0 or -errno. */
static int map(struct recording *r, uint32_t rings, bool frugal,
	       enum recording_step *ret_failed)
{
	uint64_t bytes = WIRE_BYTES_OF(rings);
	void *base;

	*ret_failed = RECORDING_SIZE;
	if (ftruncate(r->memory, (off_t)bytes) < 0)
		return -errno;
	*ret_failed = RECORDING_MAP;
	base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
		    r->memory, 0);
	if (base == MAP_FAILED)
		return -errno;
	if (frugal && !has_spare()) {
		munmap(base, bytes);
		return -ENOMEM;
	}
	madvise(base, bytes, MADV_DONTDUMP);
	r->base = base;
	r->bytes = bytes;
	return 0;
}

int recording_make(struct recording *r, enum recording_step *ret_failed)
{
	uint32_t rings;
	int err = 0;

	*ret_failed = RECORDING_CREATE;
	*r = (struct recording){
		.memory = memfd_create("heapline", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
	if (r->memory < 0)
		return -errno;
	/* The smallest it is, with room beside it or without. */
	for (int i = 0; (rings = wire_rings_to_try(i)); i++) {
		err = map(r, rings, wire_rings_to_try(i + 1), ret_failed);
		if (!err)
			return 0;
	}
	recording_close(r);
	return err;
}

int recording_open(struct recording *r, uint32_t flags, uint32_t scan_wait_ms,
		   bool recording, bool kernel_clock)
{
	enum recording_step failed;
	struct wire_header *h;
	int err = recording_make(r, &failed);

	if (err)
		return err;
	h = (struct wire_header *)r->base;
	h->magic = WIRE_MAGIC;
	h->version = WIRE_VERSION;
	h->flags = flags;
	if (!kernel_clock && has_steady_ticks())
		h->flags |= WIRE_CLOCK_TSC;
	h->scan_wait_ms = scan_wait_ms;
	atomic_store(&h->nodes_used, 1);
	atomic_store(&h->modules_used, 1);
	atomic_store(&h->recording, recording ? WIRE_RECORDING : WIRE_PAUSED);
	err = hold(&h->collector);
	if (err)
		recording_close(r);
	return err;
}

void recording_close(struct recording *r)
{
	if (r->base)
		munmap(r->base, r->bytes);
	closep(&r->memory);
	*r = (struct recording){.memory = -1};
}

int recording_listen(char *ret_name, size_t room)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	_cleanup_(closep) int fd =
		socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	uint64_t random;
	int n;

	if (fd < 0)
		return -errno;
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	n = snprintf(ret_name, room, "heapline-%d-%016llx", (int)getpid(),
		     (unsigned long long)random);
	if (n < 0 || (size_t)n >= room || (size_t)n >= sizeof(at.sun_path))
		return -ENAMETOOLONG;
	memcpy(at.sun_path + 1, ret_name, (size_t)n);
	if (bind(fd, (struct sockaddr *)&at,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) <
		    0 ||
	    listen(fd, 512) < 0)
		return -errno;
	return take_fd(fd);
}

void recording_session(const char *name, const unsigned char token[WIRE_TOKEN_BYTES],
		       char ret[WIRE_SESSION_BYTES])
{
	int n = snprintf(ret, WIRE_SESSION_BYTES, "%s:", name);

	for (int i = 0; i < WIRE_TOKEN_BYTES && n < WIRE_SESSION_BYTES - 2; i++)
		n += snprintf(ret + n, WIRE_SESSION_BYTES - (size_t)n, "%02x",
			      token[i]);
}

/* A slot for a process that comes by handshake, CLAIMED; or -1. */
static int claim(struct recording *r, uint32_t own_pid)
{
	struct wire_header *h = (struct wire_header *)r->base;

	for (uint32_t i = 0; i < WIRE_PROCESSES; i++) {
		struct wire_process *p = wire_process(r->base, i);
		uint32_t is = WIRE_PROCESS_FREE;

		if (!atomic_compare_exchange_strong(&p->state, &is,
						    WIRE_PROCESS_CLAIMED))
			continue;
		wire_use_slot(r->base, i);
		p->pid = own_pid;
		p->serial = atomic_fetch_add(&h->serial, 1) + 1;
		p->parent_serial = 0;
		p->start_stamp = 0; /* known to us without */
		atomic_store(&p->notes, 0);
		atomic_store(&p->exec, WIRE_EXEC_NONE);
		atomic_store(&p->exited, 0);
		atomic_store(&p->scan, WIRE_SCAN_NONE);
		p->regions = 0;
		p->altstack = 0;
		return (int)i;
	}
	return -1;
}

static bool send_welcome(int peer, const struct wire_welcome *w, int memory)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {(void *)w, sizeof(*w)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (w->answer == WIRE_WELCOME) {
		struct cmsghdr *c;

		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &memory, sizeof(int));
	}
	return sendmsg(peer, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(*w);
}

/* As long whatever differs where: a token is a secret. */
static bool same_token(const unsigned char *a, const unsigned char *b)
{
	unsigned differ = 0;

	for (int i = 0; i < WIRE_TOKEN_BYTES; i++)
		differ |= a[i] ^ b[i];
	return !differ;
}

void recording_refuse(int peer, enum wire_answer why)
{
	struct wire_welcome answer = {
		.magic = WIRE_MAGIC, .version = WIRE_VERSION, .answer = why};

	send_welcome(peer, &answer, -1);
}

int recording_hear(struct recording *r, int peer, bool trusted,
		   struct recording_peer *ret)
{
	struct wire_hello hello;
	struct ucred who;
	socklen_t len = sizeof(who);
	ssize_t n = recv(peer, &hello, sizeof(hello), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (n != sizeof(hello) || hello.magic != WIRE_MAGIC ||
	    getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		return 0;
	if (hello.version != WIRE_VERSION) {
		recording_refuse(peer, WIRE_BAD_VERSION);
		return 0;
	}
	if (!trusted && who.uid != geteuid() && !same_token(hello.token, r->token)) {
		recording_refuse(peer, WIRE_BAD_TOKEN);
		return 0;
	}
	*ret = (struct recording_peer){.pid = who.pid, .own_pid = hello.pid};
	return 1;
}

bool recording_claim(struct recording *r, int peer, struct recording_peer *who)
{
	int slot = claim(r, who->own_pid);

	if (slot < 0) {
		recording_refuse(peer, WIRE_FULL);
		return false;
	}
	who->slot = (uint32_t)slot;
	who->serial = wire_process(r->base, who->slot)->serial;
	return true;
}

bool recording_admit(struct recording *r, int peer, const struct recording_peer *who)
{
	struct wire_welcome answer = {
		.magic = WIRE_MAGIC,
		.version = WIRE_VERSION,
		.answer = WIRE_WELCOME,
		.process = who->slot,
		.process_serial = who->serial,
	};

	/* release: the fields, then LIVE. */
	atomic_store_explicit(&wire_process(r->base, who->slot)->state,
			      WIRE_PROCESS_LIVE, memory_order_release);
	memcpy(answer.session, r->session, sizeof(answer.session));
	return send_welcome(peer, &answer, r->memory);
}

void recording_name(const struct recording *r, uint32_t number, char *ret, size_t room)
{
	const struct wire_name *n =
		wire_name(r->base, number < WIRE_NAMES ? number : 0);
	char text[WIRE_NAME_BYTES];

	*ret = '\0';
	/* acquire: pairs with the shim's release; the text is whole. */
	if (!number ||
	    atomic_load_explicit(&n->state, memory_order_acquire) != WIRE_NAME_READY)
		return;
	memcpy(text, n->text, sizeof(text));
	text[sizeof(text) - 1] = '\0';
	snprintf(ret, room, "%s", text);
}

bool recording_is_shared(struct recording *r)
{
	bool shared;

	/* The kernel refuses this seal while anybody maps the memory to write. (There is
	 * no moment without a mapping: another thread's would come to lie there, and go
	 * with the next one.) */
	if (mmap(r->base, r->bytes, PROT_READ,
		 MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED, r->memory, 0) == MAP_FAILED)
		abort();
	shared = fcntl(r->memory, F_ADD_SEALS, F_SEAL_WRITE) < 0 && errno == EBUSY;
	/* Once sealed it is ours alone: a private mapping shows the same. */
	if (mmap(r->base, r->bytes, PROT_READ | PROT_WRITE,
		 (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_NORESERVE | MAP_FIXED,
		 r->memory, 0) == MAP_FAILED)
		abort(); /* there was room for it a moment ago */
	madvise(r->base, r->bytes, MADV_DONTDUMP);
	return shared;
}
