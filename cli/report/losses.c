#include "cli/report/losses.h"

#include "cli/base/units.h"
#include "cli/profile/totals.h"
#include "cli/report/estimate.h"
#include "cli/report/python.h"
#include "cli/report/text.h"
#include "cli/report/unfollowed.h"

#include <stdarg.h>
#include <string.h>

static void __attribute__((format(printf, 3, 4)))
warn(bool colour, FILE *out, const char *format, ...)
{
	va_list args;

	text_style(out, colour, TEXT_WARNING);
	fputs("WARNING: ", out);
	va_start(args, format);
	vfprintf(out, format, args);
	va_end(args);
	text_style(out, colour, TEXT_PLAIN);
	fputc('\n', out);
}

void losses_text(const struct profile *p, bool colour, FILE *out)
{
	uint64_t lost = profile_lost_events(p);
	char why[512];

	estimate_text(p, colour, out);
	if (lost)
		warn(colour, out,
		     "%s events were lost%s. Every figure may be too low, or a free be "
		     "missing.",
		     units_count(lost).text,
		     p->lossy ? " (recorded with --lossy)" : "");
	if (p->lost_no_ring)
		warn(colour, out,
		     "%s of them: more threads ran at once than can be recorded.",
		     units_count(p->lost_no_ring).text);
	if (*strings_get(&p->strings, p->stopped))
		warn(colour, out, "recording ended before the program did: %s.",
		     text_clean(strings_get(&p->strings, p->stopped), why,
				sizeof(why)));
	if (!p->complete)
		warn(colour, out,
		     "the profile is incomplete: it holds what was written until its "
		     "collector ended,\nor until now if that goes on (`heapline ps` "
		     "lists it); what came after is missing.");
	if (p->write_error)
		warn(colour, out, "the profile could not be written in full: %s.",
		     strerror(p->write_error < 0 ? -p->write_error : p->write_error));
	if (p->cut_stacks)
		warn(colour, out,
		     "%s stacks were cut: there were more than are kept%s.",
		     units_count(p->cut_stacks).text,
		     p->process_count > 1
			     ? " (`heapline run --by-program` or `--only` needs fewer)"
			     : "");
	if (!p->symbolised)
		warn(colour, out, "names of functions and lines were not resolved.");
	python_text(p, colour, out);
	unfollowed_text(p, colour, out);
}

void losses_json(const struct profile *p, struct json *j)
{
	json_key(j, "losses");
	json_object(j);
	json_put_unsigned(j, "events", profile_lost_events(p));
	json_put_unsigned(j, "no_ring", p->lost_no_ring);
	json_put_unsigned(j, "cut_stacks", p->cut_stacks);
	json_put_bool(j, "complete", p->complete);
	json_put_string(j, "stopped", strings_get(&p->strings, p->stopped));
	json_close(j);
	estimate_json(p, j);
}
