// viewer.cc - what the viewer's tests look at: inlined calls, templates, recursion, a
// thread, blocks that stay and blocks that go. Its numbers do not vary.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <sys/mman.h>

struct Session {
	std::string user;
	std::vector<int> seen;
	std::unique_ptr<Session> next;
};

template <class T> static inline T *make_block(std::size_t n)
{
	T *block = static_cast<T *>(std::malloc(n * sizeof(T)));

	asm volatile("" : "+r"(block)); // lest a block that is freed never be
	return block;
}

static std::unique_ptr<Session> sessions;

__attribute__((noinline)) static void forget(int i)
{
	Session *s = new Session; // never freed

	s->user = "somebody whose name is long " + std::to_string(i);
}

__attribute__((noinline)) static void fill(int n)
{
	for (int i = 0; i < n; i++) {
		auto s = std::make_unique<Session>();

		s->user = "user number " + std::to_string(1000 + i) + " of the list";
		for (int k = 0; k < i % 20; k++)
			s->seen.push_back(k);
		s->next = std::move(sessions);
		sessions = std::move(s);
		if (i % 10 == 0)
			forget(1000 + i);
	}
}

__attribute__((noinline)) static void descend(int n)
{
	std::free(make_block<char>(1000 + n));
	if (n)
		descend(n - 1);
	std::free(make_block<char>(10));
}

__attribute__((noinline)) static void drop()
{
	while (sessions)
		sessions = std::move(sessions->next);
}

int main()
{
	std::thread worker([] {
		for (int i = 0; i < 2000; i++)
			std::free(make_block<long>(i % 100));
	});
	worker.join();
	fill(2000);
	for (int i = 0; i < 30; i++)
		descend(i % 10);
	int *kept = make_block<int>(100000);
	void *mapped = mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(mapped, 1 << 19);
	std::printf("%d\n", kept != nullptr);
	drop();
	return 0;
}
