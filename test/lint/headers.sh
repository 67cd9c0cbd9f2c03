#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Each header compiles alone and has the guard that its path says.
. "$(dirname "$0")/lib.sh"

compile_alone() {
	local path=${1#include/} out
	# shellcheck disable=SC2086 # flags are words
	if ! out=$(printf '#include "%s"\n#include "%s"\n' "$path" "$path" |
		gcc $LINT_FLAGS -Wall -Wextra -Werror -fsyntax-only -x c - 2>&1); then
		report "$1" 1 "does not compile alone: $(grep -m1 error <<<"$out")"
	fi
}

while read -r file; do
	guard=$(tr 'a-z/.-' 'A-Z___' <<<"${file#include/}")
	grep -q "^#ifndef $guard\$" "$file" || report "$file" 1 "its guard is not $guard"
	compile_alone "$file"
done < <(c_files | grep '\.h$')
exit $LINT_STATUS
