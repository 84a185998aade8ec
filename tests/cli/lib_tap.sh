# lib_tap.sh - what the scripts of this folder share; read by each at its
# beginning (". "${0%/*}/lib_tap.sh""). Goes to the top of the tree, makes $tmp,
# and prints TAP.
#
# shellcheck shell=sh disable=SC2034 # its variables are used by the scripts
set -u

cd "$(dirname "$0")/../.." || exit 70
build=${SAMPUL_BUILD:-build}
ctl=$build/sampulctl
pki=tests/pki/make-pki
budi=budi@dinkes.pekalongankab.go.id
siti=siti@dinkes.pekalongankab.go.id
input=/dev/null		# what "expect" gives to read
n=0 bad=0

# A script that starts a server puts its number here.
server=
leave()
{
	[ -z "$server" ] || kill "$server" 2>/dev/null
	rm -rf "$tmp"
}
tmp=$(mktemp -d) || exit 73
trap leave EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# For a configuration: as root with users of their own, for check objects to
# staying root.
users='user = ""; key_user = "";' spooler=$(id -un) keeper=$(id -un)
if [ "$(id -u)" -eq 0 ]; then
	users='user = "daemon"; key_user = "bin";' spooler=daemon keeper=bin
	chmod 755 "$tmp"
fi

# ok NAME, not_ok NAME: one line of TAP; with what was said on failure.
ok()
{
	n=$((n + 1))
	echo "ok $n - $1"
}
not_ok()
{
	n=$((n + 1)) bad=1
	echo "not ok $n - $1"
	sed 's/^/# /' "$tmp/out" "$tmp/err" 2>/dev/null
}

# result STATUS NAME
result()
{
	if [ "$1" -eq 0 ]; then
		ok "$2"
	else
		not_ok "$2"
	fi
}

# expect STATUS NAME COMMAND...: what it prints goes to $tmp/out and $tmp/err.
expect()
{
	want=$1 name=$2
	shift 2
	"$@" >"$tmp/out" 2>"$tmp/err" <"$input"
	got=$?
	[ "$got" -eq "$want" ] || echo "exit $got, wanted $want" >>"$tmp/err"
	[ "$got" -eq "$want" ]
	result $? "$name"
}

# expect_ctl STATUS NAME ARGUMENT...: likewise of sampulctl, with $tmp's
# configuration.
expect_ctl()
{
	status=$1 name=$2
	shift 2
	expect "$status" "$name" "$ctl" -c "$tmp/sampul.conf" "$@"
}

# says NAME PATTERN [FILE]: an extended regular expression in the last output.
says()
{
	grep -Eq -- "$2" "$tmp/${3:-out}"
	result $? "$1"
}

# silent NAME PATTERN [FILE]: no line of it.
silent()
{
	! grep -Eq -- "$2" "$tmp/${3:-out}"
	result $? "$1"
}

# json NAME EXPRESSION: true of the last output, a document d.
json()
{
	/usr/bin/python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
assert eval("(" + sys.argv[2] + ")", {"d": d}), d' "$tmp/out" "$2" \
	    2>>"$tmp/err"
	result $? "$1"
}

# without PROGRAM NAME: true, with a skipped line, when the program is missing.
without()
{
	command -v "$1" >/dev/null && return 1
	ok "$2 # SKIP $1 is not installed"
}

# await COMMAND...: until it succeeds, for half a minute.
await()
{
	tries=300
	until "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.1
	done
}

# finish: the plan, and how it went; the script's last line.
finish()
{
	echo "1..$n"
	exit "$bad"
}
