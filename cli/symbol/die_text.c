#include "cli/symbol/die_text.h"

#include <dwarf.h>
#include <gelf.h>
#include <stdint.h>
#include <string.h>

/* Sections, compressed or not, of a file of its own or not. */
static const char *const tables[] = {"debug_str", "debug_line_str", NULL};
static const char *const entries[] = {"debug_info", "debug_types", NULL};

static bool is_one_of(const char *name, const char *const *wanted)
{
	name += strspn(name, ".z");
	for (; *wanted; wanted++) {
		size_t len = strlen(*wanted);

		if (!strncmp(name, *wanted, len) &&
		    (!name[len] || !strcmp(name + len, ".dwo")))
			return true;
	}
	return false;
}

/* What is in memory of the next wanted section behind *section, which becomes it; NULL:
 * there is none. names: as of elf_getshdrstrndx(). */
static const Elf_Data *next_data(Elf *elf, size_t names, Elf_Scn **section,
				 const char *const *wanted)
{
	while ((*section = elf_nextscn(elf, *section))) {
		GElf_Shdr header;
		const char *name = gelf_getshdr(*section, &header)
					   ? elf_strptr(elf, names, header.sh_name)
					   : NULL;
		const Elf_Data *data;

		if (!name || header.sh_type == SHT_NOBITS || !is_one_of(name, wanted))
			continue;
		data = elf_rawdata(*section, NULL);
		if (data && data->d_size)
			return data;
	}
	return NULL;
}

bool die_texts_end(Dwarf *dwarf)
{
	Elf *elf = dwarf_getelf(dwarf);
	Elf_Scn *section = NULL;
	const Elf_Data *data;
	size_t names;

	if (!elf || elf_getshdrstrndx(elf, &names) < 0)
		return false;
	while ((data = next_data(elf, names, &section, tables)))
		if (!data->d_buf || ((const char *)data->d_buf)[data->d_size - 1])
			return false;
	return true;
}

/* Whether a text that stands in an entry ends within its section. */
static bool ends(Elf *elf, const char *text)
{
	Elf_Scn *section = NULL;
	const Elf_Data *data;
	size_t names;

	if (elf_getshdrstrndx(elf, &names) < 0)
		return false;
	while ((data = next_data(elf, names, &section, entries))) {
		uintptr_t at = (uintptr_t)text - (uintptr_t)data->d_buf;

		if (at < data->d_size)
			return memchr(text, '\0', data->d_size - at);
	}
	return false;
}

const char *die_text(Dwarf_Attribute *attribute)
{
	const char *text = dwarf_formstring(attribute);

	if (!text || dwarf_whatform(attribute) != DW_FORM_string)
		return text;
	return ends(dwarf_getelf(dwarf_cu_getdwarf(attribute->cu)), text) ? text : NULL;
}

const char *die_name(Dwarf_Die *die)
{
	Dwarf_Attribute attribute;

	return dwarf_attr_integrate(die, DW_AT_name, &attribute) ? die_text(&attribute)
								 : NULL;
}
