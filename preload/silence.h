/*
 * silence.h - whether what this thread allocates is to be ignored by leak checks
 * (heapline_disable()).
 */
#pragma once

#include "preload/hidden.h"

#include <stdint.h>

/* How deep; 0: it counts. */
extern HIDDEN __thread uint32_t silence_thread
	__attribute__((tls_model("initial-exec")));
