#include "preload/exec_elf.h"

#include "preload/sys.h"

#include <string.h>

enum {
	DYNAMIC = 32,	     /* entries that are read at once, */
	DYNAMIC_MOST = 2048, /* and of a file */
};

#if defined(__x86_64__)
enum { OUR_MACHINE = EM_X86_64 };
#elif defined(__aarch64__)
enum { OUR_MACHINE = EM_AARCH64 };
#endif

struct image { /* a file that is looked at */
	long fd;
	const Elf64_Ehdr *e;
};

struct dynamic { /* its entries, one after the other */
	const struct image *image;
	uint64_t at; /* of those to be read */
	size_t i, count, seen;
	Elf64_Dyn of[DYNAMIC];
};

long exec_elf_read(long fd, void *to, size_t len, uint64_t at)
{
	return sys_call4(SYS_pread64, fd, to, len, at);
}

static const char *base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* As the runtime knows itself (LLVM's asan_linux.cpp, IsDynamicRTName()). */
bool exec_elf_is_asan(const char *names)
{
	return strstr(names, "libasan.so") || strstr(names, "libclang_rt.asan");
}

static bool read_header(const struct image *x, unsigned i, Elf64_Phdr *ret)
{
	return i < x->e->e_phnum &&
	       exec_elf_read(x->fd, ret, sizeof(*ret),
			     x->e->e_phoff + i * sizeof(*ret)) == sizeof(*ret);
}

/* The first segment of that type. */
static bool find_segment(const struct image *x, uint32_t type, Elf64_Phdr *ret)
{
	for (unsigned i = 0; read_header(x, i, ret); i++)
		if (ret->p_type == type)
			return true;
	return false;
}

/* Where in the file an address is. */
static bool find_address(const struct image *x, uint64_t address, uint64_t *ret)
{
	Elf64_Phdr p;

	for (unsigned i = 0; read_header(x, i, &p); i++)
		if (p.p_type == PT_LOAD && address - p.p_vaddr < p.p_filesz) {
			*ret = address - p.p_vaddr + p.p_offset;
			return true;
		}
	return false;
}

/* A string in the file, cut if it is long. */
static bool read_text(const struct image *x, uint64_t at, char *ret, size_t room)
{
	long len = exec_elf_read(x->fd, ret, room - 1, at);

	ret[len > 0 ? len : 0] = '\0';
	return len > 0;
}

/* ---- the dynamic section ------------------------------------------------- */

static bool begin(struct dynamic *d, const struct image *x)
{
	Elf64_Phdr p;

	*d = (struct dynamic){.image = x};
	if (!find_segment(x, PT_DYNAMIC, &p))
		return false;
	d->at = p.p_offset;
	return true;
}

/* The next entry of that tag. */
static bool find_next(struct dynamic *d, Elf64_Sxword tag, uint64_t *ret)
{
	for (; d->seen < DYNAMIC_MOST; d->i++, d->seen++) {
		const Elf64_Dyn *at;

		if (d->i == d->count) {
			long len = exec_elf_read(d->image->fd, d->of, sizeof(d->of),
						 d->at);

			d->at += sizeof(d->of);
			d->i = 0;
			d->count = len > 0 ? (size_t)len / sizeof(*d->of) : 0;
		}
		at = &d->of[d->i];
		if (!d->count || at->d_tag == DT_NULL)
			return false;
		if (at->d_tag != tag)
			continue;
		*ret = at->d_un.d_val;
		d->i++;
		d->seen++;
		return true;
	}
	return false;
}

static bool needs_asan(const struct image *x)
{
	uint64_t strings, name;
	struct dynamic d;
	char text[128];

	if (!begin(&d, x) || !find_next(&d, DT_STRTAB, &strings) ||
	    !find_address(x, strings, &strings) || !begin(&d, x))
		return false;
	while (find_next(&d, DT_NEEDED, &name))
		if (read_text(x, strings + name, text, sizeof(text)) &&
		    exec_elf_is_asan(text))
			return true;
	return false;
}

/* ---- all ------------------------------------------------------------------ */

static bool is_glibc_loader(const char *path)
{
	return !strncmp(base(path), "ld-linux", 8) ||
	       !strncmp(base(path), "ld-2.", 5) || !strcmp(base(path), "ld.so");
}

enum wire_exec exec_elf_kind(long fd, const char *path, const Elf64_Ehdr *e,
			     bool strict)
{
	const struct image image = {fd, e};
	char interp[256];
	Elf64_Phdr p;

	if (e->e_ident[EI_CLASS] != ELFCLASS64 || e->e_machine != OUR_MACHINE)
		return WIRE_EXEC_FOREIGN;
	/* The loader itself, as a command, has no loader and preloads all the same. */
	if (!find_segment(&image, PT_INTERP, &p) ||
	    !read_text(&image, p.p_offset, interp, sizeof(interp)))
		return is_glibc_loader(path) ? WIRE_EXEC_EXPECTED : WIRE_EXEC_STATIC;
	if (!strncmp(base(interp), "ld-musl", 7))
		return WIRE_EXEC_OTHER_LIBC;
	return strict && needs_asan(&image) ? WIRE_EXEC_SANITIZED : WIRE_EXEC_EXPECTED;
}
