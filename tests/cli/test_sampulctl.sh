#!/bin/sh
# test_sampulctl.sh - init, import, list, show and check as an administrator
# calls them; as root and, where it can be, as nobody. Prints TAP.
. "${0%/*}/lib_tap.sh"

# conf [SETTINGS of keystore]: a configuration below $tmp/site
conf()
{
	cat >"$tmp/sampul.conf" <<END
domains = [ ".pekalongankab.go.id" ];
authserv_id = "mail.pekalongankab.go.id";
language = "en";
$users
milter = { socket = "unix:$tmp/site/milter.sock"; };
spool = { dir = "$tmp/site/spool"; };
keystore = { dir = "$tmp/site/keystore"; anchors_dir = "$tmp/site/anchors";
  intermediates_dir = "$tmp/site/intermediates";
  passphrase_file = "$tmp/site/passphrase"; $* };
audit = { file = "$tmp/site/log/audit.log"; };
verify = { crl_dir = "$tmp/crl"; };
encryption = { partners_dir = "$tmp/site/partners";
  harvest_dir = "$tmp/site/harvested"; };
END
}

run()
{
	"$ctl" -c "$tmp/sampul.conf" "$@"
}

# fresh: an initialised site with the anchors of the PKI
fresh()
{
	rm -rf "$tmp/site"
	conf "$@"
	run init >/dev/null 2>&1
	cp "$tmp/pki/root.pem" "$tmp/site/anchors/"
	cp "$tmp/pki/issuing.pem" "$tmp/site/intermediates/"
}

mailbox()
{
	$pki "$tmp/pki" mailbox "$@" || exit 70
}

$pki "$tmp/pki" || exit 70
mkdir "$tmp/crl" && cp "$tmp/pki/root.crl.pem" "$tmp/pki/issuing.crl.pem" \
    "$tmp/crl/" || exit 70
for kind in rsa2048 p256 p384; do
	mailbox $budi $kind "$tmp/$kind"
done
mailbox $siti p256 "$tmp/siti"
for profile in expired future noaddress bsre-document serverauth otherroot \
    keyagreement; do
	mailbox $budi p256 "$tmp/$profile" $profile
done
sleep 1	# the newest certificate signs: later than the others, by a second
mailbox $budi p256 "$tmp/soon" ok 9
printf 'rahasia sekali\n' >"$tmp/pass"
printf 'salah\n' >"$tmp/wrong"

# ---------------------------------------------------------------- usage ---

expect 64 "no command" "$ctl"
says "usage lists the commands" '^    import ' err
expect 0 "-h" "$ctl" -h
says "usage goes to stdout" '^    check'
expect 64 "unknown command" "$ctl" frobnicate
expect 64 "unknown option" "$ctl" --frobnicate
expect 0 "import -h" "$ctl" import -h
says "usage of import" 'usage: sampulctl.* import '
expect 78 "no configuration" "$ctl" -c "$tmp/none" list
conf
echo 'frobnicate = 1;' >>"$tmp/sampul.conf"
expect 78 "a wrong setting" run check
says "names file and line" "sampul.conf:[0-9]+.*frobnicate" err
conf
for args in "list x" "show" "show a b" "check x" "init x" "import" \
    "import $budi" "import --p12 a --cert b $budi" "import --key a $budi" \
    "import --p12 a --key b $budi" "import --p12 a $budi $siti" \
    "import --cert a --override= $budi"; do
	# shellcheck disable=SC2086 # words are meant
	expect 64 "usage: $args" run $args
done
expect 64 "show of no address" run show frobnicate
expect 64 "import for a path" run import --p12 x "../etc@x.go.id"

# ----------------------------------------------------------------- init ---

expect 69 "list before init" run list
conf
expect 0 "init" run init
says "tells what it made" '^keystore +made'
says "tells what to do next" 'sampulctl check'
passphrase=$(cat "$tmp/site/passphrase")
[ "$(printf %s "$passphrase" | openssl base64 -d -A | wc -c)" -eq 32 ]
result $? "the passphrase has 32 octets"
[ "$(stat -c %a "$tmp/site/passphrase")" = 600 ]
result $? "the passphrase is private"
[ "$(stat -c %a "$tmp/site/keystore" "$tmp/site/spool" "$tmp/site/log" \
    "$tmp/site/partners" "$tmp/site/harvested" | tr '\n' ' ')" = \
    "700 700 750 755 755 " ]
result $? "modes of the directories"
expect 0 "init again" run init
says "leaves alone what is there" '^passphrase +left alone'
[ "$(cat "$tmp/site/passphrase")" = "$passphrase" ]
result $? "the passphrase is the same"
expect 0 "init --json" run init --json
json "init --json" 'len(d["steps"]) == 9 and not d["steps"][0]["made"]'
rm -rf "$tmp/site"
sed '/passphrase_file/s/"[^"]*passphrase"/""/' "$tmp/sampul.conf" \
    >"$tmp/bare.conf"
expect 78 "init without passphrase_file" "$ctl" -c "$tmp/bare.conf" init
fresh

# --------------------------------------------------------------- import ---

for kind in rsa2048 p256 p384; do
	fresh
	expect 0 "import $kind" run import --cert "$tmp/$kind/cert.pem" \
	    --key "$tmp/$kind/key.pem" $budi
	says "receipt: fingerprint" 'SHA-256 +([0-9A-F]{2}:){31}[0-9A-F]{2}$'
	says "receipt: folder" "folder .*/$budi/[0-9]{8}-[0-9A-F]+$"
	expect 0 "show $kind" run show $budi
	says "show: signs now" 'state +usable, signs now'
	says "show: encrypted at rest" 'at rest +encrypted'
	expect 0 "check $kind" run check
done
entry=$(echo "$tmp/site/keystore/$budi"/*)
[ "$(stat -c %a "$entry/key.pem" "$entry" | tr '\n' ' ')" = "600 700 " ]
result $? "modes of an entry"
openssl pkey -in "$entry/key.pem" -passin "file:$tmp/site/passphrase" -noout
result $? "openssl opens the key with the keystore's passphrase"
openssl pkey -in "$entry/key.pem" -passin pass:x -noout 2>/dev/null
[ $? -ne 0 ]
result $? "and not with another"
openssl verify -CAfile "$tmp/pki/root.pem" -untrusted "$entry/chain.pem" \
    "$entry/cert.pem" >"$tmp/out" 2>&1
result $? "openssl builds the chain from the entry"
expect 73 "import twice" run import --cert "$tmp/p384/cert.pem" \
    --key "$tmp/p384/key.pem" $budi
says "says so" 'imported before' err
[ "$(find "$tmp/site/keystore" -name '.*' | wc -l)" -eq 0 ]
result $? "nothing temporary is left"

fresh
cat "$tmp/p256/key.pem" "$tmp/p256/cert.pem" >"$tmp/both.pem"
expect 0 "import from one file, upper case address" run import \
    "$(echo $budi | tr a-z A-Z)" --cert "$tmp/both.pem" --json
json "receipt as JSON" "d['address'] == '$budi' and not d['pinned'] \
    and len(d['sha256']) == 95"

cp -R "$tmp/p256" "$tmp/locked"
$pki "$tmp/pki" encrypt "$tmp/locked" "$tmp/pass"
fresh
expect 0 "encrypted PEM, passphrase from a file" run import $budi \
    --cert "$tmp/locked/cert.pem" --key "$tmp/locked/key.pem" \
    --passphrase-file "$tmp/pass"
fresh
run import $budi --cert "$tmp/locked/cert.pem" --key "$tmp/locked/key.pem" \
    --passphrase-file - <"$tmp/pass" >"$tmp/out" 2>"$tmp/err"
result $? "encrypted PEM, passphrase from standard input"
fresh
expect 65 "encrypted PEM, wrong passphrase" run import $budi \
    --cert "$tmp/locked/cert.pem" --key "$tmp/locked/key.pem" \
    --passphrase-file "$tmp/wrong"
expect 65 "encrypted PEM, no terminal to ask on" setsid "$ctl" \
    -c "$tmp/sampul.conf" import $budi --cert "$tmp/locked/cert.pem" \
    --key "$tmp/locked/key.pem"
says "says so" 'no terminal' err
/usr/bin/python3 tests/cli/lib_tty.py "$(cat "$tmp/pass")" "$ctl" \
    -c "$tmp/sampul.conf" import $budi --cert "$tmp/locked/cert.pem" \
    --key "$tmp/locked/key.pem" >"$tmp/out" 2>"$tmp/err"
result $? "encrypted PEM, passphrase by prompt"
says "asked" 'Passphrase of '
! grep -q rahasia "$tmp/out"
result $? "without an echo"

# PKCS#12 (CRT-40)
for kind in rsa2048 p384; do
	for age in "" legacy; do
		$pki "$tmp/pki" p12 "$tmp/$kind" "$tmp/pass" $age
		fresh
		expect 0 "PKCS#12 $kind ${age:-modern}" run import $budi \
		    --p12 "$tmp/$kind/mailbox.p12" \
		    --passphrase-file "$tmp/pass"
		fresh
		expect 65 "PKCS#12 $kind ${age:-modern}, wrong passphrase" \
		    run import $budi --p12 "$tmp/$kind/mailbox.p12" \
		    --passphrase-file "$tmp/wrong"
		says "says so" 'passphrase is wrong' err
	done
done
openssl pkcs12 -export -inkey "$tmp/p256/key.pem" -in "$tmp/p256/cert.pem" \
    -passout pass: -out "$tmp/open.p12"
fresh
expect 0 "PKCS#12 without a passphrase asks for none" run import $budi \
    --p12 "$tmp/open.p12"
openssl pkcs12 -export -nokeys -in "$tmp/p256/cert.pem" \
    -passout "file:$tmp/pass" -out "$tmp/nokey.p12"
expect 65 "PKCS#12 without a key" run import $siti \
    --p12 "$tmp/nokey.p12" --passphrase-file "$tmp/pass"
says "says so" 'no private key' err
head -c 700 "$tmp/open.p12" >"$tmp/cut.p12"
expect 65 "PKCS#12, cut off" run import $siti --p12 "$tmp/cut.p12"
# two thousand million rounds: written over the eight million of a real file
openssl pkcs12 -export -inkey "$tmp/p256/key.pem" -in "$tmp/p256/cert.pem" \
    -keypbe NONE -certpbe NONE -macalg sha1 -iter 8388608 \
    -passout "file:$tmp/pass" -out "$tmp/slow.p12"
/usr/bin/python3 - "$tmp/slow.p12" <<'PYTHON'
import sys
data = open(sys.argv[1], "rb").read()
assert data.count(b"\x02\x04\x00\x80\x00\x00") == 1
open(sys.argv[1], "wb").write(data.replace(b"\x02\x04\x00\x80\x00\x00",
                                           b"\x02\x04\x7f\xff\xff\xff"))
PYTHON
expect 65 "PKCS#12 with too many rounds" run import $siti \
    --p12 "$tmp/slow.p12" --passphrase-file "$tmp/pass"
says "says so" 'takes too long' err
printf 'x' | cat "$tmp/open.p12" - >"$tmp/long.p12"
expect 65 "PKCS#12, an octet too much" run import $siti --p12 "$tmp/long.p12"
expect 65 "PKCS#12 that is PEM" run import $siti --p12 "$tmp/both.pem"
says "says what to do" 'but PEM: give it with --cert' err
expect 65 "PEM that is PKCS#12" run import $siti --cert "$tmp/open.p12"
says "says what to do" 'is a PKCS#12 file: give it with --p12' err
expect 65 "a certificate without its key" run import $budi \
    --cert "$tmp/p256/cert.pem"
says "says what to do" 'holds no private key; name its file with --key$' err
for what in "--p12 $tmp/none" "--cert $tmp/none --key $tmp/p256/key.pem" \
    "--cert $tmp/p256/cert.pem --key $tmp/none" \
    "--cert $tmp/both.pem --chain $tmp/none" \
    "--p12 $tmp/p384/mailbox.p12 --passphrase-file $tmp/none"; do
	# shellcheck disable=SC2086 # words are meant
	expect 66 "import, a file is not there: ${what%% *}" run import \
	    $siti $what
	says "names it" "cannot open $tmp/none: No such file" err
done

# CRT-42: a chain as authorities hand it out
openssl crl2pkcs7 -nocrl -certfile "$tmp/pki/issuing.pem" \
    -certfile "$tmp/pki/root.pem" -out "$tmp/chain.p7b"
openssl pkcs7 -in "$tmp/chain.p7b" -outform DER -out "$tmp/chain.p7c"
for file in chain.p7b chain.p7c; do
	fresh
	rm "$tmp/site/intermediates/issuing.pem"
	expect 65 "no chain" run import $budi --cert "$tmp/p256/cert.pem" \
	    --key "$tmp/p256/key.pem"
	expect 0 "the chain from $file" run import $budi \
	    --cert "$tmp/p256/cert.pem" --key "$tmp/p256/key.pem" \
	    --chain "$tmp/$file"
	[ "$(grep -c BEGIN "$tmp/site/keystore/$budi"/*/chain.pem)" -eq 1 ]
	result $? "and not the root"
done

# RFC 9216: Alice's has a pair for signatures and one for encryption.
fresh
cp tests/data/rfc9216/rsa-ca.pem "$tmp/site/anchors/"
openssl base64 -d >"$tmp/alice.p12" <<END
$(grep -v -e '^-' tests/data/rfc9216/alice.p12.pem)
END
printf 'alice\n' >"$tmp/alice.pass"
expect 0 "RFC 9216, Alice" run import alice@smime.example \
    --p12 "$tmp/alice.p12" --passphrase-file "$tmp/alice.pass"
says "warns that the domain is not ours" 'none of the configured' err
expect 0 "show Alice" run show alice@smime.example
serial=$(openssl x509 -noout -serial -in tests/data/rfc9216/alice-sign.pem)
says "it is the certificate for signatures" "serial +${serial#serial=}"
expect 65 "RFC 9216, Carlos: Ed25519 is refused" run import \
    carlos@smime.example --cert tests/data/rfc9216/carlos-sign.pem \
    --key tests/data/rfc9216/carlos-sign.key

# What is not fit
fresh
for profile in expired noaddress bsre-document serverauth otherroot \
    keyagreement; do
	expect 65 "not fit: $profile" run import $budi \
	    --cert "$tmp/$profile/cert.pem" --key "$tmp/$profile/key.pem"
done
expect 65 "not fit: another's" run import $siti \
    --cert "$tmp/p256/cert.pem" --key "$tmp/p256/key.pem"
says "names the problem" '^  other-address: ' err
expect 65 "not fit: another's key" run import $budi \
    --cert "$tmp/p256/cert.pem" --key "$tmp/siti/key.pem"
says "names the problem" '^  key-mismatch: ' err
expect 65 "not fit: BSrE document profile" run import $budi \
    --cert "$tmp/bsre-document/cert.pem" --key "$tmp/bsre-document/key.pem"
says "its own advice" '^  document-profile: .*BSrE' err
says "offers the override" '--override' err
expect 65 "not fit, as JSON" run import --json $budi \
    --cert "$tmp/noaddress/cert.pem" --key "$tmp/noaddress/key.pem"
json "findings as JSON" 'd["imported"] is None and d["may_override"] and \
    d["findings"][0]["problem"] == "no-address"'
expect 65 "expired cannot be overridden" run import $budi --override x \
    --cert "$tmp/expired/cert.pem" --key "$tmp/expired/key.pem"
[ -z "$(ls "$tmp/site/keystore")" ]
result $? "nothing was written"
sed -i 's/language = "en"/language = "id"/' "$tmp/sampul.conf"
run import $budi --cert "$tmp/expired/cert.pem" \
    --key "$tmp/expired/key.pem" >"$tmp/out" 2>"$tmp/err"
says "in Indonesian" '^  expired: .*ertifikat' err
conf
expect 0 "override" run import $siti --override 'kotak surat bersama' \
    --cert "$tmp/p256/cert.pem" --key "$tmp/p256/key.pem"
says "receipt shows it" 'override +kotak surat bersama'
grep -q 'Z other-address$' "$tmp/site/keystore/$siti"/*/override &&
    grep -q '^kotak surat bersama$' "$tmp/site/keystore/$siti"/*/override
result $? "date, finding and reason are recorded"
expect 0 "list a pinned one" run list
says "as pinned" "^\\* $siti +pinned "
expect 0 "a certificate of tomorrow" run import $budi \
    --cert "$tmp/future/cert.pem" --key "$tmp/future/key.pem"
says "says when it signs" 'from its first day'
fresh "insecure_unencrypted_keys = true;"
sed '/passphrase_file/s/"[^"]*passphrase"/""/' "$tmp/sampul.conf" \
    >"$tmp/bare.conf"
expect 0 "unencrypted, where the configuration says so" "$ctl" \
    -c "$tmp/bare.conf" import $budi --cert "$tmp/p256/cert.pem" \
    --key "$tmp/p256/key.pem"
expect 0 "check warns" "$ctl" -c "$tmp/bare.conf" check
says "of it" '^warning .*not encrypted'
rm "$tmp/site/passphrase"
fresh
rm "$tmp/site/passphrase"
expect 66 "the passphrase is gone" run import $budi \
    --cert "$tmp/p256/cert.pem" --key "$tmp/p256/key.pem"
[ "$(find "$tmp/site/keystore" -mindepth 2 | wc -l)" -eq 0 ]
result $? "nothing half-made is left"

# ---------------------------------------------------- list, show, check ---

fresh
run import $budi --cert "$tmp/p256/cert.pem" --key "$tmp/p256/key.pem" \
    >/dev/null
run import $budi --cert "$tmp/future/cert.pem" --key "$tmp/future/key.pem" \
    >/dev/null
run import $siti --cert "$tmp/siti/cert.pem" --key "$tmp/siti/key.pem" \
    >/dev/null
expect 0 "list" run list
says "the one that signs" "^\\* $budi +usable +20..-..-..T..:..:..Z [0-9A-F]+ "
says "the one that does not yet" "^- $budi +not-yet-valid "
[ "$(wc -l <"$tmp/out")" -eq 3 ]
result $? "a line each"
mv "$tmp/site/passphrase" "$tmp/away"
expect 0 "list needs no passphrase" run list
expect 66 "show does" run show $budi
sed 's/passphrase_file = "[^"]*"/passphrase_file = "credential:away"/' \
    "$tmp/sampul.conf" >"$tmp/credential.conf"
expect 66 "a credential that is not there" "$ctl" -c "$tmp/credential.conf" \
    show $budi
expect 0 "a credential" env CREDENTIALS_DIRECTORY="$tmp" "$ctl" \
    -c "$tmp/credential.conf" show $budi
mv "$tmp/away" "$tmp/site/passphrase"
expect 0 "list --json" run --json list
json "list --json" "sum(e['chosen'] for e in d) == 2 and len(d) == 3"
expect 0 "show --json" run show --json $budi
json "show --json" "d[0]['emails'] == ['$budi'] and len(d) == 2 and \
    'not-yet-valid' in [f['problem'] for e in d for f in e['findings']]"
expect 65 "show of an unknown address" run show nobody@dinkes.pekalongankab.go.id
expect 0 "check" run check
says "counts" '^errors: 0, warnings: 1$'
says "warns that nothing would be signed" '^warning .*origins: none'
expect 0 "check --json" run check --json
json "check --json" 'd["errors"] == 0 and d["checks"][0]["level"] == "ok"'
run import $budi --cert "$tmp/soon/cert.pem" --key "$tmp/soon/key.pem" \
    >/dev/null
expect 0 "check: an end is near" run check
says "warns of it" '^warning .*in [0-9] days'
touch "$tmp/site/keystore/$siti/$(ls "$tmp/site/keystore/$siti")/suspended"
expect 0 "check: suspended" run check
says "warns of it" "^warning  $siti: .*suspended"
cp "$tmp/siti/key.pem" "$tmp/site/keystore/$budi/$(ls \
    "$tmp/site/keystore/$budi" | head -1)/key.pem"
expect 65 "check: a bad key" run check
says "names it" "^error    $budi/"
says "the rest was looked at" 'addresses: 2, certificates: 4'
mkdir "$tmp/site/keystore/Odd"
expect 65 "check: an odd folder" run check
says "names it" '^error    Odd: '
rm -r "$tmp/site/keystore/Odd"

for args in "suspend" "resume" "suspend a b" "suspend frobnicate" \
    "destroy $siti" "destroy frobnicate 01" "resume --frobnicate $siti"; do
	# shellcheck disable=SC2086
	expect 64 "usage: $args" run $args
done
expect 66 "suspend without a folder" run suspend ani@dinkes.example
expect 0 "suspend" run suspend --json --reason 'cuti panjang' $siti
json "suspend --json" 'd["suspended"] and d["changed"]'
grep -q '^cuti panjang$' "$tmp/site/keystore/$siti/suspended"
result $? "when, who and why stand in the file"
expect 0 "list" run list
says "suspended" "^- $siti +suspended "
expect 0 "resume" run resume $siti
says "one certificate stays suspended" '^1 of its certificates'
rm "$tmp/site/keystore/$siti"/*/suspended
serial=$(openssl x509 -noout -serial -in "$tmp/siti/cert.pem")
expect 77 "destroy without a terminal" setsid "$ctl" -c "$tmp/sampul.conf" \
    destroy $siti "${serial#serial=}"
says "asks for --yes" '--yes' err
/usr/bin/python3 tests/cli/lib_tty.py no "$ctl" -c "$tmp/sampul.conf" \
    destroy $siti "${serial#serial=}" >"$tmp/out" 2>"$tmp/err"
[ $? -eq 77 ] && [ -e "$tmp/site/keystore/$siti"/*/key.pem ]
result $? "destroy asks, and takes no for an answer"
/usr/bin/python3 tests/cli/lib_tty.py yes "$ctl" -c "$tmp/sampul.conf" \
    destroy $siti "${serial#serial=}" >"$tmp/out" 2>"$tmp/err"
[ $? -eq 0 ] && [ ! -e "$tmp/site/keystore/$siti"/*/key.pem ]
result $? "destroy"
says "admits what it cannot" 'flash disk'
expect 0 "destroy --json" run destroy --yes --json $siti "${serial#serial=}"
json "destroy --json" 'd["destroyed"] and not d["changed"]'
expect 0 "list" run list
says "destroyed" "^- $siti +destroyed "
[ "$(grep -c 'event=destroy address=siti.* by=.* result=' \
    "$tmp/site/log/audit.log")" -eq 3 ]
result $? "on record"
rm -r "$tmp/site/anchors"
expect 78 "check: no anchors" run check
says "names it" 'anchors'
fresh
chmod 644 "$tmp/site/passphrase"
expect 78 "check: open passphrase" run check
says "names it" '^error    keystore.passphrase_file: .*mode 0644'
fresh
rm "$tmp/site/passphrase"
expect 78 "check: no passphrase" run check
says "with the remedy" 'passphrase_file: .*; restore it from its copy'
fresh
cat >>"$tmp/sampul.conf" <<END
origins = ( { name = "app"; kind = "network"; networks = [ "10.1.2.3" ]; } );
rules = ( { name = "all"; sign = "off"; }, { name = "never"; } );
END
expect 0 "check: what is probably not meant" run check
says "an origin that signs for nobody" \
    '^warning  configuration: origins: "app" lists no "from"'
says "a rule that is never reached" \
    '^warning  configuration: rules: "all" matches every message'
conf
fresh
chmod 777 "$tmp/site/spool"
expect 78 "check: open spool" run check
says "names it" '^error    spool.dir: '
sed -i 's|socket = "[^"]*"|socket = "unix:'"$tmp"'/no/milter.sock"|' \
    "$tmp/sampul.conf"
expect 78 "-n: no directory for the socket" "${ctl%ctl}-milter" -n \
    -c "$tmp/sampul.conf"
says "with the remedy" "milter.socket: .*make it \(install -d $tmp/no\)" err
conf
# a port that nobody listens on; the user is asked for as root alone
fresh
user=$([ "$(id -u)" -ne 0 ] || echo lp)
echo 'submit = { server = "127.0.0.1:1"; user = "'"$user"'"; };' \
    >>"$tmp/sampul.conf"
expect 0 "check: nobody to submit to" run check
says "a warning" '^warning  submit.server: 127.0.0.1:1: Connection refused'
conf
echo 'submit = { server = "mx.example.org:25"; };' >>"$tmp/sampul.conf"
expect 78 "check: a server elsewhere" run check
says "with the remedy" 'submit.server: .*write 127.0.0.1 or \[::1\]' err
conf
expect 74 "a full output" sh -c '"$1" -c "$2" check >/dev/full' - "$ctl" \
    "$tmp/sampul.conf"

# ------------------------------------------------------- with two users ---

if [ "$(id -u)" -eq 0 ]; then
	fresh
	rm -rf "$tmp/site"
	expect 0 "init for two users" run init
	cp "$tmp/pki/root.pem" "$tmp/site/anchors/"
	cp "$tmp/pki/issuing.pem" "$tmp/site/intermediates/"
	expect 0 "import for two users" run import $budi \
	    --cert "$tmp/p256/cert.pem" --key "$tmp/p256/key.pem"
	[ "$(stat -c %U "$tmp/site/keystore" "$tmp/site/spool" \
	    "$tmp/site/log" "$tmp/site/partners" "$tmp/site/harvested" \
	    "$tmp/site/passphrase" \
	    "$tmp/site/keystore/$budi"/*/key.pem |
	    tr '\n' ' ')" = "bin daemon bin root daemon root bin " ]
	result $? "owners"
	expect 0 "check for two users" run check
	sed -i 's/user = "daemon"; key_user = "bin"/user = ""; key_user = ""/' \
	    "$tmp/sampul.conf"
	cat >>"$tmp/sampul.conf" <<-END
	submit = { server = "127.0.0.1:1"; user = ""; };
	END
	sed -i 's|^keystore = {|&  token_module = "/no.so";|; 1i\
	    token_user = "root";' "$tmp/sampul.conf"
	expect 78 "check: staying root" run check
	for setting in user key_user submit.user; do
		says "$setting" "^error    $setting: is empty, .*stay root"
	done
	says "token_user" '^error    token_user: "root" is root'
	sed -n 's/^error *\([a-z_.]*user: \)/\1/p' "$tmp/out" >"$tmp/check"
	expect 78 "-n: staying root" "${ctl%ctl}-milter" -n \
	    -c "$tmp/sampul.conf"
	sed -n 's/.*sampul.conf: \([a-z_.]*user: \)/\1/p' "$tmp/err" |
	    cmp - "$tmp/check"
	result $? "both say the same"
	conf
	chmod 700 "$tmp"
	expect 78 "check: the way there is closed" run check
	says "names who and what" 'keystore cannot be read by bin'
	sed -i 's/"bin"/"no-such-user"/' "$tmp/sampul.conf"
	expect 78 "check: no such user" run check
	says "with the remedy" 'no user "no-such-user"; make it .useradd'
	expect 78 "init: no such user" run init
else
	n=$((n + 1))
	echo "ok $n - two users # SKIP not root"
fi

finish
