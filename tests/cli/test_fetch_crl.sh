#!/bin/sh
# test_fetch_crl.sh - contrib/crl/sampul-fetch-crl against an https server of
# our own: what may replace a revocation list, and what may not. Prints TAP.
. "${0%/*}/lib_tap.sh"
fetch=contrib/crl/sampul-fetch-crl
command -v curl >/dev/null || { echo "1..0 # SKIP needs curl"; exit 0; }

# ------------------------------------------------------------- authorities

"$pki" "$tmp/pki" || exit 70
"$pki" "$tmp/pki" mailbox $budi \
    p256 "$tmp/budi" || exit 70
mkdir "$tmp/ca" "$tmp/crl" "$tmp/www"
# the twin has the root's name and another key; it must not be in the way
cp "$tmp/pki/root-twin.pem" "$tmp/ca/a.pem"
cp "$tmp/pki/root.pem" "$tmp/ca/b.pem"
openssl x509 -in "$tmp/pki/issuing.pem" -outform DER -out "$tmp/ca/c.crt"

# crl NAME START END NUMBER [CA]: a list of the issuing CA for that time
crl()
{
	ca=${5:-issuing}
	: >"$tmp/index.txt"
	echo "$4" >"$tmp/crlnumber"
	cat >"$tmp/cnf" <<-END
		[ca]
		default_ca = here
		[here]
		database = $tmp/index.txt
		default_md = sha256
		crl_extensions = crl
		crlnumber = $tmp/crlnumber
		[crl]
		authorityKeyIdentifier = keyid
	END
	openssl ca -config "$tmp/cnf" -gencrl -cert "$tmp/pki/$ca.pem" \
	    -keyfile "$tmp/pki/$ca.key" -crl_lastupdate "$2" \
	    -crl_nextupdate "$3" -out "$tmp/www/$1" 2>"$tmp/out" || exit 70
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
openssl crl -in "$tmp/www/second" -outform DER -out "$tmp/www/der"
# one octet of the signature changed
openssl crl -in "$tmp/www/second" -outform DER -out "$tmp/www/forged"
size=$(wc -c <"$tmp/www/forged")
printf '\377' | dd of="$tmp/www/forged" bs=1 seek=$((size - 9)) conv=notrunc \
    2>/dev/null
echo '<html>maintenance</html>' >"$tmp/www/html"
: >"$tmp/www/empty"
head -c 300000 /dev/zero >"$tmp/www/large"

# ------------------------------------------------------------------ server

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -keyout "$tmp/tls.key" -out "$tmp/tls.pem" -days 2 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    2>/dev/null || exit 70
cat >"$tmp/server.py" <<'END'
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
/usr/bin/python3 "$tmp/server.py" "$tmp" "$tmp/port" 2>/dev/null &
server=$!
await test -s "$tmp/port"
port=$(cat "$tmp/port") || exit 70
export CURL_CA_BUNDLE="$tmp/tls.pem" FETCH_MAX=200000 FETCH_TIME=10

# get LINE...: one run with these lines; the status
get()
{
	printf '%s\n' "$@" >"$tmp/urls"
	"$fetch" -c "$tmp/urls" -d "$tmp/crl" -a "$tmp/ca" \
	    >"$tmp/out" 2>&1
}

is()
{
	cmp -s "$tmp/www/$1" "$tmp/crl/penerbit.crl"
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
	elif ! grep -q "$(echo "$said" | tr _ ' ')" "$tmp/out"; then
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
if get "../penerbit $base/second" || [ -e "$tmp/penerbit.crl" ]; then
	not_ok "a name cannot leave the directory"
else
	ok "a name cannot leave the directory"
fi
get "penerbit $base/html" "root $base/root"
if [ $? -eq 1 ] && cmp -s "$tmp/www/root" "$tmp/crl/root.crl"; then
	ok "one that fails does not keep another back"
else
	not_ok "one that fails does not keep another back"
fi
if [ -z "$(find "$tmp/crl" -name '.fetch*')" ]; then
	ok "nothing is left behind"
else
	not_ok "nothing is left behind"
fi
if grep -q 'penerbit' "$tmp/out" && [ "$(stat -c %a \
    "$tmp/crl/root.crl")" = 644 ]; then
	ok "lists can be read by Sampul"
else
	not_ok "lists can be read by Sampul"
fi
finish
