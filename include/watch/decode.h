/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_DECODE_H
#define WATCH_DECODE_H

/*
 * From parsed JSON to the objects of proxy/object.h.
 *
 * Fields that a proxy does not use are not looked at. A field of the wrong type,
 * or given twice, refuses its object, naming the path ("spec.ports[2].port: ...").
 * An entry of a list that is of the right type but makes no sense where
 * kube-proxy skips it too (an unparsable external IP, an endpoint without
 * address) is left out, with a diagnostic (kube-proxy-behaviour.md, sections
 * 1.3-1.7); of one object at most 8 are written out, the rest is counted in one
 * more. null means absent. A missing namespace is "default", as for kubectl.
 *
 * Names may hold printable ASCII without space, quotes, slash and backslash: they
 * go into logs and into comments of the kernel's.
 *
 * An object that the selectors of a proxy's LIST would leave out (section 1.1) is
 * not for this proxy, wherever it comes from: a Service with the label
 * service.kubernetes.io/service-proxy-name or with clusterIP None, an
 * EndpointSlice with the label service.kubernetes.io/headless. One that was known
 * before has to be forgotten.
 */

#include <cjson/cJSON.h>

#include "base/diag.h"
#include "base/err.h"
#include "proxy/object.h"

/** Who an object says it is: filled as far as it could be read, also on failure. */
struct watch_ident {
	enum proxy_kind kind; /* 0: a kind, or an API group, that a proxy does not read */
	/* As written, cut to fit, characters that no name has replaced by '?'; "" when missing. */
	char namespace[PROXY_MAX_NAME + 1];
	char name[PROXY_MAX_NAME + 1];
	char kind_text[64];
};

/** watch_decode() - one object.
 *
 * @kind: stands in for a missing "kind", as for the items of a typed list; may be NULL.
 * @ident: written in any case.
 * @out: set to a packed block (release with free()), or to NULL when the object
 *       is of a kind that is skipped (@ident has kind 0) or not for this proxy
 *       (@ident says which); untouched on failure.
 * @diags: gets findings that do not refuse the object; the subject is
 *         "Service default/web".
 *
 * Return: 0; -EINVAL, -ERANGE, -ENAMETOOLONG or -E2BIG with a sentence that
 *         begins with the field's path.
 */
int watch_decode(const cJSON *json, const char *kind, struct watch_ident *ident,
                 struct proxy_meta **out, struct diags *diags, struct err *err) MUST_CHECK;

/** watch_ident_format() - "Service default/web", "Node n1"; @buf is returned. */
const char *watch_ident_format(const struct watch_ident *ident, char *buf, size_t size);

#endif
