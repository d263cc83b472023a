"""Sealing: AES-256-GCM under a master key that lives outside the database, and per-organisation data keys wrapped by it."""

import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bmm.errors import BmmError

_NONCE = 12


class WrongKey(BmmError):
    """What was sealed cannot be opened: another master key, or the row was altered or moved."""

    code = "wrong_key"


class Vault:
    """Holds the master key. Sealed bytes are nonce ‖ ciphertext ‖ tag; `context` is authenticated and must be the same to open."""

    def __init__(self, master: bytes) -> None:
        self._master = master

    @classmethod
    def at(cls, path: Path) -> "Vault":
        """The vault of the key in this file (32 bytes, mode 0600), which is made on first use."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as file:
                file.write(os.urandom(32))
        return cls(path.read_bytes())

    def seal(self, plain: bytes, context: str) -> bytes:
        """Seal under the master key."""
        return _seal(self._master, plain, context)

    def open(self, sealed: bytes, context: str) -> bytes:
        """Open what `seal` made.

        Raises:
            WrongKey: another key, another context, or damaged bytes.
        """
        return _open(self._master, sealed, context)

    def new_data_key(self, organisation_id: str) -> bytes:
        """A fresh data key for an organisation, wrapped; stored with the organisation."""
        return self.seal(os.urandom(32), f"data-key:{organisation_id}")

    def seal_secret(self, value: str, *, organisation_id: str, data_key: bytes, server_id: str, key: str) -> bytes:
        """Seal a server's secret under its organisation's data key."""
        return _seal(self._unwrap(data_key, organisation_id), value.encode(), _secret_context(organisation_id, server_id, key))

    def open_secret(self, sealed: bytes, *, organisation_id: str, data_key: bytes, server_id: str, key: str) -> str:
        """Open a server's secret.

        Raises:
            WrongKey: another key, or the row belongs to another server or name.
        """
        return _open(self._unwrap(data_key, organisation_id), sealed, _secret_context(organisation_id, server_id, key)).decode()

    def _unwrap(self, data_key: bytes, organisation_id: str) -> bytes:
        return self.open(data_key, f"data-key:{organisation_id}")


def _secret_context(organisation_id: str, server_id: str, key: str) -> str:
    # Binding all three keeps a row from being moved to another server, organisation or name.
    return f"secret:{organisation_id}\x1f{server_id}\x1f{key}"


def _seal(key: bytes, plain: bytes, context: str) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plain, context.encode())


def _open(key: bytes, sealed: bytes, context: str) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], context.encode())
    except (InvalidTag, ValueError) as error:
        raise WrongKey(
            "This was sealed with another master key or has been altered; restore the key file that belongs to this data."
        ) from error
