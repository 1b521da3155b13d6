#include "cli/profile/unpack.h"

#include "cli/profile/load.h"

#include <errno.h>

static int open_inflate(struct unpacked *u)
{
	if (u->open)
		return inflateReset(&u->inflate) == Z_OK ? 0 : -EBADMSG;
	if (inflateInit(&u->inflate) != Z_OK)
		return -ENOMEM;
	u->open = true;
	return 0;
}

/* The payload into u->raw, exactly as long as its header says. */
static int inflate_payload(struct unpacked *u)
{
	z_stream *z = &u->inflate;
	int r = open_inflate(u);

	if (r < 0)
		return r;
	bytes_reset(&u->raw);
	if (!bytes_room(&u->raw, u->h.raw))
		return -ENOMEM;
	u->raw.len = u->h.raw;
	z->next_in = u->stored.data;
	z->avail_in = u->h.stored;
	z->next_out = u->raw.data;
	z->avail_out = u->h.raw;
	return inflate(z, Z_FINISH) == Z_STREAM_END && !z->avail_out ? 0 : -EBADMSG;
}

static int read_stored(const struct load *l, struct unpacked *u)
{
	bytes_reset(&u->stored);
	if (!bytes_room(&u->stored, u->h.stored))
		return -ENOMEM;
	u->stored.len = u->h.stored;
	return load_pread(l, u->at + FORMAT_CHUNK_HEADER_BYTES, u->stored.data,
			  u->h.stored);
}

void unpack(const struct load *l, struct unpacked *u)
{
	u->step = UNPACK_READ;
	u->failed = read_stored(l, u);
	if (u->failed)
		return;
	u->step = UNPACK_CHECK;
	if (!l->trusting && crc32(0, u->stored.data, u->h.stored) != u->h.crc)
		u->failed = -EBADMSG;
	u->payload = bytes_reader(u->stored.data, u->h.stored);
	if (u->failed || !(u->h.flags & FORMAT_DEFLATED))
		return;
	u->step = UNPACK_INFLATE;
	u->failed = inflate_payload(u);
	u->payload = bytes_reader(u->raw.data, u->h.raw);
}

void unpacked_done(struct unpacked *u)
{
	if (u->open)
		inflateEnd(&u->inflate);
	bytes_done(&u->stored);
	bytes_done(&u->raw);
	u->open = false;
}
