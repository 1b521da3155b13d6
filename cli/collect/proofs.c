#include "cli/collect/proofs.h"

#include "cli/base/array.h"

#include <stdlib.h>

#define NOTED UINT64_MAX /* in `gone`: there is a row of it */

static struct table_key key(uint64_t address)
{
	return (struct table_key){address, 0};
}

void proofs_done(struct proofs *p)
{
	table_done(&p->gone);
	table_done(&p->suspects);
	free(p->rows);
	free(p->filter);
	*p = (struct proofs){0};
}

void proofs_begin(struct proofs *p, uint64_t ns)
{
	table_done(&p->gone);
	p->scanning = p->watching = true;
	p->scan_ns = ns;
	if (!p->live) /* only freed ones are in it */
		table_done(&p->suspects);
}

static void note(struct proofs *p, uint64_t address, uint64_t lost_ns,
		 uint64_t freed_ns)
{
	if (p->count == PROOFS_ROWS || array_room(&p->rows, &p->room, p->count + 1) < 0)
		p->lost = true;
	else
		p->rows[p->count++] = (struct proofs_row){address, lost_ns, freed_ns};
}

void proofs_left(struct proofs *p, uint64_t address, uint64_t ns)
{
	uint64_t *suspect = table_get(&p->suspects, key(address)), *gone;
	bool known = suspect && *suspect;

	if (known) {
		note(p, address, *suspect - 1, ns);
		*suspect = 0;
		p->live--;
	}
	if (!p->scanning) {
		p->watching = p->live;
		return;
	}
	gone = p->gone.count < PROOFS_MOST || table_get(&p->gone, key(address))
		       ? table_put(&p->gone, key(address), NULL)
		       : NULL;
	if (!gone)
		p->lost = true;
	else if (!*gone) /* the first to go is the one that was seen */
		*gone = known ? NOTED : ns + 1;
}

void proofs_suspect(struct proofs *p, uint64_t address)
{
	const uint64_t *gone = table_get(&p->gone, key(address));
	uint64_t *suspect;

	if (gone && *gone == NOTED)
		return;
	if (gone && *gone) {
		note(p, address, p->scan_ns, *gone - 1);
		return;
	}
	suspect =
		p->suspects.count < PROOFS_MOST || table_get(&p->suspects, key(address))
			? table_put(&p->suspects, key(address), NULL)
			: NULL;
	if (!suspect) {
		p->lost = true;
	} else if (!*suspect) {
		*suspect = p->scan_ns + 1;
		p->live++;
	}
}

static void make_filter(struct proofs *p)
{
	struct table_key address;
	size_t at = 0;
	uint64_t since;

	free(p->filter);
	p->filter = p->live ? calloc(PROOFS_FILTER / 64, sizeof(*p->filter)) : NULL;
	while (p->filter && table_next(&p->suspects, &at, &address, &since)) {
		uint64_t bit = (address.a >> 3) * 0x9e3779b97f4a7c15ull >> 44;

		if (since)
			p->filter[bit / 64] |= 1ull << bit % 64;
	}
}

void proofs_end(struct proofs *p)
{
	table_done(&p->gone);
	p->scanning = false;
	p->watching = p->live;
	make_filter(p);
}
