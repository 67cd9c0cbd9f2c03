/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_SETTINGS_SET_H
#define CMD_SETTINGS_SET_H

/* Settings whose values are more than their type says: each a setting_fn. */

#include "cmd/options.h"

int set_feature_gates(struct options *options, const char *value, struct err *err);
int set_version(struct options *options, const char *value, struct err *err);
int set_api_qps(struct options *options, const char *value, struct err *err);
int set_api_burst(struct options *options, const char *value, struct err *err);
int set_check_period(struct options *options, const char *value, struct err *err);
int set_output(struct options *options, const char *value, struct err *err);
int set_colour(struct options *options, const char *value, struct err *err);
int set_log_format(struct options *options, const char *value, struct err *err);
int set_node_name(struct options *options, const char *value, struct err *err);
int set_bind_address(struct options *options, const char *value, struct err *err);
int set_healthz_address(struct options *options, const char *value, struct err *err);
int set_metrics_address(struct options *options, const char *value, struct err *err);
int set_mode(struct options *options, const char *value, struct err *err);
int set_detect_mode(struct options *options, const char *value, struct err *err);
int set_pod_bridge(struct options *options, const char *value, struct err *err);
int set_pod_prefix(struct options *options, const char *value, struct err *err);
int set_cluster_cidr(struct options *options, const char *value, struct err *err);
int set_node_port_addresses(struct options *options, const char *value, struct err *err);

/** parse_bind_address() - "ADDRESS:PORT", "[ADDRESS]:PORT", or an address alone.
 *
 * @port: what is meant when the text names none.
 */
int parse_bind_address(const char *text, uint16_t port, struct bind_address *out,
                       struct err *err) MUST_CHECK;

/** put_bind_address() - append the text of it; brackets around IPv6. */
void put_bind_address(const struct bind_address *at, struct strbuf *out);

#endif
