#include "cli/symbol/elf_facts.h"

#include "cli/base/cleanup.h"
#include "cli/symbol/root.h"

#include <errno.h>
#include <gelf.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#define SCRIPT_LINE 256 /* the kernel reads no more of "#!" */

/* ---- scripts -------------------------------------------------------------- */

/* The interpreter that the first line of a script names, in facts->path. */
static bool next_interpreter(const char *line, size_t len, struct elf_facts *facts)
{
	char first[SCRIPT_LINE + 1];
	const char *at;
	size_t n;

	if (len < 2 || memcmp(line, "#!", 2))
		return false;
	memcpy(first, line, len);
	first[len] = '\0';
	at = first + 2 + strspn(first + 2, " \t");
	n = strcspn(at, " \t\n");
	if (!n)
		return false;
	memcpy(facts->path, at, n);
	facts->path[n] = '\0';
	facts->scripts++;
	return true;
}

/* Opens what the kernel would run in the end. A descriptor or -errno. */
static int open_program(const char *path, struct elf_facts *facts, struct stat *st)
{
	size_t len = strnlen(path, sizeof(facts->path));

	if (len == sizeof(facts->path))
		return -ENAMETOOLONG;
	memcpy(facts->path, path, len + 1);
	for (;;) {
		_cleanup_(closep) int fd = root_open(-1, facts->path, st);
		char line[SCRIPT_LINE];
		ssize_t n;

		if (fd < 0)
			return fd;
		n = pread(fd, line, sizeof(line), 0);
		if (n < 0)
			return -errno;
		if (!next_interpreter(line, (size_t)n, facts))
			return take_fd(fd);
		if (facts->scripts > ELF_FACTS_MAX_SCRIPTS)
			return -ELOOP;
	}
}

/* ---- privileges ----------------------------------------------------------- */

/* File capabilities of root's own programs change nothing for root. */
static void check_privileges(int fd, const struct stat *st, struct elf_facts *facts)
{
	struct statvfs mount;

	if (!fstatvfs(fd, &mount) && (mount.f_flag & ST_NOSUID))
		return;
	facts->is_setuid = (st->st_mode & S_ISUID) && st->st_uid != geteuid();
	/* Set-group without execution by the group is mandatory locking of old. */
	facts->is_setgid = (st->st_mode & S_ISGID) && (st->st_mode & S_IXGRP) &&
			   st->st_gid != getegid();
	facts->has_capabilities =
		geteuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0;
}

/* ---- the file ------------------------------------------------------------- */

static void elf_endp(Elf **elf)
{
	elf_end(*elf);
}

/* Reads PT_INTERP. False if it is no string inside the file. */
static bool read_interpreter(int fd, const GElf_Phdr *p, struct elf_facts *facts)
{
	size_t len = p->p_filesz;

	if (len < 2 || len > sizeof(facts->interpreter) || p->p_offset > INT64_MAX ||
	    pread(fd, facts->interpreter, len, (off_t)p->p_offset) != (ssize_t)len ||
	    facts->interpreter[len - 1]) {
		facts->interpreter[0] = '\0';
		return false;
	}
	facts->is_musl = strstr(facts->interpreter, "ld-musl") != NULL;
	return true;
}

/* The dynamic segment as an array of entries: found by its segment, which the kernel
 * and the loader read, not by sections, which may be stripped. */
static Elf_Data *dynamic_data(Elf *elf, const GElf_Phdr *p)
{
	if (p->p_offset > INT64_MAX)
		return NULL;
	return elf_getdata_rawchunk(elf, (int64_t)p->p_offset, p->p_filesz, ELF_T_DYN);
}

static void check_dynamic(Elf *elf, const GElf_Phdr *p, struct elf_facts *facts)
{
	Elf_Data *data = dynamic_data(elf, p);
	GElf_Dyn dyn;

	for (int i = 0; data && gelf_getdyn(data, i, &dyn) && dyn.d_tag != DT_NULL;
	     i++) {
		facts->needs_libc |= dyn.d_tag == DT_NEEDED;
		facts->is_library |= dyn.d_tag == DT_SONAME;
	}
}

bool symbols_is_allocator(const char *library)
{
	static const char *const names[] = {"libjemalloc", "libtcmalloc", "libmimalloc",
					    "libtbbmalloc_proxy", "libsnmalloc"};
	const char *slash = strrchr(library, '/'), *base = slash ? slash + 1 : library;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strncmp(base, names[i], strlen(names[i])))
			return true;
	return false;
}

bool symbols_is_asan(const char *libraries)
{
	return strstr(libraries, "libasan.so") || strstr(libraries, "libclang_rt.asan");
}

/* What it needs that matters to us. */
static void check_needed(Elf *elf, struct elf_facts *facts)
{
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
		Elf_Data *data = NULL;
		GElf_Shdr shdr;
		GElf_Dyn dyn;

		if (!gelf_getshdr(scn, &shdr) || shdr.sh_type != SHT_DYNAMIC)
			continue;
		data = elf_getdata(scn, NULL);
		for (int i = 0; data && gelf_getdyn(data, i, &dyn); i++) {
			const char *name =
				dyn.d_tag == DT_NEEDED
					? elf_strptr(elf, shdr.sh_link, dyn.d_un.d_val)
					: NULL;

			facts->needs_allocator |= name && symbols_is_allocator(name);
			facts->needs_asan |= name && symbols_is_asan(name);
		}
	}
}

/* Whether the dynamic symbol table of the file defines malloc. */
static bool defines_malloc(Elf *elf)
{
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
		Elf_Data *data = NULL;
		GElf_Shdr shdr;
		GElf_Sym sym;

		if (!gelf_getshdr(scn, &shdr) || shdr.sh_type != SHT_DYNSYM)
			continue;
		data = elf_getdata(scn, NULL);
		for (int i = 1; data && gelf_getsym(data, i, &sym); i++) {
			const char *name = elf_strptr(elf, shdr.sh_link, sym.st_name);

			if (sym.st_shndx != SHN_UNDEF && name &&
			    !strcmp(name, "malloc"))
				return true;
		}
	}
	return false;
}

static bool check_segments(Elf *elf, int fd, struct elf_facts *facts)
{
	size_t count = 0;
	bool sound = true, loads = false;
	GElf_Phdr p;

	if (elf_getphdrnum(elf, &count))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!gelf_getphdr(elf, (int)i, &p))
			return false;
		loads |= p.p_type == PT_LOAD;
		if (p.p_type == PT_INTERP)
			sound &= read_interpreter(fd, &p, facts);
		if (p.p_type == PT_DYNAMIC)
			check_dynamic(elf, &p, facts);
	}
	return sound && loads;
}

static void check_elf(int fd, struct elf_facts *facts)
{
	_cleanup_(elf_endp) Elf *elf = NULL;
	char magic[SELFMAG];
	GElf_Ehdr ehdr;

	if (pread(fd, magic, SELFMAG, 0) != SELFMAG || memcmp(magic, ELFMAG, SELFMAG))
		return;
	facts->kind = ELF_FACTS_DAMAGED;
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!elf || elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &ehdr))
		return;
	facts->bits = ehdr.e_ident[EI_CLASS] == ELFCLASS32 ? 32 : 64;
	facts->big_endian = ehdr.e_ident[EI_DATA] == ELFDATA2MSB;
	facts->machine = ehdr.e_machine;
	facts->type = ehdr.e_type;
	if (!check_segments(elf, fd, facts))
		return;
	facts->kind = ELF_FACTS_ELF;
	facts->is_static = !facts->interpreter[0] && !facts->needs_libc &&
			   !facts->is_library &&
			   (facts->type == ET_EXEC || facts->type == ET_DYN);
	facts->is_static_pie = facts->is_static && facts->type == ET_DYN;
	facts->defines_malloc = defines_malloc(elf);
	check_needed(elf, facts);
}

int symbols_elf_check(const char *path, struct elf_facts *ret)
{
	struct stat st;
	_cleanup_(closep) int fd = -1;

	*ret = (struct elf_facts){0};
	fd = open_program(path, ret, &st);
	if (fd < 0)
		return fd;
	check_privileges(fd, &st, ret);
	check_elf(fd, ret);
	return 0;
}
