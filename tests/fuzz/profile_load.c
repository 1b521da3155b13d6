/*
 * profile_load.c - any bytes as a profile, for libFuzzer. Run it as
 *
 *	fuzz_profile_load -max_len=65536 CORPUS
 *
 * An empty corpus will do: every so often the mutator makes a profile of its own, and
 * the fuzzer goes on from there. Checksums are looked at or not by the last byte.
 */
#include "tests/fuzz/profile_mutate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct profile *p = NULL;
	char why[200];
	bool trusting;

	if (!size)
		return 0;
	trusting = data[--size] & 1;
	if (profile_load_bytes(data, size, trusting, &p, why, sizeof(why)) == 0) {
		walk(p);
		walk_again(p);
	} else {
		walk_expect(!p && *why, "an error without a word");
	}
	profile_close(p);
	return 0;
}
