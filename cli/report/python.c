#include "cli/report/python.h"

#include "cli/report/text.h"

static const char *const reasons[] = {
	[PROFILE_PYTHON_NEW] =
		"heapline does not know how this version lays out frames",
	[PROFILE_PYTHON_SYMBOLS] = "the interpreter does not export what it takes",
	[PROFILE_PYTHON_BUILD] = "it is not a usual build (free-threaded, or one that "
				 "traces references)",
	[PROFILE_PYTHON_CHECK] = "its frames were not where this version has them",
	[PROFILE_PYTHON_MEMORY] = "there was no memory for what is known of its code",
};

const char *python_why(const struct profile_process *q)
{
	uint32_t why = q->python & 0xff;

	return why < PROFILE_PYTHONS ? reasons[why]
				     : "of a reason that is not known here";
}

static bool has_objects(const struct profile *p)
{
	for (size_t i = 0; i < p->process_count; i++)
		if (p->processes[i].python & PROFILE_PYTHON_OBJECTS)
			return true;
	return false;
}

const char *python_allocators(const struct profile *p)
{
	return has_objects(p) ? "malloc and Python's objects" : "malloc";
}

const char *python_runtime(const struct profile *p)
{
	return has_objects(p) ? "libc, the loader and Python's allocator"
			      : "libc and the loader";
}

const char *python_domain(const struct profile *p, enum profile_domain domain)
{
	if (domain == PROFILE_MMAP)
		return "mapped memory (mmap)";
	if (domain == PROFILE_POOL)
		return "chunks of the program's own pools";
	if (domain == PROFILE_ARENA)
		return "Python's arenas";
	return has_objects(p) ? "the heap (malloc and Python's objects)"
			      : "the heap (malloc)";
}

void python_text(const struct profile *p, bool colour, FILE *out)
{
	for (size_t i = 0; i < p->process_count; i++) {
		const struct profile_process *q = &p->processes[i];
		bool said = !python_why(q);

		for (size_t k = 0; k < i && !said; k++)
			said = p->processes[k].python == q->python;
		if (said)
			continue;
		text_style(out, colour, TEXT_WARNING);
		fprintf(out,
			"WARNING: Python %u.%u: native stacks only, without its "
			"own lines: %s.",
			q->python >> 16 & 0xff, q->python >> 8 & 0xff, python_why(q));
		text_style(out, colour, TEXT_PLAIN);
		fputc('\n', out);
	}
}

void python_json(const struct profile_process *q, struct json *j)
{
	const char *why = python_why(q);
	char version[16];

	json_key(j, "python");
	if (!q->python) {
		json_null(j);
		return;
	}
	snprintf(version, sizeof(version), "%u.%u", q->python >> 16 & 0xff,
		 q->python >> 8 & 0xff);
	json_object(j);
	json_put_string(j, "version", version);
	json_put_bool(j, "frames", !why);
	json_put_string(j, "why", why ? why : "");
	json_put_bool(j, "objects", q->python & PROFILE_PYTHON_OBJECTS);
	json_close(j);
}
