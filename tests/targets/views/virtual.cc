// One call, two methods behind it; and a class that has allocation of its own.
#include <cstdlib>
#include <new>

struct Shape {
	virtual ~Shape() {}
	virtual void draw() = 0;
};

struct Circle : Shape {
	char *pixels = nullptr;
	~Circle() { free(pixels); }
	void draw() { pixels = (char *)malloc(300); }
};

struct Square : Shape {
	char *pixels = nullptr;
	~Square() { free(pixels); }
	void draw() { pixels = (char *)malloc(500); }
	static void *operator new(std::size_t size) { return malloc(size + 1000); }
	static void operator delete(void *p) { free(p); }
};

static void draw_all(Shape **shapes, int count)
{
	for (int i = 0; i < count; i++)
		shapes[i]->draw();
}

int main()
{
	Shape *shapes[] = {new Circle, new Square, new Circle};

	draw_all(shapes, 3);
	delete shapes[0];
	delete shapes[1];
	return 0;
}
