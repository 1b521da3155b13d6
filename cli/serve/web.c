#include "cli/serve/web.h"

#include "cli/base/cleanup.h"
#include "cli/base/kernel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

enum {
	CONNECTIONS = 128,
	CROWD = 96,	       /* from here on, who has been silent longest must go */
	HEAD_BYTES = 24 << 10, /* of a request, and MHD's own about it */
	IDLE_S = 60,	       /* without a byte, while an answer is on its way */
	CALLS = 64,	       /* waiting for answers */
	WATCHES = FD_SETSIZE,
	TICK_MS = 1000,
};

/* For the head of a request to arrive, and between two requests. */
#define PATIENCE_NS (10 * UINT64_C(1000000000))

struct watch {
	void (*ready)(void *context);
	void *context;
};

struct peer { /* a connection */
	struct peer *next, *previous;
	uint64_t since_ns; /* when it began to owe us a request */
	int fd;
	bool asking; /* a request is here, and not answered to its end */
};

struct web_call {
	struct web_call *next, *previous;
	struct web *server;
	struct MHD_Connection *connection;
	struct MHD_Response *response; /* the answer */
	unsigned status;
	bool begun, suspended, answered, listed;
	char *target; /* as it came */
};

struct web {
	struct web_options options;
	char token[REQUEST_TOKEN];
	struct MHD_Daemon *daemon;
	unsigned port;
	int signals;
	struct watch watches[WATCHES]; /* by descriptor */
	struct peer *peers;
	size_t peer_count;
	struct web_call *calls; /* that wait */
	size_t call_count;
	bool closing;
	struct request request; /* the one at hand */
};

/* ---- connections ---------------------------------------------------------------- */

static void add_peer(struct web *s, struct peer *p)
{
	p->next = s->peers;
	if (p->next)
		p->next->previous = p;
	s->peers = p;
	s->peer_count++;
}

static void drop_peer(struct web *s, struct peer *p)
{
	if (p->next)
		p->next->previous = p->previous;
	if (p->previous)
		p->previous->next = p->next;
	else
		s->peers = p->next;
	s->peer_count--;
}

/* Ends a connection that has nothing to wait for: the daemon reads its end. */
static void hang_up(struct peer *p)
{
	shutdown(p->fd, SHUT_RDWR);
	p->asking = true; /* once is enough */
}

static void make_room(struct web *s)
{
	struct peer *oldest = NULL;

	for (struct peer *p = s->peers; p; p = p->next)
		if (!p->asking && (!oldest || p->since_ns < oldest->since_ns))
			oldest = p;
	if (oldest)
		hang_up(oldest);
}

static void hang_up_late(struct web *s)
{
	uint64_t now = kernel_monotonic_ns();

	for (struct peer *p = s->peers; p; p = p->next)
		if (!p->asking && now - p->since_ns > PATIENCE_NS)
			hang_up(p);
}

static void on_connection(void *context, struct MHD_Connection *connection,
			  void **socket_context,
			  enum MHD_ConnectionNotificationCode what)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct web *s = context;
	struct peer *p = *socket_context;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (p)
			drop_peer(s, p);
		free(p);
		return;
	}
	if (s->peer_count >= CROWD)
		make_room(s);
	p = calloc(1, sizeof(*p));
	if (!p || !info) {
		free(p);
		return;
	}
	p->fd = info->connect_fd;
	p->since_ns = kernel_monotonic_ns();
	*socket_context = p;
	add_peer(s, p);
}

static struct peer *peer_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

/* ---- answers -------------------------------------------------------------------- */

static const char *const headers[][2] = {
	{MHD_HTTP_HEADER_CACHE_CONTROL, "no-store"},
	{"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
	{"Cross-Origin-Opener-Policy", "same-origin"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
	{"Referrer-Policy", "no-referrer"},
	{"X-Content-Type-Options", "nosniff"},
	{"X-Frame-Options", "DENY"},
};

static struct MHD_Response *make_response(const struct web_answer *a)
{
	void *text;

	if (a->lasting)
		return MHD_create_response_from_buffer(a->len, (void *)a->lasting,
						       MHD_RESPMEM_PERSISTENT);
	if (!a->text)
		return MHD_create_response_from_fd_at_offset64(a->len, a->fd, a->at);
	text = malloc(a->len ? a->len : 1);
	if (!text)
		return NULL;
	memcpy(text, a->text, a->len);
	return MHD_create_response_from_buffer(a->len, text, MHD_RESPMEM_MUST_FREE);
}

/* A page's own policy is in its head, and lets its script run: both policies count. */
static bool fits(size_t header, const struct web_answer *a)
{
	return header != 1 || strncmp(a->type, "text/html", 9) != 0;
}

static struct MHD_Response *respond(const struct web_answer *a)
{
	struct MHD_Response *r = make_response(a);
	char count[24];

	if (!r && !a->text && !a->lasting)
		close(a->fd);
	if (!r)
		return NULL;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		if (fits(i, a))
			MHD_add_response_header(r, headers[i][0], headers[i][1]);
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, a->type);
	if (a->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	if (a->hidden) {
		snprintf(count, sizeof(count), "%u", a->hidden);
		MHD_add_response_header(r, "X-Status", count);
	}
	if (a->form) {
		snprintf(count, sizeof(count), "%llu", a->count);
		MHD_add_response_header(r, "X-Form", a->form);
		MHD_add_response_header(r, "X-Count", count);
	}
	return r;
}

void web_answer(struct web_call *call, const struct web_answer *a)
{
	static const struct web_answer no_memory = {
		.status = MHD_HTTP_INTERNAL_SERVER_ERROR,
		.type = "text/plain",
		.lasting = "out of memory\n",
		.len = 14,
	};
	struct MHD_Response *r = respond(a);

	call->response = r ? r : respond(&no_memory);
	call->status = r ? a->status : no_memory.status;
	call->answered = true;
	if (!call->suspended)
		return;
	call->suspended = false;
	MHD_resume_connection(call->connection);
}

/* Whether a refusal's status is to be a header of an answer like any other: a browser
 * tells its console of each that is none. */
static bool hides_status(const struct web_call *call)
{
	const char *value = MHD_lookup_connection_value(call->connection,
							MHD_HEADER_KIND, "X-Status");

	return value && !strcmp(value, "hidden");
}

void web_refuse(struct web_call *call, unsigned status, const char *why)
{
	char line[2048];
	bool hidden = hides_status(call);
	const struct web_answer a = {
		.status = hidden ? MHD_HTTP_OK : status,
		.hidden = hidden ? status : 0,
		.type = "text/plain; charset=utf-8",
		.text = line,
		.len = (unsigned)snprintf(line, sizeof(line), "%.2000s\n", why),
	};

	web_answer(call, &a);
}

/* ---- asks ----------------------------------------------------------------------- */

static bool has_body(struct MHD_Connection *connection)
{
	const char *length = MHD_lookup_connection_value(
		connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return (length && strcmp(length, "0") != 0) ||
	       MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
					   MHD_HTTP_HEADER_TRANSFER_ENCODING);
}

/* 0, or the status that it is refused with. */
static int check(struct web *s, struct web_call *call, const char *method)
{
	struct MHD_Connection *c = call->connection;
	const char *host =
		MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
	int refused;

	if (!request_host(host, s->port))
		return MHD_HTTP_FORBIDDEN;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 &&
	    strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return MHD_HTTP_METHOD_NOT_ALLOWED;
	if (has_body(c))
		return MHD_HTTP_CONTENT_TOO_LARGE;
	refused = request_parse(call->target, s->token, &s->request);
	if (refused)
		return refused;
	return s->closing || s->call_count >= CALLS ? MHD_HTTP_SERVICE_UNAVAILABLE : 0;
}

static void enlist(struct web *s, struct web_call *call)
{
	call->next = s->calls;
	if (call->next)
		call->next->previous = call;
	s->calls = call;
	s->call_count++;
	call->listed = true;
}

static void strike(struct web *s, struct web_call *call)
{
	if (!call->listed)
		return;
	if (call->next)
		call->next->previous = call->previous;
	if (call->previous)
		call->previous->next = call->next;
	else
		s->calls = call->next;
	s->call_count--;
	call->listed = false;
}

static void take(struct web *s, struct web_call *call, const char *method)
{
	struct peer *p = peer_of(call->connection);
	int refused;

	if (p)
		p->asking = true;
	refused = check(s, call, method);
	if (refused) {
		web_refuse(call, (unsigned)refused,
			   refused == MHD_HTTP_FORBIDDEN
				   ? "not for you: open the address that `heapline "
				     "view` printed"
				   : "no such request");
		return;
	}
	enlist(s, call);
	s->options.ask(s->options.context, call, &s->request);
	if (call->answered)
		return;
	call->suspended = true;
	MHD_suspend_connection(call->connection);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
				  const char *url, const char *method,
				  const char *version, const char *data,
				  size_t *data_len, void **of_call)
{
	struct web_call *call = *of_call;
	enum MHD_Result queued;

	(void)url, (void)version, (void)data;
	if (!call || *data_len)
		return MHD_NO;
	call->connection = connection;
	/* An answer at once would end the connection, as if a body were to come. */
	if (!call->begun && !has_body(connection)) {
		call->begun = true;
		return MHD_YES;
	}
	if (!call->answered && !call->suspended)
		take(context, call, method);
	if (!call->answered)
		return MHD_YES;
	if (!call->response)
		return MHD_NO;
	queued = MHD_queue_response(connection, call->status, call->response);
	MHD_destroy_response(take_ptr(call->response));
	return queued;
}

/* The first that is heard of a request: its target, before its head is whole. */
static void *on_target(void *context, const char *target,
		       struct MHD_Connection *connection)
{
	struct web_call *call = calloc(1, sizeof(*call));

	(void)connection;
	if (!call)
		return NULL;
	call->server = context;
	call->target = strndup(target, REQUEST_BYTES);
	if (call->target)
		return call;
	free(call);
	return NULL;
}

static void on_end(void *context, struct MHD_Connection *connection, void **of_call,
		   enum MHD_RequestTerminationCode how)
{
	struct web_call *call = *of_call;
	struct peer *p = peer_of(connection);

	(void)how;
	if (p) {
		p->asking = false;
		p->since_ns = kernel_monotonic_ns();
	}
	if (!call)
		return;
	strike(context, call);
	if (call->response)
		MHD_destroy_response(call->response);
	free(call->target);
	free(call);
	*of_call = NULL;
}

static void say_nothing(void *context, const char *format, va_list args)
{
	(void)context, (void)format, (void)args;
}

/* ---- open, run, close ------------------------------------------------------------ */

static int listen_at(unsigned port, unsigned *ret_port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons((uint16_t)port),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	_cleanup_(closep) int fd =
		socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int yes = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 64) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		return -errno;
	*ret_port = ntohs(a.sin_port);
	return take_fd(fd);
}

static int start(struct web *s)
{
	int fd = listen_at(s->options.port, &s->port);

	if (fd < 0)
		return fd;
	s->daemon = MHD_start_daemon(
		MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request,
		s, MHD_OPTION_EXTERNAL_LOGGER, say_nothing, NULL,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEAD_BYTES,
		MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, MHD_OPTION_NOTIFY_COMPLETED,
		on_end, s, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
		MHD_OPTION_URI_LOG_CALLBACK, on_target, s, MHD_OPTION_END);
	if (!s->daemon) {
		close(fd);
		return -ENOMEM;
	}
	return 0;
}

static int open_signals(struct web *s)
{
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	s->signals = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signals < 0 ? -errno : 0;
}

int web_open(const struct web_options *o, struct web **ret, unsigned *ret_port)
{
	struct web *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->options = *o;
	memcpy(s->token, o->token, sizeof(s->token));
	s->signals = -1;
	err = start(s);
	if (!err)
		err = open_signals(s);
	if (err) {
		web_close(s);
		return err;
	}
	*ret_port = s->port;
	*ret = s;
	return 0;
}

int web_watch(struct web *s, int fd, void (*ready)(void *context), void *context)
{
	if (fd < 0 || fd >= WATCHES)
		return -EMFILE;
	s->watches[fd] = (struct watch){ready, context};
	return 0;
}

void web_unwatch(struct web *s, int fd)
{
	s->watches[fd] = (struct watch){0};
}

/* How long the daemon may be left alone. */
static struct timeval patience(const struct web *s)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (MHD_get_timeout(s->daemon, &ms) != MHD_YES || ms > TICK_MS)
		ms = TICK_MS;
	return (struct timeval){ms / 1000, ms % 1000 * 1000};
}

struct sets {
	fd_set read, write, except;
	int most;
};

static int gather(struct web *s, struct sets *sets)
{
	FD_ZERO(&sets->read);
	FD_ZERO(&sets->write);
	FD_ZERO(&sets->except);
	sets->most = 0;
	if (MHD_get_fdset(s->daemon, &sets->read, &sets->write, &sets->except,
			  &sets->most) != MHD_YES)
		return -EIO;
	FD_SET(s->signals, &sets->read);
	sets->most = s->signals > sets->most ? s->signals : sets->most;
	for (int fd = 0; fd < WATCHES; fd++) {
		if (!s->watches[fd].ready)
			continue;
		FD_SET(fd, &sets->read);
		sets->most = fd > sets->most ? fd : sets->most;
	}
	return 0;
}

/* Descriptors' turns, in the sets that select() left. */
static int serve_sets(struct web *s, struct sets *sets)
{
	for (int fd = 0; fd <= sets->most; fd++) {
		const struct watch w = s->watches[fd];

		if (w.ready && FD_ISSET(fd, &sets->read))
			w.ready(w.context);
		/* The daemon is to see its own alone. */
		if (w.ready)
			FD_CLR(fd, &sets->read);
	}
	hang_up_late(s);
	return MHD_run_from_select(s->daemon, &sets->read, &sets->write,
				   &sets->except) == MHD_YES
		       ? 0
		       : -EIO;
}

/* select() and not epoll: of the latter the daemon asks for edges, and misses the end of
 * a connection that came with its last bytes. There are few descriptors. */
int web_run(struct web *s)
{
	for (;;) {
		struct timeval wait = patience(s);
		struct sets sets;
		int err = gather(s, &sets);

		if (err)
			return err;
		if (select(sets.most + 1, &sets.read, &sets.write, &sets.except,
			   &wait) < 0) {
			if (errno != EINTR)
				return -errno;
			continue;
		}
		if (FD_ISSET(s->signals, &sets.read))
			return 0;
		err = serve_sets(s, &sets);
		if (err)
			return err;
	}
}

void web_close(struct web *s)
{
	if (!s)
		return;
	s->closing = true;
	for (struct web_call *c = s->calls; c; c = c->next)
		if (c->suspended)
			web_refuse(c, MHD_HTTP_SERVICE_UNAVAILABLE, "it has ended");
	if (s->daemon) {
		MHD_stop_daemon(s->daemon);
	}
	if (s->signals >= 0)
		close(s->signals);
	free(s);
}
