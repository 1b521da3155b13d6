/*
 * preload_cfi.c - broken .eh_frame_hdr and .eh_frame under cfi.c: whatever they say, it
 * stays inside them and comes back.
 *
 * The input is a segment that begins with .eh_frame_hdr. Without libFuzzer
 * (-DHEAPLINE_LIBFUZZER) the program breaks its own, the same way each time.
 */
#include "preload/cfi.h"
#include "preload/rows.h"

#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile uint64_t sink;

static bool read_any(void *arg, uintptr_t at, uint64_t *ret)
{
	(void)arg;
	*ret = at * 0x9e3779b97f4a7c15ull;
	return at % 3 != 0;
}

static void use_row(const struct cfi_row *row)
{
	struct cfi_regs regs = {.known = 0x1ffff};
	uint64_t cfa;

	for (size_t i = 0; i < ARCH_REGS; i++)
		regs.value[i] = i * 0x1000;
	sink = row_pack(row, 1);
	if (cfi_cfa(row, &regs, read_any, NULL, &cfa) == 0)
		sink = (uint64_t)cfi_step(row, cfa, &regs, read_any, NULL);
}

static void use_tables(struct cfi *c, const unsigned char *data, size_t size)
{
	const unsigned char *cursor = NULL;
	struct cfi_row row;
	uintptr_t low, high;

	c->low = data;
	c->high = data + size;
	for (int i = 0; i < 100 && !cfi_next(c, &cursor, &low, &high); i++) {
		for (uintptr_t k = 0; k < 4; k++)
			if (cfi_lookup(c, low + (high - low) * k / 4, &row) == 0)
				use_row(&row);
	}
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct cfi c;

	if (cfi_open(&c, data, data + size))
		return 0;
	use_tables(&c, data, size);
	c.table = NULL;
	use_tables(&c, data, size);
	return 0;
}

#ifndef HEAPLINE_LIBFUZZER
static const unsigned char *own;
static size_t own_size;

static int find_own(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t at = info->dlpi_addr + p->p_vaddr;

		if (p->p_type == PT_GNU_EH_FRAME)
			own = (const unsigned char *)at;
	}
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t low = info->dlpi_addr + p->p_vaddr;

		if (p->p_type == PT_LOAD && (uintptr_t)own - low < p->p_filesz)
			own_size = low + p->p_filesz - (uintptr_t)own;
	}
	return 1;
}

static unsigned next_random(void)
{
	static uint64_t state = 20240229;

	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(state >> 33);
}

/* Interesting bytes: operations, great LEB128 numbers, small ones. */
static unsigned char random_byte(void)
{
	static const unsigned char some[] = {0,	   0x0a, 0x0b, 0x0f, 0x10, 0x16, 0x2f,
					     0x7f, 0x80, 0xff, 0x0c, 0x0e, 0x1b, 0x9b};

	return next_random() % 2 ? (unsigned char)next_random()
				 : some[next_random() % sizeof(some)];
}

int main(int argc, char **argv)
{
	long rounds = argc > 1 ? atol(argv[1]) : 20000;

	dl_iterate_phdr(find_own, NULL);
	for (long i = 0; i < rounds; i++) {
		size_t room = own_size < 8192 ? own_size : 8192;
		size_t size = i % 3 ? room : next_random() % room;
		unsigned char *copy =
			malloc(size + 1); /* exact, for AddressSanitizer */

		memcpy(copy, own, size);
		for (unsigned n = next_random() % 60; i && size > 16 && n; n--)
			copy[n % 8 ? 12 + next_random() % (size - 12)
				   : next_random() % size] = random_byte();
		LLVMFuzzerTestOneInput(copy, size);
		free(copy);
	}
	printf("%ld inputs of up to %zu bytes\n", rounds, own_size);
	return own_size ? 0 : 1;
}
#endif
