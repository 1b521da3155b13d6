/*
 * symbols.h - what the addresses of a profile stand for: functions, inlined functions,
 * files and lines, and the text of those lines. The collector asks while the modules
 * are still there; readers ask for profiles whose collector could not.
 *
 * Local files alone are read, unless symbols_ask_servers() is called. One object serves
 * one profile, from one thread; it looks into several files at a time, in threads of
 * its own that end with the call, or with the next one to wait for them.
 */
#pragma once

#include "cli/profile/profile.h"

struct symbols;

/* 0 or -ENOMEM. */
int symbols_open(struct symbols **ret);

/* NULL is fine. */
void symbols_close(struct symbols *s);

/* Looks into the cache on disk first, and keeps there what is found out. Without a
 * place for one (no home, another's directory) nothing is different. */
void symbols_use_cache(struct symbols *s);

/* Asks the servers of $DEBUGINFOD_URLS for debug information that is not here; before
 * symbols_module(). As debugserver_open(). */
int symbols_ask_servers(struct symbols *s);

/* -errno of why a server did not answer; 0: they did, or were not asked. */
int symbols_server_error(const struct symbols *s);

/* Rules FROM=TO of where sources are, a line each. As remap_add_lines(). */
int symbols_source_paths(struct symbols *s, const char *rules);

/* Called by symbols_resolve() several times a second, in its thread: places that are
 * done, of all. */
typedef void symbols_progress(void *arg, size_t done, size_t all);
void symbols_on_progress(struct symbols *s, symbols_progress *progress, void *arg);

/*
 * Opens the file of p->modules[index], early: from then on it may be deleted. path is
 * the loader's, root where the process's "/" is ("/proc/PID/root"; "" or NULL: ours),
 * build_id the recorded hex ("": unknown). A file with another build-id than recorded
 * is not used; one that has it is looked for in /usr/lib/debug/.build-id.
 *
 * 0, also for an index that has its file already; or why the module will have unknown
 * names only: -ENOENT (deleted, or no file at all as the vDSO), -ESTALE (replaced: the
 * build-id differs), -ENOEXEC, -EMFILE, ... Modules of the same file share it.
 */
int symbols_module(struct symbols *s, size_t index, const char *path, const char *root,
		   const char *build_id);

/*
 * Resolves every stack of p that has no code yet, adding codes, frames and strings:
 * each distinct place of a file once, a return address at the call before it. Damaged
 * debug information gives unknown names, not a failure. 0 or -ENOMEM; p is consistent
 * even then, and knows less.
 */
int symbols_resolve(struct symbols *s, struct profile *p);

/*
 * Begins to look up what symbols_resolve() will ask about p's stacks, beside the calling
 * thread: p may change meanwhile, and symbols_module() be called. The next
 * symbols_resolve() waits for it, takes what was found and asks about the rest. 0;
 * -EALREADY: what was begun is not taken yet; -ENOMEM.
 */
int symbols_begin(struct symbols *s, struct profile *p);

/* Waits for what was begun, for so long at most. False: it is not done. */
bool symbols_wait(struct symbols *s, uint64_t ns);

/* How many units of .dwo files were wanted for p->modules[index], and missing: lines
 * are known without them, inlined functions are not. */
size_t symbols_lacking(const struct symbols *s, size_t index);

/* As symbols_resolve(), and asks once more about places of which not all is known:
 * debug information may have come since. What is found is taken if it is more than
 * what was known. How many places gained comes back. Codes and frames that no stack
 * has any more are gone: p must not have a writer that wrote them. 0 or -ENOMEM. */
int symbols_improve(struct symbols *s, struct profile *p, size_t *ret_better);

struct symbols_sources {       /* what symbols_sources() found */
	size_t files, missing; /* embedded; named by frames but not readable */
	uint64_t bytes;
	size_t newer;	     /* files changed after their binary was built */
	uint32_t newer_file; /* one of them, string */
};

/*
 * Adds to p->sources the lines of all functions in frames, whole functions, from files
 * that are regular, text and of sane size: where the rules of symbols_source_paths()
 * lead, and in the root of the process. Files of the system's own (/usr/include,
 * /usr/lib, ...) are left out, unless a rule is about them. 0 or -ENOMEM. ret may be
 * NULL. Called again, it adds what is new.
 */
int symbols_sources(struct symbols *s, struct profile *p, struct symbols_sources *ret);
