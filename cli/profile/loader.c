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
#include "cli/profile/format.h"
#include "cli/profile/totals.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <zlib.h>

enum { COLUMNS_MAX = 255 }; /* of any section of any version to come */

enum tail { TAIL_NONE, TAIL_TRUNCATED, TAIL_DAMAGED };

struct load {
	int fd;			   /* -1: the bytes are in data */
	const unsigned char *data; /* size bytes */
	uint64_t size;
	bool trusting; /* tests: checksums are not looked at */

	/* Found by the first pass. */
	uint64_t end;	  /* of the last whole commit; 0: there is none */
	enum tail tail;	  /* what follows it ... */
	uint64_t tail_at; /* ... and where that was noticed */

	struct profile *p;
	z_stream inflate;
	struct bytes stored, raw; /* of one chunk */
	struct bytes part;	  /* beginning of the next string */

	/* Sites by process, stack and domain: open addressing, numbers + 1. */
	uint32_t *slots;
	size_t slots_room; /* a power of two, or 0 */
	uint64_t seed;	   /* so that nobody can choose what collides */

	char *why;
	size_t why_bytes;
};

static void load_done(struct load *l)
{
	profile_close(l->p);
	inflateEnd(&l->inflate);
	bytes_done(&l->stored);
	bytes_done(&l->raw);
	bytes_done(&l->part);
	free(l->slots);
}

__attribute__((format(printf, 3, 4))) static int fail(struct load *l, int r,
						      const char *format, ...)
{
	va_list args;

	if (!l->why)
		return r;
	va_start(args, format);
	vsnprintf(l->why, l->why_bytes, format, args);
	va_end(args);
	return r;
}

static int no_memory(struct load *l)
{
	return fail(l, -ENOMEM, "there is not enough memory for it");
}

/* Bytes at..at+len of the file; the caller knows that it is that long. */
static int read_at(struct load *l, uint64_t at, void *to, size_t len)
{
	char *out = to;

	if (l->fd < 0) {
		memcpy(to, l->data + at, len);
		return 0;
	}
	while (len) {
		ssize_t n = pread(l->fd, out, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(l, -errno, "%s at byte %" PRIu64, strerror(errno),
				    at);
		if (!n)
			return fail(l, -EBADMSG, "it became shorter while it was read");
		out += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* ---- the first pass: how far is it whole? ---------------------------------- */

static int check_file_header(struct load *l)
{
	unsigned char bytes[FORMAT_FILE_HEADER_BYTES];
	size_t len = l->size < sizeof(bytes) ? (size_t)l->size : sizeof(bytes);
	size_t magic = len < FORMAT_MAGIC_BYTES ? len : FORMAT_MAGIC_BYTES;
	struct bytes_reader in = bytes_reader(bytes, sizeof(bytes));
	uint32_t version;
	int r = read_at(l, 0, bytes, len);

	if (r < 0)
		return r;
	if (!len)
		return fail(l, -ENODATA, "it is empty");
	if (memcmp(bytes, FORMAT_MAGIC, magic))
		return fail(l, -EPROTO, "it is not a heapline profile");
	if (len < sizeof(bytes))
		return fail(l, -ENODATA, "it ends at byte %zu, in its first words",
			    len);
	bytes_get(&in, FORMAT_MAGIC_BYTES);
	version = bytes_get_u32(&in);
	if (!l->trusting && bytes_get_u32(&in) != crc32(0, bytes, sizeof(bytes) - 4))
		return fail(l, -EBADMSG, "its first words are damaged");
	if (version != FORMAT_VERSION)
		return fail(l, -EPROTONOSUPPORT,
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
		int r = read_at(l, at, piece, n);

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
	struct format_header h;
	unsigned char header[FORMAT_CHUNK_HEADER_BYTES];
};

static bool sane(const struct load *l, const struct scan *s)
{
	const struct format_header *h = &s->h;

	return (l->trusting || h->number == s->chunks) &&
	       h->stored <= FORMAT_STORED_MAX && h->raw <= format_raw_max(h->stored) &&
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
	r = read_at(l, s->at + FORMAT_CHUNK_HEADER_BYTES, bytes, s->h.stored);
	if (r < 0)
		return r;
	in = bytes_reader(bytes, s->h.stored);
	*ret = bytes_get_varint(&in) == s->commits + 1ull &&
	       bytes_get_varint(&in) == s->since && bytes_get_u32(&in) == s->crc &&
	       !in.failed;
	return 0;
}

static void stop(struct load *l, enum tail tail, uint64_t at)
{
	l->tail = tail;
	l->tail_at = at;
}

/* Looks at the next chunk. 1: go on; 0: the whole part ends before it. */
static int scan_chunk(struct load *l, struct scan *s)
{
	uint64_t left = l->size - s->at;
	uint32_t crc = 0;
	bool good = true;
	int r;

	if (left < FORMAT_CHUNK_HEADER_BYTES)
		return stop(l, TAIL_TRUNCATED, l->size), 0;
	r = read_at(l, s->at, s->header, sizeof(s->header));
	if (r < 0)
		return r;
	if (!format_get_header(s->header, !l->trusting, &s->h) || !sane(l, s))
		return stop(l, TAIL_DAMAGED, s->at), 0;
	if (s->h.stored > left - FORMAT_CHUNK_HEADER_BYTES)
		return stop(l, TAIL_TRUNCATED, l->size), 0;
	if (!l->trusting) {
		r = checksum(l, s->at + sizeof(s->header), s->h.stored, &crc);
		good = crc == s->h.crc;
	}
	if (r >= 0 && good && s->h.type == FORMAT_COMMIT)
		r = check_commit(l, s, &good);
	if (r < 0)
		return r;
	if (!good)
		return stop(l, TAIL_DAMAGED, s->at), 0;
	if ((s->h.type >= FORMAT_CHUNKS || !s->h.type) &&
	    !(s->h.flags & FORMAT_OPTIONAL))
		return fail(l, -EPROTONOSUPPORT,
			    "a newer heapline wrote it (what byte %" PRIu64
			    " begins is unknown to this one)",
			    s->at);
	return 1;
}

/* Finds l->end and what follows it. */
static int scan(struct load *l)
{
	struct scan s = {.at = FORMAT_FILE_HEADER_BYTES};

	while (s.at < l->size) {
		int r = scan_chunk(l, &s);

		if (r <= 0)
			return r;
		s.at += FORMAT_CHUNK_HEADER_BYTES + s.h.stored;
		s.crc = format_run_crc(s.crc, s.header);
		s.chunks++;
		s.since++;
		if (s.h.type != FORMAT_COMMIT)
			continue;
		l->end = s.at;
		s.commits++;
		s.since = 0;
	}
	if (s.at != l->end)
		stop(l, TAIL_TRUNCATED, l->size);
	return 0;
}

/* ---- the second pass: sections --------------------------------------------- */

struct rows {
	uint64_t first, count, columns;
};

/* A section's row header: rows are believed as far as the payload could hold them,
 * at a byte a column. */
static int get_rows(struct bytes_reader *in, const struct format_section *s,
		    struct rows *ret)
{
	struct rows rows = {
		.first = bytes_get_varint(in),
		.count = bytes_get_varint(in),
		.columns = bytes_get_varint(in),
	};
	size_t least = s->columns ? s->column_count : 1;

	if (in->failed || rows.columns < least || rows.columns > COLUMNS_MAX ||
	    rows.count > bytes_left(in) / rows.columns)
		return -EBADMSG;
	*ret = rows;
	return 0;
}

static int load_meta(struct load *l, const struct format_section *s,
		     struct bytes_reader *in)
{
	struct rows rows;

	if (get_rows(in, s, &rows) < 0 || rows.first || rows.count != 1)
		return -EBADMSG;
	return format_get_columns(in, s, rows.columns, l->p->strings.count, l->p, 1);
}

/* Sections that are an array of the profile and nothing more. The rows are counted
 * by the caller, once they are right: ret_first and ret_count. */
static int get_array(struct load *l, const struct format_section *s,
		     struct bytes_reader *in, struct rows *ret)
{
	size_t *count = format_count(s, l->p);
	struct rows rows;
	int r = get_rows(in, s, &rows);

	if (r < 0)
		return r;
	if (s->whole && !rows.first)
		*count = 0;
	if (rows.first != *count || *count + rows.count >= UINT32_MAX)
		return -EBADMSG;
	r = array_reserve_(format_items(s, l->p), format_room(s, l->p),
			   *count + rows.count, s->row_bytes);
	if (r < 0)
		return r;
	*ret = rows;
	if (!rows.count)
		return 0;
	return format_get_columns(
		in, s, rows.columns, l->p->strings.count,
		*(char **)format_items(s, l->p) + *count * s->row_bytes, rows.count);
}

static int load_array(struct load *l, const struct format_section *s,
		      struct bytes_reader *in)
{
	struct rows rows;
	int r = get_array(l, s, in, &rows);

	if (r < 0)
		return r;
	*format_count(s, l->p) += rows.count;
	return 0;
}

static int load_stacks(struct load *l, const struct format_section *s,
		       struct bytes_reader *in)
{
	struct profile *p = l->p;
	struct rows rows;
	int r = get_array(l, s, in, &rows);

	if (r < 0)
		return r;
	for (size_t i = 0; i < rows.count; i++) {
		struct profile_stack *stack = &p->stacks[p->stack_count];

		/* The distance, here, of an earlier one. */
		if (!stack->parent || stack->parent > p->stack_count)
			return -EBADMSG;
		stack->parent = (uint32_t)p->stack_count - stack->parent;
		stack->pc += p->stacks[stack->parent].pc;
		p->stack_count++;
	}
	return 0;
}

static int load_stack_codes(struct load *l, const struct format_section *s,
			    struct bytes_reader *in)
{
	_cleanup_(freep) struct format_stack_code *codes = NULL;
	struct rows rows;
	int r = get_rows(in, s, &rows);

	if (r < 0 || rows.first)
		return -EBADMSG;
	codes = calloc(rows.count + 1, sizeof(*codes));
	if (!codes)
		return -ENOMEM;
	r = format_get_columns(in, s, rows.columns, 0, codes, rows.count);
	for (size_t i = 0; r >= 0 && i < rows.count; i++) {
		if (codes[i].stack >= l->p->stack_count)
			return -EBADMSG;
		l->p->stacks[codes[i].stack].code = codes[i].code;
	}
	return r;
}

static int load_string_part(struct load *l, const struct format_section *s,
			    struct bytes_reader *in)
{
	size_t len = bytes_left(in);

	(void)s;
	bytes_put(&l->part, in->at, len);
	bytes_get(in, len);
	return l->part.failed ? -ENOMEM : 0;
}

/* A string gets the next number, so it must be new; and it holds no NUL. */
static int add_string(struct load *l, const void *text, size_t len)
{
	struct strings *strings = &l->p->strings;
	size_t number = strings->count;
	uint32_t got;

	if (memchr(text, 0, len))
		return -EBADMSG;
	got = strings_add_n(strings, text, len);
	if (got == UINT32_MAX)
		return -ENOMEM;
	return got == number ? 0 : -EBADMSG;
}

/* The first string of a chunk goes on where the parts before it ended. */
static int add_first_string(struct load *l, const void *text, size_t len)
{
	int r;

	if (!l->part.len)
		return add_string(l, text, len);
	bytes_put(&l->part, text, len);
	r = l->part.failed ? -ENOMEM : add_string(l, l->part.data, l->part.len);
	bytes_done(&l->part);
	return r;
}

static int load_strings(struct load *l, const struct format_section *s,
			struct bytes_reader *in)
{
	struct bytes_reader text = *in;
	struct rows rows;

	if (get_rows(in, s, &rows) < 0 || rows.first != l->p->strings.count)
		return -EBADMSG;
	text = *in;
	for (size_t i = 0; i < rows.count * rows.columns; i++)
		bytes_get_varint(&text);
	for (size_t i = 0; i < rows.count; i++) {
		size_t len = bytes_get_varint(in);
		const unsigned char *at = bytes_get(&text, len);
		int r;

		if (!at)
			return -EBADMSG;
		r = i ? add_string(l, at, len) : add_first_string(l, at, len);
		if (r < 0)
			return r;
	}
	in->at = text.at;
	return 0;
}

/* ---- sites ------------------------------------------------------------------ */

static uint64_t mix(uint64_t h)
{
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdull;
	h ^= h >> 29;
	h *= 0xc4ceb9fe1a85ec53ull;
	return h ^ h >> 32;
}

/* Seeded between its two rounds, so that collisions cannot be made in advance. */
static uint64_t site_hash(const struct load *l, const struct profile_site *s)
{
	uint64_t key = (uint64_t)s->process_serial << 32 | s->stack;

	return mix(mix(key ^ l->seed) + (s->domain ^ l->seed >> 7));
}

static bool same_site(const struct profile_site *a, const struct profile_site *b)
{
	return a->process_serial == b->process_serial && a->stack == b->stack &&
	       a->domain == b->domain;
}

/* The slot of a site like s, or the free one for it. There is a free one. */
static uint32_t *site_slot(const struct load *l, const struct profile_site *s)
{
	for (uint64_t i = site_hash(l, s);; i++) {
		uint32_t *slot = &l->slots[i & (l->slots_room - 1)];

		if (!*slot || same_site(&l->p->sites[*slot - 1], s))
			return slot;
	}
}

/* Room for `need` sites in half of the slots. */
static int reserve_slots(struct load *l, size_t need)
{
	size_t room = l->slots_room ? l->slots_room : 64;

	while (room / 2 < need)
		room *= 2;
	if (room == l->slots_room)
		return 0;
	free(l->slots);
	l->slots_room = 0;
	l->slots = calloc(room, sizeof(*l->slots));
	if (!l->slots)
		return -ENOMEM;
	l->slots_room = room;
	for (size_t i = 0; i < l->p->site_count; i++)
		*site_slot(l, &l->p->sites[i]) = (uint32_t)i + 1;
	return 0;
}

/* log2s of n classes, ascending: at most 64 of them, hence. */
static int get_classes(struct bytes_reader *in, uint32_t n, struct profile_class **ret)
{
	struct profile_class *items;
	uint64_t before = 0;

	if (!n)
		return 0;
	items = calloc(n, sizeof(*items));
	if (!items)
		return -ENOMEM;
	*ret = items;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t log2 = bytes_get_varint(in);

		if (log2 >= 64 || (i && log2 <= before))
			return -EBADMSG;
		items[i].log2 = (uint32_t)log2;
		before = log2;
	}
	return 0;
}

static void get_counts(struct bytes_reader *in, struct profile_class *items, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		items[i].count = bytes_get_varint(in);
}

/* Reads n sites to the end of the array, uncounted. What they came to own is in them
 * even on failure. */
static int get_sites(struct load *l, const struct format_section *s,
		     struct bytes_reader *in, const struct rows *rows,
		     struct profile_site *sites)
{
	int r = format_get_columns(in, s, rows->columns, 0, sites, rows->count);

	for (size_t i = 0; r >= 0 && i < rows->count; i++) {
		r = get_classes(in, sites[i].sizes_count, &sites[i].sizes);
		if (r >= 0)
			r = get_classes(in, sites[i].lives_count, &sites[i].lives);
	}
	for (size_t i = 0; r >= 0 && i < rows->count; i++) {
		get_counts(in, sites[i].sizes, sites[i].sizes_count);
		get_counts(in, sites[i].lives, sites[i].lives_count);
		r = sites[i].stack < l->p->stack_count ? 0 : -EBADMSG;
	}
	return r < 0 ? r : in->failed ? -EBADMSG : 0;
}

/* Counts the site behind the last one, or puts it in the place of its like. */
static void settle_site(struct load *l, struct profile_site *site)
{
	struct profile *p = l->p;
	uint32_t *slot = site_slot(l, site);

	if (*slot) {
		struct profile_site *like = &p->sites[*slot - 1];

		free(like->sizes);
		free(like->lives);
		*like = *site;
		return;
	}
	p->sites[p->site_count++] = *site;
	*slot = (uint32_t)p->site_count;
}

static int load_sites(struct load *l, const struct format_section *s,
		      struct bytes_reader *in)
{
	struct profile *p = l->p;
	struct profile_site *fresh;
	struct rows rows;
	int r = get_rows(in, s, &rows);

	if (r < 0 || rows.first || p->site_count + rows.count >= UINT32_MAX)
		return -EBADMSG;
	if (array_reserve(&p->sites, &p->site_room, p->site_count + rows.count) < 0 ||
	    reserve_slots(l, p->site_count + rows.count) < 0)
		return -ENOMEM;
	if (!rows.count)
		return 0;
	fresh = &p->sites[p->site_count];
	memset(fresh, 0, rows.count * sizeof(*fresh));
	r = get_sites(l, s, in, &rows, fresh);
	if (r < 0) {
		p->site_count += rows.count; /* profile_close() frees what they own */
		return r;
	}
	for (size_t i = 0; i < rows.count; i++)
		settle_site(l, &fresh[i]);
	return 0;
}

/* ---- pieces of snapshots: where they are ------------------------------------- */

static int note_piece(struct load *l, uint64_t at)
{
	struct profile *p = l->p;
	int r = array_reserve(&p->pieces, &p->piece_room, p->piece_count + 1);

	if (!r)
		p->pieces[p->piece_count++] = (struct profile_piece){.at = at};
	return r;
}

/* ---- chunks ------------------------------------------------------------------ */

static int (*const loaders[FORMAT_CHUNKS])(struct load *, const struct format_section *,
					   struct bytes_reader *) = {
	[FORMAT_META] = load_meta,
	[FORMAT_STRINGS] = load_strings,
	[FORMAT_STRING_PART] = load_string_part,
	[FORMAT_MODULES] = load_array,
	[FORMAT_FRAMES] = load_array,
	[FORMAT_CODES] = load_array,
	[FORMAT_STACKS] = load_stacks,
	[FORMAT_STACK_CODES] = load_stack_codes,
	[FORMAT_SOURCES] = load_array,
	[FORMAT_PROCESSES] = load_array,
	[FORMAT_THREADS] = load_array,
	[FORMAT_BINS] = load_array,
	[FORMAT_SITES] = load_sites,
	[FORMAT_UNFOLLOWED] = load_array,
	[FORMAT_SNAPSHOTS] = load_array,
};

/* The payload into l->raw, exactly as long as its header says. */
static int inflate_payload(struct load *l, const struct format_header *h)
{
	z_stream *z = &l->inflate;

	bytes_reset(&l->raw);
	if (!bytes_room(&l->raw, h->raw))
		return -ENOMEM;
	l->raw.len = h->raw;
	if (inflateReset(z) != Z_OK)
		return -EBADMSG;
	z->next_in = l->stored.data;
	z->avail_in = h->stored;
	z->next_out = l->raw.data;
	z->avail_out = h->raw;
	return inflate(z, Z_FINISH) == Z_STREAM_END && !z->avail_out ? 0 : -EBADMSG;
}

static int load_payload(struct load *l, const struct format_header *h)
{
	struct bytes_reader in = bytes_reader(l->stored.data, h->stored);
	int r = 0;

	if (h->flags & FORMAT_DEFLATED) {
		r = inflate_payload(l, h);
		in = bytes_reader(l->raw.data, h->raw);
	}
	if (r < 0)
		return r;
	return loaders[h->type](l, &format_sections[h->type], &in);
}

static int load_chunk(struct load *l, uint64_t at, const struct format_header *h)
{
	int r;

	if (h->type == FORMAT_PIECES)
		return note_piece(l, at) < 0 ? no_memory(l) : 0;
	if (h->type >= FORMAT_CHUNKS || !loaders[h->type])
		return 0;
	bytes_reset(&l->stored);
	if (!bytes_room(&l->stored, h->stored))
		return no_memory(l);
	r = read_at(l, at + FORMAT_CHUNK_HEADER_BYTES, l->stored.data, h->stored);
	if (r < 0)
		return r;
	l->stored.len = h->stored;
	if (!l->trusting && crc32(0, l->stored.data, h->stored) != h->crc)
		return fail(l, -EBADMSG, "it changed while it was read");
	r = load_payload(l, h);
	if (r == -ENOMEM)
		return no_memory(l);
	if (r < 0)
		return fail(l, r, "the %s at byte %" PRIu64 " make no sense",
			    format_sections[h->type].name, at);
	return 0;
}

static int load_chunks(struct load *l)
{
	uint64_t at = FORMAT_FILE_HEADER_BYTES;

	while (at < l->end) {
		unsigned char bytes[FORMAT_CHUNK_HEADER_BYTES];
		struct format_header h;
		int r = read_at(l, at, bytes, sizeof(bytes));

		if (r < 0)
			return r;
		/* Sizes were right in the first pass; the file may be another now. */
		if (!format_get_header(bytes, !l->trusting, &h) ||
		    h.stored > FORMAT_STORED_MAX || h.raw > FORMAT_RAW_MAX ||
		    h.stored > l->size - at - sizeof(bytes))
			return fail(l, -EBADMSG, "it changed while it was read");
		r = load_chunk(l, at, &h);
		if (r < 0)
			return r;
		at += sizeof(bytes) + h.stored;
	}
	return 0;
}

/* ---- references --------------------------------------------------------------- */

static const char *check_symbols(const struct profile *p)
{
	for (size_t i = 0; i < p->module_count; i++)
		if (p->modules[i].end < p->modules[i].start)
			return "a module ends before it begins";
	for (size_t i = 0; i < p->code_count; i++) {
		const struct profile_code *c = &p->codes[i];

		if (!c->frames || c->frames > p->frame_count ||
		    c->first_frame > p->frame_count - c->frames)
			return "a code has frames that are not there";
	}
	for (size_t i = 0; i < p->stack_count; i++) {
		if (p->stacks[i].module > p->module_count)
			return "a stack is in a module that is not there";
		if (p->stacks[i].code > p->code_count)
			return "a stack has a code that is not there";
	}
	for (size_t i = 0; i < p->source_count; i++) {
		const struct profile_source *s = &p->sources[i];

		if (!s->first || s->count > UINT32_MAX - s->first)
			return "a piece of source has impossible line numbers";
	}
	return NULL;
}

static const char *check_processes(const struct profile *p,
				   struct profile_serials *serials)
{
	for (size_t i = 0; i < p->process_count; i++) {
		const struct profile_process *a = &p->processes[i];

		/* One with the serial of another is not the one that is found. */
		if (!a->serial || profile_serials_find(serials, a->serial) != i)
			return "two processes have one serial";
		if (a->parent_serial >= a->serial)
			return "a process is older than its parent";
		if (a->parent_serial &&
		    profile_serials_find(serials, a->parent_serial) == SIZE_MAX)
			return "a process has a parent that is not there";
		for (int d = 0; d < PROFILE_DOMAINS; d++)
			if (a->domain[d].frees > a->domain[d].allocs ||
			    a->domain[d].freed_bytes > a->domain[d].allocated_bytes)
				return "a process freed more than it allocated";
	}
	for (size_t i = 0; i < p->thread_count; i++)
		if (profile_serials_find(serials, p->threads[i].process_serial) ==
		    SIZE_MAX)
			return "a thread is of a process that is not there";
	return NULL;
}

static const char *check_sites(const struct profile *p, struct profile_serials *serials)
{
	for (size_t i = 0; i < p->site_count; i++) {
		const struct profile_site *s = &p->sites[i];

		if (profile_serials_find(serials, s->process_serial) == SIZE_MAX)
			return "a site is of a process that is not there";
		if (s->frees > s->allocs || s->freed_bytes > s->allocated_bytes)
			return "a site has more freed than allocated";
	}
	return NULL;
}

static const char *check_snapshots(const struct profile *p,
				   struct profile_serials *serials)
{
	for (size_t i = 0; i < p->snapshot_count; i++) {
		const struct profile_snapshot *s = &p->snapshots[i];

		if (profile_serials_find(serials, s->process_serial) == SIZE_MAX)
			return "a snapshot is of a process that is not there";
		if (s->piece_count > p->piece_count ||
		    s->first_piece > p->piece_count - s->piece_count)
			return "a snapshot has pieces that are not there";
	}
	return NULL;
}

static const char *check_bins(const struct profile *p)
{
	for (size_t i = 0; i < p->bin_count; i++) {
		if (i && p->bins[i].at_ns <= p->bins[i - 1].at_ns)
			return "the timeline goes back";
		if (p->bins[i].min_bytes > p->bins[i].max_bytes)
			return "the timeline has a minimum above a maximum";
	}
	return NULL;
}

static int check_references(struct load *l)
{
	_cleanup_(profile_serials_done) struct profile_serials serials = {0};
	const char *wrong;

	if (profile_serials_init(&serials, l->p) < 0)
		return no_memory(l);
	if ((wrong = check_symbols(l->p)) ||
	    (wrong = check_processes(l->p, &serials)) ||
	    (wrong = check_sites(l->p, &serials)) ||
	    (wrong = check_snapshots(l->p, &serials)) || (wrong = check_bins(l->p)))
		return fail(l, -EBADMSG, "it contradicts itself: %s", wrong);
	return 0;
}

/* ---- the whole ------------------------------------------------------------------ */

/* Says what was left out, if anything was. */
static int tell_tail(struct load *l)
{
	double seconds = (double)l->p->wall_ns / 1e9;

	if (l->tail == TAIL_NONE)
		return 0;
	l->p->complete = false;
	if (l->tail == TAIL_DAMAGED)
		return fail(l, 0,
			    "it is damaged at byte %" PRIu64
			    "; everything up to %.1f s is shown",
			    l->tail_at, seconds);
	return fail(l, 0,
		    "it ends in the middle of an update, at byte %" PRIu64
		    "; everything up to %.1f s is shown",
		    l->tail_at, seconds);
}

static int no_commit(struct load *l)
{
	if (l->tail == TAIL_DAMAGED)
		return fail(l, -EBADMSG,
			    "it is damaged at byte %" PRIu64
			    ", and nothing before that is complete",
			    l->tail_at);
	return fail(l, -ENODATA,
		    "it ends at byte %" PRIu64 ", before anything in it is complete",
		    l->size);
}

static int load(struct load *l, struct profile **ret)
{
	int r;

	fail(l, 0, "%s", "");
	if (getrandom(&l->seed, sizeof(l->seed), GRND_NONBLOCK) < 0)
		l->seed = (uint64_t)(uintptr_t)l ^ (uint64_t)getpid() << 32;
	if ((r = check_file_header(l)) < 0 || (r = scan(l)) < 0)
		return r;
	if (!l->end)
		return no_commit(l);
	l->p = profile_new();
	if (!l->p || inflateInit(&l->inflate) != Z_OK)
		return no_memory(l);
	if ((r = load_chunks(l)) < 0 || (r = check_references(l)) < 0)
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
		.why = why_bytes ? why : NULL,
		.why_bytes = why_bytes,
	};

	return load(&l, ret);
}

/* Reads a pipe or a device to its end, unless it begins like nothing of ours. */
static int slurp(struct load *l, struct bytes *all)
{
	for (;;) {
		enum { PIECE = 65536 };
		unsigned char *to = bytes_room(all, PIECE);
		ssize_t n = to ? read(l->fd, to, PIECE) : 0;

		if (!to)
			return no_memory(l);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(l, -errno, "%s", strerror(errno));
		if (!n)
			return 0;
		all->len += (size_t)n;
		if (all->len >= FORMAT_MAGIC_BYTES &&
		    memcmp(all->data, FORMAT_MAGIC, FORMAT_MAGIC_BYTES))
			return 0;
	}
}

int profile_load(const char *path, struct profile **ret, char *why, size_t why_bytes)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	_cleanup_(bytes_done) struct bytes all = {0};
	_cleanup_(load_done) struct load l = {
		.fd = fd,
		.why = why_bytes ? why : NULL,
		.why_bytes = why_bytes,
	};
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(&l, -errno, "%s", strerror(errno));
	if (S_ISDIR(st.st_mode))
		return fail(&l, -EISDIR, "it is a directory");
	if (S_ISREG(st.st_mode)) {
		l.size = (uint64_t)st.st_size;
		return load(&l, ret);
	}
	r = slurp(&l, &all);
	if (r < 0)
		return r;
	return profile_load_bytes(all.data, all.len, false, ret, why, why_bytes);
}

/* ---- pieces of snapshots: what is in them ------------------------------------ */

/* Reads the chunk that begins at byte `at`. */
static int read_piece(struct load *l, uint64_t at, struct bytes_reader *ret)
{
	unsigned char bytes[FORMAT_CHUNK_HEADER_BYTES];
	struct format_header h;
	int r;

	if (at > l->size || l->size - at < sizeof(bytes))
		return -EBADMSG;
	r = read_at(l, at, bytes, sizeof(bytes));
	if (r < 0)
		return r;
	if (!format_get_header(bytes, true, &h) || h.type != FORMAT_PIECES ||
	    h.stored > FORMAT_STORED_MAX || h.raw > format_raw_max(h.stored) ||
	    h.stored > l->size - at - sizeof(bytes))
		return -EBADMSG;
	if (!bytes_room(&l->stored, h.stored))
		return -ENOMEM;
	r = read_at(l, at + sizeof(bytes), l->stored.data, h.stored);
	if (r < 0)
		return r;
	if (crc32(0, l->stored.data, h.stored) != h.crc)
		return -EBADMSG;
	*ret = bytes_reader(l->stored.data, h.stored);
	if (!(h.flags & FORMAT_DEFLATED))
		return 0;
	if (inflateInit(&l->inflate) != Z_OK)
		return -ENOMEM;
	r = inflate_payload(l, &h);
	*ret = bytes_reader(l->raw.data, h.raw);
	return r;
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
