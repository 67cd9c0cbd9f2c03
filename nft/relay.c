/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relay.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ask.h"
#include "base/mem.h"

#define PIECE_BYTES (32u << 10) /* the kernel makes no larger piece of a dump */

struct nftx_relay {
	int user_fd; /* what the user holds of the pair */
	pthread_t thread;
	bool runs;
	/* the thread's alone while it runs */
	int fd;
	struct mnl_socket *nl;
	_Alignas(struct nlmsghdr) char buf[PIECE_BYTES];
};

static bool relay_error(int fd, uint32_t seq, int code)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
	} msg = { .head = { .nlmsg_len = sizeof(msg), .nlmsg_type = NLMSG_ERROR, .nlmsg_seq = seq },
		  .error = { .error = -code } };

	return send(fd, &msg, sizeof(msg), MSG_NOSIGNAL) >= 0;
}

/* Hands on the answers to one request. Return: whether there is somebody to hand them to. */
static bool relay_dump(struct nftx_relay *relay, uint32_t seq)
{
	for (;;) {
		ssize_t n = mnl_socket_recvfrom(relay->nl, relay->buf, sizeof(relay->buf));
		int code = errno;

		if (n < 0 && !relay_error(relay->fd, seq, code))
			return false;
		if (n < 0 && code != ENOBUFS)
			return true;
		if (n < 0)
			continue; /* something was lost, the dump goes on */
		if (send(relay->fd, relay->buf, (size_t)n, MSG_NOSIGNAL) < 0)
			return false;
		if (nftx_answer_ends(relay->buf, (size_t)n, seq))
			return true;
	}
}

static void *run_relay(void *arg)
{
	struct nftx_relay *relay = arg;
	bool go_on = true;

	while (go_on) {
		ssize_t n = recv(relay->fd, relay->buf, sizeof(relay->buf), 0);
		uint32_t seq;

		if (n < (ssize_t)sizeof(struct nlmsghdr))
			break; /* the other end is shut */
		seq = ((const struct nlmsghdr *)(const void *)relay->buf)->nlmsg_seq;
		if (mnl_socket_sendto(relay->nl, relay->buf, (size_t)n) < 0)
			go_on = relay_error(relay->fd, seq, errno);
		else
			go_on = relay_dump(relay, seq);
	}
	return NULL;
}

int nftx_relay_open(struct nftx_relay **out, struct mnl_socket *nl, struct err *err)
{
	struct nftx_relay *relay = xcalloc(1, sizeof(*relay));
	sigset_t all;
	sigset_t before;
	int pair[2];
	int code;

	relay->nl = nl;
	relay->user_fd = -1;
	relay->fd = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		code = errno;
		nftx_relay_close(relay);
		return err_set(err, code, "a pair of sockets: %s", strerrordesc_np(code));
	}
	relay->user_fd = pair[0];
	relay->fd = pair[1];
	/* signals are for the event loop's thread */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	code = pthread_create(&relay->thread, NULL, run_relay, relay);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (code != 0) {
		nftx_relay_close(relay);
		return err_set(err, code, "a thread: %s", strerrordesc_np(code));
	}
	relay->runs = true;
	(void)pthread_setname_np(relay->thread, "kubenft-relay");
	*out = relay;
	return 0;
}

void nftx_relay_close(struct nftx_relay *relay)
{
	if (relay == NULL)
		return;
	if (relay->runs) {
		(void)shutdown(relay->user_fd, SHUT_RDWR);
		(void)pthread_join(relay->thread, NULL);
	}
	if (relay->user_fd >= 0) {
		(void)close(relay->user_fd);
		(void)close(relay->fd);
	}
	(void)mnl_socket_close(relay->nl);
	free(relay);
}

int nftx_relay_fd(const struct nftx_relay *relay)
{
	return relay->user_fd;
}
