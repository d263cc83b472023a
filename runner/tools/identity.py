"""Client certificates: the TLS context that shows one, and what is said of one that cannot be shown or is not accepted."""

import os
import ssl
from collections.abc import Callable, Iterator, Mapping

from runner.contract import CertificateCredential
from runner.tools.errors import RequestError
from runner.tools.result import ToolAnswer, failed

_BEGIN, _END, _DASHES = "-----BEGIN ", "-----END ", "-----"
# What OpenSSL calls the alerts with which a host says what it thinks of a certificate (RFC 8446 section 6.2).
_ALERTS = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it wants a client certificate",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "perhaps it wants a client certificate, or another one",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it does not accept the client certificate",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "it does not accept this kind of client certificate",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "the client certificate has been revoked",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the client certificate has expired",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it does not accept the client certificate",
    "TLSV1_ALERT_UNKNOWN_CA": "the client certificate is from an authority that it does not know, or lacks a certificate between",
    "TLSV1_ALERT_DECRYPT_ERROR": "it could not verify the client certificate's key",
}


# A key of another kind than the certificate's looks to OpenSSL like one whose certificate is still to come.
_MISMATCH = frozenset({"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"})


class UnusableIdentity(RequestError):
    """A certificate or key that cannot be shown; the sentence names the secret and holds nothing of it."""


def presenting(credential: CertificateCredential, secrets: Mapping[str, str], made: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """A context, as `made` makes them, with the client certificate in it, which it then shows to every host that asks.

    Raises:
        UnusableIdentity: certificate or key cannot be read, or do not belong together.
    """
    holder = credential.key or credential.certificate
    chain = [block for kind, block in _blocks(secrets[credential.certificate]) if kind == "CERTIFICATE"]
    keys = [(kind, block) for kind, block in _blocks(secrets[holder]) if kind.endswith("PRIVATE KEY")]
    if not chain:
        raise UnusableIdentity(_sentence(credential.certificate, "holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"))
    if not keys:
        raise UnusableIdentity(_sentence(holder, "holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)"))
    kind, key = keys[0]
    if kind.startswith("ENCRYPTED") or "Proc-Type: 4,ENCRYPTED" in key:
        raise UnusableIdentity(_sentence(holder, "holds a private key that is encrypted", "decrypted, as `openssl pkey` prints it"))
    text = "".join((key, *chain)).encode()
    try:
        # First without the authorities, which take long to load: code can ask for any pair of secrets, again and again.
        _load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), text)
        context = _load(made(), text)
        # Some hosts ask only once they know the path; they may do so of a client that says it will answer (RFC 8446 section 4.6.2).
        context.post_handshake_auth = True
        return context
    except ssl.SSLError as error:
        if error.reason in _MISMATCH:
            told = _sentence(holder, f"holds a private key that does not belong to the first certificate in {credential.certificate}")
        else:
            named = " or ".join(dict.fromkeys((credential.certificate, holder)))
            told = _sentence(named, "holds a certificate or a key that cannot be read")
        raise UnusableIdentity(told) from None


def _load(context: ssl.SSLContext, text: bytes) -> ssl.SSLContext:
    # OpenSSL reads files only; a memory file is nobody else's, and gone once it is closed.
    descriptor = os.memfd_create("identity", os.MFD_CLOEXEC)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        file.write(text)
        # No key that needs a password comes here; without one to give, OpenSSL would ask at the terminal.
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=bytes)
    return context


def not_accepted(host: str, error: BaseException, keys: tuple[str, ...] = ()) -> ToolAnswer | None:
    """The answer where a host has refused the connection for its client certificate, or for the lack of one; None for other reasons.

    `keys` are the secrets that made the certificate.
    """
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, ssl.SSLError):
        seen = seen.__cause__ or seen.__context__
    if seen is None or (why := _ALERTS.get(seen.reason or "")) is None:
        return None
    what = f"check its secret{'s' if len(keys) > 1 else ''} {' and '.join(keys)}" if keys else "add a client certificate to this tool"
    return failed("upstream_unauthorized", f"{host} ended the connection: {why}. The owner of this server must {what}.")


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """Kind and text of each PEM block. Text between blocks is skipped; line breaks written as `\\n` are line breaks."""
    if "\n" not in text:
        text = text.replace("\\n", "\n")
    kind, lines = None, list[str]()
    for line in map(str.strip, text.splitlines()):
        if line.startswith(_BEGIN) and line.endswith(_DASHES):
            kind, lines = line[len(_BEGIN) : -len(_DASHES)], []
        if kind is not None:
            lines.append(f"{line}\n")
            if line == f"{_END}{kind}{_DASHES}":
                yield kind, "".join(lines)
                kind = None


def _sentence(key: str, fault: str, how: str = "again") -> str:
    return f"The secret {key} {fault}; the owner must set it {how}."
