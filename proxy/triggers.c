/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "triggers.h"

#include <stdlib.h>

#include "base/mem.h"

void triggers_note(struct triggers *triggers, uint32_t id, const struct proxy_endpoint_slice *slice)
{
	if (slice->triggered_us == 0 || slice->family == 0 || triggers->count >= PROXY_MAX_TRIGGERS)
		return;
	triggers->list = vec_reserve(triggers->list, &triggers->cap, triggers->count + 1,
	                             sizeof(*triggers->list));
	triggers->list[triggers->count++] =
		(struct proxy_trigger){ id, slice->family, slice->triggered_us };
}

void triggers_forget(struct triggers *triggers, uint32_t id)
{
	size_t kept = 0;

	for (size_t i = 0; i < triggers->count; i++)
		if (triggers->list[i].id != id)
			triggers->list[kept++] = triggers->list[i];
	triggers->count = kept;
}

void triggers_done(struct triggers *triggers)
{
	free(triggers->list);
	*triggers = (struct triggers){ 0 };
}
