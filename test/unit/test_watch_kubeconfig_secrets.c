/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kubeconfig with a mark in every secret, broken in every way at every place:
 * no sentence holds even three characters of the mark.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/test.h"
#include "test/unit/watch_cluster.h"

/* Base64 by itself, made of letters that no sentence of ours has three of in a row. */
#define MARK "ZqXWvKjQ"

#define DATA_YAML                           \
	"    client-key-data: '" MARK "'\n" \
	"    client-certificate-data: |\n      " MARK "\n      " MARK "\n"

/* Block style, as people and kubectl write it. */
static const char of_cluster[] = "apiVersion: v1\n"
				 "kind: Config\n"
				 "current-context: \"c\"\n"
				 "contexts:\n"
				 "- name: \"c\"\n"
				 "  context: {cluster: 'k', user: u}\n"
				 "clusters:\n"
				 "- name: k\n"
				 "  cluster:\n"
				 "    proxy-url: \"http://me:" MARK "@p:3128\"\n"
				 "    server: https://me:" MARK "@h:6443/\n"
				 "users:\n"
				 "- name: u\n"
				 "  user:\n"
				 "    username: me\n"
				 "    password: " MARK "\n" DATA_YAML;

static const char of_user[] = "users:\n"
			      "- user:\n"
			      "    token: \"" MARK "\"\n" DATA_YAML "  name: u\n"
			      "clusters:\n"
			      "- {name: k, cluster: {server: 'https://h'}}\n"
			      "contexts:\n"
			      "- {context: {cluster: k, user: u}, name: c}\n"
			      "current-context: c\n";

static const char of_json[] =
	"{\"current-context\":\"c\",\n"
	"\"contexts\":[{\"name\":\"c\",\"context\":{\"cluster\":\"k\",\"user\":\"u\"}}],\n"
	"\"clusters\":[{\"name\":\"k\",\"cluster\":{\"server\":\"https://h\",\n"
	"\"proxy-url\":\"socks5://me:" MARK "@p\"}}],\n"
	"\"users\":[{\"user\":{\"username\":\"me\",\"password\":\"" MARK "\",\n"
	"\"client-certificate-data\":\"" MARK "\",\"client-key-data\":\"" MARK "\"},\n"
	"\"name\":\"u\"}]}\n";

#define NO_PEM "users[0].user.client-certificate-data: no PEM text is encoded in it"

static const struct {
	const char *text;
	size_t len;
	const char *msg; /* what it is refused for as it stands */
} texts[] = {
	{ of_cluster, sizeof(of_cluster) - 1,
	  "clusters[0].cluster.server: a user name in the URL; it belongs into the user's entry" },
	{ of_user, sizeof(of_user) - 1, NO_PEM },
	{ of_json, sizeof(of_json) - 1, NO_PEM },
};

static void as_they_stand(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct watch_cluster cluster;
		struct err err = { 0 };

		assert_int_equal(
			watch_kubeconfig_parse(texts[i].text, texts[i].len, "/d", &cluster, &err),
			-EINVAL);
		assert_string_equal(err.msg, texts[i].msg);
	}
}

static void expect_silence(const char *text, size_t len)
{
	struct watch_cluster cluster;
	struct err err = { 0 };
	char piece[4] = "";

	if (watch_kubeconfig_parse(text, len, "/d", &cluster, &err) == 0) {
		watch_cluster_done(&cluster);
		return;
	}
	assert_string_not_equal(err.msg, "");
	for (size_t i = 0; i + 3 < sizeof(MARK); i++) {
		memcpy(piece, MARK + i, 3);
		if (strstr(err.msg, piece) != NULL)
			fail_msg("'%s' tells of a secret, given:\n%.*s", err.msg, (int)len, text);
	}
}

static void cut_anywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		for (size_t at = 0; at <= texts[i].len; at++) {
			expect_silence(texts[i].text, at);
			expect_silence(texts[i].text + at, texts[i].len - at);
		}
	}
}

/* Each text with @len bytes of @with in place of @count bytes, at each position. */
static void replace_everywhere(const char *with, size_t len, size_t count)
{
	char buf[2048];

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const char *text = texts[i].text;
		size_t size = texts[i].len;

		assert_true(size + len <= sizeof(buf));
		for (size_t at = 0; at + count <= size; at++) {
			memcpy(buf, text, at);
			memcpy(buf + at, with, len);
			memcpy(buf + at + len, text + at + count, size - at - count);
			expect_silence(buf, size + len - count);
		}
	}
}

static void broken_by_one_byte(void **state)
{
	static const char bytes[] = "\0\t\n\r \"'#%&*!|>@`{}[],:;?-\\/=0Z\x7f\x80\xc3\xff";

	(void)state;
	replace_everywhere("", 0, 1);
	for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
		replace_everywhere(&bytes[i], 1, 0);
		replace_everywhere(&bytes[i], 1, 1);
	}
}

static void broken_by_more(void **state)
{
	static const char *const words[] = { "\n\n",    "\r\n", ": ",   "- ",   "\n- ", " #",
		                             "\n---\n", "\n%",  "!!",   "\"\"", "}}",   "]}",
		                             "\\u00",   "\\x",  "<<: ", "null", "|\n",  ">\n",
		                             "*x ",     "&x ",  "? " };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		replace_everywhere(words[i], strlen(words[i]), 0);
		replace_everywhere(words[i], strlen(words[i]), 2);
	}
}

static void lines_twice_or_not_at_all(void **state)
{
	char buf[2048];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const char *text = texts[i].text;
		const char *end = text + texts[i].len;

		for (const char *line = text; line < end;) {
			const char *next = strchr(line, '\n') + 1;
			size_t before = (size_t)(next - text);

			assert_true(texts[i].len + (size_t)(next - line) <= sizeof(buf));
			memcpy(buf, text, before);
			memcpy(buf + before, line, (size_t)(end - line));
			expect_silence(buf, before + (size_t)(end - line));
			before = (size_t)(line - text);
			memcpy(buf + before, next, (size_t)(end - next));
			expect_silence(buf, before + (size_t)(end - next));
			line = next;
		}
	}
}

/* Where a secret may stand, in the cluster (first) or in the user. */
static const struct {
	bool in_cluster;
	const char *key;
} places[] = {
	{ true, "server" },
	{ true, "proxy-url" },
	{ true, "tls-server-name" },
	{ true, "certificate-authority-data" },
	{ true, "insecure-skip-tls-verify" },
	{ false, "token" },
	{ false, "tokenFile" },
	{ false, "username" },
	{ false, "password" },
	{ false, "client-certificate-data" },
	{ false, "client-key-data" },
	{ false, "as" },
	{ false, "exec" },
	{ false, "auth-provider" },
};

static const char *const values[] = {
	MARK,
	"[" MARK "]",
	"{" MARK ": " MARK "}",
	"1, " MARK ": 2",
	MARK ", password: " MARK,
	MARK ", token: " MARK ", username: me",
	"\"" MARK "\\n" MARK "\"",
	"!" MARK " x",
	"&" MARK " x",
	"*" MARK,
	MARK MARK "!",
	"'http://h', token: " MARK,
	"'https://" MARK "@h'",
	"'https://me:" MARK "@h'",
	"'https://me:" MARK "'",
	"'https://me:" MARK "@'",
	"'https://me:" MARK "@h:x'",
	"'https://me:" MARK " @h'",
	"'https://me:" MARK "%@h'",
	"'https://me:" MARK "/@h'",
	"'https://h/?token=" MARK "'",
	"'https://h/#" MARK "'",
	"'ftp://me:" MARK "@h'",
	"'me:" MARK "@h'",
};

static void expect_silence_of(bool in_cluster, const char *field)
{
	struct strbuf text AUTO_STRBUF = { 0 };

	strbuf_printf(&text,
	              "current-context: c\n"
	              "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
	              "clusters: [{name: k, cluster: {%s%s}}]\n"
	              "users: [{name: u, user: {%s}}]\n",
	              strncmp(field, "server", 6) != 0 ? "server: 'https://h', " : "",
	              in_cluster ? field : "", in_cluster ? "" : field);
	expect_silence(text.text, text.len);
}

static void of_any_form(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		struct strbuf field AUTO_STRBUF = { 0 };

		for (size_t j = 0; j < ARRAY_LEN(values); j++) {
			strbuf_clear(&field);
			strbuf_printf(&field, "%s: %s", places[i].key, values[j]);
			expect_silence_of(places[i].in_cluster, field.text);
		}
		strbuf_printf(&field, ", %s: " MARK, places[i].key);
		expect_silence_of(places[i].in_cluster, field.text);
	}
}

/* Lines that are folded into the name above them. */
static void swallowed_by_a_name(void **state)
{
	static const char *const names[] = {
		"current-context: >-\n  c\n  token: " MARK "\n",
		"current-context: \"c\n  token: " MARK "\"\n",
		"current-context: c\ncontexts: [{name: c, context: {cluster: \"k\n  token: " MARK
		"\"}}]\n",
		"kind: \"Config\n  token: " MARK "\"\n",
		"apiVersion: \"v1\n  token: " MARK "\"\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		expect_silence(names[i], strlen(names[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_they_stand),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(broken_by_one_byte),
		cmocka_unit_test(broken_by_more),
		cmocka_unit_test(lines_twice_or_not_at_all),
		cmocka_unit_test(of_any_form),
		cmocka_unit_test(swallowed_by_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
