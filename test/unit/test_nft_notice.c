/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/notice.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "test/unit/test.h"

#define OWN 7

/* A message in a datagram; without a table it is NEWGEN of process @name. */
struct message {
	uint16_t type;
	uint8_t family;
	const char *table;
	uint32_t port;
	uint32_t generation;
	const char *name;
	uint16_t subsystem; /* 0: nf_tables */
};

#define TOUCH(t, table, port, gen)                                   \
	{                                                            \
		NFT_MSG_##t, NFPROTO_IPV4, table, port, gen, NULL, 0 \
	}
#define END(port, gen, name)                                \
	{                                                   \
		NFT_MSG_NEWGEN, 0, NULL, port, gen, name, 0 \
	}

static size_t put_message(void *buf, const struct message *message)
{
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *head = mnl_nlmsg_put_extra_header(msg, sizeof(*head));
	uint16_t subsystem = message->subsystem != 0 ? message->subsystem : NFNL_SUBSYS_NFTABLES;

	msg->nlmsg_type = (uint16_t)(subsystem << 8 | message->type);
	msg->nlmsg_pid = message->port;
	head->nfgen_family = message->family;
	head->res_id = htons((uint16_t)message->generation);
	if (message->table != NULL) {
		mnl_attr_put_strz(msg, NFTA_TABLE_NAME, message->table);
	} else {
		mnl_attr_put_u32(msg, NFTA_GEN_ID, htonl(message->generation));
		mnl_attr_put_u32(msg, NFTA_GEN_PROC_PID, htonl(message->port + 1000));
		mnl_attr_put_strz(msg, NFTA_GEN_PROC_NAME, message->name);
	}
	return (msg->nlmsg_len + 3) / 4 * 4;
}

/* "nft/1042 gen 65538 chain+1-0 rule+2-1; ", and how many others. */
static void describe(const struct nftx_notices *notices, struct strbuf *out)
{
	static const char *const names[] = { "table", "chain", "rule", "set", "element", "other" };

	for (size_t i = 0; i < notices->count; i++) {
		const struct nftx_notice *notice = &notices->list[i];

		strbuf_printf(out, "%s/%u gen %u", notice->process, notice->pid,
		              notice->generation);
		for (size_t k = 0; k < NFTX_TOUCH_COUNT; k++)
			if (notice->added[k] + notice->removed[k] > 0)
				strbuf_printf(out, " %s+%u-%u", names[k], notice->added[k],
				              notice->removed[k]);
		strbuf_puts(out, "; ");
	}
	strbuf_printf(out, "others %u", notices->others);
}

/* Each row: datagrams, an empty message ends one. */
static const struct row {
	const char *what;
	struct message messages[10];
	const char *want;
} rows[] = {
	{ "a transaction on other tables",
	  { TOUCH(NEWRULE, "filter", 42, 5), { 0 }, END(42, 5, "iptables") },
	  "others 1" },
	{ "one that touches ours is told when its end has come",
	  { TOUCH(DELSETELEM, "kubenft", 42, 5), { 0 }, END(42, 5, "nft") },
	  "nft/1042 gen 5 element+0-1; others 0" },
	{ "not before",
	  { TOUCH(DELSETELEM, "kubenft", 42, 5), TOUCH(DELSETELEM, "kubenft", 42, 5) },
	  "others 0" },
	{ "nft flush ruleset: every kind, among those of other tables",
	  { TOUCH(DELRULE, "filter", 42, 5),
	    TOUCH(DELRULE, "kubenft", 42, 5),
	    TOUCH(DELSET, "kubenft", 42, 5),
	    TOUCH(DELCHAIN, "kubenft", 42, 5),
	    TOUCH(DELTABLE, "kubenft", 42, 5),
	    { 0 },
	    END(42, 5, "nft") },
	  "nft/1042 gen 5 table+0-1 chain+0-1 rule+0-1 set+0-1; others 0" },
	{ "a rule is replaced",
	  { TOUCH(DELRULE, "kubenft", 42, 5),
	    TOUCH(NEWRULE, "kubenft", 42, 5),
	    { 0 },
	    END(42, 5, "nft") },
	  "nft/1042 gen 5 rule+1-1; others 0" },
	{ "what we have none of",
	  { TOUCH(NEWOBJ, "kubenft", 42, 5),
	    TOUCH(NEWFLOWTABLE, "kubenft", 42, 5),
	    TOUCH(DELOBJ, "kubenft", 42, 5),
	    { 0 },
	    END(42, 5, "nft") },
	  "nft/1042 gen 5 other+2-1; others 0" },
	{ "the generation in messages has 16 bits, that at the end 32",
	  { TOUCH(NEWSETELEM, "kubenft", 42, 0x30005), { 0 }, END(42, 0x30005, "nft") },
	  "nft/1042 gen 196613 element+1-0; others 0" },
	{ "several datagrams of one transaction",
	  { TOUCH(NEWSETELEM, "kubenft", 42, 5),
	    { 0 },
	    TOUCH(NEWSETELEM, "kubenft", 42, 5),
	    { 0 },
	    END(42, 5, "nft") },
	  "nft/1042 gen 5 element+2-0; others 0" },
	{ "each message in a datagram of its own, as before Linux 5.10",
	  { TOUCH(DELCHAIN, "kubenft", 42, 5),
	    { 0 },
	    TOUCH(DELTABLE, "kubenft", 42, 5),
	    { 0 },
	    END(42, 5, "nft") },
	  "nft/1042 gen 5 table+0-1 chain+0-1; others 0" },
	{ "two processes",
	  { TOUCH(NEWRULE, "kubenft", 42, 5),
	    { 0 },
	    END(42, 5, "nft"),
	    { 0 },
	    TOUCH(DELRULE, "kubenft", 43, 6),
	    { 0 },
	    END(43, 6, "firewalld") },
	  "nft/1042 gen 5 rule+1-0; firewalld/1043 gen 6 rule+0-1; others 0" },
	{ "the end was lost, and then one of another table",
	  { TOUCH(NEWRULE, "kubenft", 42, 5), { 0 }, END(43, 6, "firewalld") },
	  "/0 gen 0 rule+1-0; others 1" },
	{ "the end was lost, and the next one of the same process is of another generation",
	  { TOUCH(NEWRULE, "kubenft", 42, 5),
	    { 0 },
	    TOUCH(NEWRULE, "kubenft", 42, 6),
	    { 0 },
	    END(42, 6, "nft") },
	  "/0 gen 0 rule+1-0; nft/1042 gen 6 rule+1-0; others 0" },
	{ "our own transactions",
	  { TOUCH(NEWRULE, "kubenft", OWN, 5), { 0 }, END(OWN, 5, "kubenft") },
	  "others 0" },
	{ "a table of our name in another family is not ours",
	  { { NFT_MSG_DELTABLE, NFPROTO_INET, "kubenft", 42, 5, NULL, 0 },
	    { 0 },
	    END(42, 5, "nft") },
	  "others 1" },
	{ "IPv6",
	  { { NFT_MSG_DELTABLE, NFPROTO_IPV6, "kubenft", 42, 5, NULL, 0 },
	    { 0 },
	    END(42, 5, "nft") },
	  "nft/1042 gen 5 table+0-1; others 0" },
	{ "a name that only begins like ours",
	  { TOUCH(DELTABLE, "kubenft-2", 42, 5), { 0 }, END(42, 5, "nft") },
	  "others 1" },
	{ "a message of another subsystem, and one that is not about what a table holds",
	  { { NFT_MSG_NEWTABLE, NFPROTO_IPV4, "kubenft", 42, 5, NULL, NFNL_SUBSYS_CTNETLINK },
	    TOUCH(GETTABLE, "kubenft", 42, 5),
	    { 0 },
	    END(42, 5, "nft") },
	  "others 1" },
	{ "a process name that is too long is cut",
	  { TOUCH(NEWRULE, "kubenft", 42, 5), { 0 }, END(42, 5, "a-name-of-20-letters") },
	  "a-name-of-20-le/1042 gen 5 rule+1-0; others 0" },
};

static void read_row(struct nftx_notices *notices, const struct message *messages, size_t count)
{
	_Alignas(struct nlmsghdr) char datagram[4096];
	size_t len = 0;

	for (size_t i = 0; i < count; i++) {
		const struct message *message = &messages[i];

		if (message->table != NULL || message->name != NULL) {
			len += put_message(datagram + len, message);
		} else {
			nftx_notices_read(notices, datagram, len);
			len = 0;
		}
	}
	nftx_notices_read(notices, datagram, len);
}

static void tells_transactions(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_STRBUF struct strbuf text = { 0 };
		struct nftx_notices notices = { .own = OWN };

		print_message("  - %s\n", rows[i].what);
		read_row(&notices, rows[i].messages, ARRAY_LEN(rows[i].messages));
		describe(&notices, &text);
		assert_string_equal(text.text, rows[i].want);
	}
}

/* Between two readings the beginning of a transaction is kept. */
static void goes_on_after_clear(void **state)
{
	static const struct message begin[] = { TOUCH(NEWRULE, "kubenft", 42, 5) };
	static const struct message end[] = { END(42, 5, "nft") };
	AUTO_STRBUF struct strbuf text = { 0 };
	struct nftx_notices notices = { .own = OWN };

	(void)state;
	read_row(&notices, begin, 1);
	nftx_notices_clear(&notices);
	read_row(&notices, end, 1);
	describe(&notices, &text);
	assert_string_equal(text.text, "nft/1042 gen 5 rule+1-0; others 0");
	nftx_notices_clear(&notices);
	assert_int_equal(notices.count, 0);
}

/* However many there are, the list is bounded and no count is lost. */
static void is_bounded(void **state)
{
	struct nftx_notices notices = { .own = OWN };
	uint32_t removed = 0;

	(void)state;
	for (uint32_t i = 1; i <= NFTX_NOTICES_MAX + 5; i++) {
		const struct message messages[] = { TOUCH(DELSETELEM, "kubenft", 42, i),
			                            END(42, i, "nft") };

		read_row(&notices, messages, 2);
	}
	assert_int_equal(notices.count, NFTX_NOTICES_MAX);
	assert_int_equal(notices.merged, 5);
	for (size_t i = 0; i < notices.count; i++)
		removed += notices.list[i].removed[NFTX_TOUCH_ELEMENT];
	assert_int_equal(removed, NFTX_NOTICES_MAX + 5);
}

/* Every prefix of a datagram, and every byte of it set to 255. */
static void survives_broken_datagrams(void **state)
{
	_Alignas(struct nlmsghdr) char datagram[512];
	static const struct message messages[] = { TOUCH(DELTABLE, "kubenft", 42, 5),
		                                   END(42, 5, "nft") };
	size_t len = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(messages); i++)
		len += put_message(datagram + len, &messages[i]);
	for (size_t i = 0; i <= len; i++) {
		struct nftx_notices notices = { .own = OWN };
		char *copy = xmalloc(i > 0 ? i : 1); /* of exact size, so that a sanitizer sees */
		char was = datagram[i];

		memcpy(copy, datagram, i);
		nftx_notices_read(&notices, copy, i);
		free(copy);
		datagram[i] = (char)255;
		nftx_notices_read(&notices, datagram, len);
		datagram[i] = was;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_transactions),
		cmocka_unit_test(goes_on_after_clear),
		cmocka_unit_test(is_bounded),
		cmocka_unit_test(survives_broken_datagrams),
	};

	return cmocka_run_group_tests_name("nft/notice", tests, NULL, NULL);
}
