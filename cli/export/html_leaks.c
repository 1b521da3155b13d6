#include "cli/export/html_leaks.h"

#include "cli/profile/totals.h"
#include "cli/report/growing.h"
#include "cli/report/leaks.h"

#include <errno.h>

enum { WINDOWS = 6, WARM_UP = 1 }; /* as `watch` has them */

/* One document, if there is something of that kind. */
static int put_kind(const struct profile *p, const struct findings *f, const char *path,
		    enum profile_domain domain, enum leak_kind kind, size_t most,
		    FILE *out)
{
	const struct leaks_options o = {.scope.domain = domain,
					.path = path,
					.kinds = 1u << kind,
					.limit = most};
	struct leaks l;
	int r = leaks_open(&l, p, f, &o);

	if (!r && (l.count || kind == LEAK_DEFINITE)) {
		if (kind != LEAK_DEFINITE)
			fputc(',', out);
		r = leaks_json(&l, out);
	}
	leaks_done(&l);
	return r;
}

int html_leaks_json(const struct profile *p, const struct findings *f, const char *path,
		    enum profile_domain domain, size_t most, FILE *out)
{
	int r = 0;

	fputc('[', out);
	for (int k = 0; k < LEAK_KINDS && !r; k++)
		r = put_kind(p, f, path, domain, (enum leak_kind)k, most, out);
	fputs("]\n", out);
	return r;
}

int html_growing_json(const struct profile *p, FILE *out)
{
	const struct growing_options o = {.skip = WARM_UP, .limit = HTML_LEAKS};
	struct growth g = {0};
	int r = -ENODATA;

	if (!profile_lost_events(p))
		r = growth_init(&g, WINDOWS);
	if (!r)
		r = growth_of(&g, p, NULL);
	if (!r)
		r = growing_json(&g, growth_judge(&g, o.skip, o.allowed), p, &o, out);
	else if (r != -ENOMEM) {
		fputs("null\n", out);
		r = 0;
	}
	growth_done(&g);
	return r;
}
