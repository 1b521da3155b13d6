/*
 * cmd_merge.c - heapline merge [OPTIONS] PROFILE... -o FILE
 */
#include "cli/base/cleanup.h"
#include "cli/base/message.h"
#include "cli/cmd/output.h"
#include "cli/cmd/reader.h"
#include "cli/cmd/verb.h"
#include "cli/profile/merge.h"
#include "cli/profile/totals.h"
#include "cli/report/text.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum option { OUTPUT, FORCE, QUIET };

static const struct option_spec options[] = {
	[OUTPUT] = {.name = "output",
		    .argument = "FILE",
		    .help = "the profile to write; needed",
		    .letter = 'o'},
	[FORCE] = {.name = "force", .help = "overwrite it", .letter = 'f'},
	[QUIET] = {.name = "quiet", .help = "no notes", .letter = 'q'},
	{0},
};

const struct options_spec merge_spec = {
	.usage = "PROFILE... -o FILE",
	.about =
		"Makes one profile of several, of runs or of processes recorded apart. "
		"Sums are sums\nof the parts; the peak is the highest of theirs.",
	.options = options,
	.notes = "Exit status: 0; 1 for a file that cannot be written; 2 for a wrong "
		 "command line; 3 for\na profile that cannot be read.",
	.operands = OPTIONS_PROFILES,
	.refused =
		": recordings are merged whole, and the result is cut when it is read",
	.wrong = VERB_USAGE,
};

enum { WORD = 256 };

static int wrong(const char *what, const char *word)
{
	return options_wrong("merge", &merge_spec, what, word, "");
}

/* A file named twice would count twice. Pipes and files that are not there are looked
 * at later. */
static int check_twice(char **paths, size_t count)
{
	_cleanup_(freep) struct stat *seen = calloc(count, sizeof(*seen));

	if (!seen) {
		message_error("out of memory");
		return VERB_FAILED;
	}
	for (size_t i = 0; i < count; i++) {
		if (stat(paths[i], &seen[i]) < 0 || !S_ISREG(seen[i].st_mode)) {
			seen[i].st_ino = 0;
			continue;
		}
		for (size_t k = 0; k < i; k++)
			if (seen[k].st_ino == seen[i].st_ino &&
			    seen[k].st_dev == seen[i].st_dev)
				return wrong("each profile counts once, and this is "
					     "named twice: ",
					     paths[i]);
	}
	return -1;
}

/* Adds a profile that is being read. */
static int add(struct profile_merge *m, struct reader_file *file)
{
	char clean[WORD];
	int status = reader_end(file), err;

	if (status >= 0)
		return status;
	text_clean(file->path, clean, sizeof(clean));
	if (file->profile->snapshot_count)
		message_note("%s: its snapshots are left out", clean);
	err = profile_merge_add(m, take_ptr(file->profile));
	reader_unload(file);
	if (!err)
		return -1;
	if (err == -ENOMEM) {
		message_error("out of memory");
		return VERB_FAILED;
	}
	message_error("%s: %s", clean,
		      err == -EOVERFLOW
			      ? "it makes the merged profile too large, or its "
				"times are impossible"
			      : "damaged: it contradicts itself");
	message_help("leave it out, or record it again");
	return VERB_UNREADABLE;
}

/* Adds all, each while the next one is read. */
static int add_all(struct profile_merge *m, struct reader_file *files, size_t count)
{
	int status = -1;

	for (size_t i = 0; status < 0 && i < count; i++) {
		if (!i)
			reader_begin(&files[0], PROFILE_DIMENSIONS);
		if (i + 1 < count)
			reader_begin(&files[i + 1], PROFILE_DIMENSIONS);
		status = add(m, &files[i]);
	}
	return status;
}

/* NULL without memory. */
static struct reader_file *name_files(char **paths, size_t count)
{
	struct reader_file *files = calloc(count, sizeof(*files));

	for (size_t i = 0; files && i < count; i++) {
		files[i].path = strdup(paths[i]);
		if (files[i].path)
			continue;
		while (i--)
			free(files[i].path);
		free(files);
		return NULL;
	}
	return files;
}

static int read_all(struct profile_merge *m, char **paths, size_t count)
{
	struct reader_file *files = name_files(paths, count);
	int status;

	if (!files) {
		message_error("out of memory");
		return VERB_FAILED;
	}
	status = add_all(m, files, count);
	for (size_t i = 0; i < count; i++)
		reader_unload(&files[i]);
	free(files);
	return status;
}

/* ---- writing ---------------------------------------------------------------- */

static int write_output(const char *path, bool force,
			const struct profile_merged *merged)
{
	struct output_profile what = {
		.p = merged->p, .more = merged->more, .more_count = merged->more_count};
	int r = output_write(path, force, &what);

	if (r < 0)
		output_say(path, r, NULL);
	return r < 0 ? VERB_FAILED : VERB_OK;
}

static int merge(char **paths, size_t count, const char *output, bool force)
{
	_cleanup_(profile_merge_closep) struct profile_merge *m = NULL;
	_cleanup_(profile_merged_done) struct profile_merged merged = {0};
	char clean[WORD];
	size_t processes;
	int status = check_twice(paths, count);

	if (status >= 0)
		return status;
	if (profile_merge_open(&m) < 0) {
		message_error("out of memory");
		return VERB_FAILED;
	}
	status = read_all(m, paths, count);
	if (status >= 0)
		return status;
	if (profile_merge_finish(m, &merged) < 0) {
		message_error("out of memory");
		return VERB_FAILED;
	}
	processes = profile_processes(merged.p);
	status = write_output(output, force, &merged);
	if (status == VERB_OK)
		message_note("%zu profile%s, %zu process%s: %s", count,
			     count == 1 ? "" : "s", processes,
			     processes == 1 ? "" : "es",
			     text_clean(output, clean, sizeof(clean)));
	return status;
}

struct own {
	const char *output;
	bool force;
};

static const char *take(void *own, size_t i, const char *value)
{
	struct own *o = own;

	switch ((enum option)i) {
	case OUTPUT:
		o->output = value;
		return *value ? NULL : "name the profile to write";
	case FORCE:
		o->force = true;
		break;
	case QUIET:
		message_quiet();
		break;
	}
	return NULL;
}

int cmd_merge(int argc, char **argv)
{
	struct own o = {0};
	int status = options_parse("merge", &merge_spec, argc, argv, take, &o);

	if (status >= 0)
		return status;
	if (optind == argc)
		return wrong("name the profiles to merge", "");
	if (!o.output)
		return wrong("name the profile to write with -o FILE", "");
	return merge(argv + optind, (size_t)(argc - optind), o.output, o.force);
}
