#include "cli/collect/roots.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

int roots_of(struct roots *r, pid_t pid)
{
	struct stat theirs, ours;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/root/.", (int)pid);
	if (stat(path, &theirs) < 0 || stat("/", &ours) < 0 ||
	    (theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino))
		return -1;
	for (size_t i = 0; i < r->count; i++)
		if (r->items[i].device == theirs.st_dev &&
		    r->items[i].inode == theirs.st_ino)
			return (int)i;
	if (r->count == ROOTS)
		return -1;
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	r->items[r->count] = (struct root){theirs.st_dev, theirs.st_ino, fd};
	return (int)r->count++;
}

void roots_path(const struct roots *r, int root, char *ret, size_t room)
{
	*ret = '\0';
	if (root >= 0 && (size_t)root < r->count)
		snprintf(ret, room, "/proc/self/fd/%d", r->items[root].fd);
}
