/* plugin_cxx.cc - a plugin in C++ for loader.c, which is C: libstdc++ and its operators
 * come with the plugin, and are its alone (RTLD_LOCAL). */
#include <cstdlib>
#include <new>
#include <string>

static std::string *table = new std::string(100, 't');

static struct owner {
	~owner() { delete table; }
} owner;

extern "C" void *plugin_block(std::size_t size)
{
	try {
		delete[] new (std::nothrow) char[size];
		return ::operator new(std::size_t(-1) / 2);
	} catch (const std::bad_alloc &) {
		return ::operator new(size); /* which is malloc's, so free() is right */
	}
}
