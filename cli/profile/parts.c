#include "cli/profile/parts.h"

#include "cli/base/cleanup.h"
#include "cli/profile/format.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { OTHER = 0 }; /* part of chunks that are of no known type */

_Static_assert((int)FORMAT_CHUNKS <= (int)PROFILE_PARTS, "a part for each type");

static bool read_header(int fd, uint64_t at, struct format_header *ret)
{
	unsigned char bytes[FORMAT_CHUNK_HEADER_BYTES];

	return pread(fd, bytes, sizeof(bytes), (off_t)at) == sizeof(bytes) &&
	       format_get_header(bytes, true, ret) && ret->stored <= FORMAT_STORED_MAX;
}

static void count(struct profile_parts *p, const struct format_header *h)
{
	struct profile_part *part = &p->part[h->type < FORMAT_CHUNKS ? h->type : OTHER];

	part->chunks++;
	part->stored_bytes += FORMAT_CHUNK_HEADER_BYTES + (uint64_t)h->stored;
	part->raw_bytes += h->raw;
	p->updates += h->type == FORMAT_COMMIT;
}

int profile_parts(const char *path, struct profile_parts *ret)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct profile_parts p = {.count = FORMAT_CHUNKS};
	uint64_t at = FORMAT_FILE_HEADER_BYTES, committed = at;
	struct format_header h;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	p.file_bytes = (uint64_t)st.st_size;
	for (unsigned i = 0; i < FORMAT_CHUNKS; i++)
		p.part[i].name =
			format_sections[i].name ? format_sections[i].name : "other";
	while (at < p.file_bytes && read_header(fd, at, &h)) {
		at += FORMAT_CHUNK_HEADER_BYTES + (uint64_t)h.stored;
		if (at > p.file_bytes)
			break;
		count(&p, &h);
		if (h.type == FORMAT_COMMIT)
			committed = at;
	}
	p.rest_bytes = p.file_bytes > committed ? p.file_bytes - committed : 0;
	*ret = p;
	return 0;
}
