/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_LEFTOVERS_H
#define CMD_LEFTOVERS_H

/*
 * What kube-proxy leaves on a node when it ends (kube-proxy-behaviour.md, section
 * 3.10): in nftables mode its tables; in iptables mode KUBE-* chains, in nf_tables or in
 * the old tables; in ipvs mode also IP sets, the device kube-ipvs0 and virtual servers.
 */

#include <stdbool.h>

#include "nft/sock.h"

/** leftovers_is_chain() - is @name a chain of kube-proxy's iptables or ipvs mode? Not one of the kubelet. */
bool leftovers_is_chain(const char *name);

/** leftovers_warn() - say it, if there are chains of iptables mode: they translate, too. */
void leftovers_warn(struct nftx_sock *sock);

/** leftovers_remove() - remove what can be removed safely, name the rest; a log line each.
 *
 * Return: whether nothing went wrong. Finding nothing is right.
 */
bool leftovers_remove(struct nftx_sock *sock);

#endif
