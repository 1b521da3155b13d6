#include "cli/cmd/slicing.h"

#include "cli/base/message.h"
#include "cli/base/quantity.h"
#include "cli/cmd/verb.h"

#include <errno.h>
#include <string.h>

enum { WORD = 256 };

const char *slicing_moment(struct slice_options *o, const char *value)
{
	static const char prefix[] = "snapshot:";
	const size_t len = sizeof(prefix) - 1;

	if (!strcmp(value, "peak"))
		o->moment = SLICE_AT_PEAK;
	else if (!strcmp(value, "end"))
		o->moment = SLICE_AT_END;
	else if (quantity_parse_duration(value, &o->at_ns) == 0)
		o->moment = SLICE_AT_TIME;
	else
		o->moment = SLICE_AT_SNAPSHOT;
	o->snapshot = strncmp(value, prefix, len) ? value : value + len;
	return *o->snapshot ? NULL
			    : "peak, end, a time since the start, or a snapshot's name";
}

/* "A..B", "A..", "..B": two numbers, each by parse(). An end that is not there leaves
 * what *low or *high is. */
static bool two(const char *value, int (*parse)(const char *, uint64_t *),
		uint64_t *low, uint64_t *high)
{
	const char *dots = strstr(value, "..");
	char from[32] = "";

	if (!dots || (size_t)(dots - value) >= sizeof(from) || strlen(value) == 2)
		return false;
	memcpy(from, value, (size_t)(dots - value));
	return (!*from || parse(from, low) == 0) &&
	       (!dots[2] || parse(dots + 2, high) == 0);
}

const char *slicing_range(struct slice_options *o, const char *value)
{
	o->from_ns = 0;
	o->to_ns = UINT64_MAX;
	if (!two(value, quantity_parse_duration, &o->from_ns, &o->to_ns))
		return "two times since the start: 1.5s..3s, 200ms.., ..1m";
	if (o->to_ns <= o->from_ns)
		return "the first time must be before the second";
	o->has_range = true;
	return NULL;
}

const char *slicing_sizes(struct slice_options *o, const char *value)
{
	o->low_bytes = 0;
	o->high_bytes = UINT64_MAX;
	if (!two(value, quantity_parse_size, &o->low_bytes, &o->high_bytes))
		return "two sizes: 1K..64K, 1M.., ..100";
	if (o->high_bytes <= o->low_bytes)
		return "the first size must be less than the second";
	o->has_sizes = true;
	return NULL;
}

const char *slicing_threads(struct slice_options *o, const char *value)
{
	o->threads = value;
	return *value ? NULL : "a thread's number, its name, or a pattern of names";
}

int slicing_cut(const struct slice_options *o, const struct reader_file *f,
		bool timeline)
{
	char why[WORD], clean[WORD];
	int err = timeline ? profile_slice_timeline(f->profile, o, why, sizeof(why))
			   : profile_slice(f->profile, o, why, sizeof(why));

	if (err == 0)
		return -1;
	text_clean(f->path, clean, sizeof(clean));
	if (err == -ENOMEM)
		message_error("out of memory");
	else
		message_error("%s: %s", clean, why);
	if (err == -ENODATA)
		message_help("it can be shown as a whole");
	else if (err == -ERANGE)
		message_help("`heapline timeline` shows what was when");
	else if (err == -ESRCH)
		message_help("`heapline info` lists the threads");
	else if (err == -ENXIO)
		message_help(
			"a moment is peak, end, a time since the start as 1.5s, or "
			"the name or number of a snapshot");
	else if (err == -EINVAL)
		message_help("ask for one at a time");
	return err == -ENOMEM ? VERB_FAILED : VERB_USAGE;
}
