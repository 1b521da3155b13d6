#include "cli/report/summary.h"

#include "cli/base/cleanup.h"
#include "cli/base/units.h"
#include "cli/profile/totals.h"
#include "cli/report/cut.h"
#include "cli/report/ending.h"
#include "cli/report/estimate.h"
#include "cli/report/frames.h"
#include "cli/report/groups.h"
#include "cli/report/images.h"
#include "cli/report/losses.h"
#include "cli/report/python.h"
#include "cli/report/memory.h"
#include "cli/report/summary_sums.h"
#include "cli/report/text.h"
#include "cli/report/unfollowed.h"
#include "cli/report/wrappers.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

/* ---- text ---------------------------------------------------------------- */

struct page { /* what all parts of the text need */
	const struct profile *profile;
	const struct summary_options *options;
	struct scope *scope;
	const struct images *images;
	FILE *out;
};

static struct units_text size(const struct page *page, uint64_t bytes)
{
	return page->options->bytes ? units_count(bytes) : units_size(bytes);
}

static struct units_text blocks(uint64_t count)
{
	struct units_text t = units_count(count);

	strcat(t.text, count == 1 ? " block" : " blocks");
	return t;
}

static void put_title(const struct page *page, const char *title)
{
	fputc('\n', page->out);
	text_style(page->out, page->options->colour, TEXT_BOLD);
	fputs(title, page->out);
	text_style(page->out, page->options->colour, TEXT_PLAIN);
	fputc('\n', page->out);
}

static void put_when(const struct page *page)
{
	const struct profile *p = page->profile;
	time_t at = (time_t)(p->start_unix_ns / 1000000000);
	struct tm tm;
	char when[64];

	fputs("  recorded     ", page->out);
	if (p->start_unix_ns && localtime_r(&at, &tm) &&
	    strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S, ", &tm))
		fputs(when, page->out);
	fprintf(page->out, "for %s", units_duration(p->wall_ns).text);
	if (*strings_get(&p->strings, p->host)) {
		fputs(" on ", page->out);
		text_put(page->out, strings_get(&p->strings, p->host));
	}
	fputc('\n', page->out);
}

/* Of one process, with whom it is counted. */
static void put_company(const struct page *page)
{
	const struct profile *p = page->profile;

	for (size_t i = 0; i < p->process_count; i++)
		if (page->scope->process[i] && p->processes[i].counted > 1)
			fprintf(page->out,
				"; counted together with %s more of its program",
				units_count(p->processes[i].counted - 1).text);
}

/* How many processes there were, and how many programs they were in turn. */
static void put_population(const struct page *page)
{
	size_t programs = page->scope->process_count, processes = 0;

	if (programs < 2) {
		put_company(page);
		return;
	}
	for (size_t i = 0; i < page->profile->process_count; i++)
		processes += page->scope->process[i] && page->images->first[i] &&
			     !page->profile->processes[i].counted;
	if (processes < 2)
		fprintf(page->out,
			"; %s programs recorded, each by exec of the one "
			"before",
			units_count(programs).text);
	else if (programs == processes)
		fprintf(page->out, "; %s processes recorded",
			units_count(processes).text);
	else
		fprintf(page->out, "; %s processes recorded, %s programs",
			units_count(processes).text, units_count(programs).text);
}

static void put_top(const struct page *page)
{
	const struct profile *p = page->profile;
	size_t root = summary_root(page->scope);

	text_style(page->out, page->options->colour, TEXT_BOLD);
	fputs("Heap report of ", page->out);
	text_put(page->out, root == SIZE_MAX ? "nothing"
					     : strings_get(&p->strings,
							   p->processes[root].command));
	text_style(page->out, page->options->colour, TEXT_PLAIN);
	fputc('\n', page->out);
	put_when(page);
	if (root == SIZE_MAX) {
		fputs("  ended        no process was recorded\n", page->out);
		return;
	}
	fprintf(page->out, "  ended        ");
	fputs(ending_of(images_last(page->images, root)).text, page->out);
	put_population(page);
	fputc('\n', page->out);
}

static const char *scope_phrase(const struct scope *scope)
{
	if (scope->process_count <= 1)
		return "";
	return scope->moment == SCOPE_OWN_PEAK ? ", all programs of the process"
					       : ", all processes together";
}

static const char *peak_phrase(const struct scope *scope)
{
	switch (scope->moment) {
	case SCOPE_TREE_PEAK:
		return ", the highest sum of all processes";
	case SCOPE_OWN_PEAKS:
		return ", the sum of each process's own";
	case SCOPE_AT:
		return scope->profile->slice.at_end ? ", at the end" : "";
	default:
		return "";
	}
}

/* The sums that an estimate may stand for; nothing if it is none. */
static void put_range(const struct page *page, enum profile_domain domain,
		      uint64_t bytes)
{
	struct estimate_range range = estimate_range(page->profile, bytes);

	if (page->profile->sampled && domain == PROFILE_MALLOC)
		fprintf(page->out, " [%s to %s]", size(page, range.low).text,
			size(page, range.high).text);
}

static void put_figure(const struct page *page, const struct scope *scope,
		       const char *name, uint64_t bytes, uint64_t count)
{
	fprintf(page->out, "  %-12s %14s", name, size(page, bytes).text);
	put_range(page, scope->domain, bytes);
	fprintf(page->out, "  in %s", blocks(count).text);
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static void put_figures(const struct page *page, const struct scope *scope,
			const struct summary *s)
{
	const struct profile *p = page->profile;
	const char *those = p->slice.has_range ? " of those" : "";
	struct cut_words over = cut_over(p);
	FILE *out = page->out;

	put_figure(page, scope, scope->moment == SCOPE_AT ? "live" : "peak",
		   s->peak.bytes, s->peak.blocks);
	if (scope->moment != SCOPE_OWN_PEAKS && !p->slice.at_end)
		fprintf(out, ", %s after the start",
			units_duration(s->peak_at_ns).text);
	fprintf(out, "%s\n", peak_phrase(scope));
	if (s->ended || !s->went_on) {
		put_figure(page, scope, "never freed",
			   less(s->leaked.bytes, s->not_yet.bytes + s->finalised.bytes),
			   less(s->leaked.blocks,
				s->not_yet.blocks + s->finalised.blocks));
		fprintf(out, "%s live at the end\n", those);
	}
	if (s->finalised.blocks) {
		put_figure(page, scope, "taken down", s->finalised.bytes,
			   s->finalised.blocks);
		fputs(" live at the end, then freed by Python's: no leak\n", out);
	}
	if (s->went_on) {
		put_figure(page, scope, "not freed", s->not_yet.bytes,
			   s->not_yet.blocks);
		fprintf(out, "%s until recording ended\n", those);
	}
	if (s->runtime.blocks) {
		put_figure(page, scope, "runtime", s->runtime.bytes, s->runtime.blocks);
		fprintf(out, " live at the end, kept by %s: no leak\n",
			python_runtime(p));
	}
	put_figure(page, scope, "allocated", s->allocated_bytes, s->allocs);
	fprintf(out, " %s\n", over.text);
	put_figure(page, scope, "freed", s->freed_bytes, s->frees);
	fprintf(out, "%s %s\n", those,
		p->slice.has_range ? "up to the end" : over.text);
}

static void put_heap(const struct page *page, const struct summary *s)
{
	char title[128];

	snprintf(title, sizeof(title), "Heap (%s), bytes as requested%s",
		 python_allocators(page->profile), scope_phrase(page->scope));
	put_title(page, title);
	put_figures(page, page->scope, s);
	if (page->profile->sampled)
		return; /* the thread's next event may not have been recorded */
	fprintf(page->out,
		"  temporary    %14s  of the allocations %s (%s), freed by "
		"the thread's next event\n",
		units_percent(s->temporary.blocks, s->allocs).text,
		cut_over(page->profile).text, units_count(s->temporary.blocks).text);
}

/* Another domain, if the program used it. */
static int put_domain(const struct page *page, enum profile_domain domain,
		      const char *title)
{
	struct scope_options o = {.domain = domain, .pid = page->options->scope.pid};
	_cleanup_(scope_done) struct scope scope;
	struct summary s;
	int err = scope_init(&scope, page->profile, &o);

	if (!err)
		err = summary_of(page->profile, &o, &s);
	if (err < 0 || (!s.allocs && !s.frees))
		return err;
	put_title(page, title);
	put_figures(page, &scope, &s);
	return 0;
}

static void put_use(const struct page *page, const struct profile_arenas *a,
		    const char *when)
{
	if (!a->bytes)
		return;
	fprintf(page->out,
		"  used         %14s  in %s: %s of the %s there were at %s\n",
		size(page, a->used.bytes).text, blocks(a->used.blocks).text,
		units_percent(a->used.bytes, a->bytes).text, size(page, a->bytes).text,
		when);
}

/* How much of the arenas was used, where that is known. */
static void put_arena_use(const struct page *page)
{
	struct summary_arenas a =
		summary_arenas(page->profile, page->options->scope.pid);

	put_use(page, &a.at_peak,
		a.processes > 1 ? "the peak of each process's heap"
				: "the heap's peak");
	put_use(page, &a.at_end, "the end");
}

static int put_domains(const struct page *page)
{
	static const char *const titles[PROFILE_DOMAINS] = {
		[PROFILE_MMAP] = "Mapped memory (the program's own mmap), not part of "
				 "the above",
		[PROFILE_POOL] = "Chunks of the program's own pools, not part of the "
				 "above",
		[PROFILE_ARENA] = "Python's arenas, where its small objects lie, not "
				  "part of the above",
	};
	int err = 0;

	for (unsigned d = PROFILE_MMAP; d < PROFILE_DOMAINS && !err; d++)
		err = put_domain(page, (enum profile_domain)d, titles[d]);
	if (!err)
		put_arena_use(page);
	return err;
}

/* heapline.h was called in ways that make no sense. */
static void put_wrong(const struct profile_pools *wrong, FILE *out)
{
	const struct {
		uint64_t count;
		const char *what;
	} lines[] = {
		{wrong->unknown, "calls: a pool that is not there, or was already"},
		{wrong->frees, "frees of chunks that are not there"},
		{wrong->others, "frees of chunks by another pool than theirs"},
		{wrong->overlaps, "allocations of chunks that are there already"},
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		if (lines[i].count)
			fprintf(out, "  wrong        %14s  %s (heapline.h)\n",
				units_count(lines[i].count).text, lines[i].what);
}

static void put_recording(const struct page *page, const struct summary *s)
{
	FILE *out = page->out;

	put_title(page, "Recording");
	fprintf(out, "  events       %14s  recorded, %s lost\n",
		units_count(s->events).text,
		units_count(profile_lost_events(page->profile)).text);
	fprintf(out,
		"  held back    %14s  sum of the times that threads waited for the "
		"collector\n",
		units_duration(s->held_back_ns).text);
	if (s->unknown_frees)
		fprintf(out,
			"  unknown      %14s  frees of blocks that nobody saw "
			"allocated\n",
			units_count(s->unknown_frees).text);
	if (s->unseen_frees)
		fprintf(out,
			"  unseen       %14s  frees: an address came again without "
			"having been freed\n",
			units_count(s->unseen_frees).text);
	put_wrong(&s->pools, out);
}

static void put_frame(const struct page *page, const struct frames_frame *frame)
{
	const struct profile *p = page->profile;
	char buffer[256], shortened[256];
	const char *file, *module;

	if (!frame->stack) {
		fputs("(no stack)", page->out);
		return;
	}
	text_put(page->out,
		 frames_short_name(frames_name(p, frame, buffer, sizeof(buffer)),
				   shortened, sizeof(shortened)));
	file = frame->code ? strings_get(&p->strings, frame->code->file) : "";
	module = frames_module(p, frame->stack);
	if (*file && frame->code->line) {
		fputs(" (", page->out);
		text_put(page->out, frames_base(file));
		fprintf(page->out, ":%" PRIu32 ")", frame->code->line);
	} else if (frame->code && *module) {
		fputs(" (", page->out);
		text_put(page->out, frames_base(module));
		fputc(')', page->out);
	}
}

/* The next callers of the frame that a group is named after. */
static void put_callers(const struct page *page, struct groups *g,
			const struct group *group)
{
	enum { CALLERS = 3 };
	struct frames_walk walk = frames_of(page->profile, group->stack);
	struct frames_frame frame;
	bool past = false;
	int shown = 0;

	while (shown < CALLERS && frames_next(&walk, &frame)) {
		if (!past) {
			past = groups_same(g, &frame, &group->frame);
			continue;
		}
		if (frames_owner(g->view.owners, &frame) == FRAMES_BASE &&
		    !(frame.stack->flags & PROFILE_STACK_CUT))
			continue;
		fprintf(page->out, shown ? " < " : "\n%44s< ", "");
		put_frame(page, &frame);
		shown++;
	}
	fputc('\n', page->out);
}

static void put_groups(const struct page *page, struct groups *g, const char *title)
{
	size_t limit = page->options->limit ? page->options->limit : SUMMARY_SITES;

	put_title(page, title);
	if (!g->count)
		fputs("  nothing\n", page->out);
	for (size_t i = 0; i < g->count && i < limit; i++) {
		const struct group *group = &g->items[i];

		fprintf(page->out, "  %15s %8s %14s  ",
			size(page, group->amount.bytes).text,
			units_percent(group->amount.bytes, g->total.bytes).text,
			blocks(group->amount.blocks).text);
		if (page->profile->sampled) {
			put_range(page, PROFILE_MALLOC, group->amount.bytes);
			fputs("  ", page->out);
		}
		put_frame(page, &group->frame);
		put_callers(page, g, group);
	}
	if (g->count > limit)
		fprintf(page->out, "  %zu more: -n COUNT shows more of them\n",
			g->count - limit);
}

static const char *leaked_title(const struct summary *s)
{
	if (!s->went_on)
		return "Never freed: live at the end";
	return s->ended ? "Never freed, or not until recording ended"
			: "Not freed until recording ended";
}

static const char *group_title(const struct page *page, enum summary_sort sort,
			       const struct summary *s, char *title, size_t room)
{
	const char *chosen = page->options->scope.focus || page->options->scope.ignore
				     ? " (stacks chosen by --focus and --ignore)"
				     : "";

	switch (sort) {
	case SUMMARY_BY_LEAKED:
		snprintf(title, room, "%s%s, by code%s",
			 page->profile->slice.has_range ? "Allocated in that time. "
							: "",
			 leaked_title(s), chosen);
		break;
	case SUMMARY_BY_ALLOCATED:
		snprintf(title, room, "Allocated %s, by code%s",
			 cut_over(page->profile).text, chosen);
		break;
	case SUMMARY_BY_TEMPORARY:
		snprintf(title, room,
			 "Temporary: freed by the thread's next event, by code%s",
			 chosen);
		break;
	default:
		if (page->scope->moment == SCOPE_AT) {
			snprintf(title, room, "Live at %s, by code%s",
				 cut_moment(page->profile).text, chosen);
			break;
		}
		snprintf(title, room,
			 "Live at the peak (%s after the start), by code%s",
			 units_duration(s->peak_at_ns).text, chosen);
	}
	return title;
}

static enum view_metric metric_of(enum summary_sort sort)
{
	switch (sort) {
	case SUMMARY_BY_LEAKED:
		return VIEW_LEAKED;
	case SUMMARY_BY_ALLOCATED:
		return VIEW_ALLOCATED;
	case SUMMARY_BY_TEMPORARY:
		return VIEW_TEMPORARY;
	default:
		return VIEW_PEAK;
	}
}

static int put_sites(const struct page *page, const struct summary *s)
{
	_cleanup_(groups_done) struct groups g = {0};
	enum summary_sort sort = page->options->sort;
	enum summary_sort lists[2] = {sort, sort};
	char title[160];
	int err = groups_init(&g, page->profile, &page->options->scope);

	if (err < 0)
		return err;
	if (sort == SUMMARY_BY_BOTH) {
		lists[0] = SUMMARY_BY_PEAK;
		lists[1] = SUMMARY_BY_LEAKED;
	}
	for (size_t i = 0; i < (sort == SUMMARY_BY_BOTH ? 2 : 1); i++) {
		err = groups_collect(&g, metric_of(lists[i]));
		if (err < 0)
			return err;
		put_groups(page, &g,
			   group_title(page, lists[i], s, title, sizeof(title)));
	}
	return 0;
}

/* It has figures of its own. */
static bool is_row(const struct page *page, size_t process)
{
	return page->scope->process[process] &&
	       !page->profile->processes[process].counted_with;
}

static void put_processes(const struct page *page, const struct summary *all)
{
	const struct profile *p = page->profile;
	size_t limit = page->options->limit ? page->options->limit : 20, shown = 0;
	size_t count = 0;

	if (page->scope->process_count < 2)
		return;
	for (size_t i = 0; i < p->process_count; i++)
		count += is_row(page, i);
	put_title(
		page,
		page->scope->moment == SCOPE_AT
			? "Programs: live then, and what they had not freed when they "
			  "ended"
			: "Programs: own peak, and what they had not freed when they "
			  "ended");
	for (size_t i = 0; i < p->process_count && shown < limit; i++) {
		if (!is_row(page, i))
			continue;
		fprintf(page->out, "  %8" PRId32 " %14s %14s  ", p->processes[i].pid,
			size(page, all[i].peak.bytes).text,
			size(page, all[i].leaked.bytes).text);
		text_put(page->out, strings_get(&p->strings, p->processes[i].command));
		fputs(" (", page->out);
		fputs(ending_of(&p->processes[i]).text, page->out);
		fputs(")\n", page->out);
		shown++;
	}
	if (shown < count)
		fprintf(page->out, "  %zu more: -n COUNT shows more of them\n",
			count - shown);
}

static void put_command(const struct page *page, const char *command, const char *what)
{
	const char *path = page->options->path;

	fprintf(page->out, "  %s", command);
	if (path) {
		fputc(' ', page->out);
		text_put_word(page->out, path);
	}
	fprintf(page->out, "\n      %s\n", what);
}

static void put_next(const struct page *page, const struct summary *s)
{
	bool lines = false;

	for (size_t i = 0; i < page->profile->frame_count && !lines; i++)
		lines = page->profile->frames[i].line != 0;
	put_title(page, "Next");
	if (!page->options->path) {
		fputs("  the same with -o FILE keeps the profile, for `heapline lines "
		      "FILE`\n",
		      page->out);
		return;
	}
	if (lines) {
		put_command(page, "heapline lines",
			    "the same, line by line of the program's own code");
		if (s->leaked.blocks)
			put_command(page,
				    "heapline lines --sort leaked --columns leaked",
				    s->went_on ? "the lines whose blocks were not freed"
					       : "the lines whose blocks were never "
						 "freed");
	} else {
		fputs("  compile the program with -g and record it again: `heapline "
		      "lines` then shows its lines\n",
		      page->out);
	}
	if (page->scope->process_count > 1 && page->scope->moment != SCOPE_OWN_PEAK)
		put_command(page, "heapline report --process PID", "one process alone");
	put_command(page, "heapline report --json", "all figures, exact, for scripts");
}

/* Bytes, at its peak; of one that is counted with others, as far as that is known. */
static uint64_t highest(const struct profile_process *p)
{
	return p->counted_with ? p->memory[PROFILE_AT_PEAK].live_bytes
			       : p->domain[PROFILE_MALLOC].peak.bytes;
}

/* Of the process that had most. What the allocator and the kernel say is of the whole.
 */
static void put_memory(const struct page *page)
{
	const struct profile_process *items = page->profile->processes;
	size_t most = SIZE_MAX;

	for (size_t i = 0; i < page->profile->process_count; i++)
		if (page->scope->process[i] && !items[i].counted &&
		    (most == SIZE_MAX || highest(&items[i]) > highest(&items[most])))
			most = i;
	if (most != SIZE_MAX && !cut_is(page->profile))
		memory_text(&items[most], page->options->bytes, page->options->colour,
			    page->out);
}

static int put_page(const struct page *page)
{
	_cleanup_(freep) struct summary *all = NULL;
	struct summary sum;
	struct scope_options whole = {.pid = page->options->scope.pid};
	int err;

	err = summary_of(page->profile, &whole, &sum);
	if (!err)
		err = summary_of_processes(page->scope, &all);
	if (err < 0)
		return err;
	put_top(page);
	losses_text(page->profile, page->options->colour, page->out);
	put_heap(page, &sum);
	err = put_domains(page);
	if (!err)
		wrappers_text(page->profile, page->out);
	if (!err)
		err = put_sites(page, &sum);
	if (err < 0)
		return err;
	put_processes(page, all);
	put_memory(page);
	put_recording(page, &sum);
	put_next(page, &sum);
	return 0;
}

int summary_text(const struct profile *p, const struct summary_options *o, FILE *out)
{
	_cleanup_(scope_done) struct scope scope;
	struct scope_options chosen = o->scope;
	_cleanup_(images_done) struct images images = {0};
	struct page page = {p, o, &scope, &images, out};
	int err;

	chosen.domain = PROFILE_MALLOC;
	err = scope_init(&scope, p, &chosen);
	if (!err)
		err = images_init(&images, p);
	return err < 0 ? err : put_page(&page);
}

/* ---- options ------------------------------------------------------------- */

bool summary_parse_sort(const char *text, enum summary_sort *ret)
{
	static const char *const names[] = {
		[SUMMARY_BY_PEAK] = "peak",
		[SUMMARY_BY_LEAKED] = "leaked",
		[SUMMARY_BY_ALLOCATED] = "allocated",
		[SUMMARY_BY_TEMPORARY] = "temporary",
	};

	for (size_t i = SUMMARY_BY_PEAK; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(text, names[i])) {
			*ret = (enum summary_sort)i;
			return true;
		}
	return false;
}
