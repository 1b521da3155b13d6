/*
 * base_draft.c - a file is in its place whole or not at all, whatever ends its making:
 * where files can do without a name, and where they cannot.
 */
#include "tests/unit/unit.h"

#include "cli/base/draft.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* In memory: that file system knows files without a name. */
static char folder[] = "/dev/shm/heapline-unit-XXXXXX";
static char place[100];
static bool no_nameless; /* play one that does not */

int __real_open(const char *path, int flags, ...);
int __real_open64(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);

int __wrap_open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
	va_end(args);
	if (no_nameless && (flags & O_TMPFILE) == O_TMPFILE) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return __real_open(path, flags, mode);
}

int __wrap_open64(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
	va_end(args);
	return __wrap_open(path, flags, mode);
}

static int begin(void **state)
{
	(void)state;
	umask(022);
	if (!mkdtemp(folder))
		return -1;
	snprintf(place, sizeof(place), "%s/file", folder);
	return 0;
}

static int end(void **state)
{
	(void)state;
	return rmdir(folder);
}

/* How many files there are in the folder. */
static int files(void)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void put(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void holds(const char *path, const char *expected)
{
	char text[100] = "";
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, text, sizeof(text) - 1), strlen(expected));
	assert_string_equal(text, expected);
	close(fd);
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

/* Opens a draft and writes to it. */
static void draw_up(struct draft *d, bool replace)
{
	assert_int_equal(draft_open(d, place, replace), 0);
	assert_true(!*d->beside == !no_nameless);
	assert_int_equal(write(d->fd, "new", 3), 3);
	assert_int_equal(lseek(d->fd, 0, SEEK_CUR), 3);
}

/* Runs the rest of a test with and without names. */
#define each_way() for (int way = 0; no_nameless = way == 1, way < 2; way++)

static void it_is_there_once_it_is_kept(void **state)
{
	struct draft d;

	(void)state;
	each_way()
	{
		umask(way ? 027 : 022);
		draw_up(&d, way);
		assert_int_not_equal(access(place, F_OK), 0);
		assert_int_equal(files(), way);
		assert_int_equal(draft_keep(&d), 0);
		holds(place, "new");
		assert_int_equal(mode_of(place), way ? 0640 : 0644);
		assert_int_equal(files(), 1);
		unlink(place);
	}
	umask(022);
}

static void one_that_is_there_stays_unless_it_may_be_replaced(void **state)
{
	struct draft d;

	(void)state;
	each_way()
	{
		put(place, "old", 0604);
		assert_int_equal(draft_open(&d, place, false), -EEXIST);
		holds(place, "old");
		draw_up(&d, true);
		holds(place, "old");
		draft_drop(&d);
		holds(place, "old");
		draw_up(&d, true);
		assert_int_equal(draft_keep(&d), 0);
		holds(place, "new");
		assert_int_equal(mode_of(place), 0604);
		assert_int_equal(files(), 1);
		unlink(place);
	}
}

static void its_owner_stays_who_it_was(void **state)
{
	struct draft d;
	struct stat st;

	(void)state;
	if (geteuid()) /* who may give nothing away replaces what is its own */
		return;
	each_way()
	{
		put(place, "old", 0600);
		assert_int_equal(chown(place, 65534, 65533), 0);
		assert_int_equal(chmod(place, 04750), 0);
		draw_up(&d, true);
		assert_int_equal(draft_keep(&d), 0);
		assert_int_equal(stat(place, &st), 0);
		assert_int_equal(st.st_uid, 65534);
		assert_int_equal(st.st_gid, 65533);
		assert_int_equal(mode_of(place), 04750);
		unlink(place);
	}
}

static void one_that_came_meanwhile_stays_too(void **state)
{
	struct draft d;

	(void)state;
	each_way()
	{
		draw_up(&d, false);
		put(place, "other", 0600);
		assert_int_equal(draft_keep(&d), -EEXIST);
		holds(place, "other");
		assert_int_equal(files(), 1);
		unlink(place);

		draw_up(&d, true);
		put(place, "other", 0600);
		assert_int_equal(draft_keep(&d), 0);
		holds(place, "new");
		assert_int_equal(files(), 1);
		unlink(place);
	}
}

static void nothing_is_left_of_one_that_is_dropped(void **state)
{
	struct draft d;

	(void)state;
	each_way()
	{
		draw_up(&d, false);
		draft_drop(&d);
		assert_int_equal(files(), 0);
		assert_int_equal(d.fd, -1);
		draft_drop(&d);
	}
}

static void nothing_is_left_by_who_is_killed(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	no_nameless = false;
	if (!pid) {
		struct draft d;

		draw_up(&d, true);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(files(), 0);
}

static void one_that_grows_too_large_leaves_what_was_there(void **state)
{
	struct rlimit before, limit;
	struct draft d;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = (struct rlimit){2, before.rlim_max};
	each_way()
	{
		put(place, "old", 0600);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
		assert_int_equal(draft_open(&d, place, true), 0);
		assert_int_equal(write(d.fd, "new", 3), 2);
		assert_int_equal(write(d.fd, "w", 1), -1);
		assert_int_equal(errno, EFBIG);
		draft_drop(&d);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
		holds(place, "old");
		assert_int_equal(files(), 1);
		unlink(place);
	}
}

static void links_are_followed(void **state)
{
	char link[120], from[120];
	struct stat st;
	struct draft d;

	(void)state;
	snprintf(link, sizeof(link), "%s/link", folder);
	snprintf(from, sizeof(from), "%s", place);
	each_way()
	{
		put(place, "old", 0600);
		assert_int_equal(symlink("file", link), 0);
		assert_int_equal(draft_open(&d, link, false), -EEXIST);
		assert_int_equal(draft_open(&d, link, true), 0);
		assert_int_equal(write(d.fd, "new", 3), 3);
		assert_int_equal(draft_keep(&d), 0);
		holds(from, "new");
		assert_int_equal(lstat(link, &st), 0);
		assert_true(S_ISLNK(st.st_mode));
		unlink(link);
		unlink(place);
	}
}

static void what_is_no_file_is_written_as_it_is(void **state)
{
	struct draft d;

	(void)state;
	each_way()
	{
		assert_int_equal(draft_open(&d, "/dev/full", false), 0);
		assert_int_equal(write(d.fd, "x", 1), -1);
		assert_int_equal(errno, ENOSPC);
		assert_int_equal(draft_keep(&d), 0);
		assert_int_equal(draft_open(&d, folder, true), -EISDIR);
		assert_int_equal(draft_open(&d, "/dev/shm/no-such/folder", true),
				 -ENOENT);
		assert_int_equal(files(), 0);
	}
}

static void a_name_here_needs_no_folder(void **state)
{
	struct draft d;
	char before[4096];

	(void)state;
	assert_non_null(getcwd(before, sizeof(before)));
	assert_int_equal(chdir(folder), 0);
	each_way()
	{
		assert_int_equal(draft_open(&d, "here", false), 0);
		assert_int_equal(draft_keep(&d), 0);
		assert_int_equal(files(), 1);
		unlink("here");
	}
	assert_int_equal(chdir(before), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_there_once_it_is_kept),
		cmocka_unit_test(one_that_is_there_stays_unless_it_may_be_replaced),
		cmocka_unit_test(its_owner_stays_who_it_was),
		cmocka_unit_test(one_that_came_meanwhile_stays_too),
		cmocka_unit_test(nothing_is_left_of_one_that_is_dropped),
		cmocka_unit_test(nothing_is_left_by_who_is_killed),
		cmocka_unit_test(one_that_grows_too_large_leaves_what_was_there),
		cmocka_unit_test(links_are_followed),
		cmocka_unit_test(what_is_no_file_is_written_as_it_is),
		cmocka_unit_test(a_name_here_needs_no_folder),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
