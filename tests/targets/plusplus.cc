/*
 * plusplus.cc - C++: all forms of new and delete, containers, thread_local objects,
 * exceptions thrown through frames that own memory, and static objects.
 *
 * Leak-free, but for one array of 12,345 bytes.
 */
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace
{
struct alignas(128) wide {
	char bytes[300];
};

struct owner {
	std::string text;
	explicit owner(const char *t) : text(t)
	{
		text.append(200, 'x');
	}
	~owner()
	{
		std::string last = text + text;
		if (last.size() != 2 * text.size())
			std::abort();
	}
};

owner global("a static object that allocates before and after main");
thread_local owner local("a thread_local object that allocates in each thread");

void forms()
{
	delete new int(1);
	delete[] new long[1000];
	delete new wide;	/* aligned */
	delete[] new wide[7];
	::operator delete(::operator new(77), std::size_t(77)); /* sized */
	/* (libstdc++ before 14 asks for whole multiples of the alignment.) */
	::operator delete(::operator new(768, std::align_val_t(256)), 768,
			  std::align_val_t(256));
	::operator delete(::operator new(10, std::nothrow), std::nothrow);
	void *volatile none =
		::operator new(std::size_t(-1) / 2 - 100, std::nothrow);
	std::printf("nothrow huge: %s\n", none ? "block" : "NULL");
	try {
		none = ::operator new(std::size_t(-1) / 2 - 100);
	} catch (const std::bad_alloc &) {
		std::printf("bad_alloc\n");
	}
}

/* Throws from `depth` frames further down, each of which owns a string. */
__attribute__((noinline)) int thrower(int depth, int every)
{
	std::string mine(static_cast<std::size_t>(depth) + 40, 'm');
	if (depth == 0)
		throw std::runtime_error(
			"a message long enough to be allocated, surely");
	try {
		return thrower(depth - 1, every) + static_cast<int>(mine.size());
	} catch (const std::runtime_error &) {
		if (depth % every)
			throw;
		throw std::runtime_error("rethrown as another with a text of its own");
	}
}

int exceptions()
{
	int caught = 0;
	for (int i = 0; i < 200; i++) {
		try {
			caught += thrower(50, 7);
		} catch (const std::exception &) {
			caught++;
		}
	}
	return caught;
}

std::size_t containers()
{
	std::map<std::string, std::vector<int>> map;
	for (int i = 0; i < 5000; i++) {
		auto &v = map["a key that is longer than the small buffer " +
			      std::to_string(i % 700)];
		v.push_back(i);
	}
	std::size_t sum = 0;
	for (auto &[key, v] : map)
		sum += v.size();
	return sum;
}
} // namespace

int main()
{
	forms();
	std::printf("caught %d\n", exceptions());
	std::printf("contained %zu\n", containers());
	std::vector<std::thread> threads;
	for (int i = 0; i < 8; i++)
		threads.emplace_back([] {
			if (local.text.empty() || exceptions() != 200)
				std::abort();
		});
	for (auto &t : threads)
		t.join();
	char *volatile leaked = new char[12345];
	leaked[0] = 1;
	return local.text.empty() || global.text.empty();
}
