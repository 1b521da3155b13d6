#include "cli/base/draft.h"

#include "cli/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- opening ------------------------------------------------------------------- */

static int folder_of(const char *path, char *folder, size_t room)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 1;

	if (len + 1 > room)
		return -ENAMETOOLONG;
	memcpy(folder, slash ? path : ".", len);
	strcpy(folder + len, slash && !len ? "/" : "");
	return 0;
}

/* A file without a name, which can get one later; or -errno. */
static int open_nameless(const char *path)
{
	char folder[PATH_MAX];
	int r = folder_of(path, folder, sizeof(folder)), fd;

	/* It is by this that it gets its name. */
	if (!r && access("/proc/self/fd", X_OK) < 0)
		r = -errno;
	if (r < 0)
		return r;
	fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
	return fd < 0 ? -errno : fd;
}

static int set_beside(struct draft *d)
{
	int n = snprintf(d->beside, sizeof(d->beside), "%s.XXXXXX", d->path);

	if (n >= 0 && (size_t)n < sizeof(d->beside))
		return 0;
	d->beside[0] = '\0';
	return -ENAMETOOLONG;
}

static int open_named(struct draft *d)
{
	int r = set_beside(d);
	mode_t mask;

	if (r < 0)
		return r;
	d->fd = mkostemp(d->beside, O_CLOEXEC);
	if (d->fd < 0) {
		d->beside[0] = '\0';
		return -errno;
	}
	mask = umask(0);
	umask(mask);
	fchmod(d->fd, 0666 & ~mask);
	return 0;
}

/* Owner and mode of the file whose place it takes. */
static int take_after(int fd, const struct stat *st)
{
	mode_t mode = st->st_mode & 07777;

	/* The owner first: a change of it may clear bits of the mode. */
	if (fchown(fd, st->st_uid, st->st_gid) < 0) {
		if (errno != EPERM)
			return -errno;
		mode &= 0777; /* nobody else's program becomes ours */
	}
	return fchmod(fd, mode) < 0 ? -errno : 0;
}

static int open_beside(struct draft *d, const struct stat *st)
{
	int r = 0;

	d->fd = open_nameless(d->path);
	if (d->fd < 0)
		r = open_named(d);
	if (!r && st)
		r = take_after(d->fd, st);
	return r;
}

static int set_path(struct draft *d, const char *path, bool there)
{
	char *real = there ? realpath(path, NULL) : NULL;
	const char *name = real ? real : path;
	int r = strlen(name) < sizeof(d->path) ? 0 : -ENAMETOOLONG;

	if (!r)
		strcpy(d->path, name);
	free(real);
	return r;
}

int draft_open(struct draft *d, const char *path, bool replace)
{
	struct stat st;
	bool there = stat(path, &st) == 0;
	int r;

	*d = (struct draft){.fd = -1, .replace = replace};
	if (there && S_ISDIR(st.st_mode))
		return -EISDIR;
	if (there && !S_ISREG(st.st_mode)) {
		d->direct = true;
		d->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
		return d->fd < 0 ? -errno : 0;
	}
	if (there && !replace)
		return -EEXIST;
	d->replaces = there;
	r = set_path(d, path, there);
	if (!r)
		r = open_beside(d, there ? &st : NULL);
	if (r < 0)
		draft_drop(d);
	return r;
}

/* ---- keeping --------------------------------------------------------------------- */

static int name_it(const struct draft *d, const char *name)
{
	char from[40];

	snprintf(from, sizeof(from), "/proc/self/fd/%d", d->fd);
	return linkat(AT_FDCWD, from, AT_FDCWD, name, AT_SYMLINK_FOLLOW) < 0 ? -errno
									     : 0;
}

/* Gives a nameless draft a name beside its place: none but rename() replaces. */
static int name_beside(struct draft *d)
{
	int r = -EEXIST;

	for (int i = 0; r == -EEXIST && i < 100; i++) {
		_cleanup_(closep) int fd = -1;

		r = set_beside(d);
		if (r < 0)
			return r;
		/* A name that nobody has, taken and given up again. */
		fd = mkostemp(d->beside, O_CLOEXEC);
		r = fd < 0 ? -errno : 0;
		if (!r)
			unlink(d->beside);
		if (!r)
			r = name_it(d, d->beside);
	}
	if (r < 0)
		d->beside[0] = '\0';
	return r;
}

/* Another file of that name may have come meanwhile. */
static int rename_to_new(const struct draft *d)
{
	if (!renameat2(AT_FDCWD, d->beside, AT_FDCWD, d->path, RENAME_NOREPLACE))
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (link(d->beside, d->path) < 0)
		return -errno;
	unlink(d->beside);
	return 0;
}

static int put_in_place(struct draft *d)
{
	int r = 0;

	if (!*d->beside && !d->replace)
		return name_it(d, d->path);
	/* What was there is gone then: the new one must not be lost with it. */
	if (d->replaces && fsync(d->fd) < 0 && errno != EINVAL && errno != EROFS)
		return -errno;
	if (!*d->beside)
		r = name_beside(d);
	if (r < 0)
		return r;
	r = d->replace ? (rename(d->beside, d->path) < 0 ? -errno : 0)
		       : rename_to_new(d);
	if (!r)
		d->beside[0] = '\0';
	return r;
}

int draft_keep(struct draft *d)
{
	int r = d->direct ? 0 : put_in_place(d);

	draft_drop(d);
	return r;
}

void draft_drop(struct draft *d)
{
	closep(&d->fd);
	d->fd = -1;
	if (*d->beside)
		unlink(d->beside);
	d->beside[0] = '\0';
}
