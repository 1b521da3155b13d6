#include "cli/symbol/objects.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/symbol/root.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

enum { OBJECTS = 1 << 22 };

void objects_done(struct objects *o)
{
	for (size_t i = 0; i < o->count; i++)
		free(o->items[i].name);
	free(o->items);
	*o = (struct objects){0};
}

static int add(struct objects *o, const GElf_Sym *sym, const char *name)
{
	int type = GELF_ST_TYPE(sym->st_info);
	bool wanted = o->thread_local ? type == STT_TLS
				      : type == STT_OBJECT || type == STT_COMMON;
	struct objects_item *x;

	if (!wanted || sym->st_shndx == SHN_UNDEF || !sym->st_size ||
	    sym->st_size > UINT64_MAX - sym->st_value || !name || !*name ||
	    o->count == OBJECTS)
		return 0;
	if (array_reserve(&o->items, &o->room, o->count + 1) < 0)
		return -ENOMEM;
	x = &o->items[o->count];
	*x = (struct objects_item){sym->st_value, sym->st_value + sym->st_size,
				   strdup(name)};
	if (!x->name)
		return -ENOMEM;
	o->count++;
	return 0;
}

static int read_table(Elf *elf, Elf_Scn *section, const GElf_Shdr *header,
		      struct objects *o)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t n = data && header->sh_entsize ? data->d_size / header->sh_entsize : 0;
	int r = 0;

	for (size_t i = 0; !r && i < n && i < INT32_MAX; i++) {
		GElf_Sym sym;

		if (gelf_getsym(data, (int)i, &sym))
			r = add(o, &sym, elf_strptr(elf, header->sh_link, sym.st_name));
	}
	return r;
}

/* Tables of one type; how many there were, or -errno. */
static int read_tables(Elf *elf, GElf_Word type, struct objects *o)
{
	Elf_Scn *section = NULL;
	int found = 0, r = 0;

	while (!r && (section = elf_nextscn(elf, section))) {
		GElf_Shdr header;

		if (!gelf_getshdr(section, &header) || header.sh_type != type)
			continue;
		found++;
		r = read_table(elf, section, &header, o);
	}
	return r ? r : found;
}

static void elf_endp(Elf **elf)
{
	elf_end(*elf);
}

/* The file that elf's debug information was moved to. */
static int open_debug(Elf *of, int root_fd, const char *path,
		      const struct debugfile_id *id)
{
	GElf_Word crc = 0;
	const char *link = dwelf_elf_gnu_debuglink(of, &crc);
	int fd = id->len ? debugfile_by_id(root_fd, id, ".debug") : -ENOENT;

	return fd < 0 && link ? debugfile_by_link(root_fd, path, link, crc, id) : fd;
}

static int read_debug(Elf *of, int root_fd, const char *path,
		      const struct debugfile_id *id, struct objects *o)
{
	_cleanup_(closep) int fd = open_debug(of, root_fd, path, id);
	_cleanup_(elf_endp) Elf *elf = fd < 0 ? NULL : elf_begin(fd, ELF_C_READ, NULL);

	return elf ? read_tables(elf, SHT_SYMTAB, o) : 0;
}

static int compare(const void *a, const void *b)
{
	const struct objects_item *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->end != y->end)
		return x->end > y->end ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int open_some(int root_fd, const char *path, const struct debugfile_id *id,
		     bool thread_local, struct objects *ret)
{
	_cleanup_(objects_done) struct objects o = {.thread_local = thread_local};
	_cleanup_(closep) int fd = root_open(root_fd, path, NULL);
	_cleanup_(elf_endp) Elf *elf = NULL;
	struct debugfile_id is;
	int found;

	elf_version(EV_CURRENT);
	if (fd < 0)
		return fd;
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!elf || elf_kind(elf) != ELF_K_ELF)
		return -ENOEXEC;
	is = debugfile_id_of(elf);
	if (id->len && !debugfile_same_id(&is, id))
		return -ESTALE;
	found = read_tables(elf, SHT_SYMTAB, &o);
	if (!found)
		found = read_debug(elf, root_fd, path, &is, &o);
	if (!found)
		found = read_tables(elf, SHT_DYNSYM, &o);
	if (found < 0)
		return found;
	if (o.count)
		qsort(o.items, o.count, sizeof(*o.items), compare);
	*ret = o;
	o = (struct objects){0};
	return 0;
}

int objects_open(int root_fd, const char *path, const struct debugfile_id *id,
		 struct objects *ret)
{
	return open_some(root_fd, path, id, false, ret);
}

int objects_open_tls(int root_fd, const char *path, const struct debugfile_id *id,
		     struct objects *ret)
{
	return open_some(root_fd, path, id, true, ret);
}

const struct objects_item *objects_find(const struct objects *o, uint64_t address)
{
	size_t low = 0, high = o->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (o->items[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	/* Names for one place: the widest is first, and the one that is taken. */
	while (low > 1 && o->items[low - 2].start == o->items[low - 1].start)
		low--;
	return low && address < o->items[low - 1].end ? &o->items[low - 1] : NULL;
}
