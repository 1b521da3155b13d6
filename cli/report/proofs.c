#include "cli/report/proofs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
	const struct profile_proof *x = a, *y = b;

	if (x->process_serial != y->process_serial)
		return x->process_serial < y->process_serial ? -1 : 1;
	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return x->freed_ns < y->freed_ns ? -1 : x->freed_ns > y->freed_ns;
}

int proofs_index_open(const struct profile *p, struct proofs_index *ret)
{
	struct profile_proof *rows = malloc((p->proof_count + 1) * sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	if (p->proof_count)
		memcpy(rows, p->proofs, p->proof_count * sizeof(*rows));
	qsort(rows, p->proof_count, sizeof(*rows), compare);
	*ret = (struct proofs_index){rows, p->proof_count};
	return 0;
}

void proofs_index_done(struct proofs_index *x)
{
	free(x->rows);
	*x = (struct proofs_index){0};
}

bool proofs_freed(const struct proofs_index *x, uint32_t serial, uint64_t address,
		  uint64_t at_ns, uint64_t until_ns)
{
	const struct profile_proof from = {
		.process_serial = serial, .address = address, .freed_ns = at_ns};
	size_t low = 0, high = x->count;

	while (low < high) { /* the first that was freed then or later */
		size_t middle = low + (high - low) / 2;

		if (compare(&x->rows[middle], &from) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < x->count && x->rows[low].process_serial == serial &&
	       x->rows[low].address == address && x->rows[low].lost_ns <= at_ns &&
	       x->rows[low].freed_ns <= until_ns;
}
