#include "cli/symbol/unit.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/table.h"
#include "cli/symbol/die_text.h"
#include "cli/symbol/path.h"

#include <dwarf.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_ORIGINS 16 /* hops from a concrete function to its abstract instance */

struct walk { /* what only unit_open() needs */
	struct unit *u;
	uint64_t text_start, text_end, work;
	struct table functions; /* address of a DIE -> function + 1 */
	struct span *spans;
	size_t span_count, span_room;
	const char *last; /* the entry seen last */
	struct level {
		Dwarf_Die die;
		uint32_t node; /* index + 1 of the function around it; 0: none */
	} * levels;
	size_t depth, level_room;
};

/* ---- functions ------------------------------------------------------------ */

static Dwarf_Die follow(Dwarf_Die die, unsigned attribute)
{
	for (int i = 0; i < MAX_ORIGINS; i++) {
		Dwarf_Attribute attr;
		Dwarf_Die next;

		if (!dwarf_attr(&die, attribute, &attr) ||
		    !dwarf_formref_die(&attr, &next))
			break;
		die = next;
	}
	return die;
}

static int function_add(struct walk *w, Dwarf_Die *concrete, uint32_t *ret)
{
	struct unit *u = w->u;
	Dwarf_Die die = follow(*concrete, DW_AT_abstract_origin);
	struct unit_function *f;
	int line = 0;
	uint64_t *number = table_put(&w->functions,
				     (struct table_key){(uintptr_t)die.addr, 0}, NULL);

	if (!number)
		return -ENOMEM;
	if (!*number) {
		if (array_reserve(&u->functions, &u->function_room,
				  u->function_count + 1))
			return -ENOMEM;
		f = &u->functions[u->function_count++];
		*f = (struct unit_function){.die = die, .file = dwarf_decl_file(&die)};
		if (f->file && !dwarf_decl_line(&die, &line) && line > 0)
			f->first = f->last = (uint32_t)line;
		*number = u->function_count;
	}
	*ret = (uint32_t)*number - 1;
	return 0;
}

/* Lines seen in a function's own code widen it downwards. */
static void function_reach(struct unit_function *f, const char *file, uint32_t line)
{
	if (line > f->last && f->first && file &&
	    (file == f->file || !strcmp(file, f->file)))
		f->last = line;
}

/* ---- the walk ------------------------------------------------------------- */

static bool span_add(struct walk *w, uint64_t start, uint64_t end, uint32_t node)
{
	if (w->work++ >= UNIT_MAX_WORK)
		return false;
	if (start < w->text_start || end > w->text_end || start >= end)
		return true;
	if (w->span_count >= UNIT_MAX_SPANS ||
	    array_reserve(&w->spans, &w->span_room, w->span_count + 1))
		return false;
	w->spans[w->span_count++] = (struct span){start, end, node, (uint32_t)w->depth};
	return true;
}

static bool spans_add(struct walk *w, Dwarf_Die *die, uint32_t node)
{
	Dwarf_Addr base = 0, start = 0, end = 0;
	ptrdiff_t offset = 0;
	size_t before = w->span_count;

	while ((offset = dwarf_ranges(die, offset, &base, &start, &end)) > 0)
		if (!span_add(w, start, end, node))
			break;
	return w->span_count > before;
}

static void read_call(struct unit *u, struct unit_node *n)
{
	Dwarf_Attribute attr;
	Dwarf_Word value;

	if (dwarf_attr(&n->die, DW_AT_call_file, &attr) &&
	    !dwarf_formudata(&attr, &value) && u->files)
		n->call_file = dwarf_filesrc(u->files, value, NULL, NULL);
	if (dwarf_attr(&n->die, DW_AT_call_line, &attr) &&
	    !dwarf_formudata(&attr, &value) && value <= INT32_MAX)
		n->call_line = (uint32_t)value;
}

/* Whether an inlined call has a place in a function, were it an empty one: where code is
 * in pieces and DWARF 2 has no words for that, gcc tells of one piece, even of none, and
 * what was inlined there in turn has its code elsewhere. */
static bool has_place(Dwarf_Die *die)
{
	return dwarf_hasattr(die, DW_AT_low_pc) || dwarf_hasattr(die, DW_AT_ranges) ||
	       dwarf_hasattr(die, DW_AT_entry_pc);
}

/* Adds a node if the top entry is a function with code, or may be around one; its number
 * + 1 in *node. */
static int visit(struct walk *w, uint32_t *node)
{
	struct level *top = &w->levels[w->depth - 1];
	struct unit *u = w->u;
	int tag = dwarf_tag(&top->die), r;
	bool inlined = tag == DW_TAG_inlined_subroutine;
	struct unit_node *n;

	*node = top->node;
	if ((tag != DW_TAG_subprogram && !inlined) || u->node_count >= UINT32_MAX - 1 ||
	    (!spans_add(w, &top->die, (uint32_t)u->node_count) &&
	     !(inlined && top->node && has_place(&top->die))))
		return 0;
	if (array_reserve(&u->nodes, &u->node_room, u->node_count + 1))
		return -ENOMEM;
	n = &u->nodes[u->node_count];
	*n = (struct unit_node){.die = top->die, .inlined = inlined};
	r = function_add(w, &n->die, &n->function);
	if (r)
		return r;
	if (n->inlined) {
		n->parent = top->node;
		read_call(u, n);
		if (n->parent)
			function_reach(&u->functions[u->nodes[n->parent - 1].function],
				       n->call_file, n->call_line);
	}
	*node = (uint32_t)++u->node_count;
	return 0;
}

/* Whether functions with code may be found below. */
static bool worth_descending(Dwarf_Die *die)
{
	switch (dwarf_tag(die)) {
	case DW_TAG_enumeration_type:
	case DW_TAG_array_type:
	case DW_TAG_subroutine_type:
	case DW_TAG_call_site:
	case DW_TAG_GNU_call_site:
	case DW_TAG_formal_parameter:
	case DW_TAG_variable:
	case DW_TAG_GNU_formal_parameter_pack:
	case DW_TAG_GNU_template_parameter_pack:
		return false;
	default:
		return dwarf_haschildren(die) > 0;
	}
}

static int descend(struct walk *w, uint32_t node)
{
	Dwarf_Die child;

	if (w->depth >= UNIT_MAX_DEPTH ||
	    !worth_descending(&w->levels[w->depth - 1].die) ||
	    dwarf_child(&w->levels[w->depth - 1].die, &child))
		return 0;
	if (array_reserve(&w->levels, &w->level_room, w->depth + 1))
		return -ENOMEM;
	w->levels[w->depth++] = (struct level){child, node};
	return 1;
}

static void advance(struct walk *w)
{
	while (w->depth) {
		struct level *top = &w->levels[w->depth - 1];
		Dwarf_Die next;

		if (w->depth > 1 && !dwarf_siblingof(&top->die, &next)) {
			top->die = next;
			return;
		}
		w->depth--;
	}
}

static int walk(struct walk *w)
{
	if (array_reserve(&w->levels, &w->level_room, 1))
		return -ENOMEM;
	w->levels[w->depth++] = (struct level){w->u->die, 0};
	/* Entries come in the order of their addresses: what says that the next one is
	 * one seen before might never end. */
	while (w->depth && w->work < UNIT_MAX_WORK &&
	       (const char *)w->levels[w->depth - 1].die.addr > w->last) {
		uint32_t node;
		int r = visit(w, &node);

		w->last = w->levels[w->depth - 1].die.addr;
		if (!r)
			r = descend(w, node);
		if (r < 0)
			return r;
		if (!r)
			advance(w);
		w->work += w->depth;
	}
	return segments_build(&w->u->segments, w->spans, w->span_count);
}

/* ---- lines ---------------------------------------------------------------- */

struct row {
	Dwarf_Addr address;
	const char *file;
	int line;
	bool end;
};

static bool read_row(Dwarf_Lines *lines, size_t number, struct row *ret)
{
	Dwarf_Line *row = dwarf_onesrcline(lines, number);

	if (!row || dwarf_lineaddr(row, &ret->address) ||
	    dwarf_lineno(row, &ret->line) || dwarf_lineendsequence(row, &ret->end))
		return false;
	ret->file = dwarf_linesrc(row, NULL, NULL);
	return true;
}

/* The rows of the line table say how far down each function's own code reaches. Of
 * rows at one address only the last has code; the others often are a caller's. */
static void measure_functions(struct unit *u)
{
	const struct segments *s = &u->segments;
	Dwarf_Lines *lines = NULL;
	size_t count = 0, at = 0;
	struct row row, next;

	if (dwarf_getsrclines(&u->die, &lines, &count) || !count ||
	    !read_row(lines, 0, &row))
		return;
	for (size_t i = 1; i < count && at < s->count; i++, row = next) {
		if (!read_row(lines, i, &next))
			return;
		if (row.end || row.line <= 0 || row.address == next.address)
			continue;
		while (at < s->count && s->items[at].end <= row.address)
			at++;
		if (at < s->count && s->items[at].start <= row.address)
			function_reach(
				&u->functions[u->nodes[s->items[at].owner].function],
				row.file, (uint32_t)row.line);
	}
}

struct unit_place unit_line(struct unit *u, uint64_t address)
{
	struct unit_place place = {0};
	Dwarf_Line *row;
	int line;

	if (!u->die.addr)
		return place;
	row = dwarf_getsrc_die(&u->die, address);
	if (!row)
		return place;
	place.file = dwarf_linesrc(row, NULL, NULL);
	if (place.file && !dwarf_lineno(row, &line) && line > 0)
		place.line = (uint32_t)line;
	return place;
}

/* ---- names ---------------------------------------------------------------- */

/* The scopes of the unit that die is in: with LTO and dwz another one. */
static const struct scopes *scopes_of(struct unit *u, Dwarf_Die *die)
{
	Dwarf_Die unit;

	if (!dwarf_diecu(die, &unit, NULL, NULL))
		return NULL;
	for (size_t i = 0; i < u->scopes_count; i++)
		if (u->scopes[i].unit == unit.addr)
			return &u->scopes[i];
	if (array_reserve(&u->scopes, &u->scopes_room, u->scopes_count + 1) ||
	    scopes_open(die, &u->scopes[u->scopes_count]))
		return NULL;
	return &u->scopes[u->scopes_count++];
}

const char *unit_qualified(struct unit *u, uint32_t function)
{
	struct unit_function *f = &u->functions[function];
	Dwarf_Die declared = follow(f->die, DW_AT_specification);
	const char *name = die_name(&declared);
	const struct scopes *scopes;

	if (!name)
		name = die_name(&f->die);
	if (!name || f->qualified || !unit_mangles(u))
		return f->qualified ? f->qualified : name ? name : "";
	scopes = scopes_of(u, &declared);
	if (scopes)
		f->qualified = scopes_qualify(scopes, &declared, name);
	return f->qualified ? f->qualified : name;
}

/* ---- the unit ------------------------------------------------------------- */

static const char *string_of(Dwarf_Die *die, unsigned attribute)
{
	Dwarf_Attribute attr;

	return dwarf_attr(die, attribute, &attr) ? die_text(&attr) : NULL;
}

/* libdw opens what the unit names and would wait for a FIFO's writer. It looks beside
 * the file too, where nobody but the file's owner can have put one. */
static bool names_regular_file(Dwarf_Die *die)
{
	const char *name = string_of(die, DW_AT_dwo_name), *dir = "";
	char path[PATH_MAX_BYTES];
	struct stat st;

	if (!name)
		name = string_of(die, DW_AT_GNU_dwo_name);
	if (!name)
		return false;
	if (*name != '/')
		dir = string_of(die, DW_AT_comp_dir);
	return path_normalise(dir ? dir : "", name, path) &&
	       (stat(path, &st) < 0 || S_ISREG(st.st_mode));
}

/* Where -gsplit-dwarf left only a skeleton, the unit in the .dwo file. */
static Dwarf_Die whole_unit(Dwarf_Die die, bool *ret_lacks)
{
	Dwarf_Die split = {0};
	uint8_t type = 0;

	*ret_lacks = false;
	if (dwarf_cu_info(die.cu, NULL, &type, NULL, NULL, NULL, NULL, NULL) ||
	    type != DW_UT_skeleton)
		return die;
	if (names_regular_file(&die) &&
	    !dwarf_cu_info(die.cu, NULL, NULL, NULL, &split, NULL, NULL, NULL) &&
	    split.addr && die_texts_end(dwarf_cu_getdwarf(split.cu)))
		return split;
	*ret_lacks = true;
	return die;
}

static void walk_done(struct walk *w)
{
	table_done(&w->functions);
	free(w->spans);
	free(w->levels);
}

int unit_open(const Dwarf_Die *die, uint64_t text_start, uint64_t text_end,
	      struct unit *ret)
{
	struct unit u = {0};
	_cleanup_(walk_done) struct walk w = {
		.u = &u, .text_start = text_start, .text_end = text_end};
	size_t count = 0;
	int r;

	u.die = whole_unit(*die, &u.lacks_split);
	if (dwarf_getsrcfiles(&u.die, &u.files, &count))
		u.files = NULL;
	r = walk(&w);
	if (r) {
		unit_close(&u);
		return r;
	}
	measure_functions(&u);
	*ret = u;
	return 0;
}

const struct unit_node *unit_find(const struct unit *u, uint64_t address)
{
	const struct segment *s = segments_find(&u->segments, address);

	return s ? &u->nodes[s->owner] : NULL;
}

const char *unit_dir(struct unit *u)
{
	Dwarf_Attribute attr;
	const char *dir = NULL;

	if (u->die.addr && dwarf_attr(&u->die, DW_AT_comp_dir, &attr))
		dir = die_text(&attr);
	return dir ? dir : "";
}

bool unit_mangles(struct unit *u)
{
	switch (dwarf_srclang(&u->die)) {
	case DW_LANG_C_plus_plus:
	case DW_LANG_C_plus_plus_03:
	case DW_LANG_C_plus_plus_11:
	case DW_LANG_C_plus_plus_14:
	case DW_LANG_Rust:
	case DW_LANG_D:
		return true;
	default:
		return false;
	}
}

void unit_close(struct unit *u)
{
	segments_done(&u->segments);
	for (size_t i = 0; i < u->scopes_count; i++)
		scopes_done(&u->scopes[i]);
	free(u->scopes);
	for (size_t i = 0; i < u->function_count; i++)
		free(u->functions[i].qualified);
	free(u->nodes);
	free(u->functions);
	*u = (struct unit){0};
}
