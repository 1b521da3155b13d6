/*
 * threadlib.h - what glibc tells debuggers of its own structures: where in a thread its
 * keys are, and where the loader has the list of modules with thread-local variables.
 * Both files may be anybody's: what is read is a number that is checked in use.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	THREADLIB_KEYS = 32,	  /* in a block of them, and blocks of a thread */
	THREADLIB_KEY_BYTES = 16, /* sequence number, value */
};

struct threadlib {	  /* 0: not known */
	uint64_t keys;	  /* offset in struct pthread: pointers to blocks of keys */
	uint64_t modules; /* offset in _rtld_global: list of modules by number */
	uint64_t loader;  /* the loader's own address of _rtld_global */
};

/* Reads libc's file, below the root of root_fd. */
void threadlib_read_libc(int root_fd, const char *path, struct threadlib *t);

/* The loader's. */
void threadlib_read_loader(int root_fd, const char *path, struct threadlib *t);
