#include "cli/report/memory.h"

#include "cli/base/units.h"
#include "cli/report/text.h"

#include <inttypes.h>
#include <string.h>

enum { NEAR = 128 << 10 }; /* bytes that are no difference */

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

struct memory_parts memory_parts(const struct profile_memory *m)
{
	struct memory_parts p = {
		.live = m->live_bytes,
		.has_heap = m->system_bytes != 0,
		.has_rss = m->rss_bytes != 0,
		.files = m->rss_files,
		.stack = m->rss_stack,
		.shared = m->rss_shared,
		.own = m->rss_own,
	};
	uint64_t heap;

	if (p.has_heap) {
		p.slack = less(m->used_bytes, m->live_bytes);
		p.free = less(m->system_bytes, m->used_bytes);
	}
	heap = p.live + p.slack + p.free;
	if (p.has_rss && heap <= INT64_MAX && m->rss_anonymous <= INT64_MAX)
		p.rest = (int64_t)m->rss_anonymous - (int64_t)heap;
	return p;
}

/* ---- text ------------------------------------------------------------------ */

struct table {
	struct memory_parts parts[PROFILE_MOMENTS];
	const struct profile_process *process;
	bool bytes;
	FILE *out;
};

static bool is_known(const struct memory_parts *p)
{
	return p->has_heap || p->has_rss;
}

static uint64_t live_at_end(const struct profile_process *p)
{
	return p->domain[PROFILE_MALLOC].allocated_bytes -
	       p->domain[PROFILE_MALLOC].freed_bytes + p->inherited.bytes -
	       p->inherited_freed.bytes;
}

/* What was asked when a fifth more or less was live than at the moment wanted says
 * nothing of it. */
static struct memory_parts parts_of(const struct profile_process *p, int moment)
{
	const struct profile_memory *m = &p->memory[moment];
	uint64_t peak = p->domain[PROFILE_MALLOC].peak.bytes;
	uint64_t wanted = moment == PROFILE_AT_PEAK ? peak : live_at_end(p);
	uint64_t off = wanted > m->live_bytes ? wanted - m->live_bytes
					      : m->live_bytes - wanted;

	if (moment == PROFILE_AT_PEAK && m->live_bytes > wanted)
		off = 0; /* inherited blocks */
	return off > wanted / 5 && off > NEAR ? (struct memory_parts){0}
					      : memory_parts(m);
}

static struct units_text size(const struct table *t, uint64_t bytes)
{
	return t->bytes ? units_count(bytes) : units_size(bytes);
}

enum part { LIVE, SLACK, FREE, FILES, STACK, SHARED, OWN, REST, RSS, PARTS };

/* The text of a part at a moment; "-" where it is not known. */
static struct units_text value(const struct table *t, enum part part, int moment)
{
	const struct memory_parts *p = &t->parts[moment];
	const struct profile_memory *m = &t->process->memory[moment];
	bool heap = part == SLACK || part == FREE;
	struct units_text minus = {"-"};

	if (!is_known(p) || (heap && !p->has_heap) || (part >= FILES && !p->has_rss))
		return minus;
	switch (part) {
	case LIVE:
		return size(t, p->live);
	case SLACK:
		return size(t, p->slack);
	case FREE:
		return size(t, p->free);
	case FILES:
		return size(t, p->files);
	case STACK:
		return size(t, p->stack);
	case SHARED:
		return size(t, p->shared);
	case OWN:
		return size(t, p->own);
	case REST:
		if (p->rest >= 0)
			return size(t, (uint64_t)p->rest);
		snprintf(minus.text, sizeof(minus.text), "-%.*s",
			 (int)sizeof(minus.text) - 2, size(t, (uint64_t)-p->rest).text);
		return minus;
	default:
		return size(t, m->rss_bytes);
	}
}

static void put_row(const struct table *t, enum part part, const char *name,
		    const char *what)
{
	fprintf(t->out, "  %-12s %14s %14s  %s\n", name,
		value(t, part, PROFILE_AT_PEAK).text,
		value(t, part, PROFILE_AT_END).text, what);
}

/* When a column's figures are of, and how much of the peak was live then. */
static void put_moment(const struct table *t, int moment, const char *name)
{
	const struct profile_memory *m = &t->process->memory[moment];
	uint64_t peak = t->process->domain[PROFILE_MALLOC].peak.bytes;

	if (!is_known(&t->parts[moment]))
		return;
	fprintf(t->out, "  %s: %s after the start", name,
		units_duration(m->at_ns).text);
	if (peak) /* of one that is counted with others it is not known */
		fprintf(t->out, ", %s of the peak live",
			units_percent(m->live_bytes, peak).text);
	if (m->rss_bytes && m->rss_at_ns != m->at_ns)
		fprintf(t->out, "; the kernel's figures are of %s",
			units_duration(m->rss_at_ns).text);
	fputc('\n', t->out);
}

void memory_text(const struct profile_process *p, bool bytes, bool colour, FILE *out)
{
	struct table t = {.process = p, .bytes = bytes, .out = out};
	bool shared = false;

	for (int m = 0; m < PROFILE_MOMENTS; m++) {
		t.parts[m] = parts_of(p, m);
		shared |= t.parts[m].shared != 0;
	}
	if (!is_known(&t.parts[PROFILE_AT_PEAK]) && !is_known(&t.parts[PROFILE_AT_END]))
		return;
	fputc('\n', out);
	text_style(out, colour, TEXT_BOLD);
	fprintf(out, "Where the memory was, of process %" PRId32, p->pid);
	text_style(out, colour, TEXT_PLAIN);
	fprintf(out, "\n  %-12s %14s %14s\n", "", "near the peak", "at the end");
	put_row(&t, LIVE, "live", "blocks in use, as requested");
	put_row(&t, SLACK, "slack",
		"what the allocator adds: rounding, headers, caches");
	put_row(&t, FREE, "free", "what the allocator keeps for later");
	put_row(&t, FILES, "files", "code and data of the program and its libraries");
	put_row(&t, STACK, "stack", "the main thread's");
	if (shared)
		put_row(&t, SHARED, "shared", "shared memory");
	put_row(&t, OWN, "heapline", "its own");
	put_row(&t, REST, "other",
		"anonymous memory beside; negative: of the above, never touched");
	put_row(&t, RSS, "= RSS", "resident, as the kernel says");
	put_moment(&t, PROFILE_AT_PEAK, "near the peak");
	put_moment(&t, PROFILE_AT_END, "at the end");
	if (!is_known(&t.parts[PROFILE_AT_PEAK]))
		fputs("  near the peak: there was no time to ask\n", out);
	if (!is_known(&t.parts[PROFILE_AT_END]))
		fputs("  at the end: there was no time to ask\n", out);
	if (!t.parts[PROFILE_AT_PEAK].has_heap && !t.parts[PROFILE_AT_END].has_heap)
		fputs("  the allocator does not tell what it keeps\n", out);
}

/* ---- JSON ------------------------------------------------------------------ */

static void json_moment(const struct profile_process *process, int moment,
			struct json *j)
{
	const struct profile_memory *m = &process->memory[moment];
	struct memory_parts p = parts_of(process, moment);

	if (!is_known(&p)) {
		json_null(j);
		return;
	}
	json_object(j);
	json_put_unsigned(j, "at_ns", m->at_ns);
	json_put_unsigned(j, "live_bytes", p.live);
	if (p.has_heap) {
		json_put_unsigned(j, "slack_bytes", p.slack);
		json_put_unsigned(j, "free_bytes", p.free);
	}
	if (p.has_rss) {
		json_put_unsigned(j, "rss_at_ns", m->rss_at_ns);
		json_put_unsigned(j, "rss_bytes", m->rss_bytes);
		json_put_unsigned(j, "files_bytes", p.files);
		json_put_unsigned(j, "stack_bytes", p.stack);
		json_put_unsigned(j, "shared_bytes", p.shared);
		json_put_unsigned(j, "heapline_bytes", p.own);
		json_key(j, "other_bytes");
		json_signed(j, p.rest);
	}
	json_close(j);
}

void memory_json(const struct profile_process *p, struct json *j)
{
	json_key(j, "memory");
	json_object(j);
	json_key(j, "peak");
	json_moment(p, PROFILE_AT_PEAK, j);
	json_key(j, "end");
	json_moment(p, PROFILE_AT_END, j);
	json_close(j);
}
