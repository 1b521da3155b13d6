#include "cli/heap/contents.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/profile/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	WINDOW = 64 << 10, /* bytes read at once: many small blocks */
	HEADER = 3 * BYTES_VARINT_MAX,
	ROW_MOST = HEAP_CONTENTS_MOST + 2, /* its length is a varint of 14 bits */
};

_Static_assert(HEAP_CONTENTS_ROWS *ROW_MOST + HEADER < PROFILE_PIECE_MAX, "it fits");

struct taking {
	const struct heap_source *source;
	uint64_t start, len; /* of what is in the window */
	unsigned char window[WINDOW];
};

void heap_contents_done(struct heap_contents *c)
{
	bytes_done(&c->bytes);
	free(c->ends);
	*c = (struct heap_contents){0};
}

/* How many bytes of each block are kept. */
static uint64_t choose(const struct heap_blocks *b)
{
	uint64_t each = HEAP_CONTENTS_MOST, sum;

	for (;; each /= 2) {
		sum = 0;
		for (size_t i = 0; i < b->count; i++)
			sum += b->items[i].size < each ? b->items[i].size : each;
		if (sum <= HEAP_CONTENTS_ALL || each == HEAP_CONTENTS_LEAST)
			return each;
	}
}

/* Has the address in the window. 1; 0: it cannot be read; -errno. */
static int look(struct taking *t, uint64_t address)
{
	uint64_t skip;
	ssize_t n;

	if (address - t->start < t->len)
		return 1;
	t->start = address & ~(HEAP_WORD - 1ull);
	t->len = 0;
	n = t->source->read(t->source->context, t->start, t->window, WINDOW, &skip);
	if (n < 0)
		return (int)n;
	t->len = (uint64_t)n;
	return address - t->start < t->len;
}

/* As much of [address, address + want) as is there from its start on. */
static int copy(struct taking *t, uint64_t address, unsigned char *to, uint64_t want,
		uint64_t *ret_len)
{
	uint64_t done = 0, at, some;
	int r = 1;

	while (done < want && (r = look(t, address + done)) > 0) {
		at = address + done - t->start;
		some = t->len - at < want - done ? t->len - at : want - done;
		memcpy(to + done, t->window + at, some);
		done += some;
	}
	*ret_len = done;
	return r < 0 ? r : 0;
}

/* A piece of the blocks [first, first + n). */
static int put_piece(struct heap_contents *c, struct taking *t,
		     const struct heap_block *b, size_t first, size_t n, uint64_t each)
{
	unsigned char bytes[HEAP_CONTENTS_MOST];
	int r = array_reserve(&c->ends, &c->room, c->count + 1);

	bytes_put_varint(&c->bytes, HEAP_CONTENTS_PIECE);
	bytes_put_varint(&c->bytes, n);
	bytes_put_varint(&c->bytes, first);
	for (size_t i = first; !r && i < first + n; i++) {
		uint64_t len;

		r = copy(t, b[i].address, bytes, b[i].size < each ? b[i].size : each,
			 &len);
		bytes_put_varint(&c->bytes, len);
		bytes_put(&c->bytes, bytes, len);
	}
	if (!r && c->bytes.failed)
		r = -ENOMEM;
	if (!r)
		c->ends[c->count++] = c->bytes.len;
	return r;
}

int heap_contents_take(struct heap_contents *c, const struct heap_blocks *b,
		       const struct heap_source *source)
{
	_cleanup_(freep) struct taking *t = malloc(sizeof(*t));
	uint64_t each = choose(b);
	int r = 0;

	if (!t)
		return -ENOMEM;
	t->source = source;
	t->start = t->len = 0;
	for (size_t i = 0, n; !r && i < b->count; i += n) {
		n = b->count - i < HEAP_CONTENTS_ROWS ? b->count - i
						      : HEAP_CONTENTS_ROWS;
		if (c->bytes.len >= HEAP_CONTENTS_ALL)
			break;
		r = put_piece(c, t, b->items, i, n, each);
	}
	return r;
}

int heap_contents_store(const struct heap_contents *c,
			int (*put)(void *context, const void *data, size_t len),
			void *context)
{
	size_t at = 0;
	int r = 0;

	for (size_t i = 0; !r && i < c->count; i++) {
		r = put(context, c->bytes.data + at, c->ends[i] - at);
		at = c->ends[i];
	}
	return r;
}

int heap_contents_find(struct bytes_reader in, uint32_t block,
		       struct heap_contents_of *ret)
{
	uint64_t kind = bytes_get_varint(&in), n = bytes_get_varint(&in), first;
	const unsigned char *bytes = NULL;
	size_t len = 0;

	if (in.failed || kind != HEAP_CONTENTS_PIECE)
		return in.failed ? -EBADMSG : -ENODATA;
	first = bytes_get_varint(&in);
	if (in.failed || n > bytes_left(&in))
		return -EBADMSG;
	if (block < first || block - first >= n)
		return -ENODATA;
	for (uint64_t i = first; i <= block; i++) {
		len = bytes_get_varint(&in);
		bytes = bytes_get(&in, len);
		if (in.failed || len > sizeof(ret->bytes))
			return -EBADMSG;
	}
	if (len)
		memcpy(ret->bytes, bytes, len);
	ret->len = len;
	return 0;
}

static int load(struct heap_contents_reader *r, size_t number)
{
	size_t first = r->p->snapshots[r->snapshot].first_piece;
	int err;

	if (r->number == number + 1)
		return 0;
	r->number = 0;
	err = profile_piece(r->path, r->p, first + number, &r->piece);
	if (!err)
		r->number = number + 1;
	return err;
}

/* The number of the piece that should have the block, by what the one that was read
 * begins with. SIZE_MAX: none has. */
static size_t piece_of(const struct heap_contents_reader *r, uint32_t block)
{
	struct bytes_reader in = bytes_reader(r->piece.data, r->piece.len);
	uint64_t kind = bytes_get_varint(&in), here, there;

	bytes_get_varint(&in);
	here = bytes_get_varint(&in) / HEAP_CONTENTS_ROWS;
	there = r->number - 1 + block / HEAP_CONTENTS_ROWS;
	if (in.failed || kind != HEAP_CONTENTS_PIECE || here > there ||
	    there - here >= r->p->snapshots[r->snapshot].piece_count)
		return SIZE_MAX;
	return (size_t)(there - here);
}

int heap_contents_get(struct heap_contents_reader *r, uint32_t block,
		      struct heap_contents_of *ret)
{
	size_t number = r->p->snapshots[r->snapshot].piece_count;
	int err = 0;

	/* By its last one, any other is found. */
	if (!number)
		return -ENODATA;
	if (!r->number)
		err = load(r, number - 1);
	number = err ? SIZE_MAX : piece_of(r, block);
	if (number == SIZE_MAX)
		return err ? err : -ENODATA;
	err = load(r, number);
	return err ? err
		   : heap_contents_find(bytes_reader(r->piece.data, r->piece.len),
					block, ret);
}

void heap_contents_reader_done(struct heap_contents_reader *r)
{
	bytes_done(&r->piece);
	*r = (struct heap_contents_reader){0};
}
