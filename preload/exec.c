#include "preload/exec.h"

#include "preload/confined.h"
#include "preload/exec_elf.h"
#include "preload/session.h"
#include "preload/sys.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SCRIPTS = 5, /* the kernel follows four that name one another */
	HEAD = 2048, /* bytes of a file that are looked at */
	PATH_ROOM = 4096,
	VFS_CAP_ANY = 1,
};

static char shim[PATH_ROOM]; /* as LD_PRELOAD names us; "" unknown */

void exec_init(void)
{
	Dl_info at;

	if (dladdr(&shim, &at) && at.dli_fname && at.dli_fname[0] == '/' &&
	    strlen(at.dli_fname) < sizeof(shim))
		strcpy(shim, at.dli_fname);
}

static const char preload_name[] = "LD_PRELOAD=", session_env[] = WIRE_ENV_SESSION "=";

static const char *value_of(char *const *envp, const char *name)
{
	size_t n = strlen(name);

	for (; envp && *envp; envp++)
		if (!strncmp(*envp, name, n))
			return *envp + n;
	return NULL;
}

/* AddressSanitizer's runtime ends a program in which it does not come first, unless it
 * was told to let that pass. */
static bool is_strict(char *const *envp)
{
	const char *options = value_of(envp, "ASAN_OPTIONS=");

	return !options || !strstr(options, "verify_asan_link_order=0");
}

/* ---- the file ------------------------------------------------------------ */

/* Whether the loader will be told to distrust the environment. */
static bool is_secure(long fd)
{
	struct stat st;
	char capabilities[64];

	if (sys_call3(SYS_fstat, fd, &st, 0) < 0)
		return false;
	if ((st.st_mode & S_ISUID) &&
	    st.st_uid != (uid_t)sys_call3(SYS_getuid, 0, 0, 0))
		return true;
	if ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP) &&
	    st.st_gid != (gid_t)sys_call3(SYS_getgid, 0, 0, 0))
		return true;
	return sys_call4(SYS_fgetxattr, fd, "security.capability", capabilities,
			 sizeof(capabilities)) >= VFS_CAP_ANY &&
	       sys_call3(SYS_geteuid, 0, 0, 0) != 0;
}

/* "#!/bin/sh -e": the interpreter's path, in place; NULL for none. */
static char *interpreter(char *head, long len)
{
	char *at = head + 2, *end;

	head[len < HEAD ? len : HEAD - 1] = '\0';
	at += strspn(at, " \t");
	end = at + strcspn(at, " \t\r\n");
	*end = '\0';
	return *at ? at : NULL;
}

static enum wire_exec kind_of_file(long fd, const char *path, const Elf64_Ehdr *e,
				   bool strict)
{
	return is_secure(fd) ? WIRE_EXEC_SECURE : exec_elf_kind(fd, path, e, strict);
}

/* What the file says goes before where it will run. */
static enum wire_exec worse(enum wire_exec kind, enum wire_exec of_file)
{
	return of_file == WIRE_EXEC_EXPECTED ? kind : of_file;
}

/* Programs are plain files: to open a pipe may wait for ever, and a device may mind. */
static long open_plain(const char *path)
{
	struct stat st;

	if (sys_call4(SYS_newfstatat, AT_FDCWD, path, &st, 0) < 0 ||
	    !S_ISREG(st.st_mode))
		return -EACCES;
	return sys_call4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK,
			 0);
}

enum wire_exec exec_kind(const char *path, char *const *envp)
{
	_Alignas(8) char head[HEAD];
	char next[HEAD];
	enum wire_exec kind = WIRE_EXEC_EXPECTED;
	const char *list = value_of(envp, preload_name);
	bool strict = is_strict(envp);

	if (confined_is())
		return WIRE_EXEC_CONFINED;
	if (shim[0] && sys_call4(SYS_faccessat, AT_FDCWD, shim, R_OK, 0) < 0)
		return WIRE_EXEC_NO_SHIM;
	if (session_is_apart())
		kind = WIRE_EXEC_APART;
	if (strict && list && exec_elf_is_asan(list))
		kind = WIRE_EXEC_SANITIZED;
	for (int scripts = 0; scripts < SCRIPTS; scripts++) {
		long fd = open_plain(path);
		long len = fd < 0 ? 0 : exec_elf_read(fd, head, sizeof(head), 0);
		bool script = len > 2 && !memcmp(head, "#!", 2);
		char *to = script ? interpreter(head, len) : NULL;

		if (len >= (long)sizeof(Elf64_Ehdr) && !memcmp(head, ELFMAG, SELFMAG))
			kind = worse(kind,
				     kind_of_file(fd, path, (void *)head, strict));
		if (fd >= 0)
			sys_call3(SYS_close, fd, 0, 0);
		if (!to)
			break;
		path = strcpy(next, to);
	}
	return kind;
}

const char *exec_search(const char *file, char *ret, size_t room)
{
	const char *path = getenv("PATH"), *end;
	size_t name = strlen(file);

	if (strchr(file, '/') || !name || confined_is())
		return file;
	for (path = path ? path : "/bin:/usr/bin";; path = end + 1) {
		size_t len;

		end = strchrnul(path, ':');
		len = (size_t)(end - path);
		if (len + name + 2 <= room) {
			memcpy(ret, path, len);
			if (len)
				ret[len++] = '/';
			memcpy(ret + len, file, name + 1);
			if (!sys_call4(SYS_faccessat, AT_FDCWD, ret, X_OK, 0))
				return ret;
		}
		if (!*end)
			return file;
	}
}

/* ---- the environment ----------------------------------------------------- */

/* The entry of LD_PRELOAD that is us, or NULL. */
static const char *find_us(const char *list)
{
	size_t n = strlen(shim);

	for (const char *at = list; at && *at; at += strcspn(at, ": "), at += !!*at)
		if (!strncmp(at, shim, n) && (!at[n] || at[n] == ':' || at[n] == ' '))
			return at;
	return NULL;
}

/* A loader that cannot load us would say so on the program's standard error; a filter
 * that does not know our calls may kill for them, and so does who wants to come first. */
static bool is_wanted(enum wire_exec kind)
{
	return kind != WIRE_EXEC_CONFINED && kind != WIRE_EXEC_FOREIGN &&
	       kind != WIRE_EXEC_OTHER_LIBC && kind != WIRE_EXEC_NO_SHIM &&
	       kind != WIRE_EXEC_SANITIZED;
}

size_t exec_environment_bytes(char *const *envp, enum wire_exec kind)
{
	const char *list = value_of(envp, preload_name),
		   *where = value_of(envp, session_env);
	size_t n = 0;

	if (!shim[0] || !session_name()[0])
		return 0;
	if (is_wanted(kind) ? find_us(list) && where && !strcmp(where, session_name())
			    : !find_us(list))
		return 0;
	while (envp && envp[n])
		n++;
	return (n + 3) * sizeof(char *) + sizeof(preload_name) + strlen(shim) + 1 +
	       (list ? strlen(list) : 0) + sizeof(session_env) + strlen(session_name());
}

static char *append(char *to, const char *text, size_t n)
{
	memcpy(to, text, n);
	to[n] = '\0';
	return to + n;
}

/* LD_PRELOAD with us at the head, or without us; NULL if nothing is left of it. */
static char *make_preload(const char *list, bool with, char **at)
{
	const char *us = find_us(list);
	char *entry = *at, *to = append(*at, preload_name, sizeof(preload_name) - 1),
	     *value = to;

	if (with)
		to = append(to, shim, strlen(shim));
	for (size_t n; list && *list; list += n, list += !!*list) {
		n = strcspn(list, ": ");
		if (!n || list == us)
			continue;
		if (to > value)
			to = append(to, ":", 1);
		to = append(to, list, n);
	}
	if (to == value)
		return NULL;
	*at = to + 1;
	return entry;
}

static bool is_named(const char *entry, const char *name)
{
	return !strncmp(entry, name, strlen(name));
}

char **exec_environment(char *const *envp, enum wire_exec kind, void *room)
{
	const char *list = value_of(envp, preload_name);
	char **to = room, *text;
	size_t n = 0;

	while (envp && envp[n])
		n++;
	text = (char *)(to + n + 3);
	for (size_t i = 0; i < n; i++)
		if (!is_named(envp[i], preload_name) &&
		    !(is_wanted(kind) && is_named(envp[i], session_env)))
			*to++ = envp[i];
	*to = make_preload(list, is_wanted(kind), &text);
	to += *to != NULL;
	if (is_wanted(kind)) {
		*to++ = text;
		text = append(text, session_env, sizeof(session_env) - 1);
		append(text, session_name(), strlen(session_name()));
	}
	*to = NULL;
	return room;
}
