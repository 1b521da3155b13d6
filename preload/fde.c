#include "preload/fde.h"

#include <errno.h>
#include <string.h>

static struct reader frames_reader(const struct cfi *c, const unsigned char *at)
{
	struct reader r = {.p = at, .end = c->high};

	if (at < c->low || at >= c->high) {
		r.p = r.end;
		r.bad = true;
	}
	return r;
}

/* The entry that begins at r, without its length; r moves on to the next. Empty at the
 * end of the section, which is an entry of length 0. */
static struct reader take_entry(struct reader *r)
{
	struct reader entry = {.p = r->p, .end = r->p};
	uint64_t length = reader_take(r, 4);

	if (length == 0xffffffff)
		length = reader_take(r, 8);
	entry.p = r->p;
	reader_skip(r, length);
	entry.end = r->p;
	entry.bad = r->bad;
	return entry;
}

/* What the letters of the augmentation say; unknown ones end it, its size is known. */
static void parse_augmentation(struct cie *cie, struct reader *data,
			       const char *letters)
{
	for (; *letters && !data->bad; letters++) {
		unsigned encoding;

		switch (*letters) {
		case 'R':
			cie->fde_encoding = (uint8_t)reader_take(data, 1);
			break;
		case 'P':
			encoding = (unsigned)reader_take(data, 1);
			reader_align(data, encoding);
			(void)reader_format(data, encoding);
			break;
		case 'L':
			(void)reader_take(data, 1);
			break;
		case 'S':
			cie->signal = true;
			break;
		case 'B':
			break;
		default:
			return;
		}
	}
}

static int parse_cie(struct cie *ret, struct reader r)
{
	struct cie cie = {.fde_encoding = PE_ABSPTR};
	uint64_t id = reader_take(&r, 4), version = reader_take(&r, 1);
	const char *letters = (const char *)r.p;
	const char *nul = memchr(letters, 0, (size_t)(r.end - r.p));
	uint64_t ra;

	if (r.bad || id || (version != 1 && version != 3) || !nul)
		return -EBADMSG;
	reader_skip(&r, (uint64_t)(nul - letters) + 1);
	cie.code_align = reader_uleb(&r);
	cie.data_align = reader_sleb(&r);
	ra = version == 1 ? reader_take(&r, 1) : reader_uleb(&r);
	if (ra >= ARCH_REGS)
		return -EBADMSG;
	cie.ra = (uint8_t)ra;
	if (*letters == 'z') {
		struct reader data = r;
		uint64_t length = reader_uleb(&r);

		data = r;
		reader_skip(&r, length);
		data.end = r.p;
		cie.sized = true;
		parse_augmentation(&cie, &data, letters + 1);
		r.bad |= data.bad;
	} else if (*letters) {
		return -EBADMSG;
	}
	if (r.bad)
		return -EBADMSG;
	cie.program = r;
	*ret = cie;
	return 0;
}

/* An entry that may be a CIE: then -EAGAIN. */
static int parse_fde(const struct cfi *c, struct fde *ret, struct reader r)
{
	const unsigned char *id_at = r.p;
	struct fde fde = {.data_base = c->hdr};
	uint64_t back = reader_take(&r, 4);
	struct reader cie;
	int err;

	if (r.bad)
		return -EBADMSG;
	if (!back)
		return -EAGAIN;
	if (back > (uint64_t)(id_at - c->low))
		return -EBADMSG;
	cie = frames_reader(c, id_at - back);
	err = parse_cie(&fde.cie, take_entry(&cie));
	if (err)
		return err;
	fde.low = reader_pointer(&r, fde.cie.fde_encoding, c->hdr);
	fde.high = fde.low + reader_format(&r, fde.cie.fde_encoding);
	if (fde.cie.sized)
		reader_skip(&r, reader_uleb(&r));
	if (r.bad || fde.high < fde.low)
		return -EBADMSG;
	fde.program = r;
	*ret = fde;
	return 0;
}

/* The FDE that the sorted table has for pc; NULL if none starts below. */
static const unsigned char *search_table(const struct cfi *c, uintptr_t pc)
{
	size_t low = 0, high = c->count; /* the first pair above pc is in [low, high] */
	int32_t pair[2];

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		memcpy(pair, c->table + middle * sizeof(pair), sizeof(pair));
		if ((uintptr_t)c->hdr + (uintptr_t)(intptr_t)pair[0] <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	memcpy(pair, c->table + (low - 1) * sizeof(pair), sizeof(pair));
	return (const unsigned char *)((uintptr_t)c->hdr +
				       (uintptr_t)(intptr_t)pair[1]);
}

int fde_next(const struct cfi *c, const unsigned char **cursor, struct fde *ret)
{
	for (;;) {
		struct reader r = frames_reader(c, *cursor ? *cursor : c->frames);
		struct reader entry = take_entry(&r);
		int err;

		if (r.bad)
			return *cursor == c->high ? -ENOENT : -EBADMSG;
		if (entry.p == entry.end)
			return -ENOENT;
		*cursor = r.p;
		err = parse_fde(c, ret, entry);
		if (err != -EAGAIN)
			return err;
	}
}

int fde_find(const struct cfi *c, uintptr_t pc, struct fde *ret)
{
	const unsigned char *at = NULL;
	struct reader r;
	int err;

	if (c->table) {
		at = search_table(c, pc);
		if (!at)
			return -ENOENT;
		r = frames_reader(c, at);
		err = parse_fde(c, ret, take_entry(&r));
		if (err)
			return -EBADMSG;
		return pc - ret->low < ret->high - ret->low ? 0 : -ENOENT;
	}
	for (;;) {
		err = fde_next(c, &at, ret);
		if (err)
			return err;
		if (pc - ret->low < ret->high - ret->low)
			return 0;
	}
}
