/*
 * python_value.h - what a Python object that can never change says, as one number: for
 * telling whether a line makes the same objects again and again.
 *
 * Known are texts, bytes, ints, floats and complex numbers, by the address of their type;
 * of these, those whose content lies in the object itself, is short, and is in one page
 * with all of it, as whatever may have been mistaken for an object must not lead beyond
 * what can be read.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { PYTHON_VALUE_BYTES = 256 }; /* of a longer one nothing is said */

/* p: a block of an object's allocator that is about to be freed, of 16 bytes or more. Equal
 * objects have equal numbers, below 1 << 48. False: nothing is known of it. */
bool python_value(const void *p, uint64_t *ret);
