/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_VERSION_H
#define CMD_VERSION_H

/** kubenft_version() - as `git describe` gave it when this was built. */
const char *kubenft_version(void);

#endif
