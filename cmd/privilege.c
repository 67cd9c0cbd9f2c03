/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/privilege.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Before the others, which take the right to do this. */
static void drop_bounding(void)
{
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (cap != CAP_NET_ADMIN)
			(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

/* Without wrappers in glibc; libcap's would be one library more for two calls. What is not
 * inheritable is not ambient either. */
static int keep_one(unsigned cap)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &head, sets) < 0)
		return -errno;
	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		uint32_t kept = i == CAP_TO_INDEX(cap) ? 1u << (cap % 32) : 0;

		sets[i].permitted &= kept;
		sets[i].effective &= kept;
		sets[i].inheritable = 0;
	}
	return syscall(SYS_capset, &head, sets) < 0 ? -errno : 0;
}

int privilege_drop(struct err *err)
{
	int ret = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;

	if (ret < 0)
		return err_set(err, -ret, "no_new_privs: %s", strerrordesc_np(-ret));
	drop_bounding();
	ret = keep_one(CAP_NET_ADMIN);
	return ret < 0 ? err_set(err, -ret, "dropping capabilities: %s", strerrordesc_np(-ret)) : 0;
}
