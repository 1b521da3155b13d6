/* api.c - what heapline.h offers to programs. */
#include "preload/heapline.h"

#include "preload/session.h"

__attribute__((visibility("default"))) int heapline_recording(void)
{
	/* relaxed: an answer about now. */
	return session_identity &&
	       atomic_load_explicit(&session_identity->serial, memory_order_relaxed) &&
	       atomic_load_explicit(&session_header()->recording,
				    memory_order_relaxed) == WIRE_RECORDING;
}
