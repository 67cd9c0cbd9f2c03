/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TEST_UNIT_WATCH_CLUSTER_H
#define TEST_UNIT_WATCH_CLUSTER_H

/* Kubeconfigs for tests, and what came out of one. */

#include "base/str.h"
#include "watch/kubeconfig.h"

/* Base64 of "-----BEGIN A", "-----BEGIN B", "-----BEGIN C": the least that is taken for PEM text. */
#define PEM_A "LS0tLS1CRUdJTiBB"
#define PEM_B "LS0tLS1CRUdJTiBC"
#define PEM_C "LS0tLS1CRUdJTiBD"

/* A kubeconfig with these fields in its one cluster and its one user. */
#define KUBECONFIG(cluster, user)                                 \
	"apiVersion: v1\nkind: Config\ncurrent-context: c\n"      \
	"contexts: [{name: c, context: {cluster: k, user: u}}]\n" \
	"clusters: [{name: k, cluster: {" cluster "}}]\n"         \
	"users: [{name: u, user: {" user "}}]\n"

/** describe_cluster() - one line with every field that is set, "ca=/etc/ca.crt key=(-----BEGIN B)". */
void describe_cluster(struct strbuf *buf, const struct watch_cluster *cluster);

/** cluster_is_sane() - does it keep what watch/kubeconfig.h promises? */
bool cluster_is_sane(const struct watch_cluster *cluster);

#endif
