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
#include "cli/profile/chunks.h"
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
	LEVEL = 3,	  /* 6 is 1 % smaller and half as slow again (bench) */
	PART = 1 << 20,	  /* bytes of a long string's parts */
	KEPT = 256 << 10, /* bytes of a section that is compared with what it was */
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
	struct chunks chunks; /* under way */
	/* Payloads of sections that are replaced whole, as the file has them; none: not
	 * known, or too large. What is the same is not written again. */
	struct bytes was[FORMAT_CHUNKS];
};

static int write_chunk(void *context, struct chunk *chunk);

static void forget(struct profile_writer *w)
{
	for (size_t i = 0; i < FORMAT_CHUNKS; i++)
		bytes_done(&w->was[i]);
}

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
	if (!w)
		return -ENOMEM;
	w->fd = take_fd(owned);
	chunks_init(&w->chunks, write_chunk, w, LEVEL);
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
	chunks_done(&w->chunks);
	forget(w);
	close(w->fd);
	free(w->codes);
	free(w);
}

uint64_t profile_writer_bytes(const struct profile_writer *w)
{
	return w->now.at;
}

void profile_writer_level(struct profile_writer *w, int level)
{
	w->chunks.level = level;
}

void profile_writer_use_threads(struct profile_writer *w)
{
	chunks_use_threads(&w->chunks);
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

	forget(w);
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

/* Fills up with zeroes, behind the deflated stream, what the ratio asks for. */
static void pad(const struct profile_writer *w, struct chunk *chunk)
{
	static const unsigned char zeroes[4096];
	uint64_t raw = w->now.raw + chunk->raw;
	struct bytes *b = &chunk->stored;

	while (!b->failed && !format_ratio_is_fair(raw, w->now.at + b->len)) {
		uint64_t lack = (raw - FORMAT_RATIO_SLACK - 1) / FORMAT_RATIO_MAX + 1 -
				w->now.at - b->len;

		bytes_put(b, zeroes, lack < sizeof(zeroes) ? lack : sizeof(zeroes));
	}
}

/* The section is this chunk alone. Without memory it is not known then. */
static void remember(struct profile_writer *w, const struct chunk *chunk)
{
	struct bytes *was = &w->was[chunk->type];

	bytes_done(was);
	if (chunk->payload.len <= KEPT)
		bytes_put(was, chunk->payload.data, chunk->payload.len);
	if (was->failed)
		bytes_done(was);
}

/* The next one of the file: its header goes where its place was kept. */
static int write_chunk(void *context, struct chunk *chunk)
{
	struct profile_writer *w = context;
	struct format_header h = {.type = chunk->type, .raw = chunk->raw};
	size_t header = FORMAT_CHUNK_HEADER_BYTES;
	struct bytes head;

	if (chunk->same)
		return 0;
	if (chunk->was)
		remember(w, chunk);
	assert(chunk->raw <= FORMAT_RAW_MAX);
	if (chunk->deflated) {
		h.flags |= FORMAT_DEFLATED;
		pad(w, chunk);
	}
	if (chunk->stored.failed)
		return -ENOMEM;
	if (format_sections[h.type].optional)
		h.flags |= FORMAT_OPTIONAL;
	h.number = w->now.chunks;
	h.stored = (uint32_t)(chunk->stored.len - header);
	h.crc = (uint32_t)crc32(0, chunk->stored.data + header, h.stored);
	head = (struct bytes){.data = chunk->stored.data, .room = header};
	format_put_header(&head, &h);
	w->now.crc = format_run_crc(w->now.crc, chunk->stored.data);
	w->now.chunks++;
	w->now.raw += h.raw;
	return append(w, chunk->stored.data, chunk->stored.len);
}

static void put_row_header(struct bytes *payload, size_t first, size_t rows,
			   size_t columns)
{
	bytes_put_varint(payload, first);
	bytes_put_varint(payload, rows);
	bytes_put_varint(payload, columns);
}

/* Rows chunk->first.. of the file, which are items[0..count). */
static void make_rows(struct chunk *chunk)
{
	const struct format_section *s = &format_sections[chunk->type];

	put_row_header(&chunk->payload, chunk->first, chunk->count, s->column_count);
	if (chunk->count)
		format_put_columns(&chunk->payload, s, chunk->items, NULL,
				   chunk->count);
}

/* Sends a chunk of n rows off. */
static int go_rows(struct profile_writer *w, struct chunk *chunk, const void *items,
		   size_t first, size_t n)
{
	chunk->make = make_rows;
	chunk->items = items;
	chunk->first = first;
	chunk->count = n;
	return chunks_go(&w->chunks, chunk);
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
		const char *at = n ? (const char *)items + first * s->row_bytes : NULL;
		struct chunk *chunk;
		int r = chunks_next(&w->chunks, type, &chunk);

		if (!r && s->whole && n == end) /* in one piece */
			chunk->was = &w->was[type];
		else if (!r && s->whole)
			bytes_done(&w->was[type]);
		if (!r)
			r = go_rows(w, chunk, at, first, n);
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
		struct chunk *chunk;
		int r = chunks_next(&w->chunks, FORMAT_STRING_PART, &chunk);

		if (r < 0)
			return r;
		bytes_put(&chunk->payload, *text, PART);
		r = chunks_go(&w->chunks, chunk);
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
	struct chunk *chunk;
	struct bytes *payload;
	int r = put_parts(w, &text, &len);

	if (r < 0 || (r = chunks_next(&w->chunks, FORMAT_STRINGS, &chunk)) < 0)
		return r;
	payload = &chunk->payload;
	bytes = len + BYTES_VARINT_MAX;
	for (; *first + n < end; n++) {
		size_t more = strlen(strings->items[*first + n]);

		if (more > PART || bytes + more + BYTES_VARINT_MAX > 2 * PART)
			break;
		bytes += more + BYTES_VARINT_MAX;
	}
	put_row_header(payload, *first, n, 1);
	bytes_put_varint(payload, len);
	for (size_t i = 1; i < n; i++)
		bytes_put_varint(payload, strlen(strings->items[*first + i]));
	bytes_put(payload, text, len);
	for (size_t i = 1; i < n; i++)
		bytes_put(payload, strings->items[*first + i],
			  strlen(strings->items[*first + i]));
	*first += n;
	return chunks_go(&w->chunks, chunk);
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
	enum { BATCH = 65536 };
	size_t first = w->done.stacks;

	_Static_assert(BATCH * 4 * BYTES_VARINT_MAX + ROW_HEADER < FORMAT_RAW_MAX, "");
	while (first < p->stack_count) {
		size_t left = p->stack_count - first, n = left < BATCH ? left : BATCH;
		struct profile_stack *rows;
		struct chunk *chunk;
		int r = chunks_next(&w->chunks, FORMAT_STACKS, &chunk);

		if (r < 0)
			return r;
		rows = chunks_scratch(chunk, n, sizeof(*rows));
		if (!rows)
			return -ENOMEM;
		for (size_t i = 0; i < n; i++)
			rows[i] = relative(p, first + i);
		r = go_rows(w, chunk, rows, first, n);
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
	size_t at = 0;

	_Static_assert(BATCH * 2 * BYTES_VARINT_MAX + ROW_HEADER < FORMAT_RAW_MAX, "");
	/* Fresh room is zero: stacks that are not in the file have no code there. */
	if (array_reserve(&w->codes, &w->codes_room, p->stack_count) < 0)
		return -ENOMEM;
	for (;;) {
		struct format_stack_code *rows;
		struct chunk *chunk;
		size_t n = 0;
		int r;

		while (at < p->stack_count && p->stacks[at].code == w->codes[at])
			at++;
		if (at == p->stack_count)
			return 0;
		r = chunks_next(&w->chunks, FORMAT_STACK_CODES, &chunk);
		if (r < 0)
			return r;
		rows = chunks_scratch(chunk, BATCH, sizeof(*rows));
		if (!rows)
			return -ENOMEM;
		for (; at < p->stack_count && n < BATCH; at++)
			if (p->stacks[at].code != w->codes[at])
				rows[n++] = (struct format_stack_code){
					(uint32_t)at, p->stacks[at].code};
		r = go_rows(w, chunk, rows, 0, n);
		if (r < 0)
			return r;
	}
}

/* ---- sites ----------------------------------------------------------------- */

static void put_classes(struct bytes *out, const struct profile_class *items, size_t n,
			bool counts)
{
	for (size_t i = 0; i < n; i++)
		bytes_put_varint(out, counts ? items[i].count : items[i].log2);
}

/* The sites of chunk->profile whose numbers are in chunk->scratch. */
static void make_sites(struct chunk *chunk)
{
	const struct format_section *s = &format_sections[FORMAT_SITES];
	const struct profile_site *sites = chunk->profile->sites;
	const uint32_t *picks = chunk->scratch;

	put_row_header(&chunk->payload, 0, chunk->count, s->column_count);
	format_put_columns(&chunk->payload, s, sites, picks, chunk->count);
	for (int counts = 0; counts < 2; counts++)
		for (size_t i = 0; i < chunk->count; i++) {
			const struct profile_site *site = &sites[picks[i]];

			put_classes(&chunk->payload, site->sizes, site->sizes_count,
				    counts);
			put_classes(&chunk->payload, site->lives, site->lives_count,
				    counts);
		}
}

/* Numbers of dirty sites from *at on that fit a chunk whatever their figures. How many
 * there are. */
static size_t pick_sites(const struct profile *p, size_t *at, uint32_t *picks)
{
	const struct format_section *s = &format_sections[FORMAT_SITES];
	size_t n = 0, most = ROW_HEADER;

	for (; *at < p->site_count; ++*at) {
		const struct profile_site *site = &p->sites[*at];
		size_t classes = site->sizes_count + site->lives_count;
		/* A class is a byte of log2 and its count. */
		size_t row = s->column_count * BYTES_VARINT_MAX +
			     classes * (1 + BYTES_VARINT_MAX);

		if (!site->dirty)
			continue;
		if (most + row > FORMAT_RAW_MAX)
			break;
		picks[n++] = (uint32_t)*at;
		most += row;
	}
	return n;
}

static int put_sites(struct profile_writer *w, const struct profile *p)
{
	size_t room = rows_max(&format_sections[FORMAT_SITES]), at = 0;

	while (at < p->site_count) {
		struct chunk *chunk;
		uint32_t *picks;
		int r = chunks_next(&w->chunks, FORMAT_SITES, &chunk);

		if (r < 0)
			return r;
		picks = chunks_scratch(chunk, room, sizeof(*picks));
		if (!picks)
			return -ENOMEM;
		chunk->make = make_sites;
		chunk->profile = p;
		chunk->count = pick_sites(p, &at, picks);
		r = chunk->count ? chunks_go(&w->chunks, chunk) : 0;
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
		struct chunk *chunk;
		int r = chunks_next(&w->chunks, FORMAT_PIECES, &chunk);

		if (r < 0)
			return r;
		chunk->piece = &p->pieces[i];
		r = chunks_go(&w->chunks, chunk);
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

static void make_shares(struct chunk *chunk)
{
	const struct profile_share *rows = chunk->items;
	struct profile_share *to = chunks_scratch(chunk, chunk->count, sizeof(*to));
	uint64_t last_rank = 0, last_live = 0;

	if (!to && chunk->count) {
		chunk->payload.failed = true;
		return;
	}
	for (size_t i = 0; i < chunk->count; i++) {
		bool goes_on =
			i + 1 == chunk->count
				? chunk->goes_on
				: profile_share_same_site(&rows[i], &rows[i + 1]);

		to[i] = rows[i];
		if (!goes_on)
			blank(&to[i], last_rank, last_live);
		last_rank = to[i].last_rank;
		last_live = to[i].last_live_bytes;
	}
	chunk->items = to;
	make_rows(chunk);
}

static int put_shares(struct profile_writer *w, enum format_chunk type,
		      const struct profile_share *rows, size_t count)
{
	size_t room = rows_max(&format_sections[type]), first = 0;
	int r;

	do {
		size_t n = count - first < room ? count - first : room;
		struct chunk *chunk;

		r = chunks_next(&w->chunks, type, &chunk);
		if (r < 0)
			return r;
		chunk->make = make_shares;
		chunk->items = rows + first;
		chunk->first = first;
		chunk->count = n;
		first += n;
		chunk->goes_on =
			n && first < count &&
			profile_share_same_site(&rows[first - 1], &rows[first]);
		r = chunks_go(&w->chunks, chunk);
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
	struct profile *meta;
	struct chunk *chunk;
	int r = chunks_next(&w->chunks, FORMAT_META, &chunk);

	if (r < 0)
		return r;
	meta = chunks_scratch(chunk, 1, sizeof(*meta));
	if (!meta)
		return -ENOMEM;
	*meta = *p;
	w->now.shares = p->shares_new || (w->done.shares && !any_dirty(p));
	if (!w->now.shares)
		meta->dimensions = 0;
	return go_rows(w, chunk, meta, 0, 1);
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
static int put_sections(struct profile_writer *w, const struct profile *p,
			struct profile *const *more, size_t count)
{
	const struct progress *d = &w->done;
	int r = d->at ? 0 : put_file_header(w);

	if (r < 0 || (r = put_strings(w, &p->strings)) < 0 ||
	    (r = put_meta(w, p)) < 0 ||
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
	    (r = put_rows(w, FORMAT_MARKS, p->marks, 0, p->mark_count)) ||
	    (r = put_rows(w, FORMAT_PROOFS, p->proofs, 0, p->proof_count)) ||
	    (r = put_rows(w, FORMAT_SNAPSHOTS, p->snapshots, 0, p->snapshot_count)) ||
	    (r = put_snapshot_pieces(w, p)) || (r = put_sites(w, p)))
		return r;
	for (size_t i = 0; i < count; i++) {
		r = put_sites(w, more[i]);
		if (r < 0)
			return r;
	}
	return put_all_shares(w, p);
}

/* Behind all others: it counts them. */
static int put_commit(struct profile_writer *w)
{
	struct chunk *chunk;
	int r = chunks_flush(&w->chunks);

	if (!r)
		r = chunks_next(&w->chunks, FORMAT_COMMIT, &chunk);
	if (r < 0)
		return r;
	chunk->plain = true;
	bytes_put_varint(&chunk->payload, ++w->now.commits);
	bytes_put_varint(&chunk->payload, w->now.chunks - w->done.chunks);
	bytes_put_u32(&chunk->payload, w->now.crc);
	r = chunks_go(&w->chunks, chunk);
	return r < 0 ? r : chunks_flush(&w->chunks);
}

static void clean_sites(struct profile *p)
{
	for (size_t i = 0; i < p->site_count; i++)
		p->sites[i].dirty = 0;
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
	clean_sites(p);
}

int profile_writer_update(struct profile_writer *w, struct profile *p)
{
	return profile_writer_update_with(w, p, NULL, 0);
}

int profile_writer_update_with(struct profile_writer *w, struct profile *p,
			       struct profile *const *more, size_t count)
{
	const struct progress *d = &w->done;
	int r;

	assert(p->strings.count >= d->strings && p->module_count >= d->modules &&
	       p->frame_count >= d->frames && p->code_count >= d->codes &&
	       p->stack_count >= d->stacks && p->source_count >= d->sources);
	if (w->broken)
		return w->broken;
	r = put_sections(w, p, more, count);
	if (r >= 0)
		r = put_commit(w);
	if (r < 0) {
		chunks_drop(&w->chunks);
		return roll_back(w, r);
	}
	settle(w, p);
	for (size_t i = 0; i < count; i++)
		clean_sites(more[i]);
	return 0;
}
