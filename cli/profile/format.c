#include "cli/profile/format.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

#define WIDTH(type, field)                                                             \
	.at = offsetof(type, field), .bytes = sizeof(((type *)0)->field)
#define PLAIN(type, field) {WIDTH(type, field)}
#define STRING(type, field) {WIDTH(type, field), .string = true}
#define BELOW(type, field, limit) {WIDTH(type, field), .below = (limit)}
#define DELTA(type, field) {WIDTH(type, field), .coding = FORMAT_DELTA}
#define SIGNED(type, field) {WIDTH(type, field), .coding = FORMAT_SIGNED}
#define BEHIND(type, field, base)                                                      \
	{WIDTH(type, field), .coding = FORMAT_BEHIND, .from = offsetof(type, base)}

/* New columns go to the end of a table, and the section's `since` stays: older readers
 * skip them there, newer ones read files without them. */

static const struct format_column meta[] = {
	STRING(struct profile, version),
	STRING(struct profile, host),
	STRING(struct profile, options),
	PLAIN(struct profile, start_unix_ns),
	PLAIN(struct profile, wall_ns),
	BELOW(struct profile, complete, 2),
	BELOW(struct profile, symbolised, 2),
	BELOW(struct profile, free_stacks, 2),
	BELOW(struct profile, lossy, 2),
	PLAIN(struct profile, lost_no_ring),
	PLAIN(struct profile, cut_stacks),
	STRING(struct profile, stopped),
	SIGNED(struct profile, write_error),
	PLAIN(struct profile, tree_peak.blocks),
	PLAIN(struct profile, tree_peak.bytes),
	PLAIN(struct profile, tree_peak_at_ns),
	PLAIN(struct profile, sampled),
	PLAIN(struct profile, dimensions),
	PLAIN(struct profile, divided),
};

#define PROCESS_DOMAIN(d)                                                              \
	PLAIN(struct profile_process, domain[d].allocs),                               \
	PLAIN(struct profile_process, domain[d].allocated_bytes),                      \
	BEHIND(struct profile_process, domain[d].frees, domain[d].allocs),             \
	BEHIND(struct profile_process, domain[d].freed_bytes,                          \
	       domain[d].allocated_bytes),                                             \
	PLAIN(struct profile_process, domain[d].peak.blocks),                          \
	PLAIN(struct profile_process, domain[d].peak.bytes),                           \
	PLAIN(struct profile_process, domain[d].peak_at_ns)

#define PROCESS_MEMORY(m)                                                              \
	PLAIN(struct profile_process, memory[m].at_ns),                                \
	PLAIN(struct profile_process, memory[m].live_bytes),                           \
	PLAIN(struct profile_process, memory[m].used_bytes),                           \
	BEHIND(struct profile_process, memory[m].system_bytes, memory[m].used_bytes),  \
	BEHIND(struct profile_process, memory[m].rss_at_ns, memory[m].at_ns),          \
	PLAIN(struct profile_process, memory[m].rss_bytes),                            \
	PLAIN(struct profile_process, memory[m].rss_anonymous),                        \
	PLAIN(struct profile_process, memory[m].rss_files),                            \
	PLAIN(struct profile_process, memory[m].rss_stack),                            \
	PLAIN(struct profile_process, memory[m].rss_shared),                           \
	PLAIN(struct profile_process, memory[m].rss_own)

#define PROCESS_ARENAS(member)                                                         \
	PLAIN(struct profile_process, member.bytes),                                   \
	PLAIN(struct profile_process, member.used.blocks),                             \
	PLAIN(struct profile_process, member.used.bytes)

static const struct format_column processes[] = {
	DELTA(struct profile_process, serial),
	PLAIN(struct profile_process, parent_serial),
	SIGNED(struct profile_process, pid),
	STRING(struct profile_process, command),
	STRING(struct profile_process, exe),
	BELOW(struct profile_process, end, PROFILE_EXECED + 1),
	SIGNED(struct profile_process, end_status),
	PLAIN(struct profile_process, notes),
	PLAIN(struct profile_process, start_ns),
	PLAIN(struct profile_process, end_ns),
	PLAIN(struct profile_process, temporary.blocks),
	PLAIN(struct profile_process, temporary.bytes),
	PLAIN(struct profile_process, unknown_frees),
	PLAIN(struct profile_process, unseen_frees),
	PLAIN(struct profile_process, lost),
	PLAIN(struct profile_process, held_back_ns),
	PLAIN(struct profile_process, events),
	PROCESS_DOMAIN(PROFILE_MALLOC),
	PROCESS_DOMAIN(PROFILE_MMAP),
	PLAIN(struct profile_process, inherited.blocks),
	PLAIN(struct profile_process, inherited.bytes),
	BEHIND(struct profile_process, inherited_freed.blocks, inherited.blocks),
	BEHIND(struct profile_process, inherited_freed.bytes, inherited.bytes),
	PROCESS_MEMORY(PROFILE_AT_PEAK),
	PROCESS_MEMORY(PROFILE_AT_END),
	PLAIN(struct profile_process, python),
	PROCESS_DOMAIN(PROFILE_POOL),
	PLAIN(struct profile_process, pools.unknown),
	PLAIN(struct profile_process, pools.frees),
	PLAIN(struct profile_process, pools.others),
	PLAIN(struct profile_process, pools.overlaps),
	PLAIN(struct profile_process, finalised.blocks),
	PLAIN(struct profile_process, finalised.bytes),
	PROCESS_DOMAIN(PROFILE_ARENA),
	PROCESS_ARENAS(arenas),
	PROCESS_ARENAS(arenas_at_peak),
	PLAIN(struct profile_process, counted_with),
	PLAIN(struct profile_process, counted),
};
_Static_assert(PROFILE_DOMAINS == 4, "a new domain needs columns, at the end");
_Static_assert(sizeof(processes) / sizeof(*processes) <= FORMAT_COLUMNS_MAX,
	       "the longest table");

static const struct format_column unfolloweds[] = {
	PLAIN(struct profile_unfollowed, parent_serial),
	SIGNED(struct profile_unfollowed, pid),
	STRING(struct profile_unfollowed, program),
	PLAIN(struct profile_unfollowed, why), /* readers know some */
	DELTA(struct profile_unfollowed, at_ns),
};

static const struct format_column threads[] = {
	DELTA(struct profile_thread, process_serial),
	DELTA(struct profile_thread, tid),
	STRING(struct profile_thread, name),
	PLAIN(struct profile_thread, events),
	DELTA(struct profile_thread, start_ns),
	BEHIND(struct profile_thread, end_ns, start_ns),
	BELOW(struct profile_thread, mixed, 2),
};

static const struct format_column modules[] = {
	STRING(struct profile_module, path),
	STRING(struct profile_module, build_id),
	DELTA(struct profile_module, start),
	BEHIND(struct profile_module, end, start),
	BEHIND(struct profile_module, bias, start),
};

static const struct format_column frames[] = {
	STRING(struct profile_frame, function),
	STRING(struct profile_frame, linkage),
	STRING(struct profile_frame, file),
	PLAIN(struct profile_frame, line),
	BEHIND(struct profile_frame, function_first, line),
	BEHIND(struct profile_frame, function_last, line),
};

static const struct format_column codes[] = {
	DELTA(struct profile_code, first_frame),
	PLAIN(struct profile_code, frames),
};

/* As the writer prepares them: pc less the parent's, parent counted backwards from
 * the stack's own number. */
static const struct format_column stacks[] = {
	SIGNED(struct profile_stack, pc),
	PLAIN(struct profile_stack, parent),
	DELTA(struct profile_stack, module),
	BELOW(struct profile_stack, flags,
	      (PROFILE_STACK_EXACT | PROFILE_STACK_GUESSED | PROFILE_STACK_CUT) + 1),
};

static const struct format_column stack_codes[] = {
	DELTA(struct format_stack_code, stack),
	DELTA(struct format_stack_code, code),
};

static const struct format_column sources[] = {
	STRING(struct profile_source, file),
	PLAIN(struct profile_source, first),
	PLAIN(struct profile_source, count),
	STRING(struct profile_source, text),
};

static const struct format_column bins[] = {
	DELTA(struct profile_bin, at_ns),
	DELTA(struct profile_bin, last_bytes),
	BEHIND(struct profile_bin, min_bytes, last_bytes),
	BEHIND(struct profile_bin, max_bytes, last_bytes),
	DELTA(struct profile_bin, last_blocks),
	PLAIN(struct profile_bin, allocs),
	DELTA(struct profile_bin, rss_bytes),
};

/* What sites have, and their shares by time, size and thread. */
#define SITE_KEY(type)                                                                 \
	DELTA(type, process_serial), DELTA(type, stack),                               \
		BELOW(type, domain, PROFILE_DOMAINS)
#define ALLOCATED(type) PLAIN(type, allocs), PLAIN(type, allocated_bytes)
#define FREED(type)                                                                    \
	BEHIND(type, frees, allocs), BEHIND(type, freed_bytes, allocated_bytes)
#define FREED_HERE(type) PLAIN(type, freed_here), PLAIN(type, freed_here_bytes)
#define AMOUNT(type, field) PLAIN(type, field.blocks), PLAIN(type, field.bytes)
#define PEAKS(type)                                                                    \
	AMOUNT(type, peak), BEHIND(type, tree_peak.blocks, peak.blocks),               \
		BEHIND(type, tree_peak.bytes, peak.bytes)
#define LAST(type) DELTA(type, last_rank), DELTA(type, last_live_bytes)

/* Their size and lifetime classes follow the columns. */
static const struct format_column sites[] = {
	SITE_KEY(struct profile_site),
	ALLOCATED(struct profile_site),
	FREED(struct profile_site),
	PEAKS(struct profile_site),
	AMOUNT(struct profile_site, temporary),
	DELTA(struct profile_site, first_ns),
	BEHIND(struct profile_site, last_ns, first_ns),
	FREED_HERE(struct profile_site),
	LAST(struct profile_site),
	BELOW(struct profile_site, sizes_count, 65),
	BELOW(struct profile_site, lives_count, 65),
	PLAIN(struct profile_site, values),
	BEHIND(struct profile_site, repeated, values),
};

static const struct format_column snapshots[] = {
	PLAIN(struct profile_snapshot, process_serial),
	STRING(struct profile_snapshot, name),
	STRING(struct profile_snapshot, cause),
	BELOW(struct profile_snapshot, kind, PROFILE_SCANS),
	DELTA(struct profile_snapshot, at_ns),
	PLAIN(struct profile_snapshot, blocks),
	PLAIN(struct profile_snapshot, bytes),
	PLAIN(struct profile_snapshot, edges),
	PLAIN(struct profile_snapshot, roots),
	PLAIN(struct profile_snapshot, read_bytes),
	PLAIN(struct profile_snapshot, unread_bytes),
	PLAIN(struct profile_snapshot, pause_ns),
	PLAIN(struct profile_snapshot, scan_ns),
	PLAIN(struct profile_snapshot, threads),
	PLAIN(struct profile_snapshot, running),
	BELOW(struct profile_snapshot, lacking, 2),
	PLAIN(struct profile_snapshot, first_piece),
	PLAIN(struct profile_snapshot, piece_count),
	BELOW(struct profile_snapshot, followed, 2),
};

static const struct format_column epochs[] = {
	DELTA(struct profile_epoch, at_ns),
};

/* Of the last row of a site, all behind the key means nothing. */
static const struct format_column times[] = {
	SITE_KEY(struct profile_share),
	DELTA(struct profile_share, value),
	ALLOCATED(struct profile_share),
	PLAIN(struct profile_share, frees),
	PLAIN(struct profile_share, freed_bytes),
	FREED_HERE(struct profile_share),
	AMOUNT(struct profile_share, temporary),
	BEHIND(struct profile_share, died.blocks, allocs),
	BEHIND(struct profile_share, died.bytes, allocated_bytes),
	LAST(struct profile_share),
	AMOUNT(struct profile_share, left),
};

/* died is frees, of blocks that are of one value all their life. */
static const struct format_column values[] = {
	SITE_KEY(struct profile_share),
	DELTA(struct profile_share, value),
	ALLOCATED(struct profile_share),
	FREED(struct profile_share),
	FREED_HERE(struct profile_share),
	AMOUNT(struct profile_share, temporary),
	PEAKS(struct profile_share),
};

#define SHARES(member, table, bit)                                                     \
	COLUMNS(table), .row_bytes = sizeof(struct profile_share),                     \
	.items_at = offsetof(struct profile, member##s),                               \
	.count_at = offsetof(struct profile, member##_count),                          \
	.room_at = offsetof(struct profile, member##_room), .whole = true,             \
	.optional = true, .dimension = (bit)

static const struct format_column marks[] = {
	PLAIN(struct profile_mark, process_serial),
	STRING(struct profile_mark, name),
	DELTA(struct profile_mark, at_ns),
	PLAIN(struct profile_mark, marks),
};

static const struct format_column proofs[] = {
	PLAIN(struct profile_proof, process_serial),
	DELTA(struct profile_proof, address),
	DELTA(struct profile_proof, lost_ns),
	BEHIND(struct profile_proof, freed_ns, lost_ns),
};

#define COLUMNS(table)                                                                 \
	.columns = (table), .column_count = sizeof(table) / sizeof(*(table))
#define ARRAY(member)                                                                  \
	COLUMNS(member##s), .row_bytes = sizeof(struct profile_##member),              \
	.items_at = offsetof(struct profile, member##s),                               \
	.count_at = offsetof(struct profile, member##_count),                          \
	.room_at = offsetof(struct profile, member##_room)

const struct format_section format_sections[FORMAT_CHUNKS] = {
	[FORMAT_COMMIT] = {.name = "commit"},
	[FORMAT_META] = {"description", COLUMNS(meta),
			 .row_bytes = sizeof(struct profile),
			 .since = 16 /* without `sampled` and what follows */},
	[FORMAT_STRINGS] = {.name = "strings"},
	[FORMAT_STRING_PART] = {.name = "strings"},
	[FORMAT_MODULES] = {"modules", ARRAY(module)},
	[FORMAT_FRAMES] = {"frames", ARRAY(frame)},
	[FORMAT_CODES] = {"codes", ARRAY(code)},
	[FORMAT_STACKS] = {"stacks", ARRAY(stack)},
	[FORMAT_STACK_CODES] = {"codes of stacks", COLUMNS(stack_codes),
				.row_bytes = sizeof(struct format_stack_code)},
	[FORMAT_SOURCES] = {"sources", ARRAY(source)},
	[FORMAT_PROCESSES] = {"processes", COLUMNS(processes),
			      .since = 31, /* without `inherited` */
			      .row_bytes = sizeof(struct profile_process),
			      .items_at = offsetof(struct profile, processes),
			      .count_at = offsetof(struct profile, process_count),
			      .room_at = offsetof(struct profile, process_room),
			      .whole = true},
	[FORMAT_THREADS] = {"threads", ARRAY(thread),
			    .since = 6, /* without `mixed` */
			    .whole = true},
	[FORMAT_BINS] = {"timeline", ARRAY(bin), .whole = true},
	[FORMAT_SITES] = {"sites", ARRAY(site), .since = 21 /* without `values` */},
	[FORMAT_UNFOLLOWED] = {"programs not followed", ARRAY(unfollowed),
			       .whole = true},
	[FORMAT_SNAPSHOTS] = {"snapshots", ARRAY(snapshot),
			      .since = 18, /* without `followed` */
			      .whole = true, .optional = true},
	[FORMAT_PIECES] = {.name = "pieces of snapshots", .optional = true},
	[FORMAT_EPOCHS] = {"epochs", ARRAY(epoch), .whole = true, .optional = true},
	[FORMAT_TIMES] = {"counts by time", SHARES(time, times, PROFILE_TIMES)},
	[FORMAT_SIZES] = {"counts by size", SHARES(size, values, PROFILE_SIZES)},
	[FORMAT_OWNERS] = {"counts by thread", SHARES(owner, values, PROFILE_OWNERS)},
	[FORMAT_MARKS] = {"marks", ARRAY(mark), .whole = true, .optional = true},
	[FORMAT_PROOFS] = {"blocks that were not lost", ARRAY(proof), .whole = true,
			   .optional = true},
};

static uint64_t load(const void *at, unsigned bytes)
{
	uint32_t four;
	uint64_t eight;

	switch (bytes) {
	case 1:
		return *(const unsigned char *)at;
	case 4:
		memcpy(&four, at, sizeof(four));
		return four;
	default:
		memcpy(&eight, at, sizeof(eight));
		return eight;
	}
}

static void store(void *at, unsigned bytes, uint64_t v)
{
	uint32_t four = (uint32_t)v;

	switch (bytes) {
	case 1:
		*(unsigned char *)at = (unsigned char)v;
		break;
	case 4:
		memcpy(at, &four, sizeof(four));
		break;
	default:
		memcpy(at, &v, sizeof(v));
	}
}

static uint64_t encode(const struct format_column *c, const char *row, uint64_t before)
{
	uint64_t v = load(row + c->at, c->bytes);

	switch (c->coding) {
	case FORMAT_DELTA:
		return bytes_zigzag(v - before);
	case FORMAT_BEHIND:
		return bytes_zigzag(load(row + c->from, c->bytes) - v);
	case FORMAT_SIGNED:
		return bytes_zigzag(c->bytes == 4 ? (uint64_t)(int32_t)v : v);
	default:
		return v;
	}
}

void format_put_columns(struct bytes *out, const struct format_section *s,
			const void *rows, const uint32_t *picks, size_t n)
{
	for (size_t i = 0; i < s->column_count; i++) {
		const struct format_column *c = &s->columns[i];
		unsigned char *at = bytes_room(out, n * BYTES_VARINT_MAX);
		uint64_t before = 0;

		if (!at)
			return;
		for (size_t k = 0; k < n; k++) {
			size_t which = picks ? picks[k] : k;
			const char *row = (const char *)rows + which * s->row_bytes;

			at = bytes_varint_at(at, encode(c, row, before));
			before = load(row + c->at, c->bytes);
		}
		out->len = (size_t)(at - out->data);
	}
}

static void clear_column(const struct format_section *s, size_t column, void *rows,
			 size_t n)
{
	const struct format_column *c = &s->columns[column];

	for (size_t k = 0; k < n; k++)
		store((char *)rows + k * s->row_bytes + c->at, c->bytes, 0);
}

/* ---- reading columns --------------------------------------------------------- */

/* Rows that are read together: all columns of a few, so that the rows stay in the
 * cache, rather than one column of all. */
enum { BLOCK = 64 };

/* A column on its way into rows. */
struct cursor {
	const unsigned char *at; /* of the next number; the rest are all there */
	uint64_t before;	 /* the row before's value */
};

static const uint64_t tops = 0x8080808080808080; /* no byte of a number's last */

/* Behind n numbers that begin at `at`, whatever they are; NULL: fewer are there. */
static const unsigned char *skip_numbers(const unsigned char *at,
					 const unsigned char *end, size_t n)
{
	while (n >= 8 && end - at >= 8) {
		uint64_t word;

		memcpy(&word, at, sizeof(word));
		n -= ((~word & tops) >> 7) * 0x0101010101010101 >> 56;
		at += 8;
	}
	for (; n && at < end; at++)
		n -= *at < 0x80;
	return n ? NULL : at;
}

/* Seven bits of each byte, put together. */
static inline uint64_t join_sevens(uint64_t word)
{
	word = (word & 0x007f007f007f007f) | (word & 0x7f007f007f007f00) >> 1;
	word = (word & 0x00003fff00003fff) | (word & 0x3fff00003fff0000) >> 2;
	return (word & 0x0fffffff) | (word & 0x0fffffff00000000) >> 4;
}

/* The next n numbers. They are all there: skip_numbers() saw them. False: one of them
 * has more than 64 bits. */
static bool get_numbers(struct cursor *c, const unsigned char *end, uint64_t *to,
			size_t n)
{
	const unsigned char *at = c->at;

	for (size_t i = 0; i < n; i++) {
		struct bytes_reader in = {.at = at, .end = end};
		uint64_t word = 0, stops = 0;

		if (end - at >= 8) {
			memcpy(&word, at, sizeof(word));
			stops = ~word & tops;
		}
		if (stops) { /* without a branch on how long it is */
			to[i] = join_sevens(word & (stops ^ (stops - 1)));
			at += (__builtin_ctzll(stops) >> 3) + 1;
			continue;
		}
		to[i] = bytes_get_varint(&in);
		if (in.failed)
			return false;
		at = in.at;
	}
	c->at = at;
	return true;
}

/* From what the file has to what the rows have. */
static void decode(const struct format_column *c, struct cursor *cursor,
		   const char *rows, size_t row_bytes, uint64_t *v, size_t n)
{
	switch (c->coding) {
	case FORMAT_DELTA:
		for (size_t i = 0; i < n; i++)
			v[i] = cursor->before += bytes_unzigzag(v[i]);
		break;
	case FORMAT_BEHIND:
		for (size_t i = 0; i < n; i++)
			v[i] = load(rows + i * row_bytes + c->from, c->bytes) -
			       bytes_unzigzag(v[i]);
		break;
	case FORMAT_SIGNED:
		for (size_t i = 0; i < n; i++)
			v[i] = bytes_unzigzag(v[i]);
		break;
	default:
		break;
	}
}

/* Whether all of them fit the field and its meaning. */
static bool fit(const struct format_column *c, size_t strings, const uint64_t *v,
		size_t n)
{
	uint64_t most = c->bytes < 8 ? (1ull << 8 * c->bytes) - 1 : UINT64_MAX;
	bool wrong = c->string && !strings;

	if (c->coding == FORMAT_SIGNED && c->bytes == 4) {
		for (size_t i = 0; i < n; i++)
			wrong |= v[i] != (uint64_t)(int32_t)v[i];
		return !wrong;
	}
	if (c->below && c->below - 1 < most)
		most = c->below - 1;
	if (c->string && strings - 1 < most)
		most = strings - 1;
	for (size_t i = 0; i < n; i++)
		wrong |= v[i] > most;
	return !wrong;
}

static void store_all(const struct format_column *c, char *rows, size_t row_bytes,
		      const uint64_t *v, size_t n)
{
	char *at = rows + c->at;

	switch (c->bytes) {
	case 4:
		for (size_t i = 0; i < n; i++)
			store(at + i * row_bytes, 4, v[i]);
		break;
	case 8:
		for (size_t i = 0; i < n; i++)
			store(at + i * row_bytes, 8, v[i]);
		break;
	default:
		for (size_t i = 0; i < n; i++)
			store(at + i * row_bytes, c->bytes, v[i]);
	}
}

static bool get_block(const struct format_section *s, struct cursor *cursors,
		      size_t columns, const unsigned char *end, size_t strings,
		      char *rows, size_t n)
{
	uint64_t v[BLOCK];

	for (size_t i = 0; i < columns; i++) {
		const struct format_column *c = &s->columns[i];

		if (!get_numbers(&cursors[i], end, v, n))
			return false;
		decode(c, &cursors[i], rows, s->row_bytes, v, n);
		if (!fit(c, strings, v, n))
			return false;
		store_all(c, rows, s->row_bytes, v, n);
	}
	return true;
}

int format_get_columns(struct bytes_reader *in, const struct format_section *s,
		       size_t columns, size_t strings, void *rows, size_t n)
{
	size_t known = columns < s->column_count ? columns : s->column_count;
	struct cursor cursors[FORMAT_COLUMNS_MAX];
	const unsigned char *at = in->at;

	for (size_t i = known; i < s->column_count; i++)
		clear_column(s, i, rows, n);
	for (size_t i = 0; at && i < known; i++) {
		cursors[i] = (struct cursor){.at = at};
		at = skip_numbers(at, in->end, n);
	}
	if (!at || in->failed)
		return -EBADMSG;
	for (size_t done = 0; done < n; done += BLOCK) {
		size_t some = n - done < BLOCK ? n - done : BLOCK;

		if (!get_block(s, cursors, known, in->end, strings,
			       (char *)rows + done * s->row_bytes, some))
			return -EBADMSG;
	}
	in->at = at;
	for (size_t i = s->column_count; i < columns && !in->failed; i++)
		for (size_t k = 0; k < n; k++)
			bytes_get_varint(in);
	return in->failed ? -EBADMSG : 0;
}

uint32_t format_run_crc(uint32_t crc, const unsigned char *header)
{
	return (uint32_t)crc32(crc, header, FORMAT_HEADER_CRC_AT);
}

void format_put_header(struct bytes *out, const struct format_header *h)
{
	size_t start = out->len;

	bytes_put_u16(out, h->type);
	bytes_put_u16(out, h->flags);
	bytes_put_u32(out, h->number);
	bytes_put_u32(out, h->stored);
	bytes_put_u32(out, h->raw);
	bytes_put_u32(out, h->crc);
	if (!out->failed)
		bytes_put_u32(out, format_run_crc(0, out->data + start));
}

bool format_get_header(const unsigned char *bytes, bool check,
		       struct format_header *ret)
{
	struct bytes_reader in = bytes_reader(bytes, FORMAT_CHUNK_HEADER_BYTES);
	struct format_header h = {
		.type = bytes_get_u16(&in),
		.flags = bytes_get_u16(&in),
		.number = bytes_get_u32(&in),
		.stored = bytes_get_u32(&in),
		.raw = bytes_get_u32(&in),
		.crc = bytes_get_u32(&in),
	};

	if (check && bytes_get_u32(&in) != format_run_crc(0, bytes))
		return false;
	*ret = h;
	return true;
}
