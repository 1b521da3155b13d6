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
	if (l->has_relay)
		relay_done(&l->relay);
	for (size_t i = 0; i < RELAY_THREADS; i++)
		unpacked_done(&l->unpacked[i]);
	profile_close(l->p);
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

int load_pread(const struct load *l, uint64_t at, void *to, size_t len)
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
		if (n <= 0)
			return n ? -errno : -ESTALE;
		out += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int load_say_read(struct load *l, uint64_t at, int r)
{
	if (!r)
		return 0;
	if (r == -ESTALE)
		return load_fail(l, -EBADMSG, "it became shorter while it was read");
	return load_fail(l, r, "%s at byte %" PRIu64, strerror(-r), at);
}

int load_read_at(struct load *l, uint64_t at, void *to, size_t len)
{
	return load_say_read(l, at, load_pread(l, at, to, len));
}
