#include "cli/cmd/view.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/cmd/verb.h"
#include "cli/export/html.h"
#include "cli/gate/budget.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum {
	RUNNING = 4,	  /* questions at once; the others wait */
	GRAPHS = 2,	  /* that stay open */
	ANSWERS = 32,	  /* that stay */
	ANSWER = 8 << 20, /* bytes of one of them at most */
	LEVELS = 2,	  /* enum keeper_level */
	WORDS_TEXT = 1024,
};

enum {
	OK = 200,
	NO_CONTENT = 204,
	NOT_FOUND = 404,
	BAD = 400,
	UNREADABLE = 422,
	FAILED = 500,
	UNAVAILABLE = 503
};

/* ---- what there is ----------------------------------------------------------------- */

struct job { /* a question under way */
	struct view *view;
	struct job *next;      /* of those that wait */
	struct web_call *call; /* NULL: of columns */
	struct store *store;   /* of columns; or NULL */
	struct view_words words;
	int out, messages, done; /* -1: not begun */
};

struct column {
	char name[COLUMNS_NAME], form[8];
	uint64_t count, at, len;
};

struct waiting { /* a call for a column that is not there yet */
	struct web_call *call;
	char name[COLUMNS_NAME];
};

enum stage { NOT_BEGUN, UNDER_WAY, WHOLE, BROKEN };

struct store { /* the columns of a level */
	enum stage stage;
	int fd;
	struct column *columns;
	struct waiting *waiting;
	size_t count, room, waiting_count, waiting_room;
	char why[512]; /* BROKEN */
};

struct stored_answer {
	char *question; /* NULL: the place is free */
	int fd;
	uint64_t len;
};

struct graph {
	struct keeper keeper; /* socket -1: none */
	char *which;
};

struct view {
	struct keeper_profiles profiles;
	struct keeper base, parts;
	struct graph graphs[GRAPHS];
	size_t next_graph, next_answer;
	struct web *server;
	struct job *queue, **queue_end; /* that wait */
	struct job *running[RUNNING];
	struct store stores[LEVELS];
	struct stored_answer answers[ANSWERS];
	char *page;
	size_t page_len;
};

static void begin_next(struct view *v);

/* ---- answers that stay ---------------------------------------------------------------- */

/* The words, apart by newlines, which a word may have too: then two questions may look
 * the same, so such a one has no name. NULL: that, or no memory. */
static char *name_question(const struct view_words *w)
{
	size_t len = 0;
	char *name, *to;

	for (int i = 0; i < w->argc; i++) {
		if (strchr(w->argv[i], '\n'))
			return NULL;
		len += strlen(w->argv[i]) + 1;
	}
	to = name = malloc(len + 1);
	for (int i = 0; name && i < w->argc; i++)
		to += sprintf(to, "%s\n", w->argv[i]);
	return name;
}

static bool answer_file(struct web_call *call, const char *type, int fd, uint64_t at,
			uint64_t len, const struct column *column)
{
	const struct web_answer a = {
		.status = OK,
		.type = type,
		.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0),
		.at = at,
		.len = len,
		.form = column ? column->form : NULL,
		.count = column ? column->count : 0,
	};

	if (a.fd < 0)
		web_refuse(call, UNAVAILABLE, strerror(errno));
	else
		web_answer(call, &a);
	return a.fd >= 0;
}

/* No error, which a browser would complain about: a page asks for what others have. */
static void answer_none(struct web_call *call)
{
	static const struct web_answer none = {
		.status = NO_CONTENT, .type = "text/plain", .lasting = ""};

	web_answer(call, &none);
}

static bool answer_stored(struct view *v, struct web_call *call,
			  const struct view_words *w)
{
	_cleanup_(freep) char *name = name_question(w);

	for (size_t i = 0; name && i < ANSWERS; i++) {
		const struct stored_answer *a = &v->answers[i];

		if (a->question && !strcmp(a->question, name)) {
			answer_file(call, "application/json", a->fd, 0, a->len, NULL);
			return true;
		}
	}
	return false;
}

static void store_answer(struct view *v, const struct view_words *w, int fd,
			 uint64_t len)
{
	struct stored_answer *a = &v->answers[v->next_answer];
	char *name = len <= ANSWER ? name_question(w) : NULL;
	int own = name ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;

	if (own < 0) {
		free(name);
		return;
	}
	if (a->question)
		close(a->fd);
	free(a->question);
	*a = (struct stored_answer){name, own, len};
	v->next_answer = (v->next_answer + 1) % ANSWERS;
}

/* ---- questions under way -------------------------------------------------------------- */

static void free_job(struct job *j)
{
	if (j->out >= 0)
		close(j->out);
	if (j->messages >= 0)
		close(j->messages);
	if (j->done >= 0)
		close(j->done);
	free(j);
}

static void read_messages(const struct job *j, char *why, size_t room)
{
	ssize_t n = j->messages < 0 ? 0 : pread(j->messages, why, room - 1, 0);

	while (n > 0 && why[n - 1] == '\n')
		n--;
	why[n > 0 ? n : 0] = '\0';
	if (n <= 0)
		snprintf(why, room, "error: what answers broke");
}

static unsigned status_of(int status)
{
	return status == VERB_USAGE					 ? BAD
	       : status == VERB_UNREADABLE || status == BUDGET_UNCHECKED ? UNREADABLE
									 : FAILED;
}

static void refuse_job(struct job *j, int status)
{
	char why[2000];

	read_messages(j, why, sizeof(why));
	web_refuse(j->call, status_of(status), why);
}

static void finish_answer(struct job *j, const struct keeper_word *end)
{
	struct stat st;

	if (!end || (end->status && end->status != BUDGET_LEAKS)) {
		refuse_job(j, end ? end->status : VERB_FAILED);
	} else if (fstat(j->out, &st) < 0) {
		web_refuse(j->call, FAILED, strerror(errno));
	} else {
		store_answer(j->view, &j->words, j->out, (uint64_t)st.st_size);
		answer_file(j->call, "application/json", j->out, 0,
			    (uint64_t)st.st_size, NULL);
	}
}

/* There are no more columns. */
static void refuse_waiting(struct store *s)
{
	for (size_t i = 0; i < s->waiting_count; i++)
		if (s->stage == WHOLE)
			answer_none(s->waiting[i].call);
		else
			web_refuse(s->waiting[i].call, FAILED, s->why);
	s->waiting_count = 0;
}

static void finish_store(struct job *j, const struct keeper_word *end)
{
	struct store *s = j->store;

	s->stage = end && !end->status ? WHOLE : BROKEN;
	if (s->stage == BROKEN)
		read_messages(j, s->why, sizeof(s->why));
	refuse_waiting(s);
}

/* Where a job is among those that run; of NULL, a free place; or NULL. */
static struct job **place_of(struct view *v, const struct job *j)
{
	for (size_t i = 0; i < RUNNING; i++)
		if (v->running[i] == j)
			return &v->running[i];
	return NULL;
}

/* end: NULL if it broke. */
static void finish(struct job *j, const struct keeper_word *end)
{
	struct view *v = j->view;

	web_unwatch(v->server, j->done);
	*place_of(v, j) = NULL;
	if (j->store)
		finish_store(j, end);
	else
		finish_answer(j, end);
	free_job(j);
	begin_next(v);
}

static void take_column(struct store *s, const struct keeper_word *w)
{
	struct column c = {.count = w->count, .at = w->at, .len = w->len};
	size_t left = 0;

	memcpy(c.name, w->name, sizeof(c.name));
	memcpy(c.form, w->form, sizeof(c.form));
	if (array_reserve(&s->columns, &s->room, s->count + 1) < 0)
		return;
	s->columns[s->count++] = c;
	for (size_t i = 0; i < s->waiting_count; i++)
		if (strcmp(s->waiting[i].name, c.name) != 0)
			s->waiting[left++] = s->waiting[i];
		else
			answer_file(s->waiting[i].call, "application/octet-stream",
				    s->fd, c.at, c.len, &c);
	s->waiting_count = left;
}

static void on_word(void *job)
{
	struct job *j = job;
	struct keeper_word w;
	ssize_t n = read(j->done, &w, sizeof(w));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < (ssize_t)sizeof(w))
		finish(j, NULL);
	else if (w.end)
		finish(j, &w);
	else if (j->store)
		take_column(j->store, &w);
}

/* ---- who is asked ----------------------------------------------------------------------- */

static const struct keeper *keeper_of_graph(struct view *v, const struct view_words *w)
{
	struct graph *g = &v->graphs[v->next_graph];
	char which[WORDS_TEXT];
	int n = snprintf(which, sizeof(which), "%s\n%s\n%s", w->process, w->snapshot,
			 w->path);

	if (n < 0 || (size_t)n >= sizeof(which))
		return &v->base;
	for (size_t i = 0; i < GRAPHS; i++)
		if (v->graphs[i].which && !strcmp(v->graphs[i].which, which))
			return &v->graphs[i].keeper;
	keeper_close(&g->keeper);
	free(g->which);
	g->which = strdup(which);
	if (!g->which || keeper_open_graph(&v->base, w, &g->keeper) < 0) {
		free(take_ptr(g->which));
		return &v->base;
	}
	v->next_graph = (v->next_graph + 1) % GRAPHS;
	return &g->keeper;
}

static const struct keeper *keeper_of_parts(struct view *v)
{
	if (v->base.whole)
		return &v->base;
	if (v->parts.socket < 0 && keeper_open_parts(&v->base, &v->parts) < 0)
		return &v->base;
	return &v->parts;
}

static int send_job(struct view *v, struct job *j, int done)
{
	const struct keeper_files f = {j->out, j->messages, done};
	const struct store *s = j->store;

	/* Of a large profile a child reads what it lacks for its columns alone: a
	 * keeper that has it would have it as long as the page is open. */
	if (s)
		return keeper_columns(&v->base,
				      s == &v->stores[KEEPER_FIRST] && !v->base.whole
					      ? KEEPER_FIRST
					      : KEEPER_WHOLE,
				      &f);
	return keeper_ask(j->words.graph   ? keeper_of_graph(v, &j->words)
			  : j->words.parts ? keeper_of_parts(v)
					   : &v->base,
			  &j->words, &f);
}

static int begin(struct view *v, struct job *j)
{
	_cleanup_(closep) int done = -1;
	int ends[2];
	int err;

	j->out = memfd_create("answer", MFD_CLOEXEC);
	j->messages = memfd_create("messages", MFD_CLOEXEC);
	if (j->out < 0 || j->messages < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	j->done = ends[0];
	done = ends[1];
	if (j->store)
		j->store->fd = fcntl(j->out, F_DUPFD_CLOEXEC, 0);
	if (j->store && j->store->fd < 0)
		return -errno;
	fcntl(j->done, F_SETFL, O_NONBLOCK);
	err = send_job(v, j, done);
	return err ? err : web_watch(v->server, j->done, on_word, j);
}

static void begin_next(struct view *v)
{
	struct job **place;

	while (v->queue && (place = place_of(v, NULL))) {
		struct job *j = v->queue;
		int err;

		v->queue = j->next;
		if (!v->queue)
			v->queue_end = &v->queue;
		err = begin(v, j);
		if (!err) {
			*place = j;
			continue;
		}
		if (j->store) {
			finish_store(j, NULL);
		} else {
			web_refuse(j->call, UNAVAILABLE, strerror(-err));
		}
		free_job(j);
	}
}

static struct job *make_job(struct view *v)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->view = v;
	j->out = j->messages = j->done = -1;
	return j;
}

static void enqueue(struct view *v, struct job *j)
{
	*v->queue_end = j;
	v->queue_end = &j->next;
	begin_next(v);
}

/* ---- what is asked ----------------------------------------------------------------------- */

static void ask_verb(struct view *v, struct web_call *call, const char *verb,
		     const struct request *r)
{
	struct job *j = make_job(v);
	char why[VIEW_WHY];
	int refused = FAILED;

	snprintf(why, sizeof(why), "%s", strerror(ENOMEM));
	if (j)
		refused = view_words(verb, r, v->profiles.paths, &j->words, why);
	if (refused)
		web_refuse(call, (unsigned)refused, why);
	if (refused || answer_stored(v, call, &j->words)) {
		free(j);
		return;
	}
	j->call = call;
	enqueue(v, j);
}

/* The store that a name is of; *name is moved behind what says so. Of a small profile
 * both levels are one. */
static struct store *store_of(struct view *v, const char **name)
{
	bool all = !strncmp(*name, "all.", 4);

	*name += all ? 4 : 0;
	return &v->stores[all && !v->base.whole ? KEEPER_WHOLE : KEEPER_FIRST];
}

/* Whether there cannot be a column of that name, which one need not wait to know. */
static bool nobodys(const struct view *v, const char *name)
{
	bool of_two = !strncmp(name, "b.", 2) || !strncmp(name, "pair.", 5);

	return strlen(name) >= COLUMNS_NAME || (of_two && v->profiles.count < 2);
}

static const struct column *find_column(const struct store *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (!strcmp(s->columns[i].name, name))
			return &s->columns[i];
	return NULL;
}

static void wait_for(struct store *s, struct web_call *call, const char *name)
{
	struct waiting *w;

	if (array_reserve(&s->waiting, &s->waiting_room, s->waiting_count + 1) < 0) {
		web_refuse(call, FAILED, strerror(ENOMEM));
		return;
	}
	w = &s->waiting[s->waiting_count++];
	w->call = call;
	snprintf(w->name, sizeof(w->name), "%.63s", name);
}

static void begin_store(struct view *v, struct store *s)
{
	struct job *j = make_job(v);

	if (!j) {
		s->stage = BROKEN;
		snprintf(s->why, sizeof(s->why), "%s", strerror(ENOMEM));
		refuse_waiting(s);
		return;
	}
	j->store = s;
	s->stage = UNDER_WAY;
	enqueue(v, j);
}

static void ask_column(struct view *v, struct web_call *call, const char *name)
{
	struct store *s = store_of(v, &name);
	const struct column *c = find_column(s, name);

	if (c) {
		answer_file(call, "application/octet-stream", s->fd, c->at, c->len, c);
		return;
	}
	if (s->stage == WHOLE || nobodys(v, name)) {
		answer_none(call);
		return;
	}
	if (s->stage == BROKEN) {
		web_refuse(call, FAILED, s->why);
		return;
	}
	wait_for(s, call, name);
	if (s->stage == NOT_BEGUN)
		begin_store(v, s);
}

void view_ask(void *view, struct web_call *call, const struct request *r)
{
	struct view *v = view;

	if (!*r->path) {
		const struct web_answer page = {.status = OK,
						.type = "text/html; charset=utf-8",
						.lasting = v->page,
						.len = v->page_len};

		web_answer(call, &page);
	} else if (!strncmp(r->path, "api/", 4)) {
		ask_verb(v, call, r->path + 4, r);
	} else if (!strncmp(r->path, "columns/", 8)) {
		ask_column(v, call, r->path + 8);
	} else {
		web_refuse(call, NOT_FOUND, "no such page");
	}
}

/* ---- open and close ----------------------------------------------------------- */

struct view *view_open(const struct keeper_profiles *p, struct keeper k)
{
	struct view *v = calloc(1, sizeof(*v));
	FILE *out = v ? open_memstream(&v->page, &v->page_len) : NULL;

	if (out)
		html_served(out);
	if (!out || fclose(out) != 0) {
		keeper_close(&k);
		free(v);
		return NULL;
	}
	v->profiles = *p;
	v->base = k;
	v->parts.socket = -1;
	for (size_t i = 0; i < GRAPHS; i++)
		v->graphs[i].keeper.socket = -1;
	v->queue_end = &v->queue;
	for (size_t i = 0; i < LEVELS; i++)
		v->stores[i].fd = -1;
	return v;
}

/* The first columns are made while the browser starts. */
void view_serve(struct view *v, struct web *s)
{
	v->server = s;
	begin_store(v, &v->stores[KEEPER_FIRST]);
}

static void close_store(struct store *s)
{
	if (s->fd >= 0)
		close(s->fd);
	free(s->columns);
	free(s->waiting);
}

void view_close(struct view *v)
{
	if (!v)
		return;
	keeper_close(&v->base);
	keeper_close(&v->parts);
	for (size_t i = 0; i < GRAPHS; i++) {
		keeper_close(&v->graphs[i].keeper);
		free(v->graphs[i].which);
	}
	for (size_t i = 0; i < LEVELS; i++)
		close_store(&v->stores[i]);
	for (size_t i = 0; i < ANSWERS; i++)
		if (v->answers[i].question) {
			close(v->answers[i].fd);
			free(v->answers[i].question);
		}
	for (size_t i = 0; i < RUNNING; i++)
		if (v->running[i])
			free_job(v->running[i]);
	while (v->queue) {
		struct job *j = v->queue;

		v->queue = j->next;
		free_job(j);
	}
	free(v->page);
	free(v);
}
