#include "cli/symbol/symtab.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { TABLES = 16 };

/* The string tables of a file, each up to its last NUL: libdwfl looks whether a name
 * begins in its table, not whether it ends there. */
struct tables {
	Elf *elf;
	struct {
		const char *start;
		size_t bytes;
	} items[TABLES];
	size_t count;
};

static void add_table(struct tables *t, Elf_Scn *section)
{
	const Elf_Data *data = elf_getdata(section, NULL);
	const char *last =
		data && data->d_buf ? memrchr(data->d_buf, '\0', data->d_size) : NULL;

	if (!last || t->count == TABLES)
		return;
	t->items[t->count].start = data->d_buf;
	t->items[t->count++].bytes = (size_t)(last - (const char *)data->d_buf) + 1;
}

static void find_tables(struct tables *t, Elf *elf)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	*t = (struct tables){.elf = elf};
	while ((section = elf_nextscn(elf, section)))
		if (gelf_getshdr(section, &header) && header.sh_type == SHT_STRTAB)
			add_table(t, section);
}

/* Whether a symbol's name has an end. Tables without section headers are taken at
 * their word. */
static bool ends(struct tables *t, Elf *elf, const char *name)
{
	size_t sections = 0;

	if (t->elf != elf)
		find_tables(t, elf);
	for (size_t i = 0; i < t->count; i++)
		if ((uintptr_t)name - (uintptr_t)t->items[i].start < t->items[i].bytes)
			return true;
	return elf_getshdrnum(elf, &sections) < 0 || !sections;
}

static uint32_t rank(const GElf_Sym *sym, const char *name)
{
	static const uint32_t bind_rank[] = {[STB_LOCAL] = 2, [STB_WEAK] = 1};
	uint32_t bind = GELF_ST_BIND(sym->st_info);
	size_t underscores = strspn(name, "_");

	return (GELF_ST_TYPE(sym->st_info) == STT_NOTYPE ? 1u << 16 : 0) |
	       (uint32_t)(underscores < 255 ? underscores : 255) << 8 |
	       (bind <= STB_WEAK ? bind_rank[bind] : 0);
}

/* End of the executable section that a symbol is in; 0 if it is in none. Tables
 * without section headers are taken at their word. */
static uint64_t section_end(Elf *elf, GElf_Word shndx, const GElf_Sym *sym)
{
	GElf_Shdr header, *shdr;
	size_t sections = 0;

	if (elf_getshdrnum(elf, &sections) < 0 || sections == 0)
		return UINT64_MAX;
	shdr = gelf_getshdr(elf_getscn(elf, shndx), &header);
	if (!shdr || !(shdr->sh_flags & SHF_EXECINSTR) ||
	    sym->st_value < shdr->sh_addr ||
	    sym->st_value - shdr->sh_addr >= shdr->sh_size)
		return 0;
	return shdr->sh_addr + shdr->sh_size;
}

/* A mapping symbol ($x, $d.4) says what bytes are, a .L label where they are. */
static bool is_function(const GElf_Sym *sym, const char *name)
{
	int type = GELF_ST_TYPE(sym->st_info);

	return (type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE) &&
	       name && *name && *name != '$' && strncmp(name, ".L", 2) != 0 &&
	       sym->st_shndx != SHN_UNDEF && sym->st_shndx != SHN_ABS;
}

static int add(struct symtab *t, struct tables *tables, Dwfl_Module *dwfl, int number,
	       Dwarf_Addr bias)
{
	GElf_Word shndx = 0;
	Elf *elf = NULL;
	Dwarf_Addr elf_bias = 0;
	GElf_Addr address = 0;
	GElf_Sym sym;
	const char *name = dwfl_module_getsym_info(dwfl, number, &sym, &address, &shndx,
						   &elf, &elf_bias);
	uint64_t start = address - bias, limit;

	if (!name || !elf || !ends(tables, elf, name) || !is_function(&sym, name))
		return 0;
	sym.st_value = address - elf_bias;
	limit = section_end(elf, shndx, &sym);
	if (limit == 0)
		return 0;
	if (limit != UINT64_MAX)
		limit += elf_bias - bias;
	if (array_reserve(&t->items, &t->room, t->count + 1))
		return -ENOMEM;
	t->items[t->count++] = (struct symbol){
		start, sym.st_size && sym.st_size < limit - start ? start + sym.st_size
								  : limit,
		name, rank(&sym, name) << 1 | (sym.st_size == 0)};
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* Sorts; keeps the best name of each place; ends those without size (the last bit of
 * rank) at the next. */
static void tidy(struct symtab *t)
{
	size_t kept = 0;

	if (!t->count)
		return;
	qsort(t->items, t->count, sizeof(*t->items), by_start);
	for (size_t i = 1; i < t->count; i++) {
		struct symbol *last = &t->items[kept], *next = &t->items[i];

		if (next->start == last->start) {
			if ((last->rank & 1) && !(next->rank & 1)) {
				last->end = next->end;
				last->rank &= ~1u;
			}
			continue;
		}
		if ((last->rank & 1) && last->end > next->start)
			last->end = next->start;
		t->items[++kept] = *next;
	}
	t->count = kept + 1;
}

static int flatten(struct symtab *t)
{
	_cleanup_(freep) struct span *spans = calloc(t->count + 1, sizeof(*spans));

	if (!spans)
		return -ENOMEM;
	for (size_t i = 0; i < t->count; i++)
		spans[i] = (struct span){t->items[i].start, t->items[i].end,
					 (uint32_t)i, 0};
	return segments_build(&t->segments, spans, t->count);
}

int symtab_open(Dwfl_Module *dwfl, Dwarf_Addr bias, struct symtab *ret)
{
	struct symtab t = {0};
	struct tables tables = {0};
	int count = dwfl_module_getsymtab(dwfl), r = 0;

	for (int i = 1; i < count && !r; i++)
		r = add(&t, &tables, dwfl, i, bias);
	if (!r) {
		tidy(&t);
		r = flatten(&t);
	}
	if (r)
		symtab_done(&t);
	else
		*ret = t;
	return r;
}

const struct symbol *symtab_find(const struct symtab *t, uint64_t address)
{
	const struct segment *s = segments_find(&t->segments, address);

	return s ? &t->items[s->owner] : NULL;
}

void symtab_done(struct symtab *t)
{
	segments_done(&t->segments);
	free(t->items);
	*t = (struct symtab){0};
}
