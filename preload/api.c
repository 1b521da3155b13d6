/*
 * api.c - what heapline.h offers to programs, and the same under the names of
 * LeakSanitizer's <sanitizer/lsan_interface.h>: programs written for that work with
 * heapline preloaded. One that has LeakSanitizer in it keeps its own.
 */
#include "preload/heapline.h"

#include "preload/hook.h"
#include "preload/names.h"
#include "preload/regions.h"
#include "preload/silence.h"
#include "preload/stand.h"

#include <stdbool.h>

#define API __attribute__((visibility("default")))

void __lsan_do_leak_check(void);
int __lsan_do_recoverable_leak_check(void);
void __lsan_ignore_object(const void *p);
void __lsan_disable(void);
void __lsan_enable(void);
void __lsan_register_root_region(const void *start, size_t bytes);
void __lsan_unregister_root_region(const void *start, size_t bytes);

static bool is_recorded(void)
{
	uint32_t recording;

	/* relaxed: an answer about now. */
	if (!session_identity ||
	    !atomic_load_explicit(&session_identity->serial, memory_order_relaxed))
		return false;
	recording = atomic_load_explicit(&session_header()->recording,
					 memory_order_relaxed);
	return recording == WIRE_RECORDING || recording == WIRE_ASKING;
}

/* A fork child that has recorded nothing yet becomes known by being asked. */
static bool records(struct hook_call call)
{
	struct hook h;

	if (is_recorded())
		return true;
	if (hook_enter_aside(&h, call))
		hook_leave(&h);
	return is_recorded();
}

API int heapline_recording(void)
{
	return records(HOOK_CALL);
}

/* ---- moments ------------------------------------------------------------- */

API void heapline_mark(const char *name)
{
	struct hook h;

	if (!records(HOOK_CALL) || !hook_enter_aside(&h, HOOK_CALL))
		return;
	hook_put(&h, WIRE_MARK, (void *)(uintptr_t)names_number(session.base, name), 0,
		 0);
	hook_leave(&h);
}

static int64_t ask(struct hook_call call, enum wire_scan_kind kind, const char *name)
{
	return records(call) ? stand(kind, names_number(session.base, name), 0) : -1;
}

API int heapline_snapshot(const char *name)
{
	return ask(HOOK_CALL, WIRE_SCAN_SNAPSHOT, name) < 0 ? -1 : 0;
}

/* ---- leaks --------------------------------------------------------------- */

API long heapline_leak_check(void)
{
	return (long)ask(HOOK_CALL, WIRE_SCAN_LEAKS, "leak check");
}

API void heapline_ignore(const void *p)
{
	struct hook h;

	if (!p || !hook_enter_aside(&h, HOOK_CALL))
		return;
	hook_put(&h, WIRE_IGNORE, p, 0, 0);
	hook_leave(&h);
}

API void heapline_disable(void)
{
	silence_thread++;
	if (thread_self && thread_is_ours(thread_self))
		thread_stir(thread_self);
}

API void heapline_enable(void)
{
	if (silence_thread)
		silence_thread--;
}

/* Where they are is said once there are any. */
API void heapline_root_region(const void *start, size_t bytes)
{
	struct wire_process *own;

	if (!regions_add(start, bytes))
		return;
	own = session_own_slot();
	if (own)
		own->regions = regions_at();
}

API void heapline_root_region_end(const void *start, size_t bytes)
{
	regions_remove(start, bytes);
}

/* ---- pools --------------------------------------------------------------- */

API void heapline_pool_create(const void *pool)
{
	struct hook h;

	if (!pool || !hook_enter_aside(&h, HOOK_CALL))
		return;
	hook_put(&h, WIRE_POOL_CREATE, pool, 0, 0);
	hook_leave(&h);
}

API void heapline_pool_destroy(const void *pool)
{
	struct hook h;

	if (!pool || !hook_enter_aside(&h, HOOK_CALL))
		return;
	hook_put(&h, WIRE_POOL_DESTROY, pool, 0, hook_free_stack(&h));
	hook_leave(&h);
}

API void heapline_alloc(const void *pool, const void *p, size_t bytes)
{
	struct hook h;

	if (!pool || !p || !hook_enter_aside(&h, HOOK_CALL))
		return;
	thread_put_chunk(h.thread, WIRE_POOL_ALLOC, pool, p, bytes, hook_stack(&h));
	if (silence_thread)
		hook_put(&h, WIRE_IGNORE, p, 0, 0);
	hook_leave(&h);
}

API void heapline_free(const void *pool, const void *p)
{
	struct hook h;

	if (!pool || !p || !hook_enter_aside(&h, HOOK_CALL))
		return;
	thread_put_chunk(h.thread, WIRE_POOL_FREE, pool, p, 0, hook_free_stack(&h));
	hook_leave(&h);
}

/* ---- as LeakSanitizer has it --------------------------------------------- */

/* There, a leak ends the process. Here it goes on: who records it judges. */
API void __lsan_do_leak_check(void)
{
	heapline_leak_check();
}

API int __lsan_do_recoverable_leak_check(void)
{
	return heapline_leak_check() > 0;
}

API void __lsan_ignore_object(const void *p)
{
	heapline_ignore(p);
}

API void __lsan_disable(void)
{
	heapline_disable();
}

API void __lsan_enable(void)
{
	heapline_enable();
}

API void __lsan_register_root_region(const void *start, size_t bytes)
{
	heapline_root_region(start, bytes);
}

API void __lsan_unregister_root_region(const void *start, size_t bytes)
{
	heapline_root_region_end(start, bytes);
}
