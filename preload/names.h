/*
 * names.h - what a program calls its moments and snapshots, as numbers for the wire.
 */
#pragma once

#include <stdint.h>

/* The number of a name: the one that it has, or a new one. 0: it is NULL or "", or
 * there is no more room. Takes no lock, and no time that depends on others. */
uint32_t names_number(void *base, const char *text);
