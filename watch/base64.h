/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_BASE64_H
#define WATCH_BASE64_H

#include <stddef.h>

#include "base/err.h"

/** base64_decode() - RFC 4648, section 4, strictly: padded, unused bits zero.
 *
 * Line breaks are skipped, since YAML's block scalars have them; nothing else is.
 *
 * @out: the bytes and a NUL behind them; the caller frees. Written on success only, like @out_len.
 *
 * Return: 0 or -EINVAL; nothing of the text is then left in memory of ours.
 */
int base64_decode(const char *text, char **out, size_t *out_len) MUST_CHECK;

#endif
