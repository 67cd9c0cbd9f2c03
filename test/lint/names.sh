#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What we export does not begin as the names of a library that we link with or include; nor may it
# in nft/ be without our prefix, where the kernel's headers fill the name space.
# LINT_BUILD names the tree with the archives.
. "$(dirname "$0")/lib.sh"

build=${LINT_BUILD:-build/release}
theirs='nft_|NFT_|nftnl_|nfnl_|mnl_|nfct_|yaml_|cJSON|ev_|curl_|CURL|MHD_|UT_|uthash_'
declare -A dirs=([base]=proxy/base [proxy]=proxy [watch]=watch [nft]=nft [cmd]=cmd)

# exports MODULE: `object symbol` of each function or variable that others can see.
exports() {
	nm -A -g --defined-only "$build/lib$1.a" |
		sed -nE 's/^[^:]*:([^:]+):[0-9a-f]+ [A-Z] ([A-Za-z].*)$/\1 \2/p' | sort -u
}

for module in base proxy watch nft cmd; do
	[ -f "$build/lib$module.a" ] || continue
	while read -r object symbol; do
		file=${dirs[$module]}/${object%.o}.c
		if [[ $symbol =~ ^($theirs) ]]; then
			report "$file" 1 "exports $symbol, a name of the kind that a library takes"
		elif [ $module = nft ] && [[ $symbol != nftx_* ]]; then
			report "$file" 1 "exports $symbol, which does not begin with nftx_"
		fi
	done < <(exports $module)
done
exit $LINT_STATUS
