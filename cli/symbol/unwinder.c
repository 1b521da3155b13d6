#include "cli/symbol/unwinder.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/symbol/root.h"

#include <errno.h>
#include <gelf.h>
#include <string.h>
#include <sys/auxv.h>

enum {
	RAX = 0,
	RBX = 3,
	RBP = 6,
	SYMBOLS = 1 << 20, /* of one module that are looked at */
};

struct part { /* a module */
	uint64_t start, end, bias;
	char *path;
	struct debugfile_id id;
	bool tried;
	int fd;
	Elf *elf;
	Dwarf_CFI *cfi;
};

struct unwinder {
	int root_fd;
	const struct location_memory *memory;
	struct part *parts; /* in the order that they were added */
	size_t count, room;
};

/* ---- modules --------------------------------------------------------------- */

int unwinder_open(int root_fd, const struct location_memory *memory,
		  struct unwinder **ret)
{
	struct unwinder *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	elf_version(EV_CURRENT);
	*u = (struct unwinder){.root_fd = root_fd, .memory = memory};
	*ret = u;
	return 0;
}

void unwinder_close(struct unwinder *u)
{
	if (!u)
		return;
	for (size_t i = 0; i < u->count; i++) {
		struct part *p = &u->parts[i];

		if (p->cfi)
			dwarf_cfi_end(p->cfi);
		elf_end(p->elf);
		closep(&p->fd);
		free(p->path);
	}
	free(u->parts);
	free(u);
}

int unwinder_add(struct unwinder *u, const char *path, const struct debugfile_id *id,
		 uint64_t start, uint64_t end, uint64_t bias)
{
	struct part *p;

	if (array_reserve(&u->parts, &u->room, u->count + 1) < 0)
		return -ENOMEM;
	p = &u->parts[u->count];
	*p = (struct part){
		.start = start, .end = end, .bias = bias, .id = *id, .fd = -1};
	p->path = strdup(path);
	if (!p->path)
		return -ENOMEM;
	u->count++;
	return 0;
}

/* Ours, which has the same code. Its section headers come last. */
static Elf *vdso(struct part *p)
{
	char *at = (char *)(uintptr_t)getauxval(AT_SYSINFO_EHDR);
	Elf64_Ehdr e;

	if (!at)
		return NULL;
	memcpy(&e, at, sizeof(e));
	p->bias = p->start;
	return elf_memory(at, e.e_shoff + (size_t)e.e_shnum * e.e_shentsize);
}

static Elf *file_of(const struct unwinder *u, struct part *p)
{
	struct debugfile_id is;
	Elf *elf;

	p->fd = root_open(u->root_fd, p->path, NULL);
	if (p->fd < 0)
		return NULL;
	elf = elf_begin(p->fd, ELF_C_READ, NULL);
	if (!elf || elf_kind(elf) != ELF_K_ELF) {
		elf_end(elf);
		return NULL;
	}
	is = debugfile_id_of(elf);
	if (!p->id.len || debugfile_same_id(&is, &p->id))
		return elf;
	elf_end(elf);
	return NULL;
}

/* The module that an address is in, ready to be asked. */
static struct part *part_at(struct unwinder *u, uint64_t address)
{
	struct part *p = NULL;

	for (size_t i = 0; i < u->count && !p; i++)
		if (u->parts[i].start <= address && address < u->parts[i].end)
			p = &u->parts[i];
	if (!p || p->tried)
		return p;
	p->tried = true;
	p->elf = strcmp(p->path, "[vdso]") ? file_of(u, p) : vdso(p);
	if (p->elf)
		p->cfi = dwarf_getcfi_elf(p->elf);
	return p;
}

/* ---- stepping -------------------------------------------------------------- */

static bool read_word(const struct unwinder *u, uint64_t address, uint64_t *ret)
{
	return u->memory->read &&
	       u->memory->read(u->memory->context, address, ret, sizeof(*ret));
}

/* What a register of the caller is: as this frame has it, or where that says it is
 * kept. */
static void restore(const struct unwinder *u, const struct location_context *c,
		    Dwarf_Frame *rules, unsigned number, struct location_frame *ret)
{
	const struct location_frame *f = c->frame;
	Dwarf_Op memory[3], *ops = NULL;
	struct location_piece pieces[LOCATION_PIECES], *p = pieces;
	size_t count = 0;

	if (dwarf_frame_register(rules, (int)number, memory, &ops, &count))
		return;
	/* libdw takes rax for rbx where it says what calls keep. */
	if (!count && (number == RBX || (!ops && number != RAX))) {
		ret->registers[number] = f->registers[number];
		ret->saved[number] = f->saved[number];
		ret->known |= f->known & 1u << number;
		return;
	}
	if (!count || location_find(c, ops, count, pieces) != 1)
		return;
	if (p->kind == LOCATION_REGISTER && p->value < LOCATION_REGISTERS) {
		ret->registers[number] = f->registers[p->value];
		ret->saved[number] = f->saved[p->value];
		ret->known |= (f->known >> p->value & 1u) << number;
	} else if (p->kind == LOCATION_VALUE) {
		ret->registers[number] = p->value;
		ret->known |= 1u << number;
	} else if (p->kind == LOCATION_MEMORY &&
		   read_word(u, p->value, &ret->registers[number])) {
		ret->saved[number] = p->value;
		ret->known |= 1u << number;
	}
}

static bool by_rules(const struct unwinder *u, Dwarf_Frame *rules,
		     struct location_frame *f, uint64_t bias,
		     struct location_frame *ret)
{
	const struct location_context c = {
		.frame = f, .memory = u->memory, .bias = bias};
	bool is_signal = false;
	Dwarf_Op *ops = NULL;
	size_t count = 0;
	int pc = dwarf_frame_info(rules, NULL, NULL, &is_signal);

	if (pc != LOCATION_PC || dwarf_frame_cfa(rules, &ops, &count) || !count ||
	    !location_value(&c, ops, count, &f->cfa))
		return false;
	for (unsigned i = 0; i < LOCATION_REGISTERS; i++)
		restore(u, &c, rules, i, ret);
	if (!(ret->known >> LOCATION_SP & 1)) {
		ret->registers[LOCATION_SP] = f->cfa;
		ret->known |= 1u << LOCATION_SP;
	}
	ret->called = !is_signal;
	return ret->known >> LOCATION_PC & 1;
}

static bool by_frame_pointer(const struct unwinder *u, struct location_frame *f,
			     struct location_frame *ret)
{
	uint64_t at = f->registers[RBP];

	if (!(f->known >> RBP & 1) || at % 8 || at < f->registers[LOCATION_SP] ||
	    !read_word(u, at, &ret->registers[RBP]) ||
	    !read_word(u, at + 8, &ret->registers[LOCATION_PC]))
		return false;
	f->cfa = at + 16;
	ret->registers[LOCATION_SP] = f->cfa;
	ret->saved[RBP] = at;
	ret->known = 1u << RBP | 1u << LOCATION_PC | 1u << LOCATION_SP;
	ret->called = true;
	return true;
}

static void frame_free(Dwarf_Frame **frame)
{
	free(*frame);
}

bool unwinder_step(struct unwinder *u, struct location_frame *frame,
		   struct location_frame *ret_caller)
{
	uint64_t sp = frame->registers[LOCATION_SP], at = unwinder_at(frame);
	_cleanup_(frame_free) Dwarf_Frame *rules = NULL;
	struct part *p = part_at(u, at);
	bool ok;

	*ret_caller = (struct location_frame){.module = SIZE_MAX};
	frame->module = p ? (size_t)(p - u->parts) : SIZE_MAX;
	frame->cfa = 0;
	if (p && p->cfi && !dwarf_cfi_addrframe(p->cfi, at - p->bias, &rules))
		ok = by_rules(u, rules, frame, p->bias, ret_caller);
	else
		ok = by_frame_pointer(u, frame, ret_caller);
	/* Only a signal's handler may run on another stack than what it interrupts. */
	if (frame->cfa <= sp && (!ok || ret_caller->called)) {
		frame->cfa = 0;
		return false;
	}
	return ok && ret_caller->registers[LOCATION_PC];
}

/* ---- functions ------------------------------------------------------------- */

static bool is_one_of(const char *name, const char *const *names)
{
	for (; name && *names; names++)
		if (!strcmp(name, *names))
			return true;
	return false;
}

static bool has_it(Elf *elf, Elf_Scn *section, const GElf_Shdr *header, uint64_t at,
		   const char *const *names)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t n = data && header->sh_entsize ? data->d_size / header->sh_entsize : 0;

	for (size_t i = 0; i < n && i < SYMBOLS; i++) {
		GElf_Sym s;

		if (gelf_getsym(data, (int)i, &s) &&
		    GELF_ST_TYPE(s.st_info) == STT_FUNC && s.st_value <= at &&
		    at - s.st_value < s.st_size &&
		    is_one_of(elf_strptr(elf, header->sh_link, s.st_name), names))
			return true;
	}
	return false;
}

bool unwinder_is_in(struct unwinder *u, const struct location_frame *frame,
		    const char *const *names)
{
	uint64_t at = unwinder_at(frame);
	struct part *p = part_at(u, at);
	Elf_Scn *section = NULL;

	while (p && p->elf && (section = elf_nextscn(p->elf, section))) {
		GElf_Shdr header;

		if (gelf_getshdr(section, &header) && header.sh_type == SHT_DYNSYM &&
		    has_it(p->elf, section, &header, at - p->bias, names))
			return true;
	}
	return false;
}
