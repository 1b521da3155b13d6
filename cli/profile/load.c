#include "cli/profile/load.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void load_done(struct load *l)
{
	profile_close(l->p);
	inflateEnd(&l->inflate);
	bytes_done(&l->stored);
	bytes_done(&l->raw);
	bytes_done(&l->part);
	free(l->first);
	free(l->others);
	free(l->fresh);
}

int load_fail(struct load *l, int r, const char *format, ...)
{
	va_list args;

	if (!l->why)
		return r;
	va_start(args, format);
	vsnprintf(l->why, l->why_bytes, format, args);
	va_end(args);
	return r;
}

int load_no_memory(struct load *l)
{
	return load_fail(l, -ENOMEM, "there is not enough memory for it");
}

int load_read_at(struct load *l, uint64_t at, void *to, size_t len)
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
			return load_fail(l, -errno, "%s at byte %" PRIu64,
					 strerror(errno), at);
		if (!n)
			return load_fail(l, -EBADMSG,
					 "it became shorter while it was read");
		out += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}
