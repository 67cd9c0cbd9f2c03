/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/config_watch.h"

#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "cmd/config_file.h"
#include "cmd/log.h"
#include "watch/file_follow.h"

struct config_watch {
	struct ev_loop *loop;
	const struct options *options;
	void (*changed)(void *ctx);
	void *ctx;
	ev_io io;
	struct follow follow;
	struct strbuf refused; /* content that was looked at and refused */
	bool told;
};

static bool same_text(const struct strbuf *a, const struct strbuf *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->text, b->text, a->len) == 0);
}

/* To open a pipe would wait for its writer, and nobody turns the loop meanwhile. */
static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 || S_ISREG(st.st_mode);
}

/* Would a start with the file as it is succeed? */
static bool is_acceptable(const struct options *options, struct err *err)
{
	struct options next;

	if (options_parse(options->argc, options->argv, &next, err) < 0)
		return false;
	options_done(&next);
	return true;
}

static void look_at(struct config_watch *watch, const struct strbuf *text)
{
	struct err err = { 0 };

	if (same_text(text, &watch->refused))
		return;
	strbuf_clear(&watch->refused);
	if (same_text(text, &watch->options->config_text))
		return;
	if (is_acceptable(watch->options, &err)) {
		log_info("the configuration file has changed",
		         LOG_STR("file", watch->options->config));
		watch->told = true;
		watch->changed(watch->ctx);
		return;
	}
	log_error("the configuration file has changed and is refused: what was read at the start "
	          "stays in force",
	          LOG_STR("reason", err.msg));
	strbuf_add(&watch->refused, text->text, text->len);
}

static void look(struct config_watch *watch)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	struct err err = { 0 };

	if (!is_file(watch->options->config))
		(void)err_set(&err, EINVAL, "%.100s: not a regular file", watch->options->config);
	else if (config_file_load(watch->options->config, &text, &err) == 0)
		look_at(watch, &text);
	if (err.code != 0)
		log_error("configuration not read: what was read at the start stays in force",
		          LOG_STR("reason", err.msg));
}

/* The watches are set before the file is read, so that no change is missed. */
static int renew(struct config_watch *watch, struct err *err)
{
	int ret;

	follow_renew(&watch->follow);
	ret = follow_path(&watch->follow, watch->options->config, err);
	follow_renewed(&watch->follow);
	return ret;
}

static void on_event(struct ev_loop *loop, ev_io *w, int events)
{
	struct config_watch *watch = w->data;
	struct err err = { 0 };

	(void)loop;
	/* a file that its writer still has open is not complete: its closing is an event, too */
	if (follow_drain(&watch->follow) != WATCH_FILE_CHANGED && (events & EV_CUSTOM) == 0)
		return;
	if (watch->told)
		return;
	if (renew(watch, &err) < 0)
		log_warning("configuration not followed any more", LOG_STR("reason", err.msg));
	look(watch);
}

int config_watch_open(struct ev_loop *loop, const struct options *options,
                      void (*changed)(void *ctx), void *ctx, struct config_watch **out,
                      struct err *err)
{
	struct config_watch *watch;
	int ret;

	*out = NULL;
	if (options->config == NULL || !is_file(options->config))
		return 0;
	watch = xcalloc(1, sizeof(*watch));
	*watch = (struct config_watch){
		.loop = loop,
		.options = options,
		.changed = changed,
		.ctx = ctx,
		.follow = { .fd = -1 },
	};
	ev_init(&watch->io, on_event);
	watch->io.data = watch;
	ret = follow_open(&watch->follow, err);
	if (ret == 0)
		ret = renew(watch, err);
	if (ret < 0) {
		config_watch_close(watch);
		return ret;
	}
	ev_io_set(&watch->io, watch->follow.fd, EV_READ);
	ev_io_start(loop, &watch->io);
	ev_feed_event(loop, &watch->io, EV_CUSTOM); /* it may have changed since it was read */
	*out = watch;
	return 0;
}

void config_watch_close(struct config_watch *watch)
{
	if (watch == NULL)
		return;
	ev_io_stop(watch->loop, &watch->io);
	follow_close(&watch->follow);
	strbuf_done(&watch->refused);
	free(watch);
}
