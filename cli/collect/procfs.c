#include "cli/collect/procfs.h"

#include "cli/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

enum { COMMAND_BYTES = 16384 };

static ssize_t slurp(const char *path, char *ret, size_t room)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;

	while (fd >= 0 && len < room) {
		ssize_t n = read(fd, ret + len, room - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	return fd < 0 ? -1 : (ssize_t)len;
}

static bool is_plain(const char *word)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789_-+=:,./@%";

	return *word && !word[strspn(word, plain)];
}

/* One argument as a shell would read it back. */
static size_t quote(const char *word, char *to, size_t room)
{
	size_t n = 0;

	if (is_plain(word)) {
		size_t len = strlen(word);

		if (len > room)
			return 0;
		memcpy(to, word, len);
		return len;
	}
	if (strlen(word) * 4 + 2 > room)
		return 0;
	to[n++] = '\'';
	for (; *word; word++) {
		if (*word == '\'') {
			memcpy(to + n, "'\\''", 4);
			n += 4;
		} else {
			to[n++] = *word;
		}
	}
	to[n++] = '\'';
	return n;
}

void procfs_command(pid_t pid, char *ret, size_t room)
{
	char path[64], args[COMMAND_BYTES];
	size_t used = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	n = slurp(path, args, sizeof(args) - 1);
	args[n > 0 ? n : 0] = '\0';
	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(args + at) + 1) {
		if (used && used + 1 < room)
			ret[used++] = ' ';
		used += quote(args + at, ret + used, room - used - 1);
	}
	ret[used] = '\0';
}

void procfs_exe(pid_t pid, char *ret, size_t room)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	n = readlink(path, ret, room - 1);
	ret[n > 0 ? n : 0] = '\0';
}

bool procfs_pages(pid_t pid, struct procfs_pages *ret)
{
	unsigned long long size, resident, others;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	char path[64], text[128];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	n = slurp(path, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	/* Each is counted by itself. */
	if (sscanf(text, "%llu %llu %llu", &size, &resident, &others) != 3)
		return false;
	if (others > resident)
		others = resident;
	*ret = (struct procfs_pages){.anonymous = (resident - others) * page,
				     .others = others * page};
	return true;
}

uint64_t procfs_rss(pid_t pid)
{
	struct procfs_pages pages;

	return procfs_pages(pid, &pages) ? pages.anonymous + pages.others : 0;
}

/* One reading: the kernel makes the text again for each. */
char *procfs_smaps(pid_t pid)
{
	enum { FIRST = 64 << 10, MOST = 64 << 20 };
	_cleanup_(freep) char *text = NULL;
	_cleanup_(closep) int fd = -1;
	size_t room = 0, len = 0;
	char path[64], *more;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	do {
		if (len + 1 >= room) {
			room = room ? room * 4 : FIRST;
			more = room <= MOST ? realloc(text, room) : NULL;
			if (!more)
				return NULL;
			text = more;
		}
		n = read(fd, text + len, room - len - 1);
		len += n > 0 ? (size_t)n : 0;
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0 || !len)
		return NULL;
	text[len] = '\0';
	return take_ptr(text);
}

bool procfs_thread_name(pid_t pid, pid_t tid, char name[16])
{
	char path[64], text[32];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", (int)pid, (int)tid);
	n = slurp(path, text, sizeof(text));
	if (n <= 0)
		return false;
	n = n > 16 ? 15 : n - 1; /* less the newline */
	memset(name, 0, 16);
	memcpy(name, text, (size_t)n);
	return true;
}

bool procfs_thread_exists(pid_t pid, pid_t tid)
{
	return !syscall(SYS_tgkill, pid, tid, 0) || errno == EPERM;
}

bool procfs_is_called(pid_t pid, pid_t number)
{
	char path[64], text[8192], *at, *end;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	n = slurp(path, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, "\nNSpid:"); /* a kernel without namespaces has no such line */
	if (!at)
		return n > 0 && pid == number;
	at += strlen("\nNSpid:");
	for (long is = strtol(at, &end, 10); end != at; is = strtol(at, &end, 10)) {
		if (is == number)
			return true;
		at = *end == '\n' ? end + strlen(end) : end;
	}
	return false;
}

/* Field `number` of /proc/PID/stat, counted from 1 as in proc(5), from 3 on. */
static bool stat_field(pid_t pid, int number, char *ret, size_t room)
{
	char path[64], text[1024], *at;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	n = slurp(path, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	at = strrchr(text, ')'); /* the name before it may hold anything */
	for (int field = 2; at && field < number; field++)
		at = strchr(at + 1, ' ');
	if (!at)
		return false;
	snprintf(ret, room, "%.*s", (int)strcspn(at + 1, " \n"), at + 1);
	return true;
}

pid_t procfs_parent(pid_t pid)
{
	char text[32];

	return stat_field(pid, 4, text, sizeof(text)) ? (pid_t)atoi(text) : 0;
}

/* linux/pidfd.h of 6.15, the first version of the struct. */
struct pidfd_facts {
	uint64_t mask, cgroup;
	uint32_t pid, tgid, ppid, ids[8];
	int32_t exit_code;
};
#define PIDFD_FACTS _IOWR(0xff, 11, struct pidfd_facts)
enum { PIDFD_HAS_EXIT = 1 << 3 };

bool procfs_exit_status(pid_t pid, int pidfd, int *ret_wait_status)
{
	struct pidfd_facts facts = {.mask = PIDFD_HAS_EXIT};
	char state[8], code[32];

	/* A dead process that nobody has waited for yet: /proc still has it. */
	if (stat_field(pid, 3, state, sizeof(state)) && *state == 'Z' &&
	    stat_field(pid, 52, code, sizeof(code))) {
		*ret_wait_status = atoi(code);
		return true;
	}
	if (pidfd < 0 || ioctl(pidfd, PIDFD_FACTS, &facts) < 0 ||
	    !(facts.mask & PIDFD_HAS_EXIT))
		return false;
	*ret_wait_status = facts.exit_code;
	return true;
}
