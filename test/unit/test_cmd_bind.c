/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/bind.h"

#include <errno.h>

#include "test/unit/test.h"

static void reads_addresses(void **state)
{
	static const struct {
		const char *what;
		const char *text;
		const char *want; /* or the message */
		int ret;
	} rows[] = {
		{ "address and port", "192.0.2.1:80", "192.0.2.1:80", 0 },
		{ "an address alone", "192.0.2.1", "192.0.2.1:10256", 0 },
		{ "all of the machine", "0.0.0.0:1", "0.0.0.0:1", 0 },
		{ "IPv6", "[::]:65535", "[::]:65535", 0 },
		{ "IPv6 without port", "[2001:db8::1]", "[2001:db8::1]:10256", 0 },
		{ "IPv6 alone", "2001:db8::1", "[2001:db8::1]:10256", 0 },
		{ "IPv4 in brackets", "[127.0.0.1]:7", "127.0.0.1:7", 0 },
		{ "nothing", "", "'' is no IP address with port", -EINVAL },
		{ "a port alone", ":80", "':80' is no IP address with port", -EINVAL },
		{ "a name", "localhost:80", "'localhost:80' is no IP address with port", -EINVAL },
		{ "no end", "[::", "'[::' is no IP address with port", -EINVAL },
		{ "no colon", "[::]80", "'[::]80' is no IP address with port", -EINVAL },
		{ "port 0", "0.0.0.0:0", "'0.0.0.0:0': the port is not in 1-65535", -EINVAL },
		{ "a port too large", "0.0.0.0:65536",
		  "'0.0.0.0:65536': the port is not in 1-65535", -EINVAL },
		{ "an empty port", "0.0.0.0:", "'0.0.0.0:': the port is not in 1-65535", -EINVAL },
		{ "far too long",
		  "1111111111111111111111111111111111111111111111111111111111111111111111111111111"
		  "1",
		  "'1111111111111111111111111111111111111111111111111111111111111111...' is no "
		  "address with port",
		  -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bind_address bind = { .port = 7 };
		struct err err = { 0 };
		char text[BIND_TEXT];

		print_message("  - %s\n", rows[i].what);
		assert_int_equal(bind_parse(rows[i].text, 10256, &bind, &err), rows[i].ret);
		if (rows[i].ret == 0) {
			assert_string_equal(bind_format(&bind, text), rows[i].want);
		} else {
			assert_string_equal(err.msg, rows[i].want);
			assert_int_equal(bind.port, 7); /* untouched */
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(reads_addresses) };

	return cmocka_run_group_tests_name("cmd/bind", tests, NULL, NULL);
}
