#include "cli/heap/peek.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096, PAGES = 2048 };

struct heap_peek_page {
	uint64_t number; /* + 1; 0: none */
	bool there;
	unsigned char bytes[PAGE];
};

/* The page around an address, or NULL. */
static const unsigned char *page_of(struct heap_peek *p, uint64_t address)
{
	uint64_t number = address / PAGE;
	struct heap_peek_page *page;

	if (!p->pages)
		p->pages = calloc(PAGES, sizeof(*p->pages));
	if (!p->pages)
		return NULL;
	page = &p->pages[(number ^ number >> 11) % PAGES];
	if (page->number != number + 1) {
		page->number = number + 1;
		page->there = p->get(p->context, number * PAGE, page->bytes, PAGE);
	}
	return page->there ? page->bytes : NULL;
}

bool heap_peek(struct heap_peek *p, uint64_t address, void *to, size_t len)
{
	unsigned char *at = to;

	while (len) {
		size_t into = address % PAGE, n = PAGE - into < len ? PAGE - into : len;
		const unsigned char *bytes = page_of(p, address);

		if (!bytes || address > UINT64_MAX - n)
			return false;
		memcpy(at, bytes + into, n);
		at += n;
		address += n;
		len -= n;
	}
	return true;
}

uint64_t heap_peek_word(struct heap_peek *p, uint64_t address)
{
	uint64_t word;

	return address % sizeof(word) == 0 && heap_peek(p, address, &word, sizeof(word))
		       ? word
		       : 0;
}

void heap_peek_done(struct heap_peek *p)
{
	free(p->pages);
	p->pages = NULL;
}
