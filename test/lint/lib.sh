# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What all lint scripts share. Each prints `file:line: reason` and exits 1 when it found something.
# LINT_ROOT names the tree to look at: ours, or a small one that selftest.sh made.
set -u
export LC_ALL=C
LINT_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034 # for the scripts that read this file
LINT_FLAGS=${LINT_CFLAGS:--std=c17 -D_GNU_SOURCE -Iinclude -I.}
cd "${LINT_ROOT:-$LINT_DIR/../..}" || exit 2
# shellcheck disable=SC2034
LINT_STATUS=0

# report FILE LINE REASON...
report() {
	printf '%s:%s: %s\n' "$1" "$2" "${*:3}"
	# shellcheck disable=SC2034
	LINT_STATUS=1
}

# report_each REASON: a finding for each `file:line:text` on standard input.
report_each() {
	local file line text
	while IFS=: read -r file line text; do
		report "$file" "$line" "$1: ${text#"${text%%[![:space:]]*}"}"
	done
}

# Our C files below the given directories that exist (all, when none is given).
c_files() {
	local dir
	[ $# -gt 0 ] || set -- cmd proxy watch nft include test
	for dir in "$@"; do
		[ -e "$dir" ] && find "$dir" -name '*.[ch]' -type f
	done | sort
}

# Every text file of ours.
text_files() {
	find . \( -name .git -o -name build -o -name corpus -o -name __pycache__ \) -prune \
		-o -type f -print | sed 's,^\./,,' | grep -v '^LICENSE$' | sort |
		xargs -r -d '\n' grep -Il '' 2>/dev/null
}

# code FILE...: `file:line:text` without comments, strings emptied.
code() {
	[ $# -eq 0 ] || awk -f "$LINT_DIR/strip.awk" "$@"
}
