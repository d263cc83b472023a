"""Every error the appliance can answer with: a code for programs, a status for HTTP and a sentence for a person."""


class BmmError(Exception):
    """The root. `permanent` says whether trying the same again can help; the sentence never holds a secret."""

    code = "internal_error"
    status = 500
    permanent = True

    def __init__(self, user_message: str, *, pointer: str | None = None) -> None:
        super().__init__(user_message)
        self.user_message, self.pointer = user_message, pointer


class BadInput(BmmError):
    """What was sent cannot be used as it is."""

    code, status = "bad_input", 422


class NotFound(BmmError):
    """It does not exist, or not for this organisation."""

    code, status = "not_found", 404


class Conflict(BmmError):
    """It clashes with what is already there."""

    code, status = "conflict", 409


class SlugTaken(Conflict):
    code = "slug_taken"


class BaseMoved(Conflict):
    """A server has changed since a draft of its next version was begun."""

    code = "base_moved"


class SecretsMissing(BadInput):
    code = "secrets_missing"


class NotAllowed(BmmError):
    """The caller is known and may not do this."""

    code, status = "not_allowed", 403


class NotReachable(BmmError):
    """Something the appliance needs does not answer."""

    code, status, permanent = "unavailable", 503, False


class EngineFailed(BmmError):
    """Podman refused or did not finish."""

    code, status, permanent = "engine_failed", 503, False


class LimitsUnenforced(BmmError):
    """This host cannot enforce CPU and memory limits, and the operator has not allowed to run without."""

    code, status = "limits_unenforced", 503


class TrialFailed(BmmError):
    """The candidate container did not do what its spec says."""

    code, status = "trial_failed", 422
