#include "cli/cmd/target.h"

#include "cli/base/message.h"
#include "cli/cmd/launch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where the shim is, seen from the binary's folder: build tree, then prefix. */
static const char *const beside[] = {"/../preload/libheapline.so",
				     "/" HEAPLINE_LIBDIR_FROM_BIN "/libheapline.so",
				     "/libheapline.so"};

static int find_shim(char *ret, size_t room)
{
	char self[4096], candidate[sizeof(self) + 128];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0) {
		message_error("cannot read /proc/self/exe: %s", strerror(errno));
		message_help("heapline needs /proc to be mounted");
		return LAUNCH_FAILED;
	}
	self[n] = '\0';
	slash = strrchr(self, '/');
	*slash = '\0';
	for (size_t i = 0; i < sizeof(beside) / sizeof(*beside); i++) {
		char real[4096];

		snprintf(candidate, sizeof(candidate), "%s%s", self, beside[i]);
		if (!realpath(candidate, real) || strlen(real) >= room)
			continue;
		/* ld.so splits LD_PRELOAD at these. */
		if (strpbrk(real, " :")) {
			message_error("the path of '%s' has a space or a colon in it, "
				      "which LD_PRELOAD cannot hold", real);
			message_help("install heapline under another path");
			return LAUNCH_FAILED;
		}
		strcpy(ret, real);
		return 0;
	}
	message_error("libheapline.so is not where it belongs beside '%s/heapline'", self);
	message_help("install heapline as a whole, or run it from its build tree");
	return LAUNCH_FAILED;
}

/* 0, or why a file is no program: an exit code, *ret_err gets the errno. */
static int probe(const char *path, int *ret_err)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		*ret_err = errno;
		return errno == ENOENT || errno == ENOTDIR ? LAUNCH_NOT_FOUND
							   : LAUNCH_NOT_EXECUTABLE;
	}
	if (S_ISDIR(st.st_mode) || access(path, X_OK) < 0) {
		*ret_err = S_ISDIR(st.st_mode) ? EISDIR : errno;
		return LAUNCH_NOT_EXECUTABLE;
	}
	return 0;
}

/* As execvp(): a file that may not be executed is passed over, but remembered. */
static int search(const char *name, char *ret, size_t room, int *ret_err)
{
	const char *path = getenv("PATH"), *end;
	int worst = LAUNCH_NOT_FOUND;

	*ret_err = ENOENT;
	for (path = path ? path : "/bin:/usr/bin";; path = end + 1) {
		int err = 0, code, n;

		end = strchrnul(path, ':');
		n = snprintf(ret, room, "%.*s%s%s", (int)(end - path), path,
			     end > path ? "/" : "", name);
		code = n < 0 || (size_t)n >= room ? LAUNCH_NOT_FOUND : probe(ret, &err);
		if (!code)
			return 0;
		if (code == LAUNCH_NOT_EXECUTABLE) {
			worst = code;
			*ret_err = err;
		}
		if (!*end)
			return worst;
	}
}

int target_find(const char *name, struct target *ret)
{
	int err = 0, code;

	if (strchr(name, '/')) {
		code = strlen(name) < sizeof(ret->path) ? probe(name, &err)
							: LAUNCH_NOT_FOUND;
		snprintf(ret->path, sizeof(ret->path), "%s", name);
	} else {
		code = *name ? search(name, ret->path, sizeof(ret->path), &err)
			     : LAUNCH_NOT_FOUND;
	}
	if (code) {
		message_error("cannot execute '%s': %s", name, strerror(err ? err : ENOENT));
		if (code == LAUNCH_NOT_FOUND)
			message_help("check the spelling, or give the program's path");
		else if (err == EISDIR)
			message_help("name a program in that folder");
		else
			message_help("make it executable: chmod +x '%s'", name);
		return code;
	}
	return find_shim(ret->shim, sizeof(ret->shim));
}
