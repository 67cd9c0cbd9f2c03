/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/health.h"

#include <stdio.h>
#include <string.h>

#include "test/unit/test.h"

#define S UINT64_C(1000000)
#define BEGIN (1000 * S) /* the start, on the monotonic clock */

/* 2024-01-02T03:04:05 on the wall when the daemon starts. */
#define BEGIN_WALL 1704164645

static struct health_now at(unsigned second)
{
	return (struct health_now){ BEGIN + second * S,
		                    (BEGIN_WALL + (int64_t)second) * 1000000000 };
}

/* What happens to a daemon, second by second. */
enum what {
	END,
	LIST,       /* the source was read */
	UNREADABLE, /* it was not */
	ASK,
	WORD, /* of the API server */
	CHANGE,
	SYNC,
	REFUSAL,  /* a sync that failed */
	CULPRITS, /* two Services that were left out of it */
	NO_CULPRITS,
	DRIFT,
	STUBBORN, /* who drifts */
	REPAIR,
	NODE,
	LEAVING,
	SHORT_TURN,
	LONG_TURN,
};

struct event {
	unsigned second;
	enum what what;
};

static void happens(struct health *health, const struct event *event)
{
	uint64_t now = at(event->second).us;

	switch (event->what) {
	case END:
		break;
	case LIST:
		health_source(health, true, NULL);
		break;
	case UNREADABLE:
		health_source(health, health->listed, "a.yaml: Permission denied");
		break;
	case ASK:
		health_watch(health, health->contact_us, now);
		break;
	case WORD:
		health_watch(health, now, health->asked_us);
		break;
	case CHANGE:
		health_changed(health, now);
		break;
	case SYNC:
		health_synced(health, at(event->second), NULL);
		break;
	case REFUSAL:
		health_synced(health, at(event->second), "the kernel refused it");
		break;
	case CULPRITS:
		health_refused(health, 2);
		break;
	case NO_CULPRITS:
		health_refused(health, 0);
		break;
	case DRIFT:
		health_drift(health, now, false, "nft");
		break;
	case STUBBORN:
		health_drift(health, now, true, "");
		break;
	case REPAIR:
		health_drift(health, 0, false, "nft");
		break;
	case NODE:
		health_node(health, true, false);
		break;
	case LEAVING:
		health_node(health, true, true);
		break;
	case SHORT_TURN:
		assert_false(health_turned(health, now, 49999));
		break;
	case LONG_TURN:
		assert_true(health_turned(health, now, 50000));
		break;
	}
}

#define WELL                      \
	{ 0, LIST }, { 0, NODE }, \
	{                         \
		1, SYNC           \
	}
#define MAX_EVENTS 12

/* A life, and what the three endpoints say at its end. */
static const struct row {
	const char *what;
	struct event life[MAX_EVENTS];
	unsigned second;
	unsigned healthz, livez, readyz;
	const char *part; /* a line of ?verbose */
} rows[] = {
	{ "all is well", { WELL }, 2, 200, 200, 200, "[+]sync ok: everything is in the kernel\n" },
	{ "two Services that the kernel refuses: said, and no reason to send the traffic elsewhere",
	  { WELL, { 2, CULPRITS }, { 2, SYNC } },
	  1000,
	  200,
	  200,
	  200,
	  "[-]sync failed, not counted here: the kernel refuses 2 Services, everything else is in "
	  "it\n" },
	{ "and none any more",
	  { WELL, { 2, CULPRITS }, { 3, NO_CULPRITS } },
	  4,
	  200,
	  200,
	  200,
	  "[+]sync ok: everything is in the kernel\n" },
	{ "idle: well for ever", { WELL }, 10000000, 200, 200, 200, NULL },
	{ "just started: the Node is unknown",
	  { { 0 } },
	  0,
	  503,
	  200,
	  503,
	  "[-]node failed: the own Node is unknown\n" },
	{ "the Node alone, in the first minute",
	  { { 0, NODE } },
	  59,
	  200,
	  200,
	  503,
	  "[-]start failed: the first sync is not in the kernel\n" },
	{ "and after it",
	  { { 0, NODE } },
	  60,
	  503,
	  200,
	  503,
	  "[-]sync failed: the oldest change waits for 60 s\n" },
	{ "never a source: a restart would not help",
	  { { 0, UNREADABLE } },
	  100000,
	  503,
	  200,
	  503,
	  "[-]source failed, not counted here: a.yaml: Permission denied; nothing was written "
	  "yet\n" },
	{ "the source cannot be read any more",
	  { WELL, { 5, UNREADABLE } },
	  100000,
	  200,
	  200,
	  200,
	  "[-]source failed, not counted here: a.yaml: Permission denied; the last good state "
	  "stays\n" },
	{ "it can again",
	  { WELL, { 5, UNREADABLE }, { 9, LIST } },
	  100,
	  200,
	  200,
	  200,
	  "[+]source ok\n" },
	{ "the API server is asked and has not answered",
	  { WELL, { 2, ASK } },
	  299,
	  200,
	  200,
	  200,
	  "[+]watch ok: no word from the API server yet, for 299 s\n" },
	{ "for five minutes",
	  { WELL, { 2, ASK }, { 250, ASK } },
	  300,
	  200,
	  200,
	  200,
	  "[-]watch failed, not counted here: no word from the API server yet, for 300 s\n" },
	{ "the API server is away for a day, and asked",
	  { WELL, { 2, WORD }, { 86000, ASK } },
	  86400,
	  200,
	  200,
	  200,
	  "[-]watch failed, not counted here: the API server's last word is 86398 s old\n" },
	{ "nobody asks it any more",
	  { WELL, { 2, WORD }, { 100, ASK } },
	  1000,
	  503,
	  503,
	  200,
	  "[-]watch failed: the API server's last word is 998 s old, and it was not asked for 900 "
	  "s\n" },
	{ "not quite 15 minutes", { WELL, { 2, WORD }, { 100, ASK } }, 999, 200, 200, 200, NULL },
	{ "a change waits for less than a minute",
	  { WELL, { 10, CHANGE } },
	  69,
	  200,
	  200,
	  200,
	  "[+]sync ok: the oldest change waits for 59 s\n" },
	{ "a change waits for a minute",
	  { WELL, { 10, CHANGE } },
	  70,
	  503,
	  200,
	  200,
	  "[-]sync failed: the oldest change waits for 60 s\n" },
	{ "the oldest change counts",
	  { WELL, { 10, CHANGE }, { 69, CHANGE } },
	  70,
	  503,
	  200,
	  200,
	  NULL },
	{ "the kernel refuses: a restart would not help",
	  { WELL, { 10, CHANGE }, { 10, REFUSAL }, { 40, REFUSAL }, { 100000, REFUSAL } },
	  100001,
	  503,
	  200,
	  200,
	  "[-]sync failed: the oldest change waits for 99991 s, 3 tries failed: the kernel refused "
	  "it\n" },
	{ "the first sync is refused",
	  { { 0, LIST }, { 0, NODE }, { 1, REFUSAL }, { 70, REFUSAL } },
	  80,
	  503,
	  200,
	  503,
	  NULL },
	{ "a refill that fails is a change, too",
	  { WELL, { 10, REFUSAL } },
	  70,
	  503,
	  200,
	  200,
	  NULL },
	{ "the kernel takes it again",
	  { WELL, { 10, CHANGE }, { 40, REFUSAL }, { 80, SYNC } },
	  81,
	  200,
	  200,
	  200,
	  "[+]sync ok: everything is in the kernel\n" },
	{ "nobody tries to sync",
	  { WELL, { 10, CHANGE }, { 20, REFUSAL } },
	  140,
	  503,
	  503,
	  200,
	  "[-]sync failed: a change waits for 130 s, and no sync was tried for 120 s\n" },
	{ "not quite as long",
	  { WELL, { 10, CHANGE }, { 20, REFUSAL } },
	  139,
	  503,
	  200,
	  200,
	  NULL },
	{ "an old sync does not count as a try",
	  { WELL, { 1000, CHANGE } },
	  1119,
	  503,
	  200,
	  200,
	  NULL },
	{ "nor does a change that waits too long",
	  { WELL, { 1000, CHANGE } },
	  1120,
	  503,
	  503,
	  200,
	  NULL },
	{ "drift is being repaired",
	  { WELL, { 10, DRIFT } },
	  69,
	  200,
	  200,
	  200,
	  "[+]drift ok: changed by nft 59 s ago, not repaired yet\n" },
	{ "drift that stays",
	  { WELL, { 10, DRIFT } },
	  70,
	  503,
	  200,
	  200,
	  "[-]drift failed: changed by nft, not repaired for 60 s\n" },
	{ "repairs are undone",
	  { WELL, { 10, STUBBORN } },
	  69,
	  200,
	  200,
	  200,
	  "[-]drift failed, not counted here: somebody undoes our repairs again and again\n" },
	{ "and nothing helps",
	  { WELL, { 10, STUBBORN } },
	  70,
	  503,
	  200,
	  200,
	  "[-]drift failed: changed by somebody, not repaired for 60 s\n" },
	{ "drift was repaired",
	  { WELL, { 10, DRIFT }, { 71, REPAIR } },
	  72,
	  200,
	  200,
	  200,
	  "[+]drift ok\n" },
	{ "the node is about to go",
	  { WELL, { 10, LEAVING } },
	  11,
	  503,
	  200,
	  200,
	  "[-]node failed: the own Node is being deleted, or tainted "
	  "ToBeDeletedByClusterAutoscaler\n" },
	{ "it stays", { WELL, { 10, LEAVING }, { 20, NODE } }, 21, 200, 200, 200, "[+]node ok\n" },
	{ "turns of the loop",
	  { WELL, { 2, SHORT_TURN } },
	  3,
	  200,
	  200,
	  200,
	  "[+]loop ok: 0 stalls, the longest turn of late took 49 ms\n" },
	{ "stalls",
	  { WELL, { 2, LONG_TURN }, { 3, SHORT_TURN } },
	  4,
	  200,
	  200,
	  200,
	  "[+]loop ok: 1 stalls, the longest turn of late took 50 ms\n" },
	{ "stalls of long ago",
	  { WELL, { 2, LONG_TURN }, { 63, SHORT_TURN } },
	  64,
	  200,
	  200,
	  200,
	  "[+]loop ok: 1 stalls, the longest turn of late took 49 ms\n" },
};

static void ask(const struct health *health, unsigned second, const char *path, const char *query,
                struct http_answer *answer)
{
	const struct http_request request = { path, query, "", false };

	*answer = (struct http_answer){ 0 };
	health_answer(health, at(second), &request, answer);
}

static void judges_lives(void **state)
{
	static const char *const paths[] = { "/healthz", "/livez", "/readyz" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		const unsigned want[] = { row->healthz, row->livez, row->readyz };
		bool said = row->part == NULL;
		struct health health;

		print_message("  - %s\n", row->what);
		health_init(&health, at(0).us, HEALTH_TIMEOUT_US, HEALTH_IDLE_US);
		for (size_t k = 0; k < MAX_EVENTS && row->life[k].what != END; k++)
			happens(&health, &row->life[k]);
		for (size_t k = 0; k < ARRAY_LEN(paths); k++) {
			struct http_answer brief;
			struct http_answer verbose;

			ask(&health, row->second, paths[k], "", &brief);
			ask(&health, row->second, paths[k], "verbose", &verbose);
			assert_int_equal(brief.status, want[k]);
			assert_int_equal(verbose.status, want[k]);
			said = said || strstr(verbose.body.text, row->part) != NULL;
			if (!said && k == 2)
				print_error("%s", verbose.body.text);
			http_answer_done(&brief);
			http_answer_done(&verbose);
		}
		assert_true(said);
		if (health.node_known && !health.node_leaving)
			assert_int_equal(health_is_healthy(&health, at(row->second).us),
			                 row->healthz == 200);
	}
}

/* After failures the pause grows to syncPeriod, here ten minutes; a restart would not cure them. */
static void waits_for_the_longest_pause(void **state)
{
	static const struct event life[] = { WELL, { 10, CHANGE }, { 20, REFUSAL } };
	struct health_verdict verdict;
	struct health health;

	(void)state;
	health_init(&health, at(0).us, HEALTH_TIMEOUT_US, 600 * S);
	for (size_t i = 0; i < ARRAY_LEN(life); i++)
		happens(&health, &life[i]);
	health_judge(&health, at(20 + 600 + 59).us, &verdict);
	assert_false(verdict.healthy);
	assert_true(verdict.alive);
	health_judge(&health, at(20 + 600 + 60).us, &verdict);
	assert_false(verdict.alive);
}

/* The bodies, to the letter (behaviour, section 5.6). */
static void speaks_as_kube_proxy(void **state)
{
	const struct health_now early = { at(1).us - 7, at(1).wall_ns - 7000 };
	struct http_answer answer;
	struct health health;

	(void)state;
	health_init(&health, at(0).us, HEALTH_TIMEOUT_US, HEALTH_IDLE_US);
	ask(&health, 0, "/healthz", "", &answer);
	assert_string_equal(answer.body.text,
	                    "{\"lastUpdated\":\"0001-01-01T00:00:00Z\","
	                    "\"currentTime\":\"2024-01-02T03:04:05Z\",\"nodeEligible\":false,"
	                    "\"healthy\":true,\"status\":{}}");
	assert_string_equal(answer.content_type, "application/json");
	assert_int_equal(answer.header_count, 1);
	assert_string_equal(answer.headers[0].name, "X-Content-Type-Options");
	assert_string_equal(answer.headers[0].value, "nosniff");
	http_answer_done(&answer);

	health_source(&health, true, NULL);
	health_node(&health, true, false);
	health_synced(&health, early, NULL);
	ask(&health, 3, "/healthz", "", &answer);
	assert_string_equal(answer.body.text,
	                    "{\"lastUpdated\":\"2024-01-02T03:04:08Z\","
	                    "\"currentTime\":\"2024-01-02T03:04:08Z\",\"nodeEligible\":true,"
	                    "\"healthy\":true,\"status\":{"
	                    "\"IPv4\":{\"lastUpdated\":\"2024-01-02T03:04:05.999993Z\","
	                    "\"healthy\":true},"
	                    "\"IPv6\":{\"lastUpdated\":\"2024-01-02T03:04:05.999993Z\","
	                    "\"healthy\":true}}}");
	http_answer_done(&answer);

	health_node(&health, true, true);
	ask(&health, 3, "/healthz", "", &answer);
	assert_int_equal(answer.status, 503);
	assert_non_null(
		strstr(answer.body.text, "{\"lastUpdated\":\"2024-01-02T03:04:05.999993Z\","));
	assert_non_null(strstr(answer.body.text, "\"nodeEligible\":false,\"healthy\":true,"));
	http_answer_done(&answer);
	ask(&health, 3, "/livez", "", &answer);
	assert_string_equal(answer.body.text,
	                    "{\"lastUpdated\":\"2024-01-02T03:04:08Z\","
	                    "\"currentTime\":\"2024-01-02T03:04:08Z\",\"healthy\":true,"
	                    "\"status\":{\"IPv4\":{\"lastUpdated\":\"2024-01-02T03:04:05.999993Z\","
	                    "\"healthy\":true},\"IPv6\":{\"lastUpdated\":"
	                    "\"2024-01-02T03:04:05.999993Z\",\"healthy\":true}}}");
	http_answer_done(&answer);
}

/* What is red in the kernel is said by /livez, too, which stays green. */
static void tells_liveness_from_health(void **state)
{
	struct http_answer answer;
	struct health health;

	(void)state;
	health_init(&health, at(0).us, HEALTH_TIMEOUT_US, HEALTH_IDLE_US);
	health_source(&health, true, NULL);
	health_synced(&health, at(1), NULL);
	health_synced(&health, at(2), "refused");
	health_synced(&health, at(99), "refused");
	ask(&health, 100, "/livez", "", &answer);
	assert_int_equal(answer.status, 200);
	assert_non_null(strstr(answer.body.text, "\"healthy\":true,\"status\":{\"IPv4\":{"
	                                         "\"lastUpdated\":\"2024-01-02T03:04:06Z\","
	                                         "\"healthy\":false}"));
	http_answer_done(&answer);
	assert_false(health_is_healthy(&health, at(100).us));
}

static void lists_all_parts(void **state)
{
	struct http_answer answer;
	struct health health;

	(void)state;
	health_init(&health, at(0).us, HEALTH_TIMEOUT_US, HEALTH_IDLE_US);
	health_source(&health, true, NULL);
	health_node(&health, true, true);
	ask(&health, 7, "/livez", "a=b&verbose=true", &answer);
	assert_string_equal(answer.body.text,
	                    "[+]loop ok: 0 stalls, the longest turn of late took 0 ms\n"
	                    "[+]source ok\n"
	                    "[+]watch ok: no API server to watch\n"
	                    "[+]sync ok: the oldest change waits for 7 s\n"
	                    "[+]drift ok\n"
	                    "[-]node failed, not counted here: the own Node is being deleted, or "
	                    "tainted ToBeDeletedByClusterAutoscaler\n"
	                    "[-]start failed, not counted here: the first sync is not in the "
	                    "kernel\n"
	                    "livez check passed\n");
	assert_string_equal(answer.content_type, HTTP_TEXT);
	http_answer_done(&answer);
	ask(&health, 7, "/readyz", "", &answer);
	assert_string_equal(answer.body.text, "not ready");
	http_answer_done(&answer);
	health_synced(&health, at(8), NULL);
	ask(&health, 9, "/readyz", "", &answer);
	assert_string_equal(answer.body.text, "ok");
	http_answer_done(&answer);
}

static void knows_exact_paths(void **state)
{
	static const char *const paths[] = { "/", "/healthz/", "/healthzz", "/HEALTHZ", "", "*" };
	struct health health;

	(void)state;
	health_init(&health, at(0).us, HEALTH_TIMEOUT_US, HEALTH_IDLE_US);
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct http_answer answer;

		ask(&health, 1, paths[i], "", &answer);
		assert_int_equal(answer.status, 404);
		http_answer_done(&answer);
	}
}

/* The lines of the table of parts in a file, without what is before the first bar. */
static void read_table(const char *path, struct strbuf *out)
{
	FILE *file = fopen(path, "re");
	bool inside = false;
	char line[1024];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		const char *bar = strchr(line, '|');

		inside = bar != NULL && bar - line <= 3 && (inside || str_starts(bar, "| part "));
		if (inside)
			strbuf_puts(out, bar);
	}
	(void)fclose(file);
}

static void is_what_the_readme_says(void **state)
{
	AUTO_STRBUF struct strbuf header = { 0 };
	AUTO_STRBUF struct strbuf readme = { 0 };

	(void)state;
	read_table("cmd/health.h", &header);
	read_table("README.md", &readme);
	assert_true(header.len > 500);
	assert_string_equal(header.text, readme.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judges_lives),
		cmocka_unit_test(waits_for_the_longest_pause),
		cmocka_unit_test(speaks_as_kube_proxy),
		cmocka_unit_test(tells_liveness_from_health),
		cmocka_unit_test(lists_all_parts),
		cmocka_unit_test(knows_exact_paths),
		cmocka_unit_test(is_what_the_readme_says),
	};

	return cmocka_run_group_tests_name("cmd/health", tests, NULL, NULL);
}
