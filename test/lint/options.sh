#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Every option and subcommand in --help is in the manual page, and the other way round; so are
# those without effect in the section that says so. What both say of an option, and what README.md
# says, comes from the table of settings: test/unit/test_cmd_reference.c.
. "$(dirname "$0")/lib.sh"

page=cmd/kubenft.8
kubenft=${KUBENFT:-build/kubenft}
if [ ! -f "$page" ]; then
	report "$page" 1 "there is no manual page"
	exit 1
fi
if [ ! -x "$kubenft" ]; then
	report "$kubenft" 1 "not built, so --help cannot be compared with the manual page"
	exit 1
fi

mapfile -t commands < <("$kubenft" --help 2>&1 | sed -nE 's/^  ?([a-z]+) .*/\1/p')
[ ${#commands[@]} -gt 0 ] || report "$kubenft" 1 "--help lists no subcommand"

help=$("$kubenft" --help 2>&1)
for command in "${commands[@]}"; do
	grep -qE "(^|[ .])(Ic|Cm|Nm kubenft|Ss) .*\b$command\b" "$page" ||
		report "$page" 1 "the subcommand $command is missing"
	help+=$'\n'$("$kubenft" "$command" --help 2>&1)
done

in_help=$(grep -oE -- '(^|[^a-z0-9-])--[a-z][a-z0-9-]+' <<<"$help" | grep -oE -- '[a-z].*' | sort -u)
in_page=$(grep -E '^\.' "$page" | grep -oE '\bFl -[a-z][a-z0-9-]+' | sed 's/^Fl -//' | sort -u)
for option in $(comm -23 <(echo "$in_help") <(echo "$in_page")); do
	report "$page" 1 "the option --$option is missing"
done
for option in $(comm -13 <(echo "$in_help") <(echo "$in_page")); do
	report "$page" "$(grep -nE -m1 "Fl -$option\b" "$page" | cut -d: -f1)" "--help does not know --$option"
done

idle_in_help=$("$kubenft" run --help 2>&1 | sed -n '/without effect/,$p' |
	sed -nE 's/^ +(-[a-z], )?--([a-z][a-z0-9-]*).*/\2/p' | sort -u)
idle_in_page=$(sed -nE '/^\.Ss Options without effect/,/^\.El/s/^\.It .*Fl -([a-z0-9-]+).*/\1/p' "$page" |
	sort -u)
for option in $(comm -3 <(echo "$idle_in_help") <(echo "$idle_in_page") | tr -d '\t'); do
	report "$page" "$(grep -nE -m1 "Fl -$option\b" "$page" | cut -d: -f1)" \
		"--help and the page do not agree whether --$option has an effect"
done
exit $LINT_STATUS
