"""Why a draft cannot be made or go on; each sentence says what to do next."""

from collections.abc import Sequence

from bmm.core.finding import Finding, in_a_line
from bmm.errors import BadInput, BmmError


class SecretInPrompt(BadInput):
    """A prompt holds what looks like a credential; it was neither stored nor sent."""

    code = "secret_in_prompt"

    def __init__(self, findings: Sequence[Finding]) -> None:
        places = " ".join(each.message for each in findings[:3])
        super().__init__(
            f"There seems to be a credential in the text. {places} Nothing was stored or sent. Take it out: you are asked for secrets "
            "after the plan, and no model ever sees them"
        )


class SecretInSpec(BadInput):
    """A spec that was to be sent to a model holds what looks like a credential; it was not sent."""

    code = "secret_in_spec"

    def __init__(self, findings: Sequence[Finding]) -> None:
        places = in_a_line(findings) or "somewhere in its texts"
        super().__init__(f"The spec holds what looks like a credential, so it was not sent to the model: {places}.")


class NoDraft(BadInput):
    """Nothing can be made of what was sent."""

    code = "nothing_to_draft"


class DraftFailed(BmmError):
    """A draft came to its end without a suggestion; `code` as the round's that ended it, `findings` what the checks said of its last answer.

    `then` says how the draft can go on.
    """

    code, status = "draft_failed", 422

    def __init__(self, user_message: str, *, code: str, then: str, findings: Sequence[Finding] = ()) -> None:
        super().__init__(user_message)
        self.code, self.then, self.findings = code, then, findings


INTERRUPTED = "draft_interrupted"
UNREPAIRED = "draft_unrepaired"
