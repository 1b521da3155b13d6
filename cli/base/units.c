#include "cli/base/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct units_text units_mib(int64_t bytes)
{
	struct units_text t;

	snprintf(t.text, sizeof(t.text), "%.1f MiB", (double)bytes / (1 << 20));
	if (!strcmp(t.text, "-0.0 MiB"))
		memmove(t.text, t.text + 1, strlen(t.text));
	return t;
}

struct units_text units_size(uint64_t bytes)
{
	static const char *const names[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	struct units_text t;
	double value = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		snprintf(t.text, sizeof(t.text), "%" PRIu64 " B", bytes);
		return t;
	}
	/* 1023.95 would read "1024.0": the next unit says it better. */
	while (value >= 1023.95 && unit + 1 < sizeof(names) / sizeof(names[0])) {
		value /= 1024;
		unit++;
	}
	snprintf(t.text, sizeof(t.text), "%.1f %s", value, names[unit]);
	return t;
}

struct units_text units_count(uint64_t count)
{
	struct units_text t;
	char digits[24];
	size_t len = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, count),
	       at = 0;

	for (size_t i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			t.text[at++] = ',';
		t.text[at++] = digits[i];
	}
	t.text[at] = '\0';
	return t;
}

struct units_text units_duration(uint64_t ns)
{
	struct units_text t;
	uint64_t seconds = ns / 1000000000 + (ns % 1000000000 >= 500000000);

	if (ns < 1000)
		snprintf(t.text, sizeof(t.text), "%" PRIu64 " ns", ns);
	else if (ns < 999950)
		snprintf(t.text, sizeof(t.text), "%.1f us", (double)ns / 1e3);
	else if (ns < 99950000)
		snprintf(t.text, sizeof(t.text), "%.1f ms", (double)ns / 1e6);
	else if (ns < 9999500000)
		snprintf(t.text, sizeof(t.text), "%.3f s", (double)ns / 1e9);
	else if (ns < 59950000000)
		snprintf(t.text, sizeof(t.text), "%.1f s", (double)ns / 1e9);
	else if (seconds < 3600)
		snprintf(t.text, sizeof(t.text), "%" PRIu64 " min %" PRIu64 " s",
			 seconds / 60, seconds % 60);
	else
		snprintf(t.text, sizeof(t.text), "%" PRIu64 " h %" PRIu64 " min",
			 seconds / 3600, seconds % 3600 / 60);
	return t;
}

struct units_text units_percent(uint64_t part, uint64_t whole)
{
	struct units_text t;

	snprintf(t.text, sizeof(t.text), "%.1f %%",
		 whole ? (double)part * 100 / (double)whole : 0.0);
	return t;
}
