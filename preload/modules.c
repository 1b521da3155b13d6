#include "preload/modules.h"

#include "preload/confined.h"
#include "preload/probe.h"
#include "preload/python.h"
#include "preload/real.h"
#include "preload/sys.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum {
	KNOWN_SLOTS = 8192, /* of the private table; a power of two > WIRE_MODULES */
	KNOWN_WINDOW = 8,
	LINK_MAPS = 1 << 16, /* bound of a list that may be broken */
	SEGMENTS = 128,	     /* likewise, of one file's program headers */
};

/* What the loader says of a module. */
struct image {
	/* All of it, or one segment with code where the loader says that there are gaps
	 * between them (an executable's can be far apart). */
	uintptr_t start, end;
	uintptr_t bias;
	uintptr_t low, high; /* around all segments, if they are known */
	uintptr_t hdr;	     /* .eh_frame_hdr; 0: none */
	const char *path;
	const ElfW(Phdr) * segments; /* NULL: their place is not known */
	size_t segment_count;
};

/* What is kept of a module: the slot of its number. */
struct kept {
	_Atomic uint32_t ready; /* the rest is valid, and never changes */
	struct module module;
	uintptr_t hdr;
};

static struct {
	char *base;
	uint32_t serial;
	uint32_t image; /* serial when the program began: fork children's, too */
	int (*find)(void *, struct real_object *); /* NULL: by link maps */
	struct r_debug *debug;
	/* start page (36 bits) | number (12) | generation (16); 0: free */
	_Atomic uint64_t *known;
	struct kept *kept;	    /* WIRE_MODULES of them */
	_Atomic uint32_t kept_used; /* and what is handed out; 0 never is */
	uint32_t exe_len;
	char exe[sizeof(((struct wire_module *)0)->path)];
} self;

struct modules_clock modules_clock;

/* ---- asking the loader --------------------------------------------------- */

static bool readable(uintptr_t from, size_t bytes)
{
	return bytes && from + bytes > from && probe_readable(from) &&
	       probe_readable(from + bytes - 1);
}

static void measure(struct image *m)
{
	m->low = UINTPTR_MAX;
	m->high = 0;
	for (size_t i = 0; i < m->segment_count; i++) {
		const ElfW(Phdr) *p = &m->segments[i];
		uintptr_t low = m->bias + p->p_vaddr, high = low + p->p_memsz;

		if (p->p_type != PT_LOAD)
			continue;
		low &= ~(uintptr_t)(ARCH_PAGE - 1);
		m->low = low < m->low ? low : m->low;
		m->high = high > m->high ? high : m->high;
	}
}

/* The program headers in memory: of the executable as the kernel says, of others
 * behind the ELF header that their first segment begins with. */
static bool find_segments(struct image *m, uintptr_t header, bool executable)
{
	const ElfW(Ehdr) *e = (const ElfW(Ehdr) *)header;
	uintptr_t at;
	size_t count;

	if (executable) {
		at = getauxval(AT_PHDR);
		count = getauxval(AT_PHNUM);
	} else {
		if (header % ARCH_PAGE || !readable(header, sizeof(*e)) ||
		    memcmp(e->e_ident, ELFMAG, SELFMAG) != 0 ||
		    e->e_phentsize != sizeof(ElfW(Phdr)) || e->e_phoff >= ARCH_PAGE)
			return false;
		at = header + e->e_phoff;
		count = e->e_phnum;
	}
	if (!count || count > SEGMENTS || at % sizeof(void *) ||
	    !readable(at, count * sizeof(ElfW(Phdr))))
		return false;
	m->segments = (const ElfW(Phdr) *)at;
	m->segment_count = count;
	measure(m);
	return true;
}

/* As find_segments(), for a module whose range the loader told: they must be its own.
 * If its range does not begin with the ELF header, the bias is where a library has it.
 */
static void find_own_segments(struct image *m)
{
	bool executable = !m->path || !*m->path;

	if ((find_segments(m, m->start, executable) ||
	     find_segments(m, m->bias, executable)) &&
	    m->low <= m->start && m->end <= m->high + ARCH_PAGE)
		return;
	m->segments = NULL;
	m->segment_count = 0;
}

static uintptr_t find_hdr(const struct image *m)
{
	for (size_t i = 0; i < m->segment_count; i++)
		if (m->segments[i].p_type == PT_GNU_EH_FRAME)
			return m->bias + m->segments[i].p_vaddr;
	return 0;
}

/* Without _dl_find_object: walks the list of link maps without the loader's lock. Each
 * entry is probed first, since it may be freed under us. */
static int find_by_link_maps(uintptr_t pc, struct image *ret)
{
	const struct link_map *map = self.debug ? self.debug->r_map : NULL;

	for (size_t i = 0; map && i < LINK_MAPS; i++, map = map->l_next) {
		struct image m = {0};

		if (!readable((uintptr_t)map, sizeof(*map)))
			break;
		m.bias = map->l_addr;
		m.path = map->l_name;
		if (!find_segments(&m, map->l_addr, i == 0))
			continue;
		m.start = m.low;
		m.end = m.high;
		m.hdr = find_hdr(&m);
		if (pc - m.start >= m.end - m.start)
			continue;
		*ret = m;
		return 0;
	}
	return -ENOENT;
}

static int find_image(uintptr_t pc, struct image *ret)
{
	struct real_object o;

	if (!self.find)
		return find_by_link_maps(pc, ret);
	if (self.find((void *)pc, &o))
		return -ENOENT;
	*ret = (struct image){.start = (uintptr_t)o.start,
			      .end = (uintptr_t)o.end,
			      .bias = o.map->l_addr,
			      .hdr = (uintptr_t)o.eh_frame_hdr,
			      .path = o.map->l_name};
	return 0;
}

bool modules_has(uintptr_t pc)
{
	struct image m;

	return find_image(pc, &m) == 0;
}

/* ---- reading a module's headers ------------------------------------------ */

/* The readable segment around `at`, as far as the file fills it. False: there is none,
 * or it can't be read to its end (a file cut short under its mapping). */
static bool segment_around(const struct image *m, uintptr_t at, uintptr_t *ret_low,
			   uintptr_t *ret_high)
{
	for (size_t i = 0; i < m->segment_count; i++) {
		const ElfW(Phdr) *p = &m->segments[i];
		uintptr_t low = m->bias + p->p_vaddr;

		if (p->p_type != PT_LOAD || !(p->p_flags & PF_R) ||
		    at - low >= p->p_filesz || low < m->low || low > m->high ||
		    p->p_filesz > m->high - low)
			continue;
		if (!readable(at, low + p->p_filesz - at) || !probe_readable(low))
			return false;
		*ret_low = low;
		*ret_high = low + p->p_filesz;
		return true;
	}
	return false;
}

static bool open_cfi(const struct image *m, struct cfi *ret)
{
	uintptr_t low, high;

	if (!m->hdr || !segment_around(m, m->hdr, &low, &high) ||
	    cfi_open(ret, (const unsigned char *)m->hdr, (const unsigned char *)high))
		return false;
	if (!segment_around(m, (uintptr_t)ret->frames, &low, &high))
		return false;
	ret->low = (const unsigned char *)low;
	ret->high = (const unsigned char *)high;
	return true;
}

/* The build-id in the notes at [at, end). Its length, 0 if none. */
static uint32_t build_id_in(uintptr_t at, uintptr_t end, unsigned char *id)
{
	while (end - at >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *n = (const ElfW(Nhdr) *)at;
		uint64_t name = ((uint64_t)n->n_namesz + 3) & ~3ull;
		uint64_t desc = ((uint64_t)n->n_descsz + 3) & ~3ull;

		at += sizeof(*n);
		if (name > end - at || desc > end - at - name)
			break;
		if (n->n_type == NT_GNU_BUILD_ID && n->n_namesz == 4 &&
		    memcmp((const void *)at, "GNU", 4) == 0 &&
		    n->n_descsz <= WIRE_BUILD_ID_BYTES) {
			memcpy(id, (const void *)(at + name), n->n_descsz);
			return n->n_descsz;
		}
		at += name + desc;
	}
	return 0;
}

static uint32_t build_id(const struct image *m, unsigned char *id)
{
	uint32_t len = 0;

	for (size_t i = 0; i < m->segment_count && !len; i++) {
		const ElfW(Phdr) *p = &m->segments[i];
		uintptr_t at = m->bias + p->p_vaddr, low, high;

		if (p->p_type == PT_NOTE && at % 4 == 0 &&
		    segment_around(m, at, &low, &high) && p->p_filesz <= high - at)
			len = build_id_in(at, at + p->p_filesz, id);
	}
	return len;
}

/* ---- publishing ---------------------------------------------------------- */

/* What a record says of a file. */
struct record {
	uint64_t start, end;
	const char *path;
	size_t path_len;
	unsigned char id[WIRE_BUILD_ID_BYTES];
	uint32_t id_len;
	uint64_t version;
	uint32_t key; /* of all that */
};

#define FNV_OFFSET 0xcbf29ce484222325ull
#define FNV_PRIME 0x100000001b3ull

/* FNV-1a (Fowler, Noll, Vo), of 64 bits. */
static uint64_t hash(uint64_t h, const void *bytes, size_t n)
{
	for (const unsigned char *b = bytes; n; b++, n--)
		h = (h ^ *b) * FNV_PRIME;
	return h;
}

static const char *path_of(const struct image *m, size_t *ret_len)
{
	const char *path = m->path && *m->path ? m->path : self.exe;

	*ret_len =
		path == self.exe ? self.exe_len : strnlen(path, sizeof(self.exe) - 1);
	return path;
}

/* Which file it is: by what the kernel says, or, where that can't be asked, another one
 * for each program that is executed. */
static uint64_t version_of(const struct image *m)
{
	const char *path = m->path && *m->path ? m->path : "/proc/self/exe";
	uint64_t is[5] = {self.image};
	struct stat st;

	if (!confined_is() && !sys_call4(SYS_newfstatat, AT_FDCWD, path, &st, 0)) {
		is[0] = st.st_dev;
		is[1] = st.st_ino;
		is[2] = (uint64_t)st.st_size;
		is[3] = (uint64_t)st.st_ctim.tv_sec;
		is[4] = (uint64_t)st.st_ctim.tv_nsec;
	}
	return hash(FNV_OFFSET, is, sizeof(is));
}

static void describe(const struct image *m, struct record *ret)
{
	uint64_t h = FNV_OFFSET;

	ret->start = m->start - m->bias;
	ret->end = m->end - m->bias;
	ret->path = path_of(m, &ret->path_len);
	ret->id_len = build_id(m, ret->id);
	ret->version = ret->id_len ? 0 : version_of(m);
	h = hash(h, &ret->start, sizeof(ret->start));
	h = hash(h, &ret->end, sizeof(ret->end));
	h = hash(h, ret->path, ret->path_len);
	h = hash(h, ret->id, ret->id_len);
	h = hash(h, &ret->version, sizeof(ret->version));
	ret->key = (uint32_t)(h >> 32) | 1;
}

static bool is_record(const struct wire_module *w, const struct record *r)
{
	return w->start == r->start && w->end == r->end && w->path_len == r->path_len &&
	       w->build_id_len == r->id_len &&
	       memcmp(w->build_id, r->id, r->id_len) == 0 && w->version == r->version &&
	       memcmp(w->path, r->path, r->path_len) == 0;
}

static uint32_t claim_record(struct wire_header *header)
{
	/* relaxed: a record counts by its `ready`, not by this number. */
	uint32_t i = atomic_load_explicit(&header->modules_used, memory_order_relaxed);
	uint32_t index;

	do {
		index = i ? i : 1;
		if (index >= WIRE_MODULES)
			return 0;
	} while (!atomic_compare_exchange_weak_explicit(&header->modules_used, &i,
							index + 1, memory_order_relaxed,
							memory_order_relaxed));
	return index;
}

static void fill_record(struct wire_module *w, const struct record *r)
{
	w->start = r->start;
	w->end = r->end;
	w->process_serial = self.serial;
	w->version = r->version;
	w->build_id_len = r->id_len;
	memcpy(w->build_id, r->id, r->id_len);
	w->path_len = (uint32_t)r->path_len;
	memcpy(w->path, r->path, r->path_len);
	w->path[r->path_len] = 0;
	/* release: the record, then the word that says so. */
	atomic_store_explicit(&w->ready, 1, memory_order_release);
}

/* The index of the file's record, made if nobody has made it yet. Two who meet a file at
 * the same moment may make two, which whoever reads them takes for two files. */
static uint32_t publish(const struct image *m)
{
	struct wire_header *header = (struct wire_header *)self.base;
	_Atomic uint32_t *keys = wire_module_keys(self.base);
	uint32_t used =
		atomic_load_explicit(&header->modules_used, memory_order_relaxed);
	struct record r;
	uint32_t index;

	describe(m, &r);
	for (index = 1; index < used && index < WIRE_MODULES; index++)
		/* acquire: pairs with the release below. */
		if (atomic_load_explicit(&keys[index], memory_order_acquire) == r.key &&
		    is_record(wire_module(self.base, index), &r))
			return index;
	index = claim_record(header);
	if (!index)
		return 0;
	fill_record(wire_module(self.base, index), &r);
	/* release: the record, then its key. */
	atomic_store_explicit(&keys[index], r.key, memory_order_release);
	return index;
}

/* ---- what is known of modules -------------------------------------------- */

static uint64_t known_word(uintptr_t start, uint32_t number, uint32_t generation)
{
	return (uint64_t)(start >> ARCH_PAGE_BITS) << 28 | (uint64_t)number << 16 |
	       (generation & 0xffff);
}

static uint32_t known_number(uint64_t word)
{
	return word >> 16 & 0xfff;
}

static _Atomic uint64_t *known_slot(uintptr_t start, size_t i)
{
	uint64_t hash = (uint64_t)(start >> ARCH_PAGE_BITS) * 0x9e3779b97f4a7c15ull;

	return &self.known[((hash >> 40) + i) % KNOWN_SLOTS];
}

/* The number of the module that starts there in this generation, or 0. */
static uint32_t known_at(uintptr_t start, uint32_t generation)
{
	uint64_t wanted = known_word(start, 0, generation);

	for (size_t i = 0; i < KNOWN_WINDOW; i++) {
		/* acquire: pairs with remember(); kept[number] is valid. */
		uint64_t word = atomic_load_explicit(known_slot(start, i),
						     memory_order_acquire);

		if ((word & ~(0xfffull << 16)) == wanted && known_number(word))
			return known_number(word);
	}
	return 0;
}

/* Enters a module; the number of the one that another thread entered first, if so. */
static uint32_t remember(uintptr_t start, uint32_t number, uint32_t generation)
{
	uint64_t word = known_word(start, number, generation);

	for (size_t i = 0; i < KNOWN_WINDOW; i++) {
		_Atomic uint64_t *slot = known_slot(start, i);
		uint64_t old = atomic_load_explicit(slot, memory_order_acquire);

		if (old && (old & 0xffff) == (generation & 0xffff)) {
			if ((old & ~(0xfffull << 16)) ==
			    known_word(start, 0, generation))
				return known_number(old);
			continue;
		}
		/* acq_rel: release pairs with known_at(). */
		if (atomic_compare_exchange_strong_explicit(slot, &old, word,
							    memory_order_acq_rel,
							    memory_order_acquire))
			return number;
		i--; /* somebody was faster: look at the slot again */
	}
	return number; /* no room: found again by publish() each time */
}

static bool same_place(const struct module *a, const struct image *m)
{
	return a->start == m->start && a->end == m->end && a->bias == m->bias;
}

static bool same_path(uint32_t index, const struct image *m)
{
	const struct wire_module *w = wire_module(self.base, index);
	size_t len;
	const char *path = path_of(m, &len);

	return w->path_len == len && memcmp(w->path, path, len) == 0;
}

/* The kept module. 0, or -ESTALE: the loader speaks of another. */
static int recall(uint32_t number, const struct image *m, struct module *ret)
{
	const struct kept *k = &self.kept[number];

	if (!same_place(&k->module, m) || k->hdr != m->hdr ||
	    !same_path(k->module.index, m))
		return -ESTALE;
	*ret = k->module;
	return 0;
}

/* The number of what is kept already, or 0. */
static uint32_t find_kept(const struct module *m, uintptr_t hdr)
{
	uint32_t used = atomic_load_explicit(&self.kept_used, memory_order_relaxed);

	for (uint32_t i = 1; i <= used && i < WIRE_MODULES; i++) {
		const struct kept *k = &self.kept[i];

		/* acquire: pairs with keep(). */
		if (atomic_load_explicit(&k->ready, memory_order_acquire) &&
		    k->module.start == m->start && k->module.end == m->end &&
		    k->module.bias == m->bias && k->module.index == m->index &&
		    k->hdr == hdr)
			return i;
	}
	return 0;
}

/* Keeps a module for recall(): its number, 0 where there is no room. Two who meet it at
 * the same moment may have two, of one file. */
static uint32_t keep(const struct module *m, uintptr_t hdr)
{
	uint32_t number = find_kept(m, hdr);
	struct kept *k;

	if (number)
		return number;
	/* relaxed: what is kept counts by its `ready`. Looked at first so that it never
	 * wraps. */
	if (atomic_load_explicit(&self.kept_used, memory_order_relaxed) >= WIRE_MODULES)
		return 0;
	number =
		atomic_fetch_add_explicit(&self.kept_used, 1, memory_order_relaxed) + 1;
	if (number >= WIRE_MODULES)
		return 0;
	k = &self.kept[number];
	k->module = *m;
	k->module.number = number;
	k->hdr = hdr;
	/* release: what is kept, then the word that says so. */
	atomic_store_explicit(&k->ready, 1, memory_order_release);
	return number;
}

void modules_tell(uint64_t *pc_flags, uint32_t *module)
{
	const struct module *m;

	if (!*module)
		return;
	m = &self.kept[*module].module;
	*pc_flags =
		((*pc_flags - m->bias) & WIRE_PC_MASK) | (*pc_flags & ~WIRE_PC_MASK);
	*module = m->index;
}

/* Did a module that this generation knows lie in m's addresses? Then it went unseen. */
static bool replaces_another(const struct image *m, uint32_t generation)
{
	for (size_t i = 0; i < KNOWN_SLOTS; i++) {
		uint64_t word =
			atomic_load_explicit(&self.known[i], memory_order_acquire);
		const struct module *other = &self.kept[known_number(word)].module;

		if (!word || (word & 0xffff) != (generation & 0xffff) ||
		    same_place(other, m))
			continue;
		if (other->start < m->end && m->start < other->end)
			return true;
	}
	return false;
}

/* The new one. */
static uint32_t next_generation(void)
{
	/* release: pairs with modules_generation(). Nothing else is published by it. */
	uint32_t next = atomic_fetch_add_explicit(&modules_clock.generation, 1,
						  memory_order_release) +
			1;

	unwind_epoch_next();
	return next;
}

/* (What it exports is known once its segments are.) */
static void look_for_python(const struct image *m)
{
	struct dynsym d;

	if (m->segments &&
	    dynsym_open(m->bias, m->segments, m->segment_count, &d) == 0)
		python_meet(self.base, &d);
}

/* A module that this generation has not met. */
static void meet(struct image *m, uint32_t generation, struct module *ret)
{
	if (!m->segments)
		find_own_segments(m);
	*ret = (struct module){.start = m->start, .end = m->end, .bias = m->bias};
	ret->has_cfi = open_cfi(m, &ret->cfi);
	if (replaces_another(m, generation))
		generation = next_generation();
	ret->index = publish(m);
	ret->number = ret->index ? keep(ret, m->hdr) : 0;
	if (!ret->number)
		return;
	ret->number = remember(m->start, ret->number, generation);
	look_for_python(m);
}

int modules_find(uintptr_t pc, struct module *ret)
{
	uint32_t generation =
		atomic_load_explicit(&modules_clock.generation, memory_order_acquire);
	uint32_t number;
	struct image m;
	int err = find_image(pc, &m);

	if (err)
		return err;
	number = known_at(m.start, generation);
	err = number ? recall(number, &m, ret) : -EAGAIN;
	if (!err)
		return 0;
	if (err == -ESTALE)
		generation = next_generation();
	meet(&m, generation, ret);
	return 0;
}

/* ---- generations --------------------------------------------------------- */

void modules_dlclose_begin(void)
{
	/* seq_cst: visible before the real dlclose unmaps anything. */
	atomic_fetch_add(&modules_clock.closing, 1);
	unwind_epoch_next();
}

void modules_dlclose_end(void)
{
	uint32_t closing =
		atomic_load_explicit(&modules_clock.closing, memory_order_relaxed);

	next_generation();
	/* release: pairs with modules_generation(). A fork child's count began at 0. */
	while (closing && !atomic_compare_exchange_weak_explicit(
				  &modules_clock.closing, &closing, closing - 1,
				  memory_order_release, memory_order_relaxed))
		;
}

/* ---- start --------------------------------------------------------------- */

void modules_use_link_maps(bool yes)
{
	self.find = yes ? NULL : real.find_object;
}

static int reserve(void)
{
	size_t known = KNOWN_SLOTS * sizeof(*self.known);
	size_t kept = WIRE_MODULES * sizeof(*self.kept);
	char *p = mmap(NULL, known + kept, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return -ENOMEM;
	self.kept = (struct kept *)(p + known);
	self.known = (_Atomic uint64_t *)p;
	return 0;
}

/* A dlclose that another thread of the parent was in the middle of never ends here. */
static int init_child(void)
{
	if (atomic_exchange(&modules_clock.closing, 0))
		next_generation();
	return 0;
}

int modules_init(void *base, uint32_t process_serial)
{
	long len;

	self.base = base;
	self.serial = process_serial;
	if (self.known)
		return init_child();
	self.image = process_serial;
	len = sys_call4(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", self.exe,
			sizeof(self.exe) - 1);
	self.exe_len = len > 0 ? (uint32_t)len : 0;
	self.exe[self.exe_len] = 0;
	self.debug = dlsym(RTLD_DEFAULT, "_r_debug");
	self.find = real_init() ? real.find_object : NULL;
	return reserve();
}
