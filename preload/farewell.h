/*
 * farewell.h - at its end, a process stands still for the collector to read its memory.
 *
 * Only where that was asked for (WIRE_SCAN_AT_EXIT), and never for long: the wait ends
 * when the collector is done, dead or silent, or after header.scan_wait_ms. Other
 * threads run on meanwhile, until they are stopped to be read. Signals wait.
 */
#pragma once

#include <stdint.h>

/* The calling thread ends the process. sp: stack below is of the exit itself; 0: who
 * knows. Once a process: a second call returns when the first does. Takes no lock,
 * allocates nothing, keeps errno. */
void farewell(uintptr_t sp);
