#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# clang-tidy 14 with .clang-tidy. A file whose text, headers and settings were found clean before
# is not looked at again: build/lint/tidy remembers a hash of all that.
. "$(dirname "$0")/lib.sh"

export cache=build/lint/tidy LINT_FLAGS
# The analyzer gives up on a function after so many states; its default takes 10 s for some files.
export ANALYZER="-Xclang -analyzer-config -Xclang max-nodes=50000"

# shellcheck disable=SC2317 # reached through xargs
tidy_one() {
	local file=$1 stamp=$cache/$1.ok checks='' deps hash out
	# shellcheck disable=SC2086 # flags are words
	deps=$(clang-14 $LINT_FLAGS -MM "$file" 2>/dev/null | sed 's/^[^:]*://; s/\\$//')
	# shellcheck disable=SC2086
	hash=$(cat .clang-tidy $deps <(echo "$LINT_FLAGS $ANALYZER") 2>/dev/null | sha256sum)
	[ "$hash" = "$(cat "$stamp" 2>/dev/null)" ] && return 0
	# It cannot follow that HASH_DELETE moves the head on, and sees freed memory everywhere.
	grep -q '<uthash.h>' "$file" && checks=--checks=-clang-analyzer-unix.Malloc
	# shellcheck disable=SC2086
	if ! out=$(clang-tidy-14 --quiet $checks --warnings-as-errors='*' "$file" -- $LINT_FLAGS $ANALYZER \
		-DKUBENFT_VERSION=\"lint\" 2>/dev/null); then
		printf '%s\n' "$out" | sed -nE "s,^($PWD/|\./)?([^: ]+:[0-9]+):[0-9]+: error: ,\2: ,p"
		return 1
	fi
	mkdir -p "$(dirname "$stamp")"
	echo "$hash" >"$stamp"
}
export -f tidy_one

# The largest first: the two processors then end at about the same time.
c_files | grep '\.c$' | xargs -r ls -S | xargs -r -P "$(nproc)" -I{} bash -c 'tidy_one {}' || exit 1
exit 0
