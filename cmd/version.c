/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "version.h"

const char *kubenft_version(void)
{
	return KUBENFT_VERSION;
}
