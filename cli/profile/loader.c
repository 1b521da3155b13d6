/*
 * loader.c - profiles out of files, which anybody may have written.
 *
 * Twice through the file: first the checksums alone, to find the last whole commit;
 * then what lies before it, chunk by chunk. Numbers are checked against what bounds
 * them when they are decoded, references once everything is there.
 */
#include "cli/profile/file.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/profile/coherence.h"
#include "cli/profile/partition.h"
#include "cli/profile/rows.h"
#include "cli/profile/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

/* ---- chunks ------------------------------------------------------------------ */

/* A piece of a snapshot: left where it is. */
static int note_piece(struct load *l, uint64_t at)
{
	struct profile *p = l->p;
	int r = array_reserve(&p->pieces, &p->piece_room, p->piece_count + 1);

	if (!r)
		p->pieces[p->piece_count++] = (struct profile_piece){.at = at};
	return r;
}

/* Puts the rows of an unpacked chunk where they belong. */
static int load_unpacked(struct load *l, struct unpacked *u)
{
	int r = u->failed;

	if (r && r != -ENOMEM && u->step == UNPACK_READ)
		return load_say_read(l, u->at, r);
	if (r && u->step == UNPACK_CHECK)
		return load_fail(l, r, "it changed while it was read");
	if (!r)
		r = rows_load(l, u->h.type, &u->payload);
	if (r == -ENOMEM)
		return load_no_memory(l);
	if (r < 0)
		return load_fail(l, r, "the %s at byte %" PRIu64 " make no sense",
				 format_sections[u->h.type].name, u->at);
	return 0;
}

static void unpack_item(void *context, void *item)
{
	unpack(context, item);
}

static int load_item(void *context, void *item)
{
	return load_unpacked(context, item);
}

static int load_chunk(struct load *l, uint64_t at, const struct format_header *h)
{
	struct unpacked *u;
	void *item;
	int r;

	if (h->type == FORMAT_PIECES)
		return note_piece(l, at) < 0 ? load_no_memory(l) : 0;
	if (h->type >= FORMAT_CHUNKS || h->type == FORMAT_COMMIT)
		return 0;
	if (format_sections[h->type].dimension & ~l->dimensions)
		return 0;
	r = relay_next(&l->relay, &item);
	if (r < 0)
		return r;
	u = item;
	u->at = at;
	u->h = *h;
	return relay_go(&l->relay);
}

/* A small file is read sooner than threads are there. */
static void open_relay(struct load *l)
{
	enum { THREADS = 4, LARGE = 1 << 18 };

	relay_init(&l->relay, unpack_item, load_item, l);
	l->has_relay = true;
	for (size_t i = 0; i < RELAY_THREADS; i++)
		l->relay.item[i] = &l->unpacked[i];
	if (l->end >= LARGE)
		relay_use_threads(&l->relay, THREADS);
}

static int walk_chunks(struct load *l)
{
	uint64_t at = FORMAT_FILE_HEADER_BYTES, raw = 0;

	while (at < l->end) {
		unsigned char bytes[FORMAT_CHUNK_HEADER_BYTES];
		struct format_header h;
		int r = load_read_at(l, at, bytes, sizeof(bytes));

		if (r < 0)
			return r;
		/* Sizes were right in the first pass; the file may be another now. */
		if (!format_get_header(bytes, !l->trusting, &h) ||
		    h.stored > FORMAT_STORED_MAX || h.raw > FORMAT_RAW_MAX ||
		    h.stored > l->size - at - sizeof(bytes) ||
		    !format_ratio_is_fair(raw + h.raw, at + sizeof(bytes) + h.stored))
			return load_fail(l, -EBADMSG, "it changed while it was read");
		r = load_chunk(l, at, &h);
		if (r < 0)
			return r;
		at += sizeof(bytes) + h.stored;
		raw += h.raw;
	}
	return 0;
}

/* Chunks are unpacked by threads, and their rows loaded here, in their order. */
static int load_chunks(struct load *l)
{
	int r;

	open_relay(l);
	r = walk_chunks(l);
	if (r < 0)
		relay_drop(&l->relay);
	return r < 0 ? r : relay_flush(&l->relay);
}

/* ---- the whole ------------------------------------------------------------------ */

/* Says what was left out, if anything was. */
static int tell_tail(struct load *l)
{
	double seconds = (double)l->p->wall_ns / 1e9;

	if (l->tail == LOAD_TAIL_NONE)
		return 0;
	l->p->complete = false;
	if (l->tail == LOAD_TAIL_DAMAGED)
		return load_fail(l, 0,
				 "it is damaged at byte %" PRIu64
				 "; everything up to %.1f s is shown",
				 l->tail_at, seconds);
	return load_fail(l, 0,
			 "it ends in the middle of an update, at byte %" PRIu64
			 "; everything up to %.1f s is shown",
			 l->tail_at, seconds);
}

static int no_commit(struct load *l)
{
	if (l->tail == LOAD_TAIL_DAMAGED)
		return load_fail(l, -EBADMSG,
				 "it is damaged at byte %" PRIu64
				 ", and nothing before that is complete",
				 l->tail_at);
	return load_fail(l, -ENODATA,
			 "it ends at byte %" PRIu64
			 ", before anything in it is complete",
			 l->size);
}

static int check_whole(struct load *l)
{
	const char *wrong;

	if (coherence_check(l->p, &wrong) < 0 ||
	    (!wrong && partition_restore(l->p, l->dimensions, &wrong) < 0))
		return load_no_memory(l);
	return wrong ? load_fail(l, -EBADMSG, "it contradicts itself: %s", wrong) : 0;
}

static int load(struct load *l, struct profile **ret)
{
	int r;

	load_fail(l, 0, "%s", "");
	r = scan(l);
	if (r < 0)
		return r;
	if (!l->end)
		return no_commit(l);
	l->p = profile_new();
	if (!l->p)
		return load_no_memory(l);
	if ((r = load_chunks(l)) < 0 || (r = check_whole(l)) < 0)
		return r;
	tell_tail(l);
	*ret = take_ptr(l->p);
	return 0;
}

int profile_load_bytes(const void *data, size_t len, bool trusting,
		       struct profile **ret, char *why, size_t why_bytes)
{
	_cleanup_(load_done) struct load l = {
		.fd = -1,
		.data = data,
		.size = len,
		.trusting = trusting,
		.dimensions = PROFILE_DIMENSIONS,
		.why = why_bytes ? why : NULL,
		.why_bytes = why_bytes,
	};

	return load(&l, ret);
}

/* Whether what was read so far begins like a profile. *at: of the first chunk that
 * was not looked at. */
static bool goes_on(const struct bytes *all, uint64_t *at)
{
	if (all->len < FORMAT_MAGIC_BYTES)
		return true;
	if (memcmp(all->data, FORMAT_MAGIC, FORMAT_MAGIC_BYTES))
		return false;
	while (all->len >= FORMAT_CHUNK_HEADER_BYTES &&
	       *at <= all->len - FORMAT_CHUNK_HEADER_BYTES) {
		struct format_header h;

		if (!format_get_header(all->data + *at, true, &h) ||
		    h.stored > FORMAT_STORED_MAX)
			return false;
		*at += FORMAT_CHUNK_HEADER_BYTES + (uint64_t)h.stored;
	}
	return true;
}

/* Reads a pipe or a device to its end, or to where it is no profile any more: it may
 * have no end. */
static int slurp(struct load *l, struct bytes *all)
{
	uint64_t at = FORMAT_FILE_HEADER_BYTES;

	for (;;) {
		enum { PIECE = 65536 };
		unsigned char *to = bytes_room(all, PIECE);
		ssize_t n = to ? read(l->fd, to, PIECE) : 0;

		if (!to)
			return load_no_memory(l);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return load_fail(l, -errno, "%s", strerror(errno));
		if (!n)
			return 0;
		all->len += (size_t)n;
		if (!goes_on(all, &at))
			return 0;
	}
}

int profile_load(const char *path, struct profile **ret, char *why, size_t why_bytes)
{
	return profile_load_with(path, 0, ret, why, why_bytes);
}

int profile_load_with(const char *path, unsigned dimensions, struct profile **ret,
		      char *why, size_t why_bytes)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	_cleanup_(bytes_done) struct bytes all = {0};
	_cleanup_(load_done) struct load l = {
		.fd = fd,
		.dimensions = dimensions & PROFILE_DIMENSIONS,
		.later = dimensions & PROFILE_LATER,
		.why = why_bytes ? why : NULL,
		.why_bytes = why_bytes,
	};
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return load_fail(&l, -errno, "%s", strerror(errno));
	if (S_ISDIR(st.st_mode))
		return load_fail(&l, -EISDIR, "it is a directory");
	if (S_ISREG(st.st_mode)) {
		l.size = (uint64_t)st.st_size;
		return load(&l, ret);
	}
	r = slurp(&l, &all);
	if (r < 0)
		return r;
	return profile_load_bytes(all.data, all.len, false, ret, why, why_bytes);
}

/* ---- pieces of snapshots ---------------------------------------------------- */

/* Reads the chunk that begins at byte `at`. */
static int read_piece(struct load *l, uint64_t at, struct bytes_reader *ret)
{
	unsigned char bytes[FORMAT_CHUNK_HEADER_BYTES];
	struct unpacked *u = &l->unpacked[0];
	int r;

	if (at > l->size || l->size - at < sizeof(bytes))
		return -EBADMSG;
	r = load_read_at(l, at, bytes, sizeof(bytes));
	if (r < 0)
		return r;
	u->at = at;
	if (!format_get_header(bytes, true, &u->h) || u->h.type != FORMAT_PIECES ||
	    u->h.stored > FORMAT_STORED_MAX || u->h.raw > FORMAT_RAW_MAX ||
	    u->h.stored > l->size - at - sizeof(bytes))
		return -EBADMSG;
	unpack(l, u);
	if (u->failed == -ESTALE)
		return -EBADMSG;
	*ret = u->payload;
	return u->failed;
}

int profile_piece(const char *path, const struct profile *p, size_t i,
		  struct bytes *ret)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	_cleanup_(load_done) struct load l = {.fd = fd};
	struct bytes_reader in;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ESPIPE;
	l.size = (uint64_t)st.st_size;
	r = read_piece(&l, p->pieces[i].at, &in);
	if (r < 0)
		return r;
	bytes_reset(ret);
	bytes_put(ret, in.at, bytes_left(&in));
	return ret->failed ? -ENOMEM : 0;
}

int profile_pieces_load(const char *path, struct profile *p)
{
	_cleanup_(bytes_done) struct bytes b = {0};
	int r = 0;

	for (size_t i = 0; !r && i < p->piece_count; i++) {
		struct profile_piece *x = &p->pieces[i];
		struct profile_piece made;

		if (x->data)
			continue;
		r = profile_piece(path, p, i, &b);
		if (!r)
			r = profile_piece_make(b.data, b.len, &made);
		if (r)
			continue;
		made.at = x->at;
		*x = made;
	}
	return r;
}
