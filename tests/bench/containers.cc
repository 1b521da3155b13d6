// containers.cc - C++ containers that come and go, at a depth that changes all the time.
//
//	containers ROUNDS
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

uint64_t state = 88172645463325252u;

uint64_t chance(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 11) % below;
}

std::string name(uint64_t n)
{
	return "a key that is too long for the small string " + std::to_string(n);
}

using tree = std::map<std::string, std::vector<int>>;

struct world {
	tree by_name;
	std::unordered_map<uint64_t, std::unique_ptr<std::string>> by_number;
};

__attribute__((noinline)) void touch(world &w)
{
	uint64_t n = chance(2000);

	switch (chance(4)) {
	case 0:
		w.by_name[name(n)].push_back(static_cast<int>(n));
		break;
	case 1:
		w.by_name.erase(name(n));
		break;
	case 2:
		w.by_number[n] = std::make_unique<std::string>(name(n));
		break;
	default:
		w.by_number.erase(n);
	}
}

__attribute__((noinline)) int descend(world &w, uint64_t left)
{
	volatile int own = static_cast<int>(left);

	if (left)
		descend(w, left - 1);
	touch(w);
	return own;
}

} // namespace

int main(int argc, char **argv)
{
	uint64_t rounds = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 0;
	world w;

	if (!rounds)
		return 2;
	for (uint64_t i = 0; i < rounds; i++)
		descend(w, chance(20));
	std::printf("%zu %zu\n", w.by_name.size(), w.by_number.size());
	return 0;
}
