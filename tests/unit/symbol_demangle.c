#include "tests/unit/symbol_help.h"

#include "cli/symbol/demangle.h"

#include <time.h>

static void expect(const char *linkage, const char *readable)
{
	char *text = demangle(linkage);

	assert_non_null(text);
	assert_string_equal(text, readable);
	free(text);
}

static void names_of_each_language_become_readable(void **state)
{
	(void)state;
	expect("_ZN5outer3topEi", "outer::top(int)");
	expect("_ZNSt6vectorIiSaIiEE9push_backERKi",
	       "std::vector<int, std::allocator<int> >::push_back(int const&)");
	expect("_ZZ4mainENKUlRiE_clES_",
	       "main::{lambda(int&)#1}::operator()(int&) const");
	expect("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE",
	       "core::fmt::Write::write_fmt");
	expect("_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$"
	       "GT$$GT$"
	       "3bar17h930b740aa94f1d3aE",
	       "<Test + 'static as foo::Bar<Test>>::bar");
	expect("_RNvCs4fqI2P2rA04_7mycrate3foo", "mycrate::foo");
	expect("_RINvNtC3std3mem8align_ofjdE", "std::mem::align_of::<usize, f64>");
}

static void names_that_are_not_mangled_are_left_alone(void **state)
{
	static const char *const names[] = {
		"",   "main",	"_start", "__libc_malloc", "_Z",	"_ZN",
		"_R", "_Dmain", "_Zebra", "_Rabbit",	   "malloc@plt"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_null(demangle(names[i]));
}

/* Each name of libstdc++, as c++filt of binutils prints it (-i: std::string is short).
 */
static void names_are_those_of_cxxfilt(void **state)
{
	char name[16384], theirs[65536];
	FILE *f, *filt;
	size_t count = 0;

	(void)state;
	if (!help_has("c++filt") || !help_has("nm"))
		skip();
	if (help_run(
		    "nm -D --defined-only $(${CXX:-c++} -print-file-name=libstdc++.so) "
		    "2>/dev/null | sed 's/.* //; s/@.*//' | grep ^_Z > \"$D/names\" && "
		    "c++filt -i < \"$D/names\" > \"$D/filt\""))
		skip();
	f = fopen(help_path("names"), "r");
	filt = fopen(help_path("filt"), "r");
	assert_non_null(f);
	assert_non_null(filt);
	while (fgets(name, sizeof(name), f) && fgets(theirs, sizeof(theirs), filt)) {
		char *ours;

		name[strcspn(name, "\n")] = '\0';
		theirs[strcspn(theirs, "\n")] = '\0';
		ours = demangle(name);
		assert_string_equal(ours ? ours : name, theirs);
		free(ours);
		count++;
	}
	assert_true(count > 1000);
	fclose(f);
	fclose(filt);
}

/* Of our own: others on the machine are none of this test's. */
static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* "f(pair<pair<...>>)", each level naming the one below twice: 2^40 names. */
static void names_that_unfold_without_end_are_left_alone(void **state)
{
	char name[4096] = "_Z1f1pIiiE";
	double start = seconds();
	char *text;

	(void)state;
	for (int i = 0; i < 36; i++) {
		char level[32], seq = (char)(i < 10 ? '0' + i : 'A' + i - 10);

		if (i == 35)
			break;
		snprintf(level, sizeof(level), "S_IS%c_S%c_E", seq, seq);
		strcat(name, level);
	}
	text = demangle(name);
	assert_true(!text || strlen(text) <= DEMANGLE_MAX_OUT);
	free(text);
	assert_true(seconds() - start < 5);
}

static void deep_names_do_not_exhaust_the_stack(void **state)
{
	static const char *const pieces[] = {"P",  "N",	     "I",  "1aI",  "K",
					     "F",  "XadL_Z", "R",  "DpT_", "M1a",
					     "A_", "St1aI",  "sr", "Dv4_"};
	char *name = malloc(DEMANGLE_MAX_IN + 64);

	(void)state;
	assert_non_null(name);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		char *at = stpcpy(name, i % 2 ? "_Z1f" : "_Z1fI");

		while (at - name < DEMANGLE_MAX_IN - 32)
			at = stpcpy(at, pieces[i]);
		stpcpy(at, "i");
		free(demangle(name));
		memcpy(name, "_RI", 3);
		free(demangle(name));
	}
	free(name);
}

/* Longer than libiberty's own limit, and yet a name that a program may well have. */
static void long_names_of_real_templates_are_read(void **state)
{
	char name[8192] = "_Z1f", want[16384] = "f(";
	char *text;

	(void)state;
	for (int i = 0; i < 300; i++) {
		char part[16];

		snprintf(part, sizeof(part), "6type%02d", i % 100);
		if (i >= 100)
			snprintf(part, sizeof(part), "7type%03d", i);
		strcat(name, part);
		strcat(want, i ? ", " : "");
		strcat(want, part + 1);
	}
	strcat(want, ")");
	text = demangle(name);
	assert_non_null(text);
	assert_string_equal(text, want);
	free(text);
}

static void mutated_names_are_survived(void **state)
{
	static const char *const seeds[] = {
		"_ZNSt8_Rb_treeISsSt4pairIKSsiESt10_Select1stIS2_ESt4lessISsESaIS2_EE"
		"14_M_insert_uniqueIS2_EES0_ISt17_Rb_tree_iteratorIS2_EbEOT_",
		"_ZZ4mainENKUlT_E_clIiEEDaS_",
		"_RNvMs_NtNtCs3f4cEs_3foo3bar3bazNtB4_3Qux3new",
		"_RINvNtC3std3mem8align_ofRNvYNCINkXs25_NgCsbmNqQUJIY6D_"
		"4core5sliceINyB9_4IterhE"
		"NuNgNoBb_4iter8iterator8Iterator9rpositionNCNgNpB9_6memchr7memrchrs_"
		"0E0Bb_E",
		"_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE",
	};
	double start = seconds();

	(void)state;
	srand(3);
	for (int round = 0; round < 60000; round++) {
		char name[512];
		size_t len;

		strcpy(name, seeds[(size_t)rand() % (sizeof(seeds) / sizeof(*seeds))]);
		len = strlen(name);
		for (int i = rand() % 6; i >= 0; i--)
			name[2 + (size_t)rand() % (len - 2)] = (char)(33 + rand() % 94);
		if (rand() % 4 == 0)
			name[2 + (size_t)rand() % (len - 2)] = '\0';
		free(demangle(name));
	}
	assert_true(seconds() - start < 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_each_language_become_readable),
		cmocka_unit_test(names_that_are_not_mangled_are_left_alone),
		cmocka_unit_test(names_are_those_of_cxxfilt),
		cmocka_unit_test(names_that_unfold_without_end_are_left_alone),
		cmocka_unit_test(deep_names_do_not_exhaust_the_stack),
		cmocka_unit_test(long_names_of_real_templates_are_read),
		cmocka_unit_test(mutated_names_are_survived),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}
