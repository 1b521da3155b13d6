/*
 * demo.c - a small program worth a line report: it reads words into a table that
 * grows, keeps the long ones, and forgets to free them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct words {
	char **word;
	size_t count, room;
};

static void add_word(struct words *w, const char *text)
{
	if (w->count == w->room) {
		w->room = w->room ? 2 * w->room : 1024;
		w->word = realloc(w->word, w->room * sizeof(*w->word));
	}
	w->word[w->count++] = strdup(text);
}

static void drop_short_words(struct words *w, size_t shortest)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->count; i++) {
		if (strlen(w->word[i]) < shortest)
			free(w->word[i]);
		else
			w->word[kept++] = w->word[i];
	}
	w->count = kept;
}

static unsigned long long sum_squares(size_t n)
{
	unsigned long long *square = calloc(n, sizeof(*square));
	unsigned long long sum = 0;

	for (size_t i = 0; i < n; i++)
		square[i] = i * i;
	for (size_t i = 0; i < n; i++)
		sum += square[i];
	free(square);
	return sum;
}

int main(void)
{
	struct words w = {0};
	char text[64];

	for (int i = 0; i < 200000; i++) {
		snprintf(text, sizeof(text), "word-%0*d", i % 50 + 1, i);
		add_word(&w, text);
	}
	drop_short_words(&w, 30);
	printf("%zu words, %llu\n", w.count, sum_squares(1000000));
	free(w.word); /* the words themselves are forgotten */
	return 0;
}
