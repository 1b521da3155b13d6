#include "preload/cfi.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

enum cfi_limit {
	SAVED_STATES = 4,	/* nested DW_CFA_remember_state; compilers need one */
	STACK_WORDS = 24,	/* of an expression */
	EXPRESSION_STEPS = 512, /* they can jump back */
};

/* ---- reading untrusted bytes --------------------------------------------- */

struct reader {
	const unsigned char *p, *end;
	bool bad; /* a read went past the end: what it gave was 0 */
};

static uint64_t take(struct reader *r, size_t n)
{
	uint64_t v = 0;

	if (n > (size_t)(r->end - r->p)) {
		r->bad = true;
		r->p = r->end;
		return 0;
	}
	memcpy(&v, r->p, n);
	r->p += n;
	return v;
}

static int64_t take_signed(struct reader *r, size_t n)
{
	unsigned unused = 64 - 8 * (unsigned)n;

	return (int64_t)(take(r, n) << unused) >> unused;
}

static uint64_t take_uleb(struct reader *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; !r->bad; shift += 7) {
		uint64_t byte = take(r, 1);

		if (shift < 64)
			v |= (byte & 0x7f) << shift;
		if (!(byte & 0x80))
			break;
	}
	return v;
}

static int64_t take_sleb(struct reader *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; !r->bad; shift += 7) {
		uint64_t byte = take(r, 1);

		if (shift < 64)
			v |= (byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		if ((byte & 0x40) && shift + 7 < 64)
			v |= ~0ull << (shift + 7);
		break;
	}
	return (int64_t)v;
}

static void skip(struct reader *r, uint64_t n)
{
	if (n > (uint64_t)(r->end - r->p)) {
		r->bad = true;
		r->p = r->end;
		return;
	}
	r->p += n;
}

enum pointer_encoding { /* DW_EH_PE_* */
			PE_ABSPTR = 0x00,
			PE_ULEB128 = 0x01,
			PE_UDATA2 = 0x02,
			PE_UDATA4 = 0x03,
			PE_UDATA8 = 0x04,
			PE_SLEB128 = 0x09,
			PE_SDATA2 = 0x0a,
			PE_SDATA4 = 0x0b,
			PE_SDATA8 = 0x0c,
			PE_FORMAT = 0x0f,
			PE_PCREL = 0x10,
			PE_DATAREL = 0x30,
			PE_FUNCREL = 0x40,
			PE_ALIGNED = 0x50,
			PE_BASE = 0x70,
			PE_INDIRECT = 0x80,
			PE_OMIT = 0xff,
};

static uint64_t take_format(struct reader *r, unsigned encoding)
{
	switch (encoding & PE_FORMAT) {
	case PE_ABSPTR:
	case PE_UDATA8:
	case PE_SDATA8:
		return take(r, 8);
	case PE_ULEB128:
		return take_uleb(r);
	case PE_UDATA2:
		return take(r, 2);
	case PE_UDATA4:
		return take(r, 4);
	case PE_SLEB128:
		return (uint64_t)take_sleb(r);
	case PE_SDATA2:
		return (uint64_t)take_signed(r, 2);
	case PE_SDATA4:
		return (uint64_t)take_signed(r, 4);
	default:
		r->bad = true;
		return 0;
	}
}

static void skip_alignment(struct reader *r, unsigned encoding)
{
	if ((encoding & PE_BASE) == PE_ALIGNED)
		skip(r, -(uintptr_t)r->p % ARCH_WORD);
}

/* A pointer; the bases that x86-64 code does not have are refused. */
static uint64_t take_pointer(struct reader *r, unsigned encoding, const void *data_base)
{
	uint64_t v, at;

	skip_alignment(r, encoding);
	at = (uintptr_t)r->p;
	v = take_format(r, encoding);
	switch (encoding & (PE_BASE | PE_INDIRECT)) {
	case 0:
	case PE_ALIGNED:
		return v;
	case PE_PCREL:
		return at + v;
	case PE_DATAREL:
		return (uintptr_t)data_base + v;
	default:
		r->bad = true;
		return 0;
	}
}

/* ---- the header ---------------------------------------------------------- */

int cfi_open(struct cfi *ret, const unsigned char *hdr, const unsigned char *end)
{
	struct reader r = {.p = hdr, .end = end};
	struct cfi c = {.hdr = hdr};
	unsigned version = (unsigned)take(&r, 1);
	unsigned frames_encoding = (unsigned)take(&r, 1);
	unsigned count_encoding = (unsigned)take(&r, 1);
	unsigned table_encoding = (unsigned)take(&r, 1);

	if (r.bad || version != 1 || frames_encoding == PE_OMIT)
		return -EBADMSG;
	c.frames = (const unsigned char *)take_pointer(&r, frames_encoding, hdr);
	if (count_encoding != PE_OMIT && table_encoding == (PE_DATAREL | PE_SDATA4)) {
		c.count = take_pointer(&r, count_encoding, hdr);
		c.table = r.p;
		if (c.count > (size_t)(r.end - r.p) / 8)
			return -EBADMSG;
	}
	if (r.bad)
		return -EBADMSG;
	*ret = c;
	return 0;
}

/* ---- CIE and FDE --------------------------------------------------------- */

struct cie {
	struct reader program;
	uint64_t code_align;
	int64_t data_align;
	uint8_t ra;
	uint8_t fde_encoding;
	bool sized; /* FDEs have augmentation data too */
	bool signal;
};

struct fde {
	struct cie cie;
	struct reader program;
	uint64_t low, high; /* pcs */
	const void *data_base;
};

static struct reader frames_reader(const struct cfi *c, const unsigned char *at)
{
	struct reader r = {.p = at, .end = c->high};

	if (at < c->low || at >= c->high) {
		r.p = r.end;
		r.bad = true;
	}
	return r;
}

/* The entry that begins at r, without its length; r moves on to the next. Empty at the
 * end of the section, which is an entry of length 0. */
static struct reader take_entry(struct reader *r)
{
	struct reader entry = {.p = r->p, .end = r->p};
	uint64_t length = take(r, 4);

	if (length == 0xffffffff)
		length = take(r, 8);
	entry.p = r->p;
	skip(r, length);
	entry.end = r->p;
	entry.bad = r->bad;
	return entry;
}

/* What the letters of the augmentation say; unknown ones end it, its size is known. */
static void parse_augmentation(struct cie *cie, struct reader *data,
			       const char *letters)
{
	for (; *letters && !data->bad; letters++) {
		unsigned encoding;

		switch (*letters) {
		case 'R':
			cie->fde_encoding = (uint8_t)take(data, 1);
			break;
		case 'P':
			encoding = (unsigned)take(data, 1);
			skip_alignment(data, encoding);
			(void)take_format(data, encoding);
			break;
		case 'L':
			(void)take(data, 1);
			break;
		case 'S':
			cie->signal = true;
			break;
		case 'B':
			break;
		default:
			return;
		}
	}
}

static int parse_cie(struct cie *ret, struct reader r)
{
	struct cie cie = {.fde_encoding = PE_ABSPTR};
	uint64_t id = take(&r, 4), version = take(&r, 1);
	const char *letters = (const char *)r.p;
	const char *nul = memchr(letters, 0, (size_t)(r.end - r.p));
	uint64_t ra;

	if (r.bad || id || (version != 1 && version != 3) || !nul)
		return -EBADMSG;
	skip(&r, (uint64_t)(nul - letters) + 1);
	cie.code_align = take_uleb(&r);
	cie.data_align = take_sleb(&r);
	ra = version == 1 ? take(&r, 1) : take_uleb(&r);
	if (ra >= ARCH_REGS)
		return -EBADMSG;
	cie.ra = (uint8_t)ra;
	if (*letters == 'z') {
		struct reader data = r;
		uint64_t length = take_uleb(&r);

		data = r;
		skip(&r, length);
		data.end = r.p;
		cie.sized = true;
		parse_augmentation(&cie, &data, letters + 1);
		r.bad |= data.bad;
	} else if (*letters) {
		return -EBADMSG;
	}
	if (r.bad)
		return -EBADMSG;
	cie.program = r;
	*ret = cie;
	return 0;
}

/* An entry that may be a CIE: then -EAGAIN. */
static int parse_fde(const struct cfi *c, struct fde *ret, struct reader r)
{
	const unsigned char *id_at = r.p;
	struct fde fde = {.data_base = c->hdr};
	uint64_t back = take(&r, 4);
	struct reader cie;
	int err;

	if (r.bad)
		return -EBADMSG;
	if (!back)
		return -EAGAIN;
	if (back > (uint64_t)(id_at - c->low))
		return -EBADMSG;
	cie = frames_reader(c, id_at - back);
	err = parse_cie(&fde.cie, take_entry(&cie));
	if (err)
		return err;
	fde.low = take_pointer(&r, fde.cie.fde_encoding, c->hdr);
	fde.high = fde.low + take_format(&r, fde.cie.fde_encoding);
	if (fde.cie.sized)
		skip(&r, take_uleb(&r));
	if (r.bad || fde.high < fde.low)
		return -EBADMSG;
	fde.program = r;
	*ret = fde;
	return 0;
}

/* The FDE that the sorted table has for pc; NULL if none starts below. */
static const unsigned char *search_table(const struct cfi *c, uintptr_t pc)
{
	size_t low = 0, high = c->count; /* the first pair above pc is in [low, high] */
	int32_t pair[2];

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		memcpy(pair, c->table + middle * sizeof(pair), sizeof(pair));
		if ((uintptr_t)c->hdr + (uintptr_t)(intptr_t)pair[0] <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	memcpy(pair, c->table + (low - 1) * sizeof(pair), sizeof(pair));
	return (const unsigned char *)((uintptr_t)c->hdr +
				       (uintptr_t)(intptr_t)pair[1]);
}

static int next_fde(const struct cfi *c, const unsigned char **cursor, struct fde *ret)
{
	for (;;) {
		struct reader r = frames_reader(c, *cursor ? *cursor : c->frames);
		struct reader entry = take_entry(&r);
		int err;

		if (r.bad)
			return *cursor == c->high ? -ENOENT : -EBADMSG;
		if (entry.p == entry.end)
			return -ENOENT;
		*cursor = r.p;
		err = parse_fde(c, ret, entry);
		if (err != -EAGAIN)
			return err;
	}
}

static int find_fde(const struct cfi *c, uintptr_t pc, struct fde *ret)
{
	const unsigned char *at = NULL;
	struct reader r;
	int err;

	if (c->table) {
		at = search_table(c, pc);
		if (!at)
			return -ENOENT;
		r = frames_reader(c, at);
		err = parse_fde(c, ret, take_entry(&r));
		if (err)
			return -EBADMSG;
		return pc - ret->low < ret->high - ret->low ? 0 : -ENOENT;
	}
	for (;;) {
		err = next_fde(c, &at, ret);
		if (err)
			return err;
		if (pc - ret->low < ret->high - ret->low)
			return 0;
	}
}

int cfi_next(const struct cfi *c, const unsigned char **cursor, uintptr_t *ret_low,
	     uintptr_t *ret_high)
{
	struct fde fde;
	int err = next_fde(c, cursor, &fde);

	if (err)
		return err;
	*ret_low = fde.low;
	*ret_high = fde.high;
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

	skip(&r->in, take_uleb(&r->in));
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
		set_cfa_register(r, take_uleb(in));
		set_cfa_offset(r, (int64_t)take_uleb(in));
		break;
	case OP_DEF_CFA_SF:
		set_cfa_register(r, take_uleb(in));
		set_cfa_offset(r, factored(r, take_sleb(in)));
		break;
	case OP_DEF_CFA_REGISTER:
		set_cfa_register(r, take_uleb(in));
		break;
	case OP_DEF_CFA_OFFSET:
		set_cfa_offset(r, (int64_t)take_uleb(in));
		break;
	case OP_DEF_CFA_OFFSET_SF:
		set_cfa_offset(r, factored(r, take_sleb(in)));
		break;
	default: /* OP_DEF_CFA_EXPRESSION */
		set_cfa_expression(r, take_expression(r));
	}
}

static void run_register_op(struct run *r, unsigned op)
{
	struct reader *in = &r->in;
	uint64_t reg = take_uleb(in);
	uint64_t other;

	switch (op) {
	case OP_OFFSET_EXTENDED:
		set_rule(r, reg, CFI_OFFSET, factored(r, (int64_t)take_uleb(in)));
		break;
	case OP_OFFSET_EXTENDED_SF:
		set_rule(r, reg, CFI_OFFSET, factored(r, take_sleb(in)));
		break;
	case OP_GNU_NEGATIVE_OFFSET_EXTENDED:
		set_rule(r, reg, CFI_OFFSET,
			 (int64_t)(0 - (uint64_t)factored(r, (int64_t)take_uleb(in))));
		break;
	case OP_VAL_OFFSET:
		set_rule(r, reg, CFI_VAL_OFFSET, factored(r, (int64_t)take_uleb(in)));
		break;
	case OP_VAL_OFFSET_SF:
		set_rule(r, reg, CFI_VAL_OFFSET, factored(r, take_sleb(in)));
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
		other = take_uleb(in);
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
		break;
	case OP_SET_LOC:
		advance(r, take_pointer(in, cie->fde_encoding, r->fde->data_base));
		break;
	case OP_ADVANCE_LOC1:
		advance(r, r->loc + take(in, 1) * cie->code_align);
		break;
	case OP_ADVANCE_LOC2:
		advance(r, r->loc + take(in, 2) * cie->code_align);
		break;
	case OP_ADVANCE_LOC4:
		advance(r, r->loc + take(in, 4) * cie->code_align);
		break;
	case OP_REMEMBER_STATE:
	case OP_RESTORE_STATE:
		remember_or_restore(r, op);
		break;
	case OP_GNU_ARGS_SIZE:
		(void)take_uleb(in);
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
		unsigned op = (unsigned)take(&r->in, 1);
		unsigned low = op & 0x3f;

		switch (op & 0xc0) {
		case OP_ADVANCE_LOC:
			advance(r, r->loc + low * r->fde->cie.code_align);
			break;
		case OP_OFFSET:
			set_rule(r, low, CFI_OFFSET,
				 factored(r, (int64_t)take_uleb(&r->in)));
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
	int err = find_fde(c, pc, &fde);

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

/* ---- expressions --------------------------------------------------------- */

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
	int64_t offset = take_sleb(&m->in);

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
	int64_t by = take_signed(&m->in, 2);

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
		push(m, take_uleb(&m->in));
	else if (op == EX_CONSTS)
		push(m, (uint64_t)take_sleb(&m->in));
	else if ((op - EX_CONST1U) & 1)
		push(m, (uint64_t)take_signed(&m->in, size));
	else
		push(m, take(&m->in, size));
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
		push(m, take(&m->in, 8));
		break;
	case EX_DEREF:
		deref(m, 8);
		break;
	case EX_DEREF_SIZE:
		deref(m, take(&m->in, 1));
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
		pick(m, take(&m->in, 1));
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
		push(m, a + take_uleb(&m->in));
		break;
	case EX_BRA:
		jump(m, pop(m) != 0);
		break;
	case EX_SKIP:
		jump(m, true);
		break;
	case EX_BREGX:
		push_register(m, take_uleb(&m->in));
		break;
	case EX_NOP:
		break;
	default:
		b = pop(m);
		a = pop(m);
		push(m, binary(m, op, a, b));
	}
}

/* An expression with `first` on its stack, if has_first. */
static int evaluate(const struct cfi_row *row, int32_t at, const struct cfi_regs *regs,
		    cfi_read *read, void *arg, const uint64_t *first, uint64_t *ret)
{
	struct machine m;
	uint64_t length;

	m.in = (struct reader){.p = row->base + at, .end = row->end};
	m.regs = regs;
	m.read = read;
	m.arg = arg;
	m.depth = 0;
	length = take_uleb(&m.in);
	if (length > (uint64_t)(m.in.end - m.in.p))
		return -EBADMSG;
	m.start = m.in.p;
	m.in.end = m.in.p + length;
	if (first)
		push(&m, *first);
	for (unsigned steps = 0; m.in.p < m.in.end && !m.in.bad; steps++) {
		unsigned op = (unsigned)take(&m.in, 1);

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

/* Is the expression at `at` no more than rbp + *ret_offset, or the word there? */
static bool is_at_fp(const struct cfi_row *row, int32_t at, bool deref,
		     int32_t *ret_offset)
{
	struct reader r = {.p = row->base + at, .end = row->end};
	uint64_t length = take_uleb(&r);
	int64_t offset;

	if (length > (uint64_t)(r.end - r.p))
		return false;
	r.end = r.p + length;
	if (take(&r, 1) != EX_BREG0 + ARCH_FP)
		return false;
	offset = take_sleb(&r);
	if ((deref && take(&r, 1) != EX_DEREF) || r.bad || r.p != r.end)
		return false;
	if (offset < INT32_MIN || offset > INT32_MAX)
		return false;
	*ret_offset = (int32_t)offset;
	return true;
}

bool cfi_cfa_is_at_fp(const struct cfi_row *row, int32_t *ret_offset)
{
	return row->rules.cfa_kind == CFI_VAL_EXPRESSION &&
	       is_at_fp(row, row->rules.cfa_expression, true, ret_offset);
}

bool cfi_fp_is_at_fp(const struct cfi_row *row, int32_t *ret_offset)
{
	return row->rules.kind[ARCH_FP] == CFI_EXPRESSION &&
	       is_at_fp(row, row->rules.value[ARCH_FP], false, ret_offset);
}

/* ---- a step -------------------------------------------------------------- */

int cfi_cfa(const struct cfi_row *row, const struct cfi_regs *regs, cfi_read *read,
	    void *arg, uint64_t *ret_cfa)
{
	const struct cfi_rules *rules = &row->rules;

	if (rules->cfa_kind == CFI_VAL_EXPRESSION)
		return evaluate(row, rules->cfa_expression, regs, read, arg, NULL,
				ret_cfa);
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
		err = evaluate(row, value, regs, read, arg, &cfa, &at);
		return err ? err : read(arg, at, ret) ? 0 : -EBADMSG;
	case CFI_VAL_EXPRESSION:
		return evaluate(row, value, regs, read, arg, &cfa, ret);
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

	/* A return address that no rule mentions would be the present pc again. */
	if (row->rules.kind[row->ra] == CFI_UNSPECIFIED)
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
		next.known |= 1u << reg;
	}
	next.value[ARCH_RA] = ra;
	next.known |= 1u << ARCH_RA;
	*regs = next;
	return 0;
}
