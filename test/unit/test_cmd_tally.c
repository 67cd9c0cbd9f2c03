/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/tally.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/random.h"
#include "test/unit/test.h"

#define SLOTS 4 /* the K of a frontend that nothing happens to */

static const uint8_t seed[16] = "a seed of no use";

/** A frontend in short: "10.96.0.1 tcp 80 http", and "lost" behind it when another Service has it. */
struct front {
	struct ipaddr addr;
	uint8_t protocol;
	uint16_t port;
	char name[IPADDR_TEXT];
	bool lost;
};

/* The next word of @text, which moves on; "" when there is none. */
static void next_word(const char **text, char out[static IPADDR_TEXT])
{
	size_t len = strcspn(*text, " ");

	assert_true(len < IPADDR_TEXT);
	memcpy(out, *text, len);
	out[len] = '\0';
	*text += len + ((*text)[len] == ' ');
}

static struct front parse(const char *text)
{
	struct front front = { 0 };
	char word[IPADDR_TEXT];
	uint32_t port;

	next_word(&text, word);
	assert_int_equal(ipaddr_parse(word, &front.addr, NULL), 0);
	next_word(&text, word);
	front.protocol = strcmp(word, "tcp") == 0   ? IPPROTO_TCP
	                 : strcmp(word, "udp") == 0 ? IPPROTO_UDP
	                                            : IPPROTO_SCTP;
	next_word(&text, word);
	assert_int_equal(str_to_u32(word, UINT16_MAX, &port), 0);
	front.port = (uint16_t)port;
	next_word(&text, front.name);
	if (strcmp(front.name, "-") == 0)
		front.name[0] = '\0';
	next_word(&text, word);
	front.lost = strcmp(word, "lost") == 0;
	return front;
}

#define MOST 8

/* Notes a Service with these frontends, each behind a port of its own; ends with NULL. */
static void note(struct tally *tally, uint32_t id, const char *name, const char *const *texts)
{
	struct front fronts[MOST];
	struct lb_port ports[MOST];
	struct lb_frontend frontends[MOST];
	struct lb_service draft = {
		.id = id, .name = name, .ports = ports, .frontends = frontends
	};
	struct lb_service *service;

	for (uint16_t i = 0; texts[i] != NULL; i++) {
		assert_true(i < MOST);
		fronts[i] = parse(texts[i]);
		ports[i] = (struct lb_port){ .name = fronts[i].name,
			                     .family = fronts[i].addr.family,
			                     .protocol = fronts[i].protocol };
		frontends[i] = (struct lb_frontend){ .addr = fronts[i].addr,
			                             .kind = LB_CLUSTER_IP,
			                             .port = fronts[i].port,
			                             .port_index = i,
			                             .lost = fronts[i].lost };
		draft.port_count++;
		draft.frontend_count++;
	}
	service = lb_service_build(&draft);
	tally_note(tally, service);
	free(service);
}

#define FRONTS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define NO_FRONTS ((const char *const[]){ NULL })

/* A reading finds this of a frontend: its packets, and the K of the slots that it leads to. */
static void take(struct tally *tally, const char *text, uint32_t slots, uint64_t packets)
{
	struct front front = parse(text);
	struct nftx_elem elem = { .family = front.addr.family,
		                  .map = NFTX_FRONTENDS,
		                  .verdict = NFTX_GOTO,
		                  .chain = NFTX_SLOTS,
		                  .number = slots };

	(void)nftx_key_front(elem.key, &front.addr, front.protocol, front.port);
	tally_take(tally, &elem, packets);
}

/* @want: lines of "namespace name port protocol sum". */
static void expect(struct tally *tally, const char *want)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	AUTO_STRBUF struct strbuf got = { 0 };
	size_t lines = 0;

	tally_write(tally, "x", &text);
	strbuf_puts(&got, "");
	for (const char *line = text.text; line != NULL && *line != '\0';
	     line += strcspn(line, "\n") + 1) {
		char fields[4][64] = { "" };
		const char *sum = strstr(line, "} ");

		for (size_t i = 0; i < 4; i++) { /* values of labels may be empty */
			static const char *const names[] = { "{port=\"", ",protocol=\"",
				                             ",service_name=\"",
				                             ",service_namespace=\"" };
			const char *at = strstr(line, names[i]);

			assert_non_null(at);
			at += strlen(names[i]);
			memcpy(fields[i], at, strcspn(at, "\""));
		}
		assert_non_null(sum);
		strbuf_printf(&got, "%s %s %s %s ", fields[3], fields[2], fields[0], fields[1]);
		strbuf_add(&got, sum + 2, strcspn(sum + 2, "\n") + 1);
		lines++;
	}
	assert_string_equal(got.text, want);
	assert_int_equal(tally_series(tally), lines);
}

#define WEB "10.96.0.1 tcp 80 http"
#define WEB6 "fd00::1 tcp 80 http"
#define NODE_PORT "192.0.2.1 tcp 30080 http"
#define DNS_UDP "10.96.0.2 udp 53 dns"
#define DNS_TCP "10.96.0.2 tcp 53 dns"

static struct tally *begin(void)
{
	struct tally *tally = tally_new(seed);

	tally_restart(tally);
	return tally;
}

static void writes_the_format_of_prometheus(void **state)
{
	struct tally *tally = begin();
	AUTO_STRBUF struct strbuf text = { 0 };

	(void)state;
	note(tally, 0, "shop/web", FRONTS(WEB, "10.96.0.9 sctp 9 -"));
	note(tally, 1, "a\"b/c\\d", FRONTS("10.96.0.3 tcp 80 x\ny"));
	take(tally, WEB, SLOTS, UINT64_MAX);
	tally_write(tally, "name", &text);
	assert_string_equal(text.text,
	                    "name{port=\"x\\ny\",protocol=\"TCP\",service_name=\"c\\\\d\","
	                    "service_namespace=\"a\\\"b\"} 0\n"
	                    "name{port=\"\",protocol=\"SCTP\",service_name=\"web\","
	                    "service_namespace=\"shop\"} 0\n"
	                    "name{port=\"http\",protocol=\"TCP\",service_name=\"web\","
	                    "service_namespace=\"shop\"} "
	                    "18446744073709551615\n");
	tally_free(tally);
}

static void sums_what_belongs_to_a_port(void **state)
{
	struct tally *tally = begin();

	(void)state;
	note(tally, 7, "shop/web", FRONTS(WEB, WEB6, NODE_PORT));
	note(tally, 2, "kube-system/dns", FRONTS(DNS_UDP, DNS_TCP));
	expect(tally,
	       "kube-system dns dns TCP 0\nkube-system dns dns UDP 0\nshop web http TCP 0\n");
	take(tally, WEB, SLOTS, 1);
	take(tally, WEB6, SLOTS, 10);
	take(tally, NODE_PORT, SLOTS, 100);
	take(tally, DNS_UDP, SLOTS, 1000);
	take(tally, "10.96.0.1 udp 80 http", SLOTS, 5); /* nobody's */
	take(tally, "10.96.0.1 tcp 81 http", SLOTS, 5);
	take(tally, "::10.96.0.1 tcp 80 http", SLOTS, 5);
	expect(tally, "kube-system dns dns TCP 0\nkube-system dns dns UDP 1000\n"
	              "shop web http TCP 111\n");
	assert_int_equal(tally_frontends(tally), 5);
	tally_free(tally);
}

static const struct row {
	const char *what;
	struct {
		uint32_t slots;
		uint64_t packets;
		bool refilled; /* before it */
	} readings[4];
	const char *want;
} rows[] = {
	{ "goes on from reading to reading",
	  { { 4, 3, false }, { 4, 3, false }, { 4, 10, false } },
	  "10" },
	{ "a fallen counter has begun anew", { { 4, 3, false }, { 4, 2, false } }, "5" },
	{ "so has one that passed the old value, with another verdict",
	  { { 4, 3, false }, { 8, 7, false }, { 8, 8, false } },
	  "11" },
	{ "so has one that passed it, after a refill",
	  { { 4, 3, false }, { 4, 7, true }, { 4, 8, false } },
	  "11" },
	{ "a refill without a connection after it", { { 4, 3, false }, { 4, 0, true } }, "3" },
	{ "an element that comes twice counts once", { { 4, 5, false }, { 4, 5, false } }, "5" },
};

static void a_sum_never_falls(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tally *tally = begin();
		AUTO_STRBUF struct strbuf want = { 0 };

		print_message("  - %s\n", rows[i].what);
		note(tally, 0, "shop/web", FRONTS(WEB));
		for (size_t k = 0; k < 4 && rows[i].readings[k].slots != 0; k++) {
			if (rows[i].readings[k].refilled)
				tally_restart(tally);
			take(tally, WEB, rows[i].readings[k].slots, rows[i].readings[k].packets);
		}
		strbuf_printf(&want, "shop web http TCP %s\n", rows[i].want);
		expect(tally, want.text);
		tally_free(tally);
	}
}

/* As long as it is read before each replacement, nothing is lost, whatever happens. */
static void loses_nothing_that_was_read(void **state)
{
	static const char *const fronts[] = { WEB, WEB6, NODE_PORT, NULL };
	uint64_t random = random_seed();
	struct tally *tally = begin();
	uint64_t packets[3] = { 0 };
	uint32_t slots[3] = { 1, 1, 1 };
	uint64_t total = 0;
	AUTO_STRBUF struct strbuf want = { 0 };

	(void)state;
	note(tally, 3, "shop/web", fronts);
	for (int round = 0; round < 2000; round++) {
		uint32_t f = random_below(&random, 3);
		uint64_t more = random_below(&random, 20);

		packets[f] += more;
		total += more;
		take(tally, fronts[f], slots[f], packets[f]);
		if (random_below(&random, 8) == 0) { /* another verdict */
			slots[f] = 3 - slots[f];
			packets[f] = 0;
		} else if (random_below(&random, 50) == 0) {
			for (size_t i = 0; i < 3; i++) /* all of them are read before this one */
				take(tally, fronts[i], slots[i], packets[i]);
			memset(packets, 0, sizeof(packets));
			tally_restart(tally);
		}
		note(tally, 3, "shop/web", fronts);
	}
	strbuf_printf(&want, "shop web http TCP %llu\n", (unsigned long long)total);
	expect(tally, want.text);
	tally_free(tally);
}

static void takes_nothing_of_a_former_daemon(void **state)
{
	struct tally *tally = tally_new(seed);

	(void)state;
	note(tally, 0, "shop/web", FRONTS(WEB));
	take(tally, WEB, SLOTS, 1000);
	expect(tally, "shop web http TCP 0\n");
	tally_restart(tally);
	take(tally, WEB, SLOTS, 1);
	expect(tally, "shop web http TCP 1\n");
	tally_free(tally);
}

static void forgets_what_goes(void **state)
{
	struct tally *tally = begin();

	(void)state;
	note(tally, 0, "shop/web", FRONTS(WEB, "10.96.0.1 tcp 443 https"));
	take(tally, WEB, SLOTS, 3);
	take(tally, "10.96.0.1 tcp 443 https", SLOTS, 4);
	note(tally, 0, "shop/web", FRONTS(WEB));
	expect(tally, "shop web http TCP 3\n");
	note(tally, 0, "shop/web", FRONTS(WEB, "10.96.0.1 tcp 443 https"));
	expect(tally, "shop web http TCP 3\nshop web https TCP 0\n");
	note(tally, 0, "shop/web", NO_FRONTS);
	expect(tally, "");
	assert_int_equal(tally_frontends(tally), 0);
	note(tally, 0, "shop/web", FRONTS(WEB));
	take(tally, WEB, SLOTS, 2);
	expect(tally, "shop web http TCP 2\n");
	tally_free(tally);
}

static void a_sum_outlives_its_frontends(void **state)
{
	struct tally *tally = begin();

	(void)state;
	note(tally, 0, "shop/web", FRONTS(WEB));
	take(tally, WEB, SLOTS, 3);
	note(tally, 0, "shop/web", FRONTS(NODE_PORT, WEB)); /* and its reading goes on */
	take(tally, WEB, SLOTS, 5);
	take(tally, NODE_PORT, SLOTS, 10);
	expect(tally, "shop web http TCP 15\n");
	note(tally, 0, "shop/web", FRONTS(NODE_PORT));
	expect(tally, "shop web http TCP 15\n");
	take(tally, NODE_PORT, SLOTS, 11);
	expect(tally, "shop web http TCP 16\n");
	tally_free(tally);
}

static void another_name_is_another_sum(void **state)
{
	struct tally *tally = begin();

	(void)state;
	note(tally, 0, "shop/web", FRONTS(WEB));
	take(tally, WEB, SLOTS, 3);
	note(tally, 0, "shop/web", FRONTS("10.96.0.1 tcp 80 www"));
	take(tally, WEB, SLOTS, 4); /* a new element: its comment is another one */
	expect(tally, "shop web www TCP 4\n");
	note(tally, 0, "shop/other", FRONTS("10.96.0.1 tcp 80 www")); /* the id again */
	expect(tally, "shop other www TCP 0\n");
	tally_free(tally);
}

/* An address goes from one Service to another, in one sync; either may be noted first. */
static void an_address_changes_hands(void **state)
{
	static const char *const lost = WEB " lost";

	(void)state;
	for (int loser_first = 0; loser_first < 2; loser_first++) {
		struct tally *tally = begin();

		note(tally, 0, "a/old", FRONTS(WEB, DNS_UDP));
		note(tally, 1, "b/new", FRONTS(lost, DNS_TCP));
		take(tally, WEB, SLOTS, 3);
		expect(tally, "a old dns UDP 0\na old http TCP 3\nb new dns TCP 0\n");
		if (loser_first)
			note(tally, 0, "a/old", FRONTS(lost, DNS_UDP));
		note(tally, 1, "b/new", FRONTS(WEB, DNS_TCP));
		assert_int_equal(tally_frontends(tally), 3);
		if (!loser_first)
			note(tally, 0, "a/old", FRONTS(lost, DNS_UDP));
		take(tally, WEB, SLOTS, 4);
		expect(tally, "a old dns UDP 0\nb new dns TCP 0\nb new http TCP 4\n");
		assert_int_equal(tally_frontends(tally), 3);
		/* and back */
		note(tally, 0, "a/old", FRONTS(WEB, DNS_UDP));
		note(tally, 1, "b/new", NO_FRONTS);
		take(tally, WEB, SLOTS, 2);
		expect(tally, "a old dns UDP 0\na old http TCP 2\n");
		tally_free(tally);
	}
}

static void an_address_is_of_whoever_was_noted_last(void **state)
{
	struct tally *tally = begin();

	(void)state;
	note(tally, 0, "a/x", FRONTS(WEB));
	note(tally, 1, "b/y", FRONTS(WEB));
	take(tally, WEB, SLOTS, 1);
	note(tally, 0, "a/x", FRONTS(WEB));
	take(tally, WEB, SLOTS, 2);
	expect(tally, "a x http TCP 2\nb y http TCP 1\n");
	assert_int_equal(tally_frontends(tally), 1);
	tally_free(tally);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_the_format_of_prometheus),
		cmocka_unit_test(sums_what_belongs_to_a_port),
		cmocka_unit_test(a_sum_never_falls),
		cmocka_unit_test(loses_nothing_that_was_read),
		cmocka_unit_test(takes_nothing_of_a_former_daemon),
		cmocka_unit_test(forgets_what_goes),
		cmocka_unit_test(a_sum_outlives_its_frontends),
		cmocka_unit_test(another_name_is_another_sum),
		cmocka_unit_test(an_address_changes_hands),
		cmocka_unit_test(an_address_is_of_whoever_was_noted_last),
	};

	return cmocka_run_group_tests_name("cmd/tally", tests, NULL, NULL);
}
