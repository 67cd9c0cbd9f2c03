/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "test/unit/recording.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/test.h"

static void load_file(const char *name, struct strbuf *out)
{
	char path[128];
	char piece[4096];
	size_t got;
	FILE *file;

	(void)snprintf(path, sizeof(path), "test/data/recordings/%s.http", name);
	file = fopen(path, "r");
	if (file == NULL)
		panic(__FILE__, __LINE__, path);
	while ((got = fread(piece, 1, sizeof(piece), file)) > 0)
		strbuf_add(out, piece, got);
	(void)fclose(file);
}

/* Joins the chunks from @text on (RFC 9112, section 7.1). */
static void join_chunks(const char *text, struct strbuf *out)
{
	for (;;) {
		char *data;
		unsigned long size = strtoul(text, &data, 16);

		assert_int_equal(strncmp(data, "\r\n", 2), 0);
		if (size == 0)
			return;
		strbuf_add(out, data + 2, size);
		text = data + 2 + size + 2;
	}
}

void recording_load(const char *name, struct recording *out)
{
	struct strbuf file = { 0 };
	const char *head;
	const char *body;

	*out = (struct recording){ 0 };
	load_file(name, &file);
	ASSERT(file.text != NULL);
	head = strstr(file.text, "\n---\n");
	assert_non_null(head);
	head += 5;
	assert_int_equal(strncmp(head, "HTTP/1.1 ", 9), 0);
	out->status = (unsigned)strtoul(head + 9, NULL, 10);
	body = strstr(head, "\r\n\r\n");
	assert_non_null(body);
	body += 4;
	if (strstr(head, "Transfer-Encoding: chunked") != NULL)
		join_chunks(body, &out->body);
	else
		strbuf_puts(&out->body, body);
	strbuf_done(&file);
}

void recording_done(struct recording *recording)
{
	strbuf_done(&recording->body);
}
