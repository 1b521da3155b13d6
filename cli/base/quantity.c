#include "cli/base/quantity.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <strings.h>

struct unit {
	const char *name;
	double factor;
};

static const struct unit times[] = {
	{"", 1e9},   {"s", 1e9},   {"ms", 1e6},	   {"us", 1e3},	   {"ns", 1},
	{"m", 60e9}, {"min", 60e9}, {"h", 3600e9}, {NULL, 0},
};

static const struct unit sizes[] = {
	{"", 1},	 {"b", 1},	  {"k", 0x1p10},   {"kb", 0x1p10},
	{"kib", 0x1p10}, {"m", 0x1p20},	  {"mb", 0x1p20},  {"mib", 0x1p20},
	{"g", 0x1p30},	 {"gb", 0x1p30},  {"gib", 0x1p30}, {"t", 0x1p40},
	{"tb", 0x1p40},	 {"tib", 0x1p40}, {NULL, 0},
};

static int parse(const char *text, const struct unit *units, double most, uint64_t *ret)
{
	char *end;
	double n;

	/* strtod() would take "inf", "0x10" and a sign too. */
	if (!isdigit((unsigned char)*text) || (text[0] == '0' && (text[1] | 32) == 'x'))
		return -EINVAL;
	n = strtod(text, &end);
	end += *end == ' ' && end[1];
	for (const struct unit *u = units; u->name; u++)
		if (!strcasecmp(end, u->name)) {
			n *= u->factor;
			if (!(n <= most))
				return -EINVAL;
			/* 0.001048577 s has no exact double: its 1048577 ns have. */
			*ret = (uint64_t)(n < 0x1p52 ? n + 0.5 : n);
			return 0;
		}
	return -EINVAL;
}

int quantity_parse_duration(const char *text, uint64_t *ret_ns)
{
	return parse(text, times, 3.2e18, ret_ns);
}

int quantity_parse_size(const char *text, uint64_t *ret_bytes)
{
	return parse(text, sizes, 0x1p60, ret_bytes);
}
