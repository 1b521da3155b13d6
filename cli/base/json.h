/*
 * json.h - writes JSON (RFC 8259) as it is produced: nothing is kept but the nesting.
 *
 *	struct json j = {.out = out, .spread = 2};
 *
 *	json_object(&j);
 *	json_key(&j, "bytes");
 *	json_unsigned(&j, 12);
 *	json_close(&j);
 *	json_end(&j);
 *
 * Whether writing succeeded is the stream's to say: ferror(out).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum json_limit {
	JSON_DEPTH = 32, /* nesting; more is our own mistake */
};

struct json { /* all zero but the first two at the beginning */
	FILE *out;
	unsigned spread; /* containers nested less deep have a line for each item */
	unsigned depth;
	uint32_t filled;  /* bit d: the container at depth d has an item already */
	uint32_t arrays;  /* bit d: it is an array */
	bool after_key;
};

void json_object(struct json *j);
void json_array(struct json *j);

/* Closes the innermost object or array. */
void json_close(struct json *j);

/* After the outermost value: a newline. */
void json_end(struct json *j);

/* The name of the next value; inside objects only. */
void json_key(struct json *j, const char *name);

void json_null(struct json *j);
void json_bool(struct json *j, bool value);
void json_unsigned(struct json *j, uint64_t value); /* exact, above 2^53 as well */
void json_signed(struct json *j, int64_t value);

/* Any bytes. What is not UTF-8 becomes U+FFFD, byte by byte; what could mislead a
 * terminal is escaped. */
void json_string(struct json *j, const char *text);

/* A key and its value. */
void json_put_unsigned(struct json *j, const char *name, uint64_t value);
void json_put_string(struct json *j, const char *name, const char *text);
void json_put_bool(struct json *j, const char *name, bool value);
