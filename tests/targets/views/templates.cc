// Instantiations of one template, and overloads: 3 * 4, 5 * 8 and 7 * 2 bytes in arrays.
#include <cstddef>

template <typename T> struct stack {
	T *items = nullptr;

	__attribute__((noinline)) void make(size_t count)
	{
		items = new T[count];
	}
	__attribute__((noinline)) void drop()
	{
		delete[] items;
	}
};

__attribute__((noinline)) static char *copy(int)
{
	return new char[100];
}

__attribute__((noinline)) static char *copy(char)
{
	return new char[10];
}

int main()
{
	stack<int> ints;
	stack<long> longs;
	stack<short> shorts;

	ints.make(3);
	longs.make(5);
	shorts.make(7);
	ints.drop();
	longs.drop();
	delete[] copy(1);
	delete[] copy('1');
	return 0;
}
