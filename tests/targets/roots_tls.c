/*
 * roots_tls.c - a library with a mebibyte of thread-local variables: linked, it is in
 * every thread from the start; loaded later, where it was used.
 */
static __thread void *volatile many[1 << 17] __attribute__((tls_model("global-dynamic")));

void *volatile *roots_many(void);

void *volatile *roots_data(void);

static void *volatile place[2]; /* for others to use */

void *volatile *roots_data(void)
{
	return place;
}

void *volatile *roots_many(void)
{
	return many;
}
