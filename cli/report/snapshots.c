#include "cli/report/snapshots.h"

#include "cli/base/units.h"
#include "cli/report/text.h"

static const char *const kinds[PROFILE_SCANS] = {
	[PROFILE_AT_EXIT] = "at-exit",	     [PROFILE_ASKED] = "asked",
	[PROFILE_BY_PROGRAM] = "by-program", [PROFILE_LEAK_CHECK] = "leak-check",
	[PROFILE_SCHEDULED] = "scheduled",
};

static int32_t pid_of(const struct profile *p, uint32_t serial)
{
	for (size_t i = 0; i < p->process_count; i++)
		if (p->processes[i].serial == serial)
			return p->processes[i].pid;
	return 0;
}

static void put_one(const struct profile *p, size_t i, FILE *out)
{
	const struct profile_snapshot *s = &p->snapshots[i];
	const char *name = strings_get(&p->strings, s->name);

	fprintf(out, "  %4zu  %8d  %10s  ", i + 1, (int)pid_of(p, s->process_serial),
		units_duration(s->at_ns).text);
	if (s->cause) {
		fputs("not scanned: ", out);
		text_put(out, strings_get(&p->strings, s->cause));
	} else {
		fprintf(out, "%10s blocks, %10s", units_count(s->blocks).text,
			units_size(s->bytes).text);
		fprintf(out, ", stood still for %s", units_duration(s->pause_ns).text);
	}
	if (*name || s->kind == PROFILE_AT_EXIT) {
		fputs("  ", out);
		text_put(out, *name ? name : "(at its end)");
	}
	fputc('\n', out);
}

void snapshots_text(const struct profile *p, size_t limit, FILE *out)
{
	for (size_t i = 0; i < p->snapshot_count && i < limit; i++)
		put_one(p, i, out);
}

void snapshots_json(const struct profile *p, struct json *j)
{
	json_key(j, "snapshots");
	json_array(j);
	for (size_t i = 0; i < p->snapshot_count; i++) {
		const struct profile_snapshot *s = &p->snapshots[i];

		json_object(j);
		json_put_unsigned(j, "number", i + 1);
		json_put_string(j, "name", strings_get(&p->strings, s->name));
		json_put_string(j, "kind", kinds[s->kind]);
		json_put_unsigned(j, "process_serial", s->process_serial);
		json_key(j, "cause");
		if (s->cause)
			json_string(j, strings_get(&p->strings, s->cause));
		else
			json_null(j);
		json_put_unsigned(j, "at_ns", s->at_ns);
		json_put_unsigned(j, "blocks", s->blocks);
		json_put_unsigned(j, "bytes", s->bytes);
		json_put_unsigned(j, "edges", s->edges);
		json_put_unsigned(j, "roots", s->roots);
		json_put_unsigned(j, "pause_ns", s->pause_ns);
		json_put_unsigned(j, "scan_ns", s->scan_ns);
		json_close(j);
	}
	json_close(j);
}
