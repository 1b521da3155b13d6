/*
 * cfi_oracle.c - does cfi.c read what libdw reads, and does rows.c keep what it means?
 *
 * For every row of every x86-64 ELF file under the given directories (/usr/lib and
 * /usr/bin): its range, its CFA and the rule of each register are libdw's; where
 * libdw has an expression both are evaluated, with random registers and memory; and a
 * packed row steps to the same pc, rsp and rbp as the rules do.
 *
 *	cfi_oracle [--part N] [DIRECTORY...]
 *
 * --part N takes only every Nth function, and always the same ones. Prints the counts;
 * exits 1 on any difference, or if there was nothing to compare.
 */
#include "preload/cfi.h"
#include "preload/rows.h"

#include <dwarf.h>
#include <elf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct counts { /* shared by the workers */
	_Atomic uint64_t files, functions, rows, packed, expressions, full, ends,
		refused, differ;
};

static struct counts *counts;
static char **paths;
static size_t path_count, path_room;
static unsigned part = 1;

/* ---- files ---------------------------------------------------------------- */

static ino_t *inodes;

static int add_path(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)ftw;
	if (type != FTW_F || !S_ISREG(st->st_mode) || st->st_size < 64)
		return 0;
	for (size_t i = 0; st->st_nlink > 1 && i < path_count; i++)
		if (inodes[i] == st->st_ino)
			return 0;
	if (path_count == path_room) {
		path_room = path_room ? path_room * 2 : 4096;
		paths = realloc(paths, path_room * sizeof(*paths));
		inodes = realloc(inodes, path_room * sizeof(*inodes));
	}
	inodes[path_count] = st->st_ino;
	paths[path_count++] = strdup(path);
	return 0;
}

struct file {
	const char *path;
	Elf *elf;
	Dwarf_CFI *dw;
	struct cfi cfi;
	char *base; /* where virtual address 0 would be */
	void *map;
	size_t map_len;
};

/* Maps the segments as the loader would. */
static bool map_file(struct file *f, int fd)
{
	size_t count = 0;
	uint64_t low = UINT64_MAX, high = 0;
	GElf_Phdr p;

	elf_getphdrnum(f->elf, &count);
	for (size_t i = 0; i < count && gelf_getphdr(f->elf, (int)i, &p); i++) {
		if (p.p_type != PT_LOAD)
			continue;
		low = p.p_vaddr < low ? p.p_vaddr : low;
		high = p.p_vaddr + p.p_memsz > high ? p.p_vaddr + p.p_memsz : high;
	}
	if (low >= high)
		return false;
	low &= ~4095ull;
	f->map_len = high - low;
	f->map = mmap(NULL, f->map_len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	f->base = (char *)f->map - low;
	for (size_t i = 0; i < count && gelf_getphdr(f->elf, (int)i, &p); i++) {
		uint64_t in_page = p.p_vaddr & 4095;

		if (p.p_type == PT_LOAD && p.p_filesz &&
		    mmap(f->base + (p.p_vaddr - in_page), p.p_filesz + in_page,
			 PROT_READ, MAP_PRIVATE | MAP_FIXED, fd,
			 (off_t)(p.p_offset - in_page)) == MAP_FAILED)
			return false;
	}
	return true;
}

static bool segment_of(struct file *f, const void *at, const unsigned char **ret_low,
		       const unsigned char **ret_high)
{
	uint64_t vaddr = (uint64_t)((const char *)at - f->base);
	size_t count = 0;
	GElf_Phdr p;

	elf_getphdrnum(f->elf, &count);
	for (size_t i = 0; i < count && gelf_getphdr(f->elf, (int)i, &p); i++) {
		if (p.p_type != PT_LOAD || vaddr - p.p_vaddr >= p.p_filesz)
			continue;
		*ret_low = (unsigned char *)f->base + p.p_vaddr;
		*ret_high = *ret_low + p.p_filesz;
		return true;
	}
	return false;
}

static bool open_tables(struct file *f)
{
	const unsigned char *low, *high;
	size_t count = 0;
	GElf_Phdr p;

	elf_getphdrnum(f->elf, &count);
	for (size_t i = 0; i < count && gelf_getphdr(f->elf, (int)i, &p); i++) {
		unsigned char *hdr = (unsigned char *)f->base + p.p_vaddr;

		if (p.p_type != PT_GNU_EH_FRAME || !segment_of(f, hdr, &low, &high))
			continue;
		return !cfi_open(&f->cfi, hdr, high) &&
		       segment_of(f, f->cfi.frames, &f->cfi.low, &f->cfi.high);
	}
	return false;
}

/* libdw's count of FDEs, -1 if the section is not in the file (debug files). Bounds our
 * own tables by the section, whose end not every file marks. */
static long count_fdes(struct file *f)
{
	Elf_Scn *scn = NULL;
	size_t names;

	if (elf_getshdrstrndx(f->elf, &names))
		return -1;
	while ((scn = elf_nextscn(f->elf, scn))) {
		GElf_Shdr h;
		Dwarf_CFI_Entry entry;
		Dwarf_Off at = 0, next = 0;
		Elf_Data *data;
		long n = 0;

		if (!gelf_getshdr(scn, &h) ||
		    strcmp(elf_strptr(f->elf, names, h.sh_name), ".eh_frame") != 0)
			continue;
		data = elf_rawdata(scn, NULL);
		if (h.sh_type == SHT_NOBITS || !data || !data->d_size)
			return -1;
		while (!dwarf_next_cfi((unsigned char *)elf_getident(f->elf, NULL),
				       data, true, at, &next, &entry)) {
			n += entry.CIE_id != DW_CIE_ID_64;
			at = next;
		}
		f->cfi.high = (unsigned char *)f->base + h.sh_addr + h.sh_size;
		return n;
	}
	return -1;
}

/* ---- expressions ---------------------------------------------------------- */

static uint64_t scramble(uint64_t x)
{
	x = (x ^ x >> 31) * 0x9e3779b97f4a7c15ull;
	x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9ull;
	return x ^ x >> 32;
}

/* Memory that is everywhere and holds addresses of words. */
static bool read_scrambled(void *arg, uintptr_t at, uint64_t *ret)
{
	(void)arg;
	*ret = scramble(at) & ~7ull;
	return true;
}

/* libdw's operations, as the standard has them. False: one that we don't know. */
static bool evaluate(const Dwarf_Op *ops, size_t n, const struct cfi_regs *regs,
		     uint64_t cfa, uint64_t *ret)
{
	uint64_t s[64] = {0};
	size_t d = 0;

	for (size_t i = 0; i < n; i++) {
		const Dwarf_Op *o = &ops[i];
		unsigned a = o->atom;

		if (d > 60)
			return false;
		if (a >= DW_OP_lit0 && a <= DW_OP_lit31)
			s[d++] = a - DW_OP_lit0;
		else if (a >= DW_OP_breg0 && a <= DW_OP_breg16)
			s[d++] = regs->value[a - DW_OP_breg0] + o->number;
		else if (a == DW_OP_bregx && o->number < ARCH_REGS)
			s[d++] = regs->value[o->number] + o->number2;
		else if (a >= DW_OP_const1u && a <= DW_OP_consts)
			s[d++] = o->number;
		else if (a == DW_OP_call_frame_cfa)
			s[d++] = cfa;
		else if (a == DW_OP_plus_uconst && d)
			s[d - 1] += o->number;
		else if (a == DW_OP_deref && d)
			read_scrambled(NULL, s[d - 1], &s[d - 1]);
		else if (a == DW_OP_and && d > 1)
			d--, s[d - 1] &= s[d];
		else if (a == DW_OP_plus && d > 1)
			d--, s[d - 1] += s[d];
		else if (a == DW_OP_minus && d > 1)
			d--, s[d - 1] -= s[d];
		else if (a == DW_OP_mul && d > 1)
			d--, s[d - 1] *= s[d];
		else if (a == DW_OP_shl && d > 1)
			d--, s[d - 1] = s[d] < 64 ? s[d - 1] << s[d] : 0;
		else if (a == DW_OP_ge && d > 1)
			d--, s[d - 1] = (int64_t)s[d - 1] >= (int64_t)s[d];
		else if (a == DW_OP_drop && d)
			d--;
		else if (a == DW_OP_dup && d)
			s[d] = s[d - 1], d++;
		else
			return false;
	}
	if (!d)
		return false;
	*ret = s[d - 1];
	return true;
}

/* ---- comparing ------------------------------------------------------------ */

/* What libdw (0.188) takes to be unchanged if no rule mentions it; the rest it calls
 * undefined. The psABI's list, but for rax (0) where rbx (3) belongs. */
static bool is_kept(int reg)
{
	return reg == 0 || reg == ARCH_FP || (reg >= 12 && reg <= 15);
}

/* The rule's value for the caller, as libdw has it. */
static bool compare_register(const struct cfi_row *row, Dwarf_Frame *frame, int reg,
			     const struct cfi_regs *regs, uint64_t cfa,
			     const struct cfi_regs *after)
{
	int kind = row->rules.kind[reg];
	Dwarf_Op memory[3], *ops;
	size_t n;
	uint64_t at;

	if (dwarf_frame_register(frame, reg, memory, &ops, &n))
		return false;
	if (!n && !ops)
		return kind == CFI_SAME || (kind == CFI_UNSPECIFIED && is_kept(reg));
	if (!n)
		return kind == CFI_UNDEFINED ||
		       (kind == CFI_UNSPECIFIED && !is_kept(reg));
	if (ops[0].atom == DW_OP_regx)
		return kind == CFI_REGISTER &&
		       row->rules.value[reg] == (int)ops[0].number;
	if (ops[n - 1].atom == DW_OP_stack_value) {
		if (kind != CFI_VAL_OFFSET && kind != CFI_VAL_EXPRESSION &&
		    !(reg == ARCH_SP && kind == CFI_UNSPECIFIED))
			return false;
		return evaluate(ops, n - 1, regs, cfa, &at) && at == after->value[reg];
	}
	if (kind != CFI_OFFSET && kind != CFI_EXPRESSION)
		return false;
	if (!evaluate(ops, n, regs, cfa, &at))
		return false;
	read_scrambled(NULL, at, &at);
	return at == after->value[reg];
}

/* Does the packed row lead to where the rules lead? */
static bool compare_packed(const struct cfi_row *row, const struct cfi_regs *regs,
			   uint64_t cfa, const struct cfi_regs *after)
{
	uint64_t packed = row_pack(row, 0xabc), at, word, fp_base;

	if (row_module(packed) != 0xabc)
		return false;
	switch (row_kind(packed)) {
	case ROW_FULL:
		counts->full++;
		return true;
	case ROW_END:
		counts->ends++;
		return row->rules.kind[ARCH_RA] == CFI_UNDEFINED;
	case ROW_SP: /* all of it is between rsp and the CFA */
		if (row_cfa_offset(packed) < ARCH_WORD || row_fp_slot(packed) > 0 ||
		    row_cfa_offset(packed) + row_fp_slot(packed) < 0)
			return false;
		/* fallthrough */
	case ROW_SP_ANY:
		at = regs->value[ARCH_SP] + (uint64_t)row_cfa_offset(packed);
		break;
	case ROW_FP:
		at = regs->value[ARCH_FP] + (uint64_t)row_cfa_offset(packed);
		break;
	case ROW_FP_WORD:
		read_scrambled(NULL,
			       regs->value[ARCH_FP] + (uint64_t)row_cfa_offset(packed),
			       &at);
		break;
	default:
		return false;
	}
	counts->packed++;
	read_scrambled(NULL, at - 8, &word);
	if (at != cfa || word != after->value[ARCH_RA] || at != after->value[ARCH_SP])
		return false;
	if (!row_fp_slot(packed) && row_kind(packed) != ROW_FP_WORD)
		return after->value[ARCH_FP] == regs->value[ARCH_FP];
	fp_base = row_kind(packed) == ROW_FP_WORD ? regs->value[ARCH_FP] : at;
	read_scrambled(NULL, fp_base + (uint64_t)row_fp_slot(packed), &word);
	return word == after->value[ARCH_FP];
}

static bool compare_row(struct file *f, const struct cfi_row *row, Dwarf_Frame *frame,
			uint64_t seed)
{
	struct cfi_regs regs = {.known = ~0u}, after;
	Dwarf_Addr low, high;
	Dwarf_Op *ops;
	uint64_t cfa, theirs;
	bool signal, outermost = row->rules.kind[row->ra] == CFI_UNDEFINED;
	size_t n;

	for (size_t i = 0; i < ARCH_REGS; i++)
		regs.value[i] = scramble(seed + i) & ~7ull;
	/* Behind a restored state libdw's low is the remembered row's. Rows follow each
	 * other, so the highs say it all. */
	if (dwarf_frame_info(frame, &low, &high, &signal) != row->ra ||
	    (char *)row->low < f->base + low || (char *)row->high != f->base + high ||
	    signal != row->signal)
		return false;
	if (cfi_cfa(row, &regs, read_scrambled, NULL, &cfa))
		return false;
	/* libdw gives up on a CFA that is based on a register after an expression was
	 * in force (libgcrypt's assembly, eight rows); GCC's unwinder does not. */
	if (dwarf_frame_cfa(frame, &ops, &n))
		counts->refused++;
	else if (!evaluate(ops, n, &regs, 0, &theirs) || theirs != cfa)
		return false;
	counts->expressions += row->rules.cfa_kind == CFI_VAL_EXPRESSION;
	after = regs;
	if (cfi_step(row, cfa, &after, read_scrambled, NULL) !=
	    (outermost ? -ENOENT : 0))
		return false;
	for (int reg = 0; reg < ARCH_REGS && !outermost; reg++)
		if (!compare_register(row, frame, reg, &regs, cfa, &after))
			return false;
	return compare_packed(row, &regs, cfa, &after);
}

static void differ(struct file *f, uintptr_t pc, const char *how)
{
	if (counts->differ++ < 20)
		fprintf(stderr, "%s: %#lx: %s\n", f->path, (long)((char *)pc - f->base),
			how);
}

static void compare_function(struct file *f, uintptr_t low, uintptr_t high)
{
	uintptr_t pc = low;

	counts->functions++;
	while (pc < high) {
		Dwarf_Frame *frame = NULL;
		struct cfi_row row;
		int err = cfi_lookup(&f->cfi, pc, &row);
		int theirs = dwarf_cfi_addrframe(
			f->dw, (uint64_t)((char *)pc - f->base), &frame);

		if (!err != !theirs) {
			differ(f, pc,
			       err ? "only libdw has a row" : "libdw has no row");
			free(frame);
			return;
		}
		if (err)
			return;
		if (row.low > pc || row.high <= pc ||
		    !compare_row(f, &row, frame, scramble(pc)))
			differ(f, pc, "rows differ");
		counts->rows++;
		free(frame);
		pc = row.high > pc ? row.high : high;
	}
}

static void compare_file(struct file *f)
{
	const unsigned char *cursor = NULL;
	long fdes = count_fdes(f), seen = 0;
	uintptr_t low, high;
	int err;

	if (fdes < 0)
		return;
	counts->files++;
	while (!(err = cfi_next(&f->cfi, &cursor, &low, &high))) {
		seen++;
		if (scramble(low - (uintptr_t)f->base) % part == 0)
			compare_function(f, low, high);
	}
	if (err != -ENOENT || seen != fdes)
		differ(f, (uintptr_t)f->base, "not as many functions as libdw has");
}

static void try_path(const char *path)
{
	struct file f = {.path = path};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	GElf_Ehdr e;

	if (fd < 0)
		return;
	f.elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (f.elf && gelf_getehdr(f.elf, &e) && e.e_machine == EM_X86_64 &&
	    gelf_getclass(f.elf) == ELFCLASS64 && map_file(&f, fd) && open_tables(&f)) {
		f.dw = dwarf_getcfi_elf(f.elf);
		if (f.dw)
			compare_file(&f);
	}
	if (f.map)
		munmap(f.map, f.map_len);
	elf_end(f.elf);
	close(fd);
}

static int run(void)
{
	long workers = sysconf(_SC_NPROCESSORS_ONLN), status;
	_Atomic size_t *next = mmap(NULL, sizeof(*next), PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int failed = 0, one;

	for (long i = 0; i < workers; i++) {
		size_t mine;

		if (fork())
			continue;
		while ((mine = (*next)++) < path_count)
			try_path(paths[mine]);
		_exit(0);
	}
	while (wait(&one) > 0)
		failed |= one;
	status = failed || counts->differ || !counts->rows || counts->refused > 100;
	printf("%lu files, %lu functions, %lu rows (packed %lu, outermost %lu, full "
	       "%lu; "
	       "CFA by expression %lu, refused by libdw %lu), %lu differ\n",
	       counts->files, counts->functions, counts->rows, counts->packed,
	       counts->ends, counts->full, counts->expressions, counts->refused,
	       counts->differ);
	return (int)status;
}

int main(int argc, char **argv)
{
	int i = 1;

	if (argc > 2 && strcmp(argv[1], "--part") == 0) {
		part = (unsigned)atoi(argv[2]);
		i = 3;
	}
	counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	elf_version(EV_CURRENT);
	if (i == argc) {
		nftw("/usr/lib", add_path, 32, FTW_PHYS);
		nftw("/usr/bin", add_path, 32, FTW_PHYS);
	}
	for (; i < argc; i++)
		nftw(argv[i], add_path, 32, FTW_PHYS);
	return run();
}
