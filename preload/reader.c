#include "preload/reader.h"

#include "preload/arch.h"

#include <string.h>

uint64_t reader_take(struct reader *r, size_t n)
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

int64_t reader_signed(struct reader *r, size_t n)
{
	unsigned unused = 64 - 8 * (unsigned)n;

	return (int64_t)(reader_take(r, n) << unused) >> unused;
}

uint64_t reader_uleb(struct reader *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; !r->bad; shift += 7) {
		uint64_t byte = reader_take(r, 1);

		if (shift < 64)
			v |= (byte & 0x7f) << shift;
		if (!(byte & 0x80))
			break;
	}
	return v;
}

int64_t reader_sleb(struct reader *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; !r->bad; shift += 7) {
		uint64_t byte = reader_take(r, 1);

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

void reader_skip(struct reader *r, uint64_t n)
{
	if (n > (uint64_t)(r->end - r->p)) {
		r->bad = true;
		r->p = r->end;
		return;
	}
	r->p += n;
}

uint64_t reader_format(struct reader *r, unsigned encoding)
{
	switch (encoding & PE_FORMAT) {
	case PE_ABSPTR:
	case PE_UDATA8:
	case PE_SDATA8:
		return reader_take(r, 8);
	case PE_ULEB128:
		return reader_uleb(r);
	case PE_UDATA2:
		return reader_take(r, 2);
	case PE_UDATA4:
		return reader_take(r, 4);
	case PE_SLEB128:
		return (uint64_t)reader_sleb(r);
	case PE_SDATA2:
		return (uint64_t)reader_signed(r, 2);
	case PE_SDATA4:
		return (uint64_t)reader_signed(r, 4);
	default:
		r->bad = true;
		return 0;
	}
}

void reader_align(struct reader *r, unsigned encoding)
{
	if ((encoding & PE_BASE) == PE_ALIGNED)
		reader_skip(r, -(uintptr_t)r->p % ARCH_WORD);
}

uint64_t reader_pointer(struct reader *r, unsigned encoding, const void *data_base)
{
	uint64_t v, at;

	reader_align(r, encoding);
	at = (uintptr_t)r->p;
	v = reader_format(r, encoding);
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
