#include "cli/export/columns.h"

#include "cli/base/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
	LEVEL = 5,	 /* unless another is asked for */
	PIECE = 3 << 20, /* bytes of one element, before base64; a multiple of 3 */
	GROUP = 48,	 /* bytes encoded at once; a multiple of 3 */
};

/* ---- base64 ----------------------------------------------------------------- */

static size_t encode(const unsigned char *in, size_t len, char *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t at = 0;

	for (size_t i = 0; i < len; i += 3) {
		unsigned bits = (unsigned)in[i] << 16;

		if (i + 1 < len)
			bits |= (unsigned)in[i + 1] << 8;
		if (i + 2 < len)
			bits |= in[i + 2];
		out[at++] = digits[bits >> 18];
		out[at++] = digits[bits >> 12 & 63];
		out[at++] = i + 1 < len ? digits[bits >> 6 & 63] : '=';
		out[at++] = i + 2 < len ? digits[bits & 63] : '=';
	}
	return at;
}

static void put_base64(const unsigned char *bytes, size_t len, FILE *out)
{
	char text[GROUP / 3 * 4];

	for (size_t at = 0; at < len; at += GROUP) {
		size_t part = len - at < GROUP ? len - at : GROUP;

		fwrite(text, 1, encode(bytes + at, part, text), out);
	}
}

/* ---- streams ---------------------------------------------------------------- */

/* Deflates into *ret, which the caller frees. 0 or -ENOMEM. */
static int shrink(int level, const void *bytes, size_t len, unsigned char **ret,
		  size_t *ret_len)
{
	z_stream z = {0};
	unsigned char *out;
	size_t left = len, free_room;
	uLong room;
	int r;

	if (deflateInit2(&z, level ? level : LEVEL, Z_DEFLATED, -MAX_WBITS, 8,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	room = deflateBound(&z, len);
	out = malloc(room ? room : 1);
	if (!out) {
		deflateEnd(&z);
		return -ENOMEM;
	}
	free_room = room;
	/* zlib counts in unsigned int: larger columns go in and come out in parts. */
	z.next_in = (unsigned char *)bytes;
	z.next_out = out;
	for (;;) {
		uInt in = left < 1u << 30 ? (uInt)left : 1u << 30;
		uInt space = free_room < 1u << 30 ? (uInt)free_room : 1u << 30;

		z.avail_in = in;
		z.avail_out = space;
		r = deflate(&z, in == left ? Z_FINISH : Z_NO_FLUSH);
		left -= in - z.avail_in;
		free_room -= space - z.avail_out;
		if (r != Z_OK)
			break;
	}
	deflateEnd(&z);
	/* No room left would mean that its bound is none: rather no page than no end. */
	if (r != Z_STREAM_END) {
		free(out);
		return -ENOMEM;
	}
	*ret = out;
	*ret_len = room - free_room;
	return 0;
}

/* Into elements of the page. */
static void put_elements(struct columns *c, const char *name, const char *form,
			 size_t count, const unsigned char *stream, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t part = len - at < PIECE ? len - at : PIECE;

		fprintf(c->out,
			"<script type=\"application/x-heapline\" data-name=%s "
			"data-form=%s data-count=%zu>",
			name, form, count);
		put_base64(stream + at, part, c->out);
		fputs("</script>\n", c->out);
		at += part;
	}
}

static void put_stream(struct columns *c, const char *name, const char *form,
		       size_t count, const void *bytes, size_t len)
{
	_cleanup_(freep) unsigned char *small = NULL;
	size_t small_len = 0;
	char full[COLUMNS_NAME];

	snprintf(full, sizeof(full), "%s%s", c->prefix ? c->prefix : "", name);
	c->err = shrink(c->level, bytes, len, &small, &small_len);
	if (!c->err && c->take)
		c->err = c->take(c->context, full, form, count, small, small_len);
	else if (!c->err)
		put_elements(c, full, form, count, small, small_len);
}

void columns_put_bytes(struct columns *c, const char *name, const char *form,
		       const void *bytes, size_t len)
{
	if (!c->err)
		put_stream(c, name, form, len, bytes, len);
}

/* ---- numbers ---------------------------------------------------------------- */

static unsigned width_of(uint64_t most)
{
	return most <= UINT8_MAX    ? 1
	       : most <= UINT16_MAX ? 2
	       : most <= UINT32_MAX ? 4
				    : 8;
}

static void put_number(unsigned char *to, unsigned width, uint64_t value)
{
	if (width == 8) {
		double number = (double)value;

		memcpy(&value, &number, sizeof(value));
	}
	for (unsigned i = 0; i < width; i++)
		to[i] = (unsigned char)(value >> 8 * i);
}

void columns_put(struct columns *c, const char *name, size_t count, columns_get *get,
		 const void *context)
{
	static const char *const forms[] = {
		[1] = "u8", [2] = "u16", [4] = "u32", [8] = "f64"};
	_cleanup_(freep) unsigned char *bytes = NULL;
	uint64_t most = 0;
	unsigned width;

	if (c->err)
		return;
	for (size_t i = 0; i < count; i++) {
		uint64_t value = get(context, i);

		most = value > most ? value : most;
	}
	if (most > COLUMNS_MOST) {
		c->err = -EOVERFLOW;
		return;
	}
	width = width_of(most);
	bytes = calloc(count + 1, width);
	if (!bytes) {
		c->err = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < count; i++)
		put_number(bytes + i * width, width, get(context, i));
	put_stream(c, name, forms[width], count, bytes, count * width);
}
