/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_KUBECONFIG_IMPL_H
#define WATCH_KUBECONFIG_IMPL_H

/* What the files of a kubeconfig share: its frame, its entries, their result. */

#include "base/err.h"
#include "watch/jsonx.h"
#include "watch/kubeconfig.h"

/** kubeconfig_text() - a jsonx_fn for a const char *: a line of text; "" leaves it as it was. */
int kubeconfig_text(struct jsonx *jx, const cJSON *item, void *out);

/** kubeconfig_fail_at() - refuse @key for what a function without a path has said.
 *
 * @ret: what it returned; handed back.
 */
int kubeconfig_fail_at(struct jsonx *jx, const char *key, int ret, const struct err *why);

/** kubeconfig_cluster() - read the body of a cluster's entry into @to.
 *
 * @dir: what relative paths start from.
 *
 * Return: 0 or a negative errno; @to is to be released in either case.
 */
int kubeconfig_cluster(struct jsonx *jx, const cJSON *json, const char *dir,
                       struct watch_cluster *to) MUST_CHECK;

/** kubeconfig_user() - the same for the body of a user's entry. */
int kubeconfig_user(struct jsonx *jx, const cJSON *json, const char *dir,
                    struct watch_cluster *to) MUST_CHECK;

/** kubeconfig_wipe() - wipe and free a string; NULL is a no-op. */
void kubeconfig_wipe(char *text);

/** kubeconfig_join() - @path as seen from where @dir ("" for none) is; the caller frees. */
char *kubeconfig_join(const char *dir, const char *path);

/** kubeconfig_check_exposure() - may the token or password of @cluster be sent to @server?
 *
 * Return: 0, or -EINVAL when others could read it.
 */
int kubeconfig_check_exposure(const struct watch_cluster *cluster, const char *server,
                              struct err *err) MUST_CHECK;

#endif
