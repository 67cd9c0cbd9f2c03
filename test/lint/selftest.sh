#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A check that cannot fail checks nothing. Each row here puts one violation into a small clean tree
# and expects the check to name the file. Prints TAP.
set -u
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
number=0
spdx='/* SPDX-License-Identifier: GPL-2.0-or-later */'

verdict() {
	number=$((number + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $number - $2"
	else
		echo "not ok $number - $2"
		sed 's/^/# /' "$work/out"
	fi
}

# The smallest tree in which every check is content.
clean_tree() {
	rm -rf "$work/tree"
	mkdir -p "$work/tree"/{proxy/base,watch,nft,cmd,test,include/{base,proxy,nft},build/release}
	cd "$work/tree" || exit 2
	cp "$here/../../.clang-tidy" "$here/../../.clang-format" .
	put include/base/one.h '#ifndef BASE_ONE_H\n#define BASE_ONE_H\n\nint base_one(void);\n\n#endif\n'
	put proxy/base/one.c '#include "base/one.h"\n\nint base_one(void)\n{\n\treturn 1;\n}\n'
	put nft/two.c '#include "base/one.h"\n\nint nftx_two(void);\n\nint nftx_two(void)\n{\n\treturn 1 + base_one();\n}\n'
	printf '%s\n' '.Dd January 1, 2025' '.Dt KUBENFT 8' .Os '.Sh NAME' '.Nm kubenft' '.Nd test' \
		'.Sh SYNOPSIS' '.Nm kubenft' '.Ic run' '.Op Fl -source Ar path' '.Sh DESCRIPTION' 'Does.' \
		>cmd/kubenft.8
	printf '#!/bin/sh\necho "  run   start"\necho "  --source PATH"\n' >build/kubenft
	chmod +x build/kubenft
}

# put FILE TEXT: with the SPDX line on top.
put() {
	mkdir -p "$(dirname "$1")"
	printf '%s\n%b' "$spdx" "$2" >"$1"
}

build() {
	local module dir
	for module in base proxy watch nft; do
		dir=$module
		[ $module = base ] && dir=proxy/base
		rm -f "build/release/lib$module.a" "$work"/*.o
		for file in "$dir"/*.c; do
			[ -f "$file" ] && gcc -O2 -w -Iinclude -I. -c -o "$work/$(basename "$file" .c).o" "$file"
		done
		(cd "$work" && find . -maxdepth 1 -name '*.o' -exec ar rcs "tree/build/release/lib$module.a" {} +)
		[ -f "build/release/lib$module.a" ] || ar rcs "build/release/lib$module.a"
	done
}

run_check() {
	case $1 in
	purity | names) build ;;
	esac
	LINT_ROOT=$PWD LINT_BUILD=build/release KUBENFT=build/kubenft \
		LINT_CFLAGS='-std=c17 -D_GNU_SOURCE -Iinclude -I.' "$here/$1.sh" >"$work/out" 2>&1
}

# finds CHECK SENTENCE EXPECTED: it fails and prints a line that matches EXPECTED.
finds() {
	local status=1
	run_check "$1" || { grep -qE -- "$3" "$work/out" && status=0; }
	verdict $status "$1: $2"
	clean_tree
}

# with FILE TEXT CHECK SENTENCE: the clean tree and this file.
with() {
	put "$1" "$2"
	finds "$3" "$4" "^$1:[0-9]+: "
}

function_of() {
	printf 'void nftx_f(void);\\n\\nvoid nftx_f(void)\\n{\\n%s}\\n' "$1"
}

clean_tree
for check in layers purity names headers forbidden sizes format tidy cppcheck shellcheck options man; do
	run_check $check
	verdict $? "$check: the clean tree passes"
done

with proxy/a.c '#include "nft/two.h"\n' layers "proxy includes nft"
with proxy/a.c '#include <sys/socket.h>\n' layers "proxy includes sockets"
with proxy/base/a.c '#include "proxy/object.h"\n' layers "base includes proxy"
with watch/a.c '#include "proxy/plan.h"\n' layers "watch includes planning"
with watch/a.c '#include <sys/inotify.h>\n' layers "only watch/file.c knows inotify"
with watch/a.c '#include <curl/curl.h>\n' layers "only watch/http*.c knows libcurl"
with watch/http.c '#include "proxy/object.h"\n' layers "watch/http*.c knows what the bytes mean"
with nft/a.c '#include <sys/socket.h>\n' layers "only nft/sock.c knows sockets"
with nft/a.c '#include "proxy/object.h"\n' layers "nft includes Kubernetes objects"
with include/nft/a.h '#include <cjson/cJSON.h>\n' layers "a header of nft includes JSON"
with nft/a.c '/* for every Pod */\n' layers "nft speaks of Kubernetes"
with net/a.c '' layers "a directory that is no module"

with nft/a.c '#include <sys/socket.h>\nint nftx_s(void)\n{\n\treturn socket(1, 2, 3);\n}\n' purity "socket()"
with proxy/a.c '#include <time.h>\nlong proxy_t(void)\n{\n\treturn (long)time(0);\n}\n' purity "time()"
with proxy/base/a.c '#include <stdio.h>\nvoid a(int i)\n{\n\tfprintf(stderr, "%d", i);\n}\n' purity "fprintf()"
with watch/a.c '#include <fcntl.h>\nint watch_o(void)\n{\n\treturn open("/", 0);\n}\n' purity "open()"
with watch/a.c '#include <stdlib.h>\nchar *watch_e(void)\n{\n\treturn getenv("A");\n}\n' purity "getenv()"
with nft/a.c 'int nft_ctx_a(void)\n{\n\treturn 0;\n}\n' names "a name that belongs to libnftables"
with watch/a.c 'int yaml_helper(void)\n{\n\treturn 0;\n}\n' names "a name of the kind that libyaml takes"

with include/base/a.h '#ifndef BASE_A_H\n#define BASE_A_H\nsize_t base_a(void);\n#endif\n' headers \
	"a header that needs another one before it"
with include/base/a.h '#ifndef OTHER_H\n#define OTHER_H\n#endif\n' headers "a wrong guard"

for call in 'malloc(1)' 'strdup("a")' 'strcpy(a, b)' 'sprintf(a, b)' 'strtol(a, 0, 9)' 'atoi("1")' \
	'setlocale(0, "")'; do
	with nft/a.c "$(function_of "\t(void)$call;\n")" forbidden "$call"
done
with cmd/a.c 'char *f(void)\n{\n\tstatic char buf[16];\n\n\treturn buf;\n}\n' forbidden "a static result buffer"
with nft/a.c '/* TO''DO: later */\n' forbidden "an unfinished place"
with nft/a.c "/* see /wor""k/main */\n" forbidden "a path of somebody's machine"
with manifests/a.yaml "image: quay"".io/a/b\n" forbidden "an image registry"
mkdir -p cmd && echo 'int i;' >cmd/a.c
finds forbidden "a file without licence" '^cmd/a\.c:1: the SPDX'
printf '%s\n' "$spdx" '/* malloc(1) in a comment' ' * strcpy(a, b) */' 'char c[] = "atoi(1) \" atoi(2)"; // atoi(3)' \
	>proxy/a.c
run_check forbidden
verdict $? "forbidden: comments and strings may name everything"
clean_tree

with nft/a.c "$(function_of "$(printf '\\t;\\n%.0s' {1..61})")" sizes "a function of 61 lines"
with nft/a.c "$(printf '\\n%.0s' {1..600})" sizes "a file of 601 lines"
put nft/a.c "$(function_of "$(printf '\\t;\\n%.0s' {1..60})")"
run_check sizes
verdict $? "sizes: a function of 60 lines passes"
clean_tree

with nft/a.c 'int  nftx_a;\n' format "two blanks"
printf 'a: 1  \n' >manifests.yaml
finds format "a trailing blank in YAML" '^manifests.yaml:1: '
with nft/a.c 'int nftx_f(int a);\n\nint nftx_f(int a)\n{\n\tif (a = 1)\n\t\treturn 2;\n\treturn 3;\n}\n' tidy \
	"an assignment as condition"
put nft/a.c '#include "a.h"\n'
put nft/a.h '#ifndef NFT_A_H\n#define NFT_A_H\nint nftx_a(void);\n#endif\n'
run_check tidy
put nft/a.h '#ifndef NFT_A_H\n#define NFT_A_H\nint nftx_a(void);\nstatic inline int b(int a)\n{\n\tif (a = 1)\n\t\treturn 2;\n\treturn 3;\n}\n#endif\n'
finds tidy "a changed header is looked at again" '^nft/a\.h:[0-9]+: '
with nft/a.c 'int nftx_f(void);\n\nint nftx_f(void)\n{\n\tint a[2] = { 0 };\n\n\treturn a[2];\n}\n' cppcheck \
	"an index out of bounds"
# shellcheck disable=SC2016 # the text of a script
printf '#!/bin/sh\necho $1\n' >test/run
finds shellcheck "an unquoted variable in a script without .sh" '^test/run:2:'

printf '#!/bin/sh\necho "  run   start"\necho "  --source PATH --fast"\n' >build/kubenft
finds options "an option that the manual page lacks" '--fast is missing'
printf '#!/bin/sh\necho "  run   start"\n' >build/kubenft
finds options "an option that only the manual page has" 'does not know --source'
printf '#!/bin/sh\necho "  run   start"\necho "  halt  stop"\necho "  --source PATH"\n' >build/kubenft
finds options "a subcommand that the manual page lacks" 'subcommand halt'
printf '#!/bin/sh\necho "  run   start"\necho "without effect:"\necho "  --source PATH"\n' >build/kubenft
finds options "an option whose effect the manual page tells otherwise" 'whether --source has an effect'
rm build/kubenft
finds options "no binary" 'not built'
echo '.Xyz' >>cmd/kubenft.8
finds man "an unknown macro" '^cmd/kubenft.8:13: '
echo "1..$number"
