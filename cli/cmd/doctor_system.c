/*
 * doctor_system.c - what this system offers, of what recording needs.
 */
#include "cli/base/cleanup.h"
#include "cli/base/units.h"
#include "cli/cmd/doctor.h"
#include "cli/cmd/target.h"
#include "cli/collect/recording.h"
#include "cli/symbol/elf_facts.h"
#include "preload/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LITTLE_ROOM = 100 << 20 }; /* bytes: less of it is worth a word */

/* The first line of a small file, without its newline. False: there is none. */
static bool read_line(const char *path, char *text, size_t room)
{
	_cleanup_(fclosep) FILE *file = fopen(path, "re");

	if (!file || !fgets(text, (int)room, file))
		return false;
	text[strcspn(text, "\n")] = '\0';
	return true;
}

/* ---- the kernel -------------------------------------------------------------- */

static void check_kernel(struct doctor *d)
{
	struct utsname u;
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool wipes = page != MAP_FAILED && madvise(page, 4096, MADV_WIPEONFORK) == 0;

	if (page != MAP_FAILED)
		munmap(page, 4096);
	if (uname(&u) < 0)
		return;
	if (wipes)
		doctor_add(d, DOCTOR_OK, "kernel", NULL, "%s %s on %s", u.sysname,
			   u.release, u.machine);
	else
		doctor_add(d, DOCTOR_PROBLEM, "kernel",
			   "run Linux 4.14 or newer; in a sandbox that emulates Linux, "
			   "record outside of it",
			   "%s %s cannot wipe memory on fork (MADV_WIPEONFORK), by "
			   "which a fork child knows itself",
			   u.sysname, u.release);
}

static void check_proc(struct doctor *d)
{
	char line[4096];
	_cleanup_(fclosep) FILE *mounts = fopen("/proc/self/mounts", "re");
	bool hides = false;

	if (!mounts || access("/proc/self/maps", R_OK) < 0) {
		doctor_add(d, DOCTOR_PROBLEM, "proc",
			   "mount it: mount -t proc proc /proc (in a container: do not "
			   "mask it)",
			   "/proc is not mounted, or may not be read");
		return;
	}
	while (fgets(line, sizeof(line), mounts))
		hides |= strstr(line, " /proc proc ") && strstr(line, "hidepid=") &&
			 !strstr(line, "hidepid=0") && !strstr(line, "hidepid=off");
	if (hides)
		doctor_add(d, DOCTOR_WARNING, "proc",
			   "record as the user that the program runs as",
			   "/proc hides other users' processes (hidepid)");
	else
		doctor_add(d, DOCTOR_OK, "proc", NULL, "/proc is mounted");
}

/* The shared memory of a recording, as one would make it. */
static int try_memory(int *ret_step, uint32_t *ret_rings)
{
	enum recording_step failed;
	struct recording r;
	int err = -recording_make(&r, &failed);

	*ret_step = (int)failed;
	if (err)
		return err;
	*ret_rings = wire_rings(r.bytes);
	*ret_step = RECORDING_MAP + 1;
	err = fcntl(r.memory, F_ADD_SEALS, F_SEAL_SHRINK) < 0 ? errno : 0;
	recording_close(&r);
	return err;
}

/* The same with the limits that the collector has: it raises its own. */
static int try_memory_as_collector(int *ret_step, uint32_t *ret_rings)
{
	static const __rlimit_resource_t which[] = {RLIMIT_AS, RLIMIT_FSIZE};
	void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
	struct rlimit old[2];
	int err;

	for (int i = 0; i < 2; i++) {
		getrlimit(which[i], &old[i]);
		setrlimit(which[i], &(struct rlimit){old[i].rlim_max, old[i].rlim_max});
	}
	err = try_memory(ret_step, ret_rings);
	for (int i = 0; i < 2; i++)
		setrlimit(which[i], &old[i]);
	signal(SIGXFSZ, before);
	return err;
}

static void check_memory(struct doctor *d)
{
	static const struct {
		const char *text, *remedy;
	} steps[] = { /* by enum recording_step; then seals */
		{"cannot make a memory file (memfd_create)",
		 "Linux 3.17 or newer has it; a seccomp filter may forbid it: allow "
		 "memfd_create"},
		{"cannot make a memory file as large as recording needs",
		 "raise the limit on file sizes: ulimit -f unlimited"},
		{"cannot map the shared memory",
		 "raise the limit on address space: ulimit -v unlimited; or allow "
		 "overcommit: sysctl vm.overcommit_memory=0"},
		{"cannot seal a memory file",
		 "a seccomp filter may forbid fcntl's seals"},
	};
	uint32_t rings = 0;
	int step, err = try_memory_as_collector(&step, &rings);

	if (!err && rings < WIRE_RINGS)
		doctor_add(d, DOCTOR_WARNING, "memory",
			   "ulimit -v unlimited; ulimit -f unlimited",
			   "there is room for the shared memory of %" PRIu32
			   " threads at once, not of %d",
			   rings, (int)WIRE_RINGS);
	else if (!err)
		doctor_add(d, DOCTOR_OK, "memory", NULL,
			   "shared memory works: %s of addresses, touched as far as "
			   "they are needed",
			   units_size(WIRE_BYTES).text);
	else
		doctor_add(d, DOCTOR_PROBLEM, "memory", steps[step].remedy, "%s: %s",
			   steps[step].text, strerror(err));
}

/* Whether a child of ours may be read, as a scan of a living heap needs it. */
static int try_reading(void)
{
	static uint64_t word = 0x6865617031ull;
	uint64_t copy = 0;
	struct iovec to = {&copy, sizeof(copy)}, from = {&word, sizeof(word)};
	pid_t child = fork();
	int err = 0;

	if (child < 0)
		return errno;
	if (!child)
		for (;;)
			pause();
	if (process_vm_readv(child, &to, 1, &from, 1, 0) != sizeof(copy))
		err = errno;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return err;
}

static void check_reading(struct doctor *d)
{
	char scope[16] = "";
	int err = try_reading();

	read_line("/proc/sys/kernel/yama/ptrace_scope", scope, sizeof(scope));
	if (err)
		doctor_add(d, DOCTOR_WARNING, "reading",
			   "allow process_vm_readv in the container's seccomp filter",
			   "a process's memory cannot be read (process_vm_readv: %s); "
			   "recording does not need it, a scan of the heap would",
			   strerror(err));
	else if (*scope == '3' || (*scope == '2' && geteuid() != 0))
		doctor_add(d, DOCTOR_WARNING, "reading",
			   *scope == '3' ? "it cannot be lowered before the next boot"
					 : "sysctl kernel.yama.ptrace_scope=1, or root",
			   "kernel.yama.ptrace_scope is %s: processes cannot be "
			   "stopped from outside; recording does not need it, a scan "
			   "of the heap would",
			   scope);
	else
		doctor_add(d, DOCTOR_OK, "reading", NULL,
			   "a process's memory can be read%s%s",
			   *scope ? "; kernel.yama.ptrace_scope is " : "", scope);
}

static void check_seccomp(struct doctor *d)
{
	_cleanup_(fclosep) FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	int mode = 0;

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, "Seccomp:", 8))
			mode = (int)strtol(line + 8, NULL, 10);
	if (mode)
		doctor_add(d, DOCTOR_WARNING, "seccomp",
			   "if the trial below fails, record with a wider profile "
			   "(docker run --security-opt seccomp=unconfined)",
			   "a seccomp filter is on us, as in most containers: it may "
			   "forbid system calls");
	else
		doctor_add(d, DOCTOR_OK, "seccomp", NULL, "no filter is on us");
}

/* ---- limits ------------------------------------------------------------------- */

static void check_limit(struct doctor *d, int which, const char *name, uint64_t need,
			const char *what, const char *remedy, bool *ret_low)
{
	struct rlimit limit;

	if (getrlimit((__rlimit_resource_t)which, &limit) < 0 ||
	    limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= need)
		return;
	*ret_low = true;
	doctor_add(d, DOCTOR_WARNING, "limits", remedy, "%s is %" PRIu64 ": %s", name,
		   (uint64_t)limit.rlim_cur, what);
}

static void check_limits(struct doctor *d)
{
	bool low = false;

	check_limit(
		d, RLIMIT_AS, "RLIMIT_AS (address space, bytes)", 4ull * WIRE_BYTES,
		"programs map the shared memory, with fewer threads' rings if there "
		"is no room",
		"ulimit -v unlimited", &low);
	check_limit(d, RLIMIT_FSIZE, "RLIMIT_FSIZE (file sizes, bytes)", 1ull << 32,
		    "it bounds the shared memory and the profile",
		    "ulimit -f unlimited", &low);
	check_limit(d, RLIMIT_NOFILE, "RLIMIT_NOFILE (open files)", 64,
		    "the collector needs a few for each process", "ulimit -n 1024",
		    &low);
	if (!low)
		doctor_add(d, DOCTOR_OK, "limits", NULL,
			   "on address space, files and their sizes are wide enough; "
			   "no memory is locked");
}

/* The cgroup's limit on memory, version 2 or 1; 0: none. */
static uint64_t cgroup_limit(void)
{
	_cleanup_(fclosep) FILE *file = fopen("/proc/self/cgroup", "re");
	char line[1024], path[2048], value[64];
	uint64_t least = 0;

	while (file && fgets(line, sizeof(line), file)) {
		char *group = strrchr(line, ':');
		bool v2 = !strncmp(line, "0::", 3);
		uint64_t limit;

		line[strcspn(line, "\n")] = '\0';
		if (!group || (!v2 && !strstr(line, ":memory:")))
			continue;
		snprintf(path, sizeof(path), "/sys/fs/cgroup%s%s/%s",
			 v2 ? "" : "/memory", group + 1,
			 v2 ? "memory.max" : "memory.limit_in_bytes");
		if (!read_line(path, value, sizeof(value)) || value[0] == 'm')
			continue;
		limit = strtoull(value, NULL, 10);
		if (limit && limit < 1ull << 60 && (!least || limit < least))
			least = limit;
	}
	return least;
}

static void check_cgroup(struct doctor *d)
{
	uint64_t limit = cgroup_limit();

	if (limit && limit < 256ull << 20)
		doctor_add(d, DOCTOR_WARNING, "cgroup",
			   "raise it while you record; rings and collector need some "
			   "tens of MiB beside the program",
			   "this control group may use %s of memory",
			   units_size(limit).text);
	else
		doctor_add(d, DOCTOR_OK, "cgroup", NULL,
			   "memory of this control group: %s",
			   limit ? units_size(limit).text : "no limit");
}

static void check_disk(struct doctor *d)
{
	struct statvfs fs;
	uint64_t bytes;

	if (access(".", W_OK) < 0 || statvfs(".", &fs) < 0) {
		doctor_add(d, DOCTOR_WARNING, "disk",
			   "go to a folder that can be written, or name the profile "
			   "with -o",
			   "profiles cannot be written into this folder: %s",
			   strerror(errno));
		return;
	}
	bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (bytes < LITTLE_ROOM)
		doctor_add(d, DOCTOR_WARNING, "disk",
			   "make room, or name a file elsewhere with -o",
			   "this folder's file system has %s left",
			   units_size(bytes).text);
	else
		doctor_add(d, DOCTOR_OK, "disk", NULL, "room for profiles here: %s",
			   units_size(bytes).text);
}

/* ---- the environment ------------------------------------------------------------ */

/* What is known not to go along with another shim before malloc. */
static const char *const rivals[] = {
	"heaptrack", "memray",	  "bytehound", "vgpreload",
	"libasan",   "libtsan",	  "liblsan",   "libmemusage",
	"libduma",   "libefence", "libmtrace", "libheapprof",
};

static void check_preload(struct doctor *d)
{
	const char *text = getenv("LD_PRELOAD");

	if (!text || !*text) {
		doctor_add(d, DOCTOR_OK, "preload", NULL, "LD_PRELOAD is not set");
		return;
	}
	for (size_t i = 0; i < sizeof(rivals) / sizeof(rivals[0]); i++)
		if (strstr(text, rivals[i])) {
			doctor_add(d, DOCTOR_WARNING, "preload",
				   "unset LD_PRELOAD while you record",
				   "LD_PRELOAD has '%s', which takes malloc over as "
				   "well: %s",
				   rivals[i], text);
			return;
		}
	doctor_add(d, DOCTOR_OK, "preload", NULL,
		   "LD_PRELOAD is set, and kept behind the shim: %s", text);
}

static void check_variables(struct doctor *d)
{
	if (getenv(WIRE_ENV_SESSION))
		doctor_add(d, DOCTOR_WARNING, "session", "leave that recording first",
			   "this shell is itself being recorded (" WIRE_ENV_SESSION
			   " is set)");
}

void doctor_system(struct doctor *d)
{
	check_kernel(d);
	check_proc(d);
	check_memory(d);
	check_reading(d);
	check_seccomp(d);
	check_limits(d);
	check_cgroup(d);
	check_disk(d);
	check_preload(d);
	check_variables(d);
}

/* ---- what is installed ------------------------------------------------ */

static void check_libc(struct doctor *d)
{
	const char *version = gnu_get_libc_version();
	int major = 0, minor = 0;

	sscanf(version, "%d.%d", &major, &minor);
	if (major > 2 || (major == 2 && minor >= 35))
		doctor_add(d, DOCTOR_OK, "glibc", NULL, "%s, with _dl_find_object",
			   version);
	else
		doctor_add(d, DOCTOR_OK, "glibc", NULL,
			   "%s, without _dl_find_object (2.35): code that was never "
			   "seen before costs more",
			   version);
}

static void check_shim(struct doctor *d)
{
	static struct elf_facts shim, self; /* paths long */
	char path[4096], why[2 * 4096];

	if (target_shim(path, sizeof(path), why, sizeof(why)) < 0) {
		doctor_add(d, DOCTOR_PROBLEM, "shim",
			   "install heapline as a whole, under a path without spaces "
			   "and colons",
			   "%s", why);
		return;
	}
	if (symbols_elf_check(path, &shim) < 0 || shim.kind != ELF_FACTS_ELF) {
		doctor_add(d, DOCTOR_PROBLEM, "shim", "install heapline again",
			   "'%s' cannot be read, or is no library", path);
		return;
	}
	if (symbols_elf_check("/proc/self/exe", &self) == 0 &&
	    (self.machine != shim.machine || self.bits != shim.bits)) {
		doctor_add(d, DOCTOR_PROBLEM, "shim",
			   "install the heapline of this architecture",
			   "'%s' is for another machine than heapline itself", path);
		return;
	}
	doctor_add(d, DOCTOR_OK, "shim", NULL, "%s, %u-bit, of this machine", path,
		   shim.bits);
}

void doctor_install(struct doctor *d)
{
	check_shim(d);
	check_libc(d);
}
