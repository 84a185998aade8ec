#!/bin/sh
# test_webmail.sh - what contrib/webmail makes of the field X-Verified-Sender:
# the Sieve script by Dovecot's sieve-test, the Roundcube plugin by PHP with
# stand-ins for Roundcube's own classes. Prints TAP.
. "${0%/*}/lib_tap.sh"

# ------------------------------------------------------------------ Sieve
# As nobody, where we are root: sieve-test gives root up.
uid=$(id -u) gid=$(id -g)
[ "$uid" -ne 0 ] || { uid=$(id -u nobody) gid=$(id -g nobody); }
mkdir "$tmp/sieve" "$tmp/sieve/home"
cat >"$tmp/sieve/dovecot.conf" <<END
mail_uid = $uid
mail_gid = $gid
mail_home = $tmp/sieve/home
mail_location = mbox:$tmp/sieve/home
base_dir = $tmp/sieve/base
log_path = /dev/stderr
END
cp contrib/webmail/verified-sender.sieve "$tmp/sieve/"
chmod 755 "$tmp"
chown -R "$uid:$gid" "$tmp/sieve"
sievec -c "$tmp/sieve/dovecot.conf" "$tmp/sieve/verified-sender.sieve" \
    "$tmp/sieve/out.svbin" >"$tmp/out" 2>&1
result $? "the Sieve script compiles"

# sorts NAME FROM FIELD WANT UNWANTED: what is done with such a message
sorts()
{
	{
		[ -z "$3" ] || printf 'X-Verified-Sender: %s\n' "$3"
		printf 'From: %s\nSubject: x\n\nhalo\n' "$2"
	} >"$tmp/sieve/message"
	chmod 644 "$tmp/sieve/message"
	sieve-test -c "$tmp/sieve/dovecot.conf" \
	    "$tmp/sieve/verified-sender.sieve" "$tmp/sieve/message" \
	    >"$tmp/out" 2>&1 && grep -q "$4" "$tmp/out" &&
	    ! grep -qE "$5" "$tmp/out"
	result $? "$1"
}

ours=budi@dinkes.pekalongankab.go.id
sorts "verified" $ours 'verified; address="budi@x"; reason=good' \
    'INBOX' 'Periksa|NotVerified'
sorts "gets a keyword" $ours 'verified; reason=good' 'flags: SampulVerified' x-x
sorts "not verified" $ours 'not-verified; reason=altered' \
    'Periksa Pengirim' 'flags: SampulVerified'
sorts "gets another keyword" a@example.org 'not-verified; reason=altered' \
    'flags: SampulNotVerified' 'Periksa'
sorts "unsigned, from us" $ours 'unsigned; reason=unsigned' \
    'Periksa Pengirim' 'flags'
sorts "unsigned, from elsewhere" a@example.org 'unsigned; reason=unsigned' \
    'INBOX' 'flags|Periksa'
sorts "without the field" $ours '' 'INBOX' 'flags|Periksa'
sorts "a state that only begins so" $ours 'verified-not; reason=x' \
    'Periksa Pengirim' 'flags'

# -------------------------------------------------------------- Roundcube
plugin=contrib/webmail/roundcube/sampul_sender
for file in $plugin/*.php $plugin/localization/*.inc; do
	php -n -l "$file" >"$tmp/out" 2>&1
	result $? "PHP reads ${file##*/}"
done

cat >"$tmp/plugin.php" <<'END'
<?php
error_reporting(E_ALL);
set_error_handler(function ($level, $text) { throw new Exception($text); });

class rcube_plugin
{
    public $hooks = [];
    private $labels = [];

    public function add_hook($name, $call) { $this->hooks[$name] = $call; }
    public function add_texts($dir)
    {
        include "$GLOBALS[dir]/$dir/$GLOBALS[language].inc";
        $this->labels = $labels;
    }
    public function gettext($name) { return $this->labels[$name]; }
}

[, $dir, $language] = $argv;
require "$dir/sampul_sender.php";
$plugin = new sampul_sender();
$plugin->init();
$fetched = ($plugin->hooks['storage_init'])(['fetch_headers' => 'X-MAILER']);
$value = json_decode(stream_get_contents(STDIN));
$shown = ($plugin->hooks['message_headers_output'])([
    'output' => ['subject' => 1],
    'headers' => (object)['others' =>
        $value === null ? [] : ['x-verified-sender' => $value]],
]);
echo $fetched['fetch_headers'], "\n";
echo $shown['output']['sampul_sender']['title'] ?? 'NOTHING', "\n";
echo $shown['output']['sampul_sender']['value'] ?? '', "\n";
END

# shows NAME LANGUAGE JSON WANT: of a field's value
shows()
{
	printf '%s' "$3" | php -n "$tmp/plugin.php" $plugin "$2" \
	    >"$tmp/out" 2>&1
	grep -q '^X-MAILER X-VERIFIED-SENDER$' "$tmp/out" &&
	    grep -qF -- "$4" "$tmp/out"
	result $? "$1"
}

good='"verified; address=\"budi@dinkes.example\";\n\tname=\"Budi\"; organisation=\"Dinas \\\"Sehat\\\"\"; issuer=\"BSrE\"; pinned=yes; reason=good; text=\"Benar.\""'
shows "a verified sender" en_US "$good" \
    '>Verified - Budi - Dinas &quot;Sehat&quot; - budi@dinkes.example - BSrE<'
shows "in Indonesian" id_ID "$good" '>Terverifikasi - Budi'
shows "with the sentence" id_ID "$good" 'title="Benar."'
shows "one that is not" en_US \
    '"not-verified; reason=altered; text=\"The message was changed.\""' \
    '>NOT verified - The message was changed.<'
shows "names of one that is not" en_US \
    '"not-verified; name=\"Bupati\"; reason=altered"' '>NOT verified<'
shows "HTML in a name" en_US '"verified; name=\"<img src=x>\"; reason=good"' \
    '&lt;img src=x&gt;'
shows "a parameter to come" en_US '"unsigned; reason=unsigned; more=1"' \
    '>Not signed<'
shows "no field" en_US null NOTHING
shows "two fields" en_US "[$good, $good]" NOTHING
shows "another state" en_US '"certified; reason=good"' NOTHING
shows "a state that only begins so" en_US '"verified-not; reason=good"' NOTHING
shows "free text" en_US '"verified by the chief"' NOTHING
shows "a string that does not end" en_US '"verified; name=\"Bupati"' NOTHING

# ------------------------------------------------------------ Thunderbird
# A rule is five lines; its tag is one that user.js makes.
awk -F'"' '/^action=/ { a++ } /^actionValue=/ { v++; print $2 }
    /^condition=/ { c++ } /^name=/ { m++ }
    END { exit !(m > 0 && m == a && m == v && m == c) }' \
    contrib/webmail/thunderbird/msgFilterRules.dat >"$tmp/tags"
status=$?
cp "$tmp/tags" "$tmp/out"
while read -r tag; do
	grep -qF "mailnews.tags.$tag.tag" contrib/webmail/thunderbird/user.js ||
	    status=1
done <"$tmp/tags"
result $status "Thunderbird's filters use tags that are there"

finish
