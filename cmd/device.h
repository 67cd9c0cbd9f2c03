/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_DEVICE_H
#define CMD_DEVICE_H

#include "base/err.h"

/** device_remove_dummy() - delete a network device of kind "dummy".
 *
 * Return: 1 when it was deleted, 0 when there is none of that name; -EOPNOTSUPP when it is of another
 *         kind, and stays; or another negative errno.
 */
int device_remove_dummy(const char *name, struct err *err) MUST_CHECK;

#endif
