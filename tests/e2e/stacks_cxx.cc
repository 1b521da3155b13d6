#include "tests/e2e/stacks.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace
{

struct checks_when_destroyed {
	int depth;
	~checks_when_destroyed();
};

[[gnu::noinline]] void throw_at(int depth)
{
	checks_when_destroyed c{depth};

	if (!depth)
		throw std::runtime_error("bottom");
	throw_at(depth - 1);
	check();
}

checks_when_destroyed::~checks_when_destroyed()
{
	check();
	if (depth != 2)
		return;
	/* A second exception lives and dies while the first one is in flight. */
	try {
		throw 5;
	} catch (int) {
		check();
	}
}

} // namespace

void cxx_exceptions(void)
{
	try {
		throw_at(5);
	} catch (const std::exception &) {
		check();
		try {
			throw;
		} catch (const std::runtime_error &) {
			check();
		}
	}
}

void cxx_churn(void)
{
	std::map<std::string, std::vector<std::string>> m;
	std::ostringstream out;

	for (int i = 0; i < 20; i++)
		m[std::to_string(i * 7919 % 101)].push_back(std::to_string(i));
	for (auto &entry : m) {
		std::sort(entry.second.begin(), entry.second.end());
		out << entry.first << ' ' << entry.second.size() * 1.5 << '\n';
	}
}

void cxx_throws(void)
{
	std::string text;

	try {
		(void)text.at(1 << 20);
	} catch (const std::out_of_range &) {
	}
}
