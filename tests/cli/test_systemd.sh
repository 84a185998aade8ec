#!/bin/sh
# test_systemd.sh - what contrib gives systemd and AppArmor to hold: units with
# a ceiling on their exposure, users, directories, a profile. Prints TAP.
. "${0%/*}/lib_tap.sh"
units=contrib/systemd

# exposed UNIT CEILING: tenths of a point, of 100.
exposed()
{
	name="$1: exposure at most $2 of 100"
	without systemd-analyze "$name" && return
	systemd-analyze security --no-pager --offline=true \
	    --threshold="$2" "$units/$1" >"$tmp/out" 2>&1
	status=$?
	figure=$(sed -n 's/.*exposure level for.*: \([0-9.]*\).*/\1/p' \
	    "$tmp/out")
	[ -n "$figure" ]
	result $((status + $?)) "$name (${figure:-none} of 10)"
}

exposed sampul.service 15
exposed sampul-single.service 5

name="sampul.service has no capability but SETUID and SETGID"
grep '^CapabilityBoundingSet=' $units/sampul.service >"$tmp/out"
[ "$(cat "$tmp/out")" = "CapabilityBoundingSet=CAP_SETUID CAP_SETGID" ]
result $? "$name"

for unit in sampul sampul-single; do
	name="$unit.service is understood"
	without systemd-analyze "$name" && continue
	# the program is installed elsewhere, or not at all
	sed 's,^ExecStart=/usr/sbin/sampul-milter,ExecStart=/bin/true,' \
	    "$units/$unit.service" >"$tmp/$unit.service"
	systemd-analyze verify --man=no --recursive-errors=no \
	    "$tmp/$unit.service" >"$tmp/out" 2>&1
	status=$?
	# of other units it may complain
	! grep "$unit.service" "$tmp/out" >"$tmp/own"
	result $((status + $?)) "$name"
done

name="the users of the unit are made"
if ! without systemd-sysusers "$name"; then
	mkdir -p "$tmp/root/etc"
	: >"$tmp/root/etc/passwd"
	: >"$tmp/root/etc/group"
	systemd-sysusers --root="$tmp/root" "$PWD/$units/sampul.sysusers" \
	    >"$tmp/out" 2>&1
	grep -q '^sampul:' "$tmp/root/etc/passwd" &&
	    grep -q '^sampul-key:' "$tmp/root/etc/passwd"
	result $? "$name"
fi

name="the directories of the unit are made"
if [ "$(id -u)" -ne 0 ]; then
	n=$((n + 1))
	echo "ok $n - $name # SKIP takes root, to give them away"
elif ! without systemd-tmpfiles "$name"; then
	systemd-tmpfiles --root="$tmp/root" --create \
	    "$PWD/$units/sampul.tmpfiles" >"$tmp/out" 2>&1
	key=$(sed -n 's/^sampul-key:[^:]*:\([0-9]*\).*/\1/p' \
	    "$tmp/root/etc/passwd")
	stat -c '%a %u' "$tmp/root/etc/sampul/keystore" \
	    "$tmp/root/var/log/sampul" >>"$tmp/out" 2>&1
	[ "$(stat -c '%a %u' "$tmp/root/etc/sampul/keystore" \
	    "$tmp/root/var/log/sampul" | tr '\n' ' ')" = \
	    "700 $key 750 $key " ]
	result $? "$name"
fi

name="the AppArmor profile is understood"
if ! without apparmor_parser "$name"; then
	apparmor_parser -Q -K -T contrib/apparmor/usr.sbin.sampul-milter \
	    >"$tmp/out" 2>&1
	result $? "$name"
fi

finish
