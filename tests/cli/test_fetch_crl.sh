#!/bin/sh
#
# test_fetch_crl.sh - contrib/crl/sampul-fetch-crl against an https server of
# our own: what may replace a revocation list, and what may not.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
fetch=$root/contrib/crl/sampul-fetch-crl
command -v curl >/dev/null || { echo "1..0 # SKIP needs curl"; exit 0; }

work=$(mktemp -d "${TMPDIR:-/tmp}/sampul-fetch.XXXXXX") || exit 70
server=
finish()
{
	[ -z "$server" ] || kill "$server"
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

n=0 bad=0
ok()
{
	n=$((n + 1))
	echo "ok $n - $1"
}
not_ok()
{
	n=$((n + 1)) bad=$((bad + 1))
	echo "not ok $n - $1"
	sed 's/^/# /' "$work/out"
}

# ------------------------------------------------------------- authorities

"$root/tests/pki/make-pki" "$work/pki" || exit 70
"$root/tests/pki/make-pki" "$work/pki" mailbox budi@dinkes.pekalongankab.go.id \
    p256 "$work/budi" || exit 70
mkdir "$work/ca" "$work/crl" "$work/www"
# the twin has the root's name and another key; it must not be in the way
cp "$work/pki/root-twin.pem" "$work/ca/a.pem"
cp "$work/pki/root.pem" "$work/ca/b.pem"
openssl x509 -in "$work/pki/issuing.pem" -outform DER -out "$work/ca/c.crt"

# crl NAME START END NUMBER [CA]: a list of the issuing CA for that time
crl()
{
	ca=${5:-issuing}
	: >"$work/index.txt"
	echo "$4" >"$work/crlnumber"
	cat >"$work/cnf" <<-END
		[ca]
		default_ca = here
		[here]
		database = $work/index.txt
		default_md = sha256
		crl_extensions = crl
		crlnumber = $work/crlnumber
		[crl]
		authorityKeyIdentifier = keyid
	END
	openssl ca -config "$work/cnf" -gencrl -cert "$work/pki/$ca.pem" \
	    -keyfile "$work/pki/$ca.key" -crl_lastupdate "$2" \
	    -crl_nextupdate "$3" -out "$work/www/$1" 2>"$work/out" || exit 70
}
day()
{
	date -u -d "$1 days" +%Y%m%d%H%M%SZ
}
crl first "$(day -3)" "$(day 5)" 0A
crl second "$(day -2)" "$(day 6)" 0B
crl ended "$(day -9)" "$(day -1)" 0C
crl future "$(day 2)" "$(day 8)" 0D
crl otherca "$(day -2)" "$(day 8)" 0E other-root
crl root "$(day -2)" "$(day 8)" 0F root
openssl crl -in "$work/www/second" -outform DER -out "$work/www/der"
# one octet of the signature changed
openssl crl -in "$work/www/second" -outform DER -out "$work/www/forged"
size=$(wc -c <"$work/www/forged")
printf '\377' | dd of="$work/www/forged" bs=1 seek=$((size - 9)) conv=notrunc \
    2>/dev/null
echo '<html>maintenance</html>' >"$work/www/html"
: >"$work/www/empty"
head -c 300000 /dev/zero >"$work/www/large"

# ------------------------------------------------------------------ server

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -keyout "$work/tls.key" -out "$work/tls.pem" -days 2 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    2>/dev/null || exit 70
cat >"$work/server.py" <<'END'
import functools, http.server, ssl, sys
base, port_file = sys.argv[1:]
class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/plain":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:1/x")
            self.end_headers()
        else:
            super().do_GET()
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(
    ("127.0.0.1", 0), functools.partial(Handler, directory=base + "/www"))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(base + "/tls.pem", base + "/tls.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
with open(port_file + ".new", "w") as file:
    print(server.server_address[1], file=file)
import os; os.rename(port_file + ".new", port_file)
server.serve_forever()
END
/usr/bin/python3 "$work/server.py" "$work" "$work/port" 2>/dev/null &
server=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	[ -s "$work/port" ] && break
	sleep 0.25
done
port=$(cat "$work/port") || exit 70
export CURL_CA_BUNDLE="$work/tls.pem" FETCH_MAX=200000 FETCH_TIME=10

# get LINE...: one run with these lines; the status
get()
{
	printf '%s\n' "$@" >"$work/urls"
	"$fetch" -c "$work/urls" -d "$work/crl" -a "$work/ca" \
	    >"$work/out" 2>&1
}

is()
{
	cmp -s "$work/www/$1" "$work/crl/penerbit.crl"
}

base=https://localhost:$port

# ------------------------------------------------------------------- tests

if get '# comment' '' "penerbit $base/first # and one here" && is first; then
	ok "the first list"
else
	not_ok "the first list"
fi
if get "penerbit $base/second" && is second; then
	ok "a newer one replaces it"
else
	not_ok "a newer one replaces it"
fi
if get "penerbit $base/der" && is second; then
	ok "DER is kept as PEM, and the same list again is fine"
else
	not_ok "DER is kept as PEM, and the same list again is fine"
fi

# file, what is said, and what it is
while read -r file said what; do
	if get "penerbit $base/$file"; then
		not_ok "CRT-03 $what: taken"
	elif ! is second; then
		not_ok "CRT-03 $what: the old one is gone"
	elif ! grep -q "$(echo "$said" | tr _ ' ')" "$work/out"; then
		not_ok "CRT-03 $what: says something else"
	else
		ok "CRT-03 $what"
	fi
done <<'END'
first is_older an older one
ended ended_at one that has ended
future from_the_future one from the future
forged signed_by_none a signature that is wrong
otherca signed_by_none another authority
root another_authority's another list under the same name
html no_revocation_list a page instead
empty no_revocation_list nothing
large penerbit over the size cap
missing 404 404
plain penerbit a redirection to http
END

if get "penerbit http://localhost:$port/second"; then
	not_ok "http is refused"
else
	ok "http is refused"
fi
if get "../penerbit $base/second" || [ -e "$work/penerbit.crl" ]; then
	not_ok "a name cannot leave the directory"
else
	ok "a name cannot leave the directory"
fi
get "penerbit $base/html" "root $base/root"
if [ $? -eq 1 ] && cmp -s "$work/www/root" "$work/crl/root.crl"; then
	ok "one that fails does not keep another back"
else
	not_ok "one that fails does not keep another back"
fi
if [ -z "$(find "$work/crl" -name '.fetch*')" ]; then
	ok "nothing is left behind"
else
	not_ok "nothing is left behind"
fi
if grep -q 'penerbit' "$work/out" && [ "$(stat -c %a \
    "$work/crl/root.crl")" = 644 ]; then
	ok "lists can be read by Sampul"
else
	not_ok "lists can be read by Sampul"
fi
echo "1..$n"
[ "$bad" -eq 0 ]
