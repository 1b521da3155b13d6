#include "preload/python_code.h"

#include "preload/confined.h"
#include "preload/python.h"
#include "preload/python_mark.h"
#include "preload/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * Address -> number: hash tables of one word a slot, each eight times the one before.
 * A slot that was used is never free again, so a free one ends the search.
 *
 *	word	address / 8 (44) | number (20)		GONE: it died
 */
enum {
	LEVELS = 3,
	FIRST_BITS = 12,
	WINDOW = 8,
	ID_BITS = 20,
	TEXT_MAX = 4096, /* characters of a file or a name */
	SAME_MAX = 64,	 /* slots of contents that are looked at */
	DEALLOC_AT = 48, /* of a type, since 2.x */
	COUNT_AT = 0,
	TYPE_AT = 8,
	SIZE_AT = 16,
	TEXT_STATE_AT = 32,
	TEXT_START = 16, /* characters that are looked at */
	CONSTANTS_MAX = 4096,
	DEPTH_MAX = 6, /* of functions in functions */
	BYTES_AT = 32,
};
#define SLOTS ((size_t)((1 << 12) + (1 << 15) + (1 << 18)))
#define GONE 1ull
#define COUNT_MAX UINT32_MAX	    /* an immortal one's */
#define COUNT_FLAGS (0xffull << 48) /* beside a count, since 3.14 */
_Static_assert(WIRE_CODES <= 1 << ID_BITS, "a number fits");
_Static_assert(WIRE_CODE_BYTES / 8 <= UINT32_MAX, "an offset fits");

_Atomic uint32_t python_code_epoch = 1;

static struct {
	char *base;
	_Atomic uint64_t *slots;
	void (*dealloc)(void *);
} self;

/* ---- by address ---------------------------------------------------------- */

static _Atomic uint64_t *slot_of(uintptr_t code, int level, size_t i)
{
	uint64_t hash = (code >> 3) * 0x9e3779b97f4a7c15ull;
	int bits = FIRST_BITS + 3 * level;
	size_t first = (((size_t)1 << bits) - ((size_t)1 << FIRST_BITS)) / 7;

	return &self.slots[first +
			   (((hash >> (64 - bits)) + i) & ((1ull << bits) - 1))];
}

static uint64_t word_of(uintptr_t code, uint32_t id)
{
	return (uint64_t)(code >> 3) << ID_BITS | id;
}

static bool is_of(uint64_t word, uintptr_t code)
{
	return word >> ID_BITS == code >> 3;
}

static uint32_t find(uintptr_t code)
{
	for (int level = 0; level < LEVELS; level++)
		for (size_t i = 0; i < WINDOW; i++) {
			/* acquire: pairs with enter(); the record is there. */
			uint64_t word = atomic_load_explicit(slot_of(code, level, i),
							     memory_order_acquire);

			if (is_of(word, code))
				return (uint32_t)word & ((1u << ID_BITS) - 1);
			if (!word)
				return 0;
		}
	return 0;
}

/* Two who meet it at the same moment may both enter it. */
static void enter(uintptr_t code, uint32_t id)
{
	for (int level = 0; level < LEVELS; level++)
		for (size_t i = 0; i < WINDOW; i++) {
			_Atomic uint64_t *slot = slot_of(code, level, i);
			uint64_t word =
				atomic_load_explicit(slot, memory_order_relaxed);

			/* release: the record, then who it is of. */
			if ((!word || word == GONE) &&
			    atomic_compare_exchange_strong_explicit(
				    slot, &word, word_of(code, id),
				    memory_order_release, memory_order_relaxed))
				return;
		}
	/* No room: looked up by its contents each time. */
}

/* It dies: nobody else knows its address any more. */
static void forget(uintptr_t code)
{
	bool known = false;

	for (int level = 0; level < LEVELS; level++)
		for (size_t i = 0; i < WINDOW; i++) {
			_Atomic uint64_t *slot = slot_of(code, level, i);
			uint64_t word =
				atomic_load_explicit(slot, memory_order_relaxed);

			if (!is_of(word, code))
				continue;
			known = true;
			atomic_store_explicit(slot, GONE, memory_order_relaxed);
		}
	/* release: pairs with whoever remembers numbers of frames. Its own thread
	 * needs no more; others have no frame of it. */
	if (known)
		atomic_fetch_add_explicit(&python_code_epoch, 1, memory_order_release);
}

static void on_dealloc(void *code)
{
	forget((uintptr_t)code);
	self.dealloc(code);
}

void python_code_watch(void)
{
	void (**slot)(void *) = (void (**)(void *))(python.type_code + DEALLOC_AT);

	if (*slot == on_dealloc)
		return;
	self.dealloc = *slot;
	atomic_signal_fence(memory_order_seq_cst);
	*slot = on_dealloc;
}

/* ---- copying ------------------------------------------------------------- */

/* A record in the making. */
struct draft {
	struct wire_code *record;
	size_t len, room; /* of its text */
	bool bad;
};

static bool read_word(uintptr_t at, uintptr_t *ret)
{
	return at % sizeof(at) == 0 && python_read(at, ret, sizeof(*ret));
}

static void put(struct draft *d, const void *bytes, size_t n)
{
	if (d->bad || n > d->room - d->len) {
		d->bad = true;
		return;
	}
	memcpy(d->record->text + d->len, bytes, n);
	d->len += n;
}

static void put_character(struct draft *d, uint32_t c)
{
	unsigned char utf8[4];
	size_t n;

	if (c < 0x80) {
		utf8[0] = (unsigned char)c;
		n = 1;
	} else if (c < 0x800) {
		utf8[0] = (unsigned char)(0xc0 | c >> 6);
		n = 2;
	} else if (c < 0x10000) {
		utf8[0] = (unsigned char)(0xe0 | c >> 12);
		n = 3;
	} else {
		utf8[0] = (unsigned char)(0xf0 | (c >> 18 & 7));
		n = 4;
	}
	for (size_t i = 1; i < n; i++)
		utf8[i] = (unsigned char)(0x80 | (c >> (6 * (n - 1 - i)) & 0x3f));
	put(d, utf8, n);
}

/* A str, as UTF-8. (How its characters are kept is the same in 3.8 to 3.15: kind in
 * bits 2 to 4, compact in bit 5, ASCII in bit 6.) */
static uint32_t put_text(struct draft *d, uintptr_t text)
{
	const struct python_layout *l = &python.layout;
	uintptr_t type = 0, n = 0;
	uint32_t state = 0, width, c;
	size_t before = d->len;

	if (!read_word(text + TYPE_AT, &type) || type != python.type_text ||
	    !read_word(text + SIZE_AT, &n) || n > TEXT_MAX ||
	    !python_read(text + TEXT_STATE_AT, &state, sizeof(state)) ||
	    !(state >> 5 & 1)) {
		d->bad = true;
		return 0;
	}
	width = state >> 2 & 7;
	if (width != 1 && width != 2 && width != 4)
		d->bad = true;
	text += (uintptr_t)(state >> 6 & 1 ? l->text_short : l->text_long);
	for (size_t i = 0; i < n && !d->bad; i++) {
		uintptr_t at = text + i * width;

		c = 0;
		/* Looked at once a page. */
		if ((!i || !(at & 0xfff)) && !python_read(at, &c, width))
			d->bad = true;
		else
			memcpy(&c, (const void *)at, width);
		if (!d->bad)
			put_character(d, c ? c : '?');
	}
	return (uint32_t)(d->len - before);
}

static uint32_t put_bytes(struct draft *d, uintptr_t bytes)
{
	uintptr_t type = 0, n = 0;
	unsigned char byte;

	if (!read_word(bytes + TYPE_AT, &type) || type != python.type_bytes ||
	    !read_word(bytes + SIZE_AT, &n) || n > d->room) {
		d->bad = true;
		return 0;
	}
	bytes += BYTES_AT;
	for (uintptr_t at = bytes; at < bytes + n; at = (at | 0xfff) + 1)
		d->bad |= !python_read(at, &byte, 1);
	if (!d->bad)
		put(d, (const void *)bytes, n);
	return (uint32_t)n;
}

/* A file that is named from the working directory gets its whole path; "<string>" and
 * the like are no files. */
static void put_folder(struct draft *d, uintptr_t file)
{
	const struct python_layout *l = &python.layout;
	size_t before = d->len;
	char first = 0;
	long n;

	if (!python_read(file + (uintptr_t)l->text_short, &first, 1) || first == '/' ||
	    first == '<' || d->room - d->len < TEXT_MAX)
		return;
	n = sys_call3(SYS_getcwd, d->record->text + d->len, TEXT_MAX, 0);
	if (n < 2 || d->record->text[d->len] != '/')
		return;
	d->len += (size_t)n - 1; /* n counts the NUL */
	if (d->record->text[d->len - 1] != '/')
		put(d, "/", 1);
	put_text(d, file);
	put(d, "", 1);
	if (d->bad ||
	    sys_call4(SYS_faccessat, AT_FDCWD, d->record->text + before, F_OK, 0) < 0)
		d->len = before;
	else
		d->len = before + (d->len - before) - 1;
}

/* Does the str, if it is of ASCII alone, begin so? */
static bool begins(uintptr_t text, const char *with)
{
	char start[TEXT_START] = "";
	uintptr_t n = 0;
	size_t len = strlen(with);

	return read_word(text + SIZE_AT, &n) && n >= len && len <= sizeof(start) &&
	       python_read(text + (uintptr_t)python.layout.text_short, start, len) &&
	       memcmp(start, with, len) == 0;
}

/* Is it no file, but what code that was made of a text has in its place? */
static bool is_text(uintptr_t file)
{
	static const char *const typed[] = {
		"<frozen ",	   "<stdin>",	"<console>", "<input>",
		"<ipython-input-", "<doctest ", "<cell ",    "<timeit-src>",
	};

	for (size_t i = 0; i < sizeof(typed) / sizeof(*typed); i++)
		if (begins(file, typed[i]))
			return false;
	return begins(file, "<");
}

/* The record of a number that was given out here. */
static const struct wire_code *record_of(uint32_t id)
{
	/* acquire: pairs with publish(). */
	uint32_t at =
		atomic_load_explicit(wire_code_at(self.base, id), memory_order_acquire);

	return at && 8ull * at < WIRE_CODE_BYTES
		       ? (const struct wire_code *)(wire_codes(self.base) + 8ull * at)
		       : NULL;
}

/* How much of a file's name is the owner's, where it is a text's. */
static size_t owner_len(const unsigned char *file, size_t n)
{
	if (file[n - 1] != '>')
		return n;
	for (size_t i = n - 1; i > 0; i--)
		if (file[i] == '<' && file[i - 1] == ' ')
			return i - 1;
	return n;
}

/* The file of the code that a text belongs to; of a text that does so itself, its
 * owner's. */
static void put_owner(struct draft *d, uint32_t owner)
{
	const struct wire_code *c = record_of(owner);
	size_t n = c ? c->file_len : 0;

	if (!n || n > TEXT_MAX ||
	    (c->text[0] == '<' && (n < 8 || memcmp(c->text, "<frozen ", 8) != 0)))
		return;
	put(d, c->text, owner_len(c->text, n));
	put(d, " ", 1);
}

static bool draft_all(struct draft *d, uintptr_t code, uint32_t owner)
{
	const struct python_layout *l = &python.layout;
	uintptr_t file = 0, name = 0, lines = 0;
	uint32_t first = 0;
	size_t folder;

	if (!read_word(code + (uintptr_t)l->code_file, &file) ||
	    !read_word(code + (uintptr_t)l->code_name, &name) ||
	    !read_word(code + (uintptr_t)l->code_lines, &lines) ||
	    !python_read(code + (uintptr_t)l->code_first_line, &first, sizeof(first)))
		return false;
	d->record->version = l->version;
	d->record->first_line = first;
	put_folder(d, file);
	folder = d->len;
	if (!folder && owner && is_text(file))
		put_owner(d, owner);
	if (!folder)
		put_text(d, file);
	d->record->file_len = (uint32_t)d->len;
	d->record->name_len = put_text(d, name);
	d->record->lines_len = put_bytes(d, lines);
	return !d->bad;
}

/* ---- by contents --------------------------------------------------------- */

static size_t bytes_of(const struct wire_code *c)
{
	return sizeof(*c) + c->file_len + c->name_len + c->lines_len;
}

static uint64_t hash_of(const struct wire_code *c)
{
	const unsigned char *p = (const unsigned char *)c;
	uint64_t h = 0xcbf29ce484222325ull;

	for (size_t i = 0, n = bytes_of(c); i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3ull;
	return h * 0x9e3779b97f4a7c15ull;
}

static bool is_same(uint32_t id, const struct wire_code *c)
{
	const struct wire_code *other = record_of(id);

	return other &&
	       bytes_of(c) <= WIRE_CODE_BYTES - (size_t)((const unsigned char *)other -
							 wire_codes(self.base)) &&
	       memcmp(other, c, sizeof(*c)) == 0 &&
	       memcmp(other->text, c->text, bytes_of(c) - sizeof(*c)) == 0;
}

/* A number for a record that is whole. 0: there are none left. */
static uint32_t publish(const struct wire_code *c)
{
	struct wire_header *header = (struct wire_header *)self.base;
	uint64_t at = (uint64_t)((const unsigned char *)c - wire_codes(self.base));
	uint32_t id = atomic_load_explicit(&header->codes_used, memory_order_relaxed);

	if (id >= WIRE_CODES - 1)
		return 0;
	id = atomic_fetch_add_explicit(&header->codes_used, 1, memory_order_relaxed) +
	     1;
	if (id >= WIRE_CODES)
		return 0;
	/* release: the record, then where it is. */
	atomic_store_explicit(wire_code_at(self.base, id), (uint32_t)(at / 8),
			      memory_order_release);
	return id;
}

/* The number of the record, or of one with the same contents. */
static uint32_t number_of(const struct wire_code *c, bool *ret_is_new)
{
	_Atomic uint32_t *slots = wire_code_slots(self.base);
	uint64_t hash = hash_of(c) >> 32;
	uint32_t fresh = 0;

	*ret_is_new = false;
	for (uint32_t i = 0; i < SAME_MAX; i++) {
		_Atomic uint32_t *slot = &slots[(hash + i) % WIRE_CODE_SLOTS];
		uint32_t id = atomic_load_explicit(slot, memory_order_acquire);

		if (!id) {
			if (!fresh && !(fresh = publish(c)))
				return 0;
			*ret_is_new = true;
			if (atomic_compare_exchange_strong_explicit(
				    slot, &id, fresh, memory_order_acq_rel,
				    memory_order_acquire))
				return fresh;
		}
		if (id < WIRE_CODES && is_same(id, c))
			return id;
	}
	if (!fresh)
		fresh = publish(c);
	*ret_is_new = true;
	return fresh;
}

static uintptr_t length_of(uintptr_t object)
{
	uintptr_t n = 0;

	return read_word(object + SIZE_AT, &n) && n < WIRE_CODE_MAX ? n : 0;
}

/* What the record may take at most: up to four bytes a character, and a folder. */
static size_t room_for(uintptr_t code)
{
	const struct python_layout *l = &python.layout;
	uintptr_t file = 0, name = 0, lines = 0;
	size_t bytes;

	if (!read_word(code + (uintptr_t)l->code_file, &file) ||
	    !read_word(code + (uintptr_t)l->code_name, &name) ||
	    !read_word(code + (uintptr_t)l->code_lines, &lines))
		return 0;
	bytes = sizeof(struct wire_code) + TEXT_MAX + 1 + 4 * length_of(file) +
		4 * length_of(name) + length_of(lines);
	return bytes <= WIRE_CODE_MAX ? (bytes + 7) / 8 * 8 : 0;
}

/* Room for one record; what is not used goes back if nobody came behind. */
static uint64_t take_room(uint64_t bytes)
{
	struct wire_header *header = (struct wire_header *)self.base;
	uint64_t at = atomic_load_explicit(&header->code_bytes, memory_order_relaxed);

	do {
		/* (An offset of 0 is none.) */
		if (at + 8 > WIRE_CODE_BYTES || bytes > WIRE_CODE_BYTES - at - 8)
			return 0;
	} while (!atomic_compare_exchange_weak_explicit(
		&header->code_bytes, &at, at + bytes, memory_order_relaxed,
		memory_order_relaxed));
	return at + 8;
}

static void give_room_back(uint64_t at, uint64_t taken, uint64_t used)
{
	struct wire_header *header = (struct wire_header *)self.base;
	uint64_t end = at - 8 + taken, now = at - 8 + used;

	atomic_compare_exchange_strong_explicit(&header->code_bytes, &end, now,
						memory_order_relaxed,
						memory_order_relaxed);
}

/* Is it a code object that lives? One that was freed keeps most of its words, but not
 * its count, or not its type: an allocator's list goes through them. */
static bool lives(uintptr_t code)
{
	uintptr_t head[2];

	if (!code || code % 8 || code >> 47 ||
	    !python_read(code + COUNT_AT, head, sizeof(head)))
		return false;
	if (python.layout.version >= 0x30e)
		head[0] &= ~COUNT_FLAGS;
	return head[0] && head[0] <= COUNT_MAX && head[1] == python.type_code;
}

/* owner: the code that its text, if it was made of one, belongs to; 0: none. */
static uint32_t meet(uintptr_t code, uint32_t owner)
{
	struct draft d = {0};
	uint64_t at, used = 0;
	size_t room;
	uint32_t id = 0;
	bool is_new = false;

	if (confined_is() || !lives(code) || !(room = room_for(code)) ||
	    !(at = take_room(room)))
		return 0;
	d.room = room - sizeof(struct wire_code);
	d.record = (struct wire_code *)(wire_codes(self.base) + at);
	if (draft_all(&d, code, owner))
		id = number_of(d.record, &is_new);
	if (id)
		python_mark_met(d.record->text, d.record->file_len);
	if (id && is_new)
		used = (bytes_of(d.record) + 7) / 8 * 8;
	give_room_back(at, room, used);
	if (id)
		enter(code, id);
	return id;
}

/* The functions of a text are its owner's, too, whoever calls them first. */
static void meet_inner(uintptr_t code, uint32_t owner, int depth)
{
	uintptr_t constants = 0, n = 0, inner = 0;

	if (!read_word(code + (uintptr_t)python.layout.code_constants, &constants) ||
	    !read_word(constants + SIZE_AT, &n) || n > CONSTANTS_MAX)
		return;
	constants += (uintptr_t)python.layout.tuple_items;
	for (uintptr_t i = 0; i < n; i++) {
		if (!read_word(constants + i * sizeof(inner), &inner))
			return;
		if (!lives(inner) || find(inner))
			continue;
		meet(inner, owner);
		if (depth < DEPTH_MAX)
			meet_inner(inner, owner, depth + 1);
	}
}

/* Is it the code of a whole text, which somebody executes? */
static bool is_executed(uintptr_t code)
{
	const struct python_layout *l = &python.layout;
	uintptr_t file = 0, name = 0, n = 0;

	return lives(code) && read_word(code + (uintptr_t)l->code_file, &file) &&
	       read_word(code + (uintptr_t)l->code_name, &name) && is_text(file) &&
	       read_word(name + SIZE_AT, &n) && n == 8 && begins(name, "<module>");
}

static __attribute__((noinline)) uint32_t meet_first(uintptr_t code, uint32_t outside)
{
	uint32_t id;

	if (!outside || !is_executed(code))
		return meet(code, 0);
	id = meet(code, outside);
	if (id)
		meet_inner(code, outside, 0);
	return id;
}

uint32_t python_code_id(uintptr_t code, uint32_t outside)
{
	uint32_t id = find(code);

	return __builtin_expect(id != 0, 1) ? id : meet_first(code, outside);
}

int python_code_init(void *base)
{
	void *p = mmap(NULL, SLOTS * sizeof(*self.slots), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return -ENOMEM;
	self.base = base;
	self.slots = p;
	return 0;
}
