#include "cli/profile/scan.h"

#include "cli/profile/format.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static int check_file_header(struct load *l)
{
	unsigned char bytes[FORMAT_FILE_HEADER_BYTES];
	size_t len = l->size < sizeof(bytes) ? (size_t)l->size : sizeof(bytes);
	size_t magic = len < FORMAT_MAGIC_BYTES ? len : FORMAT_MAGIC_BYTES;
	struct bytes_reader in = bytes_reader(bytes, sizeof(bytes));
	uint32_t version;
	int r = load_read_at(l, 0, bytes, len);

	if (r < 0)
		return r;
	if (!len)
		return load_fail(l, -ENODATA, "it is empty");
	if (memcmp(bytes, FORMAT_MAGIC, magic))
		return load_fail(l, -EPROTO, "it is not a heapline profile");
	if (len < sizeof(bytes))
		return load_fail(l, -ENODATA, "it ends at byte %zu, in its first words",
				 len);
	bytes_get(&in, FORMAT_MAGIC_BYTES);
	version = bytes_get_u32(&in);
	if (!l->trusting && bytes_get_u32(&in) != crc32(0, bytes, sizeof(bytes) - 4))
		return load_fail(l, -EBADMSG, "its first words are damaged");
	if (version < FORMAT_OLDEST)
		return load_fail(l, -EPROTO, "it is of no format that there was (%u)",
				 version);
	if (version > FORMAT_VERSION)
		return load_fail(
			l, -EPROTONOSUPPORT,
			"a newer heapline wrote it (format %u, this one reads %u)",
			version, (unsigned)FORMAT_VERSION);
	return 0;
}

static int checksum(struct load *l, uint64_t at, uint32_t len, uint32_t *ret)
{
	unsigned char piece[16384];
	uLong crc = 0;

	while (len) {
		uint32_t n = len < sizeof(piece) ? len : (uint32_t)sizeof(piece);
		int r = load_read_at(l, at, piece, n);

		if (r < 0)
			return r;
		crc = crc32(crc, piece, n);
		at += n;
		len -= n;
	}
	*ret = (uint32_t)crc;
	return 0;
}

/* What the scan remembers from chunk to chunk. */
struct scan {
	uint64_t at;
	uint32_t chunks, commits, crc;
	uint32_t since; /* chunks since the last commit */
	uint64_t raw;	/* bytes that the chunks so far inflate to */
	struct format_header h;
	unsigned char header[FORMAT_CHUNK_HEADER_BYTES];
};

static bool sane(const struct load *l, const struct scan *s)
{
	const struct format_header *h = &s->h;

	return (l->trusting || h->number == s->chunks) &&
	       h->stored <= FORMAT_STORED_MAX && h->raw <= FORMAT_RAW_MAX &&
	       format_ratio_is_fair(s->raw + h->raw,
				    s->at + sizeof(s->header) + h->stored) &&
	       (h->flags & FORMAT_DEFLATED || h->raw == h->stored);
}

/* Whether the commit at hand is what it should be after the chunks before it. */
static int check_commit(struct load *l, const struct scan *s, bool *ret)
{
	unsigned char bytes[2 * BYTES_VARINT_MAX + 4];
	struct bytes_reader in;
	int r;

	*ret = l->trusting;
	if (l->trusting || s->h.stored > sizeof(bytes) || s->h.flags & FORMAT_DEFLATED)
		return 0;
	r = load_read_at(l, s->at + FORMAT_CHUNK_HEADER_BYTES, bytes, s->h.stored);
	if (r < 0)
		return r;
	in = bytes_reader(bytes, s->h.stored);
	*ret = bytes_get_varint(&in) == s->commits + 1ull &&
	       bytes_get_varint(&in) == s->since && bytes_get_u32(&in) == s->crc &&
	       !in.failed;
	return 0;
}

static void stop(struct load *l, enum load_tail tail, uint64_t at)
{
	l->tail = tail;
	l->tail_at = at;
}

/* Whether a chunk's checksum is looked at here: PROFILE_LATER. */
static bool checked_now(const struct load *l, const struct format_header *h)
{
	return !l->trusting && !(l->later && h->type == FORMAT_PIECES);
}

/* Looks at the next chunk. 1: go on; 0: the whole part ends before it. */
static int scan_chunk(struct load *l, struct scan *s)
{
	uint64_t left = l->size - s->at;
	uint32_t crc = 0;
	bool good = true;
	int r;

	if (left < FORMAT_CHUNK_HEADER_BYTES)
		return stop(l, LOAD_TAIL_TRUNCATED, l->size), 0;
	r = load_read_at(l, s->at, s->header, sizeof(s->header));
	if (r < 0)
		return r;
	if (!format_get_header(s->header, !l->trusting, &s->h) || !sane(l, s))
		return stop(l, LOAD_TAIL_DAMAGED, s->at), 0;
	if (s->h.stored > left - FORMAT_CHUNK_HEADER_BYTES)
		return stop(l, LOAD_TAIL_TRUNCATED, l->size), 0;
	if (checked_now(l, &s->h)) {
		r = checksum(l, s->at + sizeof(s->header), s->h.stored, &crc);
		good = crc == s->h.crc;
	}
	if (r >= 0 && good && s->h.type == FORMAT_COMMIT)
		r = check_commit(l, s, &good);
	if (r < 0)
		return r;
	if (!good)
		return stop(l, LOAD_TAIL_DAMAGED, s->at), 0;
	if ((s->h.type >= FORMAT_CHUNKS || !s->h.type) &&
	    !(s->h.flags & FORMAT_OPTIONAL))
		return load_fail(l, -EPROTONOSUPPORT,
				 "a newer heapline wrote it (what byte %" PRIu64
				 " begins is unknown to this one)",
				 s->at);
	return 1;
}

static int scan_chunks(struct load *l)
{
	struct scan s = {.at = FORMAT_FILE_HEADER_BYTES};

	while (s.at < l->size) {
		int r = scan_chunk(l, &s);

		if (r <= 0)
			return r;
		s.at += FORMAT_CHUNK_HEADER_BYTES + s.h.stored;
		s.crc = format_run_crc(s.crc, s.header);
		s.raw += s.h.raw;
		s.chunks++;
		s.since++;
		if (s.h.type != FORMAT_COMMIT)
			continue;
		l->end = s.at;
		s.commits++;
		s.since = 0;
	}
	if (s.at != l->end)
		stop(l, LOAD_TAIL_TRUNCATED, l->size);
	return 0;
}

int scan(struct load *l)
{
	int r = check_file_header(l);

	return r < 0 ? r : scan_chunks(l);
}
