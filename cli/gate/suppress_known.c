/*
 * suppress_known.c - blocks of libraries and shells that are never freed by their makers'
 * intent, each with who says so. What libc, the loader and C++'s runtime do on their own
 * account is no leak in the first place: cli/report/runtime.c.
 */
#include "cli/gate/suppress_rules.h"

#include <errno.h>
#include <string.h>

enum {
	KEPT = 1u << LEAK_REACHABLE | 1u << LEAK_UNSCANNED,
	LOST = 1u << LEAK_DEFINITE | 1u << LEAK_CYCLE | 1u << LEAK_INDIRECT |
	       1u << LEAK_POSSIBLE,
};

/* Whoever calls these gets nothing that could be freed; so a block allocated below one
 * of them is its own. Mostly reachable, or never freed where nobody could look. */
static const struct known {
	const char *name, *reason, *module;
	uint32_t kinds;
	const char *functions[8]; /* patterns for whole names */
} known[] = {
	{"libc's locale data",
	 "setlocale keeps the locales that it read; only __libc_freeres gives them "
	 "back "
	 "(glibc: locale/setlocale.c, malloc/set-freeres.c)",
	 "libc.so*",
	 KEPT,
	 {"setlocale"}},
	{"libc's time zone",
	 "tzset keeps the zone's rules for the process; only __libc_freeres gives them "
	 "back (glibc: time/tzset.c, time/tzfile.c)",
	 "libc.so*",
	 KEPT,
	 {"*tzset", "__tz*", "*mktime", "*strftime*"}},
	{"libc's name services",
	 "getpwnam and its like keep the services' modules, their configuration and "
	 "the "
	 "last answer; only __libc_freeres gives them back (glibc: nss/nsswitch.c, "
	 "nss/nss_module.c, nss/getXXbyYY.c)",
	 "libc.so*",
	 KEPT,
	 {"getpw*", "getgr*", "getserv*", "getproto*", "gethostby*"}},
	{"libc's message catalogues",
	 "bindtextdomain and gettext keep domains and translations for the process; "
	 "only "
	 "__libc_freeres gives them back (glibc: intl/bindtextdom.c, "
	 "intl/dcigettext.c)",
	 "libc.so*",
	 KEPT,
	 {"*textdomain*", "*gettext"}},
	{"GObject's types",
	 "a type that is registered statically stays registered: nothing unregisters "
	 "it (GLib: gobject/gtype.c, g_type_register_static)",
	 "libgobject-2.0.so*",
	 KEPT,
	 {"g_type_register_*", "g_type_add_interface_static",
	  "g_*_type_register_static", "g_enum_register_static",
	  "g_flags_register_static"}},
	{"GLib's quarks",
	 "a string that became a quark stays one: its number is good for the process's "
	 "life (GLib: glib/gquark.c)",
	 "libglib-2.0.so*",
	 KEPT,
	 {"g_quark_from_*", "g_intern_*"}},
	{"ncurses' terminal",
	 "descriptions of terminals and screens are kept for the process; only builds "
	 "with --disable-leaks give them back (ncurses: curs_memleaks(3X))",
	 "libtinfo.so*",
	 KEPT,
	 {"*setupterm", "tgetent*"}},
	{"ncurses' screens",
	 "as its descriptions of terminals (ncurses: curs_memleaks(3X))",
	 "libncurses*.so*",
	 KEPT,
	 {"newterm*", "initscr"}},
	{"bash's last command",
	 "exit jumps out of the command that it is part of, and only the reader's frame "
	 "held what that was parsed into (bash: eval.c, reader_loop; builtins/exit.def)",
	 "bash",
	 KEPT | LOST,
	 {"read_command"}},
};

/* "..." and a frame of that function. */
static int add(struct suppress *s, const struct known *k, const char *function)
{
	struct suppress_frame dots = {true, SUPPRESS_NONE, SUPPRESS_NONE}, frame = {0};
	struct suppress_rule rule = {
		.name = k->name,
		.file = "(built in)",
		.reason = k->reason,
		.kinds = k->kinds,
		.max_blocks = UINT64_MAX,
		.max_bytes = UINT64_MAX,
		.first = (uint32_t)s->frame_count,
		.count = 2,
		.builtin = true,
	};
	int r = suppress_add_pattern(s, SUPPRESS_FUNCTION, function, strlen(function),
				     0, &frame.pattern);

	if (!r)
		r = suppress_add_pattern(s, SUPPRESS_MODULE, k->module,
					 strlen(k->module), 0, &frame.module);
	if (!r)
		r = suppress_add_frame(s, dots);
	if (!r)
		r = suppress_add_frame(s, frame);
	return r ? r : suppress_add_rule(s, &rule);
}

int suppress_add_known(struct suppress *s)
{
	int r = 0;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		for (size_t k = 0; k < 8 && known[i].functions[k] && !r; k++)
			r = add(s, &known[i], known[i].functions[k]);
	return r == -E2BIG ? 0 : r; /* files had more than there is room for */
}
