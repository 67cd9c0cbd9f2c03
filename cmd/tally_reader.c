/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/tally_reader.h"

#include "cmd/log.h"

static void ignore(void *ctx, const struct nftx_elem *elem, uint64_t packets)
{
	(void)ctx;
	(void)elem;
	(void)packets;
}

/* A socket that failed is good for nothing. */
static void fail(struct tally_reader *reader, const struct err *err)
{
	log_warning_limited("new connections not counted", LOG_STR("reason", err->msg));
	nftx_counters_close(reader->counters);
	reader->counters = NULL;
}

static void on_piece(struct ev_loop *loop, ev_io *w, int events)
{
	struct tally_reader *reader = w->data;
	struct err err = { 0 };
	int ret = nftx_counters_read(reader->counters, reader->stale ? ignore : tally_take,
	                             reader->tally, &err);

	(void)events;
	if (ret > 0)
		return;
	ev_io_stop(loop, &reader->io);
	reader->reading = false;
	if (ret < 0)
		fail(reader, &err);
	reader->done(reader->ctx);
}

void tally_reader_init(struct tally_reader *reader, struct ev_loop *loop, struct tally *tally,
                       tally_read_fn done, void *ctx)
{
	reader->loop = loop;
	reader->tally = tally;
	reader->done = done;
	reader->ctx = ctx;
	ev_init(&reader->io, on_piece);
	ev_set_priority(&reader->io, EV_MINPRI); /* what the daemon is for goes first */
	reader->io.data = reader;
}

void tally_reader_close(struct tally_reader *reader)
{
	if (reader->loop == NULL)
		return;
	ev_io_stop(reader->loop, &reader->io);
	nftx_counters_close(reader->counters);
	*reader = (struct tally_reader){ 0 };
}

bool tally_reader_can(struct tally_reader *reader)
{
	size_t count = tally_frontends(reader->tally);
	bool too_many = count > TALLY_READER_FRONTENDS;

	if (too_many && !reader->told)
		log_warning("new connections not counted: too many frontends",
		            LOG_U64("frontends", count), LOG_U64("most", TALLY_READER_FRONTENDS));
	reader->told = too_many;
	return !too_many;
}

bool tally_reader_start(struct tally_reader *reader)
{
	struct err err = { 0 };
	int ret = 0;

	if (reader->reading)
		return true;
	if (!tally_reader_can(reader))
		return false;
	if (reader->counters == NULL)
		ret = nftx_counters_open(&reader->counters, &err);
	if (ret == 0)
		ret = nftx_counters_start(reader->counters, &err);
	if (ret < 0) {
		fail(reader, &err);
		return false;
	}
	reader->reading = true;
	reader->stale = false;
	ev_io_set(&reader->io, nftx_counters_fd(reader->counters), EV_READ);
	ev_io_start(reader->loop, &reader->io);
	return true;
}

void tally_reader_refilled(struct tally_reader *reader)
{
	tally_restart(reader->tally);
	reader->stale = reader->reading;
}
