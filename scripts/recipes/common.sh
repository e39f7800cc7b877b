# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What the recipes share; to be sourced.  They are explained in
# znodefs-recipes(7).

set -u
export LC_ALL=C		# names are compared byte by byte

# All of them want two arguments; else their heads say which.
if [ $# -lt 2 ]; then
	sed -n '/^#\t/{s//usage: /p;q}' "$0" >&2
	exit 2
fi

# where DIR
#
# $mnt becomes the mount that DIR is in, and $dir the path of DIR in it.
where() {
	dir=$(realpath -e -- "$1") && mnt=$(stat -c %m -- "$dir") || exit
	dir=${dir#"$mnt"/}
}

# hold MAKE [ARG...]
#
# Make an ephemeral znode by the function MAKE, which leaves its path in $path.
# It belongs to the session, that is to the mount, and would outlive this
# process; so another process makes it, and removes it when descriptor 5 is
# closed by all who have it: this shell, and what it starts, however they end.
# $held is the path; fails if MAKE does.
hold() {
	exec 4<> <(:) 5> >(keep "$@" >&4)
	keeper=$!
	read -r held <&4
	exec 4>&-
	[ "$held" ] || release
	[ "$held" ]
}

keep() {
	trap '' HUP INT TERM
	"$@" || path=
	echo "$path"
	exec >/dev/null 2>&1 4>&- 6<&-
	[ -z "$path" ] || { cat && is_mine && rm -f -- "$mnt/.ephemeral/$path"; }
}

# Listed in .ephemeral is what this session has made and still has: after an
# expiry, the name may be somebody else's.
is_mine() {
	local entry

	for entry in "$mnt/.ephemeral/${path%/*}"/*; do
		[ "${entry##*/}" != "${path##*/}" ] || return 0
	done
	return 1
}

# Give up what is held, and wait until it is gone.
release() {
	exec 5>&-
	wait "$keeper"
}

# enlist PREFIX WORDS: an ephemeral sequential znode
enlist() {
	exec 3<>"$mnt/.ephemeral-sequential/$1" && echo "$2" >&3 &&
		read -r path <&3 && exec 3>&-
}

# claim PATH: an ephemeral znode, if there is none; of many, one succeeds
claim() {
	path=$1
	set -C
	: >"$mnt/.ephemeral/$1"
} 2>/dev/null

# watch EVENTS PATH...
#
# When this returns, the watch is there, or cannot be.  Whoever looks now and
# then waits with changed() misses nothing.  With $recursive not empty, what is
# below is watched too.
watch() {
	local line

	exec 6< <(exec setpriv --pdeathsig TERM \
		inotifywait -m ${recursive:+-r} -e "$1" -- "${@:2}" 2>&1 5>&-)
	watcher=$!
	while read -r line <&6 && [ "$line" != "Watches established." ]; do
		:
	done
}

# Wait for an event, take all there are, and look again.  Now and then also
# without one: a mount whose daemon has died says nothing.
changed() {
	read -r -t 5 _ <&6
	[ $? -ne 1 ] || sleep 1		# no watch any more
	while read -r -t 0 _ <&6 && read -r _ <&6; do
		:
	done
}

unwatch() {
	kill "$watcher" 2>/dev/null
	exec 6<&-
}
