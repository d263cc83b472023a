"""Base64url without padding (RFC 7515 §2)."""

import binascii

_TO_STANDARD = bytes.maketrans(b"-_+/=", b"+/!!!")


def decoded(text: bytes) -> bytes:
    """The bytes that a text stands for.

    Raises:
        ValueError: it is not base64url, or it is padded.
    """
    return binascii.a2b_base64(text.translate(_TO_STANDARD) + b"=" * (-len(text) % 4), strict_mode=True)
