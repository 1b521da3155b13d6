#include "preload/altstack.h"

#include "preload/wire.h"

#include <stdbool.h>

static __thread struct wire_altstack own __attribute__((tls_model("initial-exec")));
static _Atomic bool used;

/* relaxed throughout: whoever reads it has stopped this thread. A compiler may not
 * move the call in between. */
void altstack_begin(void)
{
	atomic_store_explicit(&used, true, memory_order_relaxed);
	atomic_store_explicit(&own.changing, 1, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

void altstack_end(const stack_t *is)
{
	atomic_signal_fence(memory_order_seq_cst);
	if (is) {
		bool none = is->ss_flags & SS_DISABLE;

		atomic_store_explicit(&own.start, none ? 0 : (uintptr_t)is->ss_sp,
				      memory_order_relaxed);
		atomic_store_explicit(&own.bytes, none ? 0 : is->ss_size,
				      memory_order_relaxed);
		atomic_store_explicit(&own.flags, (uint32_t)is->ss_flags,
				      memory_order_relaxed);
	}
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&own.changing, 0, memory_order_relaxed);
}

int64_t altstack_at(void)
{
	if (!atomic_load_explicit(&used, memory_order_relaxed))
		return 0;
	return (int64_t)((uintptr_t)&own - (uintptr_t)__builtin_thread_pointer());
}
