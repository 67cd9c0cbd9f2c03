#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Calls and words that have no place here.
. "$(dirname "$0")/lib.sh"

# The patterns have brackets so that this file does not find itself.
mapfile -t sources < <(c_files)
mapfile -t texts < <(text_files)
no_base() { grep -v '^proxy/base/'; }

report_each "use the functions of base/mem.h" < <(code "${sources[@]}" | no_base |
	grep -E '(^|[^A-Za-z0-9_.>])(malloc|calloc|realloc|reallocarray|strn?dup|v?asprintf)[[:space:]]*\(')
report_each "unchecked: use base/str.h, or memcpy and snprintf" < <(code "${sources[@]}" | no_base |
	grep -E '\b(strn?cpy|strn?cat|v?sprintf|atoi|atol|atoll|atof|sscanf|alloca|strtok)[[:space:]]*\(')
report_each "use str_to_u32() of base/str.h" < <(code "${sources[@]}" | no_base | grep -v '^test/' |
	grep -E '\bstrtou?(ll?|[id]max)[[:space:]]*\(')
report_each "no locale anywhere" < <(code "${sources[@]}" | grep -E '\bsetlocale[[:space:]]*\(')
report_each "a static result buffer: write into the caller's" < <(code "${sources[@]}" | grep -v '^test/' |
	grep -E ':[[:space:]]+static[[:space:]]+(unsigned[[:space:]]+)?(char|uint8_t)[[:space:]]+[a-z_]+\[')
report_each "base/err.h is ours, <err.h> is not" < <(grep -nHE '^#include <err\.h>' "${sources[@]}" /dev/null)

report_each "finish it or file it" < <(grep -nHE '\b(TO[D]O|FIX[M]E|X[X]X|HA[C]K)\b' "${texts[@]}" /dev/null)
report_each "a path of somebody's machine" < <(grep -nHE '(^|[^A-Za-z0-9_.$}])/(wor[k]|hom[e]/[a-z]+|root/[a-z])(/|\b)' \
	"${texts[@]}" /dev/null)
report_each "an image registry: name the image alone" < <(grep -nHE \
	'\b(registry\.k8[s]\.io|docker\.i[o]|quay\.i[o]|gh?cr\.i[o]|[a-z0-9-]+\.pkg\.de[v])\b' "${texts[@]}" /dev/null)

for file in "${texts[@]}"; do
	case $file in
	*.c | *.h | *.sh | *.py | *.awk | Makefile | .ci/run | test/*/run)
		head -n 2 "$file" | grep -q 'SPDX-License-Identifier: GPL-2.0-or-later' ||
			report "$file" 1 "the SPDX line is missing"
		;;
	esac
done
exit $LINT_STATUS
