#include "cli/export/html_page.h"

#include "cli/base/cleanup.h"
#include "cli/base/json.h"
#include "cli/export/html.h"
#include "cli/profile/totals.h"
#include "cli/report/summary.h"
#include "cli/report/timeline.h"
#include "cli/report/top.h"

#include <errno.h>
#include <string.h>

/* ---- texts ------------------------------------------------------------------ */

static uint64_t text_of(struct html_page *page, const char *text)
{
	uint32_t number = strings_add(&page->texts, text);

	page->no_memory |= number == UINT32_MAX;
	return number;
}

static uint64_t string_of(struct html_page *page, uint32_t string)
{
	return text_of(page, strings_get(&page->profile->strings, string));
}

/* All texts of the page, behind what named them. */
static void put_texts(struct html_page *page)
{
	_cleanup_(freep) char *all = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&all, &len);

	if (!out) {
		page->no_memory = true;
		return;
	}
	for (size_t i = 0; i < page->texts.count; i++) {
		fputs(page->texts.items[i], out);
		fputc('\0', out);
	}
	page->no_memory |= ferror(out) != 0;
	page->no_memory |= fclose(out) != 0;
	if (!page->no_memory)
		columns_put_bytes(&page->columns, "texts", "text", all, len);
}

/* ---- columns ------------------------------------------------------------------ */

/* One number of a row, as columns_get has it. */
#define GET(name, value)                                                               \
	static uint64_t get_##name(const void *context, size_t i)                      \
	{                                                                              \
		struct html_page *page = (struct html_page *)context;                  \
		return value;                                                          \
	}

struct column {
	const char *name;
	columns_get *get;
};

#define COLUMN(table, name)                                                            \
	{                                                                              \
#table "." #name, get_##table##_##name                                 \
	}
#define END_OF_COLUMNS                                                                 \
	{                                                                              \
		NULL, NULL                                                             \
	}

static void put_columns(struct html_page *page, const struct column *columns,
			size_t rows)
{
	for (; columns->name; columns++)
		columns_put(&page->columns, columns->name, rows, columns->get, page);
}

GET(node_depth, page->tree.nodes[i].depth)
GET(node_place, page->place[i])

static const struct column node_columns[] = {
	COLUMN(node, depth),
	COLUMN(node, place),
	END_OF_COLUMNS,
};

#define SITE page->tree.sites[i]

/* Sites ascend by node: how far each is from the one before. */
GET(site_step, SITE.node - (i ? page->tree.sites[i - 1].node : 0))
GET(site_process, SITE.process)
GET(site_domain, SITE.site->domain)
GET(site_runtime, SITE.runtime)
GET(site_allocs, SITE.site->allocs)
GET(site_allocated, SITE.site->allocated_bytes)
GET(site_live_blocks, profile_site_live(SITE.site).blocks)
GET(site_live, profile_site_live(SITE.site).bytes)
GET(site_peak_blocks, SITE.site->peak.blocks)
GET(site_peak, SITE.site->peak.bytes)
GET(site_temporary_blocks, SITE.site->temporary.blocks)
GET(site_temporary, SITE.site->temporary.bytes)
GET(site_freed_here_blocks, SITE.site->freed_here)
GET(site_freed_here, SITE.site->freed_here_bytes)
GET(site_last_rank, SITE.site->last_rank)
/* Not known of most parts that a profile may be cut to: the page has the greatest
 * number that it can have. */
GET(site_last_live, SITE.site->last_live_bytes == PROFILE_UNKNOWN
			    ? COLUMNS_MOST
			    : SITE.site->last_live_bytes)
GET(site_sizes, SITE.site->sizes_count)
GET(site_lives, SITE.site->lives_count)

static const struct column site_columns[] = {
	COLUMN(site, step),
	COLUMN(site, process),
	COLUMN(site, domain),
	COLUMN(site, runtime),
	COLUMN(site, allocs),
	COLUMN(site, allocated),
	COLUMN(site, live_blocks),
	COLUMN(site, live),
	COLUMN(site, peak_blocks),
	COLUMN(site, peak),
	COLUMN(site, temporary_blocks),
	COLUMN(site, temporary),
	COLUMN(site, freed_here_blocks),
	COLUMN(site, freed_here),
	COLUMN(site, last_rank),
	COLUMN(site, last_live),
	COLUMN(site, sizes),
	COLUMN(site, lives),
	END_OF_COLUMNS,
};

GET(site_tree_peak_blocks, SITE.site->tree_peak.blocks)
GET(site_tree_peak, SITE.site->tree_peak.bytes)

/* Of a recording with one process no report asks for them. */
static const struct column tree_peak_columns[] = {
	COLUMN(site, tree_peak_blocks),
	COLUMN(site, tree_peak),
	END_OF_COLUMNS,
};

#define TIME page->times.rows[i]

/* (Freed: or gone with its process, where others are counted in the same row.) */

GET(epoch_at, page->profile->epochs[i].at_ns)
GET(time_step, TIME.site - (i ? page->times.rows[i - 1].site : 0))
GET(time_epoch, TIME.share->value)
GET(time_allocs, TIME.share->allocs)
GET(time_allocated, TIME.share->allocated_bytes)
GET(time_frees, TIME.share->frees + TIME.share->left.blocks)
GET(time_freed, TIME.share->freed_bytes + TIME.share->left.bytes)
GET(time_freed_here_blocks, TIME.share->freed_here)
GET(time_freed_here, TIME.share->freed_here_bytes)
GET(time_temporary_blocks, TIME.share->temporary.blocks)
GET(time_temporary, TIME.share->temporary.bytes)
GET(time_died_blocks, TIME.share->died.blocks)
GET(time_died, TIME.share->died.bytes)
GET(time_last_rank, TIME.share->last_rank)
GET(time_last_live, TIME.share->last_live_bytes)

static const struct column epoch_columns[] = {COLUMN(epoch, at), END_OF_COLUMNS};

static const struct column time_columns[] = {
	COLUMN(time, step),
	COLUMN(time, epoch),
	COLUMN(time, allocs),
	COLUMN(time, allocated),
	COLUMN(time, frees),
	COLUMN(time, freed),
	COLUMN(time, freed_here_blocks),
	COLUMN(time, freed_here),
	COLUMN(time, temporary_blocks),
	COLUMN(time, temporary),
	COLUMN(time, died_blocks),
	COLUMN(time, died),
	COLUMN(time, last_rank),
	COLUMN(time, last_live),
	END_OF_COLUMNS,
};

GET(place_frames, page->places.places[i].frames)
GET(place_cut, page->places.places[i].cut)

static const struct column place_columns[] = {
	COLUMN(place, frames),
	COLUMN(place, cut),
	END_OF_COLUMNS,
};

#define FRAME page->places.frames[i]

GET(frame_by_line, FRAME.label[LABELS_LINE])
GET(frame_by_function, FRAME.label[LABELS_FUNCTION])
GET(frame_by_file, FRAME.label[LABELS_FILE])
GET(frame_by_module, FRAME.label[LABELS_MODULE])
GET(frame_line, FRAME.line)
GET(frame_function, FRAME.function)
GET(frame_plain, FRAME.plain)
GET(frame_owner, FRAME.owner)

static const struct column frame_columns[] = {
	COLUMN(frame, by_line),	  COLUMN(frame, by_function), COLUMN(frame, by_file),
	COLUMN(frame, by_module), COLUMN(frame, line),	      COLUMN(frame, function),
	COLUMN(frame, plain),	  COLUMN(frame, owner),	      END_OF_COLUMNS,
};

#define FUNCTION page->sums.functions[i]

static uint64_t module_text(struct html_page *page, uint32_t module)
{
	const struct profile *p = page->profile;

	return module && module <= p->module_count
		       ? string_of(page, p->modules[module - 1].path)
		       : 0;
}

GET(function_name, string_of(page, FUNCTION.name))
GET(function_file, string_of(page, FUNCTION.file))
GET(function_module, module_text(page, FUNCTION.module))
GET(function_first, FUNCTION.first)
GET(function_last, FUNCTION.last)
GET(function_own, FUNCTION.own)

static const struct column function_columns[] = {
	COLUMN(function, name),	 COLUMN(function, file), COLUMN(function, module),
	COLUMN(function, first), COLUMN(function, last), COLUMN(function, own),
	END_OF_COLUMNS,
};

GET(line_function, page->sums.lines[i].function)
GET(line_number, page->sums.lines[i].number)

static const struct column line_columns[] = {
	COLUMN(line, function),
	COLUMN(line, number),
	END_OF_COLUMNS,
};

GET(source_file, string_of(page, page->profile->sources[i].file))
GET(source_first, page->profile->sources[i].first)
GET(source_text, string_of(page, page->profile->sources[i].text))

static const struct column source_columns[] = {
	COLUMN(source, file),
	COLUMN(source, first),
	COLUMN(source, text),
	END_OF_COLUMNS,
};

/* ---- labels ------------------------------------------------------------------- */

/* Labels of one kind, as columns_get sees them. */
struct naming {
	struct html_page *page;
	const struct labels *labels;
	enum labels_detail detail;
};

static uint64_t get_label_text(const void *context, size_t i)
{
	const struct naming *n = context;
	char name[LABELS_TEXT];

	return text_of(n->page, labels_text(n->labels, (uint32_t)i, n->detail, name,
					    sizeof(name)));
}

static const struct profile_frame *label_code(const struct naming *n, size_t i)
{
	static const struct profile_frame none;
	const struct profile_frame *code = n->labels->frames[i].code;

	return i != LABELS_NONE && code ? code : &none;
}

static uint64_t get_label_function(const void *context, size_t i)
{
	const struct naming *n = context;

	return string_of(n->page, label_code(n, i)->function);
}

static uint64_t get_label_file(const void *context, size_t i)
{
	const struct naming *n = context;

	return string_of(n->page, label_code(n, i)->file);
}

static uint64_t get_label_line(const void *context, size_t i)
{
	return label_code(context, i)->line;
}

static uint64_t get_label_module(const void *context, size_t i)
{
	const struct naming *n = context;

	return i == LABELS_NONE
		       ? 0
		       : text_of(n->page, frames_module(n->page->profile,
							n->labels->frames[i].stack));
}

static void put_labels(struct html_page *page, enum labels_kind kind,
		       const char *kind_name)
{
	static const struct {
		const char *name;
		columns_get *get;
		enum labels_detail detail;
	} columns[] = {
		{"short", get_label_text, LABELS_SHORT},
		{"full", get_label_text, LABELS_FULL},
		{"function", get_label_function, LABELS_SHORT},
		{"file", get_label_file, LABELS_SHORT},
		{"line", get_label_line, LABELS_SHORT},
		{"module", get_label_module, LABELS_SHORT},
	};

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
		struct naming naming = {page, &page->places.labels[kind],
					columns[i].detail};
		char name[64];

		snprintf(name, sizeof(name), "by_%s.%s", kind_name, columns[i].name);
		columns_put(&page->columns, name, naming.labels->count, columns[i].get,
			    &naming);
	}
}

/* ---- classes of sizes and lifetimes ------------------------------------------- */

/* Those of all sites, behind each other. */
struct classes_row {
	const struct profile_class *item;
};

static uint64_t get_class(const void *context, size_t i)
{
	return ((const struct classes_row *)context)[i].item->log2;
}

static uint64_t get_class_count(const void *context, size_t i)
{
	return ((const struct classes_row *)context)[i].item->count;
}

static void put_classes(struct html_page *page, bool sizes, const char *class_name,
			const char *count_name)
{
	_cleanup_(freep) struct classes_row *rows = NULL;
	const struct html_tree *t = &page->tree;
	size_t count = 0;

	for (size_t i = 0; i < t->site_count; i++)
		count += sizes ? t->sites[i].site->sizes_count
			       : t->sites[i].site->lives_count;
	rows = calloc(count + 1, sizeof(*rows));
	if (!rows) {
		page->no_memory = true;
		return;
	}
	count = 0;
	for (size_t i = 0; i < t->site_count; i++) {
		const struct profile_site *s = t->sites[i].site;

		for (uint32_t k = 0; k < (sizes ? s->sizes_count : s->lives_count); k++)
			rows[count++].item = sizes ? &s->sizes[k] : &s->lives[k];
	}
	columns_put(&page->columns, class_name, count, get_class, rows);
	columns_put(&page->columns, count_name, count, get_class_count, rows);
}

/* ---- reports that go in as they are --------------------------------------------- */

/* The clauses that reports have of the part that is shown. */
static void phrases_json(const struct html_page *page, struct json *j)
{
	const struct view *v = &page->sums.view;

	json_key(j, "phrases");
	json_object(j);
	for (enum view_metric m = 0; m < VIEW_METRICS; m++)
		json_put_string(j, view_metric_name(m), view_metric_phrase(v, m).text);
	json_close(j);
}

static int about_json(const struct html_page *page, FILE *out)
{
	const struct profile *p = page->profile;
	_cleanup_(freep) char *cut = NULL;
	struct json j = {.out = out, .spread = 1};
	const char *path = page->path;
	size_t len = 0;
	FILE *text = open_memstream(&cut, &len);

	if (!text)
		return -ENOMEM;
	cut_text(p, NULL, text);
	if (fclose(text))
		return -ENOMEM;
	json_object(&j);
	json_put_unsigned(&j, "schema", HTML_SCHEMA);
	json_put_string(&j, "profile", path ? frames_base(path) : "");
	json_put_bool(&j, "free_stacks", p->free_stacks);
	json_put_unsigned(&j, "nodes", p->stack_count);
	json_put_unsigned(&j, "folded", page->tree.folded);
	json_put_string(&j, "cut", cut);
	json_put_bool(&j, "moment", p->slice.has_moment);
	json_put_bool(&j, "partial", page->partial);
	phrases_json(page, &j);
	json_close(&j);
	json_end(&j);
	return 0;
}

static int write_report(const struct html_page *page, int which, FILE *out)
{
	const struct profile *p = page->profile;
	struct summary_options summary = {0};
	struct timeline_options timeline = {0};
	struct top_options threads = {.by = TOP_THREAD};

	switch (which) {
	case 0:
		return about_json(page, out);
	case 1:
		return summary_json(p, &summary, out);
	case 2:
		return timeline_json(p, &timeline, out);
	default:
		return top_json(p, &threads, out);
	}
}

static int put_reports(struct html_page *page)
{
	static const char *const names[] = {"about", "report", "timeline", "threads"};
	int err = 0;

	for (int i = 0; i < 4 && !err; i++) {
		_cleanup_(freep) char *text = NULL;
		size_t len = 0;
		FILE *out = open_memstream(&text, &len);

		if (!out)
			return -ENOMEM;
		err = write_report(page, i, out);
		if (fclose(out) && !err)
			err = -ENOMEM;
		if (!err)
			columns_put_bytes(&page->columns, names[i], "json", text, len);
	}
	return err;
}

/* ---- all of it ------------------------------------------------------------------ */

int html_page_put(struct html_page *page)
{
	int err = put_reports(page);

	if (err < 0)
		return err;
	put_columns(page, node_columns, page->tree.node_count);
	put_columns(page, site_columns, page->tree.site_count);
	if (page->profile->process_count > 1)
		put_columns(page, tree_peak_columns, page->tree.site_count);
	if (page->times.count) {
		put_columns(page, epoch_columns, page->profile->epoch_count);
		put_columns(page, time_columns, page->times.count);
	}
	put_classes(page, true, "size.class", "size.count");
	put_classes(page, false, "life.class", "life.count");
	put_columns(page, place_columns, page->places.place_count);
	put_columns(page, frame_columns, page->places.frame_count);
	put_labels(page, LABELS_LINE, "line");
	put_labels(page, LABELS_FUNCTION, "function");
	put_labels(page, LABELS_FILE, "file");
	put_labels(page, LABELS_MODULE, "module");
	put_columns(page, function_columns, page->sums.function_count);
	put_columns(page, line_columns, page->sums.line_count);
	put_columns(page, source_columns, page->profile->source_count);
	put_texts(page);
	return page->no_memory ? -ENOMEM : page->columns.err;
}

static int find_places(struct html_page *page)
{
	int err = html_places_init(&page->places, &page->sums);

	page->place = calloc(page->tree.node_count + 1, sizeof(*page->place));
	if (err < 0 || !page->place)
		return -ENOMEM;
	for (size_t i = 0; i < page->tree.node_count; i++) {
		uint32_t stack = page->tree.nodes[i].stack;

		if (stack == HTML_TREE_SMALLER)
			continue;
		page->place[i] = html_places_of(&page->places, stack);
		if (page->place[i] == UINT32_MAX)
			return -ENOMEM;
	}
	return 0;
}

int html_page_prepare(struct html_page *page)
{
	int err = find_places(page);

	if (!err)
		err = html_times_init(&page->times, page->profile, &page->tree);
	page->texts = (struct strings){0};
	text_of(page, ""); /* number 0 */
	return err;
}

void html_page_forget(struct html_page *page)
{
	html_times_done(&page->times);
	html_tree_done(&page->tree);
	html_places_done(&page->places);
	strings_done(&page->texts);
	free(page->place);
	page->place = NULL;
}
