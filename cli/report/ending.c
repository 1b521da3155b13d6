#include "cli/report/ending.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static struct units_text constant(const char *text)
{
	struct units_text ret;

	snprintf(ret.text, sizeof(ret.text), "%s", text);
	return ret;
}

static struct units_text exited(int status)
{
	struct units_text ret;

	snprintf(ret.text, sizeof(ret.text), "exited with status %d", status);
	return ret;
}

static struct units_text killed(int signal)
{
	const char *name = sigabbrev_np(signal);
	struct units_text ret;

	snprintf(ret.text, sizeof(ret.text), "killed by signal %d%s%s%s", signal,
		 name ? " (SIG" : "", name ? name : "", name ? ")" : "");
	return ret;
}

static struct units_text together(const struct profile_process *row)
{
	struct units_text ret;

	if (row->counted == 1)
		return constant("the only one of its program");
	snprintf(ret.text, sizeof(ret.text), "%.16s processes together",
		 units_count(row->counted).text);
	return ret;
}

struct units_text ending_of(const struct profile_process *process)
{
	if (process->counted)
		return together(process);
	switch (process->end) {
	case PROFILE_EXITED:
		return process->end_status < 0 ? constant("exited, status unknown")
					       : exited(process->end_status);
	case PROFILE_SIGNALED:
		return killed(process->end_status);
	case PROFILE_EXECED:
		return constant("became another program (exec)");
	default:
		return constant("still running when recording ended");
	}
}

struct units_text ending_of_wait(int wait_status)
{
	return WIFSIGNALED(wait_status) ? killed(WTERMSIG(wait_status))
					: exited(WEXITSTATUS(wait_status));
}
