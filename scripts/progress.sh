# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# To be sourced by scripts that do what takes minutes.

PROGRESS_SECONDS=10

# with_progress FILE COMMAND [ARG...]
#
# Run COMMAND with all of its output in FILE; while that lasts, the end of FILE
# is shown on stderr every now and then.  The status is the command's.
with_progress() {
	local log=$1 teller status=0

	shift
	: >"$log"
	tell_progress "$log" &
	teller=$!
	"$@" >"$log" 2>&1 </dev/null || status=$?
	kill "$teller" 2>/dev/null || true
	wait "$teller" 2>/dev/null || true
	return "$status"
}

# It is the read that waits, from a pipe that stays empty: a sleep(1) would
# outlive us.  It ends with the script, if that is killed.
tell_progress() {
	local line

	exec 9<> <(:)
	until read -r -t "$PROGRESS_SECONDS" -u 9 || ! kill -0 $$ 2>/dev/null; do
		line=$(tail -n 1 "$1")
		[ -z "$line" ] || printf '    %.70s\n' "$line"
	done >&2
}
