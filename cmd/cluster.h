/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_CLUSTER_H
#define CMD_CLUSTER_H

/*
 * Which API server to watch, as kube-proxy chooses it: a kubeconfig, a URL, or
 * the cluster whose pod we are.
 */

#include "base/err.h"
#include "watch/kubeconfig.h"

/* Where the kubelet puts a pod's token and the authority of its API server. */
#define CLUSTER_ACCOUNT_DIR "/var/run/secrets/kubernetes.io/serviceaccount"

/** cluster_find() - the server and the credentials.
 *
 * With a kubeconfig, its current context; relative paths in it start from its
 * directory, KUBECONFIG in the environment is not looked at. Without, but with
 * @master: that server, without credentials. With neither: what the environment
 * (KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT) and @account_dir give to a pod.
 *
 * @kubeconfig: a file; NULL or "" for none.
 * @master: the URL or host:port that counts instead of the kubeconfig's server; NULL or "" for none.
 * @account_dir: CLUSTER_ACCOUNT_DIR; whether files are in it is seen when they are used.
 * @out: written on success only; release with watch_cluster_done().
 *
 * Return: 0; -ENOENT with a sentence that says what to do when there is no server to be found; what
 *         open(2) and read(2) say of the kubeconfig, and what watch/kubeconfig.h says, behind the
 *         file's path or the option's name.
 */
int cluster_find(const char *kubeconfig, const char *master, const char *account_dir,
                 struct watch_cluster *out, struct err *err) MUST_CHECK;

#endif
