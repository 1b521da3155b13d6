// Lambdas: one called at once, one through a pointer, one kept in a std::function.
#include <cstdlib>
#include <functional>

static void *(*volatile through)(size_t);

int main()
{
	size_t bytes = 100;
	auto direct = [&] {
		return malloc(bytes);
	};
	through = [](size_t n) { return malloc(2 * n); };
	std::function<void *(int)> held = [bytes](int n) -> void * {
		return malloc(n * bytes);
	};

	free(direct());
	free(through(100));
	free(held(3));
	free(held(4));
	return 0;
}
