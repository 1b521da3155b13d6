#include "cli/report/classes.h"

#include <inttypes.h>
#include <stdio.h>

uint64_t classes_low(unsigned class)
{
	return class ? 1ull << class : 0;
}

uint64_t classes_high(unsigned class)
{
	return class < 63 ? (2ull << class) - 1 : UINT64_MAX;
}

void classes_add(struct classes *c, const struct profile_class *items, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (items[i].log2 >= CLASSES)
			continue;
		c->count[items[i].log2] += items[i].count;
		c->total += items[i].count;
	}
}

static uint64_t times(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
	return b > UINT64_MAX - a ? UINT64_MAX : a + b;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static uint64_t least_of(const struct profile_class *k)
{
	return times(k->count, classes_low(k->log2));
}

static uint64_t most_of(const struct profile_class *k)
{
	return times(k->count, classes_high(k->log2));
}

void classes_bound(struct classes_bounds *b, const struct profile_class *items,
		   uint32_t n, uint64_t bytes)
{
	uint64_t least = 0;

	for (uint32_t i = 0; i < n; i++)
		least = plus(least, items[i].log2 < CLASSES ? least_of(&items[i]) : 0);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t low, high, others = 0;

		if (items[i].log2 >= CLASSES)
			continue;
		for (uint32_t k = 0; k < n; k++)
			if (k != i && items[k].log2 < CLASSES)
				others = plus(others, most_of(&items[k]));
		/* What the others can't have had is this one's. */
		low = less(bytes, others);
		low = low > least_of(&items[i]) ? low : least_of(&items[i]);
		high = less(bytes, least - least_of(&items[i]));
		high = high < most_of(&items[i]) ? high : most_of(&items[i]);
		b->least[items[i].log2] = plus(b->least[items[i].log2], low);
		b->most[items[i].log2] = plus(b->most[items[i].log2], high);
	}
}

unsigned classes_percentile(const struct classes *c, unsigned percent)
{
	uint64_t wanted = c->total / 100 * percent + (c->total % 100) * percent / 100;
	uint64_t seen = 0;
	unsigned last = 0;

	for (unsigned i = 0; i < CLASSES; i++) {
		seen += c->count[i];
		if (c->count[i])
			last = i;
		if (seen > wanted)
			return i;
	}
	return last;
}

struct units_text classes_sizes(unsigned class)
{
	static const char *const units[] = {"B",   "KiB", "MiB", "GiB",
					    "TiB", "PiB", "EiB"};
	struct units_text t;

	if (class < 1)
		snprintf(t.text, sizeof(t.text), "0 or 1 B");
	else if (class < 10)
		snprintf(t.text, sizeof(t.text), "%" PRIu64 " to %" PRIu64 " B",
			 classes_low(class), classes_high(class));
	else
		snprintf(t.text, sizeof(t.text), "%" PRIu64 " to %" PRIu64 " %s",
			 UINT64_C(1) << class % 10, UINT64_C(2) << class % 10,
			 units[class / 10]);
	return t;
}

struct units_text classes_times(unsigned class)
{
	struct units_text t;
	uint64_t high = class < 62 ? 2ull << class : 1ull << 63;

	snprintf(t.text, sizeof(t.text), "%.17s to %.17s",
		 units_duration(classes_low(class)).text, units_duration(high).text);
	return t;
}
