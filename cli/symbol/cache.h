/*
 * cache.h - answers on disk, a file for each build-id, so that a program's code is
 * looked up once and not at the end of every recording.
 *
 * In $XDG_CACHE_HOME/heapline, else ~/.cache/heapline, at most CACHE_MAX_BYTES; what
 * was not used for the longest time goes first. Files appear whole, by rename. What is
 * found there is loaded as any profile is, trusted in nothing: an entry that does not
 * load, or is about other files than its key says, is as good as none, and is written
 * anew. A directory of another user's is not used.
 *
 * Any number of processes and threads may use it.
 */
#pragma once

#include "cli/symbol/answers.h"

#define CACHE_MAX_BYTES (256ll << 20)
#define CACHE_MAX_ENTRY (48ll << 20) /* larger ones are neither written nor read */
#define CACHE_FORMAT "2" /* changes when the same files give other answers */
#define CACHE_KEY (MODULE_STAMP + 64)
#define CACHE_NAME_MIN 8 /* bytes of a build-id that stand for one build */

struct cache;

/* 0; or why there is none: -ENOENT without a home, -EPERM for another's, ... */
int cache_open(struct cache **ret);

/* NULL is fine. */
void cache_close(struct cache *c);

/* What is known of the file with this build-id, if it was found out with the same key:
 * any text that names all that the answers depend on. 0, or -errno: there is nothing.
 */
int cache_get(struct cache *c, const struct debugfile_id *id, const char *key,
	      struct answers *ret);

/* Keeps them, and makes room. 0 or -errno; nobody has to care. */
int cache_put(struct cache *c, const struct debugfile_id *id, const char *key,
	      struct answers *a);
