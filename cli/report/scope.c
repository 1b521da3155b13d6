#include "cli/report/scope.h"

#include "cli/report/frames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const scope_domains[PROFILE_DOMAINS] = {
	[PROFILE_MALLOC] = "malloc",
	[PROFILE_MMAP] = "mmap",
	[PROFILE_POOL] = "pool",
	[PROFILE_ARENA] = "arena",
};

static int choose_processes(struct scope *s, int32_t pid)
{
	const struct profile *p = s->profile;
	bool apart = false;

	s->process = calloc(p->process_count + 1, sizeof(*s->process));
	if (!s->process)
		return -ENOMEM;
	for (size_t i = 0; i < p->process_count; i++) {
		uint64_t *index = table_put(
			&s->serials, (struct table_key){.a = p->processes[i].serial},
			NULL);

		if (!index)
			return -ENOMEM;
		*index = i;
		if (pid && p->processes[i].pid != pid)
			continue;
		s->process[i] = true;
		s->process_count += !p->processes[i].counted;
		apart |= !p->processes[i].counted_with;
	}
	if (pid && !s->process_count)
		return -ESRCH;
	return pid && !apart ? -EXDEV : 0;
}

/* Serials are small numbers as a rule: a site's process is then found at once. */
static int index_serials(struct scope *s)
{
	enum { DENSE = 1 << 20 };
	const struct profile *p = s->profile;
	uint32_t last = 0;

	for (size_t i = 0; i < p->process_count; i++)
		if (p->processes[i].serial > last)
			last = p->processes[i].serial;
	if (last >= DENSE)
		return 0;
	s->dense = calloc(last + 1ul, sizeof(*s->dense));
	if (!s->dense)
		return -ENOMEM;
	s->dense_count = last + 1ul;
	for (size_t i = 0; i < p->process_count; i++)
		s->dense[p->processes[i].serial] = (uint32_t)i + 1;
	return 0;
}

/* Processes of one pid follow each other (exec): their peaks are never summed. */
static void choose_moment(struct scope *s, bool one_pid)
{
	const struct profile *p = s->profile;
	uint64_t highest = 0;

	if (p->slice.has_moment) {
		s->moment = SCOPE_AT;
		return;
	}
	if (s->process_count > 1 && !one_pid) {
		s->moment =
			s->domain == PROFILE_MALLOC ? SCOPE_TREE_PEAK : SCOPE_OWN_PEAKS;
		return;
	}
	s->moment = SCOPE_OWN_PEAK;
	s->peak_process = SIZE_MAX;
	for (size_t i = 0; i < p->process_count; i++) {
		uint64_t bytes = p->processes[i].domain[s->domain].peak.bytes;

		if (s->process[i] && (s->peak_process == SIZE_MAX || bytes > highest)) {
			s->peak_process = i;
			highest = bytes;
		}
	}
}

/* ---- focus and ignore ----------------------------------------------------- */

enum { UNKNOWN = 0, MATCHES = 1, DIFFERS = 2 };

struct matcher {
	const struct profile *profile;
	const regex_t *regex;
	unsigned char *strings; /* by string: what was found */
};

static bool string_matches(struct matcher *m, uint32_t string)
{
	unsigned char *known;

	if (string >= m->profile->strings.count)
		return false;
	known = &m->strings[string];
	if (*known == UNKNOWN)
		*known = regexec(m->regex, strings_get(&m->profile->strings, string), 0,
				 NULL, 0) == 0
				 ? MATCHES
				 : DIFFERS;
	return *known == MATCHES;
}

static bool node_matches(struct matcher *m, const struct profile_stack *stack)
{
	const struct profile *p = m->profile;
	const struct profile_code *code;

	if (stack->module && stack->module <= p->module_count &&
	    string_matches(m, p->modules[stack->module - 1].path))
		return true;
	if (!stack->code || stack->code > p->code_count)
		return false;
	code = &p->codes[stack->code - 1];
	for (uint32_t k = 0; k < code->frames; k++) {
		const struct profile_frame *f = &p->frames[code->first_frame + k];

		if (string_matches(m, f->function) || string_matches(m, f->file))
			return true;
	}
	return false;
}

/* Sets hit[i] if node i or one between it and the root matches. */
static int match_stacks(const struct profile *p, const regex_t *regex,
			unsigned char *hit)
{
	struct matcher m = {.profile = p, .regex = regex};

	m.strings = calloc(p->strings.count + 1, 1);
	if (!m.strings)
		return -ENOMEM;
	for (size_t i = 1; i < p->stack_count; i++)
		hit[i] = hit[p->stacks[i].parent] || node_matches(&m, &p->stacks[i]);
	free(m.strings);
	return 0;
}

static int choose_stacks(struct scope *s, const regex_t *focus, const regex_t *ignore)
{
	size_t count = s->profile->stack_count;
	unsigned char *ignored;
	int err = 0;

	if (!focus && !ignore)
		return 0;
	s->stacks = calloc(count + 1, 1);
	ignored = calloc(count + 1, 1);
	if (!s->stacks || !ignored)
		err = -ENOMEM;
	else if (focus)
		err = match_stacks(s->profile, focus, s->stacks);
	else
		memset(s->stacks, 1, count);
	if (!err && ignore)
		err = match_stacks(s->profile, ignore, ignored);
	for (size_t i = 0; !err && i < count; i++)
		s->stacks[i] = s->stacks[i] && !ignored[i];
	free(ignored);
	return err;
}

int scope_init(struct scope *s, const struct profile *p, const struct scope_options *o)
{
	int err;

	*s = (struct scope){.profile = p, .domain = o->domain};
	err = choose_processes(s, o->pid);
	if (err < 0)
		return err;
	err = index_serials(s);
	if (err < 0)
		return err;
	choose_moment(s, o->pid != 0);
	return choose_stacks(s, o->focus, o->ignore);
}

void scope_done(struct scope *s)
{
	free(s->process);
	free(s->stacks);
	free(s->dense);
	table_done(&s->serials);
	*s = (struct scope){0};
}

size_t scope_process(const struct scope *s, const struct profile_site *site)
{
	uint64_t *index;

	if (site->process_serial < s->dense_count && s->dense[site->process_serial])
		return s->dense[site->process_serial] - 1;
	if (s->dense)
		return SIZE_MAX;
	index = table_get(&s->serials, (struct table_key){.a = site->process_serial});
	return index ? (size_t)*index : SIZE_MAX;
}

bool scope_has(const struct scope *s, const struct profile_site *site)
{
	size_t process;

	if (site->domain != s->domain || site->stack >= s->profile->stack_count)
		return false;
	if (s->stacks && !s->stacks[site->stack])
		return false;
	process = scope_process(s, site);
	return process != SIZE_MAX && s->process[process];
}

struct profile_amount scope_peak(const struct scope *s, const struct profile_site *site)
{
	if (s->moment == SCOPE_TREE_PEAK)
		return site->tree_peak;
	if (s->moment == SCOPE_OWN_PEAK && scope_process(s, site) != s->peak_process)
		return (struct profile_amount){0};
	return site->peak;
}

struct profile_amount scope_peak_total(const struct scope *s, uint64_t *ret_at_ns)
{
	const struct profile *p = s->profile;
	struct profile_amount sum = {0};

	*ret_at_ns = 0;
	if (s->moment == SCOPE_TREE_PEAK) {
		*ret_at_ns = p->tree_peak_at_ns;
		return p->tree_peak;
	}
	if (s->moment == SCOPE_AT)
		*ret_at_ns = p->slice.at_ns;
	for (size_t i = 0; i < p->process_count; i++) {
		if (!s->process[i])
			continue;
		if (s->moment == SCOPE_OWN_PEAK && i != s->peak_process)
			continue;
		sum.blocks += p->processes[i].domain[s->domain].peak.blocks;
		sum.bytes += p->processes[i].domain[s->domain].peak.bytes;
		if (s->moment == SCOPE_OWN_PEAK)
			*ret_at_ns = p->processes[i].domain[s->domain].peak_at_ns;
	}
	return sum;
}
