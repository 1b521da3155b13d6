#include "preload/cfi.h"
#include "preload/expression.h"
#include "preload/fde.h"
#include "preload/reader.h"

#include <errno.h>
#include <limits.h>

enum cfi_limit {
	SAVED_STATES = 4, /* nested DW_CFA_remember_state; compilers need one */
};

/* ---- the header ---------------------------------------------------------- */

int cfi_open(struct cfi *ret, const unsigned char *hdr, const unsigned char *end)
{
	struct reader r = {.p = hdr, .end = end};
	struct cfi c = {.hdr = hdr};
	unsigned version = (unsigned)reader_take(&r, 1);
	unsigned frames_encoding = (unsigned)reader_take(&r, 1);
	unsigned count_encoding = (unsigned)reader_take(&r, 1);
	unsigned table_encoding = (unsigned)reader_take(&r, 1);

	if (r.bad || version != 1 || frames_encoding == PE_OMIT)
		return -EBADMSG;
	c.frames = (const unsigned char *)reader_pointer(&r, frames_encoding, hdr);
	if (count_encoding != PE_OMIT && table_encoding == (PE_DATAREL | PE_SDATA4)) {
		c.count = reader_pointer(&r, count_encoding, hdr);
		c.table = r.p;
		if (c.count > (size_t)(r.end - r.p) / 8)
			return -EBADMSG;
	}
	if (r.bad)
		return -EBADMSG;
	*ret = c;
	return 0;
}

/* ---- the program --------------------------------------------------------- */

enum cfi_op {			     /* DW_CFA_* */
	      OP_ADVANCE_LOC = 0x40, /* these three carry an operand in the low bits */
	      OP_OFFSET = 0x80,
	      OP_RESTORE = 0xc0,
	      OP_NOP = 0x00,
	      OP_SET_LOC = 0x01,
	      OP_ADVANCE_LOC1 = 0x02,
	      OP_ADVANCE_LOC2 = 0x03,
	      OP_ADVANCE_LOC4 = 0x04,
	      OP_OFFSET_EXTENDED = 0x05,
	      OP_RESTORE_EXTENDED = 0x06,
	      OP_UNDEFINED = 0x07,
	      OP_SAME_VALUE = 0x08,
	      OP_REGISTER = 0x09,
	      OP_REMEMBER_STATE = 0x0a,
	      OP_RESTORE_STATE = 0x0b,
	      OP_DEF_CFA = 0x0c,
	      OP_DEF_CFA_REGISTER = 0x0d,
	      OP_DEF_CFA_OFFSET = 0x0e,
	      OP_DEF_CFA_EXPRESSION = 0x0f,
	      OP_EXPRESSION = 0x10,
	      OP_OFFSET_EXTENDED_SF = 0x11,
	      OP_DEF_CFA_SF = 0x12,
	      OP_DEF_CFA_OFFSET_SF = 0x13,
	      OP_VAL_OFFSET = 0x14,
	      OP_VAL_OFFSET_SF = 0x15,
	      OP_VAL_EXPRESSION = 0x16,
	      OP_AARCH64_NEGATE_RA_STATE = 0x2d, /* see arch_code() */
	      OP_GNU_ARGS_SIZE = 0x2e,
	      OP_GNU_NEGATIVE_OFFSET_EXTENDED = 0x2f,
};

struct run {
	struct reader in;
	const struct fde *fde;
	const unsigned char *base;
	struct cfi_rules *now;
	const struct cfi_rules *initial; /* NULL while the CIE's program runs */
	struct cfi_rules saved[SAVED_STATES];
	unsigned saved_count;
	uint64_t pc, loc, next; /* what is sought; the row's range */
	bool done;
};

/* Registers that take no part (vector registers) and offsets too far to be true. */
static void set_rule(struct run *r, uint64_t reg, enum cfi_kind kind, int64_t value)
{
	if (value < INT32_MIN || value > INT32_MAX) {
		r->in.bad = true;
		return;
	}
	if (reg >= ARCH_REGS)
		return;
	r->now->kind[reg] = (uint8_t)kind;
	r->now->value[reg] = (int32_t)value;
}

static int64_t factored(struct run *r, int64_t n)
{
	int64_t product;

	if (__builtin_mul_overflow(n, r->fde->cie.data_align, &product)) {
		r->in.bad = true;
		return 0;
	}
	return product;
}

/* Skips an expression; its place, seen from the base. */
static int64_t take_expression(struct run *r)
{
	int64_t at = r->in.p - r->base;

	reader_skip(&r->in, reader_uleb(&r->in));
	return at;
}

static void set_cfa_register(struct run *r, uint64_t reg)
{
	if (reg >= ARCH_REGS) {
		r->in.bad = true;
		return;
	}
	/* The offset stays: even if an expression was in force in between. */
	r->now->cfa_kind = CFI_REGISTER;
	r->now->cfa_register = (uint8_t)reg;
}

static void set_cfa_offset(struct run *r, int64_t offset)
{
	if (offset < INT32_MIN || offset > INT32_MAX)
		r->in.bad = true;
	else
		r->now->cfa_offset = (int32_t)offset;
}

static void set_cfa_expression(struct run *r, int64_t at)
{
	if (at > INT32_MAX)
		r->in.bad = true;
	r->now->cfa_kind = CFI_VAL_EXPRESSION;
	r->now->cfa_expression = (int32_t)at;
}

static void advance(struct run *r, uint64_t to)
{
	if (to > r->pc) {
		r->next = to;
		r->done = true;
	} else {
		r->loc = to;
	}
}

static void restore_rule(struct run *r, uint64_t reg)
{
	if (!r->initial) {
		r->in.bad = true;
	} else if (reg < ARCH_REGS) {
		r->now->kind[reg] = r->initial->kind[reg];
		r->now->value[reg] = r->initial->value[reg];
	}
}

static void remember_or_restore(struct run *r, unsigned op)
{
	if (op == OP_REMEMBER_STATE && r->saved_count < SAVED_STATES)
		r->saved[r->saved_count++] = *r->now;
	else if (op == OP_RESTORE_STATE && r->saved_count)
		*r->now = r->saved[--r->saved_count];
	else
		r->in.bad = true;
}

static void run_cfa_op(struct run *r, unsigned op)
{
	struct reader *in = &r->in;

	switch (op) {
	case OP_DEF_CFA:
		set_cfa_register(r, reader_uleb(in));
		set_cfa_offset(r, (int64_t)reader_uleb(in));
		break;
	case OP_DEF_CFA_SF:
		set_cfa_register(r, reader_uleb(in));
		set_cfa_offset(r, factored(r, reader_sleb(in)));
		break;
	case OP_DEF_CFA_REGISTER:
		set_cfa_register(r, reader_uleb(in));
		break;
	case OP_DEF_CFA_OFFSET:
		set_cfa_offset(r, (int64_t)reader_uleb(in));
		break;
	case OP_DEF_CFA_OFFSET_SF:
		set_cfa_offset(r, factored(r, reader_sleb(in)));
		break;
	default: /* OP_DEF_CFA_EXPRESSION */
		set_cfa_expression(r, take_expression(r));
	}
}

static void run_register_op(struct run *r, unsigned op)
{
	struct reader *in = &r->in;
	uint64_t reg = reader_uleb(in);
	uint64_t other;

	switch (op) {
	case OP_OFFSET_EXTENDED:
		set_rule(r, reg, CFI_OFFSET, factored(r, (int64_t)reader_uleb(in)));
		break;
	case OP_OFFSET_EXTENDED_SF:
		set_rule(r, reg, CFI_OFFSET, factored(r, reader_sleb(in)));
		break;
	case OP_GNU_NEGATIVE_OFFSET_EXTENDED:
		set_rule(
			r, reg, CFI_OFFSET,
			(int64_t)(0 - (uint64_t)factored(r, (int64_t)reader_uleb(in))));
		break;
	case OP_VAL_OFFSET:
		set_rule(r, reg, CFI_VAL_OFFSET, factored(r, (int64_t)reader_uleb(in)));
		break;
	case OP_VAL_OFFSET_SF:
		set_rule(r, reg, CFI_VAL_OFFSET, factored(r, reader_sleb(in)));
		break;
	case OP_RESTORE_EXTENDED:
		restore_rule(r, reg);
		break;
	case OP_UNDEFINED:
		set_rule(r, reg, CFI_UNDEFINED, 0);
		break;
	case OP_SAME_VALUE:
		set_rule(r, reg, CFI_SAME, 0);
		break;
	case OP_REGISTER:
		other = reader_uleb(in);
		set_rule(r, reg, CFI_REGISTER,
			 other < ARCH_REGS ? (int64_t)other : INT64_MAX);
		break;
	case OP_EXPRESSION:
		set_rule(r, reg, CFI_EXPRESSION, take_expression(r));
		break;
	case OP_VAL_EXPRESSION:
		set_rule(r, reg, CFI_VAL_EXPRESSION, take_expression(r));
		break;
	default:
		in->bad = true;
	}
}

static void run_op(struct run *r, unsigned op)
{
	const struct cie *cie = &r->fde->cie;
	struct reader *in = &r->in;

	switch (op) {
	case OP_NOP:
	case OP_AARCH64_NEGATE_RA_STATE:
		break;
	case OP_SET_LOC:
		advance(r, reader_pointer(in, cie->fde_encoding, r->fde->data_base));
		break;
	case OP_ADVANCE_LOC1:
		advance(r, r->loc + reader_take(in, 1) * cie->code_align);
		break;
	case OP_ADVANCE_LOC2:
		advance(r, r->loc + reader_take(in, 2) * cie->code_align);
		break;
	case OP_ADVANCE_LOC4:
		advance(r, r->loc + reader_take(in, 4) * cie->code_align);
		break;
	case OP_REMEMBER_STATE:
	case OP_RESTORE_STATE:
		remember_or_restore(r, op);
		break;
	case OP_GNU_ARGS_SIZE:
		(void)reader_uleb(in);
		break;
	case OP_DEF_CFA:
	case OP_DEF_CFA_SF:
	case OP_DEF_CFA_REGISTER:
	case OP_DEF_CFA_OFFSET:
	case OP_DEF_CFA_OFFSET_SF:
	case OP_DEF_CFA_EXPRESSION:
		run_cfa_op(r, op);
		break;
	default:
		run_register_op(r, op);
	}
}

static int run_program(struct run *r, struct reader program)
{
	r->in = program;
	while (r->in.p < r->in.end && !r->done && !r->in.bad) {
		unsigned op = (unsigned)reader_take(&r->in, 1);
		unsigned low = op & 0x3f;

		switch (op & 0xc0) {
		case OP_ADVANCE_LOC:
			advance(r, r->loc + low * r->fde->cie.code_align);
			break;
		case OP_OFFSET:
			set_rule(r, low, CFI_OFFSET,
				 factored(r, (int64_t)reader_uleb(&r->in)));
			break;
		case OP_RESTORE:
			restore_rule(r, low);
			break;
		default:
			run_op(r, op);
		}
	}
	return r->in.bad ? -EBADMSG : 0;
}

int cfi_lookup(const struct cfi *c, uintptr_t pc, struct cfi_row *ret)
{
	struct cfi_rules now = {0}, initial;
	struct fde fde;
	struct run r = {.fde = &fde, .base = c->low, .now = &now, .pc = pc};
	int err = fde_find(c, pc, &fde);

	if (err)
		return err;
	r.loc = fde.low;
	r.next = fde.high;
	err = run_program(&r, fde.cie.program);
	if (err)
		return err;
	initial = now;
	r.initial = &initial;
	if (!r.done)
		err = run_program(&r, fde.program);
	if (err || now.cfa_kind == CFI_UNSPECIFIED)
		return -EBADMSG;
	*ret = (struct cfi_row){.rules = now,
				.base = c->low,
				.end = c->high,
				.low = r.loc,
				.high = r.next < fde.high ? r.next : fde.high,
				.ra = fde.cie.ra,
				.signal = fde.cie.signal};
	return 0;
}

int cfi_next(const struct cfi *c, const unsigned char **cursor, uintptr_t *ret_low,
	     uintptr_t *ret_high)
{
	struct fde fde;
	int err = fde_next(c, cursor, &fde);

	if (err)
		return err;
	*ret_low = fde.low;
	*ret_high = fde.high;
	return 0;
}

/* ---- a step -------------------------------------------------------------- */

int cfi_cfa(const struct cfi_row *row, const struct cfi_regs *regs, cfi_read *read,
	    void *arg, uint64_t *ret_cfa)
{
	const struct cfi_rules *rules = &row->rules;

	if (rules->cfa_kind == CFI_VAL_EXPRESSION)
		return expression_evaluate(row, rules->cfa_expression, regs, read, arg,
					   NULL, ret_cfa);
	if (!(regs->known >> rules->cfa_register & 1))
		return -EBADMSG;
	*ret_cfa =
		regs->value[rules->cfa_register] + (uint64_t)(int64_t)rules->cfa_offset;
	return 0;
}

/* A register of the caller. 0; -ENOENT: it has no value; -EBADMSG. */
static int recover(const struct cfi_row *row, uint64_t cfa, const struct cfi_regs *regs,
		   size_t reg, cfi_read *read, void *arg, uint64_t *ret)
{
	int32_t value = row->rules.value[reg];
	uint64_t at = cfa + (uint64_t)(int64_t)value;
	size_t from = reg;
	int err;

	switch (row->rules.kind[reg]) {
	case CFI_UNDEFINED:
		return -ENOENT;
	case CFI_OFFSET:
		return read(arg, at, ret) ? 0 : -EBADMSG;
	case CFI_VAL_OFFSET:
		*ret = at;
		return 0;
	case CFI_EXPRESSION:
		err = expression_evaluate(row, value, regs, read, arg, &cfa, &at);
		return err ? err : read(arg, at, ret) ? 0 : -EBADMSG;
	case CFI_VAL_EXPRESSION:
		return expression_evaluate(row, value, regs, read, arg, &cfa, ret);
	case CFI_REGISTER:
		from = (size_t)value;
		break;
	default:
		break;
	}
	if (!(regs->known >> from & 1))
		return -ENOENT;
	*ret = regs->value[from];
	return 0;
}

int cfi_step(const struct cfi_row *row, uint64_t cfa, struct cfi_regs *regs,
	     cfi_read *read, void *arg)
{
	struct cfi_regs next = {.known = 0};
	uint64_t ra;
	int err;

	/* A return address that no rule mentions is still in its register, if it came
	 * in one that is known; else it would be the present pc again. */
	if (row->rules.kind[row->ra] == CFI_UNSPECIFIED &&
	    (ARCH_RA == ARCH_PC || !(regs->known >> row->ra & 1)))
		return -EBADMSG;
	err = recover(row, cfa, regs, row->ra, read, arg, &ra);
	if (err)
		return err;
	for (size_t reg = 0; reg < ARCH_REGS; reg++) {
		if (reg == ARCH_SP && row->rules.kind[reg] == CFI_UNSPECIFIED) {
			next.value[reg] = cfa;
		} else {
			err = recover(row, cfa, regs, reg, read, arg, &next.value[reg]);
			if (err == -ENOENT)
				continue;
			if (err)
				return err;
		}
		next.known |= 1ull << reg;
	}
	next.value[ARCH_PC] = arch_code(ra);
	next.known |= 1ull << ARCH_PC;
	*regs = next;
	return 0;
}

bool cfi_cfa_is_at_fp(const struct cfi_row *row, int32_t *ret_offset)
{
	return row->rules.cfa_kind == CFI_VAL_EXPRESSION &&
	       expression_is_at_fp(row, row->rules.cfa_expression, true, ret_offset);
}

bool cfi_fp_is_at_fp(const struct cfi_row *row, int32_t *ret_offset)
{
	return row->rules.kind[ARCH_FP] == CFI_EXPRESSION &&
	       expression_is_at_fp(row, row->rules.value[ARCH_FP], false, ret_offset);
}
