/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "attr.h"
#include "base/mem.h"
#include "elem_codec.h"
#include "sock_impl.h"

#define DUMP_TRIES 20
#define STEADY_TRIES 5 /* of these, to find the ruleset as it stands */

/* Chains of our table, while they are listed and their rules looked at. */
struct chains_ctx {
	struct nftx_chains out;
	uint64_t *handles; /* of the chains */
	size_t cap, handle_cap;
	uint64_t last_handle; /* of the rule before, in a chain of the layout */
};

static uint64_t attr_handle(const struct nlmsghdr *msg, uint16_t type)
{
	const struct nlattr *attr = nftx_attr_find(msg, type);

	return attr != NULL && mnl_attr_validate(attr, MNL_TYPE_U64) >= 0
	               ? be64toh(mnl_attr_get_u64(attr))
	               : 0;
}

static int on_chain(const struct nlmsghdr *msg, void *data)
{
	struct chains_ctx *ctx = data;
	struct nftx_chains *out = &ctx->out;
	struct nftx_chain_count chain = { 0 };

	if (strcmp(nftx_attr_text(msg, NFTA_CHAIN_TABLE), NFTX_TABLE) != 0)
		return MNL_CB_OK;
	chain.chain = nftx_chain_parse(nftx_attr_text(msg, NFTA_CHAIN_NAME), &chain.number);
	out->list = vec_reserve(out->list, &ctx->cap, out->count + 1, sizeof(*out->list));
	ctx->handles =
		vec_reserve(ctx->handles, &ctx->handle_cap, out->count + 1, sizeof(*ctx->handles));
	ctx->handles[out->count] = attr_handle(msg, NFTA_CHAIN_HANDLE);
	out->list[out->count++] = chain;
	return MNL_CB_OK;
}

/* A rule cannot be changed in the kernel, only replaced by another, and the handles of a table are
 * given in the order of creation. The layout's rules are created one after the other in one batch,
 * a remember chain's rule right after its chain: any other handle is somebody else's rule. */
static int on_rule(const struct nlmsghdr *msg, void *data)
{
	struct chains_ctx *ctx = data;
	uint64_t handle = attr_handle(msg, NFTA_RULE_HANDLE);
	enum nftx_chain chain;
	uint32_t number;

	if (strcmp(nftx_attr_text(msg, NFTA_RULE_TABLE), NFTX_TABLE) != 0)
		return MNL_CB_OK;
	chain = nftx_chain_parse(nftx_attr_text(msg, NFTA_RULE_CHAIN), &number);
	for (size_t i = 0; i < ctx->out.count; i++) {
		if (ctx->out.list[i].chain != chain || ctx->out.list[i].number != number)
			continue;
		ctx->out.list[i].rules++;
		if (chain == NFTX_REMEMBER && handle != ctx->handles[i] + 1)
			ctx->out.rewritten = true;
	}
	if (chain == NFTX_REMEMBER)
		return MNL_CB_OK;
	if (ctx->last_handle != 0 && handle != ctx->last_handle + 1)
		ctx->out.rewritten = true;
	ctx->last_handle = handle;
	return MNL_CB_OK;
}

/* The kernel's count of what is in a table: chains, sets and maps, flowtables, stateful objects. */
static int on_use(const struct nlmsghdr *msg, void *data)
{
	const struct nlattr *attr = nftx_attr_find(msg, NFTA_TABLE_USE);

	if (attr != NULL && mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
		*(uint32_t *)data = ntohl(mnl_attr_get_u32(attr));
	return MNL_CB_OK;
}

static int list_chains(struct nftx_sock *sock, uint8_t family, struct chains_ctx *ctx)
{
	char buf[512];
	struct nlmsghdr *msg;
	uint32_t use = 0;
	int ret;

	ctx->out.count = 0;
	ctx->out.rewritten = false;
	ctx->last_handle = 0;
	msg = nftx_request(sock, buf, NFT_MSG_GETCHAIN, family, NLM_F_DUMP);
	ret = nftx_ask(sock, msg, on_chain, ctx);
	if (ret < 0 || ctx->out.count == 0)
		return ret;
	msg = nftx_request(sock, buf, NFT_MSG_GETTABLE, family, NLM_F_ACK);
	mnl_attr_put_strz(msg, NFTA_TABLE_NAME, NFTX_TABLE);
	ret = nftx_ask(sock, msg, on_use, &use);
	if (ret < 0)
		return ret == -ENOENT ? -EINTR : ret; /* gone since: look again */
	ctx->out.others = use > ctx->out.count ? use - ctx->out.count : 0;
	msg = nftx_request(sock, buf, NFT_MSG_GETRULE, family, NLM_F_DUMP);
	mnl_attr_put_strz(msg, NFTA_RULE_TABLE, NFTX_TABLE);
	return nftx_ask(sock, msg, on_rule, ctx);
}

static int chain_order(const void *x, const void *y)
{
	const struct nftx_chain_count *a = x;
	const struct nftx_chain_count *b = y;

	if (a->chain != b->chain)
		return (a->chain > b->chain) - (a->chain < b->chain);
	return (a->number > b->number) - (a->number < b->number);
}

int nftx_sock_chains(struct nftx_sock *sock, uint8_t family, struct nftx_chains *out,
                     struct err *err)
{
	struct chains_ctx ctx = { 0 };
	int ret = -EINTR;

	for (int i = 0; i < DUMP_TRIES && ret == -EINTR; i++)
		ret = list_chains(sock, family, &ctx);
	free(ctx.handles);
	if (ret < 0) {
		free(ctx.out.list);
		return nftx_explain(err, -ret);
	}
	if (ctx.out.count > 1)
		qsort(ctx.out.list, ctx.out.count, sizeof(*ctx.out.list), chain_order);
	*out = ctx.out;
	return 0;
}

static int on_set(const struct nlmsghdr *msg, void *data)
{
	const struct nlattr *desc = nftx_attr_find(msg, NFTA_SET_DESC);
	const struct nlattr *attr;
	uint32_t *size = data;

	if (desc == NULL)
		return MNL_CB_OK;
	attr_for_each (attr, desc) {
		if (mnl_attr_get_type(attr) == NFTA_SET_DESC_SIZE &&
		    mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			*size = ntohl(mnl_attr_get_u32(attr));
	}
	return MNL_CB_OK;
}

int nftx_sock_map_size(struct nftx_sock *sock, uint8_t family, enum nftx_map map, uint32_t *out,
                       struct err *err)
{
	char buf[512];
	struct nlmsghdr *msg = nftx_request(sock, buf, NFT_MSG_GETSET, family, NLM_F_ACK);
	uint32_t size = 0;
	int ret;

	mnl_attr_put_strz(msg, NFTA_SET_TABLE, NFTX_TABLE);
	mnl_attr_put_strz(msg, NFTA_SET_NAME, nftx_map_info(map)->name);
	ret = nftx_ask(sock, msg, on_set, &size);
	if (ret < 0 && ret != -ENOENT)
		return nftx_explain(err, -ret);
	*out = size;
	return 0;
}

struct dump_ctx {
	uint8_t family;
	enum nftx_map map;
	struct nftx_digest digest;
	bool digest_only; /* no list is wanted */
	struct nftx_elems starts;
	struct ipaddr *ends; /* first addresses behind ranges, of sets that keep ranges as pairs */
	size_t end_count, end_cap;
	int failed;
	struct err *err;
};

static void take_raw(struct dump_ctx *ctx, const struct nftx_raw_elem *raw)
{
	struct nftx_elem *elem;

	nftx_digest_add(&ctx->digest, &raw->elem);
	if (ctx->digest_only)
		return;
	if (raw->interval_end) {
		ctx->ends = vec_reserve(ctx->ends, &ctx->end_cap, ctx->end_count + 1,
		                        sizeof(*ctx->ends));
		ctx->ends[ctx->end_count++] = raw->elem.last;
		return;
	}
	elem = nftx_elems_push(&ctx->starts);
	*elem = raw->elem;
	if (elem->comment != NULL)
		elem->comment = xstrdup(raw->comment);
}

static int on_elements(const struct nlmsghdr *msg, void *data)
{
	struct dump_ctx *ctx = data;
	const struct nlattr *list;
	const struct nlattr *attr;

	attr_for_each_of (list, msg, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(list) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		attr_for_each (attr, list) {
			struct nftx_raw_elem raw;

			if (ctx->failed == 0)
				ctx->failed = nftx_elem_decode(attr, ctx->family, ctx->map, &raw,
				                               ctx->err);
			if (ctx->failed == 0)
				take_raw(ctx, &raw);
		}
	}
	return MNL_CB_OK;
}

static int addr_order(const void *x, const void *y)
{
	return ipaddr_cmp(x, y);
}

/* Gives each start the address before the next end; a start behind the last end reaches the top. */
static void pair_ranges(struct dump_ctx *ctx)
{
	static const struct ipcidr everything[2] = { { { .family = 4 }, 0 },
		                                     { { .family = 6 }, 0 } };
	size_t e = 0;

	if (ctx->end_count > 1)
		qsort(ctx->ends, ctx->end_count, sizeof(*ctx->ends), addr_order);
	for (size_t i = 0; i < ctx->starts.count; i++) {
		struct nftx_elem *elem = &ctx->starts.list[i];

		while (e < ctx->end_count && ipaddr_cmp(&ctx->ends[e], &elem->last) <= 0)
			e++;
		elem->last = e < ctx->end_count ? ipaddr_before(&ctx->ends[e])
		                                : ipcidr_last(&everything[ctx->family == 6]);
	}
}

static int dump_once(struct nftx_sock *sock, struct dump_ctx *ctx)
{
	char buf[512];
	struct nlmsghdr *msg = nftx_request(sock, buf, NFT_MSG_GETSETELEM, ctx->family, NLM_F_DUMP);

	mnl_attr_put_strz(msg, NFTA_SET_ELEM_LIST_TABLE, NFTX_TABLE);
	mnl_attr_put_strz(msg, NFTA_SET_ELEM_LIST_SET, nftx_map_info(ctx->map)->name);
	return nftx_ask(sock, msg, on_elements, ctx);
}

static void forget(struct dump_ctx *ctx)
{
	nftx_dump_done(&ctx->starts);
	ctx->digest = (struct nftx_digest){ 0 };
	ctx->end_count = 0;
	ctx->failed = 0;
}

/* Return: whether any element is there twice; @elems is sorted. */
static bool has_repeated(const struct nftx_elems *elems)
{
	for (size_t i = 1; i < elems->count; i++)
		if (nftx_elem_cmp(&elems->list[i - 1], &elems->list[i]) == 0)
			return true;
	return false;
}

static void append(struct nftx_elems *to, const struct nftx_elems *from)
{
	if (from->count == 0)
		return;
	to->list = vec_reserve(to->list, &to->cap, to->count + from->count, sizeof(*to->list));
	memcpy(to->list + to->count, from->list, from->count * sizeof(*to->list));
	to->count += from->count;
}

/* One attempt. @steady: nobody has written while it was made, to whatever table. */
static int dump_and_watch(struct nftx_sock *sock, struct dump_ctx *ctx, bool *steady)
{
	uint32_t before = 0;
	uint32_t after = 0;
	int ret = nftx_sock_generation(sock, &before, NULL);

	if (ret == 0)
		ret = dump_once(sock, ctx);
	if (ret == 0)
		ret = nftx_sock_generation(sock, &after, NULL);
	*steady = before == after;
	return ret;
}

/* A dump comes in pieces, and for each the kernel walks from the start and skips as many elements as
 * it has given. It does not say when that goes wrong (NLM_F_DUMP_INTR is not set in dumps of elements):
 *
 * - Where others add or delete in between, some are skipped that were not given. The generation tells
 *   that somebody wrote, if not where: the dump is made anew, and two in a row that are equal are
 *   taken for the truth, for a neighbour may write all the time. After STEADY_TRIES it is taken as it is.
 * - When the hash table is resized in between (a worker does that some time after many insertions, without
 *   another generation) the order is another: an element that comes twice stands for one that was missed. */
static int dump_until_steady(struct nftx_sock *sock, struct dump_ctx *ctx)
{
	int ret = -EINTR;

	for (int i = 0; i < DUMP_TRIES && ret == -EINTR; i++) {
		struct nftx_digest last = ctx->digest;
		bool steady;

		forget(ctx);
		if (i > 0)
			nftx_pause();
		ret = dump_and_watch(sock, ctx, &steady);
		nftx_elems_sort(&ctx->starts);
		if (ret != 0 || ctx->failed != 0)
			continue;
		if (has_repeated(&ctx->starts) ||
		    (!steady && i < STEADY_TRIES &&
		     (i == 0 || !nftx_digest_same(&last, &ctx->digest))))
			ret = -EINTR;
	}
	return ret;
}

int nftx_sock_dump(struct nftx_sock *sock, uint8_t family, enum nftx_map map,
                   struct nftx_elems *out, struct err *err)
{
	const struct nftx_map_info *info = nftx_map_info(map);
	struct dump_ctx ctx = { .family = family, .map = map, .err = err };
	int ret = dump_until_steady(sock, &ctx);

	if (ret == 0)
		ret = ctx.failed;
	else if (ret == -EINTR)
		ret = err_set(err, EAGAIN, "'%s' changed during each of %d dumps", info->name,
		              DUMP_TRIES);
	else if (ret == -ENOENT)
		ret = 0;
	else
		ret = nftx_explain(err, -ret);
	if (ret == 0) {
		if (info->ranges && info->key[1] == '\0')
			pair_ranges(&ctx);
		append(out, &ctx.starts);
		ctx.starts.count = 0; /* comments have moved on */
	}
	forget(&ctx);
	free(ctx.starts.list);
	free(ctx.ends);
	return ret;
}

int nftx_sock_digest(struct nftx_sock *sock, uint8_t family, enum nftx_map map,
                     struct nftx_digest *out, struct err *err)
{
	struct dump_ctx ctx = { .family = family, .map = map, .digest_only = true, .err = err };
	int ret = dump_until_steady(sock, &ctx);

	if (ret == -EINTR)
		return err_set(err, EAGAIN, "'%s' changed during each of %d dumps",
		               nftx_map_info(map)->name, DUMP_TRIES);
	if (ret < 0 && ret != -ENOENT)
		return nftx_explain(err, -ret);
	*out = ctx.digest;
	return ctx.failed;
}

void nftx_dump_done(struct nftx_elems *elems)
{
	for (size_t i = 0; i < elems->count; i++)
		free((void *)(uintptr_t)elems->list[i].comment);
	free(elems->list);
	*elems = (struct nftx_elems){ 0 };
}
