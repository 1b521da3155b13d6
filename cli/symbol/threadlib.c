#include "cli/symbol/threadlib.h"

#include "cli/base/cleanup.h"
#include "cli/symbol/root.h"

#include <gelf.h>
#include <string.h>

enum { SYMBOLS = 1 << 20 };

static void elf_endp(Elf **elf)
{
	elf_end(*elf);
}

static bool find_in(Elf *elf, Elf_Scn *section, const GElf_Shdr *header,
		    const char *name, uint64_t *ret)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t n = data && header->sh_entsize ? data->d_size / header->sh_entsize : 0;

	for (size_t i = 0; i < n && i < SYMBOLS; i++) {
		GElf_Sym s;
		const char *is;

		if (!gelf_getsym(data, (int)i, &s) ||
		    GELF_ST_TYPE(s.st_info) != STT_OBJECT || !s.st_shndx)
			continue;
		is = elf_strptr(elf, header->sh_link, s.st_name);
		if (is && !strcmp(is, name)) {
			*ret = s.st_value;
			return true;
		}
	}
	return false;
}

static bool find_symbol(Elf *elf, const char *name, uint64_t *ret)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(elf, section))) {
		GElf_Shdr header;

		if (gelf_getshdr(section, &header) && header.sh_type == SHT_DYNSYM &&
		    find_in(elf, section, &header, name, ret))
			return true;
	}
	return false;
}

/* A field as libthread_db is told of it: its bits, how many, and its offset. */
static uint64_t offset_of(Elf *elf, const char *name)
{
	uint32_t field[3];
	uint64_t at;
	size_t count = 0;
	GElf_Phdr p;

	if (!find_symbol(elf, name, &at) || elf_getphdrnum(elf, &count))
		return 0;
	for (size_t i = 0; i < count && gelf_getphdr(elf, (int)i, &p); i++) {
		Elf_Data *data;

		if (p.p_type != PT_LOAD || at < p.p_vaddr ||
		    at - p.p_vaddr >= p.p_filesz)
			continue;
		data = elf_getdata_rawchunk(elf,
					    (int64_t)(p.p_offset + (at - p.p_vaddr)),
					    sizeof(field), ELF_T_BYTE);
		if (!data || data->d_size != sizeof(field))
			return 0;
		memcpy(field, data->d_buf, sizeof(field));
		return field[2];
	}
	return 0;
}

static Elf *open_elf(int root_fd, const char *path, int *ret_fd)
{
	elf_version(EV_CURRENT);
	*ret_fd = root_open(root_fd, path, NULL);
	return *ret_fd < 0 ? NULL : elf_begin(*ret_fd, ELF_C_READ, NULL);
}

void threadlib_read_libc(int root_fd, const char *path, struct threadlib *t)
{
	_cleanup_(closep) int fd = -1;
	_cleanup_(elf_endp) Elf *elf = open_elf(root_fd, path, &fd);

	if (!elf || elf_kind(elf) != ELF_K_ELF)
		return;
	t->keys = offset_of(elf, "_thread_db_pthread_specific");
	t->modules = offset_of(elf, "_thread_db_rtld_global__dl_tls_dtv_slotinfo_list");
}

void threadlib_read_loader(int root_fd, const char *path, struct threadlib *t)
{
	_cleanup_(closep) int fd = -1;
	_cleanup_(elf_endp) Elf *elf = open_elf(root_fd, path, &fd);

	if (elf && elf_kind(elf) == ELF_K_ELF)
		find_symbol(elf, "_rtld_global", &t->loader);
}
