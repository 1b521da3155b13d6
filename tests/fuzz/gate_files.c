/*
 * gate_files.c - any bytes as suppressions, a baseline or a gate file, for libFuzzer:
 * the first byte says as which. What is taken is used; what is refused has a place and a
 * clause. Run it as
 *
 *	fuzz_gate_files -max_len=4096 CORPUS
 */
#include "cli/gate/baseline.h"
#include "cli/gate/gatefile.h"
#include "cli/gate/suppress.h"
#include "tests/unit/report_make.h"

#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
			       unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

static void expect(bool is, const char *what)
{
	if (is)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static void expect_said(int r, const char *why)
{
	expect(r == 0 || (r == -EINVAL && !strncmp(why, "f:", 2)), why);
}

/* Every stack of the example, as every kind. */
static void match_all(struct suppress *s)
{
	struct profile *p = report_example();
	struct suppress_matcher *m = suppress_bind(s, p);

	for (uint32_t i = 0; i < p->stack_count; i++)
		for (enum leak_kind kind = 0; kind < LEAK_KINDS; kind++) {
			uint32_t rule = suppress_matched(m, p, 0, i, kind);

			expect(rule == FINDING_NONE || rule < s->count, "no rule");
		}
	suppress_unbind(m);
	profile_close(p);
}

static void as_suppressions(const char *text, size_t len)
{
	struct suppress s;
	char why[512] = "";

	suppress_init(&s);
	expect_said(suppress_add(&s, "f", text, len, why, sizeof(why)), why);
	match_all(&s);
	suppress_done(&s);
}

/* What is written of it is read as the same. */
static void as_baseline(const char *text, size_t len)
{
	struct baseline b, again;
	char why[512] = "", *out = NULL;
	size_t size = 0;
	int r = baseline_parse(&b, "f", text, len, why, sizeof(why));
	FILE *f = open_memstream(&out, &size);

	expect_said(r, why);
	baseline_text(&b, f);
	fclose(f);
	if (!r) {
		expect(!baseline_parse(&again, "f", out, size, why, sizeof(why)), why);
		expect(again.count == b.count, "entries went");
		baseline_done(&again);
	}
	free(out);
	baseline_done(&b);
}

static int give(void *context, const char *value)
{
	size_t *bytes = context;

	*bytes += value ? strlen(value) : 0;
	return 0;
}

static void as_gate_file(const char *text, size_t len)
{
	struct toml t;
	char why[512] = "";
	unsigned line;
	size_t bytes = 0;
	int r = toml_parse(&t, text, len, why, sizeof(why), &line);

	if (!r)
		r = gatefile_check(&t, why, sizeof(why), &line);
	expect(r == 0 || (r == -EINVAL && *why && line), why);
	for (size_t i = 0; i < t.count; i++)
		gatefile_values(&t.entries[i], give, &bytes);
	toml_done(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;

	if (!size)
		return 0;
	switch (data[0] % 3) {
	case 0:
		as_suppressions(text, size - 1);
		break;
	case 1:
		as_baseline(text, size - 1);
		break;
	default:
		as_gate_file(text, size - 1);
	}
	return 0;
}

/* An empty input becomes one that is in order, of each kind in turn. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
			       unsigned int seed)
{
	static const char *const whole[] = {
		"0leak:parse_*\nleak:^main$\n",
		"0{\n  name\n  Memcheck:Leak\n  match-leak-kinds: definite\n"
		"  fun:malloc\n  ...\n  obj:*/libz.so*\n}\n",
		"0[[suppression]]\nreason = \"known\"\nstack = [\"fun:a in b\", "
		"\"...\"]\n"
		"max-bytes = \"64K\"\nexpires = 2027-01-31\n",
		"1# heapline baseline 1\n0123456789abcdef definite 1 16 push (a) < "
		"main (a)\n",
		"2fail-on = \"definite\"\nmax-peak = [\"4M\", \"parse_*=1M\"]\n",
	};
	const char *text = whole[seed / 256 % (sizeof(whole) / sizeof(whole[0]))];

	if (size)
		return LLVMFuzzerMutate(data, size, max_size);
	if (strlen(text) > max_size)
		return 0;
	memcpy(data, text, strlen(text));
	return strlen(text);
}
