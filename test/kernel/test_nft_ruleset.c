/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "base/str.h"
#include "nft/batch.h"
#include "nft/ruleset.h"
#include "test/unit/test.h"

/*
 * The fixed part of the ruleset against the real kernel and the real nft: what
 * one description says as messages and as text is the same ruleset.
 */

#define EXIT_SKIP 77
#define OWNED (NFTX_TABLE_F_OWNER | NFTX_TABLE_F_PERSIST)
#define ANSWER_ROOM 65536

static const uint8_t families[] = { 4, 6 };
static const uint32_t timeouts[] = { 1, 90, 10800, 86400, 90061 };

/* A network namespace for each test; what was in the one before goes with it. */
static int enter_namespace(void **state)
{
	(void)state;
	return unshare(CLONE_NEWNET);
}

static struct mnl_socket *open_socket(void)
{
	struct mnl_socket *sock = mnl_socket_open(NETLINK_NETFILTER);

	assert_non_null(sock);
	assert_return_code(mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID), errno);
	return sock;
}

/* Commit @batch and free it. Return: 0, or the first negative errno that the kernel answers. */
static int commit(struct mnl_socket *sock, struct nftx_batch *batch)
{
	static char answer[ANSWER_ROOM];
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct msghdr msg = { .msg_name = &kernel, .msg_namelen = sizeof(kernel) };
	const struct iovec *iov;
	int first = 0;

	nftx_batch_end(batch, true);
	iov = nftx_batch_iov(batch, &msg.msg_iovlen);
	msg.msg_iov = xcalloc(msg.msg_iovlen, sizeof(*iov));
	memcpy(msg.msg_iov, iov, msg.msg_iovlen * sizeof(*iov));
	assert_return_code(sendmsg(mnl_socket_get_fd(sock), &msg, 0), errno);
	free(msg.msg_iov);
	nftx_batch_free(batch);

	/* The kernel is done when sendmsg() returns; no answer means success. */
	while (recv(mnl_socket_get_fd(sock), answer, sizeof(answer), MSG_DONTWAIT) > 0) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)answer;
		const struct nlmsgerr *error = mnl_nlmsg_get_payload(nlh);

		assert_int_equal(nlh->nlmsg_type, NLMSG_ERROR);
		if (first == 0)
			first = error->error;
	}
	return first;
}

/* Tables of both families with all that belongs to them. */
static int commit_ruleset(struct mnl_socket *sock, const struct nftx_options *options,
                          uint32_t flags)
{
	struct nftx_batch *batch = nftx_batch_new();

	for (size_t f = 0; f < ARRAY_LEN(families); f++) {
		nftx_ruleset_put_table(batch, families[f], options, flags);
		nftx_ruleset_put_layout(batch, families[f], options);
		for (size_t i = 0; i < ARRAY_LEN(timeouts); i++)
			nftx_ruleset_put_remember(batch, families[f], timeouts[i]);
	}
	return commit(sock, batch);
}

/* What a command writes, its errors included, which must be none. */
static void run(const char *command, struct strbuf *out)
{
	char chunk[4096];
	FILE *pipe = popen(command, "re");
	size_t len;

	assert_non_null(pipe);
	while ((len = fread(chunk, 1, sizeof(chunk), pipe)) > 0)
		strbuf_add(out, chunk, len);
	assert_int_equal(pclose(pipe), 0);
}

/* A kernel without ownership refuses it; what else is tested here does not depend on it. */
static bool can_own(void)
{
	const struct nftx_options options = { .detect = NFTX_DETECT_NONE };
	struct mnl_socket *sock = open_socket();
	struct nftx_batch *batch = nftx_batch_new();
	int ret;

	nftx_ruleset_put_table(batch, 4, &options, OWNED);
	nftx_ruleset_put_delete(batch, 4, NFTX_TABLE);
	ret = commit(sock, batch);
	assert_true(ret == 0 || ret == -EOPNOTSUPP);
	mnl_socket_close(sock);
	return ret == 0;
}

/* What `nft list ruleset` should print; in front of the objects its habits differ. */
static void expected_text(struct strbuf *buf, uint8_t family, const struct nftx_options *options,
                          bool owned)
{
	char comment[NFTX_COMMENT_TEXT];

	strbuf_printf(buf, "table %s kubenft {\n", family == 4 ? "ip" : "ip6");
	if (owned)
		strbuf_puts(buf, "\tflags owner\n");
	strbuf_printf(buf, "\tcomment \"%s\"\n%s",
	              nftx_layout_comment(options, comment, sizeof(comment)), owned ? "\n" : "");
	for (enum nftx_map map = 0; map < NFTX_MAP_COUNT; map++) {
		nftx_ruleset_text_set(buf, family, map, options);
		strbuf_puts(buf, "\t}\n\n");
	}
	nftx_ruleset_text_chains(buf, family, options, timeouts, ARRAY_LEN(timeouts));
	strbuf_puts(buf, "}\n");
}

/* nft says which process owns a table; the text does not. */
static void drop_owner_names(struct strbuf *buf)
{
	char *note;

	while ((note = strstr(buf->text, " # progname ")) != NULL) {
		char *end = strchr(note, '\n');

		assert_non_null(end);
		memmove(note, end, strlen(end) + 1);
		buf->len -= (size_t)(end - note);
	}
}

/* cmocka shows the beginning of both texts only, which says nothing about long ones. */
static void assert_same_text(const char *got, const char *want)
{
	size_t at = 0;
	size_t line = 0;

	while (got[at] == want[at] && got[at] != '\0') {
		at++;
		if (got[at - 1] == '\n')
			line = at;
	}
	if (got[at] == want[at])
		return;
	fail_msg("first difference:\n got '%.*s'\nwant '%.*s'", (int)strcspn(got + line, "\n"),
	         got + line, (int)strcspn(want + line, "\n"), want + line);
}

static const struct row {
	const char *what;
	struct nftx_options options;
} rows[] = {
	{ .what = "pods are told by their addresses", .options = { .detect = NFTX_DETECT_CIDR } },
	{ .what = "pods are not told from others", .options = { .detect = NFTX_DETECT_NONE } },
	{ .what = "pods are behind a bridge",
	  .options = { .detect = NFTX_DETECT_BRIDGE, .interface = "cbr0" } },
	{ .what = "the bridge has the longest name that there is",
	  .options = { .detect = NFTX_DETECT_BRIDGE, .interface = "abcdefghijklmno" } },
	{ .what = "pods are behind interfaces with a common beginning",
	  .options = { .detect = NFTX_DETECT_PREFIX, .interface = "veth" } },
	{ .what = "the beginning is one letter",
	  .options = { .detect = NFTX_DETECT_PREFIX, .interface = "v" } },
	{ .what = "the beginning is as long as a name",
	  .options = { .detect = NFTX_DETECT_PREFIX, .interface = "abcdefghijklmno" } },
	{ .what = "stars are part of the bridge's name",
	  .options = { .detect = NFTX_DETECT_BRIDGE, .interface = "c*br*" } },
	{ .what = "everything towards ClusterIPs is masqueraded",
	  .options = { .detect = NFTX_DETECT_CIDR, .masquerade_all = true } },
	{ .what = "everything is masqueraded, pods are behind a bridge",
	  .options = { .detect = NFTX_DETECT_BRIDGE,
	               .interface = "cbr0",
	               .masquerade_all = true } },
	{ .what = "everything is masqueraded, pods are not told from others",
	  .options = { .detect = NFTX_DETECT_NONE, .masquerade_all = true } },
	{ .what = "the affinity maps have another size",
	  .options = { .detect = NFTX_DETECT_CIDR, .affinity_size = 1000 } },
	{ .what = "connections are counted",
	  .options = { .detect = NFTX_DETECT_CIDR, .count_connections = true } },
};

static void nft_lists_what_the_text_says(void **state)
{
	bool own = can_own();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct mnl_socket *sock;
		AUTO_STRBUF struct strbuf want = { 0 };
		AUTO_STRBUF struct strbuf got = { 0 };

		print_message("  - %s\n", rows[i].what);
		assert_return_code(unshare(CLONE_NEWNET), errno);
		sock = open_socket();
		assert_int_equal(commit_ruleset(sock, &rows[i].options, own ? OWNED : 0), 0);
		expected_text(&want, 4, &rows[i].options, own);
		expected_text(&want, 6, &rows[i].options, own);
		run("nft list ruleset 2>&1", &got);
		drop_owner_names(&got);
		assert_same_text(got.text, want.text);
		mnl_socket_close(sock);
	}
}

/* The flags of table ip kubenft, as any other socket sees them. */
static uint32_t table_flags(void)
{
	char buf[4096]; /* an answer about one table */
	struct mnl_socket *sock = open_socket();
	struct nftnl_table *table = nftnl_table_alloc();
	struct nlmsghdr *nlh =
		nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETTABLE, NFPROTO_IPV4, NLM_F_ACK, 1);
	uint32_t flags;
	ssize_t len;

	assert_non_null(table);
	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, NFTX_TABLE);
	assert_return_code(mnl_socket_sendto(sock, nlh, nlh->nlmsg_len), errno);
	len = mnl_socket_recvfrom(sock, buf, sizeof(buf));
	assert_true(len > 0);
	assert_int_equal(NFNL_MSG_TYPE(nlh->nlmsg_type), NFT_MSG_NEWTABLE);
	assert_return_code(nftnl_table_nlmsg_parse(nlh, table), errno);
	flags = nftnl_table_get_u32(table, NFTNL_TABLE_FLAGS);
	nftnl_table_free(table);
	mnl_socket_close(sock);
	return flags;
}

static int commit_tables(struct mnl_socket *sock, const struct nftx_options *options)
{
	struct nftx_batch *batch = nftx_batch_new();

	for (size_t f = 0; f < ARRAY_LEN(families); f++)
		nftx_ruleset_put_table(batch, families[f], options, OWNED);
	return commit(sock, batch);
}

static void the_table_is_owned_and_outlives_its_owner(void **state)
{
	const struct nftx_options options = { .detect = NFTX_DETECT_CIDR };
	struct mnl_socket *first;
	struct mnl_socket *second;
	AUTO_STRBUF struct strbuf before = { 0 };
	AUTO_STRBUF struct strbuf after = { 0 };

	(void)state;
	if (!can_own())
		skip();
	first = open_socket();
	second = open_socket();
	assert_int_equal(commit_ruleset(first, &options, OWNED), 0);
	assert_int_equal(table_flags(), OWNED);
	assert_int_equal(commit_tables(second, &options), -EPERM);
	run("nft flush ruleset && nft -a list chain ip kubenft slots-4096 | tail -n +2 2>&1",
	    &before);

	mnl_socket_close(first);
	assert_int_equal(table_flags(), NFTX_TABLE_F_PERSIST);
	assert_int_equal(commit_tables(second, &options), 0);
	assert_int_equal(table_flags(), OWNED);
	run("nft -a list chain ip kubenft slots-4096 | tail -n +2 2>&1", &after);
	/* With their handles: these are the same rules. */
	assert_same_text(after.text, before.text);
	mnl_socket_close(second);
}

static void the_layout_is_made_once(void **state)
{
	const struct nftx_options options = { .detect = NFTX_DETECT_CIDR };
	struct mnl_socket *sock = open_socket();
	struct nftx_batch *batch = nftx_batch_new();
	AUTO_STRBUF struct strbuf before = { 0 };
	AUTO_STRBUF struct strbuf after = { 0 };

	(void)state;
	assert_int_equal(commit_ruleset(sock, &options, 0), 0);
	run("nft -a list ruleset", &before);
	assert_int_equal(commit_ruleset(sock, &options, 0), -EEXIST);
	nftx_ruleset_put_remember(batch, 4, timeouts[0]);
	assert_int_equal(commit(sock, batch), -EEXIST);
	run("nft -a list ruleset", &after);
	assert_same_text(after.text, before.text);
	mnl_socket_close(sock);
}

/* Replacing a table of another layout, and one of somebody else, in one transaction. */
static void a_table_is_replaced(void **state)
{
	const struct nftx_options old_options = { .detect = NFTX_DETECT_NONE };
	const struct nftx_options options = { .detect = NFTX_DETECT_CIDR };
	struct mnl_socket *sock = open_socket();
	struct nftx_batch *batch;
	AUTO_STRBUF struct strbuf want = { 0 };
	AUTO_STRBUF struct strbuf got = { 0 };

	(void)state;
	assert_int_equal(commit_ruleset(sock, &old_options, 0), 0);
	run("nft add table ip6 other", &got);

	batch = nftx_batch_new();
	for (size_t f = 0; f < ARRAY_LEN(families); f++) {
		nftx_ruleset_put_delete(batch, families[f], NFTX_TABLE);
		nftx_ruleset_put_table(batch, families[f], &options, 0);
		nftx_ruleset_put_layout(batch, families[f], &options);
		for (size_t i = 0; i < ARRAY_LEN(timeouts); i++)
			nftx_ruleset_put_remember(batch, families[f], timeouts[i]);
	}
	nftx_ruleset_put_delete(batch, 6, "other");
	assert_int_equal(commit(sock, batch), 0);

	expected_text(&want, 4, &options, false);
	expected_text(&want, 6, &options, false);
	run("nft list ruleset 2>&1", &got);
	assert_same_text(got.text, want.text);
	mnl_socket_close(sock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nft_lists_what_the_text_says, enter_namespace),
		cmocka_unit_test_setup(the_table_is_owned_and_outlives_its_owner, enter_namespace),
		cmocka_unit_test_setup(the_layout_is_made_once, enter_namespace),
		cmocka_unit_test_setup(a_table_is_replaced, enter_namespace),
	};

	if (unshare(CLONE_NEWNET) < 0 && errno == EPERM)
		return EXIT_SKIP;
	return cmocka_run_group_tests_name("nft/ruleset in the kernel", tests, NULL, NULL);
}
