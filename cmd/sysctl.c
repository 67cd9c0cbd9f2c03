/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "cmd/log.h"
#include "nft/flows.h"

#define CONNTRACK_CAP 1048576u
#define OOM_TRIES 2

struct sysctl_root sysctl_machine(void)
{
	int cpus = get_nprocs();

	return (struct sysctl_root){
		.sysctls = "/proc/sys",
		.modules = "/sys/module",
		.cpus = cpus > 0 ? (unsigned)cpus : 1,
	};
}

uint32_t sysctl_conntrack_max(const struct sysctl_settings *settings, unsigned cpus)
{
	uint64_t scaled = (uint64_t)settings->max_per_core * cpus;

	if (settings->max_per_core <= 0)
		return 0;
	if (scaled > CONNTRACK_CAP)
		return CONNTRACK_CAP;
	return scaled > (uint64_t)settings->min ? (uint32_t)scaled : (uint32_t)settings->min;
}

/* Return: the number in @path, or a negative errno. */
static int64_t read_number(const char *path)
{
	char text[32];
	uint32_t number = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	int code;

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	code = errno;
	(void)close(fd);
	if (n < 0)
		return -code;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return str_to_u32(text, UINT32_MAX, &number) < 0 ? -EBADMSG : (int64_t)number;
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	ssize_t n;
	int code;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	code = errno;
	(void)close(fd);
	return n < 0 ? -code : 0;
}

static const char *advice(int code)
{
	switch (code) {
	case EROFS:
	case EACCES:
	case EPERM:
		return "; do it with more privilege once before (kubenft run --init-only), or set "
		       "what is wanted to 0";
	case ENOENT:
		return "; the kernel module nf_conntrack is not loaded";
	default:
		return "";
	}
}

static int put_number(const char *path, uint32_t value, struct err *err)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	int ret;

	strbuf_printf(&text, "%u", value);
	ret = write_text(path, text.text);
	if (ret < 0)
		return err_set(err, -ret, "cannot write %u to %s: %s%s", value, path,
		               strerrordesc_np(-ret), advice(-ret));
	log_info("kernel setting", LOG_STR("file", path), LOG_U64("value", value));
	return 0;
}

/* conntrack's settings are there once it is: asking it for anything loads it. */
static int64_t read_conntrack(const char *path)
{
	int64_t now = read_number(path);
	struct nftx_flows *flows = NULL;
	struct err err = { 0 };

	if (now != -ENOENT)
		return now;
	if (nftx_flows_open(&flows, &err) < 0)
		return now;
	nftx_flows_close(flows);
	return read_number(path);
}

static int put_sysctl(const struct sysctl_root *root, const char *name, uint32_t value,
                      struct err *err)
{
	AUTO_STRBUF struct strbuf path = { 0 };

	strbuf_printf(&path, "%s/%s", root->sysctls, name);
	return read_conntrack(path.text) == value ? 0 : put_number(path.text, value, err);
}

/* A quarter of the maximum, as kube-proxy: four connections to a bucket. */
static int put_hash_size(const struct sysctl_root *root, uint32_t max, struct err *err)
{
	AUTO_STRBUF struct strbuf path = { 0 };
	int64_t now;
	int ret;

	strbuf_printf(&path, "%s/nf_conntrack/parameters/hashsize", root->modules);
	now = read_number(path.text);
	if (now < 0)
		return err_set(err, (int)-now, "cannot read %s: %s", path.text,
		               strerrordesc_np((int)-now));
	if (now >= max / 4)
		return 0;
	ret = put_number(path.text, max / 4, err);
	if (ret != -EROFS)
		return ret;
	log_warning("conntrack's hash table keeps its size: long chains cost time",
	            LOG_STR("reason", err->msg));
	return 0;
}

static int put_conntrack_max(const struct sysctl_root *root, uint32_t max, struct err *err)
{
	AUTO_STRBUF struct strbuf path = { 0 };
	struct stat st;
	int64_t now;
	int ret;

	if (max == 0)
		return 0;
	strbuf_printf(&path, "%s/net/netfilter/nf_conntrack_max", root->sysctls);
	now = read_conntrack(path.text);
	/* In other network namespaces than the initial one the kernel shows the value and lets
	 * nobody write it: there is nothing that an operator could do here. */
	if (now >= 0 && now != max && stat(path.text, &st) == 0 && (st.st_mode & 0222) == 0) {
		log_info("conntrack's maximum is the initial network namespace's, it stays",
		         LOG_U64("now", (uint64_t)now), LOG_U64("wanted", max));
		return 0;
	}
	ret = now == max ? 0 : put_number(path.text, max, err);
	return ret < 0 ? ret : put_hash_size(root, max, err);
}

int sysctl_apply(const struct sysctl_root *root, const struct sysctl_settings *settings,
                 struct err *err)
{
	const struct {
		const char *name;
		uint64_t us;
	} timeouts[] = {
		{ "tcp_timeout_established", settings->tcp_established_us },
		{ "tcp_timeout_close_wait", settings->tcp_close_wait_us },
		{ "udp_timeout", settings->udp_us },
		{ "udp_timeout_stream", settings->udp_stream_us },
	};
	uint32_t max = sysctl_conntrack_max(settings, root->cpus);
	int ret = put_conntrack_max(root, max, err);

	for (size_t i = 0; i < ARRAY_LEN(timeouts) && ret >= 0; i++) {
		AUTO_STRBUF struct strbuf name = { 0 };
		/* up to a whole second: 0 would have entries expire at once */
		uint64_t seconds = (timeouts[i].us + 999999) / 1000000;

		if (i == 2 && settings->tcp_be_liberal)
			ret = put_sysctl(root, "net/netfilter/nf_conntrack_tcp_be_liberal", 1, err);
		if (ret < 0 || seconds == 0)
			continue;
		strbuf_printf(&name, "net/netfilter/nf_conntrack_%s", timeouts[i].name);
		ret = put_sysctl(root, name.text, (uint32_t)seconds, err);
	}
	return ret;
}

void sysctl_oom_score(const char *path, int32_t score)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	int ret = -EAGAIN;

	strbuf_printf(&text, "%d", score);
	for (int i = 0; i < OOM_TRIES && ret < 0; i++)
		ret = write_text(path, text.text);
	/* to lower it takes CAP_SYS_RESOURCE, which the daemon does well without */
	if (ret < 0)
		LOG_AT(ret == -EACCES || ret == -EPERM ? LOG_INFO : LOG_WARNING, NULL,
		       "OOM score not set", LOG_STR("file", path),
		       LOG_STR("reason", strerrordesc_np(-ret)));
}
