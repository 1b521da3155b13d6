/*
 * Files made to harm: checksums all right, or not looked at, and contents that lie.
 */
#include "tests/unit/unit.h"

#include "cli/base/cleanup.h"
#include "tests/unit/profile_walk.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <zlib.h>

/* No more memory than this, so that what believes a count fails for want of it. */
static int bound_memory(void **state)
{
	struct rlimit limit;

	(void)state;
	if (getrlimit(RLIMIT_AS, &limit) < 0)
		return -1;
#ifndef UNIT_SANITIZED
	limit.rlim_cur = 256 << 20;
#endif
	return setrlimit(RLIMIT_AS, &limit);
}

static void begin(struct bytes *file)
{
	bytes_put(file, FORMAT_MAGIC, FORMAT_MAGIC_BYTES);
	bytes_put_u32(file, FORMAT_VERSION);
	bytes_put_u32(file, 0);
}

static void chunk(struct bytes *file, struct format_header h, const void *payload)
{
	format_put_header(file, &h);
	bytes_put(file, payload, h.stored);
}

static void plain_chunk(struct bytes *file, uint16_t type, const struct bytes *payload)
{
	uint32_t len = (uint32_t)payload->len;

	chunk(file, (struct format_header){.type = type, .stored = len, .raw = len},
	      payload->data);
}

/* Ends the file, loads it and lets go of it. */
static int load_and_done(struct bytes *file, char *why, size_t why_bytes)
{
	struct profile *p = NULL;
	int r;

	chunk(file, (struct format_header){.type = FORMAT_COMMIT}, NULL);
	r = profile_load_bytes(file->data, file->len, true, &p, why, why_bytes);
	if (r == 0)
		walk(p);
	profile_close(p);
	bytes_done(file);
	return r;
}

/* One chunk of a type with this row header and some bytes behind it. */
static int load_rows(uint16_t type, uint64_t first, uint64_t rows, uint64_t columns,
		     size_t behind)
{
	_cleanup_(bytes_done) struct bytes payload = {0};
	struct bytes file = {0};
	char why[200];

	begin(&file);
	bytes_put_varint(&payload, first);
	bytes_put_varint(&payload, rows);
	bytes_put_varint(&payload, columns);
	for (size_t i = 0; i < behind; i++)
		bytes_put_varint(&payload, 0);
	plain_chunk(&file, type, &payload);
	return load_and_done(&file, why, sizeof(why));
}

static void counts_are_believed_as_far_as_there_are_bytes(void **state)
{
	static const uint64_t counts[] = {1 << 20,    1ull << 31, 1ull << 32,
					  1ull << 40, 1ull << 61, 1ull << 63,
					  UINT64_MAX};

	(void)state;
	for (uint16_t type = FORMAT_META; type < FORMAT_CHUNKS; type++) {
		size_t columns = format_sections[type].column_count + !type, least;

		if (type == FORMAT_STRING_PART || type == FORMAT_PIECES)
			continue; /* no rows */
		columns = columns ? columns : 1;
		for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
			assert_int_equal(load_rows(type, 0, counts[i], columns, 1000),
					 -EBADMSG);
			assert_int_equal(load_rows(type, 1, counts[i], columns, 1000),
					 -EBADMSG);
			assert_int_equal(load_rows(type, counts[i], 1, columns, 1000),
					 -EBADMSG);
			assert_int_equal(load_rows(type, 0, 0, counts[i], 1000),
					 -EBADMSG);
			assert_int_equal(load_rows(type, 0, 1, counts[i], 1000),
					 -EBADMSG);
		}
		least = format_columns_min(&format_sections[type]);
		assert_int_equal(load_rows(type, 0, 1, least - 1, 1000), -EBADMSG);
		assert_int_equal(load_rows(type, 0, 1, least, least - 1), -EBADMSG);
		assert_int_equal(load_rows(type, 0, 1, columns, columns - 1), -EBADMSG);
	}
}

/* Columns of a newer writer, behind those that we know, are skipped. */
static void more_columns_than_we_know_are_no_harm(void **state)
{
	size_t known = format_sections[FORMAT_BINS].column_count;

	(void)state;
	assert_int_equal(load_rows(FORMAT_BINS, 0, 1, known + 3, known + 3), 0);
	assert_int_equal(load_rows(FORMAT_BINS, 0, 1, known + 3, known + 2), -EBADMSG);
}

/* A file from before the process's last columns: they are 0, also where a chunk with
 * more of them was before. */
static void columns_that_an_older_file_lacks_are_zero(void **state)
{
	size_t known = format_sections[FORMAT_PROCESSES].column_count;
	size_t least = format_columns_min(&format_sections[FORMAT_PROCESSES]);
	struct profile *p = NULL;
	struct bytes file = {0};
	char why[200];

	(void)state;
	assert_true(least < known);
	begin(&file);
	for (int age = 0; age < 2; age++) {
		_cleanup_(bytes_done) struct bytes payload = {0};
		size_t columns = age ? least : known;

		bytes_put_varint(&payload, 0);
		bytes_put_varint(&payload, 1);
		bytes_put_varint(&payload, columns);
		for (size_t i = 0; i < columns; i++) /* the serial is a zigzag */
			bytes_put_varint(&payload, i == 1 || i == 3 || i == 4 ? 0 : 2);
		plain_chunk(&file, FORMAT_PROCESSES, &payload);
	}
	chunk(&file, (struct format_header){.type = FORMAT_COMMIT}, NULL);
	assert_int_equal(
		profile_load_bytes(file.data, file.len, true, &p, why, sizeof(why)), 0);
	assert_int_equal(p->processes[0].serial, 1);
	assert_int_equal(p->processes[0].notes, 2);
	assert_int_equal(p->processes[0].inherited.blocks, 0);
	assert_int_equal(p->processes[0].inherited.bytes, 0);
	assert_int_equal(p->processes[0].inherited_freed.blocks, 0);
	assert_int_equal(p->processes[0].inherited_freed.bytes, 0);
	profile_close(p);
	bytes_done(&file);
}

/* One row of a section, its codes given. */
static int load_row(uint16_t type, const uint64_t *codes, size_t columns)
{
	_cleanup_(bytes_done) struct bytes payload = {0};
	struct bytes file = {0};
	char why[200];

	begin(&file);
	bytes_put_varint(&payload, 0);
	bytes_put_varint(&payload, 1);
	bytes_put_varint(&payload, columns);
	for (size_t i = 0; i < columns; i++)
		bytes_put_varint(&payload, codes[i]);
	plain_chunk(&file, type, &payload);
	return load_and_done(&file, why, sizeof(why));
}

static void what_does_not_fit_its_field_is_refused(void **state)
{
	static const uint64_t most[] = {0, 0, 0, UINT32_MAX, 0, 0};
	static const uint64_t more[] = {0, 0, 0, UINT32_MAX + 1ull, 0, 0};
	static const uint64_t less[] = {0, 0, 0, 5, 2 * 6, 0}; /* 5 - 6 */

	(void)state;
	assert_int_equal(load_row(FORMAT_FRAMES, most, 6), 0);
	assert_int_equal(load_row(FORMAT_FRAMES, more, 6), -EBADMSG);
	assert_int_equal(load_row(FORMAT_FRAMES, less, 6), -EBADMSG);
}

static void codes_are_of_stacks_that_are_there(void **state)
{
	(void)state;
	assert_int_equal(load_row(FORMAT_STACK_CODES, (uint64_t[]){0, 0}, 2), 0);
	assert_int_equal(load_row(FORMAT_STACK_CODES, (uint64_t[]){2, 0}, 2), -EBADMSG);
	assert_int_equal(load_row(FORMAT_STACK_CODES, (uint64_t[]){20000000, 0}, 2),
			 -EBADMSG);
}

/* Strings of the profile to be: as many bytes as there are lengths, all of one kind. */
static int load_strings(const char *lengths, const char *text)
{
	_cleanup_(bytes_done) struct bytes payload = {0};
	struct bytes file = {0};
	char why[200];

	begin(&file);
	bytes_put_varint(&payload, 1);
	bytes_put_varint(&payload, strlen(lengths));
	bytes_put_varint(&payload, 1);
	bytes_put(&payload, lengths, strlen(lengths));
	bytes_put(&payload, text, 4);
	plain_chunk(&file, FORMAT_STRINGS, &payload);
	return load_and_done(&file, why, sizeof(why));
}

static void strings_are_distinct_and_hold_no_nul(void **state)
{
	(void)state;
	assert_int_equal(load_strings("\1\3", "abcd"), 0);
	assert_int_equal(load_strings("\2\2", "abab"), -EBADMSG);
	assert_int_equal(load_strings("\2\2", "ab\0d"), -EBADMSG);
	assert_int_equal(load_strings("\2\3", "abcd"), -EBADMSG);
	assert_int_equal(load_strings("\x80", "abcd"), -EBADMSG);
}

/* ---- contradictions -------------------------------------------------------- */

/* A small profile of everything, in order. */
static struct profile *make_sound(void)
{
	struct profile *p = profile_new();

	make_process(p)->serial = 1;
	*make_process(p) = (struct profile_process){.serial = 5, .parent_serial = 1};
	make_row(p, thread)->process_serial = 5;
	*make_row(p, module) = (struct profile_module){.start = 5, .end = 9};
	make_row(p, frame)->line = 1;
	make_row(p, frame)->line = 2;
	*make_row(p, code) = (struct profile_code){.first_frame = 1, .frames = 1};
	*make_row(p, stack) = (struct profile_stack){.module = 1, .code = 1, .pc = 6};
	*make_row(p, source) = (struct profile_source){.first = 1, .count = 1};
	make_row(p, bin)->at_ns = 5;
	*make_row(p, bin) =
		(struct profile_bin){.at_ns = 6, .min_bytes = 1, .max_bytes = 1};
	*make_row(p, site) = (struct profile_site){
		.process_serial = 5, .stack = 1, .allocs = 3, .frees = 3};
	return p;
}

static int load_it(struct profile *p, char *why, size_t why_bytes)
{
	_cleanup_(bytes_done) struct bytes b = {0};
	_cleanup_(profile_closep) struct profile *loaded = NULL;

	walk_write(p, 0, &b);
	return profile_load_bytes(b.data, b.len, false, &loaded, why, why_bytes);
}

/* The profile is refused, and in these words, while a number of it is wrong. */
static void refused(struct profile *p, void *field, size_t bytes, uint64_t wrong,
		    const char *clause)
{
	uint64_t right = 0;
	char why[200];

	memcpy(&right, field, bytes);
	memcpy(field, &wrong, bytes);
	assert_int_equal(load_it(p, why, sizeof(why)), -EBADMSG);
	if (!strstr(why, clause))
		fail_msg("\"%s\" says nothing of \"%s\"", why, clause);
	memcpy(field, &right, bytes);
	assert_int_equal(load_it(p, why, sizeof(why)), 0);
}

#define REFUSED(field, wrong, clause)                                                  \
	refused(p, &(field), sizeof(field), (wrong), (clause))

static void contradictions_are_named(void **state)
{
	struct profile *p = make_sound();

	(void)state;
	REFUSED(p->processes[0].serial, 5, "two processes have one serial");
	REFUSED(p->processes[0].serial, 0, "two processes have one serial");
	REFUSED(p->processes[1].parent_serial, 5, "older than its parent");
	REFUSED(p->processes[1].parent_serial, 3, "has a parent that is not there");
	REFUSED(p->processes[0].end, 4, "processes at byte");
	REFUSED(p->processes[0].exe, 1, "processes at byte");
	REFUSED(p->processes[0].domain[1].frees, 1, "a process freed more");
	REFUSED(p->processes[0].domain[0].freed_bytes, 1, "a process freed more");
	REFUSED(p->threads[0].process_serial, 2, "a thread is of a process");
	REFUSED(p->modules[0].start, 10, "ends before it begins");
	REFUSED(p->codes[0].first_frame, 2, "frames that are not there");
	REFUSED(p->codes[0].frames, 2, "frames that are not there");
	REFUSED(p->codes[0].frames, 0, "frames that are not there");
	REFUSED(p->codes[0].frames, UINT32_MAX, "frames that are not there");
	REFUSED(p->stacks[1].module, 2, "a module that is not there");
	REFUSED(p->stacks[1].code, 2, "a code that is not there");
	REFUSED(p->stacks[1].flags, 8, "stacks at byte");
	REFUSED(p->sources[0].first, 0, "impossible line numbers");
	REFUSED(p->sources[0].count, UINT32_MAX, "impossible line numbers");
	REFUSED(p->bins[1].at_ns, 5, "the timeline goes back");
	REFUSED(p->bins[1].max_bytes, 0, "a minimum above a maximum");
	REFUSED(p->sites[0].process_serial, 4, "a site is of a process");
	REFUSED(p->sites[0].stack, 2, "sites at byte");
	REFUSED(p->sites[0].domain, PROFILE_DOMAINS, "sites at byte");
	REFUSED(p->sites[0].frees, 4, "more freed than allocated");
	REFUSED(p->sites[0].freed_bytes, 1, "more freed than allocated");
	REFUSED(p->stopped, 1, "description at byte");
	profile_close(p);
}

static int load_deflated(const void *data, size_t len, uint32_t raw, size_t stored)
{
	_cleanup_(freep) unsigned char *packed = calloc(1, compressBound(len) + stored);
	uLongf packed_len = compressBound(len);
	struct bytes file = {0};
	char why[200];

	begin(&file);
	assert_int_equal(compress2(packed, &packed_len, data, len, 9), Z_OK);
	stored = stored > packed_len ? stored : packed_len;
	chunk(&file,
	      (struct format_header){.type = FORMAT_STRING_PART,
				     .flags = FORMAT_DEFLATED,
				     .stored = (uint32_t)stored,
				     .raw = raw},
	      packed);
	return load_and_done(&file, why, sizeof(why));
}

static void a_bomb_is_not_inflated(void **state)
{
	size_t len = 4 << 20;
	_cleanup_(freep) char *zeroes = calloc(1, len + 1);
	/* With the headers before it. */
	size_t enough = (len - FORMAT_RATIO_SLACK) / FORMAT_RATIO_MAX -
			FORMAT_FILE_HEADER_BYTES - FORMAT_CHUNK_HEADER_BYTES;

	(void)state;
	/* A damaged chunk before the first commit, or one that makes no sense. */
	assert_int_equal(load_deflated(zeroes, len, 4 << 20, 0), -EBADMSG);
	assert_int_equal(load_deflated(zeroes, len, 4 << 20, enough - 1), -EBADMSG);
	assert_int_equal(load_deflated(zeroes, len, 4 << 20, enough), 0);
	assert_int_equal(load_deflated(zeroes, len, (4 << 20) - 1, enough), -EBADMSG);
	assert_int_equal(load_deflated(zeroes, len - 1, 4 << 20, enough), -EBADMSG);
	assert_int_equal(load_deflated(zeroes, len + 1, (4 << 20) + 1, enough + 9),
			 -EBADMSG);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A file's worth of bytes costs about the same whatever they say: many chunks of
 * nothing over a large profile are no more work than their bytes. */
static void many_small_chunks_cost_no_more_than_their_bytes(void **state)
{
	_cleanup_(bytes_done) struct bytes payload = {0};
	struct bytes file = {0};
	size_t rows = 400000, columns = format_sections[FORMAT_CODES].column_count;
	char why[200];
	double start;

	(void)state;
	begin(&file);
	bytes_put_varint(&payload, 1);
	bytes_put_varint(&payload, rows);
	bytes_put_varint(&payload, format_sections[FORMAT_STACKS].column_count);
	for (size_t i = 0; i < rows * format_sections[FORMAT_STACKS].column_count; i++)
		bytes_put_varint(&payload, i / rows == 1); /* every parent one back */
	plain_chunk(&file, FORMAT_STACKS, &payload);
	for (uint16_t i = 0; i < 40000; i++) {
		bytes_reset(&payload);
		bytes_put_varint(&payload, 0);
		bytes_put_varint(&payload, 0);
		bytes_put_varint(&payload, columns);
		plain_chunk(&file, FORMAT_CODES, &payload);
		payload.len -= 1;
		bytes_put_varint(&payload, format_sections[FORMAT_SITES].column_count);
		plain_chunk(&file, FORMAT_SITES, &payload);
	}
	start = now();
	assert_int_equal(load_and_done(&file, why, sizeof(why)), 0);
	assert_true(now() - start < 20); /* of this processor; a square takes an hour */
}

/* ---- every byte, every length -------------------------------------------------- */

/* Loads it without looking at checksums, from memory of its own size. */
static void refuse_or_survive(const struct bytes *b)
{
	struct bytes exact = {.data = malloc(b->len + !b->len), .len = b->len};
	struct profile *p = NULL;
	char why[200];

	memcpy(exact.data, b->data, b->len);
	if (profile_load_bytes(exact.data, exact.len, true, &p, why, sizeof(why)) == 0)
		walk(p);
	else
		assert_true(!p && *why);
	profile_close(p);
	free(exact.data);
}

/* A file of everything, stored as it is. */
static void make_plain(uint64_t seed, struct bytes *ret)
{
	struct make m = {.state = seed, .size = 4};
	struct profile *p = profile_new();

	make_more(&m, p);
	make_more(&m, p);
	walk_write(p, 0, ret);
	profile_close(p);
}

/* The file with the payload at `at`, of h, replaced. */
static void splice(const struct bytes *file, size_t at, struct format_header h,
		   const void *payload, size_t len, struct bytes *ret)
{
	size_t behind = at + FORMAT_CHUNK_HEADER_BYTES + h.stored;

	bytes_reset(ret);
	bytes_put(ret, file->data, at);
	h.stored = h.raw = (uint32_t)len;
	format_put_header(ret, &h);
	bytes_put(ret, payload, len);
	bytes_put(ret, file->data + behind, file->len - behind);
}

/* Payloads of one chunk: cut after each byte; with each bit the other way; with each
 * byte the beginning of the greatest numbers there are. */
static void try_chunk(const struct bytes *file, size_t at, struct format_header h)
{
	static const unsigned char most[][10] = {
		{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
		{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
		{0xff, 0xff, 0xff, 0xff, 0x0f},
		{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	};
	static const size_t lengths[] = {10, 9, 5, 10};
	const unsigned char *payload = file->data + at + FORMAT_CHUNK_HEADER_BYTES;
	struct bytes b = {0}, changed = {0};

	for (size_t len = 0; len < h.stored; len++) {
		splice(file, at, h, payload, len, &b);
		refuse_or_survive(&b);
	}
	for (size_t bit = 0; bit < 8ul * h.stored; bit++) {
		bytes_reset(&changed);
		bytes_put(&changed, payload, h.stored);
		changed.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
		splice(file, at, h, changed.data, changed.len, &b);
		refuse_or_survive(&b);
	}
	for (size_t i = 0; i < 4ul * h.stored; i++) {
		bytes_reset(&changed);
		bytes_put(&changed, payload, i / 4);
		bytes_put(&changed, most[i % 4], lengths[i % 4]);
		bytes_put(&changed, payload + i / 4 + 1, h.stored - i / 4 - 1);
		splice(file, at, h, changed.data, changed.len, &b);
		refuse_or_survive(&b);
	}
	bytes_done(&b);
	bytes_done(&changed);
}

static bool are_all(const bool seen[FORMAT_CHUNKS])
{
	for (int type = FORMAT_COMMIT; type < FORMAT_CHUNKS; type++)
		if (!seen[type] && type != FORMAT_STRING_PART)
			return false;
	return true;
}

static void every_byte_of_every_chunk_may_lie(void **state)
{
	struct bytes file = {0};
	struct format_header h;
	bool seen[FORMAT_CHUNKS] = {false};

	(void)state;
	/* Not every profile has every chunk. */
	for (uint64_t seed = 0; seed < 4 || (seed < 40 && !are_all(seen)); seed++) {
		make_plain(seed, &file);
		for (size_t at = FORMAT_FILE_HEADER_BYTES; at < file.len;
		     at += FORMAT_CHUNK_HEADER_BYTES + h.stored) {
			assert_true(format_get_header(file.data + at, true, &h));
			try_chunk(&file, at, h);
			seen[h.type] |= h.stored > 3;
		}
	}
	assert_true(are_all(seen));
	bytes_done(&file);
}

/* Headers, too: each bit; and the file cut after each byte. */
static void every_bit_of_a_file_may_lie(void **state)
{
	struct bytes file = {0}, cut;

	(void)state;
	make_plain(5, &file);
	for (size_t bit = 0; bit < 8 * file.len; bit++) {
		file.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
		refuse_or_survive(&file);
		file.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	cut = file;
	for (cut.len = 0; cut.len < file.len; cut.len++)
		refuse_or_survive(&cut);
	bytes_done(&file);
}

/* ---- what a file may cost -------------------------------------------------------- */

/* A deflated chunk of these bytes, padded to what the ratio asks for. */
static void packed_chunk(struct bytes *file, uint64_t *raw, uint16_t type,
			 const struct bytes *payload)
{
	uLongf len = compressBound(payload->len);
	_cleanup_(freep) unsigned char *packed =
		calloc(1, len + payload->len / FORMAT_RATIO_MAX + 1);

	assert_int_equal(compress2(packed, &len, payload->data, payload->len, 9), Z_OK);
	*raw += payload->len;
	while (!format_ratio_is_fair(*raw, file->len + FORMAT_CHUNK_HEADER_BYTES + len))
		len++;
	chunk(file,
	      (struct format_header){.type = type,
				     .flags = FORMAT_DEFLATED,
				     .stored = (uint32_t)len,
				     .raw = (uint32_t)payload->len},
	      packed);
}

static void row_header(struct bytes *b, uint64_t first, uint64_t rows, uint64_t columns)
{
	bytes_reset(b);
	bytes_put_varint(b, first);
	bytes_put_varint(b, rows);
	bytes_put_varint(b, columns);
}

enum costly { STRINGS, STACKS, SITES, CLASSES, PROCESSES, BINS, COSTLY };

/* About 4 MiB of the rows that take the most memory for their bytes. */
static void costly_payload(enum costly what, uint64_t first, struct bytes *b,
			   uint16_t *ret_type)
{
	static const uint16_t types[COSTLY] = {FORMAT_STRINGS,	 FORMAT_STACKS,
					       FORMAT_SITES,	 FORMAT_SITES,
					       FORMAT_PROCESSES, FORMAT_BINS};
	const struct format_section *s = &format_sections[types[what]];
	size_t columns = what == STRINGS ? 4 : s->column_count;
	size_t row = columns + (what == CLASSES ? 4 : 0);
	size_t rows = (FORMAT_RAW_MAX - 64) / row;

	*ret_type = types[what];
	row_header(b,
		   what >= SITES && what <= CLASSES ? 0 : first * rows + (what < SITES),
		   rows, what == STRINGS ? 1 : columns);
	if (what == STRINGS) { /* of three bytes, all different */
		for (size_t i = 0; i < rows; i++)
			bytes_put_varint(b, 3);
		for (size_t i = first * rows; i < (first + 1) * rows; i++)
			bytes_put(b,
				  (unsigned char[]){(unsigned char)(1 + i % 255),
						    (unsigned char)(1 + i / 255 % 255),
						    (unsigned char)(1 + i / 65025)},
				  3);
		return;
	}
	for (size_t c = 0; c < columns; c++)
		for (size_t i = 0; i < rows; i++) {
			/* Parents one back; serials that differ. */
			bool ascends = c == (what == STACKS);
			bool counts = what == CLASSES && c + 2 >= columns;

			uint64_t step = what == STACKS ? 1 : 2;

			if (!i && ascends && what != STACKS)
				step = 2 * (first * rows + 1);
			bytes_put_varint(b, counts ? 1 : ascends ? step : 0);
		}
	for (size_t i = 0; what == CLASSES && i < 4 * rows; i++)
		bytes_put_varint(b, 0);
}

/* Loads a file whose chunks are like that, in a child: what it took, in KiB. */
static long cost_of(enum costly what, size_t chunks, size_t *ret_file)
{
	struct bytes file = {0}, payload = {0};
	struct rlimit limit;
	struct rusage used;
	uint64_t raw = 0;
	int status;
	pid_t pid;

	begin(&file);
	for (size_t i = 0; i < chunks; i++) {
		uint16_t type;

		costly_payload(what, i, &payload, &type);
		packed_chunk(&file, &raw, type, &payload);
	}
	bytes_done(&payload);
	*ret_file = file.len;
	pid = fork();
	if (!pid) {
		struct profile *p = NULL;
		char why[200];

		getrlimit(RLIMIT_AS, &limit);
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_AS, &limit);
		setrlimit(RLIMIT_CPU, &(struct rlimit){60, 60});
		chunk(&file, (struct format_header){.type = FORMAT_COMMIT}, NULL);
		/* Sites are refused, of no process as they are, but at the very end. */
		if (profile_load_bytes(file.data, file.len, true, &p, why, sizeof(why)))
			_exit(!strstr(why, "a site is of a process"));
		_exit(0);
	}
	bytes_done(&file);
	assert_int_equal(wait4(pid, &status, 0, &used), pid);
	assert_int_equal(status, 0);
	return used.ru_maxrss;
}

/* docs/format.md promises it. */
static void memory_is_in_proportion_to_the_file(void **state)
{
	enum { TIMES = 300, FIXED_KB = 64 << 10 };

	(void)state;
	for (enum costly what = 0; what < COSTLY; what++) {
		size_t file;
		long kb = cost_of(what, 6, &file);

		print_message("%d: %zu bytes of file, %ld KiB, %.0f times\n", what,
			      file, kb, 1024.0 * (double)kb / (double)file);
#ifndef UNIT_SANITIZED
		assert_true((uint64_t)kb < (uint64_t)file * TIMES / 1024 + FIXED_KB);
#endif
	}
}

/* ---- random lies -------------------------------------------------------------- */

/* A few seconds of what the fuzzer does for longer, the same in every run: profiles
 * damaged here and there, read without looking at checksums. */
static void damaged_contents_are_refused_or_harmless(void **state)
{
	struct bytes whole = {0}, b = {0};
	int accepted = 0, refused = 0;

	(void)state;
	for (int seed = 0, all = unit_rounds(200); seed < all; seed++) {
		struct make m = {.state = seed, .size = 3 + (uint32_t)seed % 10};
		struct profile *p = profile_new();

		make_more(&m, p);
		walk_write(p, 0, &whole);
		profile_close(p);
		for (int round = 0; round < 1000; round++) {
			struct profile *loaded = NULL;
			char why[200];
			int r;

			bytes_reset(&b);
			bytes_put(&b, whole.data, whole.len);
			for (uint32_t n = 1 + make_below(&m, 4); n; n--)
				make_corrupt(&m, &b);
			r = profile_load_bytes(b.data, b.len, true, &loaded, why,
					       sizeof(why));
			if (r == 0) {
				walk(loaded);
				walk_again(loaded);
				accepted++;
			} else {
				assert_null(loaded);
				assert_true(strlen(why) > 0);
				refused++;
			}
			profile_close(loaded);
		}
	}
	bytes_done(&whole);
	bytes_done(&b);
	print_message("%d accepted, %d refused\n", accepted, refused);
	assert_true(accepted >= 5 * unit_rounds(200) &&
		    refused >= 5 * unit_rounds(200));
	assert_uint_in_range(refused, 1000, 199000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_are_believed_as_far_as_there_are_bytes),
		cmocka_unit_test(more_columns_than_we_know_are_no_harm),
		cmocka_unit_test(columns_that_an_older_file_lacks_are_zero),
		cmocka_unit_test(what_does_not_fit_its_field_is_refused),
		cmocka_unit_test(codes_are_of_stacks_that_are_there),
		cmocka_unit_test(strings_are_distinct_and_hold_no_nul),
		cmocka_unit_test(contradictions_are_named),
		cmocka_unit_test(a_bomb_is_not_inflated),
		cmocka_unit_test(many_small_chunks_cost_no_more_than_their_bytes),
		cmocka_unit_test(damaged_contents_are_refused_or_harmless),
		cmocka_unit_test(every_byte_of_every_chunk_may_lie),
		cmocka_unit_test(every_bit_of_a_file_may_lie),
		cmocka_unit_test(memory_is_in_proportion_to_the_file),
	};

	return cmocka_run_group_tests(tests, bound_memory, NULL);
}
