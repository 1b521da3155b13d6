/*
 * format.h - what the writer and the loader of profiles share: docs/format.md as
 * numbers and tables.
 *
 *	file	magic, version | chunk | chunk | ... | COMMIT | chunk | ... | COMMIT
 *	chunk	header | payload, deflated or as it is
 *	rows	first, rows, columns | column | column | ...	(varints)
 *
 * A section is one kind of chunk, and mostly one array of struct profile: its rows
 * are written column by column, as a table of struct format_column says.
 */
#pragma once

#include "cli/base/bytes.h"
#include "cli/profile/file.h"

#define FORMAT_MAGIC "\211heapl\r\n" /* not text, and shows a text-mode transfer */

enum format_limit {
	FORMAT_MAGIC_BYTES = 8,
	FORMAT_FILE_HEADER_BYTES = 16,
	FORMAT_CHUNK_HEADER_BYTES = 24,
	FORMAT_HEADER_CRC_AT = 20, /* the rest of the chunk header: its checksum */
	FORMAT_VERSION = 2,
	FORMAT_OLDEST = 1, /* that is read as well */
	FORMAT_RAW_MAX = 4 << 20, /* bytes of a chunk's payload, inflated */

	FORMAT_COLUMNS_MAX = 128, /* of the tables here */

	FORMAT_STORED_MAX = FORMAT_RAW_MAX + 4096,

	/* All chunks up to any point of the file inflate to no more than so many times
	 * the bytes up to there, and the slack: a small file cannot claim a large
	 * memory. The writer pads. */
	FORMAT_RATIO_MAX = 16,
	FORMAT_RATIO_SLACK = 1 << 20,
};

enum format_chunk_flag {
	FORMAT_DEFLATED = 1u << 0,
	FORMAT_OPTIONAL = 1u << 1, /* who does not know the type may skip the chunk */
};

enum format_chunk {
	FORMAT_COMMIT = 1,
	FORMAT_META = 2,	/* one row: the profile's own fields */
	FORMAT_STRINGS = 3,	/* appended */
	FORMAT_STRING_PART = 4, /* the beginning of the next string */
	FORMAT_MODULES = 5,	/* appended */
	FORMAT_FRAMES = 6,	/* appended */
	FORMAT_CODES = 7,	/* appended */
	FORMAT_STACKS = 8,	/* appended, without their codes */
	FORMAT_STACK_CODES = 9, /* codes of stacks; a later one overrides */
	FORMAT_SOURCES = 10,	/* appended */
	FORMAT_PROCESSES = 11,	/* replaced whole by each update, as the next two */
	FORMAT_THREADS = 12,
	FORMAT_BINS = 13,
	FORMAT_SITES = 14, /* keyed by process, stack, domain; a later one overrides */
	FORMAT_UNFOLLOWED = 15, /* replaced whole */
	FORMAT_SNAPSHOTS = 16,	/* replaced whole */
	FORMAT_PIECES = 17, /* of snapshots, one a chunk; left where they are */
	FORMAT_EPOCHS = 18, /* replaced whole, as the next ones */
	FORMAT_TIMES = 19,
	FORMAT_SIZES = 20,
	FORMAT_OWNERS = 21,
	FORMAT_MARKS = 22,  /* replaced whole */
	FORMAT_PROOFS = 23, /* replaced whole */
	FORMAT_CHUNKS
};

struct format_header {
	uint16_t type;	/* enum format_chunk */
	uint16_t flags; /* enum format_chunk_flag */
	uint32_t number; /* of the chunk in the file, from 0 */
	uint32_t stored; /* bytes of payload in the file */
	uint32_t raw;	 /* bytes of payload once inflated */
	uint32_t crc;	 /* of the stored payload */
};

enum format_coding {
	FORMAT_PLAIN = 0,  /* the value */
	FORMAT_DELTA = 1,  /* zigzag: value - the row before's, 0 before the first */
	FORMAT_BEHIND = 2, /* zigzag: the row's field at `from` - value */
	FORMAT_SIGNED = 3, /* zigzag: the value */
};

/* One field of a row. All arithmetic wraps at 64 bits. */
struct format_column {
	uint16_t at;   /* offset of the field in the row */
	uint16_t from; /* FORMAT_BEHIND: offset of an earlier column, as wide */
	uint8_t bytes; /* width of the field: 1, 4, 8 */
	uint8_t coding;
	bool string;	/* must be the number of a string */
	uint32_t below; /* must be less than this, if not 0 */
};

struct format_section {
	const char *name; /* for people, plural */
	const struct format_column *columns;
	size_t column_count;
	size_t since; /* columns of the first files of this version: others may lack */
	size_t row_bytes;
	/* Offsets in struct profile of the array, its count and its capacity. */
	size_t items_at, count_at, room_at;
	bool whole;	    /* replaced by each update, else appended to */
	bool optional;	    /* FORMAT_OPTIONAL */
	unsigned dimension; /* enum profile_dimension, of parts; 0: always loaded */
};

/* The rows of FORMAT_STACK_CODES. */
struct format_stack_code {
	uint32_t stack, code;
};

/* Indexed by enum format_chunk; no columns where the rows are of another kind. */
extern const struct format_section format_sections[FORMAT_CHUNKS];

static inline void **format_items(const struct format_section *s, struct profile *p)
{
	return (void **)((char *)p + s->items_at);
}

static inline size_t *format_count(const struct format_section *s, struct profile *p)
{
	return (size_t *)((char *)p + s->count_at);
}

static inline size_t *format_room(const struct format_section *s, struct profile *p)
{
	return (size_t *)((char *)p + s->room_at);
}

/* Appends n rows' columns to out: rows[0..n), or rows[picks[0..n)] if picks. */
void format_put_columns(struct bytes *out, const struct format_section *s,
			const void *rows, const uint32_t *picks, size_t n);

/* The fewest columns that a file may have. */
static inline size_t format_columns_min(const struct format_section *s)
{
	return !s->columns ? 1 : s->since ? s->since : s->column_count;
}

/* Reads n rows' columns, columns >= format_columns_min(s) of them. What a newer writer
 * has behind those that we know is skipped; what an older one lacks is 0. strings: how
 * many there are. 0, or -EBADMSG: too short, or a value out of its range. */
int format_get_columns(struct bytes_reader *in, const struct format_section *s,
		       size_t columns, size_t strings, void *rows, size_t n);

/* A commit's checksum, gone on with over the bytes of one more chunk header: without
 * the header's own checksum, as a CRC over data and their CRC is the same for all. */
uint32_t format_run_crc(uint32_t crc, const unsigned char *header);

/* A chunk header's FORMAT_CHUNK_HEADER_BYTES bytes. */
void format_put_header(struct bytes *out, const struct format_header *h);

/* Reads them back; false if their checksum is wrong and check is set. */
bool format_get_header(const unsigned char *bytes, bool check,
		       struct format_header *ret);

/* Whether a file of so many bytes may hold so many, inflated. */
static inline bool format_ratio_is_fair(uint64_t raw, uint64_t file)
{
	return raw <= FORMAT_RATIO_SLACK ||
	       (raw - FORMAT_RATIO_SLACK - 1) / FORMAT_RATIO_MAX < file;
}

/* ---- for tests and benches ----------------------------------------------- */

/* profile_load() from memory. trusting: checksums and numbers of chunks are not
 * looked at, so that a fuzzer reaches what lies behind them. */
int profile_load_bytes(const void *data, size_t len, bool trusting,
		       struct profile **ret, char *why, size_t why_bytes);

/* zlib's level for the chunks to come; 0: stored as they are. */
void profile_writer_level(struct profile_writer *w, int level);
