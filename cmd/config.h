/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_CONFIG_H
#define CMD_CONFIG_H

/*
 * From what was given to what is in force: the configuration file is read, flags
 * and file are weighed against each other, and the result is put into struct
 * options, checked as a whole.
 */

#include "cmd/options.h"

/** config_complete() - fill @options from its settings, whose flags have been read.
 *
 * Return: 0, or a negative errno with a sentence that names the flag, or the file and the field.
 */
int config_complete(struct options *options, struct err *err) MUST_CHECK;

#endif
