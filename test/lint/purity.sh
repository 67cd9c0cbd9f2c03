#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The pure half computes: its objects need no symbol that talks to the world.
# LINT_BUILD names the tree with the archives.
. "$(dirname "$0")/lib.sh"

build=${LINT_BUILD:-build/release}
# Objects with effects. mem.o speaks once, before it aborts.
effects='mem\.o|file[a-z_]*\.o|http[a-z_]*\.o|sock\.o|monitor\.o|conntrack\.o|relay\.o|counters\.o|ask\.o'

forbidden='socket|socketpair|connect|bind|listen|accept4?|shutdown|[gs]etsockopt|send[a-z]*|recv[a-z]*'
forbidden+='|open(at|dir)?|fopen|fdopen|creat|p?read[v]?|p?write[v]?|close|fcntl|ioctl|mmap|pipe2?'
forbidden+='|f?l?stat(at|x)?|access|unlink|rename|mkdir|readdir|readlink'
forbidden+='|poll|p?select|epoll_[a-z_]+|inotify_[a-z_]+|timerfd_[a-z_]+|eventfd|signal|sigaction|kill'
forbidden+='|time|clock_gettime|gettimeofday|clock|localtime(_r)?|gmtime|ctime|sleep|usleep|nanosleep'
forbidden+='|rand(_r|om)?|srand(om)?|[dlm]rand48|getrandom|getentropy|getpid'
forbidden+='|f?printf|vf?printf|dprintf|f?puts|f?putc|putchar|fwrite|fread|fgets|getline|getc|perror'
forbidden+='|stdin|stdout|stderr|syslog|getenv|secure_getenv|setenv|setlocale|exit|_exit'
forbidden+='|fork|exec[a-z]+|system|popen|pthread_[a-z_]+|getaddrinfo|if_nametoindex'
forbidden+='|ev_[a-z_]+|curl_[a-z_]+|mnl_socket_[a-z_]+|nfct_[a-z_]+'

declare -A dirs=([base]=proxy/base [proxy]=proxy [watch]=watch [nft]=nft)
for lib in base proxy watch nft; do
	archive=$build/lib$lib.a
	if [ ! -f "$archive" ]; then
		report "$archive" 1 "not built"
		continue
	fi
	# `__fprintf_chk@GLIBC_2.3.4` is fprintf, `open64` is open, `__isoc99_sscanf` is sscanf.
	while read -r object symbol; do
		report "${dirs[$lib]}/${object%.o}.c" 1 "not pure: its object needs $symbol"
	done < <(nm -A -u "$archive" | sed -E 's/^[^:]*:([^:]+):[[:space:]]+U[[:space:]]+/\1 /' |
		grep -vE "^($effects) " |
		sed -E 's/ (__isoc99_|_IO_|__)?([A-Za-z_0-9]+)/ \2/; s/@.*//; s/(_chk|_2)$//; s/64$//' |
		grep -E " ($forbidden)$" | sort -u)
done
exit $LINT_STATUS
