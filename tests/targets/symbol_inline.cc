/*
 * symbol_inline.cc - code for the symbol tests to look up: never run. Templates,
 * lambdas, constructors, operators, containers, recursion, anonymous namespaces,
 * functions inlined into each other several levels deep.
 */
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>

namespace outer
{
namespace
{
	struct hidden {
		int value;
		explicit hidden(int v) : value(v)
		{
		}
		~hidden();
		bool operator<(const hidden &other) const
		{
			return value < other.value;
		}
	};

	__attribute__((noinline)) hidden::~hidden()
	{
		value = 0;
	}

	inline int *leaf(int n)
	{
		return new int[n];
	}

	inline int *middle(int n)
	{
		int *p = leaf(n + 1);

		p[0] = n;
		return p;
	}
} // namespace

template <typename T, int N> struct box {
	T items[N];

	__attribute__((noinline)) T *grow(int by)
	{
		T *more = new T[N + by];

		std::copy(items, items + N, more);
		return more;
	}
	template <typename F> void each(F f)
	{
		for (auto &item : items)
			f(item);
	}
};

__attribute__((noinline)) int *top(int n)
{
	return middle(n * 2);
}
} // namespace outer

class base
{
public:
	virtual ~base() = default;
	virtual std::string name() const = 0;
};

class derived final : public base
{
	std::vector<std::string> parts;

public:
	explicit derived(const char *text)
	{
		for (std::istringstream in(text); in;) {
			std::string part;

			in >> part;
			parts.push_back(std::move(part));
		}
	}
	std::string name() const override
	{
		std::string all;

		for (const auto &part : parts)
			all += part + '/';
		return all;
	}
};

static std::map<std::string, std::unique_ptr<base>> registry;

__attribute__((noinline)) void remember(const std::string &key)
{
	registry[key] = std::make_unique<derived>(key.c_str());
}

__attribute__((noinline)) std::size_t words(const std::vector<std::string> &all)
{
	std::unordered_map<std::string, int> counts;

	for (const auto &word : all)
		counts[word]++;
	return counts.size();
}

__attribute__((noinline)) std::function<int(int)> closure(int by)
{
	std::vector<int> kept(static_cast<std::size_t>(by));

	return [kept, by](int n) {
		auto twice = [&](int m) { return m * 2 + by; };

		return twice(n) + static_cast<int>(kept.size());
	};
}

__attribute__((noinline)) int recurse(int n)
{
	std::vector<outer::hidden> hidden;

	for (int i = 0; i < n; i++)
		hidden.emplace_back(n - i);
	std::sort(hidden.begin(), hidden.end());
	return n ? recurse(n - 1) + hidden[0].value : 0;
}

int main(int argc, char **argv)
{
	outer::box<int, 4> small = {};
	outer::box<double, 8> large = {};
	std::vector<std::string> all(argv, argv + argc);
	int sum = 0;

	small.each([&sum](int &item) { sum += item; });
	delete[] outer::top(argc);
	delete[] small.grow(argc);
	delete[] large.grow(argc);
	remember(argv[0]);
	return sum + static_cast<int>(words(all)) + closure(argc)(1) + recurse(argc);
}
