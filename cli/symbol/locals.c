#include "cli/symbol/locals.h"

#include "cli/base/cleanup.h"
#include "cli/symbol/die_text.h"

#include <dwarf.h>
#include <errno.h>

enum {
	NESTED = 64,	  /* lexical blocks in each other */
	VARIABLES = 4096, /* of one function, entries looked at */
	BYTES = 8,	  /* of a variable whose size is not known */
};

struct finding {
	uint64_t bias; /* address - bias: the file's */
	const struct location_frame *const *frames;
	locals_sink *sink;
	void *arg;
};

struct at { /* a function, at work */
	const struct finding *f;
	size_t index;
	const struct module_frame *outermost, *names;
	struct location_context context;
	Dwarf_Addr pc; /* as DWARF has it */
	uint32_t depth;
	size_t left; /* entries that are still looked at */
};

static uint64_t size_of(Dwarf_Die *variable)
{
	Dwarf_Attribute attr;
	Dwarf_Die type;
	Dwarf_Word bytes = 0;

	if (!dwarf_attr_integrate(variable, DW_AT_type, &attr) ||
	    !dwarf_formref_die(&attr, &type) || dwarf_aggregate_size(&type, &bytes))
		return BYTES;
	return bytes;
}

static const char *name_of(Dwarf_Die *variable)
{
	Dwarf_Attribute attr;

	if (!dwarf_attr_integrate(variable, DW_AT_name, &attr))
		return NULL;
	return die_text(&attr);
}

static int tell(const struct at *a, const char *name, uint64_t bytes,
		const struct location_piece *p)
{
	struct locals_place place = {
		.function = a->names->name,
		.linkage = a->names->linkage,
		.name = name,
		.in_register = p->kind == LOCATION_REGISTER,
		.at = p->value,
		.bytes = p->bytes ? p->bytes : bytes,
		.offset = p->offset,
		.depth = a->depth,
	};

	if (p->kind != LOCATION_MEMORY && p->kind != LOCATION_REGISTER)
		return 0;
	return a->f->sink(a->f->arg, a->index, a->outermost->name,
			  a->outermost->linkage, &place);
}

static int visit_variable(const struct at *a, Dwarf_Die *variable)
{
	struct location_piece pieces[LOCATION_PIECES];
	const char *name = name_of(variable);
	Dwarf_Attribute attr;
	Dwarf_Op *ops = NULL;
	size_t count = 0, n;
	uint64_t bytes;
	int r = 0;

	if (!name || !*name || !dwarf_attr(variable, DW_AT_location, &attr) ||
	    dwarf_getlocation_addr(&attr, a->pc, &ops, &count, 1) != 1)
		return 0;
	n = location_find(&a->context, ops, count, pieces);
	bytes = n ? size_of(variable) : 0;
	for (size_t i = 0; !r && i < n; i++)
		r = tell(a, name, bytes, &pieces[i]);
	return r;
}

/* The variables of a function, and of the blocks in it that its code is in now; what
 * is inlined is a function of its own. */
static int visit_scope(struct at *a, Dwarf_Die *function)
{
	Dwarf_Die levels[NESTED];
	size_t depth = 0;
	int r = 0;

	if (dwarf_child(function, &levels[0]))
		return 0;
	for (bool more = true; more && !r && a->left; a->left--) {
		Dwarf_Die *die = &levels[depth], inner;
		int tag = dwarf_tag(die);

		if (tag == DW_TAG_variable || tag == DW_TAG_formal_parameter)
			r = visit_variable(a, die);
		if (tag == DW_TAG_lexical_block && depth + 1 < NESTED &&
		    dwarf_haspc(die, a->pc) > 0 && !dwarf_child(die, &inner)) {
			levels[++depth] = inner;
			a->depth++;
			continue;
		}
		while ((more = dwarf_siblingof(&levels[depth], &levels[depth]) == 0) ==
			       false &&
		       depth) {
			depth--;
			a->depth--;
		}
	}
	return r;
}

static void read_base(struct at *a, Dwarf_Die *function)
{
	Dwarf_Attribute attr;
	Dwarf_Op *ops = NULL;
	size_t count = 0;

	if (dwarf_attr_integrate(function, DW_AT_frame_base, &attr) &&
	    dwarf_getlocation_addr(&attr, a->pc, &ops, &count, 1) == 1) {
		a->context.base = ops;
		a->context.base_count = count;
	}
}

/* The innermost function comes first, and is found to be deepest. */
static int visit(void *arg, size_t index, const struct module_frame *frames,
		 size_t count, const struct unit_node *innermost,
		 const struct unit *unit, uint64_t dwarf_bias)
{
	const struct finding *f = arg;
	const struct location_frame *frame = f->frames[index];
	uint64_t bias = f->bias - dwarf_bias;
	struct at a = {.f = f,
		       .index = index,
		       .outermost = &frames[count - 1],
		       .context = {.frame = frame, .bias = bias},
		       .pc = frame->registers[LOCATION_PC] - frame->called - bias,
		       .left = VARIABLES};
	const struct unit_node *outermost = innermost, *n = innermost;
	int r = f->sink(f->arg, index, a.outermost->name, a.outermost->linkage, NULL);

	while (outermost && outermost->inlined && outermost->parent)
		outermost = &unit->nodes[outermost->parent - 1];
	if (outermost) {
		Dwarf_Die die = outermost->die;

		read_base(&a, &die);
	}
	for (size_t i = 0; !r && n && i < count; i++) {
		Dwarf_Die die = n->die;

		a.names = &frames[i];
		a.depth = (uint32_t)(count - i) * NESTED;
		r = visit_scope(&a, &die);
		n = n->inlined && n->parent ? &unit->nodes[n->parent - 1] : NULL;
	}
	return r;
}

int locals_find(struct module *m, uint64_t bias, const struct location_frame *const *f,
		size_t count, locals_sink *sink, void *arg)
{
	struct finding finding = {bias, f, sink, arg};
	_cleanup_(freep) uint64_t *at = calloc(count + 1, sizeof(*at));

	if (!at)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		at[i] = f[i]->registers[LOCATION_PC] - f[i]->called - bias;
	return module_visit(m, at, count, visit, &finding);
}
