/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libcurl says through two callbacks what it waits for; these do nothing but arm
 * and stop watchers. What has ended is harvested after each time that libcurl
 * was told of an event.
 */
#include "watch/http_loop.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"

/** One socket of libcurl's. */
struct http_sock {
	struct http_sock *next;
	struct http_sock **link; /* what points here */
	ev_io io;
};

static void harvest(struct http_loop *glue)
{
	const CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(glue->multi, &left)) != NULL) {
		if (msg->msg == CURLMSG_DONE)
			glue->ended(msg->easy_handle, msg->data.result);
	}
}

static void act(struct http_loop *glue, curl_socket_t fd, int events)
{
	CURLMcode code;
	int running;

	code = curl_multi_socket_action(glue->multi, fd, events, &running);
	/* Others are our misuse, or no memory. */
	ASSERT(code == CURLM_OK || code == CURLM_BAD_SOCKET);
	harvest(glue);
}

static void on_io(struct ev_loop *loop, ev_io *io, int revents)
{
	int events = (revents & EV_READ ? CURL_CSELECT_IN : 0) |
	             (revents & EV_WRITE ? CURL_CSELECT_OUT : 0) |
	             (revents & EV_ERROR ? CURL_CSELECT_ERR : 0);

	(void)loop;
	/* @io may be freed inside. */
	act(io->data, io->fd, events);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static void drop_sock(struct http_loop *glue, struct http_sock *sock)
{
	ev_io_stop(glue->loop, &sock->io);
	*sock->link = sock->next;
	if (sock->next != NULL)
		sock->next->link = sock->link;
	free(sock);
}

static struct http_sock *add_sock(struct http_loop *glue)
{
	struct http_sock *sock = xcalloc(1, sizeof(*sock));

	ev_init(&sock->io, on_io);
	sock->io.data = glue;
	sock->next = glue->socks;
	sock->link = &glue->socks;
	if (sock->next != NULL)
		sock->next->link = &sock->next;
	glue->socks = sock;
	return sock;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *sock_ctx)
{
	struct http_loop *glue = ctx;
	struct http_sock *sock = sock_ctx;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (sock != NULL)
			drop_sock(glue, sock);
		return 0;
	}
	if (sock == NULL) {
		sock = add_sock(glue);
		(void)curl_multi_assign(glue->multi, fd, sock);
	}
	ev_io_stop(glue->loop, &sock->io);
	ev_io_set(&sock->io, fd,
	          (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0));
	ev_io_start(glue->loop, &sock->io);
	return 0;
}

/* A timer that fires too early, by a loop's clock that lags, does no harm: libcurl sets it again. */
static int on_timeout(CURLM *multi, long timeout_ms, void *ctx)
{
	struct http_loop *glue = ctx;

	(void)multi;
	ev_timer_stop(glue->loop, &glue->timer);
	if (timeout_ms >= 0) {
		ev_timer_set(&glue->timer, (double)timeout_ms / 1000.0, 0.);
		ev_timer_start(glue->loop, &glue->timer);
	}
	return 0;
}

int http_loop_init(struct http_loop *glue, struct ev_loop *loop, long max_idle, struct err *err)
{
	CURLMcode code = CURLM_OK;

	glue->loop = loop;
	ev_init(&glue->timer, on_timer);
	glue->timer.data = glue;
	glue->multi = curl_multi_init();
	if (glue->multi == NULL)
		return err_set(err, EIO, "libcurl: cannot make a multi handle");
	code = curl_multi_setopt(glue->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	if (code == CURLM_OK)
		code = curl_multi_setopt(glue->multi, CURLMOPT_SOCKETDATA, glue);
	if (code == CURLM_OK)
		code = curl_multi_setopt(glue->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	if (code == CURLM_OK)
		code = curl_multi_setopt(glue->multi, CURLMOPT_TIMERDATA, glue);
	if (code == CURLM_OK)
		code = curl_multi_setopt(glue->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
	if (code == CURLM_OK)
		code = curl_multi_setopt(glue->multi, CURLMOPT_MAXCONNECTS, max_idle);
	if (code != CURLM_OK)
		return err_set(err, EIO, "libcurl: %s", curl_multi_strerror(code));
	return 0;
}

void http_loop_done(struct http_loop *glue)
{
	struct http_sock *next;

	if (glue->multi != NULL) {
		(void)curl_multi_cleanup(glue->multi);
		ev_timer_stop(glue->loop, &glue->timer);
	}
	for (struct http_sock *sock = glue->socks; sock != NULL; sock = next) {
		next = sock->next;
		ev_io_stop(glue->loop, &sock->io);
		free(sock);
	}
	glue->socks = NULL;
	glue->multi = NULL;
}
