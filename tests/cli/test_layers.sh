#!/bin/sh
# test_layers.sh - what DESIGN promises of the layers, asked of the sources and
# of the built files, and what "make install" puts where. Prints TAP.
. "${0%/*}/lib_tap.sh"

# nothing NAME COMMAND...: the command, a search, must find nothing.
nothing()
{
	name=$1
	shift
	"$@" >"$tmp/out" 2>&1
	[ $? -eq 1 ] && [ ! -s "$tmp/out" ]
	result $? "$name"
}

# only NAME PATTERN FILE...: the pattern occurs in the programs' sources, but
# in no other file than those.
only()
{
	name=$1 pattern=$2
	shift 2
	grep -rlE --include='*.[ch]' "$pattern" milter smime >"$tmp/found"
	for file; do
		grep -v "^$file\$" "$tmp/found" >"$tmp/left"
		mv "$tmp/left" "$tmp/found"
	done
	cp "$tmp/found" "$tmp/out"
	grep -rqE --include='*.[ch]' "$pattern" milter && [ ! -s "$tmp/found" ]
	result $? "$name"
}

nothing "milter/ includes smime.h alone of the library" grep -rnP \
    '#include "(\.\./)+smime/(?!smime\.h")' milter
nothing "what smime.h includes needs no header of the library's own" grep -nP \
    '#include "(?!smime_)' -r smime --include=smime*.h
nothing "smime/ includes no milter, libconfig or syslog" grep -nE \
    '#include *[<"](libmilter|libconfig|syslog|\.\./milter|milter)' -r smime
nothing "no PKCS7_ or SMIME_ function is called" grep -nE \
    '\b(PKCS7_[a-z]\w*|SMIME_(read|write|text|crlf)_?\w*)\(' -r smime milter

cat >"$tmp/main.c" <<'C'
int main(void) { return 0; }
C
# With its objects whole: what the library needs, this program needs.
sanitize=
case $build in
*build-*)	sanitize=-fsanitize=$(basename "$build" | sed 's/^build-//; s/-/,/g') ;;
esac
# shellcheck disable=SC2086 # one word or none
${CC:-cc} $sanitize -o "$tmp/program" "$tmp/main.c" -Wl,--whole-archive \
    "$build/libsmime.a" -Wl,--no-whole-archive -lcrypto >"$tmp/out" 2>&1
result $? "the library links with libcrypto alone"

only "only conf*.c knows libconfig" '#include <libconfig.h>' \
    milter/confread.h milter/confsource.c milter/confvalue.c milter/conf.c \
    milter/confprint.c milter/conftable.c milter/conforigins.c \
    milter/confrules.c milter/confincoming.c
only "only edit.c edits and replies" \
    'smfi_(addheader|chgheader|insheader|replacebody|setreply|setmlreply|addrcpt|delrcpt|chgfrom|quarantine)\(' \
    milter/edit.c
only "only sandbox.c gives up rights for good" \
    '\b(setresuid|setresgid|mlockall)\(' milter/sandbox.c
only "only sandbox_calls.c knows libseccomp" '#include <seccomp.h>' \
    milter/sandbox_calls.c
only "only sandbox_files.c knows Landlock" '\bsyscall\(NR_' \
    milter/sandbox_files.c
only "only submit_smtp.c knows libcurl" '#include <curl/curl.h>' \
    milter/submit_smtp.c
nothing "no message is thrown away (MTA-55)" grep -nw SMFIS_DISCARD \
    -r smime milter
nothing "no function that cannot be used safely" grep -nwE \
    '(strcpy|strcat|sprintf|gets|system|popen|alloca|tmpnam|mktemp)\(' \
    -r smime milter

# needed FILE: the libraries it asks for, without versions and sanitizers.
needed()
{
	readelf -d "$1" | sed -n 's/.*NEEDED.*\[\(lib[a-z]*\).*/\1/p' |
	    grep -vE '^lib(asan|ubsan|tsan|lsan)$' | sort | tr '\n' ' '
}

for pair in "sampul-milter libc libconfig libcrypto libmilter " \
    "sampulctl libc libconfig libcrypto "; do
	program=${pair%% *}
	needed "$build/$program" >"$tmp/out"
	# the one that a build may do without
	[ "$(sed 's/libseccomp //' "$tmp/out")" = "${pair#* }" ]
	result $? "$program needs no other library"
done

install()
{
	make -s install DESTDIR="$tmp/root" PREFIX=/usr SYSCONFDIR=/etc \
	    B="$build" >"$tmp/out" 2>&1
}

install
result $? "make install"
conf=$tmp/root/etc/sampul/sampul.conf
for file in usr/sbin/sampul-milter usr/sbin/sampulctl \
    usr/share/man/man8/sampul-milter.8 usr/share/man/man8/sampulctl.8 \
    usr/share/man/man5/sampul.conf.5 usr/share/man/man5/sampul-keystore.5 \
    usr/share/man/man5/sampul-verified-sender.5 \
    usr/share/man/man7/sampul-custody.7 usr/share/doc/sampul/INSTALL etc/sampul/sampul.conf; do
	[ -s "$tmp/root/$file" ]
	result $? "installs $file"
done
"$tmp/root/usr/sbin/sampul-milter" -nn -c "$conf" >"$tmp/out" 2>&1
grep -q '^mode = "observe"' "$tmp/out"
result $? "the configuration as installed changes no mail"
echo '# mine' >>"$conf"
install && grep -q '^# mine$' "$conf"
result $? "installing again keeps the administrator's configuration"
make -s uninstall DESTDIR="$tmp/root" PREFIX=/usr SYSCONFDIR=/etc \
    >"$tmp/out" 2>&1
find "$tmp/root" -type f >"$tmp/out"
[ "$(cat "$tmp/out")" = "$conf" ]
result $? "make uninstall leaves the configuration, and nothing else"

finish
