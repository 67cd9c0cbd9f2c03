/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Certificates and tokens: what files may hold, and what happens when they change. */
#include "watch/http_identity.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/unit/http_client.h"
#include "test/unit/https_server.h"
#include "test/unit/test.h"
#include "test/unit/watch_dir.h"

/* A file's text, to be freed. */
static char *slurp(const char *name)
{
	FILE *file = fopen(name, "re");
	char *text = xcalloc(1, 8192);

	assert_non_null(file);
	assert_in_range(fread(text, 1, 8191, file), 1, 8190);
	(void)fclose(file);
	return text;
}

/* As the kubelet does: another file under the name. */
static void replace(const char *name, const char *text)
{
	dir_write("new", text);
	assert_int_equal(rename("new", name), 0);
}

static void replace_with(const char *name, const char *other)
{
	char *text AUTO_FREE = slurp(other);

	replace(name, text);
}

/* ---- Reading -------------------------------------------------------------------------------- */

static const struct token_row {
	const char *what;
	const char *text;
	const char *want; /* behind "Authorization: Bearer " */
	const char *msg;  /* NULL: it is good */
} tokens[] = {
	{ "a token", "abc", "abc", NULL },
	{ "a newline behind it", "abc\n", "abc", NULL },
	{ "blanks around it", " \t\r\nabc\r\n", "abc", NULL },
	{ "all that RFC 6750 allows", "aZ0-._~+/=", "aZ0-._~+/=", NULL },
	{ "an empty file", "", NULL, "holds no token" },
	{ "nothing but newlines", "\n\n", NULL, "holds no token" },
	{ "a header field behind it", "abc\r\nX-Evil: 1", NULL,
	  "a token with a byte that is not printable ASCII" },
	{ "two words", "abc def", NULL, "a token with a byte that is not printable ASCII" },
	{ "another script", "abc\xc3\xa4", NULL,
	  "a token with a byte that is not printable ASCII" },
};

static void check_token(const struct watch_cluster *cluster, const struct token_row *row,
                        const char *name)
{
	struct err err = { 0 };
	char *bearer = NULL;
	char want[128];
	int ret = http_identity_bearer(cluster, &bearer, &err);

	if (row->msg == NULL) {
		assert_int_equal(ret, 0);
		(void)snprintf(want, sizeof(want), "Authorization: Bearer %s", row->want);
		assert_string_equal(bearer, want);
	} else {
		assert_int_equal(ret, -EACCES);
		assert_null(bearer);
		(void)snprintf(want, sizeof(want), "%s: %s", name, row->msg);
		assert_string_equal(err.msg, want);
	}
	http_identity_wipe(bearer);
}

static void checks_tokens(void **state)
{
	char path[] = "some-token";
	struct watch_cluster by_file = { .token_file = path };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
		struct watch_cluster by_text = { .token = xstrdup(tokens[i].text) };

		print_message("  - %s\n", tokens[i].what);
		dir_write(path, tokens[i].text);
		check_token(&by_file, &tokens[i], path);
		check_token(&by_text, &tokens[i], "token");
		free(by_text.token);
	}
}

static void no_token_is_no_field(void **state)
{
	struct watch_cluster cluster = { 0 };
	char *bearer;

	(void)state;
	assert_int_equal(http_identity_bearer(&cluster, &bearer, NULL), 0);
	assert_null(bearer);
}

static void expect_unreadable(struct watch_cluster *cluster, const char *msg)
{
	struct http_identity identity;
	struct err err = { 0 };
	char *bearer;
	int ret = http_identity_bearer(cluster, &bearer, &err);

	if (ret == 0) {
		assert_null(bearer);
		ret = http_identity_read(cluster, &identity, &err);
	}
	assert_int_equal(ret, -EACCES);
	assert_string_equal(err.msg, msg);
}

static void files_have_bounds(void **state)
{
	char path[] = "file";
	char none[] = "none/file";
	char dir[] = ".";
	struct watch_cluster token = { .token_file = path };
	struct watch_cluster cert = { .cert.path = path };
	char *text AUTO_FREE = xcalloc(1, WATCH_MAX_TOKEN + 4);

	(void)state;
	memset(text, 't', WATCH_MAX_TOKEN + 1);
	dir_write(path, text);
	expect_unreadable(&token, "file: a token of 32769 bytes, at most 32768");
	memset(text, 't', WATCH_MAX_TOKEN + 3);
	dir_write(path, text);
	expect_unreadable(&token, "file: 32771 bytes, at most 32770");
	expect_unreadable(&cert, "file: has no PEM text");
	assert_int_equal(truncate(path, WATCH_MAX_PEM), 0);
	expect_unreadable(&cert, "file: has a NUL byte");
	assert_int_equal(truncate(path, WATCH_MAX_PEM + 1), 0);
	expect_unreadable(&cert, "file: 4194305 bytes, at most 4194304");
	assert_int_equal(truncate(path, 0), 0);
	expect_unreadable(&cert, "file: has no PEM text");
	expect_unreadable(&(struct watch_cluster){ .key.path = none },
	                  "none/file: cannot open: No such file or directory");
	expect_unreadable(&(struct watch_cluster){ .token_file = dir }, ".: not a regular file");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_unreadable(&cert, "file: not a regular file");
	assert_int_equal(unlink(path), 0);
}

static void tells_when_certificates_differ(void **state)
{
	char path[] = "now.crt";
	char pem[] = "-----BEGIN A-----";
	struct watch_cluster cluster = { .ca.pem = pem, .cert.path = path };
	struct http_identity identities[4];

	(void)state;
	replace_with(path, "alice.crt");
	assert_int_equal(http_identity_read(&cluster, &identities[0], NULL), 0);
	assert_int_equal(http_identity_read(&cluster, &identities[1], NULL), 0);
	replace_with(path, "bob.crt");
	assert_int_equal(http_identity_read(&cluster, &identities[2], NULL), 0);
	cluster.cert.path = NULL;
	assert_int_equal(http_identity_read(&cluster, &identities[3], NULL), 0);
	assert_true(http_identity_equal(&identities[0], &identities[1]));
	assert_false(http_identity_equal(&identities[0], &identities[2]));
	assert_false(http_identity_equal(&identities[0], &identities[3]));
	for (size_t i = 0; i < ARRAY_LEN(identities); i++)
		http_identity_done(&identities[i]);
}

static void takes_given_certificates(void **state)
{
	struct answer answer AUTO_ANSWER = { 0 };
	struct client client;

	(void)state;
	client_init(&client, "mutual");
	client_set(&client.cluster.ca.path, NULL);
	client.cluster.ca.pem = slurp("ca.crt");
	client.cluster.cert.pem = slurp("alice.crt");
	client.cluster.key.pem = slurp("alice.key");
	client_get(&client, "/echo", &answer);
	assert_int_equal(answer.ret, 0);
	assert_non_null(strstr(answer.body.text, "client: alice\r\n"));
	client_done(&client);
}

/* ---- Rotation ------------------------------------------------------------------------------- */

static void expect_client(struct client *client, const char *name)
{
	struct answer answer AUTO_ANSWER = { 0 };
	char want[64];

	(void)snprintf(want, sizeof(want), "client: %s\r\n", name);
	client_get(client, "/echo", &answer);
	assert_int_equal(answer.ret, 0);
	assert_non_null(strstr(answer.body.text, want));
}

static void certificates_rotate(void **state)
{
	unsigned before = https_connections("mutual");
	struct answer held AUTO_ANSWER = { 0 };
	struct answer refused AUTO_ANSWER = { 0 };
	struct client client;

	(void)state;
	replace_with("now.crt", "alice.crt");
	replace_with("now.key", "alice.key");
	replace_with("now-ca.crt", "ca.crt");
	client_init(&client, "mutual");
	client_set_cert(&client, "now");
	client_set(&client.cluster.ca.path, "now-ca.crt");
	client_begin(&client, "/hold", &held);
	client_run(&client, answer_has_body, &held);
	expect_client(&client, "alice");
	expect_client(&client, "alice");
	assert_int_equal(https_connections("mutual"), before + 2);

	replace_with("now.crt", "bob.crt");
	replace_with("now.key", "bob.key");
	expect_client(&client, "bob");
	expect_client(&client, "bob");
	assert_int_equal(https_connections("mutual"), before + 3);

	/* A connection that was made when another authority was trusted is not used. */
	replace_with("now-ca.crt", "other-ca.crt");
	client_get(&client, "/ok", &refused);
	assert_int_equal(refused.ret, -EKEYREJECTED);

	assert_int_equal(held.ends, 0);
	assert_int_equal(https_ask("release"), 1);
	client_run(&client, answer_ended, &held);
	assert_int_equal(held.ret, 0);
	assert_string_equal(held.body.text, "held\nreleased\n");
	client_done(&client);
}

/* libcurl 7.88 compares certificates before it uses a connection again, but not keys. */
static void a_new_key_is_a_new_connection(void **state)
{
	unsigned before = https_connections("mutual");
	struct strbuf key AUTO_STRBUF = { 0 };
	char *text AUTO_FREE = slurp("alice.key");
	struct client client;

	(void)state;
	strbuf_printf(&key, "%s\n", text);
	replace_with("now.crt", "alice.crt");
	replace_with("now.key", "alice.key");
	client_init(&client, "mutual");
	client_set_cert(&client, "now");
	expect_client(&client, "alice");
	replace("now.key", key.text);
	expect_client(&client, "alice");
	assert_int_equal(https_connections("mutual"), before + 2);
	client_done(&client);
}

static void expect_authorization(struct client *client, const char *want)
{
	struct answer answer AUTO_ANSWER = { 0 };
	char line[256];

	client_get(client, "/echo", &answer);
	if (answer.ret < 0)
		fail_msg("%s", answer.err.msg);
	(void)snprintf(line, sizeof(line), "\r\nAuthorization: %s\r\n", want);
	if (strcasestr(answer.body.text, line) == NULL)
		fail_msg("not '%s': %s", want, answer.body.text);
}

static void tokens_rotate(const char *server)
{
	unsigned before = https_connections(server);
	struct answer held AUTO_ANSWER = { 0 };
	struct answer missing AUTO_ANSWER = { 0 };
	struct client client;

	replace("token", "first\n");
	client_init(&client, server);
	client_set(&client.cluster.token_file, "token");
	client_begin(&client, "/hold", &held);
	client_run(&client, answer_has_body, &held);
	expect_authorization(&client, "Bearer first");
	replace("token", " second.part_2-3~+/== \r\n\n");
	expect_authorization(&client, "Bearer second.part_2-3~+/==");
	assert_int_equal(unlink("token"), 0);
	client_get(&client, "/echo", &missing);
	assert_int_equal(missing.ret, -EACCES);
	assert_string_equal(missing.err.msg, "token: cannot open: No such file or directory");
	replace("token", "third");
	expect_authorization(&client, "Bearer third");
	assert_in_range(https_connections(server), before + 1, before + 2);
	assert_int_equal(https_ask("release"), 1);
	client_run(&client, answer_ended, &held);
	assert_int_equal(held.ret, 0);
	client_done(&client);
}

static void tokens_rotate_with_http1(void **state)
{
	(void)state;
	tokens_rotate("good");
}

static void tokens_rotate_with_http2(void **state)
{
	unsigned before;

	(void)state;
	https_need("h2");
	before = https_connections("h2");
	tokens_rotate("h2");
	assert_int_equal(https_connections("h2"), before + 1);
}

static void the_largest_token_fits(void **state)
{
	static const char *const servers[] = { "good", "h2" };
	char *token AUTO_FREE = xcalloc(1, WATCH_MAX_TOKEN + 1);

	(void)state;
	memset(token, 't', WATCH_MAX_TOKEN);
	for (size_t i = 0; i < ARRAY_LEN(servers) && https_port(servers[i]) != 0; i++) {
		struct answer answer AUTO_ANSWER = { 0 };
		struct client client;

		client_init(&client, servers[i]);
		client_set(&client.cluster.token, token);
		client_get(&client, "/echo", &answer);
		assert_int_equal(answer.ret, 0);
		assert_int_equal(answer.head.status, 200);
		assert_non_null(strstr(answer.body.text, token));
		client_done(&client);
	}
}

static void names_itself_by_password(void **state)
{
	struct client client;

	(void)state;
	client_init(&client, "good");
	client_set(&client.cluster.username, "user");
	client_set(&client.cluster.password, "hunter2");
	expect_authorization(&client, "Basic dXNlcjpodW50ZXIy");
	client_done(&client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checks_tokens),
		cmocka_unit_test(no_token_is_no_field),
		cmocka_unit_test(files_have_bounds),
		cmocka_unit_test(tells_when_certificates_differ),
		cmocka_unit_test(takes_given_certificates),
		cmocka_unit_test(certificates_rotate),
		cmocka_unit_test(a_new_key_is_a_new_connection),
		cmocka_unit_test(tokens_rotate_with_http1),
		cmocka_unit_test(tokens_rotate_with_http2),
		cmocka_unit_test(the_largest_token_fits),
		cmocka_unit_test(names_itself_by_password),
	};

	return cmocka_run_group_tests(tests, https_start, https_stop);
}
