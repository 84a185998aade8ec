#!/bin/sh
# test_deb.sh - the Debian package is built, and holds what an installation by
# hand would have. Prints TAP.
. "${0%/*}/lib_tap.sh"

name="the package is built"
if without dh_apparmor "$name"; then
	finish
fi
# the compiler's best is not what is asked for here
DEB_BUILD_OPTIONS="noopt nostrip" contrib/debian/build >"$tmp/out" 2>&1
result $? "$name"
package=$(sed -n 's,^\(build/deb/sampul_.*\.deb\)$,\1,p' "$tmp/out")

name="its version is that of NEWS"
version=$(sed -n '4s/^\([0-9.]*\).*/\1/p' NEWS)
case $(dpkg-deb -f "$package" Version) in
"$version"|"$version~git"*)	result 0 "$name" ;;
*)				result 1 "$name" ;;
esac

dpkg-deb -x "$package" "$tmp/root"
dpkg-deb -e "$package" "$tmp/control"
while read -r mode path; do
	name="$path has mode $mode"
	[ "$(stat -c %a "$tmp/root/$path" 2>"$tmp/out")" = "$mode" ]
	result $? "$name"
done <<'END'
755 usr/sbin/sampul-milter
755 usr/sbin/sampulctl
755 usr/libexec/sampul/sampul-fetch-crl
644 etc/sampul/sampul.conf
644 etc/apparmor.d/usr.sbin.sampul-milter
644 lib/systemd/system/sampul.service
644 lib/systemd/system/sampul-crl.service
644 lib/systemd/system/sampul-crl.timer
644 usr/lib/sysusers.d/sampul.conf
644 usr/lib/tmpfiles.d/sampul.conf
644 usr/share/man/man5/sampul.conf.5.gz
644 usr/share/man/man8/sampul-milter.8.gz
644 usr/share/doc/sampul/README.Debian
644 usr/share/doc/sampul/contrib/crl/crl.urls.example
END

name="nothing in it is setuid or can be written by everybody"
find "$tmp/root" ! -type l -perm /6002 >"$tmp/out"
[ ! -s "$tmp/out" ]
result $? "$name"

name="what units start is in it"
sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$tmp/root"/lib/systemd/system/*.service \
    >"$tmp/started"
while read -r program; do
	test -x "$tmp/root$program" || echo "$program"
done <"$tmp/started" >"$tmp/out"
[ -s "$tmp/started" ] && [ ! -s "$tmp/out" ]
result $? "$name"

name="settings are kept over an upgrade"
sort "$tmp/control/conffiles" >"$tmp/out"
printf '%s\n' /etc/apparmor.d/usr.sbin.sampul-milter /etc/sampul/sampul.conf |
    cmp - "$tmp/out" >"$tmp/diff"
result $? "$name"

name="users are made before the directories that belong to them"
grep -n -e systemd-sysusers -e systemd-tmpfiles "$tmp/control/postinst" |
    sed -n 's/.*\(sysusers\|tmpfiles\) .*/\1/p' | uniq | tr '\n' ' ' >"$tmp/out"
[ "$(cat "$tmp/out")" = "sysusers tmpfiles " ]
result $? "$name"

name="its scripts are understood, and nothing of debhelper's is missing"
for script in postinst prerm postrm; do
	sh -n "$tmp/control/$script"
	grep -H '#DEBHELPER#' "$tmp/control/$script"
done >"$tmp/out" 2>&1
[ ! -s "$tmp/out" ]
result $? "$name"

name="the program of the package runs"
"$tmp/root/usr/sbin/sampulctl" -h >"$tmp/out" 2>&1
result $? "$name"

finish
