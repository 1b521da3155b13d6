/*
 * summary_json.c - the summary for scripts.
 */
#include "cli/report/summary.h"

#include "cli/base/cleanup.h"
#include "cli/base/json.h"
#include "cli/report/amount_json.h"
#include "cli/report/cut.h"
#include "cli/report/estimate.h"
#include "cli/report/images.h"
#include "cli/report/losses.h"
#include "cli/report/memory.h"
#include "cli/report/summary_sums.h"
#include "cli/report/unfollowed.h"

static void json_ranges(struct json *j, const struct profile *p,
			const struct summary *s)
{
	estimate_json_range(p, j, "allocated_bytes", s->allocated_bytes);
	estimate_json_range(p, j, "freed_bytes", s->freed_bytes);
	estimate_json_range(p, j, "peak_bytes", s->peak.bytes);
	estimate_json_range(p, j, "live_at_end_bytes", s->live_at_end.bytes);
	estimate_json_range(p, j, "leaked_bytes", s->leaked.bytes);
}

static void json_figures(struct json *j, const struct summary *s)
{
	json_key(j, "totals");
	json_object(j);
	json_put_unsigned(j, "allocations", s->allocs);
	json_put_unsigned(j, "frees", s->frees);
	json_put_unsigned(j, "allocated_bytes", s->allocated_bytes);
	json_put_unsigned(j, "freed_bytes", s->freed_bytes);
	json_put_unsigned(j, "temporary", s->temporary.blocks);
	json_put_unsigned(j, "temporary_bytes", s->temporary.bytes);
	json_close(j);
	json_key(j, "peak");
	json_object(j);
	amount_json_items(j, s->peak);
	json_put_unsigned(j, "at_ns", s->peak_at_ns);
	json_close(j);
	amount_json(j, "live_at_end", s->live_at_end);
	amount_json(j, "runtime", s->runtime);
	amount_json(j, "finalised", s->finalised);
	amount_json(j, "leaked", s->leaked);
	amount_json(j, "not_yet_freed", s->not_yet);
}

static void json_exit(struct json *j, const struct profile_process *process)
{
	int status = summary_exit_status(process);

	json_key(j, "exit");
	if (status < 0)
		json_null(j);
	else
		json_signed(j, status);
}

/* Of the arenas; null: it is not known. */
static void json_use(struct json *j, const char *key, const struct profile_arenas *a)
{
	json_key(j, key);
	if (!a->bytes) {
		json_null(j);
		return;
	}
	json_object(j);
	json_put_unsigned(j, "bytes", a->bytes);
	amount_json(j, "used", a->used);
	json_close(j);
}

static void json_uses(struct json *j, const struct profile *p, int32_t pid)
{
	struct summary_arenas a = summary_arenas(p, pid);

	json_use(j, "use", &a.at_end);
	json_use(j, "use_at_peak", &a.at_peak);
}

static int json_domains(const struct profile *p, int32_t pid, struct json *j)
{
	json_key(j, "domains");
	json_object(j);
	for (unsigned d = 0; d < PROFILE_DOMAINS; d++) {
		struct scope_options o = {.domain = (enum profile_domain)d, .pid = pid};
		struct summary s;
		int err = summary_of(p, &o, &s);

		if (err < 0)
			return err;
		json_key(j, scope_domains[d]);
		json_object(j);
		json_figures(j, &s);
		if (d == PROFILE_MALLOC)
			json_ranges(j, p, &s);
		if (d == PROFILE_ARENA)
			json_uses(j, p, pid);
		json_close(j);
	}
	json_close(j);
	return 0;
}

static void json_overheads(struct json *j, const struct summary *s)
{
	json_put_unsigned(j, "unknown_frees", s->unknown_frees);
	json_put_unsigned(j, "unseen_frees", s->unseen_frees);
	json_key(j, "pool_errors");
	json_object(j);
	json_put_unsigned(j, "unknown_pools", s->pools.unknown);
	json_put_unsigned(j, "unknown_chunks", s->pools.frees);
	json_put_unsigned(j, "other_pools", s->pools.others);
	json_put_unsigned(j, "overlaps", s->pools.overlaps);
	json_close(j);
	json_put_unsigned(j, "held_back_ns", s->held_back_ns);
	json_put_unsigned(j, "events", s->events);
}

static const char *end_name(uint32_t end)
{
	switch (end) {
	case PROFILE_EXITED:
		return "exited";
	case PROFILE_SIGNALED:
		return "signaled";
	case PROFILE_EXECED:
		return "execed";
	default:
		return "running";
	}
}

static void json_inherited(struct json *j, const struct profile_process *process)
{
	json_key(j, "inherited");
	json_object(j);
	json_put_unsigned(j, "blocks", process->inherited.blocks);
	json_put_unsigned(j, "bytes", process->inherited.bytes);
	json_put_unsigned(j, "freed_blocks", process->inherited_freed.blocks);
	json_put_unsigned(j, "freed_bytes", process->inherited_freed.bytes);
	json_close(j);
}

static void json_process(const struct profile *p, struct json *j,
			 const struct profile_process *process, const struct summary *s)
{
	json_object(j);
	json_key(j, "pid");
	json_signed(j, process->pid);
	json_put_unsigned(j, "serial", process->serial);
	json_put_unsigned(j, "parent_serial", process->parent_serial);
	json_put_unsigned(j, "counted_with", process->counted_with);
	json_put_unsigned(j, "counted", process->counted);
	json_put_string(j, "command", strings_get(&p->strings, process->command));
	json_put_string(j, "exe", strings_get(&p->strings, process->exe));
	json_put_string(j, "end", end_name(process->end));
	json_exit(j, process);
	json_put_unsigned(j, "start_ns", process->start_ns);
	json_put_unsigned(j, "end_ns", process->end_ns);
	json_figures(j, s);
	json_ranges(j, p, s);
	json_inherited(j, process);
	memory_json(process, j);
	json_put_unsigned(j, "lost", s->lost);
	json_overheads(j, s);
	json_close(j);
}

static void json_processes(const struct scope *scope, struct json *j,
			   const struct summary *all)
{
	const struct profile *p = scope->profile;

	json_key(j, "processes");
	json_array(j);
	for (size_t i = 0; i < p->process_count; i++)
		if (scope->process[i])
			json_process(p, j, &p->processes[i], &all[i]);
	json_close(j);
}

int summary_json(const struct profile *p, const struct summary_options *o, FILE *out)
{
	struct scope_options whole = {.pid = o->scope.pid};
	_cleanup_(scope_done) struct scope scope;
	_cleanup_(freep) struct summary *all = NULL;
	_cleanup_(images_done) struct images images = {0};
	struct json j = {.out = out, .spread = 3};
	struct summary sum;
	size_t root;
	int err = scope_init(&scope, p, &whole);

	if (!err)
		err = summary_of_processes(&scope, &all);
	if (!err)
		err = images_init(&images, p);
	if (err < 0)
		return err;
	sum = summary_total(&scope, all);
	root = summary_root(&scope);
	json_object(&j);
	json_put_unsigned(&j, "schema", SUMMARY_SCHEMA);
	json_put_string(&j, "command",
			root == SIZE_MAX
				? ""
				: strings_get(&p->strings, p->processes[root].command));
	json_exit(&j, root == SIZE_MAX ? NULL : images_last(&images, root));
	json_put_bool(&j, "complete", p->complete);
	json_figures(&j, &sum);
	json_ranges(&j, p, &sum);
	err = json_domains(p, o->scope.pid, &j);
	if (err < 0)
		return err;
	losses_json(p, &j);
	cut_json(p, &j);
	json_overheads(&j, &sum);
	json_put_unsigned(&j, "wall_ns", p->wall_ns);
	json_put_unsigned(&j, "start_unix_ns", p->start_unix_ns);
	json_put_string(&j, "version", strings_get(&p->strings, p->version));
	json_processes(&scope, &j, all);
	unfollowed_json(p, &j);
	json_close(&j);
	json_end(&j);
	return 0;
}
