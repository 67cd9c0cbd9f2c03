/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "watch/base64.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/test.h"

static const struct {
	const char *what;
	const char *text;
	const char *bytes; /* NULL: refused */
	size_t len;
} rows[] = {
	{ "nothing is nothing", "", "", 0 },
	{ "one byte", "Zg==", "f", 1 },
	{ "two bytes", "Zm8=", "fo", 2 },
	{ "three bytes", "Zm9v", "foo", 3 },
	{ "four bytes", "Zm9vYg==", "foob", 4 },
	{ "six bytes", "Zm9vYmFy", "foobar", 6 },
	{ "all of the alphabet", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
	  "\x00\x10\x83\x10\x51\x87\x20\x92\x8b\x30\xd3\x8f\x41\x14\x93\x51\x55\x97\x61\x96\x9b\x71"
	  "\xd7\x9f\x82\x18\xa3\x92\x59\xa7\xa2\x9a\xab\xb2\xdb\xaf\xc3\x1c\xb3\xd3\x5d\xb7\xe3\x9e"
	  "\xbb\xf3\xdf\xbf",
	  48 },
	{ "a NUL byte is a byte", "AGYA", "\0f\0", 3 },
	{ "line breaks do not count", "\nZm\r\n9v\nYmFy\n\n", "foobar", 6 },
	{ "a line break inside the padding", "Zg=\n=\n", "f", 1 },
	{ "padding is required", "Zg", NULL, 0 },
	{ "padding is required whole", "Zg=", NULL, 0 },
	{ "one digit is no byte", "Z", NULL, 0 },
	{ "one digit with padding", "Z===", NULL, 0 },
	{ "padding alone", "====", NULL, 0 },
	{ "a padding sign too many", "Zg===", NULL, 0 },
	{ "padding behind whole groups", "Zm9v====", NULL, 0 },
	{ "a digit behind padding", "Zg=A", NULL, 0 },
	{ "a group behind padding", "Zg==Zm9v", NULL, 0 },
	{ "unused bits behind one byte", "Zh==", NULL, 0 },
	{ "unused bits behind two bytes", "Zm9=", NULL, 0 },
	{ "a blank", "Zm9v YmFy", NULL, 0 },
	{ "a tab", "Zm9v\tYmFy", NULL, 0 },
	{ "the alphabet for URLs", "-_-_", NULL, 0 },
	{ "a byte above ASCII", "Zm9\xc3", NULL, 0 },
};

static void decodes_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char untouched[] = "x";
		char *bytes = untouched;
		size_t len = 77;

		print_message("  - %s\n", rows[i].what);
		if (rows[i].bytes == NULL) {
			assert_int_equal(base64_decode(rows[i].text, &bytes, &len), -EINVAL);
			assert_ptr_equal(bytes, untouched);
			assert_int_equal(len, 77);
			continue;
		}
		assert_int_equal(base64_decode(rows[i].text, &bytes, &len), 0);
		assert_int_equal(len, rows[i].len);
		assert_memory_equal(bytes, rows[i].bytes, len);
		assert_int_equal(bytes[len], '\0');
		free(bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(decodes_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
