#include "cli/symbol/scopes.h"

#include "cli/base/array.h"
#include "cli/symbol/die_text.h"

#include <dwarf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_QUALIFIED (64u << 10) /* bytes; longer names stay unqualified */
#define MAX_SEARCH (1ull << 24)	  /* spent on type units by the scopes of one unit */

struct level {
	Dwarf_Die die;
	uint32_t scope; /* index + 1 */
};

static const char *scope_name(Dwarf_Die *die)
{
	const char *name = die_name(die);

	if (name)
		return name;
	return dwarf_tag(die) == DW_TAG_namespace ? "(anonymous namespace)"
						  : "(anonymous)";
}

static bool is_scope(int tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_class_type ||
	       tag == DW_TAG_structure_type || tag == DW_TAG_union_type;
}

static int scope_add(struct scopes *s, Dwarf_Die *die, uint32_t *parent)
{
	if (s->count >= UINT32_MAX - 1 ||
	    array_reserve(&s->items, &s->room, s->count + 1))
		return -ENOMEM;
	s->items[s->count++] = (struct scope){scope_name(die), *parent};
	*parent = (uint32_t)s->count;
	return 0;
}

/* The entries around one of its unit's, from the outside in; 0: there are none, or it
 * is not found. Entries come in the order of their addresses, those inside another
 * behind it: what says otherwise ends the search, or it might never end. */
static size_t outer_of(struct scopes *s, Dwarf_Die *die,
		       Dwarf_Die ret[SCOPES_MAX_DEPTH])
{
	uint64_t each =
		1 + dwarf_cuoffset(die) / 16; /* to get behind what has entries */
	const char *target = die->addr;
	Dwarf_Die unit, at, next;
	size_t depth = 0;

	if (!dwarf_diecu(die, &unit, NULL, NULL) || dwarf_child(&unit, &at))
		return 0;
	for (; (const char *)at.addr < target && s->search < MAX_SEARCH; at = next) {
		bool has_children = dwarf_haschildren(&at) > 0;
		const char *last = at.addr;

		s->search += has_children ? each : 1;
		if (has_children && !dwarf_child(&at, &next)) {
			if (depth == SCOPES_MAX_DEPTH)
				return 0;
			ret[depth++] = at;
		} else {
			while (dwarf_siblingof(&at, &next)) {
				if (!depth)
					return 0;
				at = ret[--depth];
			}
		}
		if ((const char *)next.addr <= last)
			return 0;
	}
	return at.addr == die->addr ? depth : 0;
}

/* With -fdebug-types-section a class stands in the unit itself, and refers to a type
 * unit that tells its namespaces. They are added; the innermost is in *parent. */
static int type_scopes_add(struct scopes *s, Dwarf_Die *die, uint32_t *parent)
{
	Dwarf_Die type, declared, outer[SCOPES_MAX_DEPTH];
	Dwarf_Attribute attr;
	size_t count;
	int r = 0;

	if (*parent || !dwarf_attr(die, DW_AT_signature, &attr) ||
	    !dwarf_formref_die(&attr, &type))
		return 0;
	if (dwarf_attr(&type, DW_AT_specification, &attr) &&
	    dwarf_formref_die(&attr, &declared))
		type = declared; /* which is the one inside the namespaces */
	count = outer_of(s, &type, outer);
	for (size_t i = 0; i < count && !r; i++)
		r = scope_add(s, &outer[i], parent);
	return r;
}

/* Notes one entry. 1 if it is a scope with entries of its own, in *ret_child. */
static int visit(struct scopes *s, struct level *at, struct level *ret_child)
{
	int tag = dwarf_tag(&at->die);
	uint32_t scope = at->scope;
	uint64_t *of;

	if (tag == DW_TAG_subprogram && at->scope) {
		of = table_put(&s->of, (struct table_key){(uintptr_t)at->die.addr, 0},
			       NULL);
		if (!of)
			return -ENOMEM;
		*of = at->scope;
	}
	if (!is_scope(tag) || dwarf_child(&at->die, &ret_child->die))
		return 0;
	if (type_scopes_add(s, &at->die, &scope) || scope_add(s, &at->die, &scope))
		return -ENOMEM;
	ret_child->scope = scope;
	return 1;
}

static int walk(struct scopes *s, Dwarf_Die *unit)
{
	struct level levels[SCOPES_MAX_DEPTH];
	const char *last = unit->addr; /* the entry seen last: see outer_of() */
	size_t depth = 1;

	levels[0].scope = 0;
	if (dwarf_child(unit, &levels[0].die))
		return 0;
	while (depth && (const char *)levels[depth - 1].die.addr > last) {
		struct level *top = &levels[depth - 1], child;
		Dwarf_Die next;
		int r = visit(s, top, &child);

		last = top->die.addr;
		if (r < 0)
			return r;
		if (r && depth < SCOPES_MAX_DEPTH) {
			levels[depth++] = child;
			continue;
		}
		while (depth && dwarf_siblingof(&levels[depth - 1].die, &next))
			depth--;
		if (depth)
			levels[depth - 1].die = next;
	}
	return 0;
}

int scopes_open(Dwarf_Die *die, struct scopes *ret)
{
	struct scopes s = {0};
	Dwarf_Die unit;
	int r = 0;

	if (dwarf_diecu(die, &unit, NULL, NULL)) {
		s.unit = unit.addr;
		r = walk(&s, &unit);
	}
	if (r)
		scopes_done(&s);
	else
		*ret = s;
	return r;
}

char *scopes_qualify(const struct scopes *s, const Dwarf_Die *die, const char *name)
{
	uint64_t *of = table_get(&s->of, (struct table_key){(uintptr_t)die->addr, 0});
	size_t len = strlen(name), room = len + 1, at;
	char *text;

	for (uint64_t i = of ? *of : 0; i && room < MAX_QUALIFIED;
	     i = s->items[i - 1].parent)
		room += strlen(s->items[i - 1].name) + 2;
	if (room >= MAX_QUALIFIED)
		return strdup(name);
	text = malloc(room);
	if (!text)
		return NULL;
	at = room - len - 1;
	memcpy(text + at, name, len + 1);
	for (uint64_t i = of ? *of : 0; i; i = s->items[i - 1].parent) {
		size_t part = strlen(s->items[i - 1].name);

		at -= 2;
		memcpy(text + at, "::", 2);
		at -= part;
		memcpy(text + at, s->items[i - 1].name, part);
	}
	return text;
}

void scopes_done(struct scopes *s)
{
	free(s->items);
	table_done(&s->of);
	*s = (struct scopes){0};
}
