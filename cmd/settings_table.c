/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DOC: the table
 *
 * The fields of KubeProxyConfiguration in their order there, each with its flag;
 * then ours, and what is only a flag. The columns are those of struct setting.
 *
 * A flag of kube-proxy is one of run, diff and plan, so that the arguments of a
 * DaemonSet can be tried with each of them.
 */
#include "base/mem.h"
#include "cmd/options.h"
#include "cmd/settings_set.h"

/* Who has the flag. */
#define ALL (COMMAND_RUN | COMMAND_DIFF | COMMAND_PLAN)
#define LOGS (ALL | COMMAND_CLEANUP | SETTING_BESIDE_CONFIG)

/* Limits. */
#define ANY 0, 0
#define POSITIVE 1, 0
#define COUNT 0, INT32_MAX

/* What becomes of it. */
#define AT(field) offsetof(struct options, field), NULL
#define BY(function) 0, function
#define NOTHING 0, NULL

#define IPVS "only in kube-proxy's ipvs mode"
#define IPTABLES "only in kube-proxy's iptables mode"
#define WINDOWS "only on Windows"
#define NO_BUFFER "log lines are written at once, to standard error"

const struct setting settings_table[] = {
	{ "feature-gates", "featureGates", SETTING_SWITCHES, ALL, "", ANY, BY(set_feature_gates),
	  "NAME=true|false,...",
	  "feature gates of kube-proxy: with AllowServiceExternalIPs=false, spec.externalIPs does "
	  "not "
	  "count; each other one is accepted and named in the log" },

	{ "kubeconfig", "clientConnection.kubeconfig", SETTING_TEXT, ALL, "", ANY, AT(kubeconfig),
	  "FILE",
	  "where the API server is and who we are to it; without it, the service account of the "
	  "pod "
	  "that we run in" },
	{ NULL, "clientConnection.acceptContentTypes", SETTING_TEXT, 0, "", ANY, NOTHING, NULL,
	  "the API server is asked for JSON" },
	{ "kube-api-content-type", "clientConnection.contentType", SETTING_TEXT, ALL,
	  "application/vnd.kubernetes.protobuf", ANY, NOTHING, "TYPE",
	  "the API server is asked for JSON" },
	{ "kube-api-qps", "clientConnection.qps", SETTING_DECIMAL, ALL, "5", ANY, BY(set_api_qps),
	  "N", "requests a second to the API server in the long run; negative: any number" },
	{ "kube-api-burst", "clientConnection.burst", SETTING_NUMBER, ALL, "10", 0, 1000000,
	  BY(set_api_burst), "N",
	  "requests to the API server that may follow one another at once" },

	{ "logging-format", "logging.format", SETTING_TEXT, LOGS, "text", ANY, BY(set_log_format),
	  "text|json", "shape of the log lines on standard error" },
	{ "log-flush-frequency", "logging.flushFrequency", SETTING_DURATION,
	  LOGS | SETTING_NS_NUMBER, "5s", POSITIVE, NOTHING, "DURATION", NO_BUFFER },
	{ "v", "logging.verbosity", SETTING_NUMBER, LOGS, "0", COUNT, AT(verbosity), "N",
	  "verbosity; from 2 on every change is logged" },
	{ "vmodule", "logging.vmodule", SETTING_VMODULE, LOGS, "", ANY, NOTHING, "PATTERN=N,...",
	  "there is one verbosity, -v" },
	{ "log-text-split-stream", "logging.options.text.splitStream", SETTING_BOOL, LOGS, "false",
	  ANY, NOTHING, "true|false", NO_BUFFER },
	{ "log-text-info-buffer-size", "logging.options.text.infoBufferSize", SETTING_SIZE, LOGS,
	  "0", ANY, NOTHING, "SIZE", NO_BUFFER },
	{ "log-json-split-stream", "logging.options.json.splitStream", SETTING_BOOL, LOGS, "false",
	  ANY, NOTHING, "true|false", NO_BUFFER },
	{ "log-json-info-buffer-size", "logging.options.json.infoBufferSize", SETTING_SIZE, LOGS,
	  "0", ANY, NOTHING, "SIZE", NO_BUFFER },

	{ "hostname-override", "hostnameOverride", SETTING_TEXT, ALL | SETTING_BESIDE_CONFIG, "",
	  ANY, BY(set_node_name), "NAME",
	  "name of this node's Node object; without it, the host name in lower case" },
	{ "bind-address", "bindAddress", SETTING_TEXT, ALL, "0.0.0.0", ANY, BY(set_bind_address),
	  "ADDRESS",
	  "an address of this node, in place of the Node's own of that family, for NodePorts on "
	  "primary addresses; nothing listens on it" },
	{ "healthz-bind-address", "healthzBindAddress", SETTING_TEXT, ALL, "0.0.0.0:10256", ANY,
	  BY(set_healthz_address), "ADDRESS:PORT",
	  "where /healthz, /livez and /readyz are served; [::]:10256 when --bind-address is of "
	  "IPv6" },
	{ "metrics-bind-address", "metricsBindAddress", SETTING_TEXT, ALL, "127.0.0.1:10249", ANY,
	  BY(set_metrics_address), "ADDRESS:PORT",
	  "where /metrics and what belongs to it are served; [::1]:10249 when --bind-address is of "
	  "IPv6" },
	{ "bind-address-hard-fail", "bindAddressHardFail", SETTING_BOOL, ALL, "false", ANY,
	  AT(bind_hard_fail), "true|false",
	  "end when the health or the metrics port cannot be had, in place of trying again" },
	{ "profiling", "enableProfiling", SETTING_BOOL, ALL, "false", ANY, NOTHING, "true|false",
	  "there is nothing to profile by Go's pprof; use perf" },
	{ "show-hidden-metrics-for-version", "showHiddenMetricsForVersion", SETTING_TEXT, ALL, "",
	  ANY, NOTHING, "VERSION", "no metric is hidden" },
	{ "proxy-mode", "mode", SETTING_TEXT, ALL, "nftables", ANY, BY(set_mode), "MODE",
	  "the mode: nftables is what there is; iptables and ipvs are accepted with a warning, and "
	  "say whose "
	  "masqueradeAll, syncPeriod and minSyncPeriod of the file count" },

	{ "iptables-masquerade-bit", "iptables.masqueradeBit", SETTING_NUMBER,
	  ALL | SETTING_KEEPS_ZERO, "14", 0, 31, NOTHING, "BIT", "no packet mark is used" },
	{ NULL, "iptables.masqueradeAll", SETTING_BOOL, SETTING_DERIVED, "false", ANY, NOTHING,
	  NULL, "as nftables.masqueradeAll, when mode is iptables or not set" },
	{ "iptables-localhost-nodeports", "iptables.localhostNodePorts", SETTING_BOOL,
	  ALL | SETTING_KEEPS_ZERO, "true", ANY, NOTHING, "true|false",
	  "NodePorts are never served on loopback addresses, as in kube-proxy's nftables mode" },
	{ "iptables-sync-period", "iptables.syncPeriod", SETTING_DURATION, ALL | SETTING_DERIVED,
	  "30s", POSITIVE, NOTHING, "DURATION",
	  "as nftables.syncPeriod: the flag always, the field when mode is iptables or not set" },
	{ "iptables-min-sync-period", "iptables.minSyncPeriod", SETTING_DURATION,
	  ALL | SETTING_DERIVED, "0s", ANY, NOTHING, "DURATION",
	  "as nftables.minSyncPeriod: the flag always, the field when mode is iptables or not "
	  "set" },

	{ "ipvs-sync-period", "ipvs.syncPeriod", SETTING_DURATION, ALL | SETTING_DERIVED, "30s",
	  POSITIVE, NOTHING, "DURATION", "as nftables.syncPeriod: the field, when mode is ipvs" },
	{ "ipvs-min-sync-period", "ipvs.minSyncPeriod", SETTING_DURATION, ALL | SETTING_DERIVED,
	  "0s", ANY, NOTHING, "DURATION",
	  "as nftables.minSyncPeriod: the field, when mode is ipvs" },
	{ "ipvs-scheduler", "ipvs.scheduler", SETTING_TEXT, ALL, "", ANY, NOTHING, "NAME", IPVS },
	{ "ipvs-exclude-cidrs", "ipvs.excludeCIDRs", SETTING_LIST, ALL, "", ANY, NOTHING,
	  "CIDR,...", IPVS },
	{ "ipvs-strict-arp", "ipvs.strictARP", SETTING_BOOL, ALL, "false", ANY, NOTHING,
	  "true|false", IPVS },
	{ "ipvs-tcp-timeout", "ipvs.tcpTimeout", SETTING_DURATION, ALL, "0s", ANY, NOTHING,
	  "DURATION", IPVS },
	{ "ipvs-tcpfin-timeout", "ipvs.tcpFinTimeout", SETTING_DURATION, ALL, "0s", ANY, NOTHING,
	  "DURATION", IPVS },
	{ "ipvs-udp-timeout", "ipvs.udpTimeout", SETTING_DURATION, ALL, "0s", ANY, NOTHING,
	  "DURATION", IPVS },
	{ NULL, "ipvs.masqueradeAll", SETTING_BOOL, SETTING_DERIVED, "false", ANY, NOTHING, NULL,
	  "as nftables.masqueradeAll, when mode is ipvs" },

	{ NULL, "nftables.masqueradeBit", SETTING_NUMBER, SETTING_KEEPS_ZERO, "14", 0, 31, NOTHING,
	  NULL, "no packet mark is used" },
	{ "masquerade-all", "nftables.masqueradeAll", SETTING_BOOL, ALL, "false", ANY,
	  AT(masquerade_all), "true|false", "masquerade everything sent to a ClusterIP" },
	{ NULL, "nftables.syncPeriod", SETTING_DURATION, 0, "30s", POSITIVE, AT(sync_period_us),
	  NULL, "longest pause before a sync that failed is tried again" },
	{ "min-sync-period", "nftables.minSyncPeriod", SETTING_DURATION,
	  ALL | SETTING_BESIDE_CONFIG, "0s", ANY, AT(min_sync_period_us), "DURATION",
	  "shortest time between two syncs; changes that come sooner go together" },

	{ NULL, "winkernel.networkName", SETTING_TEXT, 0, "", ANY, NOTHING, NULL, WINDOWS },
	{ NULL, "winkernel.sourceVip", SETTING_TEXT, 0, "", ANY, NOTHING, NULL, WINDOWS },
	{ NULL, "winkernel.enableDSR", SETTING_BOOL, 0, "false", ANY, NOTHING, NULL, WINDOWS },
	{ NULL, "winkernel.rootHnsEndpointName", SETTING_TEXT, 0, "", ANY, NOTHING, NULL, WINDOWS },
	{ NULL, "winkernel.forwardHealthCheckVip", SETTING_BOOL, 0, "false", ANY, NOTHING, NULL,
	  WINDOWS },

	{ "detect-local-mode", "detectLocalMode", SETTING_TEXT, ALL, "ClusterCIDR", ANY,
	  BY(set_detect_mode), "MODE",
	  "how pods are told: ClusterCIDR (by --cluster-cidr), NodeCIDR (by the own Node's "
	  "spec.podCIDRs), BridgeInterface, InterfaceNamePrefix" },
	{ "pod-bridge-interface", "detectLocal.bridgeInterface", SETTING_TEXT, ALL, "", ANY,
	  BY(set_pod_bridge), "NAME",
	  "for BridgeInterface: what comes in through this bridge comes from pods" },
	{ "pod-interface-name-prefix", "detectLocal.interfaceNamePrefix", SETTING_TEXT, ALL, "",
	  ANY, BY(set_pod_prefix), "PREFIX",
	  "for InterfaceNamePrefix: what comes in through interfaces named so comes from pods" },
	{ "cluster-cidr", "clusterCIDR", SETTING_TEXT, ALL, "", ANY, BY(set_cluster_cidr),
	  "CIDR[,CIDR]",
	  "sources in these ranges are pods; without any, pods are not told from others" },
	{ "nodeport-addresses", "nodePortAddresses", SETTING_LIST, ALL, "primary", ANY,
	  BY(set_node_port_addresses), "primary|CIDR[,CIDR]",
	  "serve NodePorts on the Node's primary addresses, or on the addresses of this machine in "
	  "these ranges" },
	{ "oom-score-adj", "oomScoreAdj", SETTING_NUMBER, ALL | SETTING_KEEPS_ZERO, "-999", -1000,
	  1000, AT(oom_score), "N",
	  "how ready the kernel is to kill run when memory is short: -1000 never, 1000 first" },

	{ "conntrack-max-per-core", "conntrack.maxPerCore", SETTING_NUMBER,
	  ALL | SETTING_KEEPS_ZERO, "32768", COUNT, AT(sysctls.max_per_core), "N",
	  "connections that conntrack may hold, for each CPU, at most 1048576 in all; 0 leaves the "
	  "kernel's maximum as it is" },
	{ "conntrack-min", "conntrack.min", SETTING_NUMBER, ALL | SETTING_KEEPS_ZERO, "131072",
	  COUNT, AT(sysctls.min), "N",
	  "connections that conntrack may hold at least, however few CPUs there are" },
	{ "conntrack-tcp-timeout-established", "conntrack.tcpEstablishedTimeout", SETTING_DURATION,
	  ALL | SETTING_KEEPS_ZERO, "24h0m0s", ANY, AT(sysctls.tcp_established_us), "DURATION",
	  "how long conntrack remembers an idle TCP connection; 0 leaves the kernel's value" },
	{ "conntrack-tcp-timeout-close-wait", "conntrack.tcpCloseWaitTimeout", SETTING_DURATION,
	  ALL | SETTING_KEEPS_ZERO, "1h0m0s", ANY, AT(sysctls.tcp_close_wait_us), "DURATION",
	  "the same for a half-closed one; 0 leaves the kernel's value" },
	{ "conntrack-tcp-be-liberal", "conntrack.tcpBeLiberal", SETTING_BOOL, ALL, "false", ANY,
	  AT(sysctls.tcp_be_liberal), "true|false",
	  "take TCP packets outside of the window for valid; false leaves the kernel's value" },
	{ "conntrack-udp-timeout", "conntrack.udpTimeout", SETTING_DURATION, ALL, "0s", ANY,
	  AT(sysctls.udp_us), "DURATION",
	  "how long conntrack remembers an unanswered UDP flow; 0 leaves the kernel's value" },
	{ "conntrack-udp-timeout-stream", "conntrack.udpStreamTimeout", SETTING_DURATION, ALL, "0s",
	  ANY, AT(sysctls.udp_stream_us), "DURATION",
	  "the same for one with answers; 0 leaves the kernel's value" },
	{ "config-sync-period", "configSyncPeriod", SETTING_DURATION, ALL, "15m0s", POSITIVE,
	  NOTHING, "DURATION", "nothing is polled: changes come by watches" },
	{ NULL, "portRange", SETTING_TEXT, 0, "", ANY, NOTHING, NULL,
	  "no port is reserved; kube-proxy ignores it, too" },
	{ NULL, "windowsRunAsService", SETTING_BOOL, 0, "false", ANY, NOTHING, NULL, WINDOWS },

	{ "source", "source", SETTING_TEXT,
	  ALL | SETTING_BESIDE_CONFIG | SETTING_NOT_EMPTY | SETTING_OWN, "", ANY, AT(source),
	  "PATH",
	  "file, directory of files, or - for standard input, in place of the API server: "
	  "Services, "
	  "EndpointSlices, Nodes and ServiceCIDRs in YAML or JSON, as kubectl get -o prints them; "
	  "run follows changes" },

	{ "affinity-size", "affinitySize", SETTING_NUMBER,
	  ALL | SETTING_BESIDE_CONFIG | SETTING_OWN, "65535", 1, OPTIONS_MAX_AFFINITY,
	  AT(affinity_size), "N",
	  "clients of Services with session affinity that the kernel remembers, for each family" },

	{ "count-connections", "countConnections", SETTING_BOOL,
	  ALL | SETTING_BESIDE_CONFIG | SETTING_OWN, "false", ANY, AT(count_connections),
	  "true|false",
	  "count the new connections to each Service, in the kernel, for the metric "
	  "kubenft_service_new_connections_total" },

	{ "table-owner", "tableOwner", SETTING_BOOL,
	  COMMAND_RUN | SETTING_BESIDE_CONFIG | SETTING_KEEPS_ZERO | SETTING_OWN, "true", ANY,
	  AT(table_owner), "true|false",
	  "own the tables, so that nobody else can change them (Linux 6.9 and later); false: "
	  "others may, and what they change is repaired" },
	{ "check-period", "checkPeriod", SETTING_DURATION,
	  COMMAND_RUN | SETTING_BESIDE_CONFIG | SETTING_KEEPS_ZERO | SETTING_OWN, "1h0m0s", ANY,
	  BY(set_check_period), "DURATION",
	  "compare what the kernel holds with what it shall hold this often; 0: never" },
	{ "seccomp", "seccomp", SETTING_BOOL,
	  COMMAND_RUN | SETTING_BESIDE_CONFIG | SETTING_KEEPS_ZERO | SETTING_OWN, "true", ANY,
	  AT(seccomp), "true|false",
	  "once started, let run make only the system calls that it needs; false: any, to find out "
	  "whether that is what is in the way" },

	{ "config", NULL, SETTING_TEXT, ALL | SETTING_BESIDE_CONFIG, "", ANY, AT(config), "FILE",
	  "the configuration: KubeProxyConfiguration and KubenftConfiguration; flags that are in "
	  "it, "
	  "too, then do not count" },
	{ "write-config-to", NULL, SETTING_TEXT, COMMAND_RUN | SETTING_BESIDE_CONFIG, "", ANY,
	  AT(write_config_to), "FILE", "write what all settings amount to, and exit" },
	{ "cleanup", NULL, SETTING_BOOL, COMMAND_RUN | SETTING_BESIDE_CONFIG, "false", ANY,
	  AT(cleanup), "true|false",
	  "as kubenft cleanup, for all that kube-proxy leaves behind, too, and exit" },
	{ "init-only", NULL, SETTING_BOOL, COMMAND_RUN | SETTING_BESIDE_CONFIG, "false", ANY,
	  AT(init_only), "true|false",
	  "do only what needs more privilege than CAP_NET_ADMIN: set the kernel's conntrack "
	  "settings, and exit" },
	{ "master", NULL, SETTING_TEXT, ALL | SETTING_BESIDE_CONFIG, "", ANY, AT(master), "URL",
	  "the API server, in place of the one in the kubeconfig" },
	{ "healthz-port", NULL, SETTING_NUMBER, ALL | SETTING_DERIVED, "10256", 0, UINT16_MAX,
	  NOTHING, "PORT",
	  "the port of --healthz-bind-address where that names none; 0: nothing is served" },
	{ "metrics-port", NULL, SETTING_NUMBER, ALL | SETTING_DERIVED, "10249", 0, UINT16_MAX,
	  NOTHING, "PORT",
	  "the port of --metrics-bind-address where that names none; 0: nothing is served" },
	{ "machine-id-file", NULL, SETTING_TEXT, ALL, "", ANY, NOTHING, "FILE",
	  "a flag of cAdvisor, which is not part of this" },
	{ "boot-id-file", NULL, SETTING_TEXT, ALL, "", ANY, NOTHING, "FILE",
	  "a flag of cAdvisor, which is not part of this" },
	{ "from", NULL, SETTING_TEXT, COMMAND_DIFF | SETTING_BESIDE_CONFIG | SETTING_NOT_EMPTY, "",
	  ANY, AT(from), "PATH",
	  "compare with this source instead of the kernel; needs no privilege, goes with --to" },
	{ "to", NULL, SETTING_TEXT, COMMAND_DIFF | SETTING_BESIDE_CONFIG | SETTING_NOT_EMPTY, "",
	  ANY, AT(to), "PATH", "what would the change from --from to this source do to a node?" },
	{ "output", NULL, SETTING_TEXT, COMMAND_DIFF | SETTING_BESIDE_CONFIG, "text", ANY,
	  BY(set_output), "text|json|nft", "form of the difference; also -o" },
	{ "color", NULL, SETTING_TEXT, COMMAND_DIFF | SETTING_BESIDE_CONFIG, "auto", ANY,
	  BY(set_colour), "auto|always|never",
	  "colours of the difference; auto: on a terminal, unless NO_COLOR is set" },
	{ "check", NULL, SETTING_BOOL, COMMAND_DIFF | SETTING_BESIDE_CONFIG, "false", ANY,
	  AT(check), "true|false",
	  "have the kernel check what a start would send, without applying it; exit 2 when it "
	  "refuses something" },
	{ "elements-only", NULL, SETTING_BOOL, COMMAND_PLAN | SETTING_BESIDE_CONFIG, "false", ANY,
	  AT(elements_only), "true|false",
	  "leave out the chains and empty maps, which are the same for all Services" },
	{ "kube-proxy", NULL, SETTING_BOOL, COMMAND_CLEANUP, "false", ANY, AT(kube_proxy),
	  "true|false",
	  "instead of our tables, remove what kube-proxy has left in any of its modes, and name "
	  "what cannot be removed safely" },
	{ "version", NULL, SETTING_TEXT, COMMAND_RUN | SETTING_VALUE_OPTIONAL, "false", ANY,
	  BY(set_version), "true|raw", "print the version, and exit" },
	{ "help", NULL, SETTING_BOOL, LOGS | COMMAND_VERSION, "false", ANY, AT(help), "true|false",
	  "print this help, and exit" },
};

const size_t settings_count = ARRAY_LEN(settings_table);
