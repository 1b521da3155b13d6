/* bump_new.cc - what makes bump_shim.c an allocator with operators new and delete of its
 * own, as jemalloc, tcmalloc and mimalloc are: they reach no malloc that can be seen. */
#include <cstdlib>
#include <new>

extern "C" __attribute__((visibility("hidden"))) void *bump_take(std::size_t alignment,
								 std::size_t bytes);

static void *take(std::size_t bytes, std::size_t alignment)
{
	void *p = bump_take(alignment < 16 ? 16 : alignment, bytes);

	if (!p)
		throw std::bad_alloc();
	return p;
}

static void *take_or_null(std::size_t bytes, std::size_t alignment) noexcept
{
	/* As libstdc++'s: so the two allocate alike. */
	try {
		return take(bytes, alignment);
	} catch (const std::bad_alloc &) {
		return nullptr;
	}
}

#define SIZE std::size_t
#define ALIGN std::align_val_t
#define NOTHROW const std::nothrow_t &

void *operator new(SIZE n) { return take(n, 16); }
void *operator new[](SIZE n) { return take(n, 16); }
void *operator new(SIZE n, ALIGN a) { return take(n, SIZE(a)); }
void *operator new[](SIZE n, ALIGN a) { return take(n, SIZE(a)); }
void *operator new(SIZE n, NOTHROW) noexcept { return take_or_null(n, 16); }
void *operator new[](SIZE n, NOTHROW) noexcept { return take_or_null(n, 16); }
void *operator new(SIZE n, ALIGN a, NOTHROW) noexcept { return take_or_null(n, SIZE(a)); }
void *operator new[](SIZE n, ALIGN a, NOTHROW) noexcept { return take_or_null(n, SIZE(a)); }

void operator delete(void *) noexcept {}
void operator delete[](void *) noexcept {}
void operator delete(void *, SIZE) noexcept {}
void operator delete[](void *, SIZE) noexcept {}
void operator delete(void *, NOTHROW) noexcept {}
void operator delete[](void *, NOTHROW) noexcept {}
void operator delete(void *, ALIGN) noexcept {}
void operator delete[](void *, ALIGN) noexcept {}
void operator delete(void *, SIZE, ALIGN) noexcept {}
void operator delete[](void *, SIZE, ALIGN) noexcept {}
void operator delete(void *, ALIGN, NOTHROW) noexcept {}
void operator delete[](void *, ALIGN, NOTHROW) noexcept {}
