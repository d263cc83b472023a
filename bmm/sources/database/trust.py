"""Whom to trust when a database is asked over TLS: the same as the server that will ask it."""

import os
import socket
import ssl

from bmm.errors import BadInput
from bmm.sources.database.options import Options, Place

NO_TLS = "it does not speak TLS; --tls off, or ?sslmode=disable in its URL, asks it without, if you trust the network between"

# By OpenSSL's numbers (x509_vfy.h): what no other authority would change.
_CERTIFICATE = {
    9: "the clock of this machine, or of its authority, is wrong",
    10: "who runs the database must renew it",
    62: "ask by a name that it bears, or say that name with --known-as",
    64: "say a name that it bears with --known-as",
}


class _Named(ssl.SSLContext):
    """Verifies for the name the spec says, where another one is dialled."""

    name: str

    def wrap_bio(
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, server_side: bool = False, server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:  # fmt: skip
        return super().wrap_bio(incoming, outgoing, server_side=server_side, server_hostname=self.name, session=session)


def trust_of(place: Place, options: Options) -> ssl.SSLContext:
    """What verifies the database's certificate for the name in the spec: the given authorities, else those that this machine trusts.

    Raises:
        BadInput: what was given to trust are no certificates.
    """
    context = _Named(ssl.PROTOCOL_TLS_CLIENT)
    context.name = place.name
    try:
        if options.trust:
            context.load_verify_locations(cadata=options.trust)
        else:
            context.load_default_certs()
    except ssl.SSLError as error:
        raise BadInput("--trust must name a file of certificates (PEM); in the API `trust` is its text") from error
    return context


def failure(error: BaseException) -> str | None:
    """Why nobody could be reached or believed, in words; None where the database itself said why."""
    if isinstance(error, ssl.SSLCertVerificationError):
        advice = _CERTIFICATE.get(error.verify_code, "give its authority's certificates with --trust FILE (in the API: `trust`)")
        return f"its certificate is not trusted ({error.verify_message}); {advice}"
    if isinstance(error, socket.gaierror):
        return f"its name cannot be resolved ({error.strerror}); see whether it is spelled right"
    if isinstance(error, TimeoutError):
        return "it does not answer; see whether the port is right and a firewall lets this machine through"
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else None
