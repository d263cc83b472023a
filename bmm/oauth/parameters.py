"""Query strings and forms as OAuth reads them: an empty value counts as absent, a repeated one is an error (RFC 6749 §3.1)."""

from urllib.parse import parse_qsl

from bmm.oauth.errors import OAuthError, invalid_request


class Parameters:
    """What a request said. `one` for what may occur once, `several` for `resource`."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = [(name, value) for name, value in pairs if value]

    @classmethod
    def parse(cls, encoded: bytes) -> "Parameters":
        """Read `application/x-www-form-urlencoded`.

        Raises:
            OAuthError: not UTF-8, or more than 60 fields.
        """
        try:
            return cls(parse_qsl(encoded.decode("ascii"), keep_blank_values=True, max_num_fields=60, errors="strict"))
        except ValueError as error:
            raise invalid_request("The parameters are not form-encoded UTF-8, or too many.") from error

    def one(self, name: str) -> str | None:
        """Raises OAuthError `invalid_request` where it occurs twice."""
        values = self.several(name)
        if len(values) > 1:
            raise OAuthError("invalid_request", f"`{name}` occurs more than once.")
        return values[0] if values else None

    def several(self, name: str) -> list[str]:
        return [value for key, value in self._pairs if key == name]
