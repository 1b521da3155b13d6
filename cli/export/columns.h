/*
 * columns.h - columns of numbers and texts for the viewer's script to read, inside an
 * HTML page or one by one.
 *
 * A column is one deflate stream (raw, RFC 1951). In a page it is in base64, cut into
 * elements of some MB, because browsers bound the length of one string:
 *
 *	<script type="application/x-heapline" data-name=node.up data-form=u8
 *	 data-count=12>...</script>
 *
 * Elements of one name follow each other and are one stream. Numbers are unsigned and
 * little-endian, as wide as the greatest of the column needs: u8, u16, u32, or f64
 * from 2^32 on, exact up to 2^53. Texts (form `text`) are UTF-8, each ended by a zero.
 * Base64 has no character that ends an element: nothing that a program chose reaches
 * the page in another way.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What a column has at i. */
typedef uint64_t columns_get(const void *context, size_t i);

struct columns {
	FILE *out; /* of the page; or else: */
	/* Takes a column's stream. 0 or -errno. */
	int (*take)(void *context, const char *name, const char *form, size_t count,
		    const void *stream, size_t len);
	void *context;
	int level;	    /* of the compression, from 1; 0: what suits a file */
	const char *prefix; /* of all names; NULL: none */
	int err; /* the first failure: -ENOMEM, -EOVERFLOW; nothing is written after */
};

enum { COLUMNS_NAME = 64 }; /* room for a name, with its prefix */

#define COLUMNS_MOST (UINT64_C(1) << 53) /* greater numbers are no doubles */

/* -EOVERFLOW, in c->err, for a number above COLUMNS_MOST. */
void columns_put(struct columns *c, const char *name, size_t count, columns_get *get,
		 const void *context);

/* Bytes as they are; form is "text" or "json". */
void columns_put_bytes(struct columns *c, const char *name, const char *form,
		       const void *bytes, size_t len);
