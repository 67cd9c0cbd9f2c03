/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "base/ipaddr.h"
#include "test/unit/test.h"

/* Addresses, each with its canonical text; NULL: refused. */
static const struct {
	const char *what;
	const char *text;
	const char *want;
} addresses[] = {
	{ "an IPv4 address", "10.96.0.1", "10.96.0.1" },
	{ "the lowest", "0.0.0.0", "0.0.0.0" },
	{ "the highest", "255.255.255.255", "255.255.255.255" },
	{ "leading zeros are decimal, not octal", "172.30.0.041", "172.30.0.41" },
	{ "many leading zeros", "0000010.000.0.01", "10.0.0.1" },
	{ "08 and 09 would be no octal numbers", "08.09.0.8", "8.9.0.8" },
	{ "an octet too large", "10.0.0.256", NULL },
	{ "an octet far too large", "10.0.0.99999999999999999999", NULL },
	{ "three octets", "10.0.1", NULL },
	{ "five octets", "10.0.0.0.1", NULL },
	{ "one number", "167772161", NULL },
	{ "an empty octet", "10..0.1", NULL },
	{ "a dot at the end", "10.0.0.1.", NULL },
	{ "hexadecimal", "0x0a.0.0.1", NULL },
	{ "a sign", "+10.0.0.1", NULL },
	{ "a space in front", " 10.0.0.1", NULL },
	{ "a space behind", "10.0.0.1 ", NULL },
	{ "a prefix", "10.0.0.1/32", NULL },
	{ "nothing", "", NULL },
	{ "a word", "None", NULL },
	{ "an IPv6 address", "fd00:10:96::1", "fd00:10:96::1" },
	{ "an IPv6 address in full", "FD00:0010:0096:0000:0000:0000:0000:0001", "fd00:10:96::1" },
	{ "no address at all", "::", "::" },
	{ "an IPv4 tail", "64:ff9b::10.0.0.1", "64:ff9b::a00:1" },
	{ "an IPv4 tail with leading zeros", "64:ff9b::010.0.0.01", "64:ff9b::a00:1" },
	{ "IPv4-mapped is IPv4", "::ffff:10.0.0.1", "10.0.0.1" },
	{ "IPv4-mapped in hexadecimal is IPv4", "::ffff:a00:1", "10.0.0.1" },
	{ "a group too long", "fd00::00001", NULL },
	{ "two gaps", "fd00::1::2", NULL },
	{ "nine groups", "1:2:3:4:5:6:7:8:9", NULL },
	{ "a zone", "fe80::1%eth0", NULL },
	{ "brackets", "[::1]", NULL },
	{ "a broken IPv4 tail", "::10.0.0", NULL },
	{ "a tail in the wrong place", "10.0.0.1::", NULL },
	{ "a text that is too long",
	  "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", NULL },
	{ "a tail that becomes too long",
	  "::000000000000000000000000000000000000000000000000000000000000000000000010.0.0.1",
	  NULL },
};

static void parses_addresses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
		struct ipaddr got = { .family = 99 };
		struct err err = { 0 };
		char buf[IPADDR_TEXT];
		int ret = ipaddr_parse(addresses[i].text, &got, &err);

		print_message("  - %s\n", addresses[i].what);
		if (addresses[i].want == NULL) {
			assert_int_equal(ret, -EINVAL);
			assert_int_equal(got.family, 99);
			assert_non_null(strstr(err.msg, "is not an IP address"));
		} else {
			assert_int_equal(ret, 0);
			assert_string_equal(ipaddr_format(&got, buf), addresses[i].want);
		}
	}
}

/* Ranges with their lowest and highest address; NULL: refused. */
static const struct {
	const char *what;
	const char *text;
	const char *want;
	const char *last;
} ranges[] = {
	{ "a range", "10.96.0.0/12", "10.96.0.0/12", "10.111.255.255" },
	{ "host bits are cleared", "10.97.3.4/12", "10.96.0.0/12", "10.111.255.255" },
	{ "everything", "1.2.3.4/0", "0.0.0.0/0", "255.255.255.255" },
	{ "one address", "10.0.0.1/32", "10.0.0.1/32", "10.0.0.1" },
	{ "a prefix with leading zeros", "10.0.0.0/025", "10.0.0.0/25", "10.0.0.127" },
	{ "IPv6", "fd00:10:96::/108", "fd00:10:96::/108", "fd00:10:96::f:ffff" },
	{ "all of IPv6", "::1/0", "::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	{ "IPv4-mapped counts its bits from the front", "::ffff:10.0.0.1/104", "10.0.0.0/8",
	  "10.255.255.255" },
	{ "IPv4-mapped that is wider than IPv4", "::ffff:10.0.0.1/95", NULL, NULL },
	{ "an IPv4 prefix too long", "10.0.0.0/33", NULL, NULL },
	{ "an IPv6 prefix too long", "::/129", NULL, NULL },
	{ "no prefix", "10.0.0.0", NULL, NULL },
	{ "an empty prefix", "10.0.0.0/", NULL, NULL },
	{ "a negative prefix", "10.0.0.0/-1", NULL, NULL },
	{ "a mask", "10.0.0.0/255.0.0.0", NULL, NULL },
	{ "text behind the prefix", "10.0.0.0/8x", NULL, NULL },
	{ "no address", "/8", NULL, NULL },
	{ "an address that is none", "10.0.0/8", NULL, NULL },
	{ "nothing", "", NULL, NULL },
};

static void parses_ranges(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
		struct ipcidr got = { .prefix = 99 };
		struct err err = { 0 };
		char buf[IPADDR_TEXT];
		int ret = ipcidr_parse(ranges[i].text, &got, &err);

		print_message("  - %s\n", ranges[i].what);
		if (ranges[i].want == NULL) {
			assert_int_equal(ret, -EINVAL);
			assert_int_equal(got.prefix, 99);
			assert_non_null(strstr(err.msg, "is not a CIDR"));
		} else {
			struct ipaddr last;

			assert_int_equal(ret, 0);
			assert_string_equal(ipcidr_format(&got, buf), ranges[i].want);
			last = ipcidr_last(&got);
			assert_string_equal(ipaddr_format(&last, buf), ranges[i].last);
			assert_true(ipcidr_contains(&got, &got.addr));
			assert_true(ipcidr_contains(&got, &last));
			if (ipaddr_next(&last))
				assert_false(ipcidr_contains(&got, &last));
		}
	}
}

static struct ipaddr addr(const char *text)
{
	struct ipaddr a;

	assert_int_equal(ipaddr_parse(text, &a, NULL), 0);
	return a;
}

static struct ipcidr cidr(const char *text)
{
	struct ipcidr c;

	assert_int_equal(ipcidr_parse(text, &c, NULL), 0);
	return c;
}

static void orders_by_family_then_bytes(void **state)
{
	static const char *const sorted[] = { "0.0.0.0",   "9.0.0.0", "10.0.0.0", "10.0.0.1",
		                              "200.0.0.0", "::",      "::1",      "fd00::" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sorted); i++) {
		for (size_t k = 0; k < ARRAY_LEN(sorted); k++) {
			struct ipaddr a = addr(sorted[i]);
			struct ipaddr b = addr(sorted[k]);
			int diff = ipaddr_cmp(&a, &b);

			assert_int_equal((diff > 0) - (diff < 0), (i > k) - (i < k));
			assert_int_equal(ipaddr_equal(&a, &b), i == k);
		}
	}
}

static void orders_wider_ranges_first(void **state)
{
	struct ipcidr wide = cidr("10.0.0.0/8");
	struct ipcidr narrow = cidr("10.0.0.0/16");
	struct ipcidr next = cidr("11.0.0.0/8");

	(void)state;
	assert_true(ipcidr_cmp(&wide, &narrow) < 0);
	assert_true(ipcidr_cmp(&narrow, &next) < 0);
	assert_int_equal(ipcidr_cmp(&wide, &wide), 0);
}

static void a_range_holds_its_own_family_only(void **state)
{
	struct ipcidr all4 = cidr("0.0.0.0/0");
	struct ipcidr all6 = cidr("::/0");
	struct ipaddr a4 = addr("10.0.0.1");
	struct ipaddr a6 = addr("fd00::1");
	struct ipcidr some = cidr("10.0.0.0/30");
	struct ipaddr outside = addr("10.0.0.4");

	(void)state;
	assert_true(ipcidr_contains(&all4, &a4));
	assert_false(ipcidr_contains(&all4, &a6));
	assert_true(ipcidr_contains(&all6, &a6));
	assert_false(ipcidr_contains(&all6, &a4));
	assert_true(ipcidr_contains(&some, &a4));
	assert_false(ipcidr_contains(&some, &outside));
}

static void knows_special_addresses(void **state)
{
	static const struct {
		const char *text;
		bool loopback;
		bool link_local;
	} rows[] = {
		{ "127.0.0.1", true, false },    { "127.255.255.254", true, false },
		{ "128.0.0.1", false, false },   { "169.254.1.1", false, true },
		{ "169.253.1.1", false, false }, { "::1", true, false },
		{ "::2", false, false },         { "fe80::1", false, true },
		{ "febf::1", false, true },      { "fec0::1", false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ipaddr a = addr(rows[i].text);

		assert_int_equal(ipaddr_is_loopback(&a), rows[i].loopback);
		assert_int_equal(ipaddr_is_link_local(&a), rows[i].link_local);
	}
}

static void counts_up(void **state)
{
	static const char *const rows[][2] = {
		{ "10.0.0.1", "10.0.0.2" },
		{ "10.0.0.255", "10.0.1.0" },
		{ "10.255.255.255", "11.0.0.0" },
		{ "fd00::ffff", "fd00::1:0" },
		{ "255.255.255.255", NULL },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ipaddr a = addr(rows[i][0]);
		char buf[IPADDR_TEXT];

		assert_int_equal(ipaddr_next(&a), rows[i][1] != NULL);
		assert_string_equal(ipaddr_format(&a, buf),
		                    rows[i][1] != NULL ? rows[i][1] : rows[i][0]);
	}
}

static void formats_no_address(void **state)
{
	struct ipaddr none = { 0 };
	char buf[IPADDR_TEXT];

	(void)state;
	assert_string_equal(ipaddr_format(&none, buf), "none");
	assert_int_equal(ipaddr_len(4), 4);
	assert_int_equal(ipaddr_len(6), 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_addresses),
		cmocka_unit_test(parses_ranges),
		cmocka_unit_test(orders_by_family_then_bytes),
		cmocka_unit_test(orders_wider_ranges_first),
		cmocka_unit_test(a_range_holds_its_own_family_only),
		cmocka_unit_test(knows_special_addresses),
		cmocka_unit_test(counts_up),
		cmocka_unit_test(formats_no_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
