/*
 * request.h - what a request to the server of `heapline view` asks for: its target taken
 * apart, and who may ask at all. Bytes of anybody's who reaches the port.
 *
 * A target is /TOKEN/PATH?NAME=VALUE&NAME=VALUE. The token is the only secret; PATH is
 * of letters, digits and "._/" alone, as no path that there is has others; names and
 * values are decoded as those of a form, and have no NUL.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum {
	REQUEST_TOKEN = 32,    /* characters: 128 bits in hexadecimal */
	REQUEST_PATH = 96,     /* bytes, with the NUL */
	REQUEST_BYTES = 16384, /* of a target */
	REQUEST_PAIRS = 48,
};

struct request_pair {
	const char *name, *value;
};

struct request {
	char path[REQUEST_PATH]; /* behind the token's slash: "api/lines"; "" */
	struct request_pair pairs[REQUEST_PAIRS];
	size_t count;
	char text[REQUEST_BYTES]; /* of the pairs */
};

/* 0, or the status of HTTP that it is refused with: 400, 403 (no or another token), 404
 * (a path that there cannot be), 414. */
int request_parse(const char *target, const char *token, struct request *ret);

/* Whether the value of a Host header (NULL: there is none) is this machine's loopback
 * interface by address or name, and that port: not a name that somebody else has
 * pointed here. */
bool request_host(const char *host, unsigned port);

/* Whether two texts of len bytes are equal, in a time that does not tell where they
 * differ. */
bool request_equal(const char *a, const char *b, size_t len);
