#include "cli/collect/pids.h"

#include "cli/base/cleanup.h"
#include "cli/collect/procfs.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

void pids_init(struct pids *p, int memory)
{
	struct stat st;

	*p = (struct pids){0};
	if (!fstat(memory, &st))
		*p = (struct pids){st.st_dev, st.st_ino};
}

/* Whether the recording's memory is mapped there. A zombie has no mappings any more,
 * and some may not be looked at. */
static bool has_memory(const struct pids *p, pid_t pid)
{
	_cleanup_(fclosep) FILE *f = NULL;
	_cleanup_(freep) char *line = NULL;
	char path[64];
	size_t room = 0;
	bool empty = true;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	f = fopen(path, "re");
	while (f && getline(&line, &room, f) > 0) {
		unsigned major, minor;
		uint64_t inode;

		empty = false;
		if (sscanf(line, "%*s %*s %*s %x:%x %" SCNu64, &major, &minor,
			   &inode) == 3 &&
		    inode == p->inode && makedev(major, minor) == p->device)
			return true;
	}
	return empty;
}

static bool is_it(const struct pids *p, const struct pids_claim *c, pid_t pid)
{
	return procfs_is_called(pid, c->pid) && (!c->maps || has_memory(p, pid));
}

/* Whether the children of a process may be in another namespace than ours. */
static bool sends_away(pid_t parent)
{
	char path[64], ours[64] = "", theirs[64] = "";

	snprintf(path, sizeof(path), "/proc/%d/ns/pid_for_children", (int)parent);
	return parent && readlink("/proc/self/ns/pid", ours, sizeof(ours) - 1) > 0 &&
	       readlink(path, theirs, sizeof(theirs) - 1) > 0 &&
	       strcmp(ours, theirs) != 0;
}

/* Among the children of `parent`, or all processes if that is 0. 0: it is not there. */
static pid_t search(const struct pids *p, const struct pids_claim *c, pid_t parent)
{
	DIR *proc = opendir("/proc");
	pid_t found = 0;

	for (struct dirent *e; proc && !found && (e = readdir(proc));) {
		pid_t pid = (pid_t)atoi(e->d_name);

		/* A parent is proof enough: what it made may have executed something. */
		if (pid > 0 && (parent ? procfs_parent(pid) == parent &&
						 procfs_is_called(pid, c->pid)
				       : is_it(p, c, pid)))
			found = pid;
	}
	if (proc)
		closedir(proc);
	return found;
}

bool pids_resolve(const struct pids *p, const struct pids_claim *c, pid_t *ret)
{
	pid_t parent = procfs_parent(c->pid), found = 0;

	*ret = c->pid;
	if (!c->nested && parent && parent == c->parent)
		return true;
	/* The first of a namespace is always 1 in it. */
	if (!c->nested && c->pid != 1 && !sends_away(c->parent))
		return parent && is_it(p, c, c->pid);
	if (c->parent)
		found = search(p, c, c->parent);
	if (!found && c->maps)
		found = search(p, c, 0);
	*ret = found ? found : c->pid;
	return found;
}
