/*
 * writer.c - profiles into files: update by update, chunk by chunk.
 *
 * An update is a transaction. `at` is where the file ends, `done` where its last
 * commit ended and what was written up to there; a failure cuts the file back to it.
 * What is not a regular file cannot be cut: there the first failure is the last.
 */
#include "cli/profile/file.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/profile/format.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

enum {
	LEVEL = 3,	/* 6 is 1 % smaller and half as slow again (bench) */
	PART = 1 << 20, /* bytes of a long string's parts */
	ROW_HEADER = 3 * BYTES_VARINT_MAX,
};

/* How far the file has come. */
struct progress {
	uint64_t at;	 /* bytes */
	uint64_t raw;	 /* bytes that all chunks inflate to */
	uint32_t chunks; /* in all */
	uint32_t commits;
	uint32_t crc; /* of all chunk headers, in order */
	size_t strings, modules, frames, codes, stacks, sources, pieces;
	bool shares; /* the file has parts that are in step with its sites */
};

struct profile_writer {
	int fd;	      /* owned */
	bool can_cut; /* a regular file: failed updates leave no trace */
	int broken;   /* -errno that ended the file for good, or 0 */
	struct progress now, done;
	uint32_t *codes; /* of each stack, as the file has it; room codes_room */
	size_t codes_room;
	z_stream deflate;
	int level;	      /* of zlib; 0: chunks are stored as they are */
	struct bytes payload; /* of the chunk being made */
	struct bytes chunk;   /* header and stored payload */
};

int profile_writer_open(int fd, struct profile_writer **ret)
{
	_cleanup_(closep) int owned = fd;
	_cleanup_(freep) struct profile_writer *w = NULL;
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fstat(fd, &st) < 0)
		return -errno;
	if ((flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	/* A profile begins at byte 0, and the rest is not ours to cut. */
	if (S_ISREG(st.st_mode) && st.st_size)
		return -EEXIST;
	if (S_ISREG(st.st_mode) && lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	w = calloc(1, sizeof(*w));
	if (!w || deflateInit(&w->deflate, LEVEL) != Z_OK)
		return -ENOMEM;
	w->fd = take_fd(owned);
	w->level = LEVEL;
	w->can_cut = S_ISREG(st.st_mode);
	w->done = (struct progress){.strings = 1, .stacks = 1};
	w->now = w->done;
	*ret = take_ptr(w);
	return 0;
}

void profile_writer_close(struct profile_writer *w)
{
	if (!w)
		return;
	close(w->fd);
	deflateEnd(&w->deflate);
	bytes_done(&w->payload);
	bytes_done(&w->chunk);
	free(w->codes);
	free(w);
}

uint64_t profile_writer_bytes(const struct profile_writer *w)
{
	return w->now.at;
}

void profile_writer_level(struct profile_writer *w, int level)
{
	w->level = level;
	deflateParams(&w->deflate, level, Z_DEFAULT_STRATEGY);
}

/* ---- bytes ---------------------------------------------------------------- */

static int wait_writable(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLOUT};

	return poll(&pfd, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

static int append(struct profile_writer *w, const unsigned char *data, size_t len)
{
	while (len) {
		ssize_t n = write(w->fd, data, len);

		if (n < 0 && errno == EAGAIN) {
			int r = wait_writable(w->fd);

			if (r < 0)
				return r;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		len -= (size_t)n;
		w->now.at += (uint64_t)n;
	}
	return 0;
}

/* Forgets the update that failed with r, in the file too if that can be. */
static int roll_back(struct profile_writer *w, int r)
{
	bool moved = w->now.at != w->done.at;

	if (moved && !w->can_cut) {
		w->broken = r;
		return r;
	}
	if (moved && (ftruncate(w->fd, (off_t)w->done.at) < 0 ||
		      lseek(w->fd, (off_t)w->done.at, SEEK_SET) < 0))
		w->broken = r;
	else
		w->now = w->done;
	return r;
}

/* ---- chunks --------------------------------------------------------------- */

/* Deflates the payload behind the header's place. False: better as it is. */
static bool deflate_payload(struct profile_writer *w)
{
	z_stream *z = &w->deflate;
	unsigned char *to;

	if (!w->level || deflateReset(z) != Z_OK)
		return false;
	to = bytes_room(&w->chunk, w->payload.len);
	if (!to)
		return false;
	z->next_in = w->payload.data;
	z->avail_in = (uInt)w->payload.len;
	z->next_out = to;
	z->avail_out = (uInt)w->payload.len;
	if (deflate(z, Z_FINISH) != Z_STREAM_END)
		return false;
	w->chunk.len += z->total_out;
	return true;
}

/* Fills up with zeroes, behind the deflated stream, what the ratio asks for. */
static void pad(struct profile_writer *w, size_t len)
{
	static const unsigned char zeroes[4096];
	uint64_t raw = w->now.raw + len;

	while (!w->chunk.failed &&
	       !format_ratio_is_fair(raw, w->now.at + w->chunk.len)) {
		uint64_t lack = (raw - FORMAT_RATIO_SLACK - 1) / FORMAT_RATIO_MAX + 1 -
				w->now.at - w->chunk.len;

		bytes_put(&w->chunk, zeroes,
			  lack < sizeof(zeroes) ? lack : sizeof(zeroes));
	}
}

/* w->chunk is to be filled with what is stored, behind the header's place. */
static void begin_chunk(struct profile_writer *w)
{
	static const unsigned char place[FORMAT_CHUNK_HEADER_BYTES];

	bytes_reset(&w->chunk);
	bytes_put(&w->chunk, place, sizeof(place));
}

/* Writes it. h lacks what the chunk itself tells. */
static int end_chunk(struct profile_writer *w, struct format_header *h)
{
	size_t header = FORMAT_CHUNK_HEADER_BYTES;
	struct bytes head;

	if (w->chunk.failed)
		return -ENOMEM;
	h->number = w->now.chunks;
	h->stored = (uint32_t)(w->chunk.len - header);
	h->crc = (uint32_t)crc32(0, w->chunk.data + header, h->stored);
	/* The header goes where its place was kept. */
	head = (struct bytes){.data = w->chunk.data, .room = header};
	format_put_header(&head, h);
	w->now.crc = format_run_crc(w->now.crc, w->chunk.data);
	w->now.chunks++;
	w->now.raw += h->raw;
	return append(w, w->chunk.data, w->chunk.len);
}

/* Writes w->payload as a chunk, and empties it. */
static int put_chunk(struct profile_writer *w, enum format_chunk type)
{
	struct format_header h = {.type = (uint16_t)type};

	assert(w->payload.failed || w->payload.len <= FORMAT_RAW_MAX);
	begin_chunk(w);
	if (type != FORMAT_COMMIT && deflate_payload(w)) {
		h.flags = FORMAT_DEFLATED;
		pad(w, w->payload.len);
	} else {
		bytes_put(&w->chunk, w->payload.data, w->payload.len);
	}
	if (w->payload.failed)
		return -ENOMEM;
	if (format_sections[type].optional)
		h.flags |= FORMAT_OPTIONAL;
	h.raw = (uint32_t)w->payload.len;
	bytes_reset(&w->payload);
	return end_chunk(w, &h);
}

static void put_row_header(struct profile_writer *w, size_t first, size_t rows,
			   size_t columns)
{
	bytes_put_varint(&w->payload, first);
	bytes_put_varint(&w->payload, rows);
	bytes_put_varint(&w->payload, columns);
}

/* Rows that fit a chunk whatever their values. */
static size_t rows_max(const struct format_section *s)
{
	return (FORMAT_RAW_MAX - ROW_HEADER) / (s->column_count * BYTES_VARINT_MAX);
}

/* Writes the rows first..end-1 of a section whose rows are all in its columns. An
 * empty whole section is written too: it may have had rows before. */
static int put_rows(struct profile_writer *w, enum format_chunk type, const void *items,
		    size_t first, size_t end)
{
	const struct format_section *s = &format_sections[type];
	bool write = first < end || s->whole;

	while (write) {
		size_t n = end - first < rows_max(s) ? end - first : rows_max(s);
		int r;

		put_row_header(w, first, n, s->column_count);
		if (n)
			format_put_columns(&w->payload, s,
					   (const char *)items + first * s->row_bytes,
					   NULL, n);
		r = put_chunk(w, type);
		if (r < 0)
			return r;
		first += n;
		write = first < end;
	}
	return 0;
}

/* ---- strings --------------------------------------------------------------- */

/* The beginning of a string that is longer than a chunk should be; what is left of
 * it begins at *ret_text. */
static int put_parts(struct profile_writer *w, const char **text, size_t *len)
{
	while (*len > PART) {
		int r;

		bytes_put(&w->payload, *text, PART);
		r = put_chunk(w, FORMAT_STRING_PART);
		if (r < 0)
			return r;
		*text += PART;
		*len -= PART;
	}
	return 0;
}

/* As many strings from number first on as are short and fit a chunk together: at
 * least one. The first one's beginning may have been written already. */
static int put_some_strings(struct profile_writer *w, const struct strings *strings,
			    size_t *first, size_t end)
{
	const char *text = strings->items[*first];
	size_t len = strlen(text), bytes, n = 1;
	int r = put_parts(w, &text, &len);

	if (r < 0)
		return r;
	bytes = len + BYTES_VARINT_MAX;
	for (; *first + n < end; n++) {
		size_t more = strlen(strings->items[*first + n]);

		if (more > PART || bytes + more + BYTES_VARINT_MAX > 2 * PART)
			break;
		bytes += more + BYTES_VARINT_MAX;
	}
	put_row_header(w, *first, n, 1);
	bytes_put_varint(&w->payload, len);
	for (size_t i = 1; i < n; i++)
		bytes_put_varint(&w->payload, strlen(strings->items[*first + i]));
	bytes_put(&w->payload, text, len);
	for (size_t i = 1; i < n; i++)
		bytes_put(&w->payload, strings->items[*first + i],
			  strlen(strings->items[*first + i]));
	*first += n;
	return put_chunk(w, FORMAT_STRINGS);
}

static int put_strings(struct profile_writer *w, const struct strings *strings)
{
	size_t first = w->done.strings;

	while (first < strings->count) {
		int r = put_some_strings(w, strings, &first, strings->count);

		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- stacks ---------------------------------------------------------------- */

/* A stack as its columns want it: pc relative to the parent's, which is mostly code
 * of the same module; parent as a distance, which is mostly 1. */
static struct profile_stack relative(const struct profile *p, size_t number)
{
	struct profile_stack s = p->stacks[number];

	assert(s.parent < number);
	s.pc -= p->stacks[s.parent].pc;
	s.parent = (uint32_t)number - s.parent;
	return s;
}

static int put_stacks(struct profile_writer *w, const struct profile *p)
{
	const struct format_section *s = &format_sections[FORMAT_STACKS];
	enum { BATCH = 65536 };
	_cleanup_(freep) struct profile_stack *rows = NULL;
	size_t first = w->done.stacks;

	_Static_assert(BATCH * 4 * BYTES_VARINT_MAX + ROW_HEADER < FORMAT_RAW_MAX, "");
	if (first < p->stack_count && !(rows = calloc(BATCH, sizeof(*rows))))
		return -ENOMEM;
	while (first < p->stack_count) {
		size_t left = p->stack_count - first, n = left < BATCH ? left : BATCH;
		int r;

		for (size_t i = 0; i < n; i++)
			rows[i] = relative(p, first + i);
		put_row_header(w, first, n, s->column_count);
		format_put_columns(&w->payload, s, rows, NULL, n);
		r = put_chunk(w, FORMAT_STACKS);
		if (r < 0)
			return r;
		first += n;
	}
	return 0;
}

/* Codes that came to stacks since the last commit, with the stacks or after them. */
static int put_stack_codes(struct profile_writer *w, const struct profile *p)
{
	enum { BATCH = 65536 };
	_cleanup_(freep) struct format_stack_code *rows = NULL;
	size_t at = 0;

	/* Fresh room is zero: stacks that are not in the file have no code there. */
	if (array_reserve(&w->codes, &w->codes_room, p->stack_count) < 0)
		return -ENOMEM;
	while (at < p->stack_count) {
		size_t n = 0;
		int r;

		for (; at < p->stack_count && n < BATCH; at++) {
			if (p->stacks[at].code == w->codes[at])
				continue;
			if (!rows && !(rows = calloc(BATCH, sizeof(*rows))))
				return -ENOMEM;
			rows[n++] = (struct format_stack_code){(uint32_t)at,
							       p->stacks[at].code};
		}
		r = n ? put_rows(w, FORMAT_STACK_CODES, rows, 0, n) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- sites ----------------------------------------------------------------- */

static void put_classes(struct bytes *out, const struct profile_class *items, size_t n,
			bool counts)
{
	for (size_t i = 0; i < n; i++)
		bytes_put_varint(out, counts ? items[i].count : items[i].log2);
}

static int put_picked_sites(struct profile_writer *w, const struct profile *p,
			    const uint32_t *picks, size_t n)
{
	const struct format_section *s = &format_sections[FORMAT_SITES];

	put_row_header(w, 0, n, s->column_count);
	format_put_columns(&w->payload, s, p->sites, picks, n);
	for (int counts = 0; counts < 2; counts++)
		for (size_t i = 0; i < n; i++) {
			const struct profile_site *site = &p->sites[picks[i]];

			put_classes(&w->payload, site->sizes, site->sizes_count,
				    counts);
			put_classes(&w->payload, site->lives, site->lives_count,
				    counts);
		}
	return put_chunk(w, FORMAT_SITES);
}

static int put_sites(struct profile_writer *w, const struct profile *p)
{
	const struct format_section *s = &format_sections[FORMAT_SITES];
	size_t room = rows_max(s), at = 0;
	_cleanup_(freep) uint32_t *picks = calloc(room, sizeof(*picks));

	if (!picks)
		return -ENOMEM;
	while (at < p->site_count) {
		size_t n = 0, most = ROW_HEADER;
		int r;

		for (; at < p->site_count; at++) {
			const struct profile_site *site = &p->sites[at];
			size_t classes = site->sizes_count + site->lives_count, row;

			/* A class is a byte of log2 and its count. */
			row = s->column_count * BYTES_VARINT_MAX +
			      classes * (1 + BYTES_VARINT_MAX);
			if (site->dirty && most + row > FORMAT_RAW_MAX)
				break;
			if (site->dirty) {
				picks[n++] = (uint32_t)at;
				most += row;
			}
		}
		r = n ? put_picked_sites(w, p, picks, n) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- snapshots -------------------------------------------------------------- */

/* Their places are known once the update is whole: until then the data stays. */
static int put_snapshot_pieces(struct profile_writer *w, const struct profile *p)
{
	for (size_t i = w->done.pieces; i < p->piece_count; i++) {
		const struct profile_piece *piece = &p->pieces[i];
		struct format_header h = {.type = FORMAT_PIECES,
					  .flags = FORMAT_OPTIONAL,
					  .raw = piece->raw};
		int r;

		if (piece->deflated)
			h.flags |= FORMAT_DEFLATED;
		begin_chunk(w);
		bytes_put(&w->chunk, piece->data, piece->stored);
		if (piece->deflated)
			pad(w, piece->raw);
		r = end_chunk(w, &h);
		if (r < 0)
			return r;
	}
	return 0;
}

int profile_piece_make(const void *data, size_t len, struct profile_piece *ret)
{
	uLongf bound = compressBound(len), n = bound;
	unsigned char *to;

	if (len > PROFILE_PIECE_MAX)
		return -E2BIG;
	to = malloc(bound);
	if (!to || compress2(to, &n, data, len, LEVEL) != Z_OK) {
		free(to);
		return -ENOMEM;
	}
	*ret = (struct profile_piece){
		.data = to,
		.stored = (uint32_t)n,
		.raw = (uint32_t)len,
		.deflated = true,
	};
	return 0;
}

int profile_pieces_add(struct profile *p, struct profile_piece *pieces, size_t count)
{
	struct profile_snapshot *last;

	assert(p->snapshot_count);
	if (array_reserve(&p->pieces, &p->piece_room, p->piece_count + count) < 0)
		return -ENOMEM;
	last = &p->snapshots[p->snapshot_count - 1];
	last->first_piece = (uint32_t)p->piece_count;
	last->piece_count = (uint32_t)count;
	for (size_t i = 0; i < count; i++) {
		p->pieces[p->piece_count++] = pieces[i];
		pieces[i] = (struct profile_piece){0};
	}
	return 0;
}

/* ---- shares ---------------------------------------------------------------- */

/* Whether rows i and i + 1 are of one site. */
static bool goes_on(const struct profile_share *rows, size_t count, size_t i)
{
	return i + 1 < count && profile_share_same_site(&rows[i], &rows[i + 1]);
}

/* The last row of a site comes of the others: what is behind its key need not be
 * kept, and costs least if it is like the row before. */
static void blank(struct profile_share *row, uint64_t last_rank, uint64_t last_live)
{
	*row = (struct profile_share){
		.process_serial = row->process_serial,
		.stack = row->stack,
		.domain = row->domain,
		.value = row->value,
		.last_rank = last_rank,
		.last_live_bytes = last_live,
	};
}

static int put_shares(struct profile_writer *w, enum format_chunk type,
		      const struct profile_share *rows, size_t count)
{
	const struct format_section *s = &format_sections[type];
	size_t room = rows_max(s), first = 0;
	_cleanup_(freep) struct profile_share *batch = calloc(room, sizeof(*batch));
	int r;

	if (!batch)
		return -ENOMEM;
	do {
		size_t n = count - first < room ? count - first : room;
		uint64_t last_rank = 0, last_live = 0;

		for (size_t i = 0; i < n; i++) {
			batch[i] = rows[first + i];
			if (!goes_on(rows, count, first + i))
				blank(&batch[i], last_rank, last_live);
			last_rank = batch[i].last_rank;
			last_live = batch[i].last_live_bytes;
		}
		put_row_header(w, first, n, s->column_count);
		if (n)
			format_put_columns(&w->payload, s, batch, NULL, n);
		r = put_chunk(w, type);
		first += n;
	} while (r >= 0 && first < count);
	return r;
}

static bool any_dirty(const struct profile *p)
{
	for (size_t i = 0; i < p->site_count; i++)
		if (p->sites[i].dirty)
			return true;
	return false;
}

/* Shares that are new; or none, in the place of those that sites have left behind. */
static int put_all_shares(struct profile_writer *w, const struct profile *p)
{
	bool fresh = p->shares_new;
	int r;

	if (!fresh && w->now.shares == w->done.shares)
		return 0;
	r = put_rows(w, FORMAT_EPOCHS, p->epochs, 0, fresh ? p->epoch_count : 0);
	if (r >= 0)
		r = put_shares(w, FORMAT_TIMES, p->times, fresh ? p->time_count : 0);
	if (r >= 0)
		r = put_shares(w, FORMAT_SIZES, p->sizes, fresh ? p->size_count : 0);
	if (r >= 0)
		r = put_shares(w, FORMAT_OWNERS, p->owners, fresh ? p->owner_count : 0);
	return r;
}

static int put_meta(struct profile_writer *w, const struct profile *p)
{
	struct profile meta = *p;

	w->now.shares = p->shares_new || (w->done.shares && !any_dirty(p));
	if (!w->now.shares)
		meta.dimensions = 0;
	put_row_header(w, 0, 1, format_sections[FORMAT_META].column_count);
	format_put_columns(&w->payload, &format_sections[FORMAT_META], &meta, NULL, 1);
	return put_chunk(w, FORMAT_META);
}

/* ---- updates --------------------------------------------------------------- */

static int put_file_header(struct profile_writer *w)
{
	_cleanup_(bytes_done) struct bytes b = {0};

	bytes_put(&b, FORMAT_MAGIC, FORMAT_MAGIC_BYTES);
	bytes_put_u32(&b, FORMAT_VERSION);
	if (!b.failed)
		bytes_put_u32(&b, (uint32_t)crc32(0, b.data, (uInt)b.len));
	return b.failed ? -ENOMEM : append(w, b.data, b.len);
}

/* What a section refers to comes before it. */
static int put_sections(struct profile_writer *w, const struct profile *p)
{
	const struct progress *d = &w->done;
	int r = d->at ? 0 : put_file_header(w);

	if (r < 0 || (r = put_strings(w, &p->strings)) < 0)
		return r;
	if ((r = put_meta(w, p)) < 0 ||
	    (r = put_rows(w, FORMAT_MODULES, p->modules, d->modules,
			  p->module_count)) ||
	    (r = put_rows(w, FORMAT_FRAMES, p->frames, d->frames, p->frame_count)) ||
	    (r = put_rows(w, FORMAT_CODES, p->codes, d->codes, p->code_count)) ||
	    (r = put_stacks(w, p)) || (r = put_stack_codes(w, p)) ||
	    (r = put_rows(w, FORMAT_SOURCES, p->sources, d->sources,
			  p->source_count)) ||
	    (r = put_rows(w, FORMAT_PROCESSES, p->processes, 0, p->process_count)) ||
	    (r = put_rows(w, FORMAT_THREADS, p->threads, 0, p->thread_count)) ||
	    (r = put_rows(w, FORMAT_BINS, p->bins, 0, p->bin_count)) ||
	    (r = put_rows(w, FORMAT_UNFOLLOWED, p->unfolloweds, 0,
			  p->unfollowed_count)) ||
	    (r = put_rows(w, FORMAT_SNAPSHOTS, p->snapshots, 0, p->snapshot_count)) ||
	    (r = put_snapshot_pieces(w, p)) || (r = put_sites(w, p)))
		return r;
	return put_all_shares(w, p);
}

static int put_commit(struct profile_writer *w)
{
	bytes_put_varint(&w->payload, ++w->now.commits);
	bytes_put_varint(&w->payload, w->now.chunks - w->done.chunks);
	bytes_put_u32(&w->payload, w->now.crc);
	return put_chunk(w, FORMAT_COMMIT);
}

/* The file has it now: the next update begins here. */
static void settle(struct profile_writer *w, struct profile *p)
{
	w->now.strings = p->strings.count;
	w->now.modules = p->module_count;
	w->now.frames = p->frame_count;
	w->now.codes = p->code_count;
	w->now.stacks = p->stack_count;
	w->now.sources = p->source_count;
	for (size_t i = w->done.pieces; i < p->piece_count; i++) {
		free(p->pieces[i].data);
		p->pieces[i].data = NULL;
	}
	w->now.pieces = p->piece_count;
	w->done = w->now;
	p->shares_new = false;
	for (size_t i = 0; i < p->stack_count; i++)
		w->codes[i] = p->stacks[i].code;
	for (size_t i = 0; i < p->site_count; i++)
		p->sites[i].dirty = 0;
}

int profile_writer_update(struct profile_writer *w, struct profile *p)
{
	const struct progress *d = &w->done;
	int r;

	assert(p->strings.count >= d->strings && p->module_count >= d->modules &&
	       p->frame_count >= d->frames && p->code_count >= d->codes &&
	       p->stack_count >= d->stacks && p->source_count >= d->sources);
	if (w->broken)
		return w->broken;
	bytes_reset(&w->payload);
	r = put_sections(w, p);
	if (r >= 0)
		r = put_commit(w);
	if (r < 0)
		return roll_back(w, r);
	settle(w, p);
	return 0;
}
