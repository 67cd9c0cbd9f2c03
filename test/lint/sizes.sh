#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A file has at most 600 lines, a function body at most 60: it fits on a screen.
. "$(dirname "$0")/lib.sh"

mapfile -t sources < <(c_files)
[ ${#sources[@]} -gt 0 ] || exit 0

# In the kernel's style a function, and nothing else, stands between `{` and `}` in column one.
awk '
function finish() {
	if (lines > 600)
		printf "%s:%d: %d lines, at most 600\n", name, lines, lines
}
FNR == 1 { finish(); name = FILENAME; begin = 0 }
{ lines = FNR }
$0 == "{" { begin = FNR }
$0 == "}" {
	if (begin && FNR - begin - 1 > 60)
		printf "%s:%d: a function of %d lines, at most 60\n", FILENAME, begin, FNR - begin - 1
	begin = 0
}
END { finish() }
' "${sources[@]}" | grep . && exit 1
exit 0
