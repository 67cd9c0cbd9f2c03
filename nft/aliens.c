/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/aliens.h"

#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "attr.h"
#include "base/mem.h"
#include "sock_impl.h"

#define DUMP_TRIES 20

/* Return: whether @text fits. */
static bool copy_name(char out[static NFTX_ALIEN_NAME], const char *text)
{
	size_t len = strnlen(text, NFTX_ALIEN_NAME);

	if (len == NFTX_ALIEN_NAME)
		return false;
	memcpy(out, text, len + 1);
	return true;
}

static int on_chain(const struct nlmsghdr *msg, void *data)
{
	struct nftx_alien_chain chain = { .base = nftx_attr_find(msg, NFTA_CHAIN_HOOK) != NULL };
	struct nftx_aliens *aliens = data;

	if (!copy_name(chain.table, nftx_attr_text(msg, NFTA_CHAIN_TABLE)) ||
	    !copy_name(chain.name, nftx_attr_text(msg, NFTA_CHAIN_NAME)) ||
	    strcmp(chain.table, NFTX_TABLE) == 0)
		return MNL_CB_OK;
	aliens->chains = vec_reserve(aliens->chains, &aliens->chain_cap, aliens->chain_count + 1,
	                             sizeof(chain));
	aliens->chains[aliens->chain_count++] = chain;
	return MNL_CB_OK;
}

static const struct nlattr *find(const struct nlattr *nest, uint16_t type)
{
	const struct nlattr *attr;

	if (nest == NULL)
		return NULL;
	attr_for_each (attr, nest) {
		if (mnl_attr_get_type(attr) == type)
			return attr;
	}
	return NULL;
}

static bool is_text(const struct nlattr *attr)
{
	return attr != NULL && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0;
}

/* The chain that an expression jumps or goes to; NULL when it does neither. */
static const char *jump_of(const struct nlattr *expression)
{
	const struct nlattr *name = find(expression, NFTA_EXPR_NAME);
	const struct nlattr *chain;

	if (!is_text(name) || strcmp(mnl_attr_get_str(name), "immediate") != 0)
		return NULL;
	chain = find(find(find(find(expression, NFTA_EXPR_DATA), NFTA_IMMEDIATE_DATA),
	                  NFTA_DATA_VERDICT),
	             NFTA_VERDICT_CHAIN);
	return is_text(chain) ? mnl_attr_get_str(chain) : NULL;
}

static void take_jump(struct nftx_aliens *aliens, const struct nlmsghdr *msg, const char *target)
{
	const struct nlattr *handle = nftx_attr_find(msg, NFTA_RULE_HANDLE);
	struct nftx_alien_rule rule = { 0 };

	if (!copy_name(rule.table, nftx_attr_text(msg, NFTA_RULE_TABLE)) ||
	    !copy_name(rule.target, target) || strcmp(rule.table, NFTX_TABLE) == 0 ||
	    handle == NULL || mnl_attr_validate(handle, MNL_TYPE_U64) < 0)
		return;
	if (!copy_name(rule.chain, nftx_attr_text(msg, NFTA_RULE_CHAIN)))
		rule.chain[0] = '\0'; /* a chain that we do not know: it stays, and its target */
	rule.handle = be64toh(mnl_attr_get_u64(handle));
	aliens->rules =
		vec_reserve(aliens->rules, &aliens->rule_cap, aliens->rule_count + 1, sizeof(rule));
	aliens->rules[aliens->rule_count++] = rule;
}

static int on_rule(const struct nlmsghdr *msg, void *data)
{
	const struct nlattr *list = nftx_attr_find(msg, NFTA_RULE_EXPRESSIONS);
	const struct nlattr *attr;

	if (list == NULL)
		return MNL_CB_OK;
	attr_for_each (attr, list) {
		const char *target = jump_of(attr);

		if (target != NULL)
			take_jump(data, msg, target);
	}
	return MNL_CB_OK;
}

static int chain_cmp(const void *x, const void *y)
{
	const struct nftx_alien_chain *a = x;
	const struct nftx_alien_chain *b = y;
	int order = strcmp(a->table, b->table);

	return order != 0 ? order : strcmp(a->name, b->name);
}

static int read_once(struct nftx_sock *sock, bool rules, struct nftx_aliens *out)
{
	char buf[256];
	int ret;

	out->chain_count = 0;
	out->rule_count = 0;
	ret = nftx_ask(sock, nftx_request(sock, buf, NFT_MSG_GETCHAIN, out->family, NLM_F_DUMP),
	               on_chain, out);
	if (ret == 0 && rules)
		ret = nftx_ask(sock,
		               nftx_request(sock, buf, NFT_MSG_GETRULE, out->family, NLM_F_DUMP),
		               on_rule, out);
	return ret;
}

int nftx_aliens_read(struct nftx_sock *sock, uint8_t family, bool rules, struct nftx_aliens *out,
                     struct err *err)
{
	int ret = -EINTR;

	out->family = family;
	for (int i = 0; i < DUMP_TRIES && ret == -EINTR; i++)
		ret = read_once(sock, rules, out);
	if (ret < 0)
		return nftx_explain(err, -ret);
	if (out->chain_count > 1)
		qsort(out->chains, out->chain_count, sizeof(*out->chains), chain_cmp);
	return 0;
}

static struct nftx_alien_chain *chain_of(const struct nftx_aliens *aliens, const char *table,
                                         const char *name)
{
	struct nftx_alien_chain key = { 0 };

	if (aliens->chain_count == 0)
		return NULL;
	(void)copy_name(key.table, table);
	(void)copy_name(key.name, name);
	return bsearch(&key, aliens->chains, aliens->chain_count, sizeof(key), chain_cmp);
}

static bool is_picked(const struct nftx_aliens *aliens, const char *table, const char *name)
{
	const struct nftx_alien_chain *chain = chain_of(aliens, table, name);

	return chain != NULL && chain->picked;
}

/* Keeps what a chain that stays needs. Return: whether there was such a chain. */
static bool keep_needed(struct nftx_aliens *aliens)
{
	bool changed = false;

	for (size_t i = 0; i < aliens->rule_count; i++) {
		const struct nftx_alien_rule *rule = &aliens->rules[i];
		const struct nftx_alien_chain *from = chain_of(aliens, rule->table, rule->chain);
		struct nftx_alien_chain *to = chain_of(aliens, rule->table, rule->target);

		if (to == NULL || !to->picked || (from != NULL && (from->base || from->picked)))
			continue;
		to->picked = false;
		changed = true;
	}
	return changed;
}

size_t nftx_aliens_pick(struct nftx_aliens *aliens, nftx_alien_fn is_theirs)
{
	size_t count = 0;

	for (size_t i = 0; i < aliens->chain_count; i++) {
		struct nftx_alien_chain *chain = &aliens->chains[i];

		chain->picked = !chain->base && is_theirs(chain->name);
	}
	while (keep_needed(aliens))
		;
	for (size_t i = 0; i < aliens->chain_count; i++)
		count += aliens->chains[i].picked;
	return count;
}

static struct nlmsghdr *begin(struct nftx_batch *batch, const struct nftx_aliens *aliens,
                              uint16_t type)
{
	return nftx_batch_msg(batch, type, aliens->family == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6, 0);
}

static void put_chains(const struct nftx_aliens *aliens, struct nftx_batch *batch, uint16_t type,
                       uint16_t table, uint16_t name)
{
	for (size_t i = 0; i < aliens->chain_count; i++) {
		struct nlmsghdr *msg;

		if (!aliens->chains[i].picked)
			continue;
		msg = begin(batch, aliens, type);
		mnl_attr_put_strz(msg, table, aliens->chains[i].table);
		mnl_attr_put_strz(msg, name, aliens->chains[i].name);
		nftx_batch_msg_end(batch);
	}
}

/* All rules go before the first chain: a chain that a rule jumps to cannot be deleted. */
size_t nftx_aliens_put_delete(const struct nftx_aliens *aliens, struct nftx_batch *batch)
{
	size_t unlinked = 0;

	for (size_t i = 0; i < aliens->rule_count; i++) {
		const struct nftx_alien_rule *rule = &aliens->rules[i];
		struct nlmsghdr *msg;

		if (!is_picked(aliens, rule->table, rule->target) ||
		    is_picked(aliens, rule->table, rule->chain))
			continue;
		msg = begin(batch, aliens, NFT_MSG_DELRULE);
		mnl_attr_put_strz(msg, NFTA_RULE_TABLE, rule->table);
		mnl_attr_put_strz(msg, NFTA_RULE_CHAIN, rule->chain);
		mnl_attr_put_u64(msg, NFTA_RULE_HANDLE, htobe64(rule->handle));
		nftx_batch_msg_end(batch);
		unlinked++;
	}
	put_chains(aliens, batch, NFT_MSG_DELRULE, NFTA_RULE_TABLE, NFTA_RULE_CHAIN);
	put_chains(aliens, batch, NFT_MSG_DELCHAIN, NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME);
	return unlinked;
}

void nftx_aliens_done(struct nftx_aliens *aliens)
{
	free(aliens->chains);
	free(aliens->rules);
	*aliens = (struct nftx_aliens){ 0 };
}
