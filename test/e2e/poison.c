/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For LD_PRELOAD: spoils what is on its way to the kernel, so that the kernel itself refuses it. In each
 * netlink message the name POISON_CHAIN behind the IPv4 address POISON becomes
 * that of a chain that does not exist. While the file POISON_WHILE exists.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NEAR 128 /* a verdict follows its key */

static void spoil(char *bytes, size_t len, const void *key, size_t key_len, const char *name)
{
	char *at = memmem(bytes, len, key, key_len);

	for (; at != NULL; at = memmem(at, len - (size_t)(at - bytes), key, key_len)) {
		size_t left = len - (size_t)(at - bytes);
		char *chain = memmem(at, left < NEAR ? left : NEAR, name, strlen(name));

		if (chain != NULL)
			chain[0] = 'S';
		at += key_len;
	}
}

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): those are reserved */
ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	ssize_t (*real)(int, const struct msghdr *, int);
	const char *poison = getenv("POISON");
	const char *condition = getenv("POISON_WHILE");
	const char *name = getenv("POISON_CHAIN");
	const struct sockaddr *to = msg->msg_name;
	struct in_addr addr;

	*(void **)&real = dlsym(RTLD_NEXT, "sendmsg");
	if (poison != NULL && name != NULL && condition != NULL && to != NULL &&
	    to->sa_family == AF_NETLINK && access(condition, F_OK) == 0 &&
	    inet_pton(AF_INET, poison, &addr) == 1)
		for (size_t i = 0; i < msg->msg_iovlen; i++)
			spoil(msg->msg_iov[i].iov_base, msg->msg_iov[i].iov_len, &addr,
			      sizeof(addr), name);
	return real(fd, msg, flags);
}
