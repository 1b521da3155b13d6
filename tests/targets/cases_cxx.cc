/*
 * cases_cxx.cc - what C++ makes of blocks: counts before arrays, bases inside objects,
 * strings, containers and shared pointers.
 */
#include "cases.h"

#include <exception>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

struct Destroyed {
	long value[2];

	~Destroyed()
	{
		__asm__ volatile("");
	}
};

struct Left {
	virtual ~Left() = default;
	long left[3] = {};
};

struct Right {
	virtual ~Right() = default;
	long right = 0;
};

struct Both : Left, Right {
	char pad[64] = {};
};

struct Virtual : virtual Left {
	char pad[100] = {};
};

struct alignas(128) Aligned {
	char pad[256] = {};
};

struct Peer {
	std::shared_ptr<Peer> other;
	char pad[40] = {};
};

Destroyed *volatile array;
Right *volatile right;
Left *volatile left;
int *volatile number;
Aligned *volatile aligned;
static std::string text;
static std::vector<long> numbers;
static std::list<long> list;
static std::map<long, std::string> map;
static std::unordered_map<long, long> table;
static std::function<long()> function;
static std::exception_ptr exception;
static std::vector<std::unique_ptr<long>> owners;

static NOINLINE void case_new(void)
{
	number = new int(1);
}

static NOINLINE void case_new_lost(void)
{
	number = new int(1);
	number = nullptr;
}

static NOINLINE void case_array(void)
{
	array = new Destroyed[10];
}

static NOINLINE void case_array_lost(void)
{
	array = new Destroyed[10];
	array = nullptr;
}

static NOINLINE void case_empty_array(void)
{
	array = new Destroyed[0];
}

static NOINLINE void case_empty_array_lost(void)
{
	array = new Destroyed[0];
	array = nullptr;
}

static NOINLINE void case_second_base(void)
{
	right = new Both;
}

static NOINLINE void case_virtual_base(void)
{
	left = new Virtual;
}

static NOINLINE void case_overaligned(void)
{
	aligned = new Aligned;
}

static NOINLINE void case_string(void)
{
	text = std::string(100, 'x');
}

static NOINLINE void case_string_lost(void)
{
	new std::string(100, 'x');
}

static NOINLINE void case_containers(void)
{
	numbers.assign(100, 1);
	list.assign(10, 1);
	for (long i = 0; i < 10; i++) {
		map[i] = std::string(50, 'x');
		table[i] = i;
	}
}

static NOINLINE void case_containers_kept(void) /* by a pointer, to the end */
{
	static auto *kept = new std::map<long, std::string>;

	for (long i = 0; i < 10; i++)
		(*kept)[i] = std::string(50, 'x');
}

static NOINLINE void case_list_lost(void) /* its nodes point back at its head */
{
	new std::list<long>(3, 1);
}

static NOINLINE void case_vector_lost(void)
{
	void *made = new std::vector<std::string>(3, std::string(50, 'x'));

	/* Else a compiler may leave it out, or what it holds: nobody has it. */
	__asm__ volatile("" : : "r"(made) : "memory");
}

static NOINLINE void case_shared_ring(void)
{
	auto a = std::make_shared<Peer>(), b = std::make_shared<Peer>();

	a->other = b;
	b->other = a;
}

static NOINLINE void
case_function(void) /* its memory has the pointer even when it is gone */
{
	std::vector<long> *v = new std::vector<long>(10);

	function = [v] { return (*v)[0]; };
}

static NOINLINE void case_exception_kept(void)
{
	try {
		throw std::string(100, 'x');
	} catch (...) {
		exception = std::current_exception();
	}
}

static NOINLINE void case_owners(void)
{
	for (int i = 0; i < 10; i++)
		owners.push_back(std::make_unique<long>(i));
}

static NOINLINE void case_released(void)
{
	right = std::make_unique<Both>().release();
	right = nullptr;
}

static const struct leak_case cases[] = {
	{"new", case_new},
	{"new_lost", case_new_lost},
	{"array", case_array},
	{"array_lost", case_array_lost},
	{"empty_array", case_empty_array},
	{"empty_array_lost", case_empty_array_lost},
	{"second_base", case_second_base},
	{"virtual_base", case_virtual_base},
	{"overaligned", case_overaligned},
	{"string", case_string},
	{"string_lost", case_string_lost},
	{"containers", case_containers},
	{"containers_kept", case_containers_kept},
	{"list_lost", case_list_lost},
	{"vector_lost", case_vector_lost},
	{"shared_ring", case_shared_ring},
	{"function", case_function},
	{"exception_kept", case_exception_kept},
	{"owners", case_owners},
	{"released", case_released},
	{},
};

int main(int argc, char **argv)
{
	return cases_main(cases, argc, argv);
}
