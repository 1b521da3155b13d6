#include "cli/cmd/gate_words.h"

#include "cli/base/message.h"
#include "cli/base/units.h"
#include "cli/report/text.h"

#include <stdio.h>

enum { LISTED = 10 }; /* of rules that hid nothing */

struct place {
	char text[400];
};

/* "FILE:LINE: name" */
static struct place place_of(const struct suppress_rule *r)
{
	struct place place;
	char file[128], name[128];

	snprintf(place.text, sizeof(place.text), "%s:%u: suppression %s%s%s",
		 text_clean(r->file, file, sizeof(file)), r->line, *r->name ? "'" : "",
		 text_clean(r->name, name, sizeof(name)), *r->name ? "' " : "");
	return place;
}

static void say_idle(const struct suppress_rule *r)
{
	if (r->expired)
		message_note("%sexpired on %04u-%02u-%02u; %s bytes in %s blocks are "
			     "no longer hidden",
			     place_of(r).text, r->expires / 10000,
			     r->expires / 100 % 100, r->expires % 100,
			     units_count(r->bytes).text, units_count(r->blocks).text);
	else
		message_note("%sis for less than the %s bytes in %s blocks that match, "
			     "and hides nothing",
			     place_of(r).text, units_count(r->bytes).text,
			     units_count(r->blocks).text);
}

static void say_unused(const struct suppress *s, bool fail)
{
	size_t unused = suppress_unused(s), listed = 0;

	for (size_t i = 0; i < s->count && listed < LISTED; i++) {
		const struct suppress_rule *r = &s->rules[i];

		if (r->builtin || r->findings)
			continue;
		listed++;
		if (fail)
			message_error("%shid nothing", place_of(r).text);
		else
			message_note("%shid nothing", place_of(r).text);
	}
	if (unused > listed && fail)
		message_error("%zu more suppressions hid nothing", unused - listed);
	else if (unused > listed)
		message_note("%zu more suppressions hid nothing", unused - listed);
}

void gate_say_rules(const struct suppress *s, bool unused_fail)
{
	uint64_t blocks = 0, bytes = 0;
	size_t rules = 0;

	for (size_t i = 0; i < s->count; i++) {
		const struct suppress_rule *r = &s->rules[i];

		if (r->expired || r->exceeded) {
			say_idle(r);
		} else if (r->findings && !r->builtin) {
			rules++;
			blocks += r->blocks;
			bytes += r->bytes;
		}
	}
	if (rules)
		message_note("suppressed: %s bytes in %s blocks, by %zu %s",
			     units_count(bytes).text, units_count(blocks).text, rules,
			     rules == 1 ? "rule" : "rules");
	say_unused(s, unused_fail);
}

void gate_say_baseline(const char *path, const struct baseline *was,
		       const struct baseline *now)
{
	struct baseline_sum sum = baseline_sum(was, now);
	char clean[256];

	message_note("beside %s: %zu new, %zu grown, %zu unchanged, %zu fixed",
		     text_clean(path, clean, sizeof(clean)), sum.states[BASELINE_NEW],
		     sum.states[BASELINE_GROWN], sum.states[BASELINE_UNCHANGED],
		     sum.states[BASELINE_FIXED]);
	if (sum.states[BASELINE_FIXED] || sum.shrunk)
		message_note(
			"--update-baseline=shrink keeps what is mended from coming "
			"back");
}
