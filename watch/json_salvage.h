/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_JSON_SALVAGE_H
#define WATCH_JSON_SALVAGE_H

#include <stddef.h>

#include "base/str.h"

/** json_salvage() - the beginning of a JSON text, completed so that it can be parsed.
 *
 * What is not whole at its end is cut off, what is open is closed: enough to see the name of an
 * object of which only the first kilobytes were kept.
 *
 * @out: cleared, then written; "" when nothing can be saved.
 */
void json_salvage(const char *text, size_t len, struct strbuf *out);

#endif
