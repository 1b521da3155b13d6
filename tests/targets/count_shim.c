/*
 * count_shim.c - the second opinion: counts what passes the allocator, knowing
 * nothing of heapline. Preload it behind heapline,
 *
 *	LD_PRELOAD="libheapline.so:libcount.so"  COUNT_OUT=DIRECTORY
 *
 * and each process image leaves its sums in COUNT_OUT/PID, a later image of the
 * same pid (exec) in COUNT_OUT/PID.1 and so on. The file is a shared mapping, so
 * that _exit and SIGKILL lose nothing.
 *
 * Conventions: a realloc of a block that succeeds is one free and one allocation;
 * realloc(NULL, n) is an allocation; realloc(p, 0) that returns NULL is a free; a
 * request that fails and free(NULL) are nothing. Bytes are as requested; pvalloc
 * too. The free of a block that was never seen is unknown, the free of one that the
 * parent allocated before a fork is inherited; neither is in `frees`. Mappings are in
 * whole pages, whatever lay there; those without reserve, as a profiler's own tables
 * are, are nothing.
 *
 * No lock but at the opening: the owner of an address is alone with its slot in the
 * table, and slots are only ever added. Hence signal handlers may allocate in the
 * middle of a hook.
 */
/* As in hooks_mmap.c: both names are defined here. */
#undef _FILE_OFFSET_BITS

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum {
	TABLE_SLOTS = 1 << 26, /* addresses ever seen: 1 GiB of virtual memory */
	ENVIRONMENT_BYTES = 1 << 20,
	OWNER_SHIFT = 48, /* slot.value: generation above, size + 1 below */
};

/* What harness.py reads: ten words, then the executable's path. */
struct sums {
	_Atomic uint64_t allocations, frees, allocated_bytes, freed_bytes;
	_Atomic uint64_t unknown_frees, inherited_frees, inherited_freed_bytes;
	uint64_t pid;
	_Atomic uint64_t mapped_bytes, unmapped_bytes;
	char exe[4096 - 80];
};
_Static_assert(sizeof(struct sums) == 4096, "one page");

struct slot {
	_Atomic uintptr_t address; /* 0: never used */
	_Atomic uint64_t value;	   /* 0: not live */
};

static struct {
	void *(*malloc)(size_t);
	void *(*calloc)(size_t, size_t);
	void *(*realloc)(void *, size_t);
	void *(*memalign)(size_t, size_t);
	void *(*aligned_alloc)(size_t, size_t);
	int (*posix_memalign)(void **, size_t, size_t);
	void *(*valloc)(size_t);
	void *(*pvalloc)(size_t);
	void (*free)(void *);
} next;

static struct sums discarded; /* where nobody asked for the sums */
static struct sums *sums;
static struct slot *table;
static char directory[3072];
static uint64_t generation;	    /* forks between the first image and here */
static _Atomic uint32_t *own_image; /* 1; wiped to 0 in a fork child */
static _Atomic uint32_t opening;

/* By the kernel: what is mapped here is nothing of the program's. */
static void *map_at(size_t bytes, int flags, int fd)
{
	long p = syscall(SYS_mmap, NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0l);

	return p == -1 ? NULL : (void *)p;
}

static void *map(size_t bytes)
{
	return map_at(bytes, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
}

/* getenv() may be the program's own (bash), and libc's may not be ready yet. */
static void find_directory(void)
{
	char *environment = map(ENVIRONMENT_BYTES);
	size_t len = 0;
	ssize_t n = 0;
	int fd = open("/proc/self/environ", O_RDONLY | O_CLOEXEC);

	if (!environment || fd < 0)
		return;
	while (len < ENVIRONMENT_BYTES - 1 &&
	       (n = read(fd, environment + len, ENVIRONMENT_BYTES - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	for (size_t i = 0; i < len; i += strlen(environment + i) + 1) {
		const char *value = environment + i + strlen("COUNT_OUT=");

		if (!strncmp(environment + i, "COUNT_OUT=", strlen("COUNT_OUT=")) &&
		    strlen(value) < sizeof(directory))
			strcpy(directory, value);
	}
	syscall(SYS_munmap, environment, ENVIRONMENT_BYTES);
}

static char *put_number(char *to, uint64_t number)
{
	char digits[20];
	int n = 0;

	do {
		digits[n++] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	while (n)
		*to++ = digits[--n];
	*to = '\0';
	return to;
}

/* A file of its own for this image: the first free one of PID, PID.1, ... */
static int create_file(void)
{
	char path[sizeof(directory) + 64];
	int fd = -1;

	for (uint64_t image = 0; image < 1000; image++) {
		char *end = stpcpy(path, directory);

		end = put_number(stpcpy(end, "/"), (uint64_t)getpid());
		if (image)
			put_number(stpcpy(end, "."), image);
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (fd >= 0 || errno != EEXIST)
			break;
	}
	return fd;
}

static struct sums *open_sums(void)
{
	struct sums *s = NULL;
	int fd = directory[0] ? create_file() : -1;

	if (fd < 0)
		return &discarded;
	if (!ftruncate(fd, sizeof(*s)))
		s = map_at(sizeof(*s), MAP_SHARED, fd);
	close(fd);
	if (!s)
		return &discarded;
	s->pid = (uint64_t)getpid();
	if (readlink("/proc/self/exe", s->exe, sizeof(s->exe) - 1) < 0)
		s->exe[0] = '\0';
	return s;
}

static void *find(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

static void open_image(void)
{
	next.malloc = (void *(*)(size_t))find("malloc");
	next.calloc = (void *(*)(size_t, size_t))find("calloc");
	next.realloc = (void *(*)(void *, size_t))find("realloc");
	next.memalign = (void *(*)(size_t, size_t))find("memalign");
	next.aligned_alloc = (void *(*)(size_t, size_t))find("aligned_alloc");
	next.posix_memalign = (int (*)(void **, size_t, size_t))find("posix_memalign");
	next.valloc = (void *(*)(size_t))find("valloc");
	next.pvalloc = (void *(*)(size_t))find("pvalloc");
	next.free = (void (*)(void *))find("free");
	find_directory();
	table = map(TABLE_SLOTS * sizeof(*table));
	own_image = map(4096);
	if (!table || !own_image)
		_exit(99);
	madvise((void *)own_image, 4096, MADV_WIPEONFORK);
}

/* On entry to every hook. The first one of an image, or of a fork child, opens its
 * file; a vfork child counts as its parent, whose memory it is. */
static void enter(void)
{
	int saved = errno;
	sigset_t all, signals;

	if (own_image && atomic_load_explicit(own_image, memory_order_acquire))
		return;
	/* A handler that allocates would wait for what it interrupted. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &signals);
	while (atomic_exchange_explicit(&opening, 1, memory_order_acquire))
		;
	if (!own_image)
		open_image();
	if (!atomic_load_explicit(own_image, memory_order_relaxed)) {
		sums = open_sums();
		generation++;
		/* release: pairs with the acquire above; sums, then the word. */
		atomic_store_explicit(own_image, 1, memory_order_release);
	}
	atomic_store_explicit(&opening, 0, memory_order_release);
	pthread_sigmask(SIG_SETMASK, &signals, NULL);
	errno = saved;
}

/* Neighbours stay neighbours, so that the table touches about as much memory as the
 * heap does; each 64 MiB of addresses starts at a place of its own. */
static size_t first_slot(uintptr_t address)
{
	uint64_t place = (address >> 26) * 0x9e3779b97f4a7c15ull >> 38;

	return (size_t)((place + (address >> 4)) % TABLE_SLOTS);
}

__attribute__((constructor)) static void open_early(void)
{
	enter();
}

static struct slot *slot_of(void *p, bool insert)
{
	uintptr_t address = (uintptr_t)p;
	size_t i = first_slot(address);

	for (;; i = (i + 1) % TABLE_SLOTS) {
		uintptr_t seen = atomic_load(&table[i].address);

		if (seen == address)
			return &table[i];
		if (seen)
			continue;
		if (!insert)
			return NULL;
		if (atomic_compare_exchange_strong(&table[i].address, &seen, address) ||
		    seen == address)
			return &table[i];
	}
}

static void add(_Atomic uint64_t *sum, uint64_t amount)
{
	/* relaxed: read when the process is gone. */
	atomic_fetch_add_explicit(sum, amount, memory_order_relaxed);
}

static void *allocated(void *p, size_t bytes)
{
	if (!p)
		return NULL;
	atomic_store(&slot_of(p, true)->value,
		     generation << OWNER_SHIFT | ((uint64_t)bytes + 1));
	add(&sums->allocations, 1);
	add(&sums->allocated_bytes, bytes);
	return p;
}

/* Takes the block out of the table: its value, 0 if it was not there. */
static uint64_t take(void *p)
{
	struct slot *s = slot_of(p, false);

	return s ? atomic_exchange(&s->value, 0) : 0;
}

static void freed(uint64_t value)
{
	uint64_t bytes = (value & ((1ull << OWNER_SHIFT) - 1)) - 1;

	if (!value) {
		add(&sums->unknown_frees, 1);
	} else if (value >> OWNER_SHIFT != generation) {
		add(&sums->inherited_frees, 1);
		add(&sums->inherited_freed_bytes, bytes);
	} else {
		add(&sums->frees, 1);
		add(&sums->freed_bytes, bytes);
	}
}

EXPORT void *malloc(size_t bytes)
{
	enter();
	return allocated(next.malloc(bytes), bytes);
}

EXPORT void *calloc(size_t count, size_t each)
{
	enter();
	return allocated(next.calloc(count, each), count * each);
}

EXPORT void *realloc(void *old, size_t bytes)
{
	uint64_t value;
	void *p;

	enter();
	if (!old)
		return allocated(next.realloc(NULL, bytes), bytes);
	value = take(old);
	p = next.realloc(old, bytes);
	if (!p && bytes) {
		if (value)
			atomic_store(&slot_of(old, true)->value, value);
		return NULL;
	}
	freed(value);
	return allocated(p, bytes);
}

/* Not the next reallocarray: libc's calls realloc, which would be us again. */
EXPORT void *reallocarray(void *old, size_t count, size_t each)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, each, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(old, bytes);
}

EXPORT void *memalign(size_t alignment, size_t bytes)
{
	enter();
	return allocated(next.memalign(alignment, bytes), bytes);
}

EXPORT void *aligned_alloc(size_t alignment, size_t bytes)
{
	enter();
	return allocated(next.aligned_alloc(alignment, bytes), bytes);
}

EXPORT int posix_memalign(void **ret, size_t alignment, size_t bytes)
{
	int r;

	enter();
	r = next.posix_memalign(ret, alignment, bytes);
	if (!r)
		allocated(*ret, bytes);
	return r;
}

EXPORT void *valloc(size_t bytes)
{
	enter();
	return allocated(next.valloc(bytes), bytes);
}

EXPORT void *pvalloc(size_t bytes)
{
	enter();
	return allocated(next.pvalloc(bytes), bytes);
}

EXPORT void free(void *p)
{
	enter();
	if (p)
		freed(take(p));
	next.free(p);
}

static uint64_t pages(size_t bytes)
{
	return ((uint64_t)bytes + 4095) & ~4095ull;
}

EXPORT void *mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t offset)
{
	long p;

	enter();
	p = syscall(SYS_mmap, at, bytes, prot, flags, fd, offset);
	if (p != -1 && !(flags & MAP_NORESERVE))
		add(&sums->mapped_bytes, pages(bytes));
	return (void *)p;
}

EXPORT void *mmap64(void *at, size_t bytes, int prot, int flags, int fd, off_t offset)
{
	return mmap(at, bytes, prot, flags, fd, offset);
}

EXPORT int munmap(void *at, size_t bytes)
{
	enter();
	if (syscall(SYS_munmap, at, bytes))
		return -1;
	add(&sums->unmapped_bytes, pages(bytes));
	return 0;
}
