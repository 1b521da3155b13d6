/*
 * stand.h - a thread stands still until the collector has read the process's memory, or
 * has found what it was asked.
 *
 * Never for long: the wait ends when the collector is done, dead or silent, or after
 * header.scan_wait_ms. Other threads run on until they are stopped to be read. Signals
 * wait. One thread of a process at a time; the others wait for their turn.
 */
#pragma once

#include "preload/wire.h"

/* name: of names.h, 0 none. sp: of who ends the process, stack below is of the exit
 * itself; 0: who knows. The collector's answer, or -1: it was not read. At the end of
 * the process, once: a second call returns when the first does. Takes no lock,
 * allocates nothing, keeps errno. */
int64_t stand(enum wire_scan_kind kind, uint32_t name, uintptr_t sp);
