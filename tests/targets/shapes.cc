/*
 * shapes.cc - containers of the C++ library, and of GLib, whose every pointer is known:
 * prints "SHAPE FROM OFFSET TO INTO" of each pointer between blocks, in hexadecimal
 * where it is an address; "SHAPE FROM" of a block that has none. "SHAPE * * TO 0" says
 * that something points there. Words that are no pointers are told as what they are,
 * small numbers or zeroes: whatever else is found in these blocks is false.
 */
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <glib.h>
#include <list>
#include <map>
#include <memory>
#include <sqlite3.h>
#include <string>
#include <unordered_map>
#include <vector>

/* The library's own allocations are zeroed, so that what is not written points
 * nowhere. */
#define NOINLINE __attribute__((noinline))

NOINLINE void *operator new(std::size_t size)
{
	void *p = std::calloc(1, size);

	if (!p)
		std::abort();
	return p;
}

NOINLINE void operator delete(void *p) noexcept
{
	std::free(p);
}

NOINLINE void operator delete(void *p, std::size_t) noexcept
{
	std::free(p);
}

static void edge(const char *shape, const void *from, std::size_t offset,
		 const void *to, std::size_t into = 0)
{
	std::printf("%s 0x%lx %zu 0x%lx %zu\n", shape,
		    (unsigned long)(std::uintptr_t)from, offset,
		    (unsigned long)(std::uintptr_t)to, into);
}

static void block(const char *shape, const void *at)
{
	std::printf("%s 0x%lx\n", shape, (unsigned long)(std::uintptr_t)at);
}

static void somewhere(const char *shape, const void *to)
{
	std::printf("%s * * 0x%lx 0\n", shape, (unsigned long)(std::uintptr_t)to);
}

template <class T> static const void *word(const T &object, std::size_t i)
{
	return reinterpret_cast<void *const *>(&object)[i];
}

/* ---- lists: next, previous, value; the ends point into the list, no block ------ */

static std::list<long> a_list;

static NOINLINE void lists()
{
	for (long i = 0; i < 40; i++)
		a_list.push_back(i);
	for (auto it = a_list.begin(); it != a_list.end(); ++it) {
		auto next = std::next(it);
		const void *node = it._M_node;

		block("list", node);
		if (next != a_list.end())
			edge("list", node, 0, next._M_node);
		if (it != a_list.begin())
			edge("list", node, 8, std::prev(it)._M_node);
	}
}

/* ---- maps: colour, parent, left, right, key, value ------------------------------ */

static std::map<long, long> a_map;

static NOINLINE void maps()
{
	for (long i = 0; i < 60; i++)
		a_map[i * 7919 % 61] = i;
	const void *header = a_map.end()._M_node;
	for (auto it = a_map.begin(); it != a_map.end(); ++it) {
		const auto *n = it._M_node;

		block("map", n);
		if (n->_M_parent != header)
			edge("map", n, 8, n->_M_parent);
		if (n->_M_left)
			edge("map", n, 16, n->_M_left);
		if (n->_M_right)
			edge("map", n, 24, n->_M_right);
	}
}

/* ---- hash tables: each node points to the next, each bucket before its first ---- */

static std::unordered_map<long, long> a_hash;

static NOINLINE void hashes()
{
	const void *buckets, *before = nullptr;
	std::size_t last = SIZE_MAX;

	for (long i = 0; i < 100; i++)
		a_hash[i * 31] = i;
	buckets = word(a_hash, 0);
	block("hash", buckets);
	for (auto it = a_hash.begin(); it != a_hash.end(); ++it) {
		/* The value is behind the link. */
		const void *node = reinterpret_cast<const char *>(&*it) - 8;

		block("hash", node);
		if (before)
			edge("hash", before, 0, node);
		if (before && a_hash.bucket(it->first) != last)
			edge("hash", buckets, a_hash.bucket(it->first) * 8, before);
		last = a_hash.bucket(it->first);
		before = node;
	}
}

/* ---- vectors of vectors: start, end of what is used, end of all ------------------ */

static std::vector<std::vector<long>> a_vector;

static NOINLINE void vectors()
{
	a_vector.resize(20);
	for (std::size_t i = 0; i < a_vector.size(); i++) {
		auto &v = a_vector[i];

		v.reserve(10);
		v.resize(i % 11);
		block("vector", v.data());
		edge("vector", a_vector.data(), 24 * i, v.data());
		edge("vector", a_vector.data(), 24 * i + 8, v.data(), 8 * v.size());
		edge("vector", a_vector.data(), 24 * i + 16, v.data(), 80);
	}
}

/* ---- deques: an array of pieces -------------------------------------------------- */

static std::deque<long> *a_deque; /* one allocates as soon as it is there */

static NOINLINE void deques()
{
	const char *map, *first;

	a_deque = new std::deque<long>();
	for (long i = 0; i < 1000; i++)
		a_deque->push_back(i);
	/* The array; and where in it the begin iterator has its piece. */
	map = static_cast<const char *>(word(*a_deque, 0));
	first = static_cast<const char *>(word(*a_deque, 5));
	block("deque", map);
	for (std::size_t i = 0; i < a_deque->size(); i += 64) {
		const void *piece = &(*a_deque)[i];

		block("deque", piece);
		edge("deque", map, static_cast<std::size_t>(first - map) + i / 8,
		     piece);
	}
}

/* ---- strings: short ones point into themselves ----------------------------------- */

static std::vector<std::string> strings_of;

static NOINLINE void strings()
{
	strings_of.resize(12);
	for (std::size_t i = 0; i < strings_of.size(); i++) {
		if (i % 2)
			strings_of[i].assign(100 + i, 'x');
		else
			strings_of[i] = "short";
		edge("string", strings_of.data(), 32 * i,
		     i % 2 ? strings_of[i].data() : (char *)strings_of.data(),
		     i % 2 ? 0 : 32 * i + 16);
		if (i % 2)
			block("string", strings_of[i].data());
	}
}

/* ---- shared pointers in a ring: object and its count are one block ----------------
 */

struct shared {
	std::shared_ptr<shared> other;
	long pad[3];
};

static NOINLINE void rings()
{
	std::shared_ptr<shared> all[5];

	for (auto &p : all)
		p = std::make_shared<shared>();
	for (std::size_t i = 0; i < 5; i++)
		all[i]->other = all[(i + 1) % 5];
	for (std::size_t i = 0; i < 5; i++) {
		const char *own = reinterpret_cast<char *>(all[i].get()) - 16;
		const char *next =
			reinterpret_cast<char *>(all[(i + 1) % 5].get()) - 16;

		block("ring", own);
		edge("ring", own, 16, next, 16);
		edge("ring", own, 24, next);
	}
}

/* ---- GLib -------------------------------------------------------------------------
 */

static GList *g_list;
static GHashTable *g_hash;

static NOINLINE void glib()
{
	for (long i = 0; i < 30; i++)
		g_list = g_list_append(g_list, g_strdup_printf("value %ld", i));
	for (GList *l = g_list; l; l = l->next) {
		block("glist", l);
		edge("glist", l, 0, l->data);
		if (l->next)
			edge("glist", l, 8, l->next);
		if (l->prev)
			edge("glist", l, 16, l->prev);
	}
	g_hash = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	for (long i = 0; i < 50; i++) {
		char *key = g_strdup_printf("key %ld", i);
		char *value = g_strdup_printf("value %ld", i);

		g_hash_table_insert(g_hash, key, value);
		somewhere("ghash", key);
		somewhere("ghash", value);
	}
}

/* ---- SQLite: a database with a statement under way ---------------------------------
 */

static sqlite3 *database;

static NOINLINE void sqlite()
{
	sqlite3_stmt *statement;

	sqlite3_open(":memory:", &database);
	sqlite3_exec(
		database,
		"create table t(a, b);"
		"create index i on t(b);"
		"with n(x) as (values(1) union all select x + 1 from n where x < 500)"
		" insert into t select x, hex(randomblob(100)) from n",
		nullptr, nullptr, nullptr);
	sqlite3_prepare_v2(database, "select * from t order by b", -1, &statement,
			   nullptr);
	sqlite3_step(statement);
	somewhere("sqlite", database);
	somewhere("sqlite", statement);
}

static NOINLINE void wipe()
{
	volatile char room[16384];

	for (auto &c : room)
		c = 0;
}

int main()
{
	static char buffer[1 << 16];

	std::setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	lists();
	maps();
	hashes();
	vectors();
	deques();
	strings();
	rings();
	glib();
	sqlite();
	wipe();
	std::fflush(stdout);
	std::_Exit(0); /* before anything is destroyed */
}
