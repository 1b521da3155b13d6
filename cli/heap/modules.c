#include "cli/heap/modules.h"

#include "cli/base/array.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	PAGE = 4096,
	PHDRS = 128,
	MODULES = 16384,
};

struct finding {
	struct heap_modules *m;
	struct strings *names;
	struct heap_memory *memory;
};

void heap_modules_done(struct heap_modules *m)
{
	free(m->items);
	free(m->segments);
	*m = (struct heap_modules){0};
}

size_t heap_modules_at(const struct heap_modules *m, uint64_t address)
{
	size_t i = 0;

	while (i < m->count &&
	       !(m->items[i].start <= address && address < m->items[i].end))
		i++;
	return i;
}

static bool is_module(const struct heap_map *map)
{
	return map->exec && map->inode && !map->shared && *map->path == '/';
}

static bool same_file(const struct heap_map *a, const struct heap_map *b)
{
	return a->inode == b->inode && a->device == b->device;
}

/* The mapping of the file's first bytes that leads to this one: modules are in one
 * piece, but a file may be mapped more than once. */
static const struct heap_map *head_of(const struct heap_maps *maps, size_t i)
{
	const struct heap_map *map = &maps->items[i];

	for (size_t k = i + 1; k-- > 0;) {
		const struct heap_map *before = &maps->items[k];

		if (same_file(before, map) && !before->offset)
			return before;
		if (before->inode && !same_file(before, map))
			break;
	}
	return NULL;
}

static bool seen(const struct heap_modules *m, uint64_t start)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->items[i].start == start)
			return true;
	return false;
}

/* The file's own program headers, as they are mapped. 0: none that make sense. */
static size_t headers(struct heap_memory *memory, uint64_t start, Elf64_Phdr ret[PHDRS])
{
	Elf64_Ehdr e;

	if (!heap_memory_get(memory, start, &e, sizeof(e)) ||
	    memcmp(e.e_ident, ELFMAG, SELFMAG) != 0 ||
	    e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_phentsize != sizeof(Elf64_Phdr) ||
	    e.e_phnum > PHDRS || e.e_phoff > 1 << 20 ||
	    !heap_memory_get(memory, start + e.e_phoff, ret,
			     e.e_phnum * sizeof(Elf64_Phdr)))
		return 0;
	return e.e_phnum;
}

/* The build-id among the notes at an address. */
static void read_id(struct heap_memory *memory, uint64_t at, uint64_t len,
		    struct heap_module *ret)
{
	unsigned char notes[1024];
	uint64_t i = 0;

	len = len < sizeof(notes) ? len : sizeof(notes);
	if (!heap_memory_get(memory, at, notes, len))
		return;
	while (len - i >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		uint64_t name_at = i + sizeof(note), id_at, next;

		memcpy(&note, notes + i, sizeof(note));
		id_at = name_at + ((note.n_namesz + 3ull) & ~3ull);
		next = id_at + ((note.n_descsz + 3ull) & ~3ull);
		if (next > len)
			return;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
		    !memcmp(notes + name_at, "GNU", 4) &&
		    note.n_descsz <= sizeof(ret->id)) {
			ret->id_len = note.n_descsz;
			memcpy(ret->id, notes + id_at, note.n_descsz);
			return;
		}
		i = next;
	}
}

static int add_segment(struct heap_modules *m, uint64_t start, uint64_t end)
{
	if (array_reserve(&m->segments, &m->segment_room, m->segment_count + 1) < 0)
		return -ENOMEM;
	m->segments[m->segment_count++] =
		(struct heap_segment){start, end, (uint32_t)m->count};
	return 0;
}

/* One of its headers. */
static int see_part(struct finding *f, const Elf64_Phdr *p, struct heap_module *m)
{
	uint64_t start = m->bias + p->p_vaddr, end = start + p->p_memsz;

	if (p->p_type == PT_NOTE && !m->id_len)
		read_id(f->memory, start, p->p_filesz, m);
	if (p->p_type == PT_TLS && p->p_memsz < 1 << 28) {
		m->tls = start;
		m->tls_bytes = p->p_memsz;
		m->tls_align = p->p_align;
	}
	if (p->p_type != PT_LOAD || end < start || end >> 47)
		return 0;
	m->end = end > m->end ? end : m->end;
	return p->p_flags & PF_W ? add_segment(f->m, start, end) : 0;
}

static int add_module(struct finding *f, const struct heap_map *head)
{
	Elf64_Phdr ph[PHDRS];
	struct heap_module m = {.start = head->start};
	size_t n = headers(f->memory, head->start, ph);
	bool placed = false;
	int r = 0;

	m.path = strings_add(f->names, head->path);
	if (m.path == UINT32_MAX ||
	    array_reserve(&f->m->items, &f->m->room, f->m->count + 1) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < n && !placed; i++)
		if (ph[i].p_type == PT_LOAD) {
			m.bias = head->start -
				 (ph[i].p_vaddr - ph[i].p_offset) / PAGE * PAGE;
			placed = true;
		}
	for (size_t i = 0; !r && i < n; i++)
		r = see_part(f, &ph[i], &m);
	if (!r)
		f->m->items[f->m->count++] = m;
	return r;
}

int heap_modules_find(struct heap_modules *m, struct strings *names,
		      struct heap_memory *memory)
{
	struct finding f = {m, names, memory};
	const struct heap_maps *maps = memory->maps;
	int r = 0;

	for (size_t i = 0; !r && i < maps->count; i++) {
		const struct heap_map *head;

		if (!is_module(&maps->items[i]))
			continue;
		head = head_of(maps, i);
		if (head && !seen(m, head->start) && m->count < MODULES)
			r = add_module(&f, head);
	}
	return r;
}
