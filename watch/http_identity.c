/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "watch/http_identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "watch/http.h"

#define BEARER "Authorization: Bearer "

void http_identity_wipe(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
}

static void wipe(struct http_text *text)
{
	if (text->text != NULL)
		explicit_bzero(text->text, text->len);
	free(text->text);
	*text = (struct http_text){ 0 };
}

/* All of an open file into @buf of @size bytes; the return is how many, or -errno. */
static ssize_t read_all(int fd, char *buf, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t got = read(fd, buf + len, size - len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		len += (size_t)got;
	}
	return (ssize_t)len;
}

/* The buffer has its size from the start: one that grows leaves copies of a secret behind. */
static int read_open_file(int fd, size_t max, struct http_text *out, struct err *err)
{
	struct stat st;
	ssize_t len;

	if (fstat(fd, &st) < 0)
		return err_set(err, EACCES, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, EACCES, "not a regular file");
	if (st.st_size > (off_t)max)
		return err_set(err, EACCES, "%lld bytes, at most %zu", (long long)st.st_size, max);
	out->len = (size_t)st.st_size + 1;
	out->text = xcalloc(1, out->len);
	len = read_all(fd, out->text, out->len);
	if (len < 0)
		return err_set(err, EACCES, "cannot read: %s", strerror((int)-len));
	if (len != st.st_size)
		return err_set(err, EACCES, "changed while it was read");
	out->len = (size_t)len;
	return 0;
}

/* A failure leaves @out empty. */
static int read_file(const char *path, size_t max, struct http_text *out, struct err *err)
{
	struct http_text text = { 0 };
	/* Not to wait for a writer of a pipe. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int ret;

	if (fd < 0)
		return err_set(err, EACCES, "cannot open: %s", strerror(errno));
	ret = read_open_file(fd, max, &text, err);
	close(fd);
	if (ret == 0 && text.text != NULL && memchr(text.text, '\0', text.len) != NULL)
		ret = err_set(err, EACCES, "has a NUL byte");
	if (ret < 0)
		wipe(&text);
	*out = text;
	return ret;
}

static int read_pem(const struct watch_material *from, struct http_text *out, struct err *err)
{
	int ret;

	if (from->pem != NULL) {
		*out = (struct http_text){ .text = xstrdup(from->pem), .len = strlen(from->pem) };
		return 0;
	}
	if (from->path == NULL)
		return 0;
	ret = read_file(from->path, WATCH_MAX_PEM, out, err);
	if (out->text != NULL && strstr(out->text, "-----BEGIN ") == NULL)
		ret = err_set(err, EACCES, "has no PEM text");
	return ret < 0 ? err_wrap(err, ret, "%.120s", from->path) : 0;
}

int http_identity_read(const struct watch_cluster *cluster, struct http_identity *out,
                       struct err *err)
{
	struct http_identity identity = { 0 };
	int ret = read_pem(&cluster->ca, &identity.ca, err);

	if (ret == 0)
		ret = read_pem(&cluster->cert, &identity.cert, err);
	if (ret == 0)
		ret = read_pem(&cluster->key, &identity.key, err);
	if (ret < 0)
		http_identity_done(&identity);
	else
		*out = identity;
	return ret;
}

void http_identity_done(struct http_identity *identity)
{
	wipe(&identity->ca);
	wipe(&identity->cert);
	wipe(&identity->key);
}

static bool is_same(const struct http_text *a, const struct http_text *b)
{
	if (a->text == NULL || b->text == NULL)
		return a->text == b->text;
	return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

bool http_identity_equal(const struct http_identity *a, const struct http_identity *b)
{
	return is_same(&a->ca, &b->ca) && is_same(&a->cert, &b->cert) && is_same(&a->key, &b->key);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Printable ASCII without blanks: more than RFC 6750 allows, and nothing that ends a header field. */
static int make_bearer(const char *token, char **out, struct err *err)
{
	size_t len;
	char *line;

	while (is_blank(*token))
		token++;
	len = strlen(token);
	while (len > 0 && is_blank(token[len - 1]))
		len--;
	if (len == 0)
		return err_set(err, EACCES, "holds no token");
	if (len > WATCH_MAX_TOKEN)
		return err_set(err, EACCES, "a token of %zu bytes, at most %u", len,
		               WATCH_MAX_TOKEN);
	for (size_t i = 0; i < len; i++) {
		if (token[i] <= ' ' || token[i] >= 0x7f)
			return err_set(err, EACCES,
			               "a token with a byte that is not printable ASCII");
	}
	line = xmalloc(sizeof(BEARER) + len);
	(void)snprintf(line, sizeof(BEARER) + len, BEARER "%.*s", (int)len, token);
	*out = line;
	return 0;
}

int http_identity_bearer(const struct watch_cluster *cluster, char **out, struct err *err)
{
	struct http_text file = { 0 };
	int ret;

	*out = NULL;
	if (cluster->token_file == NULL && cluster->token == NULL)
		return 0;
	if (cluster->token_file == NULL) {
		ret = make_bearer(cluster->token, out, err);
		return ret < 0 ? err_wrap(err, ret, "token") : 0;
	}
	/* A newline may follow. */
	ret = read_file(cluster->token_file, WATCH_MAX_TOKEN + 2, &file, err);
	if (file.text != NULL)
		ret = make_bearer(file.text, out, err);
	wipe(&file);
	return ret < 0 ? err_wrap(err, ret, "%.120s", cluster->token_file) : 0;
}
