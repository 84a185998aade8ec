"""Signatures verified in bulk: OpenSSL's CMS_verify by ctypes, with a trust
store of its own. A process for each message, as harness.verify does it, takes
a hundred times as long."""
import base64
import collections
import ctypes
import email
import email.policy
import hashlib

import harness
from harness import Refused

BINARY = 0x80                   # CMS_BINARY
INFO = 3                        # BIO_CTRL_INFO

_crypto = ctypes.CDLL("libcrypto.so.3")


def _function(name, result, *arguments):
    function = getattr(_crypto, name)
    function.restype = result
    function.argtypes = arguments
    return function


_P, _I, _L, _B = (ctypes.c_void_p, ctypes.c_int, ctypes.c_long,
                  ctypes.c_char_p)
_bio_from = _function("BIO_new_mem_buf", _P, _B, _I)
_bio_new = _function("BIO_new", _P, _P)
_bio_memory = _function("BIO_s_mem", _P)
_bio_ctrl = _function("BIO_ctrl", _L, _P, _I, _L, _P)
_bio_free = _function("BIO_free", _I, _P)
_cms_read = _function("d2i_CMS_bio", _P, _P, _P)
_cms_free = _function("CMS_ContentInfo_free", None, _P)
_cms_verify = _function("CMS_verify", _I, _P, _P, _P, _P, _P, ctypes.c_uint)
_cms_signers = _function("CMS_get0_signers", _P, _P)
_stack_count = _function("OPENSSL_sk_num", _I, _P)
_stack_item = _function("OPENSSL_sk_value", _P, _P, _I)
_stack_free = _function("OPENSSL_sk_free", None, _P)
_emails = _function("X509_get1_email", _P, _P)
_emails_free = _function("X509_email_free", None, _P)
_store_new = _function("X509_STORE_new", _P)
_store_load = _function("X509_STORE_load_file", _I, _P, _B)
_store_param = _function("X509_STORE_get0_param", _P, _P)
_param_time = _function("X509_VERIFY_PARAM_set_time", None, _P, _L)
_store_free = _function("X509_STORE_free", None, _P)
_error_get = _function("ERR_get_error", ctypes.c_ulong)
_error_text = _function("ERR_error_string_n", None, ctypes.c_ulong, _B,
                        ctypes.c_size_t)

Verified = collections.namedtuple("Verified", "fields content addresses")


def _reason():
    said = []
    while True:
        code = _error_get()
        if not code:
            return "; ".join(said) or "no reason given"
        text = ctypes.create_string_buffer(256)
        _error_text(code, text, len(text))
        said.append(text.value.decode("ascii", "replace"))


class Verifier:
    """Trusts one root. Only the certificates inside a signature help. at is
    the time to judge by, now without it."""

    def __init__(self, anchor, at=None):
        self.store = _store_new()
        if at is not None:
            _param_time(_store_param(self.store), at)
        if _store_load(self.store, anchor.encode()) != 1:
            raise Refused(_reason())

    def close(self):
        _store_free(self.store)

    def _signers(self, cms):
        signers = _cms_signers(cms)
        if _stack_count(signers) != 1:
            raise Refused("not one signer")
        emails = _emails(_stack_item(signers, 0))
        out = [ctypes.string_at(_stack_item(emails, i)).decode()
               for i in range(max(0, _stack_count(emails)))]
        _emails_free(emails)
        _stack_free(signers)
        return out

    def _cms(self, der, content):
        """The content and its signer's addresses; content None: inside."""
        source = _bio_from(der, len(der))
        cms = _cms_read(source, None)
        _bio_free(source)
        if not cms:
            raise Refused("no CMS: " + _reason())
        given = None if content is None else _bio_from(content, len(content))
        out = _bio_new(_bio_memory())
        try:
            if _cms_verify(cms, None, self.store, given, out, BINARY) != 1:
                raise Refused("signature: " + _reason())
            start = ctypes.c_char_p()
            size = _bio_ctrl(out, INFO, 0, ctypes.byref(start))
            return ctypes.string_at(start, size), self._signers(cms)
        finally:
            _bio_free(given)
            _bio_free(out)
            _cms_free(cms)

    def message(self, data):
        """A message as delivered: one signature over all of it, or
        Refused."""
        fields, body = harness.split(data)
        for name in ("MIME-Version", "Content-Type", "From", "Subject"):
            if len(harness.values(fields, name)) != 1:
                raise Refused("not one " + name)
        kind, params = harness.parameters(
            harness.values(fields, "Content-Type")[0])
        if kind == "multipart/signed":
            content, second = harness.detached_parts(body, params["boundary"])
            part, encoded = harness.split(second + b"\r\n")
            if "pkcs7-signature" not in harness.values(
                    part, "Content-Type")[0]:
                raise Refused("second part is no signature")
            got, addresses = self._cms(base64.b64decode(encoded), content)
            if got != content:
                raise Refused("content differs")
        elif kind == "application/pkcs7-mime":
            content, addresses = self._cms(base64.b64decode(body), None)
        else:
            raise Refused("not signed: " + kind)
        if not content.isascii():
            raise Refused("8-bit octets in what is signed")
        return Verified(fields, content, addresses)


def leaves(octets):
    """What a reader sees: kinds, names and digests of the decoded parts."""
    message = email.message_from_bytes(octets, policy=email.policy.compat32)
    out = []
    for part in message.walk():
        if part.is_multipart():
            out.append(part.get_content_type())
            continue
        payload = part.get_payload(decode=True).replace(b"\r\n", b"\n")
        out.append((part.get_content_type(), part.get_filename(),
                    hashlib.sha256(payload.rstrip(b"\n")).hexdigest()))
    return out
