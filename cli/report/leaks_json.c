/*
 * leaks_json.c - leaks for scripts.
 */
#include "cli/report/leaks.h"

#include "cli/base/cleanup.h"
#include "cli/base/json.h"
#include "cli/report/amount_json.h"
#include "cli/report/frames_json.h"
#include "cli/report/losses.h"
#include "cli/report/wrappers.h"

#include <inttypes.h>

static void put_amount(struct json *j, const char *name, struct profile_amount a,
		       const char *meaning)
{
	json_key(j, name);
	json_object(j);
	amount_json_items(j, a);
	if (meaning)
		json_put_string(j, "meaning", meaning);
	json_close(j);
}

static void put_heading(const struct leaks *l, struct json *j)
{
	const struct findings *f = l->findings;

	json_put_unsigned(j, "schema", 1);
	json_put_string(j, "report", "leaks");
	losses_json(l->profile, j);
	json_put_unsigned(j, "scanned", f->scanned);
	json_put_unsigned(j, "unscanned", f->unscanned);
	json_put_unsigned(j, "early", f->early);
	json_put_string(j, "cause", f->cause);
	json_put_unsigned(j, "disproved", f->disproved);
	json_key(j, "sums");
	json_object(j);
	for (int k = 0; k < LEAK_KINDS; k++)
		put_amount(j, leak_words[k], f->sum[k],
			   leaks_meaning((enum leak_kind)k));
	json_close(j);
	wrappers_json(l->profile, j);
	put_amount(j, "listed", l->sum, NULL);
	json_put_unsigned(j, "found", l->count);
}

static void put_numbers(const struct leaks *l, const struct finding *f, struct json *j)
{
	char address[24];

	json_put_unsigned(j, "blocks", f->blocks);
	json_put_unsigned(j, "bytes", f->bytes);
	json_put_unsigned(j, "held_blocks", f->held_blocks);
	json_put_unsigned(j, "held_bytes", f->held_bytes);
	json_put_unsigned(j, "first_ns", f->first_ns);
	json_put_unsigned(j, "last_ns", f->last_ns);
	snprintf(address, sizeof(address), "0x%" PRIx64, f->address);
	json_key(j, "address");
	if (f->address)
		json_string(j, address);
	else
		json_null(j);
	json_key(j, "snapshot");
	if (f->snapshot != FINDING_NONE)
		json_unsigned(j, f->snapshot + 1ull);
	else
		json_null(j);
	json_key(j, "leader");
	if (f->leader != FINDING_NONE)
		json_string(j, leak_words[l->findings->items[f->leader].kind]);
	else
		json_null(j);
	json_put_unsigned(j, "disproved", f->disproved);
	json_put_unsigned(j, "stacks", f->stacks);
}

static int put_finding(struct leaks *l, const struct finding *f, struct json *j)
{
	const struct profile_process *process = &l->profile->processes[f->process];
	_cleanup_(freep) char *reason = NULL;
	int r = leaks_reason(l, f, &reason);
	char site[1024];

	if (r < 0)
		return r;
	json_object(j);
	json_put_string(j, "kind", leak_words[f->kind]);
	json_put_string(j, "reason", reason);
	json_put_unsigned(j, "pid", (uint64_t)process->pid);
	json_put_unsigned(j, "process_serial", process->serial);
	json_put_string(j, "site",
			frames_site(l->owners, f->stack, site, sizeof(site)));
	json_put_string(j, "module", leaks_module(l, f));
	put_numbers(l, f, j);
	frames_json_stack(l->profile, f->stack, j);
	json_close(j);
	return 0;
}

int leaks_json(struct leaks *l, FILE *out)
{
	struct json j = {.out = out, .spread = 3};
	size_t most = l->options->limit ? l->options->limit : l->count;
	int r = 0;

	json_object(&j);
	put_heading(l, &j);
	json_key(&j, "leaks");
	json_array(&j);
	for (size_t i = 0; !r && i < l->count && i < most; i++)
		r = put_finding(l, &l->findings->items[l->shown[i]], &j);
	json_close(&j);
	json_close(&j);
	json_end(&j);
	return r;
}
