#!/bin/sh
# test_explain.sh - what sampulctl explain tells of a message, and that what
# sampulctl sign writes is accepted by openssl. Prints TAP.
. "${0%/*}/lib_tap.sh"

# verified NAME: openssl accepts the last output, signed by budi.
verified()
{
	openssl cms -verify -in "$tmp/out" -CAfile "$tmp/pki/root.pem" \
	    -signer "$tmp/signer" -out "$tmp/content" 2>"$tmp/err" &&
	    openssl x509 -in "$tmp/signer" -noout -ext subjectAltName |
	    grep -q "$budi"
	result $? "$1"
}

setup()
{
	"$pki" "$tmp/pki" &&
	    "$pki" "$tmp/pki" mailbox $budi rsa2048 "$tmp/1" &&
	    mkdir -p "$tmp/keystore/$budi" "$tmp/anchors" "$tmp/spool" &&
	    chmod 700 "$tmp/keystore" "$tmp/keystore/$budi" "$tmp/spool" &&
	    mv "$tmp/1" "$tmp/keystore/$budi/1" &&
	    cp "$tmp/pki/root.pem" "$tmp/anchors/"
}

setup >"$tmp/out" 2>"$tmp/err"
result $? "make a PKI and a keystore"
cat >"$tmp/sampul.conf" <<END
domains = [ ".pekalongankab.go.id" ];
language = "en";
user = ""; key_user = "";
spool = { dir = "$tmp/spool"; };
keystore = { dir = "$tmp/keystore"; anchors_dir = "$tmp/anchors";
  intermediates_dir = ""; insecure_unencrypted_keys = true; };
audit = { file = "$tmp/audit.log"; };
origins = ( { name = "mailboxes"; kind = "login"; },
  { name = "office"; kind = "network"; networks = [ "10.20.0.0/16" ];
    from = [ "$budi" ]; } );
rules = (
  { name = "meetings"; preset = "meeting"; sign = "off"; },
  { name = "court"; to = [ "@pn.example" ]; form = "opaque"; },
  { name = "lists"; preset = "list"; } );
END
cat >"$tmp/mail" <<END
Received: from somewhere
From: Budi <$budi>
To: hakim@example.org
Subject: Undangan
X-Verified-Sender: chief
content-type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Selamat pagi, é.
END
sed 's/^content-type.*/Content-Type: multipart\/mixed; boundary=b/' \
    "$tmp/mail" >"$tmp/meeting"
printf -- '--b\nContent-Type: text/calendar\n\nBEGIN:VCALENDAR\n--b--\n' \
    >>"$tmp/meeting"

expect_ctl 0 "explain a login" explain --login $budi --from $budi --to a@b.example
says "signs" '^result: +sign$'
says "names the origin" '^origin: +mailboxes$'
says "names the rule and where it stands" '^rule: +default \(.+\)$'
says "names the certificate" '^serial: +[0-9A-F]+$'
expect_ctl 0 "explain a rule" explain --login $budi --from $budi \
    --to a@b.example --to x@pn.example
says "names the rule and its line" \
    '^rule: +court \(.*sampul\.conf:[0-9]+\)$'
expect_ctl 0 "explain an impersonation" explain --login $siti --from $budi
says "refuses" '^result: +refuse$'
says "says why" '^why: +not-owner$'
says "and what that means" '^that is: +whoever submitted it may not use'
says "shows what the sender reads" '^reply: +Message not sent: your account'
expect_ctl 0 "explain a mailbox without certificate" explain --login $siti \
    --from $siti
says "refuses for that" '^why: +no-certificate$'
says "tells the administrator more" '^reason: .*no folder'
! grep -q '^reply: .*folder' "$tmp/out"
result $? "than the sender"
expect_ctl 0 "explain mail from elsewhere" explain --client 192.0.2.1 "$tmp/mail"
says "is not ours" '^result: +not-ours$'
expect_ctl 0 "explain a network" explain --client 10.20.1.2 "$tmp/mail"
says "names its origin" '^origin: +office$'
expect_ctl 0 "explain a header" explain --login $budi --from $budi \
    --header 'List-Id: <a.b>'
says "names the list's rule" '^rule: +lists '
expect_ctl 0 "explain what depends on the body" explain --login $budi \
    --from $budi --header 'Content-Type: multipart/mixed; boundary=b'
says "says so" '^result: +later$'
expect_ctl 0 "explain a message with an invitation" explain --login $budi \
    "$tmp/meeting"
says "finds it" '^rule: +meetings '
expect_ctl 0 "explain in JSON" --json explain --login $siti --from $budi
json "is JSON that says so" 'd["result"] == "refuse" and d["incident"] is True and
    d["certificate"] is None and d["rule"] == "default" and d["why_text"]'
expect_ctl 64 "a bad client" explain --client nowhere
expect_ctl 64 "a bad header" explain --header nonsense
expect_ctl 66 "a missing message" explain "$tmp/none"

expect_ctl 0 "sign a file" sign "$tmp/mail"
verified "openssl accepts it"
says "a header field stays first" '^Received: from somewhere'
says "one Content-Type is left" '^content-type: multipart/signed'
! sed '/^.$/q' "$tmp/out" | grep -Eqi '^(x-verified|content-transfer)'
result $? "forged results and the old encoding are gone"
says "the use is recorded" "queue_id=sampulctl address=$budi" audit.log
printf 'From: %s\r\nSubject: x\r\nContent-Type: image/png\r\n%s\r\n\r\n' \
    $budi 'Content-Transfer-Encoding: binary' >"$tmp/binary"
printf '\211PNG\r\n\032\n\377' >>"$tmp/binary"
expect_ctl 0 "sign a file with CRLF and octets in binary" sign "$tmp/binary"
verified "openssl accepts it"
/usr/bin/python3 -c 'import email, sys
m = email.message_from_binary_file(open(sys.argv[1], "rb"))
assert m.get_payload(decode=True) == b"\x89PNG\r\n\x1a\n\xff", m' \
    "$tmp/content" 2>"$tmp/err"
result $? "a lone LF of theirs is left alone"
input=$tmp/mail
expect_ctl 0 "sign standard input, opaque by rule" sign --to x@pn.example -
verified "openssl accepts that, too"
says "is opaque" 'application/pkcs7-mime'
cp "$tmp/out" "$tmp/signed"
input=/dev/null
expect_ctl 65 "not what is signed already" sign "$tmp/signed"
says "says so" 'already-encrypted|already-signed' err
expect_ctl 65 "not what another login sends" sign --login $siti "$tmp/mail"
says "says so" 'not-owner \(refuse\)' err
expect_ctl 65 "not what the milter would not" sign --client 192.0.2.1 "$tmp/mail"
says "says so" 'no-origin' err
expect_ctl 0 "but what comes from a network of ours" sign --client 10.20.1.2 \
    "$tmp/mail"
verified "openssl accepts it"
expect_ctl 65 "a refusal in JSON" --json sign --login $siti "$tmp/mail"
json "is JSON that says so" 'd["result"] == "refuse" and d["why"] == "not-owner" and
    d["message_base64"] is None and d["serial"] is None'
expect_ctl 0 "a signature in JSON" --json sign "$tmp/mail"
json "is JSON that says so" 'd["result"] == "sign" and d["form"] == "detached" and d["serial"] and
    d["reencoded"] == 1 and d["from"].startswith("budi@")'
/usr/bin/python3 -c 'import base64, json, sys
sys.stdout.buffer.write(base64.b64decode(
    json.load(open(sys.argv[1]))["message_base64"]))' "$tmp/out" \
    >"$tmp/decoded" 2>"$tmp/err" && mv "$tmp/decoded" "$tmp/out"
verified "openssl accepts the message in it"
cp "$tmp/sampul.conf" "$tmp/whole.conf"
echo 'milter = { max_message = 10; };' >>"$tmp/sampul.conf"
expect_ctl 65 "not what is too large" sign "$tmp/mail"
says "says so" 'too-large \(refuse\)' err
expect_ctl 0 "explain that" explain --login $budi "$tmp/mail"
says "as too large" '^why: +too-large$'
mv "$tmp/whole.conf" "$tmp/sampul.conf"
sed "s/$budi/$siti/" "$tmp/mail" >"$tmp/other"
expect_ctl 65 "not without a certificate" sign "$tmp/other"
[ ! -s "$tmp/out" ]
result $? "and nothing is written then"
expect_ctl 64 "no message" sign

finish
