#include "cli/base/duration.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	double ns;
} units[] = {{"", 1e9},	  {"s", 1e9},	 {"ms", 1e6},	{"us", 1e3},
	     {"ns", 1.0}, {"m", 60e9}, {"min", 60e9}, {"h", 3600e9}};

int duration_parse(const char *text, uint64_t *ret_ns)
{
	char *end;
	double n;

	/* strtod() would take "inf", "0x10" and a sign too. */
	if (!isdigit((unsigned char)*text) || (text[0] == '0' && (text[1] | 32) == 'x'))
		return -EINVAL;
	n = strtod(text, &end);
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (!strcmp(end, units[i].name)) {
			n *= units[i].ns;
			if (!(n <= 3.2e18))
				return -EINVAL;
			*ret_ns = (uint64_t)n;
			return 0;
		}
	return -EINVAL;
}
