#include "cli/cmd/schedule_words.h"

#include "cli/base/quantity.h"

#include <string.h>

#define EVERY_LEAST_NS 100000000u

const char *schedule_words_add(struct control_schedule *s, bool every, const char *value)
{
	static const char peak[] = "peak>";
	uint64_t ns;

	if (!every && !strncmp(value, peak, sizeof(peak) - 1))
		return quantity_parse_size(value + sizeof(peak) - 1, &s->peak_bytes) ||
				       !s->peak_bytes
			       ? "write 'peak>' and bytes, or a number with K, M or G: "
				 "'peak>100M'"
			       : NULL;
	if (quantity_parse_duration(value, &ns) || !ns)
		return every ? "write seconds, or a number with ms, s, m or h: 10s"
			     : "write seconds, or a number with ms, s, m or h: 30s; or "
			       "'peak>100M'";
	if (every && ns < EVERY_LEAST_NS)
		return "write 100ms or more";
	*(every ? &s->every_ns : &s->at_ns) = ns;
	return NULL;
}
