#include "cli/cmd/resolve.h"

#include "cli/base/cleanup.h"
#include "cli/base/message.h"
#include "cli/base/table.h"
#include "cli/cmd/progress.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

static void count(struct resolve_module *m, const struct profile_frame *f)
{
	m->places++;
	if (f->function && f->file && f->line)
		m->lined++;
	else if (f->function)
		m->named++;
}

/* Numbers the files of the profile's modules; *ret_of: of each module its file. */
static int list_files(const struct profile *p, struct resolve_outcome *ret,
		      uint32_t **ret_of)
{
	_cleanup_(table_done) struct table known = {0};
	uint32_t *of = *ret_of = calloc(p->module_count + 1, sizeof(*of));

	ret->modules = calloc(p->module_count + 1, sizeof(*ret->modules));
	if (!of || !ret->modules)
		return -ENOMEM;
	for (size_t i = 0; i < p->module_count; i++) {
		const struct profile_module *m = &p->modules[i];
		uint64_t *number = table_put(
			&known, (struct table_key){m->path, m->build_id}, NULL);

		if (!number)
			return -ENOMEM;
		if (!*number) {
			ret->modules[ret->module_count++] = (struct resolve_module){
				.path = m->path, .build_id = m->build_id};
			*number = ret->module_count;
		}
		of[i] = (uint32_t)*number - 1;
	}
	return 0;
}

/* Each code counts once, for the module of the first stack that has it. */
static int count_places(const struct profile *p, const uint32_t *file_of,
			struct resolve_outcome *ret)
{
	_cleanup_(freep) bool *seen = calloc(p->code_count + 1, sizeof(*seen));

	if (!seen)
		return -ENOMEM;
	for (size_t i = 1; i < p->stack_count; i++) {
		const struct profile_stack *st = &p->stacks[i];
		const struct profile_frame *f;

		if (!st->code || seen[st->code - 1] || st->flags & PROFILE_STACK_CUT)
			continue;
		seen[st->code - 1] = true;
		f = &p->frames[p->codes[st->code - 1].first_frame];
		count(&ret->all, f);
		if (st->module)
			count(&ret->modules[file_of[st->module - 1]], f);
	}
	return 0;
}

static void symbols_closep(struct symbols **s)
{
	symbols_close(*s);
}

static void show(void *arg, size_t done, size_t all)
{
	progress_show(arg, done, all);
}

static int look_up(struct symbols *s, struct profile *p,
		   const struct resolve_options *o, const uint32_t *file_of,
		   struct resolve_outcome *ret)
{
	struct progress progress;
	struct rlimit files;
	int err;

	/* Each module's file stays open. */
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	symbols_use_cache(s);
	err = o->servers ? symbols_ask_servers(s) : 0;
	if (err)
		return err;
	for (size_t i = 0; i < p->module_count; i++)
		ret->modules[file_of[i]].err = symbols_module(
			s, i, strings_get(&p->strings, p->modules[i].path), "",
			strings_get(&p->strings, p->modules[i].build_id));
	progress_begin(&progress);
	symbols_on_progress(s, show, &progress);
	err = symbols_improve(s, p, &ret->better);
	progress_end(&progress);
	for (size_t i = 0; i < p->module_count; i++)
		ret->modules[file_of[i]].lacking = symbols_lacking(s, i);
	ret->server_error = symbols_server_error(s);
	return err;
}

int resolve(struct profile *p, const struct resolve_options *o,
	    struct resolve_outcome *ret)
{
	_cleanup_(symbols_closep) struct symbols *s = NULL;
	_cleanup_(freep) uint32_t *file_of = NULL;
	struct resolve_outcome out = {0};
	size_t sources = p->source_count;
	bool was = p->symbolised;
	int err = symbols_open(&s);

	if (!err && o->source_paths)
		err = symbols_source_paths(s, o->source_paths);
	if (err)
		return err;
	err = list_files(p, &out, &file_of);
	if (!err && !o->only_source)
		err = look_up(s, p, o, file_of, &out);
	if (!err && !o->no_source)
		err = symbols_sources(s, p, &out.sources);
	if (!err)
		err = count_places(p, file_of, &out);
	if (err) {
		resolve_done(&out);
		return err;
	}
	out.changed = was != p->symbolised || out.better || p->source_count != sources;
	*ret = out;
	return 0;
}

void resolve_say_no_servers(int err)
{
	if (err == -ENOENT) {
		message_error("--debuginfod: DEBUGINFOD_URLS names no server");
		message_help("export DEBUGINFOD_URLS=https://debuginfod.debian.net");
		return;
	}
	message_error("--debuginfod: there is no libdebuginfod.so.1");
	message_help("install it (Debian: libdebuginfod1)");
}

void resolve_done(struct resolve_outcome *r)
{
	free(r->modules);
	*r = (struct resolve_outcome){0};
}
