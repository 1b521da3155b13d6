/*
 * bare.h - what the environment asks for, and a collector of our own where no session
 * is in it: LD_PRELOAD=libheapline.so alone.
 */
#pragma once

enum { BARE_SESSION_BYTES = 192, BARE_OPTIONS_BYTES = 4096 };

struct bare_environment {
	char session[BARE_SESSION_BYTES]; /* WIRE_ENV_SESSION, "" if not there */
	char options[BARE_OPTIONS_BYTES]; /* WIRE_ENV_OPTIONS, "" if not there */
};

/* Reads both, also before libc has set `environ`. */
void bare_environment_read(struct bare_environment *ret);

/* Starts `heapline collect`, found beside the shim, in a session of its own and as
 * nobody's child. Returns a connected socket (close it), or -errno. */
int bare_start(const struct bare_environment *env);
