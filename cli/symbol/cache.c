#include "cli/symbol/cache.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/profile/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#define SUFFIX ".symbols"
#define STALE_SECONDS 3600 /* an unfinished file as old as that has lost its writer */
enum { NAME_BYTES = 2 * DEBUGFILE_MAX_ID + 64 };

struct cache {
	int dir;
};

/* ---- the directory -------------------------------------------------------- */

/* Makes path and, if wanted, what it is in. */
static int make_dir(const char *path)
{
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* XDG says: a relative XDG_CACHE_HOME counts as none. */
static int find_dir(char ret[PATH_MAX])
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	bool has_xdg = xdg && *xdg == '/';
	int n;

	if (!has_xdg && (!home || *home != '/'))
		return -ENOENT;
	n = snprintf(ret, PATH_MAX, "%s%s", has_xdg ? xdg : home,
		     has_xdg ? "" : "/.cache");
	if (n < 0 || n > PATH_MAX - 16)
		return -ENAMETOOLONG;
	/* A home that is not there is not made. */
	if (make_dir(ret))
		return -ENOENT;
	strcat(ret, "/heapline");
	return make_dir(ret);
}

int cache_open(struct cache **ret)
{
	_cleanup_(closep) int dir = -1;
	char path[PATH_MAX];
	struct cache *c;
	struct stat st;
	int r = find_dir(path);

	if (r)
		return r;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || fstat(dir, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() || st.st_mode & (S_IWGRP | S_IWOTH))
		return -EPERM;
	c = malloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->dir = take_fd(dir);
	*ret = c;
	return 0;
}

void cache_close(struct cache *c)
{
	if (!c)
		return;
	close(c->dir);
	free(c);
}

static bool name_of(const struct debugfile_id *id, char ret[NAME_BYTES])
{
	int n = 0;

	if (id->len < CACHE_NAME_MIN)
		return false;
	for (size_t i = 0; i < id->len; i++)
		n += sprintf(ret + n, "%02x", id->bytes[i]);
	strcpy(ret + n, SUFFIX);
	return true;
}

/* ---- reading -------------------------------------------------------------- */

static int load(int fd, const char *key, struct answers *ret)
{
	_cleanup_(profile_closep) struct profile *p = NULL;
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = profile_load(path, &p, NULL, 0);
	if (r)
		return r;
	if (!p->complete || strcmp(strings_get(&p->strings, p->options), key) != 0)
		return -ESTALE;
	return answers_of(take_ptr(p), ret);
}

int cache_get(struct cache *c, const struct debugfile_id *id, const char *key,
	      struct answers *ret)
{
	_cleanup_(closep) int fd = -1;
	char name[NAME_BYTES];
	struct stat st;
	int r;

	if (!name_of(id, name))
		return -ENOENT;
	fd = openat(c->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
		return -EPERM;
	if (st.st_size > CACHE_MAX_ENTRY)
		return -EFBIG;
	r = load(fd, key, ret);
	if (!r) /* it was of use just now */
		futimens(fd, NULL);
	return r;
}

/* ---- writing -------------------------------------------------------------- */

static int write_into(int fd, const char *key, struct profile *p)
{
	struct profile_writer *w;
	int keep = fcntl(fd, F_DUPFD_CLOEXEC, 0), r;

	if (keep < 0)
		return -errno;
	p->options = strings_add(&p->strings, key);
	p->complete = true;
	if (p->options == UINT32_MAX) {
		close(keep);
		return -ENOMEM;
	}
	r = profile_writer_open(keep, &w);
	if (r)
		return r;
	r = profile_writer_update(w, p);
	if (!r && profile_writer_bytes(w) > CACHE_MAX_ENTRY)
		r = -EFBIG;
	profile_writer_close(w);
	return r;
}

struct entry {
	char *name;
	off_t size;
	time_t used;
};

struct entries {
	struct entry *items;
	size_t count, room;
};

static void entries_done(struct entries *e)
{
	for (size_t i = 0; i < e->count; i++)
		free(e->items[i].name);
	free(e->items);
}

static int list(struct cache *c, struct entries *ret)
{
	/* Of its own: the position of a shared one would be shared too. */
	int fd = openat(c->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;
	struct stat st;
	int r = 0;

	if (!dir) {
		closep(&fd);
		return -errno;
	}
	while (!r && (d = readdir(dir))) {
		if (*d->d_name == '.' || !strstr(d->d_name, SUFFIX) ||
		    fstatat(c->dir, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		r = array_reserve(&ret->items, &ret->room, ret->count + 1);
		if (!r)
			ret->items[ret->count++] = (struct entry){
				strdup(d->d_name), st.st_size, st.st_mtime};
		if (!r && !ret->items[ret->count - 1].name)
			r = -ENOMEM;
	}
	closedir(dir);
	return r;
}

static int last_used_first(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->used > y->used ? -1 : x->used < y->used;
}

static void make_room(struct cache *c)
{
	_cleanup_(entries_done) struct entries e = {0};
	time_t now = time(NULL);
	off_t sum = 0;

	if (list(c, &e) || !e.count)
		return;
	qsort(e.items, e.count, sizeof(*e.items), last_used_first);
	for (size_t i = 0; i < e.count; i++) {
		const char *end = strstr(e.items[i].name, SUFFIX) + strlen(SUFFIX);

		sum += e.items[i].size;
		if (sum > CACHE_MAX_BYTES ||
		    (*end && e.items[i].used < now - STALE_SECONDS))
			unlinkat(c->dir, e.items[i].name, 0);
	}
}

int cache_put(struct cache *c, const struct debugfile_id *id, const char *key,
	      struct answers *a)
{
	_cleanup_(closep) int fd = -1;
	char name[NAME_BYTES], fresh[NAME_BYTES + 32];
	uint64_t random;
	int r;

	if (!name_of(id, name))
		return -EINVAL;
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	snprintf(fresh, sizeof(fresh), "%s.%016llx", name, (unsigned long long)random);
	fd = openat(c->dir, fresh, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_into(fd, key, a->profile);
	if (!r && renameat(c->dir, fresh, c->dir, name) < 0)
		r = -errno;
	if (r)
		unlinkat(c->dir, fresh, 0);
	else
		make_room(c);
	return r;
}
