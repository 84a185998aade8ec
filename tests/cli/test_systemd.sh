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

# What the unit leaves to root: two capabilities. Files of others are then
# closed to it, so that what INSTALL has made must be enough.
as_the_unit()
{
	exec setpriv --bounding-set=-all,+setuid,+setgid --inh-caps=-all \
	    --groups="$(id -g bin),$(id -g daemon)" --no-new-privs "$@"
}

# start: until it serves, or has ended; what it said is in $tmp/err
start()
{
	: >"$tmp/err"	# before the shell in the background does it
	as_the_unit "$build/sampul-milter" -F -c "$tmp/sampul.conf" \
	    >"$tmp/out" 2>"$tmp/err" </dev/null &
	server=$!
	tries=0
	until grep -q 'serving milter.socket' "$tmp/err"; do
		kill -0 "$server" 2>/dev/null || { server=; return 1; }
		tries=$((tries + 1))
		[ $tries -lt 300 ] || return 1
		sleep 0.1
	done
}

stop()
{
	[ -z "$server" ] || { kill "$server"; wait "$server" 2>/dev/null; }
	server=
}

place()
{
	rm -rf "$tmp/chroot"
	sh -c "$(sed -n 's,^ *\(install -d .*\) /var/spool/postfix/sampul$,\1,p' \
	    INSTALL | sed 's/-g sampul/-g daemon/') '$tmp/chroot'"
}

if [ "$(id -u)" -ne 0 ]; then
	n=$((n + 1))
	echo "ok $n - with the unit's capabilities # SKIP not root"
elif ! without setpriv "with the unit's capabilities"; then
	chmod 755 "$tmp"
	$pki "$tmp/pki" || exit 70
	cat >"$tmp/sampul.conf" <<-END
	domains = [ ".pekalongankab.go.id" ];
	user = "daemon"; key_user = "bin"; socket_group = "daemon";
	milter = { socket = "unix:$tmp/chroot/milter.sock"; };
	spool = { dir = "$tmp/spool"; };
	keystore = { dir = "$tmp/keystore"; anchors_dir = "$tmp/anchors";
	  intermediates_dir = "$tmp/intermediates";
	  passphrase_file = "$tmp/passphrase"; };
	audit = { file = "$tmp/log/audit.log"; };
	verify = { crl_dir = "$tmp/lib/crl"; };
	encryption = { partners_dir = "$tmp/partners"; };
	END
	"$ctl" -c "$tmp/sampul.conf" init >"$tmp/out" 2>&1
	cp "$tmp/pki/root.pem" "$tmp/anchors/"

	place
	start
	result $? "the socket of a chrooted smtpd, as INSTALL makes its place"
	! grep 'cannot be reached' "$tmp/err" >"$tmp/out"
	result $? "no directory is out of reach after \"sampulctl init\""
	stop
	chown daemon "$tmp/chroot"
	! start
	result $? "a place that is not root's is refused"
	grep -q "not its own: chown root $tmp/chroot\$" "$tmp/err"
	result $? "with the remedy"
	stop
	place
	chown bin "$tmp/passphrase"
	start
	result $? "a passphrase file of key_user's is read"
	stop
	chown sys "$tmp/passphrase"
	! start
	result $? "that of somebody else is not"
	grep -q "passphrase: Permission denied" "$tmp/err"
	result $? "with the reason"
	stop
fi

name="Debian's Postfix is named, which waits for Sampul"
grep '^Before=' $units/sampul.service $units/sampul-single.service \
    >"$tmp/out"
[ "$(grep -c 'postfix@-\.service' "$tmp/out")" -eq 2 ]
result $? "$name"

name="the AppArmor profile is understood"
if ! without apparmor_parser "$name"; then
	apparmor_parser -Q -K -T contrib/apparmor/usr.sbin.sampul-milter \
	    >"$tmp/out" 2>&1
	result $? "$name"
fi

finish
