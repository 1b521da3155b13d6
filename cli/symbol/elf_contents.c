#include "cli/symbol/elf_contents.h"

#include "cli/base/cleanup.h"
#include "cli/symbol/debugfile.h"
#include "cli/symbol/root.h"

#include <errno.h>
#include <gelf.h>
#include <stdio.h>
#include <string.h>

/* Names that give an allocator away. Hidden: its prefix keeps it from being malloc. */
static const struct {
	const char *symbol, *allocator;
	bool hidden;
} allocators[] = {
	{"_rjem_malloc", "jemalloc", true},
	{"je_malloc", "jemalloc", false},
	{"je_arena_malloc_hard", "jemalloc", false},
	{"mallctl", "jemalloc", false},
	{"_rjem_je_arena_malloc_hard", "jemalloc", true},
	{"tc_malloc", "tcmalloc", false},
	{"mi_malloc", "mimalloc", false},
	{"scalable_malloc", "tbbmalloc", false},
};

static const struct {
	const char *symbol, *sanitizer;
} sanitizers[] = {
	{"__asan_init", "AddressSanitizer"}, {"__tsan_init", "ThreadSanitizer"},
	{"__msan_init", "MemorySanitizer"},  {"__hwasan_init", "HWAddressSanitizer"},
	{"__lsan_init", "LeakSanitizer"},
};

static void elf_endp(Elf **elf)
{
	elf_end(*elf);
}

static void note_symbol(const char *name, const GElf_Sym *sym, bool dynamic,
			struct elf_contents *c, bool *exported)
{
	bool defined = sym->st_shndx != SHN_UNDEF;

	for (size_t i = 0; i < sizeof(sanitizers) / sizeof(sanitizers[0]); i++)
		if (!strcmp(name, sanitizers[i].symbol))
			c->sanitizer = sanitizers[i].sanitizer;
	if (!defined)
		return;
	for (size_t i = 0; i < sizeof(allocators) / sizeof(allocators[0]); i++)
		if (!strcmp(name, allocators[i].symbol)) {
			c->allocator = allocators[i].allocator;
			c->allocator_hidden |= allocators[i].hidden;
		}
	if (strcmp(name, "malloc") || GELF_ST_TYPE(sym->st_info) != STT_FUNC)
		return;
	c->own_malloc |= !dynamic;
	*exported |= dynamic;
}

static void read_symbols(Elf *elf, Elf_Scn *scn, const GElf_Shdr *shdr,
			 struct elf_contents *c, bool *exported)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	GElf_Sym sym;

	for (int i = 1; data && gelf_getsym(data, i, &sym); i++) {
		const char *name = elf_strptr(elf, shdr->sh_link, sym.st_name);

		if (name)
			note_symbol(name, &sym, shdr->sh_type == SHT_DYNSYM, c,
				    exported);
	}
}

static void read_needed(Elf *elf, Elf_Scn *scn, const GElf_Shdr *shdr,
			struct elf_contents *c)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	GElf_Dyn dyn;

	for (int i = 0; data && gelf_getdyn(data, i, &dyn) && dyn.d_tag != DT_NULL;
	     i++) {
		const char *name =
			dyn.d_tag == DT_NEEDED
				? elf_strptr(elf, shdr->sh_link, dyn.d_un.d_val)
				: NULL;

		if (name && c->needed_count < ELF_CONTENTS_NEEDED)
			snprintf(c->needed[c->needed_count++], ELF_CONTENTS_NAME, "%s",
				 name);
	}
}

/* The name and checksum in a .gnu_debuglink. */
static bool read_link(Elf_Scn *scn, char *name, size_t room, uint32_t *ret_crc)
{
	Elf_Data *data = elf_rawdata(scn, NULL);
	size_t len, at;

	if (!data || !data->d_buf)
		return false;
	len = strnlen(data->d_buf, data->d_size);
	at = (len + 4) & ~(size_t)3;
	if (!len || len >= room || at > data->d_size || data->d_size - at < 4)
		return false;
	memcpy(name, data->d_buf, len + 1);
	memcpy(ret_crc, (const char *)data->d_buf + at, 4);
	return true;
}

struct link {
	char name[256];
	uint32_t crc;
	bool there;
};

static void read_sections(Elf *elf, struct elf_contents *c, struct link *link)
{
	size_t names = 0;
	bool exported = false;

	elf_getshdrstrndx(elf, &names);
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
		const char *name = NULL;
		GElf_Shdr shdr;

		if (!gelf_getshdr(scn, &shdr))
			continue;
		name = elf_strptr(elf, names, shdr.sh_name);
		name = name ? name : "";
		c->has_lines |=
			shdr.sh_type != SHT_NOBITS && !strcmp(name, ".debug_info");
		c->has_mini_debug |= !strcmp(name, ".gnu_debugdata");
		c->is_go |= !strcmp(name, ".go.buildinfo");
		if (!strcmp(name, ".gnu_debuglink"))
			link->there = read_link(scn, link->name, sizeof(link->name),
						&link->crc);
		c->has_symbols |= shdr.sh_type == SHT_SYMTAB;
		if (shdr.sh_type == SHT_SYMTAB || shdr.sh_type == SHT_DYNSYM)
			read_symbols(elf, scn, &shdr, c, &exported);
		if (shdr.sh_type == SHT_DYNAMIC)
			read_needed(elf, scn, &shdr, c);
	}
	c->own_malloc &= !exported;
}

/* Where the debug information that is apart from the program is, if it is here. */
static void find_debug_file(const char *path, const struct debugfile_id *id,
			    const struct link *link, struct elf_contents *c)
{
	_cleanup_(closep) int fd = -1;
	char name[64];
	ssize_t n;

	if (id->len)
		fd = debugfile_by_id(-1, id, ".debug");
	if (fd < 0 && link->there)
		fd = debugfile_by_link(-1, path, link->name, link->crc, id);
	if (fd < 0)
		return;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = readlink(name, c->debug_file, sizeof(c->debug_file) - 1);
	c->debug_file[n < 0 ? 0 : n] = '\0';
}

static int read_all(const char *path, bool debug, struct elf_contents *ret)
{
	_cleanup_(closep) int fd = root_open(-1, path, NULL);
	_cleanup_(elf_endp) Elf *elf = NULL;
	struct debugfile_id id;
	struct link link = {0};

	if (fd < 0)
		return fd;
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!elf || elf_kind(elf) != ELF_K_ELF)
		return -ENOEXEC;
	memset(ret, 0, sizeof(*ret));
	read_sections(elf, ret, &link);
	id = debugfile_id_of(elf);
	for (size_t i = 0; i < id.len; i++)
		snprintf(ret->build_id + 2 * i, 3, "%02x", id.bytes[i]);
	if (debug)
		find_debug_file(path, &id, &link, ret);
	return 0;
}

int symbols_elf_contents(const char *path, struct elf_contents *ret)
{
	return read_all(path, false, ret);
}

int symbols_elf_contents_and_debug(const char *path, struct elf_contents *ret)
{
	return read_all(path, true, ret);
}
