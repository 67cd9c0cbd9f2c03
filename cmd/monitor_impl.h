/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_MONITOR_IMPL_H
#define CMD_MONITOR_IMPL_H

/* What the files of the monitor share. */

#include "cmd/health.h"
#include "cmd/health_ports.h"
#include "cmd/httpd.h"
#include "cmd/monitor.h"
#include "cmd/tally_reader.h"

enum { SERVER_HEALTH, SERVER_METRICS, SERVER_PORTS, SERVERS };

/** An address that we listen on, or try to. */
struct place {
	struct bind_address bind;
	http_fn answer;
	struct httpd_listener *listener;
	bool failed; /* and it was said */
};

struct monitor {
	struct monitor_setting setting;
	struct health health;
	struct metrics *metrics;
	struct census *census;
	struct tally *tally; /* NULL: connections are not counted */
	struct tally_reader reader;
	uint64_t census_seen; /* its changes that were followed */
	struct httpd *servers[SERVERS];
	struct place places[2]; /* SERVER_HEALTH, SERVER_METRICS */
	struct health_ports *ports;
	int64_t elements[2][NFTX_MAP_COUNT];
	int64_t started_ns;
	uint64_t slice_changes; /* that are in the kernel */
	uint64_t service_changes;
	uint64_t turn_us; /* the loop's turn began */
	ev_timer retry;
	ev_check turn_begin;
	ev_prepare turn_end;
};

/** monitor_family() - the label's value for index 0 and 1. */
const char *monitor_family(size_t index);

/** monitor_server() - what a server is called in labels and logs. */
const char *monitor_server(size_t index);

/** monitor_scrape() - bring all metrics up to date that are not kept so all the time. */
void monitor_scrape(struct monitor *monitor, uint64_t now_us);

#endif
