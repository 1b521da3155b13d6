/*
 * graph.c - a heap whose graph is known: each structure's blocks by an allocating
 * function of its own, held by what its name says.
 *
 *	graph [wait]	all of them; prints "NAME ADDRESS" of each last block; then
 *			waits for SIGUSR1, and leaves with status 3
 *	graph fork	the first only; then a child frees one of its values, adds one
 *			of its own, and ends
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

static void say(const char *name, const void *block)
{
	printf("%s 0x%lx\n", name, (unsigned long)block);
}

/* ---- a chained hash table under a static variable ------------------------ */

struct entry {
	uint64_t key;
	struct entry *next;
	char *value;
};

struct map {
	struct entry **buckets;
	size_t count;
};

static struct {
	uint64_t pad[16];
	struct map *map;
} g_table; /* map: at +128 */

static NOINLINE void make_table(void)
{
	g_table.map = calloc(1, sizeof(*g_table.map));
	g_table.map->buckets = calloc(8, sizeof(*g_table.map->buckets));
	for (uint64_t i = 0; i < 3; i++) { /* all in bucket 5, the first is deepest */
		struct entry *e = calloc(1, sizeof(*e));

		e->key = i;
		e->next = g_table.map->buckets[5];
		e->value = malloc(100 + i);
		g_table.map->buckets[5] = e;
		if (!i)
			say("table", e->value);
	}
}

/* ---- a list, a tree, a diamond, an intrusive list ------------------------- */

struct node {
	struct node *left, *right;
	uint64_t pad[4];
};

struct node *list_head, *tree_root, *dag_top;

static NOINLINE struct node *list_node(struct node *next)
{
	struct node *n = calloc(1, sizeof(*n));

	n->right = next;
	return n;
}

static NOINLINE struct node *tree_node(int depth)
{
	struct node *n = calloc(1, sizeof(*n));

	if (depth) {
		n->left = tree_node(depth - 1);
		n->right = tree_node(depth - 1);
	}
	return n;
}

static NOINLINE struct node *dag_node(struct node *left, struct node *right)
{
	struct node *n = calloc(1, sizeof(*n));

	n->left = left;
	n->right = right;
	return n;
}

struct link { /* inside its owner, at +24 */
	struct link *next;
};

struct owner {
	uint64_t pad[3];
	struct link link;
};

struct link intrusive_head;

static NOINLINE struct link *intrusive(struct link *next)
{
	struct owner *o = calloc(1, sizeof(*o));

	o->link.next = next;
	return &o->link;
}

static NOINLINE void make_shapes(void)
{
	struct node *bottom;

	for (int i = 0; i < 50; i++) {
		list_head = list_node(list_head);
		if (!i)
			say("list", list_head);
	}
	tree_root = tree_node(5);
	say("tree", tree_root->right->left->right);
	bottom = dag_node(NULL, NULL);
	dag_top = dag_node(dag_node(bottom, NULL), dag_node(NULL, bottom));
	say("dag", bottom);
	for (int i = 0; i < 4; i++)
		intrusive_head.next = intrusive(intrusive_head.next);
	say("intrusive", (char *)intrusive_head.next->next->next->next - 24);
}

/* ---- lost: a ring with a tail, and a single one --------------------------- */

static NOINLINE struct node *ring_node(void)
{
	return calloc(1, sizeof(struct node));
}

static NOINLINE void make_lost(void)
{
	struct node *a = ring_node(), *b = ring_node(), *c = ring_node();
	struct node *tail = ring_node();

	a->right = b;
	b->right = c;
	c->right = a;
	b->left = tail;
	say("ring", a);
	say("tail", tail);
}

static NOINLINE void make_single(void)
{
	void *p = malloc(777);

	memset(p, 1, 777);
	say("single", p);
}

/* Calls whose frames lie where the lost ones' did, so that no word of those stays. */
static NOINLINE void wipe(void)
{
	volatile char room[16384];

	for (size_t i = 0; i < sizeof(room); i++)
		room[i] = 0;
}

/* ---- tags ------------------------------------------------------------------ */

uintptr_t low_tag, high_tag;
char *past_end, *inside, *deep;

static NOINLINE void make_tags(void)
{
	low_tag = (uintptr_t)malloc(40) | 1;
	say("low", (void *)(low_tag - 1));
	high_tag = (uintptr_t)malloc(48) | (uintptr_t)0x1234 << 48;
	say("high", (void *)(high_tag & 0xffffffffffff));
	past_end = (char *)malloc(64) + 64;
	say("past", past_end - 64);
	inside = (char *)malloc(4000) + 1000;
	say("inside", inside - 1000);
	deep = (char *)malloc(4000) + 2001;
	say("deep", deep - 2001);
}

/* ---- threads: a stack, thread-local storage, a key, a register ------------- */

static __thread void *volatile tls_block;
static pthread_key_t key;
static pthread_barrier_t ready;

static NOINLINE void *sleeper_block(void)
{
	void *p = malloc(333);

	say("stack", p);
	return p;
}

static NOINLINE void *tls_alloc(void)
{
	void *p = malloc(444);

	say("tls", p);
	return p;
}

static NOINLINE void *key_alloc(void)
{
	void *p = malloc(555);

	say("key", p);
	return p;
}

static void *sleeper(void *context)
{
	void *volatile local = sleeper_block();

	(void)context;
	tls_block = tls_alloc();
	pthread_setspecific(key, key_alloc());
	wipe();
	pthread_barrier_wait(&ready);
	for (;;)
		pause();
	free(local);
	return NULL;
}

static NOINLINE void *register_alloc(void)
{
	void *p = malloc(666);

	say("register", p);
	return p;
}

static _Atomic char spins;

/* Holds a block in nothing but rbx, and goes round. */
static void *spinner(void *context)
{
	void *p = register_alloc();

	(void)context;
	wipe();
	pthread_barrier_wait(&ready);
#ifdef __x86_64__
	__asm__ volatile("mov %0, %%rbx\n"
			 "xor %%eax, %%eax\n"
			 "xor %0, %0\n"
			 "movb $1, %1\n"
			 "1: pause\n"
			 "jmp 1b\n"
			 : "+r"(p), "=m"(spins)
			 :
			 : "rbx", "rax", "memory");
#endif
	spins = 1;
	return p;
}

/* The signal is blocked: nothing but sigwait() takes it. */
static int wait_here(void)
{
	void *volatile local = malloc(222);
	sigset_t set;
	int signal;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	say("main", local);
	printf("pid %d\n", (int)getpid());
	sigwait(&set, &signal);
	free(local);
	return 3;
}

/* The parent frees another one before the child ends: it is the child's still. */
static int fork_here(void)
{
	int go[2];
	char c;
	pid_t child;

	if (pipe(go) < 0)
		return 1;
	child = fork();
	if (!child) {
		struct entry *first = g_table.map->buckets[5];

		close(go[1]);
		if (read(go[0], &c, 1) < 0)
			_exit(1);
		free(first->value);
		first->value = malloc(321);
		say("child", first->value);
		printf("pid %d\n", (int)getpid());
		exit(0);
	}
	free(g_table.map->buckets[5]->next->value);
	g_table.map->buckets[5]->next->value = NULL;
	close(go[1]); /* the child goes on */
	return waitpid(child, NULL, 0) == child ? 0 : 1;
}

int main(int argc, char **argv)
{
	static char buffer[4096];
	pthread_t one, two;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	setvbuf(stdout, buffer, _IOLBF, sizeof(buffer));
	pthread_key_create(&key, NULL);
	pthread_barrier_init(&ready, NULL, 3);
	make_table();
	if (argc > 1 && !strcmp(argv[1], "fork"))
		return fork_here();
	make_shapes();
	make_lost();
	make_single();
	make_tags();
	pthread_create(&one, NULL, sleeper, NULL);
	pthread_setname_np(one, "sleeper");
	pthread_create(&two, NULL, spinner, NULL);
	pthread_barrier_wait(&ready);
	wipe();
	while (!spins)
		usleep(1000);
	if (argc > 1 && !strcmp(argv[1], "wait"))
		return wait_here();
	return 0;
}
