/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "source_load.h"

#include <errno.h>

#include "watch/decode.h"

#define EVERY_KIND                                                             \
	(1u << PROXY_SERVICE | 1u << PROXY_ENDPOINT_SLICE | 1u << PROXY_NODE | \
	 1u << PROXY_SERVICE_CIDR)

struct load {
	struct watch_file *file;
	struct proxy_planner *planner;
	struct source_counts *counts;
	struct diags *diags;
	size_t known; /* objects that are meant for a proxy, refused or not for us */
};

static void tell(struct load *load, const struct watch_place *place, const char *who,
                 const char *what)
{
	struct err subject = { 0 };

	(void)err_set(&subject, 0, "%.100s: document %u, line %u: %.100s",
	              watch_file_now(load->file), place->document, place->line, who);
	diag_add(load->diags, subject.msg, "%s", what);
}

static void on_object(void *ctx, const cJSON *json, const char *kind,
                      const struct watch_place *place)
{
	struct load *load = ctx;
	struct proxy_meta *object = NULL;
	struct diags findings = { 0 };
	struct watch_ident ident;
	struct err err = { 0 };
	char who[2 * PROXY_MAX_NAME + 32];
	int ret = watch_decode(json, kind, &ident, &object, &findings, &err);

	(void)watch_ident_format(&ident, who, sizeof(who));
	for (size_t i = 0; i < findings.count; i++)
		tell(load, place, findings.list[i].subject, findings.list[i].text);
	diag_done(&findings);
	load->known += ident.kind != 0;
	if (ret < 0) {
		load->counts->bad++;
		tell(load, place, who, err.msg);
		if (ident.kind != 0)
			(void)proxy_planner_list_keep(load->planner, ident.kind, ident.namespace,
			                              ident.name);
	} else if (object == NULL) {
		load->counts->skipped++;
	} else {
		load->counts->objects++;
		proxy_planner_list_add(load->planner, object);
	}
}

int source_load(struct watch_file *file, struct proxy_planner *planner,
                struct source_counts *counts, struct diags *diags, struct err *err)
{
	struct load load = { file, planner, counts, diags, 0 };
	int ret;

	*counts = (struct source_counts){ 0 };
	proxy_planner_list_begin(planner, EVERY_KIND);
	ret = watch_file_read(file, on_object, &load, err);
	if (ret == 0 && counts->objects + load.known == 0)
		ret = err_set(err, ENODATA,
		              "%s: there is no Service, EndpointSlice, Node or ServiceCIDR in it, "
		              "which is taken for a mistake (kubenft cleanup removes everything)",
		              watch_file_name(file));
	proxy_planner_list_end(planner, EVERY_KIND, ret == 0, diags);
	return ret;
}
