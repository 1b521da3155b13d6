/*
 * hooks_exec.c - the family of exec, and posix_spawn: programs that are executed are
 * followed, also where the environment was cleared; what cannot be is known by name.
 *
 * libc's own calls (system, popen) do not pass here: they hand on the environment as it
 * is, and a program that does not come to shake hands is noticed all the same.
 */
#include "preload/confined.h"
#include "preload/exec.h"
#include "preload/family.h"
#include "preload/real.h"
#include "preload/sys.h"

#include <alloca.h>
#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HOOK __attribute__((visibility("default")))

enum {
	STACK_BYTES = 16 << 10, /* more is mapped */
	DEEP_BYTES = 1 << 20,	/* where nothing can be */
};

static size_t stack_bytes(void)
{
	return confined_is() ? DEEP_BYTES : STACK_BYTES;
}

/* Room for an environment: mapped if it is large; a vfork child's stays behind in its
 * parent then. NULL: there is no memory, the environment is passed as it is. */
#define ROOM(bytes) ((bytes) <= stack_bytes() ? alloca(bytes) : map_room(bytes))

/* Another thread may be looking them up. */
static void know_real(void)
{
	while (!real_init())
		sys_call3(SYS_sched_yield, 0, 0, 0);
}

static void *map_room(size_t bytes)
{
	long at = confined_is()
			  ? -1
			  : sys_call6(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return (unsigned long)at > -4096ul ? NULL : (void *)at;
}

static void free_room(void *room, size_t bytes)
{
	if (room && bytes > stack_bytes())
		sys_call3(SYS_munmap, room, bytes, 0);
}

struct plan { /* of one exec */
	enum wire_exec kind;
	size_t bytes;
	void *room;
	char *const *envp;
	struct family_word word;
};

/* The first half: what it will be. The second is the room, on the hook's own stack. */
static void plan(struct plan *p, const char *path, char *const *envp)
{
	p->kind = exec_kind(path, envp);
	p->bytes = exec_environment_bytes(envp, p->kind);
	p->envp = envp;
	p->room = NULL;
}

#define PLAN(p, path, environment)                                                     \
	do {                                                                           \
		plan((p), (path), (environment));                                      \
		if ((p)->bytes)                                                        \
			(p)->room = ROOM((p)->bytes);                                  \
		if ((p)->room)                                                         \
			(p)->envp =                                                    \
				exec_environment((environment), (p)->kind, (p)->room); \
	} while (0)

static int failed(struct plan *p)
{
	int saved = errno;

	family_word_back(&p->word);
	free_room(p->room, p->bytes);
	errno = saved;
	return -1;
}

HOOK int execve(const char *path, char *const argv[], char *const envp[])
{
	struct plan p;

	know_real();
	if (sys_is_blank_thread())
		return real.execve(path, argv, envp);
	PLAN(&p, path, envp);
	family_word_exec(&p.word, path, p.kind);
	real.execve(path, argv, p.envp);
	return failed(&p);
}

HOOK int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

HOOK int execvpe(const char *file, char *const argv[], char *const envp[])
{
	char found[PATH_MAX];
	const char *path;
	struct plan p;

	know_real();
	if (sys_is_blank_thread())
		return real.execvpe(file, argv, envp);
	path = exec_search(file, found, sizeof(found));
	PLAN(&p, path, envp);
	family_word_exec(&p.word, path, p.kind);
	real.execvpe(file, argv, p.envp);
	return failed(&p);
}

HOOK int execvp(const char *file, char *const argv[])
{
	return execvpe(file, argv, environ);
}

/* "/proc/self/fd/N", and behind it where there is room. */
static char *descriptor_path(int fd, char *ret)
{
	static const char folder[] = "/proc/self/fd/";
	char digits[12];
	size_t n = 0;

	ret = (char *)memcpy(ret, folder, sizeof(folder) - 1) + sizeof(folder) - 1;
	do {
		digits[n++] = (char)('0' + fd % 10);
		fd /= 10;
	} while (fd > 0);
	while (n)
		*ret++ = digits[--n];
	*ret = '\0';
	return ret;
}

/* Path of a descriptor's file, or of one in a folder that is open: into ret, of
 * PATH_MAX bytes, if need be. */
static const char *path_at(int fd, const char *path, int flags, char *ret)
{
	char *end;

	if (path[0] == '/' || (fd == AT_FDCWD && path[0]))
		return path;
	if (fd < 0 || (!path[0] && !(flags & AT_EMPTY_PATH)) ||
	    strlen(path) > PATH_MAX - 64)
		return path;
	end = descriptor_path(fd, ret);
	if (path[0]) {
		*end++ = '/';
		strcpy(end, path);
	}
	return ret;
}

HOOK int execveat(int fd, const char *path, char *const argv[], char *const envp[],
		  int flags)
{
	char found[PATH_MAX];
	const char *what = path_at(fd, path, flags, found);
	struct plan p;

	know_real();
	if (sys_is_blank_thread() && real.execveat)
		return real.execveat(fd, path, argv, envp, flags);
	PLAN(&p, what, envp);
	family_word_exec(&p.word, what, p.kind);
	if (real.execveat) {
		real.execveat(fd, path, argv, p.envp, flags);
	} else {
		errno = ENOSYS;
	}
	return failed(&p);
}

HOOK int fexecve(int fd, char *const argv[], char *const envp[])
{
	char found[64];
	struct plan p;

	know_real();
	if (sys_is_blank_thread())
		return real.fexecve(fd, argv, envp);
	descriptor_path(fd < 0 ? 0 : fd, found);
	PLAN(&p, found, envp);
	family_word_exec(&p.word, found, p.kind);
	real.fexecve(fd, argv, p.envp);
	return failed(&p);
}

/* ---- arguments one by one ------------------------------------------------ */

/* Counts up to the NULL, and collects with the second call. */
#define COLLECT(argv, first)                                                           \
	do {                                                                           \
		va_list args;                                                          \
		size_t n = 1;                                                          \
                                                                                       \
		va_start(args, first);                                                 \
		while (va_arg(args, char *))                                           \
			n++;                                                           \
		va_end(args);                                                          \
		(argv) = alloca((n + 2) * sizeof(char *));                             \
		(argv)[0] = (char *)(first);                                           \
		va_start(args, first);                                                 \
		for (size_t i = 1; i <= n; i++)                                        \
			(argv)[i] = va_arg(args, char *);                              \
		(argv)[n + 1] = NULL;                                                  \
		if ((want_envp))                                                       \
			*(want_envp) = va_arg(args, char *const *);                    \
		va_end(args);                                                          \
	} while (0)

HOOK int execl(const char *path, const char *first, ...)
{
	char *const **want_envp = NULL;
	char **argv;

	COLLECT(argv, first);
	return execve(path, argv, environ);
}

HOOK int execlp(const char *file, const char *first, ...)
{
	char *const **want_envp = NULL;
	char **argv;

	COLLECT(argv, first);
	return execvpe(file, argv, environ);
}

HOOK int execle(const char *path, const char *first, ...)
{
	char *const *envp, *const **want_envp = &envp;
	char **argv;

	COLLECT(argv, first);
	return execve(path, argv, envp);
}

/* ---- spawn --------------------------------------------------------------- */

typedef int spawn_function(pid_t *, const char *, const posix_spawn_file_actions_t *,
			   const posix_spawnattr_t *, char *const[], char *const[]);

static int spawn(spawn_function *real_spawn, const char *path, pid_t *ret,
		 const char *file, const posix_spawn_file_actions_t *actions,
		 const posix_spawnattr_t *attributes, char *const argv[],
		 char *const envp[])
{
	struct plan p;
	pid_t pid = 0;
	int err;

	PLAN(&p, path, envp);
	family_word_spawn(&p.word);
	err = real_spawn(&pid, file, actions, attributes, argv, p.envp);
	if (!err) {
		family_word_spawned(&p.word, (uint32_t)pid, path, p.kind);
		if (ret)
			*ret = pid;
	}
	free_room(p.room, p.bytes);
	return err;
}

HOOK int posix_spawn(pid_t *ret, const char *path,
		     const posix_spawn_file_actions_t *actions,
		     const posix_spawnattr_t *attributes, char *const argv[],
		     char *const envp[])
{
	know_real();
	return spawn(real.posix_spawn, path, ret, path, actions, attributes, argv,
		     envp);
}

HOOK int posix_spawnp(pid_t *ret, const char *file,
		      const posix_spawn_file_actions_t *actions,
		      const posix_spawnattr_t *attributes, char *const argv[],
		      char *const envp[])
{
	char found[PATH_MAX];

	know_real();
	return spawn(real.posix_spawnp, exec_search(file, found, sizeof(found)), ret,
		     file, actions, attributes, argv, envp);
}
