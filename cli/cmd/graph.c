#include "cli/cmd/graph.h"

#include "cli/base/message.h"
#include "cli/cmd/verb.h"
#include "cli/report/types.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void say_missing(const struct profile *p, const char *snapshot,
			const char *cause)
{
	char clean[256];

	if (cause) {
		message_error("the heap was not scanned: %s",
			      text_clean(cause, clean, sizeof(clean)));
		message_help("`heapline snapshot PID` reads a process while it runs");
	} else if (!p->snapshot_count) {
		message_error("the profile has no snapshot of a heap");
		message_help("`heapline run --snapshot-at-exit PROGRAM` records one; "
			     "if a signal ends it, --snapshot-at-any-exit");
	} else {
		message_error(
			"the profile has no such snapshot%s%s", snapshot ? ": " : "",
			snapshot ? text_clean(snapshot, clean, sizeof(clean)) : "");
		message_help("`heapline info` lists what is in a profile");
	}
}

int graph_say(int err)
{
	if (err == -ESPIPE) {
		message_error("the graph cannot be read out of a pipe");
		message_help("save the profile to a file first");
		return VERB_UNREADABLE;
	}
	if (err == -EBADMSG) {
		message_error("the graph in it is damaged");
		message_help("copy the profile again from where it was recorded, or "
			     "record again");
		return VERB_UNREADABLE;
	}
	message_error("%s", strerror(-err));
	return VERB_FAILED;
}

/* false: why not was said, *ret_status is the exit status. */
static bool open_graph(const struct reader *r, size_t file, struct held *h,
		       const struct held_options *how, int *ret_status)
{
	const char *snapshot = how->snapshot;
	const struct held_options o = {.typed = how->typed,
				       .forwards = how->forwards,
				       .path = r->files[file].path,
				       .pid = r->scope.pid,
				       .snapshot = snapshot};
	const struct profile *p = r->files[file].profile;
	const char *cause = NULL;
	int err = held_open(h, p, &o, &cause);

	if (!err)
		return true;
	if (err == -ENODATA) {
		say_missing(p, snapshot, cause);
		*ret_status = VERB_UNREADABLE;
	} else {
		*ret_status = graph_say(err);
	}
	return false;
}

static int say_no_block(const char *operand)
{
	char clean[256];

	if (!operand) {
		message_error("no live object is of that type");
		message_help("`heapline top --by type` lists those that are known");
		return VERB_USAGE;
	}
	message_error("no live block: %s", text_clean(operand, clean, sizeof(clean)));
	message_help("an address is one of a block at the snapshot; a site a function, "
		     "file or file:line on its stack");
	return VERB_USAGE;
}

static int read_graph(const struct reader *r, void *own, const struct held_options *how,
		      graph_report *report, int *ret_status)
{
	struct held h;
	int result = 0;

	*ret_status = 0;
	if (open_graph(r, 0, &h, how, ret_status))
		result = report(r, &h, own);
	held_done(&h);
	return result;
}

int graph_read(const struct reader *r, void *own, const char *snapshot, bool forwards,
	       graph_report *report, int *ret_status)
{
	const struct held_options types = {
		.typed = true, .forwards = forwards, .snapshot = snapshot};

	return read_graph(r, own, &types, report, ret_status);
}

static int read_pair(const struct reader *r, void *own, const char *a, const char *b,
		     bool typed, graph_pair_report *report, int *ret_status)
{
	const struct held_options how[] = {
		{.typed = typed, .forwards = true, .snapshot = a},
		{.typed = typed, .forwards = true, .snapshot = b}};
	struct held first = {0}, second = {0};
	int result = 0;

	*ret_status = 0;
	if (open_graph(r, 0, &first, &how[0], ret_status) &&
	    open_graph(r, r->count > 1, &second, &how[1], ret_status))
		result = report(r, &first, &second, own);
	held_done(&first);
	held_done(&second);
	return result;
}

int graph_read_pair(const struct reader *r, void *own, const char *a, const char *b,
		    graph_pair_report *report, int *ret_status)
{
	return read_pair(r, own, a, b, true, report, ret_status);
}

int graph_read_blocks(const struct reader *r, void *own, graph_pair_report *report,
		      int *ret_status)
{
	return read_pair(r, own, NULL, NULL, false, report, ret_status);
}

int graph_types_growth(const struct reader *r, const struct held *a,
		       const struct held *b, void *own)
{
	const struct types_options o = {
		.limit = r->limit, .bytes = r->bytes, .colour = r->colour};

	(void)own;
	return r->json ? types_growth_json(a, b, &o, r->out)
		       : types_growth_text(a, b, &o, r->out);
}

int graph_run(const struct graph_verb *verb, int argc, char **argv, void *own,
	      const char *const *snapshot)
{
	const struct reader_spec *spec = verb->spec;
	struct held_options how = {.forwards = verb->forwards};
	struct reader r;
	const char *operand;
	int status, result, unread;

	if (!reader_open(&r, spec, argc, argv, own, &status))
		return status;
	operand = r.operand;
	how.snapshot = *snapshot;
	how.typed = spec->named && spec->named(own);
	result = read_graph(&r, own, &how, verb->report, &unread);
	status = reader_close(&r, result == -ENXIO ? 0 : result);
	if (unread)
		return unread;
	return result == -ENXIO ? say_no_block(operand) : status;
}

const char *graph_take(void *own, size_t i, const char *value)
{
	(void)i;
	*(const char **)own = value;
	return NULL;
}

const char *graph_type(const char *value, char what[GRAPH_WHAT])
{
	size_t len = (size_t)snprintf(what, GRAPH_WHAT, HELD_TYPE "%s", value);

	return !*value || len >= GRAPH_WHAT ? "the name of a type" : NULL;
}

const char *graph_count(const char *value, size_t most, size_t *ret)
{
	static char text[64];
	char *end;
	unsigned long long n = strtoull(value, &end, 10);

	/* (Of "-1" it makes a large one.) */
	if (*end || n < 1 || n > most) {
		snprintf(text, sizeof(text), "a number from 1 to %zu", most);
		return text;
	}
	*ret = (size_t)n;
	return NULL;
}
