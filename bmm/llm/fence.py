"""Third-party text inside a message: between two lines that it cannot contain, so that it cannot end its own quotation."""

import hashlib


def fenced(name: str, text: str) -> str:
    """The text as a quotation. Its mark is the text's own hash: the same request on every try, and no text can contain the hash of itself."""
    mark = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:24]
    return f"<data name={name!r} mark={mark}>\n{text}\n</data mark={mark}>"
