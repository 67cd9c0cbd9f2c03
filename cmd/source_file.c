/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DOC: a file as the source
 *
 * Events only note that something may have changed; the file is read once at
 * the end of the turn, however many events there were.
 */
#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/clock.h"
#include "cmd/log.h"
#include "cmd/report.h"
#include "cmd/source_impl.h"
#include "cmd/source_load.h"

/* A file that could not be opened or read is tried again after pauses of 1 s to 30 s. */
#define REREAD_MIN_S 1.
#define REREAD_MAX_S 30.

struct source_file {
	struct source source;
	struct source_setting setting;
	ev_io io;
	ev_timer reread;
	struct watch_file *file;
	struct diags diags; /* of the last reading */
	double reread_s;    /* the next pause */
	uint64_t event_us;  /* when what is to be read was noticed; 0: nothing is due */
	uint64_t reads;
	uint64_t failed_reads;
	struct err trouble; /* of the last reading, if it failed */
	bool failed;        /* the last reading failed: what is in force is older than the file */
	bool complete;
	bool node_missing; /* and it was said */
};

/* On failure the last good state stays. */
static int read_file(struct source_file *s, struct err *err)
{
	const struct options *options = s->setting.options;
	struct source_counts counts;
	struct diags diags = { 0 };
	uint64_t begin = clock_us();
	int ret = source_load(s->file, s->setting.planner, &counts, &diags, err);

	if (ret < 0) {
		s->failed_reads++;
		s->trouble = *err;
		diag_done(&diags);
		return ret;
	}
	s->reads++;
	s->trouble = (struct err){ 0 };
	if (s->failed)
		log_info("source is readable again", LOG_STR("source", options->source));
	s->failed = false;
	s->complete = true;
	log_debug("source read", LOG_U64("objects", counts.objects),
	          LOG_U64("skipped", counts.skipped), LOG_U64("bad", counts.bad),
	          LOG_U64("took_us", clock_us() - begin));
	report_new(&s->diags, &diags);
	if (!s->node_missing)
		report_node(options, s->setting.planner);
	s->node_missing = !proxy_planner_counts(s->setting.planner).node_known;
	return 0;
}

/* What is wrong with the content is mended by a change, which is an event. What kept us from
 * reading it may go away without one: permission, a lack of descriptors or memory. */
static void arm_reread(struct source_file *s, int ret)
{
	ev_timer_stop(s->setting.loop, &s->reread);
	if (ret >= 0 || ret == -EBADMSG || ret == -E2BIG || ret == -EFBIG || ret == -ENODATA) {
		s->reread_s = REREAD_MIN_S;
		return;
	}
	ev_timer_set(&s->reread, s->reread_s, 0.);
	ev_timer_start(s->setting.loop, &s->reread);
	s->reread_s = s->reread_s * 2 < REREAD_MAX_S ? s->reread_s * 2 : REREAD_MAX_S;
}

static void file_turn(struct source *source)
{
	struct source_file *s = (void *)source;
	uint64_t event_us = s->event_us;
	struct err err = { 0 };
	int ret;

	if (event_us == 0)
		return;
	s->event_us = 0;
	ret = read_file(s, &err);
	if (ret < 0) {
		s->failed = true;
		log_error("source not read, the last good state stays", LOG_STR("reason", err.msg));
	} else {
		s->setting.changed(s->setting.ctx, event_us);
	}
	arm_reread(s, ret);
}

static void on_file(struct ev_loop *loop, ev_io *w, int events)
{
	struct source_file *s = w->data;

	(void)loop;
	(void)events;
	/* a file that its writer still has open is not complete: its closing will be an event, too */
	if (watch_file_drain(s->file) == WATCH_FILE_CHANGED && s->event_us == 0)
		s->event_us = clock_us();
}

static void on_reread(struct ev_loop *loop, ev_timer *w, int events)
{
	struct source_file *s = w->data;

	(void)loop;
	(void)events;
	if (s->event_us == 0)
		s->event_us = clock_us();
}

static bool file_is_complete(const struct source *source)
{
	return ((const struct source_file *)(const void *)source)->complete;
}

static void file_log(const struct source *source)
{
	const struct source_file *s = (const void *)source;

	log_info("source", LOG_STR("source", s->setting.options->source),
	         LOG_STR("state", s->failed     ? "unreadable"
	                          : s->complete ? "read"
	                                        : "empty"),
	         LOG_U64("findings", s->diags.total));
}

static void file_state(const struct source *source, struct source_state *out)
{
	const struct source_file *s = (const void *)source;

	out->trouble = s->trouble.code != 0 ? s->trouble.msg : NULL;
	out->reads = s->reads;
	out->failed_reads = s->failed_reads;
}

static void file_close(struct source *source)
{
	struct source_file *s = (void *)source;

	ev_io_stop(s->setting.loop, &s->io);
	ev_timer_stop(s->setting.loop, &s->reread);
	watch_file_close(s->file);
	diag_done(&s->diags);
	free(s);
}

/* Standard input is read once, the rest is followed. */
static void follow(struct source_file *s)
{
	int fd = watch_file_fd(s->file);

	if (fd < 0)
		return;
	ev_io_set(&s->io, fd, EV_READ);
	ev_io_start(s->setting.loop, &s->io);
}

/* What is there now. A file without objects is waited for when it can be followed. */
static int first_reading(struct source_file *s, struct err *err)
{
	int ret = watch_file_open(s->setting.options->source,
	                          strcmp(s->setting.options->source, "-") != 0, &s->file, err);

	if (ret < 0)
		return ret;
	ret = read_file(s, err);
	if (ret == -ENODATA && watch_file_fd(s->file) >= 0) {
		log_error("nothing to do yet, the kernel keeps what it has",
		          LOG_STR("reason", err->msg));
		ret = 0;
	}
	if (ret == 0)
		follow(s);
	return ret;
}

int source_file_open(const struct source_setting *setting, struct source **out, struct err *err)
{
	struct source_file *s = xcalloc(1, sizeof(*s));
	int ret;

	s->source =
		(struct source){ file_close, file_turn, file_is_complete, file_log, file_state };
	s->setting = *setting;
	s->reread_s = REREAD_MIN_S;
	ev_init(&s->io, on_file);
	ev_init(&s->reread, on_reread);
	s->io.data = s->reread.data = s;
	ret = first_reading(s, err);
	if (ret < 0)
		file_close(&s->source);
	else
		*out = &s->source;
	return ret;
}
