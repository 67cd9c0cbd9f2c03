#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# clang-format 14 would change nothing; `make format` does it.
. "$(dirname "$0")/lib.sh"

c_files | xargs -r clang-format-14 --dry-run -Werror 2>&1 | grep -E ': (error|warning): ' |
	sed -E 's/^([^:]+:[0-9]+):[0-9]+: [a-z]+: .*/\1: not formatted, see make format/' | sort -u | grep . &&
	exit 1
# Trailing blanks in what clang-format does not read.
while read -r file; do
	report_each "trailing blank" < <(grep -nHE '[[:blank:]]+$' "$file")
done < <(text_files | grep -E '(^|/)(Makefile|run|[^/]+\.(sh|py|awk|md|yaml|8))$')
exit $LINT_STATUS
