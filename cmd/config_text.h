/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_CONFIG_TEXT_H
#define CMD_CONFIG_TEXT_H

/* The configuration in force, as text for others. */

#include "base/err.h"
#include "base/str.h"
#include "cmd/settings.h"

/** config_json() - append what /configz answers: every field of the file with its value in force.
 *
 * {"kubeproxy.config.k8s.io": {"kind": "KubeProxyConfiguration", ...}, "kubenft.io": {...}}
 */
void config_json(const struct settings *settings, struct strbuf *out);

/** config_yaml() - append a configuration file that means what is in force: both documents. */
void config_yaml(const struct settings *settings, struct strbuf *out);

/** config_write() - write config_yaml() to the file @path.
 *
 * Return: 0, or a negative errno with a sentence that names the file.
 */
int config_write(const struct settings *settings, const char *path, struct err *err) MUST_CHECK;

/** config_flags() - append the flags as /flagz lists them: "name=value" lines, by name. The values are
 *  those of the command line, or the flags' defaults, whether or not they count. */
void config_flags(const struct settings *settings, struct strbuf *out);

/** config_flags_json() - append the same as a JSON object of strings. */
void config_flags_json(const struct settings *settings, struct strbuf *out);

#endif
