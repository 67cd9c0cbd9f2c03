/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/httpd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "cmd/clock.h"

#define BACKLOG 128
#define ACCEPT_BURST 16 /* of one listening socket in one turn of the loop */
#define PAUSE_S 0.1     /* when there is no descriptor left for a connection */

/* What libmicrohttpd may allocate for a connection: the request's head, and what it makes of it. */
#define POOL_BYTES (12u << 10)
#define MAX_PARAMETERS 64 /* in a query; each takes some of that memory */

/** A connection; since_us 0: this place is free. */
struct conn {
	struct httpd_listener *listener; /* NULL: closed meanwhile */
	int fd;
	uint64_t since_us; /* it has been waiting since then */
	bool ending;       /* shut down by us */
	bool answered;     /* at least once */

	struct MHD_Connection *suspended; /* NULL: not */

	/* of the request under way */
	char *query; /* NULL: none */
	size_t body_bytes;
	bool begun;
	bool waited;   /* its answer was put off */
	bool too_long; /* its head */
};

struct httpd_listener {
	struct httpd *server;
	struct httpd_listener *next;
	ev_io io;
	http_fn answer;
	void *ctx;
};

struct httpd {
	struct ev_loop *loop;
	uint64_t deadline_us;
	struct MHD_Daemon *mhd;
	ev_io io;
	ev_timer timer;
	struct httpd_listener *listeners;
	struct httpd_listener *accepting; /* during MHD_add_connection() */
	struct shared {
		struct MHD_Response *response; /* of this turn, NULL: none */
		unsigned status;
		const struct httpd_listener *listener;
		const char *path;
	} shared;
	struct conn conns[HTTPD_MAX_CONNECTIONS];
	struct httpd_stats stats;
	bool paused; /* not accepting: no descriptor left */
};

/* ---- Called by libmicrohttpd ---------------------------------------------------------------- */

static struct conn *conn_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info->socket_context;
}

static struct conn *free_place(struct httpd *server)
{
	for (size_t i = 0; i < HTTPD_MAX_CONNECTIONS; i++)
		if (server->conns[i].since_us == 0)
			return &server->conns[i];
	return NULL;
}

/* libmicrohttpd does not say to anybody that it has work then: a turn is due. */
static void resume(struct httpd *server, struct conn *conn)
{
	if (conn->suspended == NULL)
		return;
	MHD_resume_connection(conn->suspended);
	conn->suspended = NULL;
	ev_feed_event(server->loop, &server->timer, EV_TIMER);
}

/* libmicrohttpd has no call to close a connection; the end of its input makes it do so, if it looks
 * at it. */
static void end_conn(struct httpd *server, struct conn *conn)
{
	conn->ending = true;
	(void)shutdown(conn->fd, SHUT_RDWR);
	resume(server, conn);
}

static void forget_request(struct conn *conn)
{
	free(conn->query);
	conn->query = NULL;
	conn->body_bytes = 0;
	conn->begun = false;
	conn->waited = false;
	conn->too_long = false;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
	struct httpd *server = cls;
	struct conn *conn = *socket_context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info =
			MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

		conn = free_place(server);
		ASSERT(conn != NULL);
		*conn = (struct conn){ .listener = server->accepting,
			               .fd = info->connect_fd,
			               .since_us = clock_us() };
		*socket_context = conn;
		server->stats.open++;
		server->stats.accepted++;
	} else if (conn != NULL) {
		/* not each request that began is reported as completed: what could not be parsed
		 * for want of memory is not */
		forget_request(conn);
		*conn = (struct conn){ 0 };
		server->stats.open--;
	}
}

static size_t count_parameters(const char *query)
{
	size_t count = 1;

	for (; *query != '\0'; query++)
		count += *query == '&';
	return count;
}

/* The first that is known of a request; libmicrohttpd cuts and decodes @uri after this. */
static void *on_uri(void *cls, const char *uri, struct MHD_Connection *connection)
{
	struct httpd *server = cls;
	struct conn *conn = conn_of(connection);
	const char *query = strchr(uri, '?');

	if (conn == NULL)
		return NULL;
	forget_request(conn);
	conn->query = xstrdup(query != NULL ? query + 1 : "");
	/* when its memory is used up here, it closes without a word, and not at once */
	if (count_parameters(conn->query) > MAX_PARAMETERS)
		end_conn(server, conn);
	return conn;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
                         enum MHD_RequestTerminationCode code)
{
	struct conn *conn = conn_of(connection);

	(void)cls;
	(void)code;
	*con_cls = NULL;
	if (conn == NULL)
		return;
	conn->since_us = clock_us();
	conn->answered = true;
	forget_request(conn);
}

static struct MHD_Response *make_response(struct http_answer *answer)
{
	struct MHD_Response *response;

	if (answer->body.text == NULL)
		strbuf_puts(&answer->body, "");
	response = MHD_create_response_from_buffer(answer->body.len, answer->body.text,
	                                           MHD_RESPMEM_MUST_FREE);
	if (response == NULL)
		return NULL;
	answer->body = (struct strbuf){ 0 };
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type);
	for (size_t i = 0; i < answer->header_count; i++)
		(void)MHD_add_response_header(response, answer->headers[i].name,
		                              answer->headers[i].value);
	return response;
}

static void drop_shared(struct httpd *server)
{
	if (server->shared.response != NULL)
		MHD_destroy_response(server->shared.response);
	server->shared.response = NULL;
}

static bool is_shared(const struct conn *conn, const char *path)
{
	const struct httpd *server = conn->listener->server;

	return server->shared.response != NULL && server->shared.listener == conn->listener &&
	       strcmp(server->shared.path, path) == 0;
}

static enum MHD_Result send_answer(const struct conn *conn, struct MHD_Connection *connection,
                                   struct http_answer *answer)
{
	struct httpd *server = conn->listener->server;
	struct MHD_Response *response = make_response(answer);
	enum MHD_Result ret;

	if (response == NULL)
		return MHD_NO; /* closes the connection */
	ret = MHD_queue_response(connection, answer->status, response);
	if (answer->shared == NULL) {
		MHD_destroy_response(response);
		return ret;
	}
	drop_shared(server);
	server->shared =
		(struct shared){ response, answer->status, conn->listener, answer->shared };
	return ret;
}

/* on_request() is called again after resume(). */
static enum MHD_Result put_off(struct conn *conn, struct MHD_Connection *connection)
{
	ASSERT(!conn->waited);
	conn->waited = true;
	conn->suspended = connection;
	MHD_suspend_connection(connection);
	return MHD_YES;
}

static bool head_is_too_long(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	return info != NULL && info->header_size > HTTPD_MAX_HEAD;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_bytes, void **con_cls)
{
	struct conn *conn = *con_cls;
	struct http_request request = { .path = url };
	struct http_answer answer = { 0 };
	enum MHD_Result ret;

	(void)cls;
	(void)method;
	(void)version;
	(void)upload;
	if (conn == NULL || conn->listener == NULL || conn->query == NULL || conn->ending)
		return MHD_NO;
	if (!conn->begun) {
		conn->begun = true;
		conn->too_long = head_is_too_long(connection);
		conn->since_us = clock_us();
		return MHD_YES;
	}
	if (*upload_bytes > 0) {
		conn->body_bytes += *upload_bytes;
		*upload_bytes = 0;
		return conn->body_bytes <= HTTPD_MAX_BODY ? MHD_YES : MHD_NO;
	}
	if (!conn->too_long && is_shared(conn, url))
		return MHD_queue_response(connection, conn->listener->server->shared.status,
		                          conn->listener->server->shared.response);
	request.query = conn->query;
	request.accept =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
	if (request.accept == NULL)
		request.accept = "";
	request.waited = conn->waited;
	if (conn->too_long)
		http_text(&answer, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE,
		          "request head too long\n");
	else
		conn->listener->answer(conn->listener->ctx, &request, &answer);
	ret = answer.later ? put_off(conn, connection) : send_answer(conn, connection, &answer);
	http_answer_done(&answer);
	return ret;
}

/* ---- Turns of the loop ---------------------------------------------------------------------- */

/* The connection that has waited longest, of those not ending yet. */
static struct conn *oldest(struct httpd *server)
{
	struct conn *found = NULL;

	for (size_t i = 0; i < HTTPD_MAX_CONNECTIONS; i++) {
		struct conn *conn = &server->conns[i];

		if (conn->since_us != 0 && !conn->ending &&
		    (found == NULL || conn->since_us < found->since_us))
			found = conn;
	}
	return found;
}

static void set_accepting(struct httpd *server, bool accept)
{
	for (struct httpd_listener *l = server->listeners; l != NULL; l = l->next) {
		if (accept)
			ev_io_start(server->loop, &l->io);
		else
			ev_io_stop(server->loop, &l->io);
	}
	server->paused = !accept;
}

static void arm_timer(struct httpd *server)
{
	const struct conn *conn = oldest(server);
	MHD_UNSIGNED_LONG_LONG mhd_ms;
	uint64_t now = clock_us();
	double wait = -1.;

	if (conn != NULL)
		wait = conn->since_us + server->deadline_us > now
		               ? (double)(conn->since_us + server->deadline_us - now) / 1e6
		               : 0.;
	if (MHD_get_timeout(server->mhd, &mhd_ms) == MHD_YES &&
	    (wait < 0. || (double)mhd_ms / 1e3 < wait))
		wait = (double)mhd_ms / 1e3;
	if (server->paused && (wait < 0. || wait > PAUSE_S))
		wait = PAUSE_S;
	ev_timer_stop(server->loop, &server->timer);
	if (wait < 0.)
		return;
	ev_timer_set(&server->timer, wait, 0.);
	ev_timer_start(server->loop, &server->timer);
}

/* Everything that can be done now. */
static void turn(struct httpd *server)
{
	uint64_t now = clock_us();
	struct conn *conn;
	bool expired = false;

	(void)MHD_run(server->mhd);
	while ((conn = oldest(server)) != NULL && conn->since_us + server->deadline_us <= now) {
		/* who was answered and has no further question is not too slow */
		server->stats.expired += !conn->answered || conn->query != NULL;
		end_conn(server, conn);
		expired = true;
	}
	if (expired)
		(void)MHD_run(server->mhd);
	drop_shared(server);
	arm_timer(server);
}

/* Makes place for one more connection. Return: whether there is one. */
static bool make_room(struct httpd *server)
{
	struct conn *conn;

	if (server->stats.open < HTTPD_MAX_CONNECTIONS)
		return true;
	conn = oldest(server);
	if (conn != NULL) {
		end_conn(server, conn);
		server->stats.evicted++;
	}
	(void)MHD_run(server->mhd);
	return server->stats.open < HTTPD_MAX_CONNECTIONS;
}

/* Return: whether there may be more. */
static bool accept_one(struct httpd_listener *listener)
{
	struct httpd *server = listener->server;
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	int fd;

	fd = accept4(listener->io.fd, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
		set_accepting(server, false);
		return false;
	}
	if (fd < 0)
		return errno != EAGAIN; /* ECONNABORTED and its like: that connection is gone */
	if (!make_room(server)) {
		(void)close(fd);
		set_accepting(server, false);
		return false;
	}
	server->accepting = listener;
	(void)MHD_add_connection(server->mhd, fd, (struct sockaddr *)&addr, len);
	server->accepting = NULL;
	return true;
}

static void on_accept(struct ev_loop *loop, ev_io *w, int events)
{
	struct httpd_listener *listener = w->data;
	struct httpd *server = listener->server;

	(void)loop;
	(void)events;
	for (int i = 0; i < ACCEPT_BURST && accept_one(listener); i++)
		;
	turn(server);
}

static void on_readable(struct ev_loop *loop, ev_io *w, int events)
{
	(void)loop;
	(void)events;
	turn(w->data);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
	struct httpd *server = w->data;

	(void)loop;
	(void)events;
	if (server->paused)
		set_accepting(server, true);
	turn(server);
}

/* ---- Servers and listeners ------------------------------------------------------------------ */

int httpd_new(struct ev_loop *loop, uint64_t deadline_us, struct httpd **out, struct err *err)
{
	struct httpd *server = xcalloc(1, sizeof(*server));
	const union MHD_DaemonInfo *info;

	server->loop = loop;
	server->deadline_us = deadline_us;
	server->mhd = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
		on_request, server, MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTPD_MAX_CONNECTIONS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES, MHD_OPTION_URI_LOG_CALLBACK,
		on_uri, server, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_END);
	if (server->mhd == NULL) {
		free(server);
		return err_set(err, errno != 0 ? errno : ENOMEM, "starting the HTTP server");
	}
	info = MHD_get_daemon_info(server->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	ev_io_init(&server->io, on_readable, info->epoll_fd, EV_READ);
	ev_init(&server->timer, on_timer);
	server->io.data = server->timer.data = server;
	/* what the daemon is for goes first */
	ev_set_priority(&server->io, EV_MINPRI);
	ev_set_priority(&server->timer, EV_MINPRI);
	ev_io_start(loop, &server->io);
	*out = server;
	return 0;
}

static void drop_listener(struct httpd_listener *listener)
{
	struct httpd *server = listener->server;

	ev_io_stop(server->loop, &listener->io);
	(void)close(listener->io.fd);
	for (size_t i = 0; i < HTTPD_MAX_CONNECTIONS; i++) {
		struct conn *conn = &server->conns[i];

		if (conn->since_us == 0 || conn->listener != listener)
			continue;
		conn->listener = NULL;
		end_conn(server, conn);
	}
	free(listener);
}

void httpd_free(struct httpd *server)
{
	struct httpd_listener *next;

	if (server == NULL)
		return;
	for (struct httpd_listener *l = server->listeners; l != NULL; l = next) {
		next = l->next;
		drop_listener(l);
	}
	ev_io_stop(server->loop, &server->io);
	ev_timer_stop(server->loop, &server->timer);
	MHD_stop_daemon(server->mhd);
	drop_shared(server);
	free(server);
}

static socklen_t fill_sockaddr(struct sockaddr_storage *out, const struct ipaddr *addr,
                               uint16_t port)
{
	*out = (struct sockaddr_storage){ 0 };
	if (addr->family == 4) {
		struct sockaddr_in *in = (struct sockaddr_in *)out;

		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, addr->bytes, sizeof(in->sin_addr));
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, addr->bytes, sizeof(in6->sin6_addr));
	return sizeof(*in6);
}

static int open_socket(const struct ipaddr *addr, uint16_t port, bool both)
{
	struct sockaddr_storage to;
	socklen_t len = fill_sockaddr(&to, addr, port);
	int fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1;
	int only = !both;
	int saved;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (addr->family == 6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	if (bind(fd, (const struct sockaddr *)&to, len) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	saved = errno;
	(void)close(fd);
	return -saved;
}

int httpd_listen(struct httpd *server, const struct ipaddr *addr, uint16_t port, bool both,
                 http_fn answer, void *ctx, struct httpd_listener **out, struct err *err)
{
	struct httpd_listener *listener;
	char text[IPADDR_TEXT];
	int fd = open_socket(addr, port, both);

	if (fd < 0)
		return err_set(err, -fd,
		               addr->family == 6 ? "listening on [%s]:%u: %s"
		                                 : "listening on %s:%u: %s",
		               ipaddr_format(addr, text), port, strerrordesc_np(-fd));
	listener = xcalloc(1, sizeof(*listener));
	listener->server = server;
	listener->answer = answer;
	listener->ctx = ctx;
	listener->next = server->listeners;
	server->listeners = listener;
	ev_io_init(&listener->io, on_accept, fd, EV_READ);
	listener->io.data = listener;
	ev_set_priority(&listener->io, EV_MINPRI);
	if (!server->paused)
		ev_io_start(server->loop, &listener->io);
	*out = listener;
	return 0;
}

void httpd_close(struct httpd_listener *listener)
{
	struct httpd_listener **at;
	struct httpd *server;

	if (listener == NULL)
		return;
	server = listener->server;
	for (at = &server->listeners; *at != listener; at = &(*at)->next)
		;
	*at = listener->next;
	drop_listener(listener);
}

void httpd_resume(struct httpd *server)
{
	for (size_t i = 0; i < HTTPD_MAX_CONNECTIONS; i++)
		resume(server, &server->conns[i]);
}

struct httpd_stats httpd_stats(const struct httpd *server)
{
	return server->stats;
}
