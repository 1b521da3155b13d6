#include "preload/farewell.h"

#include "preload/session.h"
#include "preload/stand.h"

void farewell(uintptr_t sp)
{
	if (session_on() && session.flags & WIRE_SCAN_AT_EXIT)
		stand(WIRE_SCAN_AT_END, 0, sp);
}
