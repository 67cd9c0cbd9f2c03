#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The manual pages are correct mdoc.
. "$(dirname "$0")/lib.sh"

for page in cmd/*.8; do
	if [ ! -f "$page" ]; then
		report cmd/kubenft.8 1 "there is no manual page"
		continue
	fi
	while read -r text; do
		# mandoc: PAGE:LINE:COLUMN: LEVEL: WORDS, or without line: mandoc: PAGE: LEVEL: WORDS
		[[ $text =~ ^mandoc:\ [^:]+:(([0-9]+):[0-9]+:)?\ (.*)$ ]] &&
			report "$page" "${BASH_REMATCH[2]:-1}" "${BASH_REMATCH[3]}"
	done < <(mandoc -T lint -W warning "$page" 2>&1)
done
exit $LINT_STATUS
