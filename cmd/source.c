/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "source_impl.h"

int source_open(const struct source_setting *setting, struct source **out, struct err *err)
{
	return setting->options->source != NULL ? source_file_open(setting, out, err)
	                                        : source_api_open(setting, out, err);
}

void source_close(struct source *source)
{
	if (source != NULL)
		source->close(source);
}

void source_turn(struct source *source)
{
	source->turn(source);
}

bool source_is_complete(const struct source *source)
{
	return source->is_complete(source);
}

void source_state(const struct source *source, struct source_state *out)
{
	*out = (struct source_state){ 0 };
	source->state(source, out);
}

void source_log(const struct source *source)
{
	source->log(source);
}
