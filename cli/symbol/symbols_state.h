/*
 * symbols_state.h - what the parts of struct symbols share. For symbols.c and resolve.c
 * alone.
 */
#pragma once

#include "cli/base/table.h"
#include "cli/symbol/crew.h"
#include "cli/symbol/remap.h"
#include "cli/symbol/symbols.h"

#include <sys/stat.h>

struct root {
	char *path;
	int fd; /* -1: our own */
};

struct image { /* one file, whatever number of modules is mapped from it */
	struct module *module;
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed;
	size_t root;
};

struct symbols {
	struct root *roots;
	struct image *images;
	uint32_t *modules; /* profile module -> image + 1; 0: none */
	size_t root_count, root_room, image_count, image_room, module_room;
	struct table files;	    /* file string -> image + 1 that named it first */
	struct cache *cache;	    /* or NULL */
	struct ahead *ahead;	    /* look-ups that have begun; or NULL */
	struct debugserver *server; /* or NULL */
	struct remap remap;
	symbols_progress *progress;
	void *progress_arg;
};
