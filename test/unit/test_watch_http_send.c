/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests that carry something: what of them arrives. */
#include "watch/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "test/unit/http_client.h"
#include "test/unit/https_server.h"
#include "test/unit/test.h"

static const struct row {
	const char *what;
	struct watch_request request;
	const char *type;   /* a line of the head, or NULL */
	const char *length; /* likewise */
} rows[] = {
	{ "a POST",
	  { "/echo?x=1", "POST", "application/json", "{\"a\":1}", 7 },
	  "content-type: application/json\r\n",
	  "content-length: 7\r\n" },
	{ "a PATCH",
	  { "/echo?x=2", "PATCH", "application/merge-patch+json", "{}", 2 },
	  "content-type: application/merge-patch+json\r\n",
	  "content-length: 2\r\n" },
	{ "a POST of nothing",
	  { "/echo?x=3", "POST", "application/json", "", 0 },
	  "content-type: application/json\r\n",
	  "content-length: 0\r\n" },
	{ "a DELETE without a body", { .target = "/echo?x=4", .method = "DELETE" }, NULL, NULL },
	{ "a GET", { .target = "/echo?x=5" }, NULL, NULL },
};

/* HTTP/2 has names in lower case. */
static void lower(char *text)
{
	for (; *text != '\0'; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text += 'a' - 'A';
}

static void expect(const char *head, const char *line, const char *name)
{
	if (line == NULL && strstr(head, name) != NULL)
		fail_msg("there is a '%s' in %s", name, head);
	if (line != NULL && strstr(head, line) == NULL)
		fail_msg("no '%s' in %s", line, head);
}

static void check_row(struct client *client, const struct row *row)
{
	struct answer answer AUTO_ANSWER = { 0 };
	struct strbuf begin AUTO_STRBUF = { 0 };
	char *end;

	print_message("  - %s\n", row->what);
	client_send(client, &row->request, &answer);
	assert_int_equal(answer.ret, 0);
	strbuf_printf(&begin, "%s %s HTTP/1.1\r\n",
	              row->request.method != NULL ? row->request.method : "GET",
	              row->request.target);
	assert_memory_equal(answer.body.text, begin.text, begin.len);
	end = strstr(answer.body.text, "tls: "); /* behind HTTP/2 the server has none */
	if (end == NULL)
		end = answer.body.text + answer.body.len;
	*end = '\0';
	if (row->request.body_len > 0) { /* the last line */
		end -= row->request.body_len + 2;
		assert_memory_equal(end, row->request.body, row->request.body_len);
	}
	lower(answer.body.text);
	expect(answer.body.text, row->type, "content-type:");
	expect(answer.body.text, row->length, "content-length:");
	assert_null(strstr(answer.body.text, "expect:"));
}

static void check_rows(const char *name)
{
	struct client client;

	https_need(name);
	client_init(&client, name);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_row(&client, &rows[i]);
	assert_int_equal(watch_http_stats(client.http).connections, 1); /* kept by each */
	client_done(&client);
}

static void what_is_sent_arrives(void **state)
{
	(void)state;
	check_rows("good");
}

static void what_is_sent_arrives_over_http2(void **state)
{
	(void)state;
	check_rows("h2");
}

static void a_body_has_a_bound(void **state)
{
	char *body = xmalloc(WATCH_MAX_BODY + 1);
	struct watch_request request = { "/echo", "POST", "text/plain", body, WATCH_MAX_BODY };
	struct answer largest AUTO_ANSWER = { 0 };
	struct answer beyond AUTO_ANSWER = { 0 };
	struct client client;

	(void)state;
	memset(body, 'b', WATCH_MAX_BODY + 1);
	client_init(&client, "good");
	client_send(&client, &request, &largest);
	assert_int_equal(largest.ret, 0);
	assert_true(largest.body.len > WATCH_MAX_BODY);
	request.body_len++;
	client_send(&client, &request, &beyond);
	assert_int_equal(beyond.ret, -E2BIG);
	assert_non_null(strstr(beyond.err.msg, ": a body of 65537 bytes, at most 65536"));
	client_done(&client);
	free(body);
}

/* The request begins in the next turn of the loop: what was given may be gone by then. */
static void what_was_given_may_be_overwritten_at_once(void **state)
{
	char body[] = "kept";
	struct watch_request request = { "/echo", "POST", "text/plain", body, 4 };
	struct answer answer AUTO_ANSWER = { 0 };
	struct client client;

	(void)state;
	client_init(&client, "good");
	client_begin_request(&client, &request, &answer);
	memset(body, 'x', 4);
	client_run(&client, answer_ended, &answer);
	assert_non_null(strstr(answer.body.text, "\r\nkept\r\n"));
	client_done(&client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_sent_arrives),
		cmocka_unit_test(what_is_sent_arrives_over_http2),
		cmocka_unit_test(a_body_has_a_bound),
		cmocka_unit_test(what_was_given_may_be_overwritten_at_once),
	};

	return cmocka_run_group_tests(tests, https_start, https_stop);
}
