/*
 * reader.h - reading untrusted bytes, one bounds check for each: the numbers and the
 * pointers of DWARF's tables.
 *
 * A read past the end gives 0 and says so in `bad`, which stays: it is enough to look
 * at it before what was read is relied on.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
	const unsigned char *p, *end;
	bool bad; /* a read went past the end: what it gave was 0 */
};

/* A number of n <= 8 bytes. */
uint64_t reader_take(struct reader *r, size_t n);
int64_t reader_signed(struct reader *r, size_t n);
uint64_t reader_uleb(struct reader *r);
int64_t reader_sleb(struct reader *r);
void reader_skip(struct reader *r, uint64_t n);

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

/* To where a pointer of that encoding begins. */
void reader_align(struct reader *r, unsigned encoding);

/* A pointer's bytes, without its base. */
uint64_t reader_format(struct reader *r, unsigned encoding);

/* A pointer; the bases that x86-64 code does not have are refused. */
uint64_t reader_pointer(struct reader *r, unsigned encoding, const void *data_base);
