/* api.c - what heapline.h offers to programs. */
#include "preload/heapline.h"

#include "preload/session.h"

__attribute__((visibility("default"))) int heapline_recording(void)
{
	uint32_t recording;

	/* relaxed: an answer about now. */
	if (!session_identity ||
	    !atomic_load_explicit(&session_identity->serial, memory_order_relaxed))
		return 0;
	recording = atomic_load_explicit(&session_header()->recording,
					 memory_order_relaxed);
	return recording == WIRE_RECORDING || recording == WIRE_ASKING;
}
