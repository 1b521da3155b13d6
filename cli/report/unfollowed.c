#include "cli/report/unfollowed.h"

#include "cli/base/units.h"
#include "cli/report/text.h"

enum { SHOWN = 5 };

static const char *const clauses[PROFILE_WHYS] = {
	[0] = "for an unknown reason",
	[PROFILE_DID_NOT_COME] = "its shim did not come to the collector",
	[PROFILE_STATIC] = "statically linked: no loader runs in it that could preload",
	[PROFILE_FOREIGN] = "of another machine, or 32-bit",
	[PROFILE_OTHER_LIBC] = "linked against musl",
	[PROFILE_SECURE] = "it changes its privileges: the loader ignores LD_PRELOAD",
	[PROFILE_NO_SHIM] = "libheapline.so is not in its root directory",
	[PROFILE_CONFINED] = "behind a seccomp filter, where our calls might be its end",
	[PROFILE_APART] = "its network namespace has no way to the collector",
	[PROFILE_UNMAPPED] = "it had no descriptor, or no address space, for the recording",
	[PROFILE_SANITIZED] = ("AddressSanitizer insists on being loaded first, "
			       "unless ASAN_OPTIONS has verify_asan_link_order=0"),
};

static const char *const names[PROFILE_WHYS] = {
	[0] = "unknown",
	[PROFILE_DID_NOT_COME] = "did-not-come",
	[PROFILE_STATIC] = "static",
	[PROFILE_FOREIGN] = "foreign",
	[PROFILE_OTHER_LIBC] = "other-libc",
	[PROFILE_SECURE] = "secure",
	[PROFILE_NO_SHIM] = "no-shim",
	[PROFILE_CONFINED] = "confined",
	[PROFILE_APART] = "apart",
	[PROFILE_UNMAPPED] = "unmapped",
	[PROFILE_SANITIZED] = "sanitized",
};

const char *unfollowed_why(uint32_t why)
{
	return clauses[why < PROFILE_WHYS ? why : 0];
}

void unfollowed_text(const struct profile *p, bool colour, FILE *out)
{
	size_t n = p->unfollowed_count;

	if (!n)
		return;
	text_style(out, colour, TEXT_WARNING);
	fprintf(out,
		"WARNING: %s %s executed and not recorded; no figure has its heap:",
		units_count(n).text, n == 1 ? "program was" : "programs were");
	text_style(out, colour, TEXT_PLAIN);
	fputc('\n', out);
	for (size_t i = 0; i < n && i < SHOWN; i++) {
		const struct profile_unfollowed *u = &p->unfolloweds[i];

		fprintf(out, "  %d ", (int)u->pid);
		text_put(out, strings_get(&p->strings, u->program));
		fprintf(out, " (%s)\n", unfollowed_why(u->why));
	}
	if (n > SHOWN)
		fprintf(out, "  and %s more\n", units_count(n - SHOWN).text);
}

void unfollowed_json(const struct profile *p, struct json *j)
{
	json_key(j, "unfollowed");
	json_array(j);
	for (size_t i = 0; i < p->unfollowed_count; i++) {
		const struct profile_unfollowed *u = &p->unfolloweds[i];

		json_object(j);
		json_key(j, "pid");
		json_signed(j, u->pid);
		json_put_unsigned(j, "parent_serial", u->parent_serial);
		json_put_string(j, "program", strings_get(&p->strings, u->program));
		json_put_string(j, "why", names[u->why < PROFILE_WHYS ? u->why : 0]);
		json_put_unsigned(j, "at_ns", u->at_ns);
		json_close(j);
	}
	json_close(j);
}
