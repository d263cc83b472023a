"""What can go wrong between the appliance and a model: for each a code, a sentence with the next step, and whether it may have been paid."""

from bmm.errors import BmmError
from bmm.llm.ask import Answer


class ModelError(BmmError):
    """`paid`: tokens may have been billed. `answer`: what had come until then, where they were. `code` says whether a repair can help
    (`bmm.core.draft.REPAIRABLE`)."""

    code, status = "model_error", 502
    paid = False

    retry_after: float | None = None
    """Seconds the service asked to wait, where it said so."""
    answer: Answer | None = None


class ModelKeyInRequest(ModelError):
    """The text to send holds the key itself. Nothing was sent."""

    code, status = "secret_in_prompt", 422


class ModelKeyMissing(ModelError):
    code, status = "model_key_missing", 422


class ModelPriceMissing(ModelError):
    """What a model costs is unknown, so the daily limit could not be kept."""

    code, status = "model_price_missing", 422


class ModelSpendLimit(ModelError):
    """Today's money is spent. Nothing was sent."""

    code, status = "model_spend_limit", 429


class ModelKeyRefused(ModelError):
    code = "model_key_refused"


class ModelOutOfCredit(ModelError):
    """The account behind the key has reached a limit of its own."""

    code = "model_out_of_credit"


class ModelNotFound(ModelError):
    """No such model there, or what answers does not speak the Messages protocol."""

    code = "model_not_found"


class ModelRequestRefused(ModelError):
    """The service does not take the request as it is."""

    code = "model_request_refused"


class ModelTooLong(ModelError):
    """The request does not fit into the model's context."""

    code, status = "model_too_long", 422


class ModelRateLimited(ModelError):
    """Nothing was paid; `retry_after` says when to ask again."""

    code, status, permanent = "model_rate_limited", 503, False


class ModelOverloaded(ModelError):
    """The service answered with 5xx before a token. Nothing was paid."""

    code, status, permanent = "model_overloaded", 503, False


class ModelUnreachable(ModelError):
    """No connection was made. Nothing was paid."""

    code, status, permanent = "model_unreachable", 503, False


class ModelCut(ModelError):
    """The request was sent and the answer did not come whole."""

    code, permanent, paid = "model_cut", False, True


class ModelTimedOut(ModelCut):
    code = "model_timed_out"


class ModelTruncated(ModelError):
    """The answer reached its limit of tokens."""

    code, paid = "model_truncated", True


class ModelRefused(ModelError):
    """The model declined."""

    code, status, paid = "model_refused", 422, True


class ModelProse(ModelError):
    """Text instead of a spec."""

    code, paid = "model_prose", True


class ModelAnswerInvalid(ModelError):
    """What was submitted is no usable spec; `pointer` is the place, the sentence is fit for a repair."""

    code, paid = "model_answer_invalid", True
