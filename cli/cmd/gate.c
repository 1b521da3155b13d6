#include "cli/cmd/gate.h"

#include "cli/base/cleanup.h"
#include "cli/base/message.h"
#include "cli/cmd/gate_words.h"
#include "cli/cmd/verb.h"
#include "cli/export/github.h"
#include "cli/export/gitlab.h"
#include "cli/export/junit.h"
#include "cli/export/sarif.h"
#include "cli/export/verdict.h"
#include "cli/gate/gatefile.h"
#include "cli/report/text.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { WORD = 256 };

void gate_init(struct gate *g)
{
	*g = (struct gate){0};
	suppress_init(&g->rules);
}

static void outcome_end(struct gate *g)
{
	if (g->has_outcome)
		outcome_done(&g->outcome);
	g->has_outcome = false;
	baseline_done(&g->now);
}

void gate_done(struct gate *g)
{
	outcome_end(g);
	suppress_done(&g->rules);
	baseline_done(&g->was);
	toml_done(&g->toml);
	strings_done(&g->texts);
}

/* ---- options ----------------------------------------------------------------- */

static const char *take_report(struct gate *g, const char *value)
{
	static const struct {
		const char *word;
		void (*write)(const struct outcome *o, FILE *out);
	} kinds[] = {{"json", verdict_json},	  {"sarif", sarif_write},
		     {"junit", junit_write},	  {"github", github_annotations},
		     {"summary", github_summary}, {"gitlab", gitlab_write}};
	size_t len = strcspn(value, "="), i = 0;
	struct gate_report *r;

	if (g->report_count == GATE_MOST)
		return "more than 32 reports";
	while (i < sizeof(kinds) / sizeof(kinds[0]) &&
	       (strlen(kinds[i].word) != len || strncmp(kinds[i].word, value, len)))
		i++;
	if (i == sizeof(kinds) / sizeof(kinds[0]) || (value[len] && !value[len + 1]))
		return "json, sarif, junit, github, summary or gitlab, and =FILE if it "
		       "is to go to one";
	r = &g->reports[g->report_count++];
	*r = (struct gate_report){.write = kinds[i].write};
	if (value[len])
		r->path = value + len + 1;
	if (!r->path && kinds[i].write == github_summary) {
		const char *env = getenv("GITHUB_STEP_SUMMARY");

		r->path = env && *env ? env : NULL;
		r->append = true;
	}
	return NULL;
}

const char *gate_take(struct gate *g, enum gate_option option, const char *value)
{
	switch (option) {
	case GATE_SUPPRESSIONS:
		if (g->suppression_count == GATE_MOST)
			return "more than 32 files";
		g->suppressions[g->suppression_count++] = value;
		break;
	case GATE_NO_KNOWN:
		g->no_known = true;
		break;
	case GATE_FAIL_UNUSED:
		g->fail_unused = true;
		break;
	case GATE_GENERATE:
		g->generate = value;
		break;
	case GATE_BASELINE:
		g->baseline = value;
		break;
	case GATE_UPDATE:
		g->update = !strcmp(value, "shrink")   ? GATE_SHRINK
			    : !strcmp(value, "accept") ? GATE_ACCEPT
						       : GATE_KEEP;
		return g->update ? NULL : "shrink or accept";
	case GATE_REPORT:
		return take_report(g, value);
	case GATE_FILE:
		g->file = value;
		break;
	case GATE_OFF:
		g->off = true;
		break;
	case GATE_OPTIONS:
		break;
	}
	return NULL;
}

/* ---- the gate file ------------------------------------------------------------- */

struct first_pass { /* over the command line: what is there, and which gate file */
	size_t from;
	bool given[OPTIONS_MOST];
	const char *file;
	bool off;
};

static const char *note_option(void *own, size_t i, const char *value)
{
	struct first_pass *f = own;

	if (i < OPTIONS_MOST)
		f->given[i] = true;
	if (i == f->from + GATE_FILE)
		f->file = value;
	f->off = f->off || i == f->from + GATE_OFF;
	return NULL;
}

struct giving { /* an entry of the gate file to the verb */
	struct gate *gate;
	options_take *take;
	void *own;
	size_t option;
	bool path;
	const char *why;
};

/* A value that lives as long as the gate; a file's is in the gate file's folder. */
static const char *keep(struct giving *give, const char *value)
{
	const char *slash = strrchr(give->gate->file, '/');
	_cleanup_(freep) char *joined = NULL;
	uint32_t number;

	if (give->path && *value != '/' && slash &&
	    asprintf(&joined, "%.*s/%s", (int)(slash - give->gate->file),
		     give->gate->file, value) < 0)
		return NULL;
	number = strings_add(&give->gate->texts, joined ? joined : value);
	return number == UINT32_MAX ? NULL : strings_get(&give->gate->texts, number);
}

static int give_value(void *context, const char *value)
{
	struct giving *give = context;
	const char *kept = value ? keep(give, value) : NULL;

	give->why = value && !kept ? "out of memory"
				   : give->take(give->own, give->option, kept);
	return give->why ? -EINVAL : 0;
}

static size_t option_of(const struct options_spec *spec, const char *name)
{
	size_t i = 0;

	while (!options_end(&spec->options[i]) &&
	       (!spec->options[i].name || strcmp(spec->options[i].name, name) != 0))
		i++;
	return i;
}

static int apply(struct gate *g, const struct options_spec *spec,
		 const struct first_pass *first, options_take *take, void *own)
{
	for (size_t i = 0; i < g->toml.count && !g->toml.entries[i].serial; i++) {
		const struct toml_entry *e = &g->toml.entries[i];
		struct giving give = {.gate = g,
				      .take = take,
				      .own = own,
				      .option = option_of(spec, e->name),
				      .path = gatefile_is_path(e->name)};
		char clean[WORD];

		if (options_end(&spec->options[give.option]) ||
		    first->given[give.option])
			continue;
		if (!gatefile_values(e, give_value, &give))
			continue;
		message_error("%s:%u: %s: %s",
			      text_clean(g->file, clean, sizeof(clean)), e->line,
			      e->name, give.why ? give.why : "out of memory");
		return spec->wrong;
	}
	return -1;
}

static int say_unreadable(const char *path, int err, const char *why)
{
	char clean[WORD];

	if (err == -EINVAL && *why)
		message_error("%s", why);
	else
		message_error("%s: %s", text_clean(path, clean, sizeof(clean)),
			      err == -EFBIG ? "too large for such a file"
					    : strerror(-err));
	return err == -ENOMEM ? VERB_FAILED : VERB_USAGE;
}

/* -1: go on. */
static int open_file(struct gate *g, const struct first_pass *first)
{
	char why[512] = "", clean[WORD];
	int r;

	if (first->off)
		return -1;
	g->file = first->file ? first->file : GATEFILE_NAME;
	if (!first->file && access(g->file, F_OK) < 0) {
		g->file = NULL;
		return -1;
	}
	r = gatefile_read(&g->toml, g->file, why, sizeof(why));
	if (!r)
		r = suppress_add_toml(&g->rules, g->file, &g->toml, why, sizeof(why));
	if (r < 0)
		return say_unreadable(g->file, r, why);
	message_note("the gate file is %s", text_clean(g->file, clean, sizeof(clean)));
	return -1;
}

int gate_parse(struct gate *g, const char *verb, const struct options_spec *spec,
	       size_t from, int argc, char **argv, options_take *take, void *own)
{
	struct first_pass first = {.from = from};
	int status = options_parse(verb, spec, argc, argv, note_option, &first);

	if (status < 0)
		status = open_file(g, &first);
	if (status < 0)
		status = apply(g, spec, &first, take, own);
	return status < 0 ? options_parse(verb, spec, argc, argv, take, own) : status;
}

/* ---- the files --------------------------------------------------------------- */

static int load_baseline(struct gate *g)
{
	char why[512] = "";
	int r;

	if (!g->baseline && g->update) {
		message_error("--update-baseline: which one is not said");
		message_help("name it with --baseline FILE");
		return VERB_USAGE;
	}
	if (!g->baseline)
		return -1;
	r = baseline_read(&g->was, g->baseline, why, sizeof(why));
	if (r == -ENOENT && g->update == GATE_ACCEPT)
		return -1;
	if (!r)
		return -1;
	say_unreadable(g->baseline, r, why);
	if (r == -ENOENT)
		message_help("--update-baseline=accept makes it of what there is now");
	return r == -ENOMEM ? VERB_FAILED : VERB_USAGE;
}

int gate_load(struct gate *g)
{
	char why[512] = "";
	int r = 0;

	for (size_t i = 0; i < g->suppression_count; i++) {
		r = suppress_read(&g->rules, g->suppressions[i], why, sizeof(why));
		if (r < 0)
			return say_unreadable(g->suppressions[i], r, why);
	}
	if (!g->no_known)
		r = suppress_add_known(&g->rules);
	if (r < 0)
		return say_unreadable("", r, "");
	return load_baseline(g);
}

/* ---- findings ------------------------------------------------------------------ */

int gate_find(struct gate *g, const struct profile *p,
	      const struct findings_options *options, struct findings *ret)
{
	struct findings_options o = *options;
	_cleanup_(suppress_unbindp) struct suppress_matcher *m =
		suppress_bind(&g->rules, p);
	int r;

	*ret = (struct findings){0};
	if (!m)
		return -ENOMEM;
	o.matched = suppress_matched;
	o.context = m;
	/* Each time round ends a rule that would have hidden too much. */
	while (!(r = findings_of(p, &o, ret)) && suppress_tally(m, ret))
		findings_done(ret);
	return r || !suppress_failed(m) ? r : -ENOMEM;
}

static const char *state_word(enum baseline_state state)
{
	return state == BASELINE_NEW	 ? "new"
	       : state == BASELINE_GROWN ? "grown"
					 : "unchanged";
}

/* One finding's leak; what the baseline allows is suppressed from now on. */
static int add_finding(struct gate *g, struct findings *f, size_t i, uint32_t kinds,
		       uint64_t print)
{
	struct finding *x = &f->items[i];
	struct outcome_leak leak = {.kind = x->kind, .print = print};
	enum baseline_state state;
	int r;

	if (x->kind == LEAK_SUPPRESSED && x->rule < g->rules.count) {
		const struct suppress_rule *rule = &g->rules.rules[x->rule];

		leak.reason = *rule->reason ? rule->reason : rule->name;
		return outcome_add(&g->outcome, &leak, x);
	}
	if (!(kinds & 1u << x->kind) || x->kind == LEAK_SUPPRESSED)
		return 0;
	state = baseline_state(&g->was, &g->now, print);
	leak.state = g->baseline ? state_word(state) : NULL;
	leak.fails = state != BASELINE_UNCHANGED && g->update != GATE_ACCEPT;
	r = outcome_add(&g->outcome, &leak, x);
	if (leak.fails)
		return r;
	f->sum[x->kind].blocks -= x->blocks;
	f->sum[x->kind].bytes -= x->bytes;
	f->sum[LEAK_SUPPRESSED].blocks += x->blocks;
	f->sum[LEAK_SUPPRESSED].bytes += x->bytes;
	x->kind = LEAK_SUPPRESSED;
	x->rule = FINDING_NONE;
	return r;
}

/* The folder that a repository is in, for paths relative to it: where .git is, here or
 * above; else this one. */
static const char *find_root(struct gate *g)
{
	_cleanup_(freep) char *here = getcwd(NULL, 0),
			      *dir = here ? strdup(here) : NULL;
	uint32_t number;

	while (dir && *dir) {
		_cleanup_(freep) char *git = NULL;

		if (asprintf(&git, "%s/.git", dir) >= 0 && !access(git, F_OK))
			break;
		*strrchr(dir, '/') = '\0';
	}
	number = strings_add(&g->texts, dir && *dir ? dir : here);
	return number == UINT32_MAX ? "" : strings_get(&g->texts, number);
}

int gate_compare(struct gate *g, const struct profile *p, struct findings *f,
		 uint32_t kinds)
{
	_cleanup_(freep) uint64_t *prints = calloc(f->count + 1, sizeof(*prints));
	int r = prints ? 0 : -ENOMEM;

	outcome_end(g);
	if (!r)
		r = baseline_of(p, f, kinds & ~(1u << LEAK_SUPPRESSED), &g->now,
				prints);
	if (!r) {
		g->has_outcome = true;
		r = outcome_init(&g->outcome, p, find_root(g));
	}
	for (size_t i = 0; !r && i < f->count; i++)
		r = add_finding(g, f, i, kinds, prints[i]);
	if (!r)
		outcome_sort(&g->outcome);
	return r;
}

/* ---- the end ------------------------------------------------------------------- */

static bool write_report(const struct gate *g, const struct gate_report *report)
{
	FILE *out = report->path ? fopen(report->path, report->append ? "ae" : "we")
				 : stdout;
	char clean[WORD];
	int err = 0;

	if (out) {
		report->write(&g->outcome, out);
		err = fflush(out) || ferror(out) ? errno : 0;
	} else {
		err = errno;
	}
	if (report->path && out && fclose(out) && !err)
		err = errno;
	if (!err)
		return true;
	message_error("the report %s cannot be written: %s",
		      report->path ? text_clean(report->path, clean, sizeof(clean))
				   : "to standard output",
		      strerror(err));
	return false;
}

static bool write_reports(const struct gate *g)
{
	bool ok = true;

	for (size_t i = 0; i < g->report_count; i++)
		ok = write_report(g, &g->reports[i]) && ok;
	return ok;
}

static int write_rules(const struct gate *g, FILE *out)
{
	int r = 0;

	for (size_t i = 0; !r && i < g->outcome.count; i++) {
		const struct outcome_leak *l = &g->outcome.leaks[i];

		if (l->fails)
			r = suppress_generate(g->outcome.owners, g->outcome.profile,
					      l->stack, l->kind, out);
	}
	return r;
}

static bool generate(const struct gate *g)
{
	bool standard = g->generate && !strcmp(g->generate, "-");
	FILE *out;
	char clean[WORD];
	int r;

	if (!g->generate)
		return true;
	out = standard ? stdout : fopen(g->generate, "we");
	r = out ? write_rules(g, out) : -errno;
	if (out && (fflush(out) || ferror(out)) && !r)
		r = -errno;
	if (out && !standard)
		fclose(out);
	if (!r)
		return true;
	message_error("%s: %s", text_clean(g->generate, clean, sizeof(clean)),
		      strerror(-r));
	return false;
}

static bool update(struct gate *g)
{
	struct baseline next = {0};
	char clean[WORD];
	int r;

	if (!g->update)
		return true;
	r = baseline_next(&g->was, &g->now, g->update == GATE_ACCEPT, &next);
	if (!r)
		r = baseline_write(&next, g->baseline);
	text_clean(g->baseline, clean, sizeof(clean));
	if (r)
		message_error("%s: %s", clean, strerror(-r));
	else
		message_note("%s has %zu entries now, %zu before", clean, next.count,
			     g->was.count);
	baseline_done(&next);
	return !r;
}

static int add_limits(struct gate *g, const struct budget_limit *limits, size_t count)
{
	static const char *const names[BUDGET_METRICS] = {
		"--max-leaked", "--max-peak", "--max-live-at-exit", "--max-allocations",
		"--max-temporary"};
	int r = 0;

	for (size_t i = 0; !r && i < count; i++) {
		const struct budget_limit *l = &limits[i];
		char name[WORD], text[2 * WORD];

		snprintf(name, sizeof(name), "%s%s%s", names[l->metric],
			 l->path ? " " : "", l->path ? l->path : "");
		snprintf(text, sizeof(text), "%llu %s%s%s, %llu are allowed",
			 (unsigned long long)l->is, budget_words(l->metric),
			 l->path ? " by way of " : "", l->path ? l->path : "",
			 (unsigned long long)l->most);
		r = outcome_add_limit(&g->outcome, name, text, l->is > l->most);
	}
	return r;
}

enum budget_verdict gate_finish(struct gate *g, enum budget_verdict is, const char *why,
				const struct budget_limit *limits, size_t count,
				bool last)
{
	size_t unused = suppress_unused(&g->rules);
	bool ok;

	/* Leaks within a limit are none that fail. */
	for (size_t i = 0; is != BUDGET_LEAKS && i < g->outcome.count; i++)
		g->outcome.leaks[i].fails = false;
	gate_say_rules(&g->rules, g->fail_unused);
	if (g->baseline)
		gate_say_baseline(g->baseline, &g->was, &g->now);
	if (is == BUDGET_MET && unused && g->fail_unused)
		is = BUDGET_OVER;
	if (!last)
		return is;
	ok = is == BUDGET_UNCHECKED || update(g);
	g->outcome.why = is == BUDGET_UNCHECKED ? why : NULL;
	ok = add_limits(g, limits, count) == 0 && ok;
	if (g->fail_unused && unused)
		ok = outcome_add_limit(&g->outcome, "--fail-unused-suppressions",
				       "suppressions hid nothing", true) == 0 &&
		     ok;
	/* A report that nobody can read, or a baseline that is not kept, is no pass. */
	g->outcome.status = (int)is;
	ok = generate(g) && ok;
	ok = write_reports(g) && ok;
	return ok || is != BUDGET_MET ? is : BUDGET_UNCHECKED;
}

void gate_unchecked(struct gate *g, const char *why)
{
	_cleanup_(profile_closep) struct profile *none = profile_new();

	outcome_end(g);
	if (!none || !g->report_count)
		return;
	g->has_outcome = true;
	if (!outcome_init(&g->outcome, none, find_root(g))) {
		g->outcome.why = why;
		g->outcome.status = BUDGET_UNCHECKED;
		write_reports(g);
	}
	outcome_end(g);
}
