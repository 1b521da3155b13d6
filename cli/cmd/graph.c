#include "cli/cmd/graph.h"

#include "cli/base/message.h"
#include "cli/cmd/verb.h"

#include <errno.h>
#include <string.h>

static void say_missing(const struct reader *r, const char *snapshot, const char *cause)
{
	char clean[256];

	if (cause) {
		message_error("the heap was not scanned: %s",
			      text_clean(cause, clean, sizeof(clean)));
		message_help("`heapline snapshot PID` reads a process while it runs");
	} else if (!r->profile->snapshot_count) {
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

bool graph_open(struct reader *r, struct held *h, const char *snapshot, int *ret_status)
{
	const struct held_options o = {
		.path = r->path, .pid = r->scope.pid, .snapshot = snapshot};
	const char *cause = NULL;
	int err = held_open(h, r->profile, &o, &cause);

	if (!err)
		return true;
	held_done(h);
	if (err == -ENODATA) {
		say_missing(r, snapshot, cause);
		*ret_status = VERB_UNREADABLE;
	} else {
		*ret_status = graph_say(err);
	}
	reader_close(r, 0);
	return false;
}

int graph_close(struct reader *r, struct held *h, int result)
{
	char clean[256];
	const char *operand = r->operand;
	int status;

	held_done(h);
	status = reader_close(r, result == -ENXIO ? 0 : result);
	if (result != -ENXIO)
		return status;
	message_error("no live block: %s",
		      text_clean(operand ? operand : "", clean, sizeof(clean)));
	message_help("an address is one of a block at the snapshot; a site a function, "
		     "file or file:line on its stack");
	return VERB_USAGE;
}
