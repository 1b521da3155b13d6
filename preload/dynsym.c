#include "preload/dynsym.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

enum { CHAIN_MAX = 1 << 20 };

/* Whether [at, at + bytes) lies within a segment that is loaded with these flags. */
static bool is_within(const struct dynsym *d, uintptr_t at, size_t bytes,
		      ElfW(Word) flags)
{
	for (size_t i = 0; i < d->segment_count; i++) {
		const ElfW(Phdr) *p = &d->segments[i];
		uintptr_t from = at - (d->bias + p->p_vaddr);

		if (p->p_type == PT_LOAD && (p->p_flags & flags) == flags &&
		    from < p->p_memsz && bytes <= p->p_memsz - from)
			return true;
	}
	return false;
}

static const ElfW(Dyn) * dynamic_of(const struct dynsym *d, size_t *ret_count)
{
	for (size_t i = 0; i < d->segment_count; i++) {
		const ElfW(Phdr) *p = &d->segments[i];

		if (p->p_type != PT_DYNAMIC ||
		    !is_within(d, d->bias + p->p_vaddr, p->p_memsz, PF_R))
			continue;
		*ret_count = p->p_memsz / sizeof(ElfW(Dyn));
		return (const ElfW(Dyn) *)(d->bias + p->p_vaddr);
	}
	return NULL;
}

/* The loader has relocated these words where it could write to them. */
static uintptr_t pointer(const struct dynsym *d, const ElfW(Dyn) * entry)
{
	uintptr_t at = entry->d_un.d_ptr;

	return is_within(d, at, 1, PF_R) ? at : d->bias + at;
}

int dynsym_open(uintptr_t bias, const ElfW(Phdr) * segments, size_t segment_count,
		struct dynsym *ret)
{
	struct dynsym d = {
		.bias = bias, .segments = segments, .segment_count = segment_count};
	size_t count = 0;
	const ElfW(Dyn) *entry = dynamic_of(&d, &count);

	for (; entry && count && entry->d_tag != DT_NULL; entry++, count--) {
		if (entry->d_tag == DT_SYMTAB)
			d.symbols = (const ElfW(Sym) *)pointer(&d, entry);
		else if (entry->d_tag == DT_STRTAB)
			d.names = (const char *)pointer(&d, entry);
		else if (entry->d_tag == DT_STRSZ)
			d.names_bytes = entry->d_un.d_val;
		else if (entry->d_tag == DT_GNU_HASH)
			d.hash = (const uint32_t *)pointer(&d, entry);
	}
	if (!d.symbols || !d.names || !d.names_bytes || !d.hash)
		return -ENOENT;
	if (!is_within(&d, (uintptr_t)d.names, d.names_bytes, PF_R) ||
	    !is_within(&d, (uintptr_t)d.hash, 4 * sizeof(*d.hash), PF_R))
		return -EBADMSG;
	*ret = d;
	return 0;
}

static uint32_t hash_of(const char *name)
{
	uint32_t h = 5381;

	for (; *name; name++)
		h = h * 33 + (unsigned char)*name;
	return h;
}

/* The value of symbol i if it is the one. */
static uintptr_t value_of(const struct dynsym *d, uint32_t i, const char *name,
			  size_t len)
{
	const ElfW(Sym) *s = &d->symbols[i];

	if (!is_within(d, (uintptr_t)s, sizeof(*s), PF_R) || s->st_shndx == SHN_UNDEF ||
	    s->st_name >= d->names_bytes || len >= d->names_bytes - s->st_name ||
	    memcmp(d->names + s->st_name, name, len + 1) != 0)
		return 0;
	return d->bias + s->st_value;
}

/* table: buckets, first symbol, words of the filter, shift | filter | buckets | hashes,
 * of which the last of each bucket is odd. */
uintptr_t dynsym_find(const struct dynsym *d, const char *name)
{
	uint32_t buckets = d->hash[0], first = d->hash[1], filter = d->hash[2];
	uint32_t h = hash_of(name), i;
	const uint32_t *bucket =
		d->hash + 4 + (size_t)filter * (sizeof(ElfW(Addr)) / 4);
	const uint32_t *chain = bucket + buckets;
	size_t len = strlen(name);

	if (!buckets || !is_within(d, (uintptr_t)&bucket[h % buckets], 4, PF_R))
		return 0;
	i = bucket[h % buckets];
	for (uint32_t n = 0; i >= first && n < CHAIN_MAX; n++, i++) {
		const uint32_t *at = &chain[i - first];
		uintptr_t value;

		if (!is_within(d, (uintptr_t)at, sizeof(*at), PF_R))
			return 0;
		value = (*at | 1) == (h | 1) ? value_of(d, i, name, len) : 0;
		if (value)
			return value;
		if (*at & 1)
			return 0;
	}
	return 0;
}

bool dynsym_is_writable(const struct dynsym *d, uintptr_t at, size_t bytes)
{
	for (size_t i = 0; i < d->segment_count; i++) {
		const ElfW(Phdr) *p = &d->segments[i];
		uintptr_t from = d->bias + p->p_vaddr;

		if (p->p_type == PT_GNU_RELRO && at < from + p->p_memsz &&
		    at + bytes > from)
			return false;
	}
	return is_within(d, at, bytes, PF_R | PF_W);
}
