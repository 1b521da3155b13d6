#include "preload/expression.h"

#include "preload/reader.h"

#include <errno.h>
#include <limits.h>

enum expression_limit {
	STACK_WORDS = 24,	/* of an expression */
	EXPRESSION_STEPS = 512, /* they can jump back */
};

enum expression_op { /* DW_OP_* */
		     EX_ADDR = 0x03,
		     EX_DEREF = 0x06,
		     EX_CONST1U = 0x08,
		     EX_CONST1S = 0x09,
		     EX_CONST2U = 0x0a,
		     EX_CONST2S = 0x0b,
		     EX_CONST4U = 0x0c,
		     EX_CONST4S = 0x0d,
		     EX_CONST8U = 0x0e,
		     EX_CONST8S = 0x0f,
		     EX_CONSTU = 0x10,
		     EX_CONSTS = 0x11,
		     EX_DUP = 0x12,
		     EX_DROP = 0x13,
		     EX_OVER = 0x14,
		     EX_PICK = 0x15,
		     EX_SWAP = 0x16,
		     EX_ROT = 0x17,
		     EX_ABS = 0x19,
		     EX_AND = 0x1a,
		     EX_DIV = 0x1b,
		     EX_MINUS = 0x1c,
		     EX_MOD = 0x1d,
		     EX_MUL = 0x1e,
		     EX_NEG = 0x1f,
		     EX_NOT = 0x20,
		     EX_OR = 0x21,
		     EX_PLUS = 0x22,
		     EX_PLUS_UCONST = 0x23,
		     EX_SHL = 0x24,
		     EX_SHR = 0x25,
		     EX_SHRA = 0x26,
		     EX_XOR = 0x27,
		     EX_BRA = 0x28,
		     EX_EQ = 0x29,
		     EX_GE = 0x2a,
		     EX_GT = 0x2b,
		     EX_LE = 0x2c,
		     EX_LT = 0x2d,
		     EX_NE = 0x2e,
		     EX_SKIP = 0x2f,
		     EX_LIT0 = 0x30,
		     EX_LIT31 = 0x4f,
		     EX_BREG0 = 0x70,
		     EX_BREG31 = 0x8f,
		     EX_BREGX = 0x92,
		     EX_DEREF_SIZE = 0x94,
		     EX_NOP = 0x96,
};

struct machine {
	struct reader in;
	const unsigned char *start;
	const struct cfi_regs *regs;
	cfi_read *read;
	void *arg;
	uint64_t stack[STACK_WORDS];
	size_t depth;
};

static void push(struct machine *m, uint64_t v)
{
	if (m->depth == STACK_WORDS)
		m->in.bad = true;
	else
		m->stack[m->depth++] = v;
}

static uint64_t pop(struct machine *m)
{
	if (!m->depth) {
		m->in.bad = true;
		return 0;
	}
	return m->stack[--m->depth];
}

static void pick(struct machine *m, uint64_t index)
{
	if (index >= m->depth)
		m->in.bad = true;
	else
		push(m, m->stack[m->depth - 1 - index]);
}

static void push_register(struct machine *m, uint64_t reg)
{
	int64_t offset = reader_sleb(&m->in);

	if (reg >= ARCH_REGS || !(m->regs->known >> reg & 1))
		m->in.bad = true;
	else
		push(m, m->regs->value[reg] + (uint64_t)offset);
}

/* The word at the popped address; less of it if size says so. */
static void deref(struct machine *m, uint64_t size)
{
	uint64_t at = pop(m), v;

	if (!size || size > 8 || m->in.bad || !m->read(m->arg, at & ~7ull, &v) ||
	    (at & 7) + size > 8) {
		m->in.bad = true;
		return;
	}
	v >>= 8 * (at & 7);
	push(m, size == 8 ? v : v & ((1ull << 8 * size) - 1));
}

static void jump(struct machine *m, bool taken)
{
	int64_t by = reader_signed(&m->in, 2);

	if (!taken || m->in.bad)
		return;
	if (by < m->start - m->in.p || by > m->in.end - m->in.p)
		m->in.bad = true;
	else
		m->in.p += by;
}

static uint64_t divide(struct machine *m, uint64_t a, uint64_t b)
{
	if (!b || ((int64_t)a == INT64_MIN && (int64_t)b == -1)) {
		m->in.bad = true;
		return 0;
	}
	return (uint64_t)((int64_t)a / (int64_t)b);
}

/* Operators of two operands; b is the top. */
static uint64_t binary(struct machine *m, unsigned op, uint64_t a, uint64_t b)
{
	int64_t sa = (int64_t)a, sb = (int64_t)b;

	switch (op) {
	case EX_AND:
		return a & b;
	case EX_DIV:
		return divide(m, a, b);
	case EX_MINUS:
		return a - b;
	case EX_MOD:
		m->in.bad |= !b;
		return b ? a % b : 0;
	case EX_MUL:
		return a * b;
	case EX_OR:
		return a | b;
	case EX_PLUS:
		return a + b;
	case EX_SHL:
		return b < 64 ? a << b : 0;
	case EX_SHR:
		return b < 64 ? a >> b : 0;
	case EX_SHRA:
		return (uint64_t)(sa >> (b < 64 ? b : 63));
	case EX_XOR:
		return a ^ b;
	case EX_EQ:
		return sa == sb;
	case EX_GE:
		return sa >= sb;
	case EX_GT:
		return sa > sb;
	case EX_LE:
		return sa <= sb;
	case EX_LT:
		return sa < sb;
	case EX_NE:
		return sa != sb;
	default:
		m->in.bad = true;
		return 0;
	}
}

static void push_constant(struct machine *m, unsigned op)
{
	size_t size = 1u << (op - EX_CONST1U) / 2;

	if (op == EX_CONSTU)
		push(m, reader_uleb(&m->in));
	else if (op == EX_CONSTS)
		push(m, (uint64_t)reader_sleb(&m->in));
	else if ((op - EX_CONST1U) & 1)
		push(m, (uint64_t)reader_signed(&m->in, size));
	else
		push(m, reader_take(&m->in, size));
}

static void shuffle(struct machine *m, unsigned op)
{
	uint64_t a = pop(m), b = pop(m), c;

	if (op == EX_SWAP) {
		push(m, a);
		push(m, b);
		return;
	}
	c = pop(m); /* EX_ROT: the top becomes the third */
	push(m, a);
	push(m, c);
	push(m, b);
}

static void evaluate_op(struct machine *m, unsigned op)
{
	uint64_t a, b;

	switch (op) {
	case EX_ADDR:
		push(m, reader_take(&m->in, 8));
		break;
	case EX_DEREF:
		deref(m, 8);
		break;
	case EX_DEREF_SIZE:
		deref(m, reader_take(&m->in, 1));
		break;
	case EX_DUP:
		pick(m, 0);
		break;
	case EX_DROP:
		(void)pop(m);
		break;
	case EX_OVER:
		pick(m, 1);
		break;
	case EX_PICK:
		pick(m, reader_take(&m->in, 1));
		break;
	case EX_SWAP:
	case EX_ROT:
		shuffle(m, op);
		break;
	case EX_ABS:
		a = pop(m);
		push(m, (int64_t)a < 0 ? 0 - a : a);
		break;
	case EX_NEG:
		push(m, 0 - pop(m));
		break;
	case EX_NOT:
		push(m, ~pop(m));
		break;
	case EX_PLUS_UCONST:
		a = pop(m);
		push(m, a + reader_uleb(&m->in));
		break;
	case EX_BRA:
		jump(m, pop(m) != 0);
		break;
	case EX_SKIP:
		jump(m, true);
		break;
	case EX_BREGX:
		push_register(m, reader_uleb(&m->in));
		break;
	case EX_NOP:
		break;
	default:
		b = pop(m);
		a = pop(m);
		push(m, binary(m, op, a, b));
	}
}

int expression_evaluate(const struct cfi_row *row, int32_t at,
			const struct cfi_regs *regs, cfi_read *read, void *arg,
			const uint64_t *first, uint64_t *ret)
{
	struct machine m;
	uint64_t length;

	m.in = (struct reader){.p = row->base + at, .end = row->end};
	m.regs = regs;
	m.read = read;
	m.arg = arg;
	m.depth = 0;
	length = reader_uleb(&m.in);
	if (length > (uint64_t)(m.in.end - m.in.p))
		return -EBADMSG;
	m.start = m.in.p;
	m.in.end = m.in.p + length;
	if (first)
		push(&m, *first);
	for (unsigned steps = 0; m.in.p < m.in.end && !m.in.bad; steps++) {
		unsigned op = (unsigned)reader_take(&m.in, 1);

		if (steps == EXPRESSION_STEPS)
			return -EBADMSG;
		if (op >= EX_LIT0 && op <= EX_LIT31)
			push(&m, op - EX_LIT0);
		else if (op >= EX_BREG0 && op <= EX_BREG31)
			push_register(&m, op - EX_BREG0);
		else if (op >= EX_CONST1U && op <= EX_CONSTS)
			push_constant(&m, op);
		else
			evaluate_op(&m, op);
	}
	if (m.in.bad || !m.depth)
		return -EBADMSG;
	*ret = pop(&m);
	return 0;
}

bool expression_is_at_fp(const struct cfi_row *row, int32_t at, bool deref,
			 int32_t *ret_offset)
{
	struct reader r = {.p = row->base + at, .end = row->end};
	uint64_t length = reader_uleb(&r);
	int64_t offset;

	if (length > (uint64_t)(r.end - r.p))
		return false;
	r.end = r.p + length;
	if (reader_take(&r, 1) != (uint64_t)EX_BREG0 + ARCH_FP)
		return false;
	offset = reader_sleb(&r);
	if ((deref && reader_take(&r, 1) != EX_DEREF) || r.bad || r.p != r.end)
		return false;
	if (offset < INT32_MIN || offset > INT32_MAX)
		return false;
	*ret_offset = (int32_t)offset;
	return true;
}
