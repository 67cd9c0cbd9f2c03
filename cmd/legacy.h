/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_LEGACY_H
#define CMD_LEGACY_H

#include <stdint.h>

#include "base/str.h"

/** legacy_tables_with() - append the names of the old iptables' tables that have a chain, or
 *  a rule that names one, beginning with @prefix; separated by blanks.
 *
 * A table that is not in use is not brought to life by asking.
 */
void legacy_tables_with(uint8_t family, const char *prefix, struct strbuf *out);

#endif
