/*
 * profile_mutate.h - libFuzzer's mutator for files of profiles, and their last byte:
 * odd, checksums are not looked at. Included once by each fuzzer.
 */
#pragma once

#include "tests/unit/profile_walk.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
			       unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/* A fresh profile of one to three updates, most of its chunks not deflated. */
static size_t make_file(uint8_t *data, size_t max_size, unsigned int seed)
{
	struct make m = {.state = seed, .size = 1 + seed % 23};
	struct profile *p = profile_new();
	struct profile_writer *w = NULL;
	int fd = memfd_create("profile", MFD_CLOEXEC);
	ssize_t n = 0;

	walk_expect(p && profile_writer_open(dup(fd), &w) == 0, "no writer");
	profile_writer_level(w, seed % 5 ? 0 : 6);
	for (unsigned int i = 0; i <= seed / 32 % 3; i++) {
		make_more(&m, p);
		walk_expect(profile_writer_update(w, p) == 0, "a failed update");
	}
	if (profile_writer_bytes(w) < max_size)
		n = pread(fd, data, max_size - 1, 0);
	profile_writer_close(w);
	profile_close(p);
	close(fd);
	data[n] = 1;
	return (size_t)n + 1;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
			       unsigned int seed)
{
	if (max_size && (seed % 256 == 0 || size < FORMAT_FILE_HEADER_BYTES))
		return make_file(data, max_size, seed / 256);
	return LLVMFuzzerMutate(data, size, max_size);
}
