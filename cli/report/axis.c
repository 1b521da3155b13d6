#include "cli/report/axis.h"

#include <stddef.h>

static uint64_t least_step(uint64_t length, unsigned most)
{
	return length / most + (length % most != 0);
}

/* The least of 1, 2, 5, 10, ... times unit that is at least `step`, or 0 if that is
 * `end` units or more. */
static uint64_t round_up(uint64_t step, uint64_t unit, uint64_t end)
{
	static const uint64_t digits[] = {1, 2, 5};

	for (uint64_t ten = 1; ten < end; ten *= 10)
		for (size_t i = 0; i < 3; i++)
			if (digits[i] * ten < end && digits[i] * ten * unit >= step)
				return digits[i] * ten * unit;
	return 0;
}

uint64_t axis_time_step(uint64_t ns, unsigned most)
{
	static const uint64_t seconds[] = {60,	 120,  300,   600,   900,   1800,
					   3600, 7200, 10800, 21600, 43200, 86400};
	const uint64_t second = 1000000000;
	uint64_t step = least_step(ns, most), found = round_up(step, 1, 60 * second);

	if (found)
		return found;
	for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++)
		if (seconds[i] * second >= step)
			return seconds[i] * second;
	found = round_up(step, 86400 * second, 100000);
	return found ? found : step;
}

uint64_t axis_bytes_step(uint64_t bytes, unsigned most)
{
	uint64_t step = least_step(bytes, most);

	for (unsigned shift = 0; shift <= 50; shift += 10) {
		uint64_t found = round_up(step, 1ull << shift, 1000);

		if (found)
			return found;
	}
	return step;
}

uint64_t axis_count_step(uint64_t count, unsigned most)
{
	uint64_t step = least_step(count, most);
	uint64_t found = round_up(step, 1, 1000000000000000000ull);

	return found ? found : step ? step : 1;
}
