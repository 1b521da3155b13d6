/*
 * cmd_leaks.c - heapline leaks [OPTIONS] [PROFILE]
 */
#include "cli/base/message.h"
#include "cli/base/quantity.h"
#include "cli/cmd/gate.h"
#include "cli/cmd/graph.h"
#include "cli/cmd/verb.h"
#include "cli/export/lsan.h"
#include "cli/export/valgrind.h"
#include "cli/report/leaks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum option { KIND, LEAST, SINCE, MODULE, FORMAT, SNAPSHOT, GATE };

enum format { TEXT, LSAN, VALGRIND };

static const struct option_spec options[] = {
	[KIND] = {.name = "kind",
		  .argument = "KIND",
		  .help = "these, apart by commas, or all",
		  .words = LEAKS_KIND_WORDS},
	[LEAST] = {.name = "min",
		   .argument = "SIZE",
		   .help = "only those of that size, with what they hold"},
	[SINCE] = {.name = "since",
		   .argument = "NAME",
		   .help = "only blocks allocated since that snapshot (or its number)"},
	[MODULE] = {.name = "module",
		    .argument = "GLOB",
		    .help = "only those that code of such a module allocated"},
	[FORMAT] = {.name = "format",
		    .argument = "FORMAT",
		    .help = "text; lsan or valgrind-xml, as those tools write it",
		    .words = "text lsan valgrind-xml"},
	[SNAPSHOT] = GRAPH_SNAPSHOT,
	GATE_SHARED_ROWS((int)GATE),
	{0},
};

struct own {
	struct leaks_options options;
	enum format format;
	const char *since, *snapshot;
	struct gate gate;
};

static bool parse_format(const char *word, enum format *ret)
{
	static const char *const words[] = {"text", "lsan", "valgrind-xml"};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(word, words[i])) {
			*ret = (enum format)i;
			return true;
		}
	return false;
}

static const char *take(void *own, size_t i, const char *value)
{
	struct own *o = own;

	if (i >= GATE)
		return gate_take(&o->gate, (enum gate_option)(i - GATE), value);
	switch ((enum option)i) {
	case KIND:
		return leaks_parse_kinds(value, &o->options.kinds) ? NULL
								   : LEAKS_KIND_LIST;
	case LEAST:
		return quantity_parse_size(value, &o->options.least)
			       ? "write bytes, or a number with K, M or G"
			       : NULL;
	case SINCE:
		o->since = value;
		break;
	case MODULE:
		o->options.module = value;
		break;
	case FORMAT:
		return parse_format(value, &o->format) ? NULL
						       : "text, lsan or valgrind-xml";
	case SNAPSHOT:
		o->snapshot = value;
		break;
	case GATE:
		break;
	}
	return NULL;
}

const struct reader_spec leaks_spec = {
	.verb = "leaks",
	.about = "Shows blocks that were never freed and that nothing holds any more, "
		 "the worst first, by\nthe code that allocated them. Of `heapline run "
		 "--snapshot-at-exit` or `heapline snapshot`.",
	.options = options,
	.take = take,
	.counts = "leaks (20; of JSON all)",
	.lacks = "tazT",
	.uncut = ": a leak is judged at the moment of a snapshot, which --snapshot "
		 "chooses; --since leaves what is new",
};

/* The last snapshot of that name or number; of those that are no ground for a verdict,
 * if `flawed`. NULL: there is none. */
static const struct profile_snapshot *find_snapshot(const struct profile *p,
						    const char *name, bool flawed)
{
	char number[24];

	for (size_t i = p->snapshot_count; name && i-- > 0;) {
		const struct profile_snapshot *s = &p->snapshots[i];

		snprintf(number, sizeof(number), "%zu", i + 1);
		if (strcmp(name, number) != 0 &&
		    (!*name || strcmp(name, strings_get(&p->strings, s->name)) != 0))
			continue;
		if (!flawed || findings_flaw(p, s))
			return s;
	}
	return NULL;
}

/* The moment of a snapshot, by name or number. False: there is none. */
static bool moment_of(const struct profile *p, const char *name, uint64_t *ret)
{
	const struct profile_snapshot *s = find_snapshot(p, name, false);

	if (s)
		*ret = s->at_ns;
	return s;
}

/* Index of the one process that has something to list, or of the first of all.
 * -E2BIG: there are several. */
static int one_process(const struct leaks *l, uint32_t *ret)
{
	*ret = l->count ? l->findings->items[l->shown[0]].process : 0;
	for (size_t i = 0; i < l->profile->process_count && !l->count; i++)
		if (l->profile->processes[i].pid == l->options->scope.pid)
			*ret = (uint32_t)i;
	for (size_t i = 0; i < l->count; i++)
		if (l->findings->items[l->shown[i]].process != *ret)
			return -E2BIG;
	return l->profile->process_count ? 0 : -ENODATA;
}

static int write_xml(const struct leaks *l, FILE *out)
{
	uint32_t process;
	int r = one_process(l, &process);

	if (!r)
		valgrind_xml(l, process, out);
	return r;
}

static int write_leaks(struct reader *r, const struct own *own, struct leaks *l)
{
	if (r->json)
		return leaks_json(l, r->out);
	if (own->format == VALGRIND)
		return write_xml(l, r->out);
	if (own->format == TEXT)
		return leaks_text(l, r->out);
	return lsan_text(l, r->out);
}

static int report(struct reader *r, struct own *own,
		  const struct findings_options *find)
{
	struct findings f;
	struct leaks l = {.snapshot = FINDING_NONE};
	int result = gate_find(&own->gate, r->profile, find, &f);

	if (!result)
		result = leaks_open(&l, r->profile, &f, &own->options);
	if (!result)
		result = write_leaks(r, own, &l);
	leaks_done(&l);
	findings_done(&f);
	return result;
}

static int no_snapshot(struct reader *r, const char *name)
{
	const struct profile_snapshot *s = find_snapshot(r->profile, name, true);
	const char *why = s ? findings_flaw(r->profile, s) : NULL;
	char clean[128], cause[256];

	text_clean(name ? name : "", clean, sizeof(clean));
	text_clean(why ? why : "", cause, sizeof(cause));
	if (!why)
		message_error("no such process, or no snapshot that can be read: %s",
			      clean);
	else if (s->running)
		message_error("snapshot %s says nothing of leaks: %s (%u of %u)", clean,
			      cause, s->running, s->threads);
	else
		message_error("snapshot %s says nothing of leaks: %s", clean, cause);
	if (why && findings_remedy(why))
		message_help("%s", findings_remedy(why));
	else
		message_help("`heapline info` lists what is in a profile");
	reader_close(r, 0);
	return VERB_UNREADABLE;
}

static int run(struct own *own, int argc, char **argv)
{
	struct findings_options find = {.young_ns = FINDINGS_YOUNG_NS};
	struct reader r;
	int status;

	if (!reader_open(&r, &leaks_spec, argc, argv, own, &status))
		return status;
	own->options.scope = r.scope;
	own->options.path = find.path = r.path;
	own->options.limit = r.limit;
	own->options.bytes = r.bytes;
	own->options.colour = r.colour;
	find.pid = r.scope.pid;
	find.domain = r.scope.domain;
	find.snapshot = own->snapshot;
	find.unlisted = ~leaks_kinds(own->options.kinds);
	if (own->since && !moment_of(r.profile, own->since, &find.since_ns))
		return no_snapshot(&r, own->since);
	status = gate_load(&own->gate);
	if (status >= 0) {
		reader_close(&r, 0);
		return status;
	}
	status = report(&r, own, &find);
	if (status == -ENODATA)
		return no_snapshot(&r, own->snapshot);
	if (status == -E2BIG) {
		reader_close(&r, 0);
		message_error("several processes have leaks, and a document of "
			      "Valgrind's is of one");
		message_help("choose one with --process PID");
		return VERB_USAGE;
	}
	if (status == -EBADMSG || status == -ESPIPE) {
		reader_close(&r, 0);
		return graph_say(status);
	}
	return reader_close(&r, status);
}

int cmd_leaks(int argc, char **argv)
{
	struct own own = {0};
	int status;

	gate_init(&own.gate);
	status = run(&own, argc, argv);
	gate_done(&own.gate);
	return status;
}
