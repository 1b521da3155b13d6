/*
 * web.h - HTTP for one user at this machine: who may ask, and for how long; what is
 * answered is the caller's.
 *
 * One thread, on the loopback interface. Asks are methods GET and HEAD, with the token
 * and a Host header of ours (request.h); any other is refused before the caller hears of
 * it. Bounded: connections, bytes of a request's head, the time that it may take to
 * arrive, and calls that wait for an answer. Nothing of it is kept by browsers, or
 * handed to pages of others.
 */
#pragma once

#include "cli/serve/request.h"

#include <stdbool.h>
#include <stddef.h>

struct web;
struct web_call; /* one ask, until it is answered */

struct web_answer {
	unsigned status;     /* of HTTP */
	unsigned hidden;     /* the true one, for a header X-Status; 0: that is it */
	const char *type;    /* media type */
	const void *text;    /* copied, */
	const void *lasting; /* or not: it stays as long as the server, */
	int fd;		     /* or in a file from `at` on: it is taken over */
	unsigned long long at, len; /* bytes; len of any */
	/* Headers X-Form and X-Count; NULL: none. */
	const char *form;
	unsigned long long count;
};

struct web_options {
	unsigned port;	   /* 0: any that is free */
	const char *token; /* REQUEST_TOKEN characters */
	/* Who asks for what. Now or later, web_answer() ends the call. */
	void (*ask)(void *context, struct web_call *call, const struct request *r);
	void *context;
};

/* Whether there is a server at all: this was built with libmicrohttpd. */
bool web_is_built(void);

/* To be called first: the server is in the module at path. 0; or, with one clause in why,
 * as part_load(). */
int web_load(const char *path, char *why, size_t room);

/* *ret_port is the port. 0, -errno; -ENOSYS: nothing was loaded. */
int web_open(const struct web_options *o, struct web **ret, unsigned *ret_port);

/* Calls are answered from now on, until SIGINT or SIGTERM, which must be blocked. 0 or
 * -errno. */
int web_run(struct web *s);

/* While it runs, tells when fd can be read, or its other end was closed. 0 or -errno. */
int web_watch(struct web *s, int fd, void (*ready)(void *context), void *context);
void web_unwatch(struct web *s, int fd);

/* Ends the call, once. Out of memory, it is answered so. */
void web_answer(struct web_call *call, const struct web_answer *a);

/* The same with a line of text: what is wrong. */
void web_refuse(struct web_call *call, unsigned status, const char *why);

/* Ends all calls that are left with 503; no ask comes any more. NULL is fine. */
void web_close(struct web *s);
