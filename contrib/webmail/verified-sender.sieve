# verified-sender.sieve - sort mail by what Sampul says of its sender.
#
# For a server that runs Sieve (RFC 5228) on delivery, such as Dovecot's
# Pigeonhole; needs the extensions fileinto, imap4flags, index and mailbox.
# As a rule for everybody:
#
#	plugin { sieve_before = /etc/dovecot/sieve-before.d }
#
# Change the domain and the names of folders to yours. Only the first word of
# the field is looked at, and only in the topmost field: sampul-verified-
# sender(5) says why.

require ["fileinto", "imap4flags", "index", "mailbox"];

# Keywords that mail programs can show as a tag and search for.
if header :index 1 :matches "X-Verified-Sender" "verified;*" {
	addflag "SampulVerified";
} elsif header :index 1 :matches "X-Verified-Sender" "not-verified;*" {
	addflag "SampulNotVerified";
}

# Mail under a name of our own domain that is not surely ours. Where the mail
# server refuses it (verify.spoof), none comes here. What our own people send
# without a signature has no such field when it did not pass Sampul as incoming
# mail, and stays.
if allof (
	address :domain :matches "From"
	    ["pekalongankab.go.id", "*.pekalongankab.go.id"],
	exists "X-Verified-Sender",
	not header :index 1 :matches "X-Verified-Sender" "verified;*"
) {
	fileinto :create "Periksa Pengirim";
}
