/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/settings_set.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Canonical, so each is NAME=true or NAME=false. */
int set_feature_gates(struct options *options, const char *value, struct err *err)
{
	static const char external_ips[] = "AllowServiceExternalIPs=";

	(void)err;
	while (*value != '\0') {
		size_t len = strcspn(value, ",");
		size_t name = strcspn(value, "=");

		if (str_starts(value, external_ips))
			options->no_external_ips =
				str_starts(value + strlen(external_ips), "false");
		else
			diag_add(&options->findings, "feature gate", "%.*s has no effect here",
			         (int)name, value);
		value += len + (value[len] == ',');
	}
	return 0;
}

/* A version as value is what a component of Kubernetes shall pretend to be: we do not. */
int set_version(struct options *options, const char *value, struct err *err)
{
	options->version = strcmp(value, "true") == 0 || strcmp(value, "raw") == 0;
	if (!options->version && strcmp(value, "false") != 0 && *value != 'v')
		return err_set(err, EINVAL, "'%.32s' is none of true, false, raw", value);
	return 0;
}

/* Negative lifts the limit, zero means the default: kube-proxy's clients have it so. */
int set_api_qps(struct options *options, const char *value, struct err *err)
{
	bool unlimited = *value == '-';

	if (str_to_milli(value + unlimited, 1000000000, &options->api_milli_qps) < 0)
		return err_set(err, EINVAL, "'%.32s' is not a number of requests a second", value);
	if (options->api_milli_qps == 0)
		options->api_milli_qps = OPTIONS_API_MILLI_QPS;
	else if (unlimited)
		options->api_milli_qps = 0;
	return 0;
}

int set_api_burst(struct options *options, const char *value, struct err *err)
{
	if (str_to_u32(value, 1000000, &options->api_burst) < 0)
		return err_set(err, EINVAL, "'%.32s' is not a number of requests", value);
	if (options->api_burst == 0)
		options->api_burst = OPTIONS_API_BURST;
	return 0;
}

#define CHECK_PERIOD_MIN_US 1000000u

int set_check_period(struct options *options, const char *value, struct err *err)
{
	uint64_t period;

	if (str_to_duration(value, &period) < 0)
		return err_set(err, EINVAL, "'%.32s' is not a duration such as 1h or 90s", value);
	if (period != 0 && period < CHECK_PERIOD_MIN_US)
		return err_set(err, EINVAL, "'%.32s' is less than 1s (0: never)", value);
	options->check_period_us = period;
	return 0;
}

int set_output(struct options *options, const char *value, struct err *err)
{
	if (strcmp(value, "text") == 0)
		options->output = OUTPUT_TEXT;
	else if (strcmp(value, "json") == 0)
		options->output = OUTPUT_JSON;
	else if (strcmp(value, "nft") == 0)
		options->output = OUTPUT_NFT;
	else
		return err_set(err, EINVAL, "'%.32s' is none of text, json, nft", value);
	return 0;
}

int set_colour(struct options *options, const char *value, struct err *err)
{
	if (strcmp(value, "auto") == 0)
		options->colour = COLOUR_AUTO;
	else if (strcmp(value, "always") == 0)
		options->colour = COLOUR_ALWAYS;
	else if (strcmp(value, "never") == 0)
		options->colour = COLOUR_NEVER;
	else
		return err_set(err, EINVAL, "'%.32s' is none of auto, always, never", value);
	return 0;
}

int set_log_format(struct options *options, const char *value, struct err *err)
{
	if (strcmp(value, "text") == 0)
		options->log_format = LOG_TEXT;
	else if (strcmp(value, "json") == 0)
		options->log_format = LOG_JSON;
	else
		return err_set(err, EINVAL, "'%.32s' is neither text nor json", value);
	return 0;
}

/* As kube-proxy: surrounding blanks and case do not count (behaviour, section 1.5). */
int set_node_name(struct options *options, const char *value, struct err *err)
{
	size_t len;

	while (isspace((unsigned char)*value))
		value++;
	len = strlen(value);
	while (len > 0 && isspace((unsigned char)value[len - 1]))
		len--;
	if (len == 0)
		return err_set(err, EINVAL, "empty node name");
	if (len > PROXY_MAX_NAME)
		return err_set(err, EINVAL, "a node name of %zu characters, at most %d", len,
		               PROXY_MAX_NAME);
	for (size_t i = 0; i < len; i++)
		options->node_name[i] = (char)tolower((unsigned char)value[i]);
	options->node_name[len] = '\0';
	return 0;
}

static bool is_unspecified(const struct ipaddr *addr)
{
	static const uint8_t zero[16];

	return memcmp(addr->bytes, zero, sizeof(zero)) == 0;
}

int set_bind_address(struct options *options, const char *value, struct err *err)
{
	struct ipaddr addr;
	int ret = ipaddr_parse(value, &addr, err);

	if (ret == 0 && !is_unspecified(&addr))
		options->bind_address = addr;
	return ret;
}

int parse_bind_address(const char *text, uint16_t port, struct bind_address *out, struct err *err)
{
	const char *colon = strrchr(text, ':');
	bool bracket = *text == '[';
	size_t len = strlen(text);
	char addr[IPADDR_TEXT];
	uint32_t number = port;

	/* without brackets, more than one colon is an address of IPv6 without a port */
	if (bracket || (colon != NULL && strchr(text, ':') == colon)) {
		if (colon == NULL || (bracket && (colon == text || colon[-1] != ']')) ||
		    str_to_u32(colon + 1, UINT16_MAX, &number) < 0 || number == 0)
			return err_set(err, EINVAL, "'%.64s' is not of the form address:port",
			               text);
		len = (size_t)(colon - text) - (bracket ? 2 : 0);
	}
	if (len >= sizeof(addr))
		return err_set(err, EINVAL, "'%.64s' is not of the form address:port", text);
	memcpy(addr, text + bracket, len);
	addr[len] = '\0';
	out->port = (uint16_t)number;
	return ipaddr_parse(addr, &out->addr, err);
}

void put_bind_address(const struct bind_address *at, struct strbuf *out)
{
	char text[IPADDR_TEXT];

	strbuf_printf(out, at->addr.family == 6 ? "[%s]:%u" : "%s:%u",
	              ipaddr_format(&at->addr, text), at->port);
}

int set_healthz_address(struct options *options, const char *value, struct err *err)
{
	return parse_bind_address(value, 0, &options->healthz_bind, err);
}

int set_metrics_address(struct options *options, const char *value, struct err *err)
{
	return parse_bind_address(value, 0, &options->metrics_bind, err);
}

int set_mode(struct options *options, const char *value, struct err *err)
{
	if (strcmp(value, "nftables") == 0)
		return 0;
	if (strcmp(value, "kernelspace") == 0)
		return err_set(err, EINVAL, "'kernelspace' is for Windows: leave it empty");
	if (strcmp(value, "iptables") != 0 && strcmp(value, "ipvs") != 0)
		return err_set(err, EINVAL, "'%.32s' is not a mode: leave it empty, or nftables",
		               value);
	diag_add(&options->findings, "mode",
	         "%s: kubenft always uses nftables; what is left of kube-proxy's mode has to be "
	         "removed",
	         value);
	return 0;
}

int set_detect_mode(struct options *options, const char *value, struct err *err)
{
	static const char *const names[] = { "ClusterCIDR", "NodeCIDR", "BridgeInterface",
		                             "InterfaceNamePrefix" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(value, names[i]) == 0) {
			options->detect = (enum detect_mode)i;
			return 0;
		}
	}
	return err_set(err, EINVAL,
	               "'%.32s' is none of ClusterCIDR, NodeCIDR, BridgeInterface, "
	               "InterfaceNamePrefix",
	               value);
}

/* The kernel's rules for interface names: short, no slash, no blank. */
static int set_interface(char out[static 16], const char *value, struct err *err)
{
	size_t len = strlen(value);

	if (len == 0 || len > 15)
		return err_set(err, EINVAL, "an interface name has 1 to 15 characters");
	for (size_t i = 0; i < len; i++)
		if (!isgraph((unsigned char)value[i]) || value[i] == '/' || value[i] == '"')
			return err_set(err, EINVAL, "'%.16s' is no interface name", value);
	memcpy(out, value, len + 1);
	return 0;
}

int set_pod_bridge(struct options *options, const char *value, struct err *err)
{
	return set_interface(options->pod_bridge, value, err);
}

int set_pod_prefix(struct options *options, const char *value, struct err *err)
{
	return set_interface(options->pod_interface_prefix, value, err);
}

/* CIDRs separated by commas, with blanks around them or not. */
static int add_cidrs(struct ipcidr *cidrs, size_t *count, const char *value, struct err *err)
{
	const char *rest = value;

	while (*rest != '\0') {
		char text[IPADDR_TEXT];
		size_t len;
		int ret;

		rest += strspn(rest, " ");
		len = strcspn(rest, ", ");
		if (*count >= OPTIONS_MAX_CIDRS)
			return err_set(err, EINVAL, "more than %d CIDRs", OPTIONS_MAX_CIDRS);
		if (len >= sizeof(text))
			return err_set(err, EINVAL, "'%.64s' is not a CIDR", rest);
		memcpy(text, rest, len);
		text[len] = '\0';
		ret = ipcidr_parse(text, &cidrs[*count], err);
		if (ret < 0)
			return ret;
		(*count)++;
		rest += len;
		rest += strspn(rest, " ");
		rest += *rest == ',';
	}
	return 0;
}

int set_cluster_cidr(struct options *options, const char *value, struct err *err)
{
	return add_cidrs(options->cluster_cidrs, &options->cluster_cidr_count, value, err);
}

int set_node_port_addresses(struct options *options, const char *value, struct err *err)
{
	if (strcmp(value, "primary") == 0)
		return 0;
	return add_cidrs(options->node_port_cidrs, &options->node_port_cidr_count, value, err);
}
