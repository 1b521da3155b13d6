// Standard containers: what they allocate is on the lines that use them.
#include <map>
#include <memory>
#include <string>
#include <vector>

struct record {
	char text[1000];
};

__attribute__((noinline)) static void fill(std::vector<long> &v)
{
	v.reserve(1000);
	for (long i = 0; i < 1000; i++)
		v.push_back(i);
}

__attribute__((noinline)) static size_t index_of(const std::vector<long> &v)
{
	std::map<long, std::unique_ptr<record>> index;

	for (long i : v)
		if (i % 100 == 0)
			index[i] = std::make_unique<record>();
	return index.size();
}

std::string *kept;

int main()
{
	std::vector<long> v;

	fill(v);
	kept = new std::string(200, 'x');
	return index_of(v) != 10;
}
