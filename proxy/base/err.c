/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

int err_set(struct err *err, int code, const char *fmt, ...)
{
	if (err != NULL) {
		va_list ap;

		err->code = code;
		va_start(ap, fmt);
		(void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
		va_end(ap);
	}
	return -code;
}

int err_wrap(struct err *err, int ret, const char *fmt, ...)
{
	if (err != NULL) {
		char inner[sizeof(err->msg)];
		size_t room;
		va_list ap;
		int n;

		memcpy(inner, err->msg, sizeof(inner));
		va_start(ap, fmt);
		n = vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
		va_end(ap);
		if (n < 0 || (size_t)n + 3 > sizeof(err->msg))
			return ret; /* the context alone fills the message */
		memcpy(err->msg + n, ": ", 2);
		room = sizeof(err->msg) - (size_t)n - 3;
		inner[room < sizeof(inner) - 1 ? room : sizeof(inner) - 1] = '\0';
		memcpy(err->msg + n + 2, inner, strlen(inner) + 1);
	}
	return ret;
}
