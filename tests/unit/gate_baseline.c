#include "tests/unit/unit.h"

#include "cli/gate/baseline.h"
#include "tests/unit/report_views.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER "# heapline baseline 1\n"

static void load(struct baseline *b, const char *text)
{
	char why[300] = "";

	if (baseline_parse(b, "f", text, strlen(text), why, sizeof(why)))
		fail_msg("%s: %s", text, why);
}

static void refused(const char *text, const char *where, const char *word)
{
	struct baseline b;
	char why[300] = "";

	assert_int_equal(
		baseline_parse(&b, "dir/f", text, strlen(text), why, sizeof(why)),
		-EINVAL);
	baseline_done(&b);
	if (strncmp(why, where, strlen(where)) != 0 || !strstr(why, word))
		fail_msg("%s: %s", text, why);
}

static void lines_are_read_in_any_order_and_written_by_their_words(void **state)
{
	struct baseline b;
	char *text;

	(void)state;
	load(&b, HEADER "\n# a remark\r\n"
			"00000000000000ff 3 96 z < main (demo)  \r\n"
			"0000000000000001 1 8 b c\n"
			"fffffffffffffff0 2 16 a\n"
			"0000000000000002 1 8 b c");
	assert_int_equal(b.count, 4);
	assert_int_equal(baseline_find(&b, 0xff)->bytes, 96);
	assert_null(baseline_find(&b, 0xfe));
	text = REPORT_TEXT(baseline_text(&b, out));
	assert_string_equal(text, HEADER
			    "# Leaks that may stay as they are: fingerprint, blocks, "
			    "bytes, where.\n"
			    "fffffffffffffff0 2 16 a\n"
			    "0000000000000001 1 8 b c\n"
			    "0000000000000002 1 8 b c\n"
			    "00000000000000ff 3 96 z < main (demo)\n");
	free(text);
	baseline_done(&b);
}

static void lines_of_two_branches_go_together(void **state)
{
	struct baseline b;

	(void)state;
	load(&b, HEADER "00000000000000ff 3 96 f\n00000000000000ff 5 80 f\n");
	assert_int_equal(b.count, 1);
	assert_int_equal(b.entries[0].blocks, 5);
	assert_int_equal(b.entries[0].bytes, 96);
	baseline_done(&b);
}

static void what_is_wrong_is_told_with_file_and_line(void **state)
{
	static char big[BASELINE_LINE + 200] = HEADER;

	(void)state;
	refused("", "dir/f:1: ", "empty");
	refused("{}\n", "dir/f:1: ", "not a baseline");
	refused("# heapline baseline 10\n", "dir/f:1: ", "not a baseline");
	refused(HEADER "x\n", "dir/f:2: ", "not a fingerprint");
	refused(HEADER "00000000000000ff\n", "dir/f:2: ", "not a fingerprint");
	refused(HEADER "00000000000000FF 1 1 f\n", "dir/f:2: ", "not a fingerprint");
	refused(HEADER "0000000000000000 1 1 f\n", "dir/f:2: ", "not a fingerprint");
	refused(HEADER "\n00000000000000ff -1 1 f\n", "dir/f:3: ", "not a fingerprint");
	refused(HEADER "00000000000000ff 1 99999999999999999999 f\n",
		"dir/f:2: ", "not a fingerprint");
	refused(HEADER "<<<<<<< HEAD\n", "dir/f:2: ", "both sides");
	refused(HEADER "=======", "dir/f:2: ", "both sides");
	memset(big + strlen(HEADER), '#', BASELINE_LINE + 1);
	refused(big, "dir/f:2: ", "more than 4096");
}

/* ---- findings -------------------------------------------------------------------- */

static void random_findings(struct make *m, const struct profile *p,
			    struct finding *items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		items[i] = (struct finding){
			.kind = make_below(m, LEAK_KINDS),
			.stack = make_below(m, p->stack_count),
			.blocks = 1 + make_below(m, 5),
			.bytes = 1 + make_below(m, 100),
		};
}

static void entries_hold_what_the_findings_of_their_kinds_do(void **state)
{
	struct make m = {0};

	(void)state;
	for (int round = 0; round < unit_rounds(300); round++) {
		struct profile *p = views_profile(&m);
		struct finding items[50];
		struct findings f = {.items = items, .count = 50};
		uint32_t kinds = make_below(&m, 1u << LEAK_KINDS);
		uint64_t prints[50], blocks = 0, bytes = 0;
		struct baseline b;

		random_findings(&m, p, items, 50);
		assert_int_equal(baseline_of(p, &f, kinds, &b, prints), 0);
		for (size_t i = 0; i < b.count; i++) {
			uint64_t own = 0;

			for (size_t k = 0; k < 50; k++)
				if (kinds & 1u << items[k].kind &&
				    prints[k] == b.entries[i].print)
					own += items[k].bytes;
			assert_int_equal(b.entries[i].bytes, own);
			assert_true(own > 0);
			assert_true(!i || b.entries[i - 1].print < b.entries[i].print);
			blocks += b.entries[i].blocks;
			bytes += own;
		}
		for (size_t k = 0; k < 50; k++)
			if (kinds & 1u << items[k].kind) {
				blocks -= items[k].blocks;
				bytes -= items[k].bytes;
			}
		assert_int_equal(blocks, 0);
		assert_int_equal(bytes, 0);
		baseline_done(&b);
		profile_close(p);
	}
}

static void what_is_written_is_read_back(void **state)
{
	struct make m = {.state = 3};

	(void)state;
	for (int round = 0; round < unit_rounds(200); round++) {
		struct profile *p = views_profile(&m);
		struct finding items[50];
		struct findings f = {.items = items, .count = 50};
		struct baseline b, c;
		char *text;

		random_findings(&m, p, items, 50);
		assert_int_equal(baseline_of(p, &f, ~0u, &b, NULL), 0);
		text = REPORT_TEXT(baseline_text(&b, out));
		load(&c, text);
		assert_int_equal(b.count, c.count);
		for (size_t i = 0; i < b.count; i++) {
			assert_true(b.entries[i].print == c.entries[i].print);
			assert_true(b.entries[i].blocks == c.entries[i].blocks);
			assert_true(b.entries[i].bytes == c.entries[i].bytes);
		}
		free(text);
		baseline_done(&b);
		baseline_done(&c);
		profile_close(p);
	}
}

/* ---- then and now ------------------------------------------------------------------
 */

static void a_line_that_ends_in_zeros_is_no_text(void **state)
{
	static const char text[] = HEADER "00000000000000ff 1 1 f\0\0\n";
	struct baseline b;
	char why[300] = "";

	(void)state;
	assert_int_equal(
		baseline_parse(&b, "f", text, sizeof(text) - 1, why, sizeof(why)),
		-EINVAL);
	assert_string_equal(why, "f:2: not a text file");
	baseline_done(&b);
}

static void random_baseline(struct make *m, struct baseline *b)
{
	char text[4000] = HEADER;
	size_t at = strlen(text);

	for (uint32_t i = 1; i <= 20; i++)
		if (make_below(m, 2))
			at += (size_t)snprintf(text + at, sizeof(text) - at,
					       "%016x %u %u f\n", i, make_below(m, 3),
					       make_below(m, 3));
	load(b, text);
}

static void new_grown_fixed_and_unchanged_are_told_apart(void **state)
{
	struct baseline was, now;
	struct baseline_sum sum;

	(void)state;
	load(&was, HEADER "0000000000000001 2 20 f\n0000000000000002 2 20 f\n"
			  "0000000000000003 2 20 f\n0000000000000004 2 20 f\n"
			  "0000000000000005 2 20 f\n");
	load(&now, HEADER "0000000000000001 2 20 f\n0000000000000002 3 10 f\n"
			  "0000000000000003 1 21 f\n0000000000000004 1 20 f\n"
			  "0000000000000006 1 1 f\n");
	assert_int_equal(baseline_state(&was, &now, 1), BASELINE_UNCHANGED);
	assert_int_equal(baseline_state(&was, &now, 2), BASELINE_GROWN);
	assert_int_equal(baseline_state(&was, &now, 3), BASELINE_GROWN);
	assert_int_equal(baseline_state(&was, &now, 4), BASELINE_UNCHANGED);
	assert_int_equal(baseline_state(&was, &now, 5), BASELINE_FIXED);
	assert_int_equal(baseline_state(&was, &now, 6), BASELINE_NEW);
	sum = baseline_sum(&was, &now);
	assert_int_equal(sum.states[BASELINE_NEW], 1);
	assert_int_equal(sum.states[BASELINE_GROWN], 2);
	assert_int_equal(sum.states[BASELINE_UNCHANGED], 2);
	assert_int_equal(sum.states[BASELINE_FIXED], 1);
	assert_int_equal(sum.shrunk, 1);
	baseline_done(&was);
	baseline_done(&now);
}

static void a_ratchet_never_allows_more_and_accept_allows_what_there_is(void **state)
{
	struct make m = {.state = 9};

	(void)state;
	for (int round = 0; round < unit_rounds(3000); round++) {
		struct baseline was, now, next, all;

		random_baseline(&m, &was);
		random_baseline(&m, &now);
		assert_int_equal(baseline_next(&was, &now, false, &next), 0);
		assert_int_equal(baseline_next(&was, &now, true, &all), 0);
		for (uint64_t print = 1; print <= 20; print++) {
			const struct baseline_entry *w = baseline_find(&was, print),
						    *n = baseline_find(&now, print),
						    *x = baseline_find(&next, print);

			assert_int_equal(!!x, w && n);
			if (x) {
				assert_true(x->blocks <= w->blocks);
				assert_true(x->bytes <= w->bytes);
				assert_true(x->blocks <= n->blocks);
				/* What failed before fails again. */
				assert_int_equal(baseline_state(&next, &now, print),
						 baseline_state(&was, &now, print));
			}
			if (n)
				assert_int_equal(baseline_state(&all, &now, print),
						 BASELINE_UNCHANGED);
		}
		assert_int_equal(all.count, now.count);
		baseline_done(&was);
		baseline_done(&now);
		baseline_done(&next);
		baseline_done(&all);
	}
}

static void a_file_is_replaced_whole_and_keeps_its_permissions(void **state)
{
	char dir[] = "/tmp/heapline-baseline-XXXXXX", path[100], link[100], why[200];
	struct baseline b, c;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/b", dir);
	snprintf(link, sizeof(link), "%s/l", dir);
	load(&b, HEADER "0000000000000001 2 20 f\n");
	assert_int_equal(baseline_read(&c, path, why, sizeof(why)), -ENOENT);
	umask(027);
	assert_int_equal(baseline_write(&b, path), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	umask(022);
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(baseline_write(&b, link), 0);
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(baseline_read(&c, path, why, sizeof(why)), 0);
	assert_int_equal(c.count, 1);
	unlink(path);
	unlink(link);
	assert_int_equal(rmdir(dir), 0); /* nothing was left beside it */
	assert_int_equal(baseline_write(&b, path), -ENOENT);
	baseline_done(&b);
	baseline_done(&c);
}

/* Whatever the bytes: it ends, with a place and a clause if it refuses them. */
static void any_bytes_come_to_an_end(void **state)
{
	static const char start[] = HEADER "# x\n00000000000000ff 3 96 f < g (demo)\n"
					   "0000000000000001 1 8 b c\n",
			  letters[] = "09af<=># \n\r\t-\xff";
	int good = 0;

	(void)state;
	srand(3);
	for (int i = 0; i < unit_rounds(100000); i++) {
		size_t len =
			rand() % 3 ? sizeof(start) - 1 : (size_t)rand() % sizeof(start);
		char *text = malloc(len + 1), why[300] = "";
		struct baseline b;
		int r;

		memcpy(text, start, len);
		for (int n = rand() % 3; n && len; n--)
			text[(size_t)rand() % len] =
				letters[(size_t)rand() % (sizeof(letters) - 1)];
		r = baseline_parse(&b, "f", text, len, why, sizeof(why));
		assert_true(r == 0 || (r == -EINVAL && !strncmp(why, "f:", 2)));
		good += r == 0;
		baseline_done(&b);
		free(text);
	}
	assert_true(good > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			lines_are_read_in_any_order_and_written_by_their_words),
		cmocka_unit_test(lines_of_two_branches_go_together),
		cmocka_unit_test(what_is_wrong_is_told_with_file_and_line),
		cmocka_unit_test(a_line_that_ends_in_zeros_is_no_text),
		cmocka_unit_test(entries_hold_what_the_findings_of_their_kinds_do),
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(new_grown_fixed_and_unchanged_are_told_apart),
		cmocka_unit_test(
			a_ratchet_never_allows_more_and_accept_allows_what_there_is),
		cmocka_unit_test(a_file_is_replaced_whole_and_keeps_its_permissions),
		cmocka_unit_test(any_bytes_come_to_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
