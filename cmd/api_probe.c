/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api_probe.h"

#include "cmd/clock.h"

static int on_head(void *ctx, const struct watch_head *head)
{
	(void)ctx;
	(void)head;
	return 0;
}

static int on_body(void *ctx, const char *bytes, size_t len)
{
	(void)ctx;
	(void)bytes;
	(void)len;
	return 0;
}

static void on_end(void *ctx, int ret, const struct err *err)
{
	struct api_probe *probe = ctx;

	(void)err;
	probe->transfer = NULL;
	if (ret < 0)
		probe->is_lost = true;
	else
		probe->alive_us = clock_us();
}

static const struct watch_transfer_fn probe_fn = { on_head, on_body, on_end };

bool api_probe_is_silent(uint64_t now_us, uint64_t silent_since_us)
{
	return silent_since_us != 0 && now_us >= silent_since_us + API_PROBE_AFTER_US;
}

uint64_t api_probe_turn(struct api_probe *probe, uint64_t now_us, uint64_t silent_since_us)
{
	uint64_t heard_us = silent_since_us > probe->alive_us ? silent_since_us : probe->alive_us;

	if (probe->transfer != NULL) {
		if (now_us < probe->sent_us + API_PROBE_WAIT_US)
			return probe->sent_us + API_PROBE_WAIT_US;
		watch_http_cancel(probe->http, probe->transfer);
		probe->transfer = NULL;
		probe->is_lost = true;
		return UINT64_MAX;
	}
	if (silent_since_us == 0)
		return UINT64_MAX;
	if (!api_probe_is_silent(now_us, heard_us))
		return heard_us + API_PROBE_AFTER_US;
	probe->sent_us = now_us;
	probe->transfer = watch_http_get(probe->http, "/livez/ping", &probe_fn, probe);
	return now_us + API_PROBE_WAIT_US;
}
