/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "watch/http_request.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#include "base/mem.h"
#include "base/str.h"
#include "watch/http_error.h"

#define KEEPALIVE_IDLE_S 15
#define KEEPALIVE_INTERVAL_S 10
#define USER_TIMEOUT_MS 30000

#define JSON "application/json"

/* ---- What all requests have in common ------------------------------------------------------- */

static int check_libcurl(struct err *err)
{
	const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);

	if ((info->features & CURL_VERSION_SSL) == 0)
		return err_set(err, EOPNOTSUPP, "libcurl %s has no TLS", info->version);
	if ((info->features & CURL_VERSION_ASYNCHDNS) == 0)
		return err_set(err, EOPNOTSUPP, "libcurl %s would wait in name resolution",
		               info->version);
	return 0;
}

static bool has_credentials(const struct watch_cluster *cluster)
{
	return cluster->token != NULL || cluster->token_file != NULL || cluster->username != NULL;
}

static void add_field(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	ASSERT(longer != NULL);
	*list = longer;
}

int http_setup_init(struct http_setup *setup, const struct watch_cluster *cluster,
                    const struct http_where *where, const char *user_agent, struct err *err)
{
	setup->cluster = cluster;
	setup->where = where;
	setup->user_agent = xstrdup(user_agent);
	if (cluster->proxy_url != NULL)
		setup->proxy = http_where_proxy(cluster->proxy_url);
	else if (!where->is_tls && has_credentials(cluster))
		setup->proxy = xstrdup(""); /* which could read them */
	if (where->connect_to != NULL)
		add_field(&setup->connect_to, where->connect_to);
	return check_libcurl(err);
}

void http_setup_done(struct http_setup *setup)
{
	free(setup->user_agent);
	http_identity_wipe(setup->proxy);
	curl_slist_free_all(setup->connect_to);
	*setup = (struct http_setup){ 0 };
}

/* ---- What is asked -------------------------------------------------------------------------- */

void http_question_init(struct http_question *question, const struct watch_request *request)
{
	struct strbuf type = { 0 };

	question->target = xstrdup(request->target);
	question->method = request->method != NULL ? xstrdup(request->method) : NULL;
	if (request->body == NULL)
		return;
	strbuf_printf(&type, "Content-Type: %s", request->type);
	question->type = type.text;
	question->body = xmalloc(request->body_len + 1);
	memcpy(question->body, request->body, request->body_len);
	question->body_len = request->body_len;
}

void http_question_done(struct http_question *question)
{
	free(question->target);
	free(question->method);
	free(question->type);
	free(question->body);
	*question = (struct http_question){ 0 };
}

/* ---- One request ---------------------------------------------------------------------------- */

/* The first refusal counts, later calls do nothing. */
#define SET(code, easy, option, value)                                        \
	do {                                                                  \
		if ((code) == CURLE_OK)                                       \
			(code) = curl_easy_setopt((easy), (option), (value)); \
	} while (0)

static const struct {
	CURLoption option;
	long value;
} fixed[] = {
	{ CURLOPT_NOSIGNAL, 1 },
	/* Else an ended transfer would wait for its thread that resolves a name. */
	{ CURLOPT_QUICK_EXIT, 1 },
	{ CURLOPT_CONNECTTIMEOUT_MS, WATCH_CONNECT_MS },
	{ CURLOPT_HTTPGET, 1 },
	{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS },
	{ CURLOPT_PATH_AS_IS, 1 },
	{ CURLOPT_FOLLOWLOCATION, 0 },
	{ CURLOPT_NETRC, CURL_NETRC_IGNORED },
	{ CURLOPT_HTTPAUTH, CURLAUTH_BASIC },
	{ CURLOPT_HEADEROPT, CURLHEADER_SEPARATE },
	{ CURLOPT_SUPPRESS_CONNECT_HEADERS, 1 },
	{ CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
	{ CURLOPT_PROXY_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
	/* A resumed session would be one with the certificates of before. */
	{ CURLOPT_SSL_SESSIONID_CACHE, 0 },
	{ CURLOPT_TCP_NODELAY, 1 },
	{ CURLOPT_TCP_KEEPALIVE, 1 },
	{ CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S },
	{ CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S },
};

static int on_open(void *ctx, curl_socket_t fd, curlsocktype purpose)
{
	unsigned timeout_ms = USER_TIMEOUT_MS;

	(void)ctx;
	(void)purpose;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms)) < 0)
		return CURL_SOCKOPT_ERROR;
	return CURL_SOCKOPT_OK;
}

static CURLcode set_general(struct http_request *request, const struct http_events *events)
{
	const struct http_setup *setup = request->setup;
	CURL *easy = request->easy;
	CURLcode code = CURLE_OK;

	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		SET(code, easy, fixed[i].option, fixed[i].value);
	SET(code, easy, CURLOPT_URL, request->url);
	/* Without TLS libcurl 7.88 would wait for the end of the first request. */
	SET(code, easy, CURLOPT_PIPEWAIT, setup->where->is_tls ? 1L : 0L);
	SET(code, easy, CURLOPT_PROTOCOLS_STR, setup->where->is_tls ? "https" : "http");
	SET(code, easy, CURLOPT_USERAGENT, setup->user_agent);
	SET(code, easy, CURLOPT_CONNECT_TO, setup->connect_to);
	SET(code, easy, CURLOPT_HTTPHEADER, request->fields);
	SET(code, easy, CURLOPT_ERRORBUFFER, request->reason);
	SET(code, easy, CURLOPT_PRIVATE, events->owner);
	SET(code, easy, CURLOPT_SOCKOPTFUNCTION, on_open);
	SET(code, easy, CURLOPT_PREREQFUNCTION, events->connected);
	SET(code, easy, CURLOPT_PREREQDATA, events->owner);
	SET(code, easy, CURLOPT_HEADERFUNCTION, events->line);
	SET(code, easy, CURLOPT_HEADERDATA, events->owner);
	SET(code, easy, CURLOPT_WRITEFUNCTION, events->body);
	SET(code, easy, CURLOPT_WRITEDATA, events->owner);
	if (setup->proxy != NULL) {
		/* What the cluster says is not for the environment to undo. */
		SET(code, easy, CURLOPT_PROXY, setup->proxy);
		SET(code, easy, CURLOPT_NOPROXY, "");
	}
	if (setup->cluster->username != NULL && setup->cluster->token == NULL &&
	    setup->cluster->token_file == NULL) {
		SET(code, easy, CURLOPT_USERNAME, setup->cluster->username);
		SET(code, easy, CURLOPT_PASSWORD,
		    setup->cluster->password != NULL ? setup->cluster->password : "");
	}
	return code;
}

static CURLcode set_blob(CURLcode code, CURL *easy, CURLoption option, const struct http_text *text)
{
	struct curl_blob blob = {
		.data = text->text,
		.len = text->len,
		.flags = CURL_BLOB_NOCOPY,
	};

	if (text->text != NULL)
		SET(code, easy, option, &blob);
	return code;
}

static CURLcode set_identity(CURL *easy, const struct http_identity *identity, bool is_insecure)
{
	CURLcode code = CURLE_OK;

	SET(code, easy, CURLOPT_SSL_VERIFYPEER, is_insecure ? 0L : 1L);
	SET(code, easy, CURLOPT_SSL_VERIFYHOST, is_insecure ? 0L : 2L);
	/* OpenSSL calls it for an encrypted key, and libcurl 7.88 reads the NULL that it has else. */
	SET(code, easy, CURLOPT_KEYPASSWD, "");
	/* A blob replaces the machine's file of authorities only: not its directory of them. */
	if (identity->ca.text != NULL)
		SET(code, easy, CURLOPT_CAPATH, NULL);
	code = set_blob(code, easy, CURLOPT_CAINFO_BLOB, &identity->ca);
	code = set_blob(code, easy, CURLOPT_SSLCERT_BLOB, &identity->cert);
	return set_blob(code, easy, CURLOPT_SSLKEY_BLOB, &identity->key);
}

/* CURLOPT_POSTFIELDS makes it a POST, which CURLOPT_CUSTOMREQUEST then calls otherwise. */
static CURLcode set_question(CURL *easy, const struct http_question *question)
{
	CURLcode code = CURLE_OK;

	if (question->body != NULL) {
		SET(code, easy, CURLOPT_POSTFIELDSIZE, (long)question->body_len);
		SET(code, easy, CURLOPT_POSTFIELDS, question->body);
	}
	if (question->method != NULL)
		SET(code, easy, CURLOPT_CUSTOMREQUEST, question->method);
	return code;
}

static int set_fields(struct http_request *request, const struct http_question *question,
                      struct err *err)
{
	char *bearer;
	int ret = http_identity_bearer(request->setup->cluster, &bearer, err);

	if (ret < 0)
		return ret;
	add_field(&request->fields, "Accept: " JSON);
	if (request->setup->where->host != NULL)
		add_field(&request->fields, request->setup->where->host);
	if (bearer != NULL)
		add_field(&request->fields, bearer);
	if (question->type != NULL)
		add_field(&request->fields, question->type);
	http_identity_wipe(bearer);
	return 0;
}

int http_request_init(struct http_request *request, const struct http_setup *setup,
                      const struct http_identity *identity, const struct http_question *question,
                      const struct http_events *events, struct err *err)
{
	struct strbuf url = { 0 };
	CURLcode code;
	int ret;

	request->setup = setup;
	ret = set_fields(request, question, err);
	if (ret < 0)
		return ret;
	strbuf_printf(&url, "%s%s", setup->where->base, question->target);
	request->url = url.text;
	request->easy = curl_easy_init();
	if (request->easy == NULL)
		return err_set(err, EIO, "libcurl: cannot make a handle");
	code = set_general(request, events);
	if (code == CURLE_OK)
		code = set_question(request->easy, question);
	if (code == CURLE_OK)
		code = set_identity(request->easy, identity, setup->cluster->insecure);
	if (code != CURLE_OK)
		return err_set(err, EIO, "libcurl: %s", curl_easy_strerror(code));
	return 0;
}

int http_request_start(struct http_request *request, CURLM *multi, struct err *err)
{
	CURLMcode code = curl_multi_add_handle(multi, request->easy);

	if (code != CURLM_OK)
		return err_set(err, EIO, "libcurl: %s", curl_multi_strerror(code));
	request->is_running = true;
	return 0;
}

void http_request_stop(struct http_request *request, CURLM *multi)
{
	CURLMcode code;

	if (!request->is_running)
		return;
	request->is_running = false;
	code = curl_multi_remove_handle(multi, request->easy);
	ASSERT(code == CURLM_OK);
}

void http_request_done(struct http_request *request)
{
	curl_easy_cleanup(request->easy);
	for (struct curl_slist *field = request->fields; field != NULL; field = field->next)
		explicit_bzero(field->data, strlen(field->data));
	curl_slist_free_all(request->fields);
	free(request->url);
	*request = (struct http_request){ 0 };
}

/* ---- What libcurl knows of it --------------------------------------------------------------- */

void *http_request_owner(CURL *easy)
{
	void *owner = NULL;

	(void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &owner);
	return owner;
}

static long get_long(const struct http_request *request, CURLINFO info)
{
	long value = 0;

	if (request->easy != NULL)
		(void)curl_easy_getinfo(request->easy, info, &value);
	return value;
}

static bool is_json(const struct http_request *request)
{
	const char *type = NULL;

	(void)curl_easy_getinfo(request->easy, CURLINFO_CONTENT_TYPE, &type);
	return type != NULL && strncasecmp(type, JSON, strlen(JSON)) == 0 &&
	       strchr("; \t", type[strlen(JSON)]) != NULL;
}

/* CURLINFO_RETRY_AFTER would also be that of an interim answer. */
static uint32_t get_retry_s(const struct http_request *request)
{
	struct curl_header *field;
	uint32_t seconds;
	time_t then;
	time_t now;
	int ret;

	if (curl_easy_header(request->easy, "Retry-After", 0, CURLH_HEADER, -1, &field) !=
	    CURLHE_OK)
		return 0;
	ret = str_to_u32(field->value, WATCH_MAX_RETRY_S, &seconds);
	if (ret == 0)
		return seconds;
	if (ret == -ERANGE)
		return WATCH_MAX_RETRY_S;
	then = curl_getdate(field->value, NULL);
	now = time(NULL);
	if (then <= now)
		return 0;
	return then - now < WATCH_MAX_RETRY_S ? (uint32_t)(then - now) : WATCH_MAX_RETRY_S;
}

bool http_request_head(const struct http_request *request, struct watch_head *out,
                       unsigned *http_major)
{
	long status = get_long(request, CURLINFO_RESPONSE_CODE);

	if (status < 200)
		return false;
	*out = (struct watch_head){
		.status = (unsigned)status,
		.retry_after_s = get_retry_s(request),
		.is_json = is_json(request),
	};
	*http_major = get_long(request, CURLINFO_HTTP_VERSION) == CURL_HTTP_VERSION_2_0 ? 2 : 1;
	return true;
}

long http_request_connections(const struct http_request *request)
{
	return get_long(request, CURLINFO_NUM_CONNECTS);
}

static const char *name_of(const struct watch_material *material, const char *given)
{
	return material->path != NULL ? material->path : given;
}

int http_request_error(const struct http_request *request, CURLcode code, struct err *err)
{
	const struct watch_cluster *cluster = request->setup->cluster;
	struct http_failure failure = {
		.code = code,
		.reason = request->reason,
		.os_errno = (int)get_long(request, CURLINFO_OS_ERRNO),
		.proxy_status = get_long(request, CURLINFO_HTTP_CONNECTCODE),
		.by_proxy = cluster->proxy_url != NULL,
	};
	int ret = http_error(&failure, err);

	if (code == CURLE_SSL_CERTPROBLEM)
		return err_wrap(err, ret, "%.60s, %.60s", name_of(&cluster->cert, "certificate"),
		                name_of(&cluster->key, "key"));
	if (code == CURLE_SSL_CACERT_BADFILE && cluster->ca.path != NULL)
		return err_wrap(err, ret, "%.120s", cluster->ca.path);
	return ret;
}
