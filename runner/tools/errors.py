"""Why no request can be made: sentences for a model or a person, without a secret in them."""


class RequestError(Exception):
    """The root; `message` may be shown to a model."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ArgumentError(RequestError):
    """The value of `argument` cannot be sent."""

    def __init__(self, message: str, argument: str) -> None:
        super().__init__(message)
        self.argument = argument


class MissingSecret(RequestError):
    """No way to sign in is complete; `keys` are what the first way lacks."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        super().__init__(f"This tool needs {' and '.join(keys)}, which the owner of the server has not set.")
        self.keys = keys


class UnusableSecret(RequestError):
    """A secret's value cannot stand in a request, such as one with a line break."""

    def __init__(self, key: str) -> None:
        super().__init__(f"The value of {key} has a line break or another character that cannot be sent; the owner must set it again.")
        self.key = key
