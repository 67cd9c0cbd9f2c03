/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_CONFIG_FILE_H
#define CMD_CONFIG_FILE_H

/*
 * The configuration file: a KubeProxyConfiguration (v1alpha1), as kubeadm's
 * ConfigMap has it, and what is only ours as a KubenftConfiguration (v1alpha1),
 * in YAML or JSON, each at most once.
 */

#include "base/diag.h"
#include "base/err.h"
#include "base/str.h"
#include "cmd/settings.h"

#define CONFIG_API_VERSION "kubeproxy.config.k8s.io/v1alpha1"
#define CONFIG_KIND "KubeProxyConfiguration"
#define CONFIG_OWN_API_VERSION "kubenft.io/v1alpha1"
#define CONFIG_OWN_KIND "KubenftConfiguration"

#define CONFIG_MAX_BYTES (1u << 20)

/** config_file_load() - append the bytes of @path, at most CONFIG_MAX_BYTES.
 *
 * Return: 0, or a negative errno with a sentence that names the file.
 */
int config_file_load(const char *path, struct strbuf *out, struct err *err) MUST_CHECK;

/** config_file_read() - read @path into @settings.
 *
 * Fields that are null, or that nobody knows, are as if they were not there; the latter, and those
 * given twice (the last one counts), are findings.
 *
 * @text: what the file held is appended.
 *
 * Return: 0, or a negative errno when something is wrong with it; the sentence names the file, the
 *         place and the field, and tells all that is wrong as far as there is room.
 */
int config_file_read(const char *path, struct settings *settings, struct strbuf *text,
                     struct diags *findings, struct err *err) MUST_CHECK;

#endif
