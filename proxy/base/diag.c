/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

void diag_add(struct diags *diags, const char *subject, const char *fmt, ...)
{
	struct err text = { 0 };
	va_list ap;

	diags->total++;
	if (diags->count >= DIAG_MAX)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text.msg, sizeof(text.msg), fmt, ap);
	va_end(ap);
	diags->list = vec_reserve(diags->list, &diags->cap, diags->count + 1, sizeof(*diags->list));
	diags->list[diags->count].subject = xstrdup(subject);
	diags->list[diags->count].text = xstrdup(text.msg);
	diags->count++;
}

void diag_clear(struct diags *diags)
{
	for (size_t i = 0; i < diags->count; i++) {
		free(diags->list[i].subject);
		free(diags->list[i].text);
	}
	diags->count = 0;
	diags->total = 0;
}

void diag_done(struct diags *diags)
{
	diag_clear(diags);
	free(diags->list);
	*diags = (struct diags){ 0 };
}
