#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Who may include what. The picture that these rules hold is in README.md.
. "$(dirname "$0")/lib.sh"

pure='assert|ctype|endian|errno|inttypes|limits|math|stdalign|stdarg|stdbool|stddef|stdint|stdio'
pure+='|stdlib|string|strings|arpa/inet|netinet/in|sys/types|sys/uio|sanitizer/asan_interface'
files='dirent|fcntl|poll|unistd|sys/inotify|sys/mman|sys/socket|sys/stat|sys/vfs'
sockets='fcntl|poll|time|unistd|sys/socket'
netlink='libmnl/[a-z_]+|libnftnl/[a-z_]+|linux/netfilter|linux/netfilter/[a-z0-9_/]+'
netlink+='|linux/netfilter_ipv[46]|linux/in|linux/in6|linux/netlink|linux/rtnetlink'

# allowed FILE: sets $ours to what it may include in quotes, $theirs to what in angle brackets.
# Names without a directory are private headers beside the file.
allowed() {
	case $1 in
	include/base/* | proxy/base/mem.c) ours='base/[a-z0-9_]+' theirs="$pure|unistd" ;;
	proxy/base/*) ours='base/[a-z0-9_]+|[a-z0-9_]+' theirs="$pure|sys/socket" ;;
	include/lb.h) ours='base/[a-z0-9_]+' theirs=$pure ;;
	include/proxy/*) ours='base/[a-z0-9_]+|lb|proxy/[a-z0-9_]+' theirs=$pure ;;
	proxy/*) ours='base/[a-z0-9_]+|lb|proxy/[a-z0-9_]+|[a-z0-9_]+' theirs="$pure|uthash" ;;
	include/watch/*) ours='base/[a-z0-9_]+|proxy/object|watch/[a-z0-9_]+' theirs="$pure|cjson/cJSON" ;;
	watch/file*)
		ours='base/[a-z0-9_]+|proxy/object|watch/[a-z0-9_]+|[a-z0-9_]+'
		theirs="$pure|$files|cjson/cJSON"
		;;
	watch/http*)
		ours='base/[a-z0-9_]+|watch/(http|kubeconfig)[a-z0-9_]*'
		theirs="$pure|fcntl|time|unistd|sys/socket|sys/stat|netinet/tcp|curl/curl|ev"
		;;
	watch/recorder*) # <time.h> for a time as text
		ours='base/[a-z0-9_]+|watch/[a-z0-9_]+|[a-z0-9_]+'
		theirs="$pure|time|cjson/cJSON"
		;;
	watch/*)
		ours='base/[a-z0-9_]+|proxy/object|watch/[a-z0-9_]+|[a-z0-9_]+'
		theirs="$pure|cjson/cJSON|yaml"
		;;
	nft/sock.c | nft/conntrack.c)
		ours='base/[a-z0-9_]+|lb|nft/[a-z0-9_]+|[a-z0-9_]+'
		theirs="$pure|$netlink|$sockets|libnetfilter_conntrack/[a-z_]+"
		;;
	nft/counters.c)
		ours='base/[a-z0-9_]+|nft/[a-z0-9_]+|[a-z0-9_]+'
		theirs="$pure|$netlink|$sockets"
		;;
	nft/monitor.c)
		ours='base/[a-z0-9_]+|nft/[a-z0-9_]+'
		theirs="$pure|$netlink|$sockets|linux/filter"
		;;
	nft/relay.c) # the only thread there is
		ours='base/[a-z0-9_]+|[a-z0-9_]+'
		theirs="$pure|$netlink|$sockets|pthread|signal"
		;;
	include/nft/* | nft/*)
		ours='base/[a-z0-9_]+|lb|nft/[a-z0-9_]+|[a-z0-9_]+'
		theirs="$pure|$netlink"
		;;
	cmd/* | test/*) ours='.*' theirs='.*' ;;
	*) return 1 ;;
	esac
}

check_file() {
	local line text name
	if ! allowed "$1"; then
		report "$1" 1 "belongs to no module; see test/lint/layers.sh"
		return
	fi
	while IFS=: read -r line text; do
		[[ $text =~ [\"\<]([^\"\>]+)\.h[\"\>] ]] || continue
		name=${BASH_REMATCH[1]}
		if [[ $text == *'<'* ]]; then
			[[ $name =~ ^($theirs)$ ]] || report "$1" "$line" "may not include <$name.h>"
		else
			[[ $name =~ ^($ours)$ ]] || report "$1" "$line" "may not include \"$name.h\""
		fi
	done < <(grep -nE '^#[[:space:]]*include' "$1")
}

while read -r file; do
	check_file "$file"
done < <(find . \( -name .git -o -name build \) -prune -o -name '*.[ch]' -print | sed 's,^\./,,' | sort)

# nft/ is about addresses and slots; what they mean to Kubernetes is not its business.
mapfile -t nft < <(c_files nft include/nft)
if [ ${#nft[@]} -gt 0 ]; then
	report_each "a word of Kubernetes in nft/" \
		< <(grep -nHE '\b(Pod|EndpointSlice|Kubernetes)\b' "${nft[@]}")
fi
exit $LINT_STATUS
