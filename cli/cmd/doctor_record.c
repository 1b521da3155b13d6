/*
 * doctor_record.c - records a little program whose allocations are known, and looks
 * whether the profile has them all.
 */
#include "cli/base/cleanup.h"
#include "cli/base/kernel.h"
#include "cli/base/units.h"
#include "cli/cmd/doctor.h"
#include "cli/cmd/verb.h"
#include "cli/profile/file.h"
#include "cli/profile/totals.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	PROBE_BLOCKS = 100,
	PROBE_BYTES = 100003, /* of each; nothing else asks for so much, so often */
	PATIENCE_MS = 30000,
	POLL_MS = 10,
	SAID = 2048, /* bytes of what the run had to say */
};

int doctor_probe(void)
{
	static char *volatile blocks[PROBE_BLOCKS];

	for (int i = 0; i < PROBE_BLOCKS; i++)
		blocks[i] = malloc(PROBE_BYTES);
	/* One of them is never freed. */
	for (int i = 1; i < PROBE_BLOCKS; i++)
		free(blocks[i]);
	return VERB_OK;
}

/* ---- the run ------------------------------------------------------------------- */

static void become_run(const char *profile, int said)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		_exit(125);
	self[n] = '\0';
	setpgid(0, 0);
	dup2(said, STDERR_FILENO);
	dup2(said, STDOUT_FILENO);
	execl(self, "heapline", "run", "-q", "-f", "-o", profile, "--", self,
	      "doctor-probe", (char *)NULL);
	_exit(125);
}

/* Waits for a child, not for ever. Its wait status, or -1. */
static int wait_for(pid_t child)
{
	int status;

	for (int ms = 0; ms < PATIENCE_MS; ms += POLL_MS) {
		pid_t ended = waitpid(child, &status, WNOHANG);

		if (ended == child)
			return status;
		if (ended < 0 && errno != EINTR)
			return -1;
		usleep(POLL_MS * 1000);
	}
	kill(-child, SIGKILL);
	waitpid(child, &status, 0);
	return -1;
}

/* What the run wrote, on one line. */
static void hear(int fd, char *said, size_t room)
{
	ssize_t n = pread(fd, said, room - 1, 0);

	said[n < 0 ? 0 : n] = '\0';
	for (char *s = said; *s; s++)
		if (*s == '\n')
			*s = s[1] ? ' ' : '\0';
}

static int run(const char *profile, char *said, size_t room)
{
	_cleanup_(closep) int fd = memfd_create("heapline-doctor", MFD_CLOEXEC);
	pid_t child;
	int status;

	*said = '\0';
	fflush(NULL);
	child = fork();
	if (child < 0)
		return -1;
	if (!child)
		become_run(profile, fd);
	status = wait_for(child);
	hear(fd, said, room);
	return status;
}

/* ---- what came of it -------------------------------------------------- */

static bool has_probe(const struct profile *p)
{
	for (size_t i = 0; i < p->site_count; i++) {
		const struct profile_site *s = &p->sites[i];

		if (s->allocs == PROBE_BLOCKS &&
		    s->allocated_bytes == (uint64_t)PROBE_BLOCKS * PROBE_BYTES &&
		    s->frees == PROBE_BLOCKS - 1)
			return true;
	}
	return false;
}

static void judge(struct doctor *d, const char *profile, int status, const char *said,
		  uint64_t took_ns)
{
	_cleanup_(profile_closep) struct profile *p = NULL;
	char why[256] = "";
	int err;

	if (status != 0) {
		doctor_add(
			d, DOCTOR_PROBLEM, "trial",
			"see the problems above; else report this with the output of "
			"`heapline doctor --json`",
			"a recording failed%s: %s", status < 0 ? " to end" : "",
			*said ? said : "it said nothing");
		return;
	}
	err = profile_load(profile, &p, why, sizeof(why));
	if (err < 0 || !p->complete || profile_lost_events(p) || !has_probe(p)) {
		doctor_add(
			d, DOCTOR_PROBLEM, "trial",
			"see the warnings above: another allocator or shim may stand "
			"before ours",
			"a recording ran, but does not have what happened%s%s%s",
			*why ? ": " : "", why, *said ? said : "");
		return;
	}
	doctor_add(
		d, DOCTOR_OK, "trial", NULL,
		"a recording works: all %d allocations of a trial program, of %s, are "
		"in its profile (%s)",
		PROBE_BLOCKS, units_size((uint64_t)PROBE_BLOCKS * PROBE_BYTES).text,
		units_duration(took_ns).text);
}

void doctor_record(struct doctor *d)
{
	const char *tmp = getenv("TMPDIR");
	char folder[4096], profile[sizeof(folder) + 16], said[SAID];
	uint64_t began;
	int status;

	snprintf(folder, sizeof(folder) - 16, "%s/heapline-doctor-XXXXXX",
		 tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(folder)) {
		doctor_add(d, DOCTOR_PROBLEM, "trial",
			   "set TMPDIR to a folder with room",
			   "cannot make '%s' for a recording: %s", folder,
			   strerror(errno));
		return;
	}
	snprintf(profile, sizeof(profile), "%s/p.heapline", folder);
	began = kernel_monotonic_ns();
	status = run(profile, said, sizeof(said));
	judge(d, profile, status, said, kernel_monotonic_ns() - began);
	unlink(profile);
	rmdir(folder);
}
