#include "cli/report/info.h"

#include "cli/base/cleanup.h"
#include "cli/base/json.h"
#include "cli/base/units.h"
#include "cli/profile/totals.h"
#include "cli/report/ending.h"
#include "cli/report/frames.h"
#include "cli/report/losses.h"
#include "cli/report/python.h"
#include "cli/report/snapshots.h"
#include "cli/report/text.h"
#include "cli/report/unfollowed.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

/* ---- figures ----------------------------------------------------------------- */

static void note_frame(const struct profile *p, struct info *info,
		       struct frames_owners *owners, const struct frames_frame *f,
		       struct info_module *module)
{
	if (!f->code)
		return;
	module->named += *strings_get(&p->strings, f->code->function) != '\0';
	module->lined += f->code->line != 0;
	if (!f->code->file || f->code->file >= p->strings.count)
		return;
	info->files[f->code->file] |= INFO_FILE_NAMED;
	if (frames_whose(owners, f) == FRAMES_OWN)
		info->files[f->code->file] |= INFO_FILE_OWN;
}

/* The frames of one node; the module's figures count the node once, by the innermost.
 */
static void note_node(const struct profile *p, struct info *info,
		      struct frames_owners *owners, uint32_t node)
{
	const struct profile_stack *s = &p->stacks[node];
	struct info_module *module = &info->modules[s->module];
	struct frames_walk walk = frames_of(p, node);
	struct info_module ignored = {0};
	struct frames_frame f;
	bool first = true;

	if (s->flags & PROFILE_STACK_CUT)
		return;
	module->nodes++;
	while (walk.stack == node && frames_next(&walk, &f)) {
		note_frame(p, info, owners, &f, first ? module : &ignored);
		first = false;
	}
}

static void note_files(const struct profile *p, struct info *info)
{
	for (size_t i = 0; i < p->source_count; i++) {
		const struct profile_source *s = &p->sources[i];

		info->source_bytes += strlen(strings_get(&p->strings, s->text));
		if (s->file < p->strings.count)
			info->files[s->file] |= INFO_FILE_EMBEDDED;
	}
	for (size_t i = 0; i < p->strings.count; i++) {
		unsigned char file = info->files[i];

		info->embedded += (file & INFO_FILE_EMBEDDED) != 0;
		if (!(file & INFO_FILE_NAMED) || file & INFO_FILE_EMBEDDED)
			continue;
		info->missing += (file & INFO_FILE_OWN) != 0;
		info->outside += !(file & INFO_FILE_OWN);
	}
}

int info_of(const struct profile *p, struct info *ret)
{
	struct frames_owners *owners = frames_owners_open(p);

	*ret = (struct info){
		.modules = calloc(p->module_count + 1, sizeof(*ret->modules)),
		.files = calloc(p->strings.count + 1, 1),
	};
	if (!owners || !ret->modules || !ret->files) {
		frames_owners_close(owners);
		return -ENOMEM;
	}
	for (uint32_t i = 1; i < p->stack_count; i++)
		if (p->stacks[i].module <= p->module_count)
			note_node(p, ret, owners, i);
	note_files(p, ret);
	frames_owners_close(owners);
	return 0;
}

void info_done(struct info *info)
{
	free(info->modules);
	free(info->files);
	*info = (struct info){0};
}

/* Where a module's names are from, as far as a profile tells. */
static const char *symbols_of(const struct info_module *m)
{
	if (!m->nodes)
		return "not on any stack";
	if (m->lined)
		return "debug information";
	return m->named ? "symbol table" : "none";
}

/* ---- text ---------------------------------------------------------------------- */

struct page {
	const struct profile *profile;
	const struct info_options *options;
	const struct info *info;
	FILE *out;
	size_t limit;
};

static const char *string(const struct page *page, uint32_t number)
{
	return strings_get(&page->profile->strings, number);
}

static void put_title(const struct page *page, const char *title)
{
	fputc('\n', page->out);
	text_style(page->out, page->options->colour, TEXT_BOLD);
	fputs(title, page->out);
	text_style(page->out, page->options->colour, TEXT_PLAIN);
	fputc('\n', page->out);
}

static struct units_text size(const struct page *page, uint64_t bytes)
{
	return page->options->bytes ? units_count(bytes) : units_size(bytes);
}

static void put_more(const struct page *page, size_t count)
{
	if (count > page->limit)
		fprintf(page->out, "  %zu more: -n COUNT shows more of them\n",
			count - page->limit);
}

static void put_word(const struct page *page, const char *name, const char *text)
{
	fprintf(page->out, "  %-12s ", name);
	text_put(page->out, *text ? text : "unknown");
	fputc('\n', page->out);
}

static void put_when(const struct page *page)
{
	const struct profile *p = page->profile;
	time_t at = (time_t)(p->start_unix_ns / 1000000000);
	char when[64] = "at an unknown time";
	struct tm tm;

	if (p->start_unix_ns && localtime_r(&at, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S %z", &tm);
	fprintf(page->out, "  %-12s %s, for %s\n", "recorded", when,
		units_duration(p->wall_ns).text);
}

static uint64_t held_back(const struct profile *p)
{
	uint64_t ns = 0;

	for (size_t i = 0; i < p->process_count; i++)
		ns += p->processes[i].held_back_ns;
	return ns;
}

/* By what --time, --size and --thread can cut it. */
static void put_cuts(const struct page *page)
{
	static const struct {
		unsigned dimension;
		const char *name;
	} all[] = {{PROFILE_TIMES, "time"},
		   {PROFILE_SIZES, "size"},
		   {PROFILE_OWNERS, "thread"}};
	const char *before = "can be cut by ";

	fprintf(page->out, "  %-12s ", "parts");
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (!(page->profile->dimensions & all[i].dimension))
			continue;
		fprintf(page->out, "%s%s", before, all[i].name);
		before = ", ";
	}
	fputs(page->profile->dimensions ? "\n" : "none: it cannot be cut\n", page->out);
}

static void put_head(const struct page *page)
{
	const struct profile *p = page->profile;
	const char *options = string(page, p->options);

	text_style(page->out, page->options->colour, TEXT_BOLD);
	fputs("Profile ", page->out);
	text_put(page->out, page->options->path);
	text_style(page->out, page->options->colour, TEXT_PLAIN);
	fputc('\n', page->out);
	losses_text(p, page->options->colour, page->out);
	put_word(page, "command",
		 p->process_count ? string(page, p->processes[0].command)
				  : "none: no process was recorded");
	put_word(page, "host", string(page, p->host));
	put_when(page);
	put_word(page, "heapline", string(page, p->version));
	put_word(page, "options", *options ? options : "none");
	fprintf(page->out, "  %-12s %s\n", "stacks",
		p->free_stacks ? "of allocations and of frees"
			       : "of allocations alone (--no-free-stacks)");
	put_cuts(page);
	fprintf(page->out, "  %-12s %s\n", "when full",
		p->lossy ? "events were dropped (--lossy)" : "the program waited");
	fprintf(page->out,
		"  %-12s %s events lost, %s stacks cut, threads held back %s\n",
		"losses", units_count(profile_lost_events(p)).text,
		units_count(p->cut_stacks).text, units_duration(held_back(p)).text);
}

static void put_contents(const struct page *page)
{
	const struct profile *p = page->profile;
	const struct {
		const char *name;
		size_t count;
	} rows[] = {
		{"processes", profile_processes(p)},
		{"threads", p->thread_count},
		{"modules", p->module_count},
		{"stack nodes", p->stack_count - 1},
		{"codes", p->code_count},
		{"frames", p->frame_count},
		{"sites", p->site_count},
		{"timeline bins", p->bin_count},
		{"marks", p->mark_count},
		{"strings", p->strings.count},
	};

	put_title(page, "Contents");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		fprintf(page->out, "  %14s  %s\n", units_count(rows[i].count).text,
			rows[i].name);
}

static void put_process(const struct page *page, const struct profile_process *q)
{
	fprintf(page->out, "  %8" PRId32 "  %10s  %14s  %-29s  ", q->pid,
		units_duration(q->end_ns > q->start_ns ? q->end_ns - q->start_ns : 0)
			.text,
		units_count(q->events).text, ending_of(q).text);
	text_put(page->out, string(page, q->command));
	fputc('\n', page->out);
	for (unsigned i = 0; i < INFO_NOTES; i++)
		if (q->notes >> i & 1 && page->options->notes[i])
			fprintf(page->out, "%12snote: %s\n", "",
				page->options->notes[i]);
	if (q->lost)
		fprintf(page->out, "%12s%s events lost\n", "",
			units_count(q->lost).text);
}

static void put_processes(const struct page *page)
{
	const struct profile *p = page->profile;

	put_title(page, "Processes: pid, time, events, end, command");
	for (size_t i = 0; i < p->process_count && i < page->limit; i++)
		put_process(page, &p->processes[i]);
	put_more(page, p->process_count);
}

static int put_threads(const struct page *page)
{
	const struct profile *p = page->profile;
	_cleanup_(profile_serials_done) struct profile_serials serials = {0};

	put_title(page, "Threads that allocated or freed: pid, tid, events, name");
	if (profile_serials_init(&serials, p) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < p->thread_count && i < page->limit; i++) {
		const struct profile_thread *t = &p->threads[i];
		size_t process = profile_serials_find(&serials, t->process_serial);

		fprintf(page->out, "  %8" PRId32 "  %8" PRId32 "  %14s  ",
			process == SIZE_MAX ? 0 : p->processes[process].pid, t->tid,
			units_count(t->events).text);
		text_put(page->out, string(page, t->name));
		fputc('\n', page->out);
	}
	put_more(page, p->thread_count);
	return 0;
}

static void put_module(const struct page *page, size_t i)
{
	const struct info_module *m = &page->info->modules[i + 1];
	const char *build_id = string(page, page->profile->modules[i].build_id);

	fprintf(page->out, "  %8s %8s  %-18s ", units_percent(m->named, m->nodes).text,
		units_percent(m->lined, m->nodes).text, symbols_of(m));
	text_put(page->out, string(page, page->profile->modules[i].path));
	fprintf(page->out, "\n%40s", "");
	text_put(page->out, *build_id ? build_id : "no build-id");
	fputc('\n', page->out);
}

/* Those on stacks first. */
static void put_modules(const struct page *page)
{
	size_t count = page->profile->module_count, shown = 0;

	put_title(page,
		  "Modules: code with names and with lines, where from, build-id");
	for (int used = 1; used >= 0; used--)
		for (size_t i = 0; i < count && shown < page->limit; i++)
			if ((page->info->modules[i + 1].nodes != 0) == used) {
				put_module(page, i);
				shown++;
			}
	put_more(page, count);
	if (page->info->modules[0].nodes)
		fprintf(page->out, "  %s stack nodes are in no module\n",
			units_count(page->info->modules[0].nodes).text);
}

static void put_sources(const struct page *page)
{
	const struct info *info = page->info;
	size_t shown = 0;

	put_title(page, "Source files");
	fprintf(page->out, "  %14zu  in the profile, %s of lines\n", info->embedded,
		size(page, info->source_bytes).text);
	fprintf(page->out,
		"  %14zu  of libraries and the system, left out: they are not the "
		"program's\n",
		info->outside);
	fprintf(page->out, "  %14zu  of the program, not found when it was recorded\n",
		info->missing);
	for (uint32_t i = 0; i < page->profile->strings.count; i++) {
		if (!(info->files[i] & INFO_FILE_OWN) ||
		    info->files[i] & INFO_FILE_EMBEDDED || ++shown > page->limit)
			continue;
		fprintf(page->out, "%18s", "");
		text_put(page->out, string(page, i));
		fputc('\n', page->out);
	}
	put_more(page, shown);
}

static void put_parts(const struct page *page)
{
	const struct profile_parts *parts = page->options->parts;

	put_title(page, "The file: in it, unpacked, chunks");
	if (!parts) {
		fputs("  not a regular file: it was read as it came\n", page->out);
		return;
	}
	for (unsigned i = 0; i < parts->count; i++) {
		const struct profile_part *part = &parts->part[i];

		if (part->chunks)
			fprintf(page->out, "  %12s %12s %8s  %s\n",
				size(page, part->stored_bytes).text,
				size(page, part->raw_bytes).text,
				units_count(part->chunks).text, part->name);
	}
	fprintf(page->out, "  %12s in %s updates\n", size(page, parts->file_bytes).text,
		units_count(parts->updates).text);
	if (parts->rest_bytes)
		fprintf(page->out, "  %12s at its end belong to no complete update\n",
			size(page, parts->rest_bytes).text);
	if (*page->options->why) {
		fputs("  ", page->out);
		text_put(page->out, page->options->why);
		fputc('\n', page->out);
	}
}

int info_text(const struct profile *p, const struct info_options *o, FILE *out)
{
	_cleanup_(info_done) struct info info = {0};
	struct page page = {p, o, &info, out, o->limit ? o->limit : INFO_LIMIT};
	int r = info_of(p, &info);

	if (r < 0)
		return r;
	put_head(&page);
	put_contents(&page);
	put_processes(&page);
	r = put_threads(&page);
	if (r < 0)
		return r;
	if (p->snapshot_count)
		put_title(&page, "Snapshots: number, pid, moment, heap, name");
	snapshots_text(p, page.limit, out);
	put_more(&page, p->snapshot_count);
	put_modules(&page);
	put_sources(&page);
	put_parts(&page);
	return 0;
}

/* ---- JSON ------------------------------------------------------------------------ */

static void json_head(struct json *j, const struct page *page)
{
	const struct profile *p = page->profile;

	json_put_unsigned(j, "schema", INFO_SCHEMA);
	json_put_string(j, "profile", page->options->path);
	json_put_string(j, "command",
			p->process_count ? string(page, p->processes[0].command) : "");
	json_put_string(j, "host", string(page, p->host));
	json_put_string(j, "version", string(page, p->version));
	json_put_string(j, "options", string(page, p->options));
	json_put_unsigned(j, "start_unix_ns", p->start_unix_ns);
	json_put_unsigned(j, "wall_ns", p->wall_ns);
	json_put_bool(j, "complete", p->complete);
	json_put_bool(j, "symbolised", p->symbolised);
	json_put_bool(j, "free_stacks", p->free_stacks);
	json_put_bool(j, "lossy", p->lossy);
	json_put_string(j, "left_out", page->options->why);
	losses_json(p, j);
	json_key(j, "parts");
	json_object(j);
	json_put_bool(j, "time", p->dimensions & PROFILE_TIMES);
	json_put_bool(j, "size", p->dimensions & PROFILE_SIZES);
	json_put_bool(j, "thread", p->dimensions & PROFILE_OWNERS);
	json_close(j);
	unfollowed_json(p, j);
	snapshots_json(p, j);
	json_key(j, "contents");
	json_object(j);
	json_put_unsigned(j, "stack_nodes", p->stack_count - 1);
	json_put_unsigned(j, "codes", p->code_count);
	json_put_unsigned(j, "frames", p->frame_count);
	json_put_unsigned(j, "sites", p->site_count);
	json_put_unsigned(j, "bins", p->bin_count);
	json_put_unsigned(j, "marks", p->mark_count);
	json_put_unsigned(j, "strings", p->strings.count);
	json_close(j);
}

static void json_process(struct json *j, const struct page *page,
			 const struct profile_process *q)
{
	static const char *const ends[] = {"running", "exited", "signaled", "execed"};

	json_object(j);
	json_put_unsigned(j, "serial", q->serial);
	json_put_unsigned(j, "parent_serial", q->parent_serial);
	json_put_unsigned(j, "counted_with", q->counted_with);
	json_put_unsigned(j, "counted", q->counted);
	json_key(j, "pid");
	json_signed(j, q->pid);
	json_put_string(j, "command", string(page, q->command));
	json_put_string(j, "exe", string(page, q->exe));
	json_put_string(j, "end", q->end <= PROFILE_EXECED ? ends[q->end] : "");
	json_key(j, "end_status");
	json_signed(j, q->end_status);
	json_put_unsigned(j, "start_ns", q->start_ns);
	json_put_unsigned(j, "end_ns", q->end_ns);
	json_put_unsigned(j, "events", q->events);
	json_put_unsigned(j, "lost", q->lost);
	json_put_unsigned(j, "held_back_ns", q->held_back_ns);
	json_key(j, "notes");
	json_array(j);
	for (unsigned i = 0; i < INFO_NOTES; i++)
		if (q->notes >> i & 1 && page->options->notes[i])
			json_string(j, page->options->notes[i]);
	json_close(j);
	python_json(q, j);
	json_close(j);
}

static void json_runs(struct json *j, const struct page *page, size_t limit)
{
	const struct profile *p = page->profile;

	json_key(j, "processes");
	json_array(j);
	for (size_t i = 0; i < p->process_count && i < limit; i++)
		json_process(j, page, &p->processes[i]);
	json_close(j);
	json_key(j, "threads");
	json_array(j);
	for (size_t i = 0; i < p->thread_count && i < limit; i++) {
		const struct profile_thread *t = &p->threads[i];

		json_object(j);
		json_put_unsigned(j, "process_serial", t->process_serial);
		json_key(j, "tid");
		json_signed(j, t->tid);
		json_put_string(j, "name", string(page, t->name));
		json_put_unsigned(j, "events", t->events);
		json_put_unsigned(j, "start_ns", t->start_ns);
		json_put_unsigned(j, "end_ns", t->end_ns);
		json_close(j);
	}
	json_close(j);
}

static void json_modules(struct json *j, const struct page *page, size_t limit)
{
	const struct profile *p = page->profile;

	json_key(j, "modules");
	json_array(j);
	for (size_t i = 0; i < p->module_count && i < limit; i++) {
		const struct info_module *m = &page->info->modules[i + 1];

		json_object(j);
		json_put_string(j, "path", string(page, p->modules[i].path));
		json_put_string(j, "build_id", string(page, p->modules[i].build_id));
		json_put_unsigned(j, "stack_nodes", m->nodes);
		json_put_unsigned(j, "named", m->named);
		json_put_unsigned(j, "with_lines", m->lined);
		json_put_string(j, "symbols", symbols_of(m));
		json_close(j);
	}
	json_close(j);
}

static void json_files(struct json *j, const struct page *page, const char *name,
		       unsigned want, unsigned mask, size_t limit)
{
	size_t shown = 0;

	json_key(j, name);
	json_array(j);
	for (uint32_t i = 0; i < page->profile->strings.count && shown < limit; i++)
		if ((page->info->files[i] & mask) == want) {
			json_string(j, string(page, i));
			shown++;
		}
	json_close(j);
}

static void json_sources(struct json *j, const struct page *page, size_t limit)
{
	const unsigned own = INFO_FILE_OWN, embedded = INFO_FILE_EMBEDDED;

	json_key(j, "sources");
	json_object(j);
	json_put_unsigned(j, "embedded_bytes", page->info->source_bytes);
	json_files(j, page, "embedded", embedded, embedded, limit);
	json_files(j, page, "missing", own, own | embedded, limit);
	json_put_unsigned(j, "left_out", page->info->outside);
	json_close(j);
}

static void json_parts(struct json *j, const struct page *page)
{
	const struct profile_parts *parts = page->options->parts;

	json_key(j, "file");
	if (!parts) {
		json_null(j);
		return;
	}
	json_object(j);
	json_put_unsigned(j, "bytes", parts->file_bytes);
	json_put_unsigned(j, "updates", parts->updates);
	json_put_unsigned(j, "rest_bytes", parts->rest_bytes);
	json_key(j, "parts");
	json_array(j);
	for (unsigned i = 0; i < parts->count; i++) {
		const struct profile_part *part = &parts->part[i];

		if (!part->chunks)
			continue;
		json_object(j);
		json_put_string(j, "name", part->name);
		json_put_unsigned(j, "chunks", part->chunks);
		json_put_unsigned(j, "stored_bytes", part->stored_bytes);
		json_put_unsigned(j, "raw_bytes", part->raw_bytes);
		json_close(j);
	}
	json_close(j);
	json_close(j);
}

int info_json(const struct profile *p, const struct info_options *o, FILE *out)
{
	_cleanup_(info_done) struct info info = {0};
	struct page page = {p, o, &info, out, 0};
	struct json j = {.out = out, .spread = 2};
	size_t limit = o->limit ? o->limit : SIZE_MAX;
	int r = info_of(p, &info);

	if (r < 0)
		return r;
	json_object(&j);
	json_head(&j, &page);
	json_runs(&j, &page, limit);
	json_modules(&j, &page, limit);
	json_sources(&j, &page, limit);
	json_parts(&j, &page);
	json_close(&j);
	json_end(&j);
	return 0;
}
