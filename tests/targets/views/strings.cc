// Strings: short ones are in place, longer ones on the heap, and grow by doubling.
#include <string>

static std::string repeat(const std::string &what, int times)
{
	std::string all;

	for (int i = 0; i < times; i++)
		all += what;
	return all;
}

int main()
{
	std::string brief = "short";
	std::string whole(100, 'x');
	std::string grown = repeat("0123456789", 100);
	std::string copy = grown;

	copy.reserve(5000);
	return brief.size() + whole.size() + grown.size() + copy.size() == 0;
}
