#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Install what is missing of the named groups of Debian packages.
#
#   test/deps.sh GROUP...     groups: build test demo demo-api image cover
#
# A machine that has everything needs neither network nor privilege.
set -eu

packages() {
	case $1 in
	build)
		echo gcc make pkg-config libc6-dev libnftnl-dev libmnl-dev libcjson-dev libev-dev \
			libnetfilter-conntrack-dev libyaml-dev libcurl4-openssl-dev libmicrohttpd-dev \
			libseccomp-dev uthash-dev
		;;
	test)
		# Formatter, linter and sanitizers agree with us only in the version that we name.
		echo libcmocka-dev nftables iproute2 python3 git clang-14 clang-format-14 clang-tidy-14 \
			libclang-rt-14-dev cppcheck shellcheck mandoc conntrack procps util-linux netbase \
			openssl curl nghttp2-proxy runc iptables ipset prometheus
		# Debian's cannot be installed beside a kubectl from elsewhere, which is as good.
		command -v kubectl >/dev/null || echo kubernetes-client
		;;
	# netbase: without /etc/protocols nft prints 6 where others print tcp.
	demo) echo iproute2 nftables netbase python3 ;;
	demo-api)
		echo openssl
		# Debian's cannot be installed beside a kubectl from elsewhere, which is as good.
		command -v kubectl >/dev/null || echo kubernetes-client
		;;
	image) echo umoci binutils ca-certificates ;;
	cover) echo gcovr ;;
	*)
		echo "deps.sh: no group '$1'; there are build, test, demo, demo-api, image and cover" >&2
		return 2
		;;
	esac
}

missing() {
	local name
	for name in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] ||
			echo "$name"
	done
}

if [ $# -eq 0 ]; then
	echo "usage: test/deps.sh GROUP...  (build test demo demo-api image cover)" >&2
	exit 2
fi
if ! command -v dpkg-query >/dev/null; then
	echo "deps.sh: this is not Debian; install by hand what 'packages' in $0 lists" >&2
	exit 1
fi

wanted=()
for group in "$@"; do
	list=$(packages "$group")
	read -rd '' -a words <<<"$list" || true
	wanted+=("${words[@]}")
done
mapfile -t todo < <(missing "${wanted[@]}" | sort -u)
[ ${#todo[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
	echo "deps.sh: not root, so I cannot install: ${todo[*]}" >&2
	echo "deps.sh: run as root: apt-get install ${todo[*]}" >&2
	exit 1
fi
echo "  APT     ${todo[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q install -y --no-install-recommends "${todo[@]}"
