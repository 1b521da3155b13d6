#include "preload/bare.h"

#include "preload/sys.h"
#include "preload/wire.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, ENVIRONMENT = 1024 };

/* Where the binary is, seen from the shim's folder: build tree, then prefixes. */
static const char *const beside[] = {"/../cli/heapline", "/../bin/heapline",
				     "/../../bin/heapline", "/../../../bin/heapline",
				     "/heapline"};

static void take(const char *entry, const char *name, char *ret, size_t room)
{
	size_t n = strlen(name), len;

	if (strncmp(entry, name, n) || entry[n] != '=')
		return;
	len = strlen(entry + n + 1);
	if (len < room)
		memcpy(ret, entry + n + 1, len + 1);
}

static void take_all(const char *entry, struct bare_environment *ret)
{
	take(entry, WIRE_ENV_SESSION, ret->session, sizeof(ret->session));
	take(entry, WIRE_ENV_OPTIONS, ret->options, sizeof(ret->options));
}

/* libc's `environ` is not there yet: the kernel's copy, entry by entry. Entries too
 * long for the buffer are none of ours. */
static void read_proc(struct bare_environment *ret)
{
	static char entry[BARE_OPTIONS_BYTES + 64];
	char chunk[512];
	size_t len = 0;
	long fd = sys_call4(SYS_openat, AT_FDCWD, "/proc/self/environ",
			    O_RDONLY | O_CLOEXEC, 0), n;

	if (fd < 0)
		return;
	while ((n = sys_call3(SYS_read, fd, chunk, sizeof(chunk))) > 0)
		for (long i = 0; i < n; i++) {
			if (len < sizeof(entry))
				entry[len] = chunk[i];
			len++;
			if (chunk[i])
				continue;
			if (len <= sizeof(entry))
				take_all(entry, ret);
			len = 0;
		}
	sys_call3(SYS_close, fd, 0, 0);
}

void bare_environment_read(struct bare_environment *ret)
{
	*ret = (struct bare_environment){0};
	if (!environ)
		read_proc(ret);
	else
		for (char **e = environ; *e; e++)
			take_all(*e, ret);
}

/* The collector's path, or false. */
static bool find(char *ret, size_t room)
{
	static char ours[PATH_BYTES];
	Dl_info at;
	size_t len;
	char *slash;

	if (!dladdr(beside, &at) || !at.dli_fname)
		return false;
	len = strlen(at.dli_fname);
	if (len >= sizeof(ours))
		return false;
	memcpy(ours, at.dli_fname, len + 1);
	slash = strrchr(ours, '/');
	len = slash ? (size_t)(slash - ours) : 0;
	for (size_t i = 0; i < sizeof(beside) / sizeof(*beside); i++) {
		if (len + strlen(beside[i]) >= room)
			continue;
		memcpy(ret, ours, len);
		strcpy(ret + len, beside[i]);
		if (!sys_call4(SYS_faccessat, AT_FDCWD, ret, X_OK, 0))
			return true;
	}
	return false;
}

/* In the collector-to-be: nothing of the program's may be left in its hands. */
static void become(const char *path, const struct bare_environment *env, int fd)
{
	static char *environment[ENVIRONMENT + 1];
	char *argv[] = {(char *)"heapline", (char *)"collect", (char *)"--bare",
			(char *)env->options, NULL};
	uint64_t no_signals = 0;
	size_t n = 0;
	long null;

	for (char **e = environ; e && *e && n < ENVIRONMENT; e++)
		if (strncmp(*e, "LD_", 3) && strncmp(*e, "HEAPLINE_", 9))
			environment[n++] = *e;
	sys_call3(SYS_setsid, 0, 0, 0);
	/* Out of the way of the numbers that we give away, then into place. */
	fd = (int)sys_call3(SYS_fcntl, fd, F_DUPFD, 10);
	sys_call3(SYS_dup3, fd, WIRE_COLLECTOR_FD, 0);
	null = sys_call4(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR, 0);
	for (int i = 0; i < 3; i++)
		sys_call3(SYS_dup3, null, i, 0);
	sys_call3(SYS_close_range, WIRE_COLLECTOR_FD + 1, ~0u, 0);
	sys_signals_restore(&no_signals);
	sys_call3(SYS_execve, path, argv, environment);
	sys_call3(SYS_exit_group, 127, 0, 0);
}

int bare_start(const struct bare_environment *env)
{
	static char path[PATH_BYTES];
	uint64_t signals;
	int fds[2], status;
	long err, child;

	if (!find(path, sizeof(path)))
		return -ENOENT;
	err = sys_call4(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds);
	if (err < 0)
		return (int)err;
	sys_signals_block(&signals);
	/* A child that ends without SIGCHLD, and one of its own that becomes the
	 * collector: the program's wait() never meets either. */
	child = sys_call6(SYS_clone, 0, 0, 0, 0, 0, 0);
	if (!child) {
		if (!sys_call6(SYS_clone, 0, 0, 0, 0, 0, 0))
			become(path, env, fds[1]);
		sys_call3(SYS_exit_group, 0, 0, 0);
	}
	if (child > 0)
		while (sys_call4(SYS_wait4, child, &status, __WALL, 0) == -EINTR)
			continue;
	sys_signals_restore(&signals);
	sys_call3(SYS_close, fds[1], 0, 0);
	if (child < 0)
		sys_call3(SYS_close, fds[0], 0, 0);
	return child < 0 ? (int)child : fds[0];
}
