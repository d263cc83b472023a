"""Sealing: AES-256-GCM under a master key that lives outside the database, and per-organisation data keys wrapped by it."""

import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bmm.errors import BmmError

_NONCE, _KEY = 12, 32


class WrongKey(BmmError):
    """What was sealed cannot be opened: another master key, or the row was altered or moved."""

    code = "wrong_key"


class Vault:
    """Holds the master key. Sealed bytes are nonce ‖ ciphertext ‖ tag; `context` is authenticated and must be the same to open."""

    def __init__(self, master: bytes) -> None:
        self._master = master

    @classmethod
    def at(cls, path: Path, *, may_make: bool = True) -> "Vault":
        """The vault of the key in this file (32 bytes, mode 0600), which is made on first use.

        Raises:
            WrongKey: there is no such file and none may be made, or it does not hold a key.
        """
        if not path.exists():
            if not may_make:
                raise WrongKey(f"The master key {path} is missing; restore the file that belongs to this data")
            _make_key(path)
        master = path.read_bytes()
        if len(master) != _KEY:
            raise WrongKey(f"{path} holds {len(master)} bytes and not a key of {_KEY}; restore the file that belongs to this data")
        return cls(master)

    def seal(self, plain: bytes, context: str) -> bytes:
        """Seal under the master key."""
        return _seal(self._master, plain, context)

    def open(self, sealed: bytes, context: str) -> bytes:
        """Open what `seal` made.

        Raises:
            WrongKey: another key, another context, or damaged bytes.
        """
        return _open(self._master, sealed, context)

    def derived_key(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose (HKDF, RFC 5869): the same whenever it is asked for, and it tells nothing about any other."""
        return HKDF(algorithm=SHA256(), length=_KEY, salt=None, info=f"key:{purpose}".encode()).derive(self._master)

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


def _make_key(path: Path) -> None:
    """Whole and on disk before anything is sealed under it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(os.urandom(_KEY))
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


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
