/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "leftovers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "cmd/device.h"
#include "cmd/legacy.h"
#include "cmd/log.h"
#include "nft/aliens.h"
#include "nft/ruleset.h"

#define TABLE "kube-proxy"
#define DEVICE "kube-ipvs0"
#define SET_PREFIX "KUBE-"
#define TRIES 3 /* somebody may be faster */

static const uint8_t families[2] = { 4, 6 };

static const char *tool(uint8_t family)
{
	return family == 4 ? "iptables" : "ip6tables";
}

/* The kubelet has KUBE-IPTABLES-HINT, KUBE-KUBELET-CANARY and, in filter, KUBE-FIREWALL. */
bool leftovers_is_chain(const char *name)
{
	static const char *const names[] = {
		"KUBE-SERVICES",
		"KUBE-NODEPORTS",
		"KUBE-POSTROUTING",
		"KUBE-MARK-MASQ",
		"KUBE-PROXY-CANARY",
		"KUBE-EXTERNAL-SERVICES",
		"KUBE-FORWARD",
		"KUBE-PROXY-FIREWALL",
		"KUBE-LOAD-BALANCER",
		"KUBE-NODE-PORT",
		"KUBE-IPVS-FILTER",
		"KUBE-IPVS-OUT-FILTER",
		"KUBE-SOURCE-RANGES-FIREWALL",
	};
	static const char *const prefixes[] = { "KUBE-SVC-", "KUBE-SVL-", "KUBE-SEP-",
		                                "KUBE-EXT-", "KUBE-FW-",  "KUBE-XLB-" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (str_starts(name, prefixes[i]))
			return true;
	return false;
}

void leftovers_warn(struct nftx_sock *sock)
{
	size_t count = 0;

	for (size_t f = 0; f < 2; f++) {
		struct nftx_aliens aliens = { .family = families[f] };

		if (nftx_aliens_read(sock, families[f], false, &aliens, NULL) == 0)
			count += nftx_aliens_pick(&aliens, leftovers_is_chain);
		nftx_aliens_done(&aliens);
	}
	if (count > 0)
		log_warning("chains of kube-proxy's iptables mode are in force beside ours",
		            LOG_U64("chains", count),
		            LOG_STR("remedy", "kubenft cleanup --kube-proxy"));
}

/* ---- Tables and chains of nf_tables --------------------------------------------------------- */

/* Puts the deletion of one family's things into @batch. Return: 0 or a negative errno. */
static int put_family(struct nftx_sock *sock, struct nftx_aliens *aliens, struct nftx_batch *batch,
                      uint64_t counts[static 3], struct err *err)
{
	struct nftx_table table;
	int ret = nftx_sock_table(sock, aliens->family, TABLE, &table, err);

	if (ret == 0)
		ret = nftx_aliens_read(sock, aliens->family, true, aliens, err);
	if (ret < 0)
		return ret;
	if (table.exists) {
		nftx_ruleset_put_delete(batch, aliens->family, TABLE);
		counts[0]++;
	}
	counts[1] += nftx_aliens_pick(aliens, leftovers_is_chain);
	counts[2] += nftx_aliens_put_delete(aliens, batch);
	return 0;
}

static void name_kept(const struct nftx_aliens *aliens)
{
	for (size_t i = 0; i < aliens->chain_count; i++) {
		const struct nftx_alien_chain *chain = &aliens->chains[i];

		if (!chain->picked && leftovers_is_chain(chain->name))
			log_warning("left alone: a chain that others use",
			            LOG_STR("table", chain->table), LOG_STR("chain", chain->name),
			            LOG_STR("tool", tool(aliens->family)));
	}
}

/* All of both families in one transaction. Return: 0 or a negative errno. */
static int remove_tables(struct nftx_sock *sock, struct err *err)
{
	struct nftx_aliens aliens[2] = { { .family = 4 }, { .family = 6 } };
	struct nftx_batch *batch = nftx_batch_new();
	uint64_t counts[3] = { 0 };
	int ret = 0;

	for (size_t f = 0; f < 2 && ret == 0; f++)
		ret = put_family(sock, &aliens[f], batch, counts, err);
	nftx_batch_end(batch, true);
	if (ret == 0 && counts[0] + counts[1] > 0)
		ret = nftx_sock_commit(sock, batch, err);
	if (ret == 0) {
		for (size_t f = 0; f < 2; f++)
			name_kept(&aliens[f]);
		log_info("removed from nf_tables", LOG_U64("tables", counts[0]),
		         LOG_U64("chains", counts[1]), LOG_U64("jumps", counts[2]));
	}
	for (size_t f = 0; f < 2; f++)
		nftx_aliens_done(&aliens[f]);
	nftx_batch_free(batch);
	return ret;
}

static bool remove_from_nf_tables(struct nftx_sock *sock)
{
	struct err err = { 0 };
	int ret = -ENOENT;

	for (int i = 0; i < TRIES && ret == -ENOENT; i++)
		ret = remove_tables(sock, &err);
	if (ret < 0)
		log_error("not removed from nf_tables", LOG_STR("reason", err.msg));
	return ret == 0;
}

/* ---- The rest ------------------------------------------------------------------------------- */

/* What the old iptables holds is taken out by its own tools: its tables can only be replaced. */
static bool name_legacy(void)
{
	bool found = false;

	for (size_t f = 0; f < 2; f++) {
		AUTO_STRBUF struct strbuf tables = { 0 };
		AUTO_STRBUF struct strbuf command = { 0 };

		legacy_tables_with(families[f], SET_PREFIX, &tables);
		if (tables.len == 0)
			continue;
		found = true;
		strbuf_printf(&command, "%s-legacy-save | grep -v KUBE- | %s-legacy-restore",
		              tool(families[f]), tool(families[f]));
		log_warning("left alone: legacy iptables rules", LOG_STR("tables", tables.text),
		            LOG_STR("command", command.text));
	}
	return found;
}

/* @legacy: its rules may use sets. */
static bool remove_sets(struct nftx_sock *sock, bool legacy)
{
	AUTO_STRBUF struct strbuf names = { 0 };
	struct err err = { 0 };
	uint64_t removed = 0;
	bool ok = nftx_ipset_list(sock, &names, &err) == 0;
	char *rest = names.text;
	const char *name;

	if (!ok)
		log_error("IP sets not removed", LOG_STR("reason", err.msg));
	while (rest != NULL && (name = strsep(&rest, "\n")) != NULL) {
		int ret;

		if (!str_starts(name, SET_PREFIX))
			continue;
		ret = nftx_ipset_destroy(sock, name);
		removed += ret == 0;
		if (ret == -EBUSY)
			log_warning("left alone: an IP set that rules use", LOG_STR("set", name));
		else if (ret < 0 && ret != -ENOENT)
			log_error("an IP set was not removed", LOG_STR("set", name),
			          LOG_STR("reason", strerrordesc_np(-ret)));
		ok = ok && (ret == 0 || ret == -ENOENT || (ret == -EBUSY && legacy));
	}
	log_info("IP sets removed", LOG_U64("sets", removed));
	return ok;
}

/* Lines of /proc/net/ip_vs that are virtual servers: "TCP  0A600001:0050 rr". */
static uint64_t count_virtual_servers(void)
{
	static const char *const starts[] = { "TCP ", "UDP ", "SCTP ", "FWM " };
	AUTO_STRBUF struct strbuf text = { 0 };
	uint64_t count = 0;
	char buf[4096];
	ssize_t n;
	int fd = open("/proc/net/ip_vs", O_RDONLY | O_CLOEXEC);
	char *rest;
	const char *line;

	if (fd < 0)
		return 0; /* no IPVS here */
	while ((n = read(fd, buf, sizeof(buf))) > 0 && text.len < 64u << 20)
		strbuf_add(&text, buf, (size_t)n);
	(void)close(fd);
	rest = text.text;
	while (rest != NULL && (line = strsep(&rest, "\n")) != NULL)
		for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
			count += str_starts(line, starts[i]);
	return count;
}

static bool remove_ipvs(void)
{
	uint64_t servers = count_virtual_servers();
	struct err err = { 0 };
	int ret = device_remove_dummy(DEVICE, &err);

	if (servers > 0) /* they carry no owner's name */
		log_warning("left alone: virtual servers of IPVS", LOG_U64("servers", servers),
		            LOG_STR("command", "ipvsadm --clear"));
	if (ret == 1)
		log_info("device removed", LOG_STR("device", DEVICE));
	else if (ret == -EOPNOTSUPP)
		log_warning("left alone: a device that is not of kube-proxy's kind",
		            LOG_STR("device", DEVICE), LOG_STR("reason", err.msg));
	else if (ret < 0)
		log_error("device not removed", LOG_STR("device", DEVICE),
		          LOG_STR("reason", err.msg));
	return ret >= 0 || ret == -EOPNOTSUPP;
}

bool leftovers_remove(struct nftx_sock *sock)
{
	bool ok = remove_from_nf_tables(sock);
	bool legacy = name_legacy();

	ok = remove_sets(sock, legacy) && ok;
	return remove_ipvs() && ok;
}
