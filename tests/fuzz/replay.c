/*
 * replay.c - what stands in for libFuzzer where there is none: a fixed run of made-up
 * inputs through a harness, so that the ordinary test suite compiles, links and runs
 * each of them.
 *
 *	HARNESS [INPUTS]	how many; else 3000
 *	HARNESS FILE...		these inputs: what libFuzzer found, to be looked at
 */
#include "cli/base/cleanup.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
			       unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

enum { INPUTS = 3000, ROOM = 1 << 16, FRESH = 10 };

static uint64_t state = 1;

static uint32_t below(size_t n)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return n ? (uint32_t)((state >> 33) % n) : 0;
}

/* A few bytes changed; now and then the end cut off. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size)
{
	(void)max_size;
	if (size > 1 && !below(20))
		size = 1 + below(size);
	for (uint32_t n = 1 + below(4); size && n; n--)
		data[below(size)] = (uint8_t)below(256);
	return size;
}

/* From an input that is as long as its memory, so that a sanitizer sees its end. */
static void try(const uint8_t *data, size_t size)
{
	_cleanup_(freep) uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		exit(1);
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
}

static int try_file(const char *path)
{
	_cleanup_(fclosep) FILE *in = fopen(path, "r");
	static uint8_t data[16 << 20];

	if (!in) {
		perror(path);
		return 1;
	}
	try(data, fread(data, 1, sizeof(data), in));
	return 0;
}

/* Every tenth is a fresh one, by the mutator; the others are made of the one before. */
static int try_many(long inputs)
{
	static uint8_t data[ROOM];
	size_t size = 0;

	try(data, 0);
	for (long i = 0; i < inputs; i++) {
		if (i % FRESH == 0)
			size = LLVMFuzzerCustomMutator(data, 0, sizeof(data),
						       256 * (unsigned int)(i / FRESH));
		else
			size = LLVMFuzzerMutate(data, size, sizeof(data));
		try(data, size);
	}
	printf("%ld inputs\n", inputs);
	return 0;
}

int main(int argc, char **argv)
{
	int failed = 0;

	if (argc < 2 || access(argv[1], F_OK))
		return try_many(argc < 2 ? INPUTS : atol(argv[1]));
	for (int i = 1; i < argc; i++)
		failed |= try_file(argv[i]);
	return failed;
}
