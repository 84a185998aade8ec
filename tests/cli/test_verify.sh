#!/bin/sh
# test_verify.sh - what sampulctl verify, trust, check and explain say of
# incoming mail and of who is believed. Prints TAP.
. "${0%/*}/lib_tap.sh"

# sign MAILBOX FROM FILE [OPTION...]: a signed message.
sign()
{
	box=$1 from=$2 to=$3
	shift 3
	{
		printf 'From: %s\r\nTo: siti@example.org\r\nSubject: uji\r\n' \
		    "$from"
		openssl cms -sign -in "$tmp/entity" -binary -md sha256 \
		    -signer "$tmp/$box/cert.pem" -inkey "$tmp/$box/key.pem" \
		    -certfile "$tmp/pki/issuing.pem" -outform SMIME "$@" |
		    sed 's/\r*$/\r/'
	} >"$tmp/$to"
}

# configure VERIFY [REST]: writes the configuration.
configure()
{
	cat >"$tmp/sampul.conf" <<END
domains = [ ".pekalongankab.go.id" ];
authserv_id = "mx.pekalongankab.go.id";
language = "en";
$users
spool = { dir = "$tmp/spool"; };
keystore = { dir = "$tmp/keystore"; anchors_dir = "$tmp/anchors";
  intermediates_dir = "$tmp/intermediates"; insecure_unencrypted_keys = true; };
audit = { file = "$tmp/log/audit.log"; };
verify = { crl_dir = "$tmp/crl"; $1 };
${2:-}
END
}

setup()
{
	"$pki" "$tmp/pki" &&
	    "$pki" "$tmp/pki" mailbox $budi p256 "$tmp/budi" &&
	    "$pki" "$tmp/pki" mailbox $budi p256 "$tmp/bare" noaddress &&
	    "$pki" "$tmp/pki" mailbox $budi p256 "$tmp/stranger" otherroot &&
	    mkdir "$tmp/keystore" "$tmp/anchors" "$tmp/intermediates" \
	    "$tmp/spool" "$tmp/crl" "$tmp/others" &&
	    chmod 700 "$tmp/keystore" "$tmp/spool" &&
	    mkdir "$tmp/log" && chown "$spooler" "$tmp/spool" &&
	    chown "$keeper" "$tmp/keystore" "$tmp/log" &&
	    cp "$tmp/pki/root.pem" "$tmp/anchors/" &&
	    cp "$tmp/pki/root.crl.pem" "$tmp/pki/issuing.crl.pem" "$tmp/crl/"
	printf 'Content-Type: text/plain\r\n\r\nSelamat pagi.\r\n' \
	    >"$tmp/entity"
	sign budi $budi good
	sign budi $siti other
	sign bare $budi nameless
	sign stranger $budi foreign
	sign budi $budi opaque -nodetach
	sed 's/Selamat/Salamat/' "$tmp/good" >"$tmp/altered"
	printf 'From: %s\nSubject: x\n\nhalo\n' $budi >"$tmp/plain"
	printf 'From: %s\nContent-Type: application/pkcs7-mime; name=x.p7m;%s' \
	    "$budi" " smime-type=enveloped-data

AAAA
" >"$tmp/secret"
	sed 's/\r$//' "$tmp/good" >"$tmp/unix"
}

setup >"$tmp/out" 2>"$tmp/err"
result $? "make a PKI and messages"
configure ""

# ----------------------------------------------------------------- verify
expect_ctl 0 "a good signature" verify "$tmp/good"
says "passes" '^verdict: +pass$'
says "names the address" "^address: +$budi\$"
says "tells the chain" '^chain 2 +CN=Sampul test root'
says "tells the layer and its part" '^layer 2 +pass \(good\)$'
says "tells the checks" '^check ok +message-digest +RFC 5652 11.2 +The content'
says "shows what a reader sees" '^X-Verified-Sender: verified; address="budi@'
says "and what a program sees" \
    '^Authentication-Results: mx\.pekalongankab\.go\.id; smime=pass'
says "the list was current" '^revocation: +good$'
expect_ctl 0 "with the line ends of a file" verify "$tmp/unix"
expect_ctl 0 "an opaque one" verify "$tmp/opaque"
says "has its own part" '^part: +1$'
input=$tmp/good
expect_ctl 0 "from standard input" verify
expect_ctl 0 "from standard input, by name" verify --brief -
says "in brief" "^pass good $budi $budi\$"
input=/dev/null
expect_ctl 65 "an altered message" verify "$tmp/altered"
says "fails" '^verdict: +fail$'
says "names the check" '^check failed +message-digest .*changed after it was'
says "asks no further" '^check not-asked +chain '
silent "says nothing good" 'verified; address|smime=pass'
expect_ctl 65 "another sender" verify --brief "$tmp/other"
says "is a matter of policy" "^policy other-address $siti $budi\$"
expect_ctl 65 "an unknown authority" verify "$tmp/foreign"
says "is not trusted" '^reason: +untrusted$'
says "its names are called claims" '^certificate: +NOT validated'
expect_ctl 65 "no signature" verify --brief "$tmp/plain"
says "is none" "^none unsigned $budi -\$"
expect_ctl 65 "an encrypted message" verify "$tmp/secret"
says "is unknown" '^verdict: +unknown$'
silent "without Authentication-Results" '^Authentication-Results'
expect_ctl 0 "the same for programs" verify --json "$tmp/good"
json "a document" 'd["verdict"] == "pass" and d["state"] == "verified"
    and d["certificate"]["matches"] and len(d["chain"]) == 3
    and d["layers"] == [{"part": "2", "verdict": "pass", "reason": "good"}]
    and all(c["outcome"] == "ok" for c in d["checks"])
    and d["authentication_results"].startswith("mx.")'
expect_ctl 65 "a failure for programs" --json verify "$tmp/altered"
json "names the check" '[c["reason"] for c in d["checks"] if c["outcome"] == "failed"] == ["altered"]'
expect_ctl 66 "no such file" verify "$tmp/nothing"
expect_ctl 64 "two files" verify "$tmp/good" "$tmp/good"
mv "$tmp/anchors" "$tmp/gone"
expect_ctl 69 "without anchors" verify "$tmp/good"
mv "$tmp/gone" "$tmp/anchors"
mv "$tmp/crl" "$tmp/gone"
expect_ctl 75 "without revocation lists" verify --brief "$tmp/good"
says "is a temporary error" '^temperror crl-missing '
configure 'crl = "soft-fail";'
expect_ctl 0 "which may be let pass" verify "$tmp/good"
says "visibly" 'revocation=unchecked'
says "for programs too" '\(revocation not checked\)'
mv "$tmp/gone" "$tmp/crl"
sha256=$(openssl x509 -in "$tmp/bare/cert.pem" -noout -fingerprint -sha256 |
    sed 's/.*=//')
configure "pins = \"$tmp/pins\";"
echo "$budi $sha256" >"$tmp/pins"
chmod 644 "$tmp/pins"
expect_ctl 0 "a pinned certificate" verify "$tmp/nameless"
says "is said to be pinned" 'pinned=yes'
sed 's/"en"/"id"/' "$tmp/sampul.conf" >"$tmp/id" && mv "$tmp/id" "$tmp/sampul.conf"
expect_ctl 65 "in Indonesian" verify "$tmp/altered"
says "the reason" 'Pesan berubah setelah ditandatangani'
says "and the checks" '^check ok +signers +RFC 5652 5.2 +Ada penanda tangan'

# ---------------------------------------------------------------- explain
configure "" 'incoming = ( { name = "bad"; verdict = "fail"; action = "refuse"; } );'
expect_ctl 0 "explain a good message" explain --client 192.0.2.1 "$tmp/good"
says "is accepted" '^action: +accept$'
says "with its verdict" '^smime: +pass$'
says "and its signer" "^signer: +$budi\$"
expect_ctl 0 "explain a bad message" explain --client 192.0.2.1 "$tmp/altered"
says "is refused" '^action: +refuse$'
says "by a rule in its place" '^rule: +bad \(.*sampul\.conf:[0-9]+\)$'
says "is an incident" '^incident: +bad-signature$'
says "with what the sender reads" '^reply: +Message refused by the recipient'
configure 'spoof = "quarantine";'
expect_ctl 0 "explain a forged sender" --json explain --client 192.0.2.1 \
    --from $budi
json "is held" 'd["incoming"]["action"] == "quarantine"
    and d["incoming"]["rule"] == "verify.spoof"
    and d["incoming"]["incident"] == "spoof"'
expect_ctl 0 "explain mail of a login" explain --client 192.0.2.1 --login x "$tmp/good"

# ------------------------------------------------------------------ trust
configure "anchors_dir = \"$tmp/others\";"
expect_ctl 0 "list" trust list
says "an anchor" "^anchor $tmp/anchors/root.pem\$"
says "a revocation list" "^crl $tmp/crl/root.crl.pem\$"
says "its state" '^  state       current$'
expect_ctl 77 "adding asks" trust add --incoming "$tmp/pki/other-root.pem"
says "and needs a terminal" 'no terminal' err
says "shows the fingerprint" '^  SHA-256     ([0-9A-F]{2}:){31}[0-9A-F]{2}$' err
/usr/bin/python3 tests/cli/lib_tty.py no "$ctl" -c "$tmp/sampul.conf" trust add \
    --incoming "$tmp/pki/other-root.pem" >"$tmp/out" 2>"$tmp/err"
[ $? -eq 77 ] && [ -z "$(ls "$tmp/others")" ]
result $? "an answer of no changes nothing"
/usr/bin/python3 tests/cli/lib_tty.py yes "$ctl" -c "$tmp/sampul.conf" trust add \
    --incoming "$tmp/pki/other-root.pem" >"$tmp/out" 2>"$tmp/err"
[ $? -eq 0 ] && ls "$tmp/others" | grep -q '^other-root-[0-9a-f]*\.pem$'
result $? "an answer of yes adds it"
expect_ctl 75 "and it is believed in incoming mail" verify --brief "$tmp/foreign"
says "but for its missing list" '^temperror crl-missing'
expect_ctl 65 "though not for mailboxes of ours" import --cert \
    "$tmp/stranger/cert.pem" --key "$tmp/stranger/key.pem" $budi
says "unknown issuer" 'authority|issuer|anchor' err
expect_ctl 73 "it is not added twice" trust add --yes --incoming \
    "$tmp/pki/other-root.pem"
says "but named" "is there already, in $tmp/others/" err
expect_ctl 65 "a mailbox is no authority" trust add --yes "$tmp/budi/cert.pem"
says "as is said" 'not an authority' err
expect_ctl 65 "an ended root is refused" trust add --yes "$tmp/pki/root-old.pem"
says "as is said" 'has expired' err
expect_ctl 65 "a weak one too" trust add --yes --intermediate \
    "$tmp/pki/weak-issuing.pem"
expect_ctl 65 "a file without certificate" trust add --yes "$tmp/plain"
openssl x509 -in "$tmp/pki/issuing.pem" -outform DER -out "$tmp/issuing.der"
expect_ctl 0 "an intermediate, from DER" trust add --yes --intermediate \
    --name penerbit.pem "$tmp/issuing.der"
says "leads to an anchor" 'path +leads to a trusted anchor' err
[ -f "$tmp/intermediates/penerbit.pem" ] &&
    [ "$(stat -c %a "$tmp/intermediates/penerbit.pem")" = 644 ] &&
    [ "$(ls -A "$tmp/intermediates")" = penerbit.pem ]
result $? "in a file of that name, and nothing else"
expect_ctl 64 "a name with a path" trust add --yes --name ../x.pem \
    "$tmp/pki/root-twin.pem"
expect_ctl 73 "a name that is taken" trust add --yes --name root.pem \
    "$tmp/pki/root-twin.pem"
expect_ctl 0 "list for programs" --json trust list
json "each of its kind" '[e["kind"] for e in d] == ["anchor",
    "incoming-anchor", "intermediate", "crl", "crl"]
    and all(e.get("fault") is None for e in d)'
echo junk >"$tmp/anchors/junk.pem"
expect_ctl 0 "list with a file that is none" trust list
says "says that it is left out" '^  state       left out: .*junk\.pem'
rm "$tmp/anchors/junk.pem"
expect_ctl 77 "removing asks" trust remove penerbit.pem
[ -f "$tmp/intermediates/penerbit.pem" ]
result $? "and leaves it there"
expect_ctl 0 "remove by name" trust remove --yes penerbit.pem
expect_ctl 65 "once" trust remove --yes penerbit.pem
sha256=$(openssl x509 -in "$tmp/pki/other-root.pem" -noout -fingerprint \
    -sha256 | sed 's/.*=//; s/://g' | tr A-F a-f)
expect_ctl 0 "remove by fingerprint" trust remove --yes "$sha256"
[ -z "$(ls -A "$tmp/others")" ]
result $? "which is gone"
expect_ctl 77 "the last anchor" trust remove root.pem
says "is warned about" 'no anchor is left' err
expect_ctl 64 "no word" trust
expect_ctl 64 "another word" trust show

# ------------------------------------------------------------------ check
configure ""
cp "$tmp/pki/issuing.pem" "$tmp/intermediates/"
expect_ctl 0 "check with all lists" check
says "counts them" '^ok +trust: authorities: 2, revocation lists: 2$'
silent "finds nothing to say of them" '^(warning|error) +verify'
mv "$tmp/crl/issuing.crl.pem" "$tmp/"
expect_ctl 0 "check with a list missing" check
says "warns" '^warning +verify\.crl_dir: there is no revocation list of CN=Sampul test issuing.*temperror'
silent "of that one alone" 'no revocation list of CN=Sampul test root'
# A list that ends in a minute, of an hour.
printf '[ca]\ndefault_ca = d\n[d]\ndatabase = %s/index\ndefault_md = sha256\n' \
    "$tmp" >"$tmp/ca.cnf"
: >"$tmp/index"
# crl FROM TO: minutes from now
crl()
{
	openssl ca -config "$tmp/ca.cnf" -gencrl -keyfile \
	    "$tmp/pki/issuing.key" -cert "$tmp/pki/issuing.pem" -crl_lastupdate \
	    "$(date -u -d "$1 minutes" +%Y%m%d%H%M%SZ)" -crl_nextupdate \
	    "$(date -u -d "$2 minutes" +%Y%m%d%H%M%SZ)" \
	    -out "$tmp/crl/issuing.crl" 2>"$tmp/err"
}
crl -60 10
expect_ctl 0 "check with a list near its end" check
says "warns" '^warning .*of CN=Sampul test issuing.* ends on .*no newer one'
crl -60 1000
configure 'crl_max_age = "50m";'
expect_ctl 0 "check with a list that is too old" check
says "warns" '^warning .*of CN=Sampul test issuing.* ended on '
expect_ctl 75 "and verify says so" verify --brief "$tmp/good"
says "in its word" '^temperror crl-stale '
configure ""
expect_ctl 0 "but for that it is good" verify --brief "$tmp/good"
crl -60 -1
expect_ctl 0 "check with a list that ended" check
says "warns" '^warning .*of CN=Sampul test issuing.* ended on '
mv "$tmp/crl" "$tmp/gone"
expect_ctl 0 "check without the folder" check
says "names what fills it" 'contrib/crl'
silent "once" 'no revocation list of'
mv "$tmp/gone" "$tmp/crl"
configure "pins = \"$tmp/pins\";"
echo "$budi nonsense" >"$tmp/pins"
expect_ctl 78 "check with a bad pin" check
says "names its line" '^error +verify\.pins: .*pins:1: '

finish
