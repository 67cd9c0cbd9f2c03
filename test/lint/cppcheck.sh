#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A second opinion beside clang-tidy's.
. "$(dirname "$0")/lib.sh"

mkdir -p build/lint/cppcheck
mapfile -t dirs < <(ls -d cmd proxy watch nft 2>/dev/null)
[ -n "$(c_files "${dirs[@]}")" ] || exit 0
# Suppressed: readdirCalled wants what POSIX has withdrawn, ctuuninitvar does not see that a callee
# fills what it is given, arrayIndexThenCheck is wrong about strings that end in NUL.
# It does not read the system's headers, so it is told which macros are loops.
loops=(
	"-DHASH_ITER(hh,head,el,tmp)=while((el)=(tmp)=next(head))"
	"-Dmnl_attr_for_each(attr,nlh,offset)=while((attr)=next(nlh,offset))"
	"-Dmnl_attr_for_each_nested(attr,nest)=while((attr)=next(nest))"
)
cppcheck --quiet --std=c11 -D_GNU_SOURCE -DKUBENFT_VERSION='""' -Iinclude -I. "${loops[@]}" -j "$(nproc)" \
	--cppcheck-build-dir=build/lint/cppcheck --enable=warning,performance,portability \
	--inline-suppr --library=posix --suppress=missingIncludeSystem --suppress=readdirCalled \
	--suppress=ctuuninitvar --suppress=arrayIndexThenCheck --error-exitcode=1 \
	--template='{file}:{line}: {severity}: {message} [{id}]' "${dirs[@]}" 2>&1
