#include "cli/cmd/target.h"

#include "cli/base/message.h"
#include "cli/cmd/launch.h"
#include "cli/symbol/elf_facts.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where a part of heapline is, seen from the binary's folder: build tree, then prefix. */
enum { PLACES = 3 };

static const char *const shim_places[PLACES] = {
	"/../preload", ("/" HEAPLINE_LIBDIR_FROM_BIN), ""};
static const char *const module_places[PLACES] = {
	"", "/" HEAPLINE_LIBDIR_FROM_BIN "/heapline", NULL};

/* The first that is there. 0; -ENOENT or -EIO, with one clause in why. */
static int find_part(const char *const places[PLACES], const char *name, char *ret,
		     size_t room, char *why, size_t why_room)
{
	char self[4096], candidate[sizeof(self) + 128];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int err = errno;

	if (n < 0) {
		snprintf(why, why_room, "cannot read /proc/self/exe: %s",
			 strerror(err));
		return -EIO;
	}
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	for (int i = 0; i < PLACES && places[i]; i++) {
		char real[4096];

		snprintf(candidate, sizeof(candidate), "%s%s/%s", self, places[i],
			 name);
		if (!realpath(candidate, real) || strlen(real) >= room)
			continue;
		strcpy(ret, real);
		return 0;
	}
	snprintf(why, why_room, "%s is not where it belongs beside '%s/heapline'", name,
		 self);
	return -ENOENT;
}

int target_shim(char *ret, size_t room, char *why, size_t why_room)
{
	int err = find_part(shim_places, "libheapline.so", ret, room, why, why_room);

	/* ld.so splits LD_PRELOAD at these. */
	if (err || !strpbrk(ret, " :"))
		return err;
	snprintf(why, why_room,
		 "the path of '%s' has a space or a colon in it, which LD_PRELOAD "
		 "cannot hold",
		 ret);
	return -EINVAL;
}

int target_module(const char *name, char *ret, size_t room, char *why, size_t why_room)
{
	return find_part(module_places, name, ret, room, why, why_room);
}

static int find_shim(char *ret, size_t room)
{
	char why[2 * 4096];
	int err = target_shim(ret, room, why, sizeof(why));

	if (!err)
		return 0;
	message_error("%s", why);
	message_help(
		"%s",
		err == -EINVAL ? "install heapline under another path"
		: err == -ENOENT
			? "install heapline as a whole, or run it from its build tree"
			: "heapline needs /proc to be mounted");
	return LAUNCH_FAILED;
}

/* Whether LD_PRELOAD names one of the allocators whose operators new reach no malloc. */
static bool preloads_allocator(void)
{
	const char *list = getenv("LD_PRELOAD");

	for (size_t n; list && *list; list += n, list += !!*list) {
		char entry[4096];

		n = strcspn(list, " :");
		if (n < sizeof(entry)) {
			memcpy(entry, list, n);
			entry[n] = '\0';
			if (symbols_is_allocator(entry))
				return true;
		}
	}
	return false;
}

/* The form of the shim that has operators new of its own, where the other one is. */
static int with_operators(char *shim, size_t room)
{
	static const char other[] = "libheapline-cxx.so";
	char *base = strrchr(shim, '/') + 1;

	if ((size_t)(base - shim) + sizeof(other) > room)
		return LAUNCH_FAILED;
	strcpy(base, other);
	if (!access(shim, R_OK))
		return 0;
	message_error("cannot read '%s': %s", shim, strerror(errno));
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

#if defined(__x86_64__)
enum { OUR_MACHINE = EM_X86_64 };
#elif defined(__aarch64__)
enum { OUR_MACHINE = EM_AARCH64 };
#endif

/* Says why a program of that kind cannot have a library preloaded; true if so. */
static bool say_kind(const struct elf_facts *f)
{
	if (f->kind != ELF_FACTS_ELF)
		return false;
	if (f->bits != 64 || f->machine != OUR_MACHINE) {
		message_error("'%s' is a %u-bit program for another machine than the "
			      "shim's",
			      f->path, f->bits);
		message_help("build it for this machine's 64-bit instruction set");
	} else if (f->is_static || f->is_static_pie) {
		message_error(
			"'%s' is statically linked: no loader runs in it that could "
			"preload the shim",
			f->path);
		message_help("link it dynamically (without -static)");
	} else if (f->is_setuid || f->is_setgid || f->has_capabilities) {
		message_error("'%s' changes its privileges when executed (%s), so the "
			      "loader ignores LD_PRELOAD",
			      f->path,
			      f->is_setuid   ? "setuid"
			      : f->is_setgid ? "setgid"
					     : "file capabilities");
		message_help(
			"run heapline as the user that it changes to, or a copy of "
			"the program without that bit");
	} else if (f->is_musl) {
		message_error("'%s' uses musl; the shim is made for glibc", f->path);
		message_help("build the program against glibc");
	} else {
		return false;
	}
	return true;
}

/* AddressSanitizer's runtime ends a program in which it does not come first, unless it
 * was told to let that pass. Says so; true if it would. */
static bool say_asan(const struct elf_facts *f)
{
	const char *preload = getenv("LD_PRELOAD"), *options = getenv("ASAN_OPTIONS");
	bool preloaded = preload && symbols_is_asan(preload);

	if ((!preloaded && !f->needs_asan) ||
	    (options && strstr(options, "verify_asan_link_order=0")))
		return false;
	if (preloaded)
		message_error("LD_PRELOAD has AddressSanitizer's runtime, which "
			      "insists on being loaded first");
	else
		message_error("'%s' is built with AddressSanitizer, which insists on "
			      "being loaded first",
			      f->path);
	message_help("record it without, or set ASAN_OPTIONS=verify_asan_link_order=0");
	return true;
}

/* 0 if the program, or the interpreter of a script, can be preloaded. */
static int check_kind(const char *path, bool *ret_allocator)
{
	static struct elf_facts facts; /* two paths long */
	int err = symbols_elf_check(path, &facts);

	*ret_allocator = !err && facts.needs_allocator;

	if (err == -ENOENT && facts.scripts) {
		message_error(
			"cannot execute '%s': its interpreter '%s' does not exist",
			path, facts.path);
		message_help("install it, or mend the script's first line");
		return LAUNCH_NOT_FOUND;
	}
	/* What cannot be read may still be executed: exec() and the handshake tell. */
	return !err && (say_kind(&facts) || say_asan(&facts)) ? LAUNCH_FAILED : 0;
}

int target_path(const char *name, char *ret, size_t room, int *ret_err)
{
	int code = LAUNCH_NOT_FOUND;

	*ret_err = ENOENT;
	if (!strchr(name, '/'))
		return *name ? search(name, ret, room, ret_err) : code;
	*ret_err = ENAMETOOLONG;
	return strlen(name) < room ? probe(strcpy(ret, name), ret_err) : code;
}

int target_find(const char *name, bool own_new, struct target *ret)
{
	bool allocator;
	int err = 0, code = target_path(name, ret->path, sizeof(ret->path), &err);

	if (code) {
		message_error("cannot execute '%s': %s", name,
			      strerror(err ? err : ENOENT));
		if (code == LAUNCH_NOT_FOUND)
			message_help("check the spelling, or give the program's path");
		else if (err == EISDIR)
			message_help("name a program in that folder");
		else
			message_help("make it executable: chmod +x '%s'", name);
		return code;
	}
	code = check_kind(ret->path, &allocator);
	if (!code)
		code = find_shim(ret->shim, sizeof(ret->shim));
	if (!code && (own_new || allocator || preloads_allocator()))
		code = with_operators(ret->shim, sizeof(ret->shim));
	return code;
}
