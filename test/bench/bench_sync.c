/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Times what the daemon does with a file of objects, through the daemon's own
 * code, in a network namespace of its own. Prints "name value" lines.
 *
 * usage: bench_sync FILE CHANGES [policies]
 *
 * With "policies", changes of Services with each policy besides what the file has.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "cmd/clock.h"
#include "cmd/source_load.h"
#include "cmd/sync.h"
#include "watch/decode.h"

static const struct options options = { .table_owner = true };

static void must(int ret, const struct err *err)
{
	if (ret < 0) {
		(void)fprintf(stderr, "bench_sync: %s\n", err->msg);
		exit(1);
	}
}

static void print_us(const char *name, uint64_t us)
{
	(void)printf("%s_us %llu\n", name, (unsigned long long)us);
}

static int u64_order(const void *x, const void *y)
{
	uint64_t a = *(const uint64_t *)x;
	uint64_t b = *(const uint64_t *)y;

	return (a > b) - (a < b);
}

static void print_quantiles(const char *name, uint64_t *us, size_t count)
{
	char label[64];

	qsort(us, count, sizeof(*us), u64_order);
	(void)snprintf(label, sizeof(label), "%s_p50", name);
	print_us(label, us[count / 2]);
	(void)snprintf(label, sizeof(label), "%s_p99", name);
	print_us(label, us[count * 99 / 100]);
}

/* A slice of the generated file's Service @i with its first @count endpoints, the last one marked
 * by @port so that each change is one. */
static struct proxy_meta *make_slice(uint32_t i, uint32_t count, uint32_t per_service)
{
	struct proxy_endpoint *endpoints = xcalloc(count, sizeof(*endpoints));
	const struct proxy_slice_port port = { "http", PROXY_TCP, 8080 };
	struct proxy_endpoint_slice slice = {
		.meta = { .kind = PROXY_ENDPOINT_SLICE, .namespace = "bench" },
		.family = 4,
		.port_count = 1,
		.endpoint_count = (uint16_t)count,
		.ports = &port,
		.endpoints = endpoints,
	};
	struct proxy_meta *packed;
	char service[32];
	char name[48];

	(void)snprintf(service, sizeof(service), "service-%u", i);
	(void)snprintf(name, sizeof(name), "%s-abcde", service);
	for (uint32_t k = 0; k < count; k++) {
		uint32_t n = 1 + i * per_service + k;

		endpoints[k] = (struct proxy_endpoint){
			.addr = { .family = 4,
			          .bytes = { 100, (uint8_t)(n >> 16), (uint8_t)(n >> 8),
			                     (uint8_t)n } },
			.conditions = PROXY_EP_READY | PROXY_EP_SERVING,
		};
	}
	slice.meta.name = name;
	slice.service = service;
	packed = proxy_object_pack(&slice.meta);
	free(endpoints);
	return packed;
}

struct bench {
	struct proxy_planner *planner;
	struct nftx_sock *sock;
	struct sync *sync;
};

/* Microseconds of changes, and the kernel's share. */
struct samples {
	uint64_t *total;
	uint64_t *kernel;
};

/* One change from the decoded object to the kernel's commit; returns the kernel's share. */
static uint64_t change(struct bench *b, struct proxy_meta *object, uint64_t *total_us)
{
	struct sync_report report;
	struct diags diags = { 0 };
	struct err err = { 0 };
	uint64_t begin = clock_us();

	(void)proxy_planner_put(b->planner, object, &diags);
	must(sync_run(b->sync, &report, &diags, &err), &err);
	*total_us = clock_us() - begin;
	diag_done(&diags);
	if (!report.sent || report.refill) {
		(void)fprintf(stderr, "bench_sync: a change was not sent as one\n");
		exit(1);
	}
	return report.commit_us;
}

/* Alternates between @from and @to endpoints, a different Service each time. */
static void bench_changes(struct bench *b, const char *name, uint32_t from, uint32_t to,
                          uint32_t services, uint32_t count)
{
	uint64_t *total = xcalloc(count, sizeof(*total));
	uint64_t *kernel = xcalloc(count, sizeof(*kernel));
	char label[64];

	for (uint32_t n = 0; n < count; n++) {
		uint32_t i = (n / 2 * 7919) % services;
		uint64_t ignored;

		if (n % 2 == 0 && from != 10)
			(void)change(b, make_slice(i, from, 10), &ignored);
		kernel[n] = change(b, make_slice(i, n % 2 == 0 ? to : from, 10), &total[n]);
		if (n % 2 == 1 && from != 10)
			(void)change(b, make_slice(i, 10, 10), &ignored);
	}
	print_quantiles(name, total, count);
	(void)snprintf(label, sizeof(label), "%s_kernel", name);
	print_quantiles(label, kernel, count);
	free(total);
	free(kernel);
}

static void bench_refill(struct bench *b, const char *name)
{
	struct sync_report report;
	struct diags diags = { 0 };
	struct err err = { 0 };
	char label[64];

	b->sync = sync_new(&options, b->planner, b->sock);
	must(sync_run(b->sync, &report, &diags, &err), &err);
	diag_done(&diags);
	(void)snprintf(label, sizeof(label), "%s_plan", name);
	print_us(label, report.plan_us);
	(void)snprintf(label, sizeof(label), "%s_build", name);
	print_us(label, report.build_us);
	(void)snprintf(label, sizeof(label), "%s_commit", name);
	print_us(label, report.commit_us);
	(void)printf("%s_elements %zu\n%s_bytes %zu\n", name, report.size.elements, name,
	             report.size.bytes);
}

/* ---- Policies ------------------------------------------------------------------------------- */

/* Services with the policy that are changed in turn. */
#define POLICY_SERVICES 10

/* Ends of the JSON of a Service's spec. */
static const struct policy {
	const char *name;
	const char *spec;
	bool hints; /* on its endpoints */
} policies[] = {
	{ "cluster", "", false },
	{ "internal_local", ",\"internalTrafficPolicy\":\"Local\"", false },
	{ "load_balancer", ",\"type\":\"LoadBalancer\"", false },
	{ "external_local", ",\"type\":\"LoadBalancer\",\"externalTrafficPolicy\":\"Local\"",
	  false },
	{ "zone_hints", "", true },
	{ "affinity", ",\"sessionAffinity\":\"ClientIP\"", false },
	{ "source_ranges",
	  ",\"type\":\"LoadBalancer\",\"loadBalancerSourceRanges\":[\"203.0.113.0/"
	  "28\",\"203.0.113.32/28\","
	  "\"203.0.113.64/28\",\"198.51.100.0/28\",\"198.51.100.32/28\"]",
	  false },
	{ "all",
	  ",\"type\":\"LoadBalancer\",\"externalTrafficPolicy\":\"Local\","
	  "\"internalTrafficPolicy\":"
	  "\"Local\",\"sessionAffinity\":\"ClientIP\",\"loadBalancerSourceRanges\":[\"203.0.113.0/"
	  "28\","
	  "\"203.0.113.32/28\",\"203.0.113.64/28\",\"198.51.100.0/28\",\"198.51.100.32/28\"]",
	  true },
};

static struct proxy_meta *decode(const struct strbuf *text)
{
	cJSON *json = cJSON_Parse(text->text);
	struct proxy_meta *object = NULL;
	struct watch_ident ident;
	struct diags diags = { 0 };
	struct err err = { 0 };

	must(json != NULL ? watch_decode(json, NULL, &ident, &object, &diags, &err)
	                  : err_set(&err, EINVAL, "not JSON: %.100s", text->text),
	     &err);
	must(diags.total == 0 ? 0 : err_set(&err, EINVAL, "%s", diags.list[0].text), &err);
	cJSON_Delete(json);
	return object;
}

/* A Service with every kind of frontend that its type allows. */
static struct proxy_meta *policy_service(uint32_t i, const char *spec)
{
	bool balanced = strstr(spec, "LoadBalancer") != NULL;
	struct strbuf text = { 0 };
	struct proxy_meta *object;

	strbuf_printf(
		&text,
		"{\"kind\":\"Service\",\"metadata\":{\"namespace\":\"bench\",\"name\":\"policy-%"
		"u\"},"
		"\"spec\":{\"clusterIP\":\"10.250.0.%u\",\"ports\":[{\"name\":\"http\",\"port\":80",
		i, i + 1);
	if (balanced)
		strbuf_printf(&text, ",\"nodePort\":%u", 31000 + i);
	strbuf_printf(&text, "}]%s}", spec);
	if (balanced)
		strbuf_printf(
			&text,
			",\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"198.18.0.%u\"}]}}",
			i + 1);
	strbuf_puts(&text, "}");
	object = decode(&text);
	strbuf_done(&text);
	return object;
}

/* Of @count endpoints the first four run elsewhere, and with hints the first three are for another
 * zone: so from ten to nine no row passes a power of two. */
static struct proxy_meta *policy_slice(uint32_t i, uint32_t count, bool hints)
{
	struct strbuf text = { 0 };
	struct proxy_meta *object;

	strbuf_printf(
		&text,
		"{\"kind\":\"EndpointSlice\",\"addressType\":\"IPv4\",\"metadata\":{\"namespace\":"
		"\"bench\",\"name\":\"policy-%u-1\",\"labels\":{\"kubernetes.io/service-name\":"
		"\"policy-%u\"}},\"ports\":[{\"name\":\"http\",\"port\":8080}],\"endpoints\":[",
		i, i);
	for (uint32_t k = 0; k < count; k++) {
		strbuf_printf(&text, "%s{\"addresses\":[\"100.200.%u.%u\"],\"nodeName\":\"%s\"",
		              k > 0 ? "," : "", i, k + 1, k < 4 ? "elsewhere" : "bench-node");
		if (hints)
			strbuf_printf(&text, ",\"hints\":{\"forZones\":[{\"name\":\"%s\"}]}",
			              k > 2 ? "zone-a" : "zone-b");
		strbuf_puts(&text, "}");
	}
	strbuf_puts(&text, "]}");
	object = decode(&text);
	strbuf_done(&text);
	return object;
}

static void sync_all(struct bench *b)
{
	struct sync_report report;
	struct diags diags = { 0 };
	struct err err = { 0 };

	must(sync_run(b->sync, &report, &diags, &err), &err);
	must(diags.total == 0 ? 0 : err_set(&err, EINVAL, "%s", diags.list[0].text), &err);
}

static void put(struct bench *b, struct proxy_meta *object)
{
	struct diags diags = { 0 };

	(void)proxy_planner_put(b->planner, object, &diags);
}

static void print_samples(const char *policy, const char *what, struct samples *samples,
                          uint32_t count)
{
	char label[96];

	(void)snprintf(label, sizeof(label), "policy_%s_%s", policy, what);
	print_quantiles(label, samples->total, count);
	(void)snprintf(label, sizeof(label), "policy_%s_%s_kernel", policy, what);
	print_quantiles(label, samples->kernel, count);
}

/* One endpoint less or more, then the policy off and on. */
static void bench_policy(struct bench *b, const struct policy *policy, struct samples *samples,
                         uint32_t count)
{
	uint32_t switches = count < 200 ? count : 200;

	for (uint32_t i = 0; i < POLICY_SERVICES; i++) {
		put(b, policy_service(i, policy->spec));
		put(b, policy_slice(i, 10, policy->hints));
	}
	sync_all(b);
	for (uint32_t n = 0; n < count; n++) {
		uint32_t i = n / 2 % POLICY_SERVICES;
		struct proxy_meta *slice = policy_slice(i, n % 2 == 0 ? 9 : 10, policy->hints);

		samples->kernel[n] = change(b, slice, &samples->total[n]);
	}
	print_samples(policy->name, "endpoint", samples, count);
	for (uint32_t n = 0; *policy->spec != '\0' && n < switches; n++) {
		uint32_t i = n / 2 % POLICY_SERVICES;

		samples->kernel[n] = change(b, policy_service(i, n % 2 == 0 ? "" : policy->spec),
		                            &samples->total[n]);
	}
	if (*policy->spec != '\0')
		print_samples(policy->name, "switch", samples, switches);
	for (uint32_t i = 0; i < POLICY_SERVICES; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "policy-%u", i);
		(void)proxy_planner_delete(b->planner, PROXY_SERVICE, "bench", name);
	}
	sync_all(b);
}

/* The own Node, now with a zone. */
static struct proxy_meta *node_in_zone(void)
{
	struct strbuf text = { 0 };
	struct proxy_meta *object;

	strbuf_puts(&text, "{\"kind\":\"Node\",\"metadata\":{\"name\":\"bench-node\",\"labels\":{"
	                   "\"topology.kubernetes.io/zone\":\"zone-a\"}},\"status\":{\"addresses\":"
	                   "[{\"type\":\"InternalIP\",\"address\":\"192.0.2.1\"}]}}");
	object = decode(&text);
	strbuf_done(&text);
	return object;
}

static void bench_policies(struct bench *b, uint32_t count)
{
	struct samples samples = { xcalloc(count, sizeof(uint64_t)),
		                   xcalloc(count, sizeof(uint64_t)) };

	put(b, node_in_zone());
	sync_all(b);
	for (size_t i = 0; i < ARRAY_LEN(policies); i++)
		bench_policy(b, &policies[i], &samples, count);
	free(samples.total);
	free(samples.kernel);
}

/* ---- The file ------------------------------------------------------------------------------- */

static uint64_t load(struct bench *b, const char *path)
{
	struct source_counts counts;
	struct watch_file *file;
	struct diags diags = { 0 };
	struct err err = { 0 };
	uint64_t begin = clock_us();

	must(watch_file_open(path, false, &file, &err), &err);
	must(source_load(file, b->planner, &counts, &diags, &err), &err);
	watch_file_close(file);
	if (diags.total > 0 || counts.bad > 0) {
		(void)fprintf(stderr, "bench_sync: %s: %zu findings\n", path, diags.total);
		exit(1);
	}
	return clock_us() - begin;
}

int main(int argc, char **argv)
{
	static const uint8_t seed[16] = { 42 };
	struct proxy_config config = { .node_name = "bench-node" };
	struct bench b = { 0 };
	struct err err = { 0 };
	struct rusage usage;
	uint32_t changes = 0;
	uint32_t services;

	if (argc < 3 || argc > 4 || (argc == 4 && strcmp(argv[3], "policies") != 0) ||
	    str_to_u32(argv[2], 1000000, &changes) < 0 || changes < 2) {
		(void)fprintf(stderr, "usage: bench_sync FILE CHANGES [policies]\n");
		return 2;
	}
	if (unshare(CLONE_NEWNET) < 0) {
		perror("bench_sync: network namespace");
		return 77;
	}
	must(nftx_sock_open(&b.sock, &err), &err);
	b.planner = proxy_planner_new(&config, seed);
	print_us("read", load(&b, argv[1]));
	bench_refill(&b, "fill");
	(void)getrusage(RUSAGE_SELF, &usage);
	(void)printf("peak_rss_kib %ld\n", usage.ru_maxrss);
	sync_free(b.sync);
	bench_refill(&b, "refill");
	services = (uint32_t)proxy_planner_counts(b.planner).services;
	bench_changes(&b, "endpoint", 10, 9, services, changes);
	bench_changes(&b, "verdict", 8, 9, services, changes < 200 ? changes : 200);
	print_us("reread", load(&b, argv[1]));
	if (argc == 4)
		bench_policies(&b, changes);
	sync_free(b.sync);
	proxy_planner_free(b.planner);
	nftx_sock_close(b.sock);
	return 0;
}
