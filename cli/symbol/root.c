#include "cli/symbol/root.h"

#include "cli/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>

int root_hold(const char *root, int *ret)
{
	_cleanup_(closep) int fd = -1;
	struct stat theirs, ours;

	*ret = -1;
	if (!root || !*root)
		return 0;
	fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &theirs) < 0 || stat("/", &ours) < 0)
		return -errno;
	if (theirs.st_dev != ours.st_dev || theirs.st_ino != ours.st_ino)
		*ret = take_fd(fd);
	return 0;
}

/* A FIFO must not hold us up, nor a terminal become ours. */
#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

static int open_in(int root_fd, const char *path)
{
	struct open_how how = {.flags = OPEN_FLAGS, .resolve = RESOLVE_IN_ROOT};

	if (root_fd < 0)
		return open(path, OPEN_FLAGS);
	/* No fallback: an older kernel would lead absolute links out of the root, to
	 * another file of the same name. */
	return (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
}

int root_open(int root_fd, const char *path, struct stat *ret_stat)
{
	_cleanup_(closep) int fd = open_in(root_fd, path);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (ret_stat)
		*ret_stat = st;
	return take_fd(fd);
}

int root_open_joined(int root_fd, const char *a, const char *b, const char *c)
{
	char path[PATH_MAX];
	int len = snprintf(path, sizeof(path), "%s%s%s", a, b, c);

	if (len < 0 || (size_t)len >= sizeof(path))
		return -ENAMETOOLONG;
	return root_open(root_fd, path, NULL);
}
