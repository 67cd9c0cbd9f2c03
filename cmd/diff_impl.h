/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_DIFF_IMPL_H
#define CMD_DIFF_IMPL_H

/*
 * How a difference is computed: diff_compute.c finds the Service ports that it
 * touches, diff_group.c tells one of them. And what its forms have in common.
 */

#include "cmd/diff.h"

/** A frontend of a group. */
struct diff_pair {
	struct nftx_elem key;     /* of frontends */
	bool touched;             /* its elements differ */
	struct diff_front *front; /* owned; NULL: taken by a line */
};

/** diff_push() - one more line; valid until the next. */
struct diff_line *diff_push(struct diff *diff, enum diff_op op, enum diff_object object,
                            const struct ipaddr *addr, uint16_t port);

/** diff_front_free() - NULL is a no-op. */
void diff_front_free(struct diff_front *front);

/** diff_tell_group() - the lines of one Service port.
 *
 * @pairs: all its frontends on both sides; those that lines need are taken out of them.
 */
void diff_tell_group(struct diff *diff, const struct diff_group *group, struct diff_pair *pairs,
                     size_t count);

/** diff_same_group() - the same Service port, or both of none? */
bool diff_same_group(const struct diff_group *a, const struct diff_group *b);

/** diff_same_policy(), diff_same_affinity() - as far as it is known: where nothing serves, elements
 *  do not say. */
bool diff_same_policy(const struct nftx_view *a, const struct nftx_view *b);
bool diff_same_affinity(const struct nftx_view *a, const struct nftx_view *b);

/** diff_endpoint_count() - how many endpoints a frontend leads to. */
size_t diff_endpoint_count(const struct nftx_view *view);

/** diff_protocol_text() - "TCP", as Kubernetes writes it. */
const char *diff_protocol_text(uint8_t protocol);

/** diff_add_plain() - append @text, which may come from another program, without anything but
 *  printable ASCII. */
void diff_add_plain(struct strbuf *out, const char *text);

#endif
