#!/bin/sh
# test_encrypt.sh - what sampulctl encrypt writes, to whom it refuses to, and
# what is to be seen outside. Prints TAP.
. "${0%/*}/lib_tap.sh"
sri=sri@luar.example

# opened NAME WHO: $tmp/out is opened by WHO and verified; entity in $tmp/in.
opened()
{
	openssl cms -decrypt -in "$tmp/out" -recip "$tmp/$2/cert.pem" \
	    -inkey "$tmp/$2/key.pem" -out "$tmp/signed" 2>"$tmp/err" &&
	    openssl cms -verify -binary -crlfeol -in "$tmp/signed" \
	    -CAfile "$tmp/pki/root.pem" -out "$tmp/in" 2>"$tmp/err"
	result $? "$1"
}

setup()
{
	"$pki" "$tmp/pki" &&
	    "$pki" "$tmp/pki" mailbox $budi p256 "$tmp/budi" &&
	    "$pki" "$tmp/pki" mailbox $siti rsa2048 "$tmp/siti" encryption &&
	    "$pki" "$tmp/pki" mailbox $budi p384 "$tmp/own" encryption &&
	    "$pki" "$tmp/pki" mailbox $siti p256 "$tmp/signing" &&
	    "$pki" "$tmp/pki" mailbox $siti rsa2048 "$tmp/caps" capabilities &&
	    "$pki" "$tmp/pki" mailbox $siti p256 "$tmp/revoked" encryption &&
	    "$pki" "$tmp/pki" revoke "$tmp/revoked" &&
	    "$pki" "$tmp/pki" mailbox $sri p256 "$tmp/sri" encryption &&
	    mkdir "$tmp/copies" &&
	    mkdir "$tmp/keystore" "$tmp/anchors" "$tmp/intermediates" \
	    "$tmp/spool" "$tmp/crl" &&
	    chmod 700 "$tmp/keystore" "$tmp/spool" &&
	    cp "$tmp/pki/root.pem" "$tmp/anchors/" &&
	    cp "$tmp/pki/issuing.pem" "$tmp/intermediates/" &&
	    cp "$tmp/pki/root.crl.pem" "$tmp/pki/issuing.crl.pem" "$tmp/crl/"
	cat >"$tmp/sampul.conf" <<END
domains = [ ".pekalongankab.go.id" ];
authserv_id = "mx.pekalongankab.go.id";
language = "en";
user = ""; key_user = "";
spool = { dir = "$tmp/spool"; };
keystore = { dir = "$tmp/keystore"; anchors_dir = "$tmp/anchors";
  intermediates_dir = "$tmp/intermediates"; insecure_unencrypted_keys = true; };
audit = { file = "$tmp/audit.log"; };
verify = { crl_dir = "$tmp/crl"; };
END
	mkdir -p "$tmp/keystore/$budi"
	cat >"$tmp/mail" <<END
From: $budi
To: $siti
Subject: Mutasi pejabat
Keywords: mutasi
Thread-Topic: Mutasi pejabat
Content-Type: text/plain

Terlampir usulan mutasi.
END
	sed '/^Subject/s/$/ \r/; s/Mutasi/Rapat\x01/' "$tmp/mail" >"$tmp/odd"
}

setup >"$tmp/out" 2>"$tmp/err"
result $? "make a PKI and a message"
expect_ctl 65 "without a signing certificate nothing is encrypted (ENC-13)" \
    encrypt --to $siti --cert "$tmp/siti/cert.pem" "$tmp/mail"
says "and says so" 'not signed, so not encrypted: no-certificate' err
[ ! -s "$tmp/out" ]
result $? "and prints nothing"
expect_ctl 0 "import" import --cert "$tmp/budi/cert.pem" \
    --key "$tmp/budi/key.pem" --chain "$tmp/pki/issuing.pem" $budi

# ------------------------------------------------------------------- good
expect_ctl 0 "to two, RSA and EC" encrypt --to $siti --cert "$tmp/siti/cert.pem" \
    --to $budi --cert "$tmp/own/cert.pem" "$tmp/mail"
says "an envelope" 'application/pkcs7-mime; smime-type=enveloped-data;'
says "the Subject is hidden (ENC-18)" '^Subject: \[\.\.\.\]'
says "From and To are as they were" "^From: $budi"
silent "nothing of it outside (ENC-20)" 'utasi|^Keywords|^Thread-Topic'
cp "$tmp/out" "$tmp/both"
opened "opened by the recipient" siti
says "Subject inside" '^Subject: Mutasi pejabat' in
says "Keywords inside" '^Keywords: mutasi' in
says "what is outside is told (ENC-17)" '^HP-Outer: Subject: \[\.\.\.\]' in
says "hp=cipher" 'hp="cipher"' in
says "the Subject for old readers (ENC-19)" 'hp-legacy-display="1"' in
says "the text" '^Terlampir usulan mutasi' in
cp "$tmp/both" "$tmp/out"
opened "opened by the sender (ENC-12)" own
expect_ctl 0 "with the Subject open" encrypt --show-subject --to $siti --cert \
    "$tmp/siti/cert.pem" "$tmp/mail"
says "it is" '^Subject: Mutasi pejabat'
silent "Keywords are gone all the same" '^Keywords'
expect_ctl 0 "by GCM and OAEP" encrypt --cipher aes256-gcm --oaep --to $siti \
    --cert "$tmp/siti/cert.pem" "$tmp/mail"
says "another envelope" 'smime-type=authEnveloped-data'
opened "opened" siti
"$ctl" -c "$tmp/sampul.conf" encrypt --to $siti --cert "$tmp/siti/cert.pem" \
    "$tmp/mail" 2>"$tmp/err" | openssl cms -cmsout -print | grep -q rsaesOaep
[ $? -eq 1 ]
result $? "no OAEP where nobody asks for it"
expect_ctl 0 "to a certificate that says it reads OAEP" encrypt --to $siti \
    --cert "$tmp/caps/cert.pem" "$tmp/mail"
openssl cms -cmsout -print -in "$tmp/out" 2>"$tmp/err" | grep -q rsaesOaep
result $? "is by OAEP"
opened "and opened" caps
expect_ctl 0 "as a document" --json encrypt --to $siti --cert \
    "$tmp/siti/cert.pem" "$tmp/mail"
json "with the message in it" 'd["encrypted"] and d["cipher"] == "aes256-cbc"
    and len(d["recipients"]) == 1 and d["recipients"][0]["usable"]
    and d["from"] == "'$budi'" and
    b"enveloped-data" in __import__("base64").b64decode(d["message_base64"])'

# ------------------------------------------------------------------- copies
sed "s/^To:/Bcc: $sri\nTo:/" "$tmp/mail" >"$tmp/bcc"
set -- --to $siti --cert "$tmp/siti/cert.pem" --to $sri --cert \
    "$tmp/sri/cert.pem" --to $budi --cert "$tmp/own/cert.pem" "$tmp/bcc"
expect_ctl 0 "one message, though one is hidden" encrypt "$@"
says "with a warning" "$sri is in neither To nor Cc" err
silent "and without Bcc" "$sri"
expect_ctl 0 "copies" encrypt --copies "$tmp/copies" "$@"
says "tells which is for whom" "^1.eml $siti $budi\$"
says "the hidden one, too" "^2.eml $sri \(hidden\)\$"
[ ! -s "$tmp/err" ]
result $? "without a warning"
cp "$tmp/copies/1.eml" "$tmp/out"
silent "he is not named in the first (ENC-14)" "$sri"
opened "which is opened by the visible one" siti
silent "nor inside it" "$sri" in
cp "$tmp/copies/1.eml" "$tmp/out"
opened "and by the sender" own
cp "$tmp/copies/2.eml" "$tmp/out"
opened "the second by him" sri
! openssl cms -decrypt -in "$tmp/copies/2.eml" -recip "$tmp/siti/cert.pem" \
    -inkey "$tmp/siti/key.pem" -out "$tmp/signed" 2>/dev/null
result $? "alone"
expect_ctl 73 "never over a file that is there" encrypt --copies \
    "$tmp/copies" "$@"
rm "$tmp/copies"/*
expect_ctl 0 "copies, as a document" --json encrypt --copies \
    "$tmp/copies" "$@"
json "that lists them" 'd["encrypted"] and [c["recipients"] for c in
    d["copies"]] == [["'$siti'", "'$budi'"], ["'$sri'"]]'

# ------------------------------------------------------------------ refused
expect_ctl 65 "to a signing certificate (ENC-06)" encrypt --to $siti --cert \
    "$tmp/signing/cert.pem" "$tmp/mail"
says "with the reason" '^  encryption-usage: ' err
[ ! -s "$tmp/out" ]
result $? "and no message"
expect_ctl 65 "to somebody else's (ENC-07)" encrypt --to $budi --cert \
    "$tmp/siti/cert.pem" "$tmp/mail"
says "with that reason" '^  other-address: ' err
expect_ctl 65 "one of two is revoked (ENC-05)" --json encrypt --to $budi --cert \
    "$tmp/own/cert.pem" --to $siti --cert "$tmp/revoked/cert.pem" "$tmp/mail"
json "which is told" 'not d["encrypted"] and d["message_base64"] is None and
    [r["usable"] for r in d["recipients"]] == [True, False] and
    d["recipients"][1]["problems"][0]["problem"] == "revoked"'
expect_ctl 65 "a Subject that cannot be hidden" encrypt --to $siti --cert \
    "$tmp/siti/cert.pem" "$tmp/odd"
says "with what to do" 'control characters; --show-subject' err
expect_ctl 66 "no such file" encrypt --to $siti --cert "$tmp/none" "$tmp/mail"
expect_ctl 64 "no certificate" encrypt --to $siti "$tmp/mail"
expect_ctl 64 "nobody" encrypt "$tmp/mail"
expect_ctl 64 "a certificate for nobody" encrypt --cert "$tmp/siti/cert.pem" \
    --to $siti "$tmp/mail"
expect_ctl 64 "an unknown cipher" encrypt --cipher des3 --to $siti --cert \
    "$tmp/siti/cert.pem" "$tmp/mail"
expect_ctl 64 "the options are encrypt's alone" sign --oaep "$tmp/mail"

finish
