// Smart pointers: a block at the line that made it, its free at the line that let it go.
#include <memory>
#include <vector>

struct Node {
	std::shared_ptr<Node> next;
	char payload[100];
};

static std::unique_ptr<int[]> numbers(int count)
{
	return std::unique_ptr<int[]>(new int[count]);
}

static std::shared_ptr<Node> chain(int length)
{
	std::shared_ptr<Node> head;

	for (int i = 0; i < length; i++) {
		auto node = std::make_shared<Node>();
		node->next = head;
		head = node;
	}
	return head;
}

int main()
{
	auto kept = chain(3);
	{
		auto dropped = chain(5);
		auto some = numbers(250);
	}
	auto cycle = chain(1);
	cycle->next = cycle;
	return kept->next->next->next != nullptr;
}
