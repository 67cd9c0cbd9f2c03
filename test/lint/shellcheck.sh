#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Every shell script, with or without .sh, through shellcheck.
. "$(dirname "$0")/lib.sh"

text_files | while read -r file; do
	if [[ $file == *.sh ]] || head -n 1 "$file" | grep -qE '^#!.*\b(ba)?sh\b'; then
		echo "$file"
	fi
done | xargs -r -d '\n' shellcheck --external-sources --source-path=SCRIPTDIR --format=gcc
