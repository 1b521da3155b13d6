#include "cli/symbol/location.h"

#include <dwarf.h>

enum { DEPTH = 64 };

struct machine {
	const struct location_context *c;
	uint64_t stack[DEPTH];
	size_t depth;
	enum location_kind kind; /* of what is on top, when the expression ends */
	bool in_base;		 /* the frame base does not refer to itself */
};

static bool run(struct machine *m, const Dwarf_Op *op);

/* ---- the stack ------------------------------------------------------------ */

static bool push(struct machine *m, uint64_t value)
{
	if (m->depth == DEPTH)
		return false;
	m->stack[m->depth++] = value;
	return true;
}

static bool push_register(struct machine *m, uint64_t number, uint64_t offset)
{
	const struct location_frame *f = m->c->frame;

	return number < LOCATION_REGISTERS && (f->known >> number & 1) &&
	       push(m, f->registers[number] + offset);
}

static bool in_register(struct machine *m, uint64_t number)
{
	m->kind = LOCATION_REGISTER;
	return push(m, number);
}

/* DW_OP_pick and its kin: the nth from the top. */
static bool pick(struct machine *m, uint64_t n)
{
	return n < m->depth && push(m, m->stack[m->depth - 1 - (size_t)n]);
}

static bool swap(struct machine *m)
{
	uint64_t top;

	if (m->depth < 2)
		return false;
	top = m->stack[m->depth - 1];
	m->stack[m->depth - 1] = m->stack[m->depth - 2];
	m->stack[m->depth - 2] = top;
	return true;
}

static bool dereference(struct machine *m, uint64_t bytes)
{
	const struct location_memory *memory = m->c->memory;
	uint64_t value = 0;

	if (!m->depth || !bytes || bytes > sizeof(value) || !memory || !memory->read ||
	    !memory->read(memory->context, m->stack[m->depth - 1], &value, bytes))
		return false;
	m->stack[m->depth - 1] = value;
	return true;
}

/* ---- operations ----------------------------------------------------------- */

static bool both(struct machine *m, uint8_t atom)
{
	uint64_t a, b;

	if (m->depth < 2)
		return false;
	b = m->stack[--m->depth];
	a = m->stack[--m->depth];
	switch (atom) {
	case DW_OP_plus:
		return push(m, a + b);
	case DW_OP_minus:
		return push(m, a - b);
	case DW_OP_mul:
		return push(m, a * b);
	case DW_OP_and:
		return push(m, a & b);
	case DW_OP_or:
		return push(m, a | b);
	case DW_OP_xor:
		return push(m, a ^ b);
	case DW_OP_shl:
		return push(m, b < 64 ? a << b : 0);
	case DW_OP_shr:
		return push(m, b < 64 ? a >> b : 0);
	case DW_OP_eq:
		return push(m, a == b);
	case DW_OP_ne:
		return push(m, a != b);
	case DW_OP_ge:
		return push(m, (int64_t)a >= (int64_t)b);
	case DW_OP_gt:
		return push(m, (int64_t)a > (int64_t)b);
	case DW_OP_le:
		return push(m, (int64_t)a <= (int64_t)b);
	case DW_OP_lt:
		return push(m, (int64_t)a < (int64_t)b);
	default:
		return false;
	}
}

static bool frame_base(struct machine *m, uint64_t offset)
{
	const struct location_context *c = m->c;
	struct machine inner = {.c = c, .kind = LOCATION_MEMORY, .in_base = true};

	if (m->in_base)
		return false;
	for (size_t i = 0; i < c->base_count; i++)
		if (!run(&inner, &c->base[i]))
			return false;
	if (!inner.depth)
		return false;
	if (inner.kind == LOCATION_REGISTER)
		return push_register(m, inner.stack[inner.depth - 1], offset);
	return push(m, inner.stack[inner.depth - 1] + offset);
}

static bool special(struct machine *m, const Dwarf_Op *op)
{
	switch (op->atom) {
	case DW_OP_addr:
		return push(m, op->number + m->c->bias);
	case DW_OP_fbreg:
		return frame_base(m, op->number);
	case DW_OP_call_frame_cfa:
		return m->c->frame->cfa && push(m, m->c->frame->cfa);
	case DW_OP_bregx:
		return push_register(m, op->number, op->number2);
	case DW_OP_regx:
		return in_register(m, op->number);
	case DW_OP_plus_uconst:
		if (!m->depth)
			return false;
		m->stack[m->depth - 1] += op->number;
		return true;
	case DW_OP_deref:
		return dereference(m, 8);
	case DW_OP_deref_size:
		return dereference(m, op->number);
	case DW_OP_dup:
		return pick(m, 0);
	case DW_OP_over:
		return pick(m, 1);
	case DW_OP_pick:
		return pick(m, op->number);
	case DW_OP_swap:
		return swap(m);
	case DW_OP_drop:
		return m->depth && m->depth--;
	case DW_OP_neg:
	case DW_OP_not:
		if (!m->depth)
			return false;
		m->stack[m->depth - 1] = ~m->stack[m->depth - 1];
		m->stack[m->depth - 1] += op->atom == DW_OP_neg;
		return true;
	case DW_OP_stack_value:
		m->kind = LOCATION_VALUE;
		return m->depth != 0;
	case DW_OP_nop:
		return true;
	default:
		return both(m, op->atom);
	}
}

static bool run(struct machine *m, const Dwarf_Op *op)
{
	uint8_t atom = op->atom;

	if (atom >= DW_OP_lit0 && atom <= DW_OP_lit31)
		return push(m, atom - DW_OP_lit0);
	if (atom >= DW_OP_reg0 && atom <= DW_OP_reg31)
		return in_register(m, atom - DW_OP_reg0);
	if (atom >= DW_OP_breg0 && atom <= DW_OP_breg31)
		return push_register(m, atom - DW_OP_breg0, op->number);
	if (atom >= DW_OP_const1u && atom <= DW_OP_consts)
		return push(m, op->number);
	return special(m, op);
}

/* ---- asking --------------------------------------------------------------- */

static struct location_piece top(const struct machine *m)
{
	struct location_piece piece = {.kind = LOCATION_NOWHERE};

	if (m->depth) {
		piece.kind = m->kind;
		piece.value = m->stack[m->depth - 1];
	}
	return piece;
}

size_t location_find(const struct location_context *c, const Dwarf_Op *ops,
		     size_t count, struct location_piece pieces[LOCATION_PIECES])
{
	struct machine m = {.c = c, .kind = LOCATION_MEMORY};
	size_t found = 0;
	uint64_t offset = 0;
	bool good = true;

	for (size_t i = 0; i < count && found < LOCATION_PIECES; i++) {
		if (ops[i].atom != DW_OP_piece) {
			/* The rest of a piece that is not understood is passed over. */
			good = good && run(&m, &ops[i]);
			continue;
		}
		pieces[found] = good ? top(&m) : (struct location_piece){0};
		pieces[found].offset = offset;
		pieces[found++].bytes = ops[i].number;
		offset += ops[i].number;
		m = (struct machine){.c = c, .kind = LOCATION_MEMORY};
		good = true;
	}
	if (found || !good || !m.depth)
		return found;
	pieces[0] = top(&m);
	return 1;
}

bool location_value(const struct location_context *c, const Dwarf_Op *ops, size_t count,
		    uint64_t *ret)
{
	struct machine m = {.c = c, .kind = LOCATION_MEMORY};

	for (size_t i = 0; i < count; i++)
		if (!run(&m, &ops[i]))
			return false;
	if (!m.depth)
		return false;
	if (m.kind == LOCATION_REGISTER) {
		uint64_t number = m.stack[m.depth - 1];

		m.depth = 0;
		if (!push_register(&m, number, 0))
			return false;
	}
	*ret = m.stack[m.depth - 1];
	return true;
}
