/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/http.h"

#include <string.h>

#include "test/unit/test.h"

static void splits_queries(void **state)
{
	static const struct row {
		const char *what;
		const char *query;
		const char *want;
	} rows[] = {
		{ "none", "", "" },
		{ "a name alone", "verbose", "[verbose=]" },
		{ "names and values", "exclude=ping&verbose=1", "[exclude=ping][verbose=1]" },
		{ "empty parts are nothing", "&&a=b&&c&", "[a=b][c=]" },
		{ "a value may have '='", "a=b=c", "[a=b=c]" },
		{ "no name", "=x", "[=x]" },
		{ "too long: cut", "0123456789=abcdefghij&b=1", "[0123456=abcdefg][b=1]" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *query = rows[i].query;
		struct strbuf got = { 0 };
		char name[8];
		char value[8];

		print_message("  - %s\n", rows[i].what);
		strbuf_puts(&got, "");
		while (http_query_next(&query, name, value, sizeof(name)))
			strbuf_printf(&got, "[%s=%s]", name, value);
		assert_string_equal(got.text, rows[i].want);
		strbuf_done(&got);
	}
}

static void finds_parameters(void **state)
{
	(void)state;
	assert_true(http_query_has("a=1&verbose", "verbose"));
	assert_true(http_query_has("verbose=", "verbose"));
	assert_false(http_query_has("verbosely", "verbose"));
	assert_false(http_query_has("a=verbose", "verbose"));
	assert_false(http_query_has("", "verbose"));
}

static void reads_accept(void **state)
{
	static const struct row {
		const char *what;
		const char *accept;
		bool want;
	} rows[] = {
		{ "no header takes everything", "", true },
		{ "nor does a blank one refuse", "  ", true },
		{ "itself", "text/plain", true },
		{ "case does not count", "Text/PLAIN", true },
		{ "with parameters", "text/plain;q=0.5, image/png", true },
		{ "any subtype", "text/*", true },
		{ "anything", "image/png,*/*;q=0.1", true },
		{ "something else", "application/json", false },
		{ "something longer", "text/plainer", false },
		{ "another main type", "xtext/*", false },
		{ "only commas", ",,", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		print_message("  - %s\n", rows[i].what);
		assert_int_equal(http_accepts(rows[i].accept, "text/plain"), rows[i].want);
	}
}

static void answers_not_found_as_go(void **state)
{
	struct http_answer answer = { 0 };

	(void)state;
	http_not_found(&answer);
	http_header(&answer, "X-Number", "%d", 7);
	assert_int_equal(answer.status, 404);
	assert_string_equal(answer.content_type, "text/plain; charset=utf-8");
	assert_string_equal(answer.body.text, "404 page not found\n");
	assert_int_equal(answer.header_count, 2);
	assert_string_equal(answer.headers[0].name, "X-Content-Type-Options");
	assert_string_equal(answer.headers[0].value, "nosniff");
	assert_string_equal(answer.headers[1].value, "7");
	http_answer_done(&answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(splits_queries),
		cmocka_unit_test(finds_parameters),
		cmocka_unit_test(reads_accept),
		cmocka_unit_test(answers_not_found_as_go),
	};

	return cmocka_run_group_tests_name("cmd/http", tests, NULL, NULL);
}
