"""The error tree: everything vivavoce raises for its users.

    VivavoceError
    ├── InvalidRequest         the caller can fix it: bad value, text nobody can read
    │   ├── UnknownModel       no model of that name
    │   ├── NotFound           nothing that was saved has that id
    │   ├── UnsupportedMedia   the body is of a type that is not read here
    │   ├── BodyTooLarge       the body is over the limit
    │   ├── NotAuthorized      no key, or none that is known here
    │   └── NotPermitted       a key that is not for this, or a web page that is not allowed
    ├── LimitReached           a key has had the requests it may make; later it may again
    ├── SettingsError          the operator can fix it: the server does not start
    ├── EngineUnavailable      no engine could be started; trying later may help
    ├── StorageFailed          the folder of saved things cannot be read or written
    ├── ModelInUse             an operator asked for what running requests do not allow now
    ├── ServerFull             as many requests run and wait as may; later there is room
    ├── ShuttingDown           the server is about to end and takes no more work
    ├── RequestTimedOut        the answer was not made in the time that one may take
    ├── OutOfMemory            the memory does not suffice for this now; later it may
    ├── WorkerDied             the engine's process ended or hung mid-request; a new one takes over
    └── SynthesisFailed        the engine could not speak this text; trying again will not help

Messages say what happened, with which value, and what to do about it. HTTP statuses belong to
`vivavoce.api.errors`; nothing here knows about them.
"""


class VivavoceError(Exception):
    """Root of the tree.

    `message` is for people, `code` a stable name for programs.
    """

    code: str = "internal_error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class InvalidRequest(VivavoceError):
    """The request cannot be honoured as it stands; `param` names the field to change."""

    code = "invalid_value"

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.param = param


class UnknownModel(InvalidRequest):
    """No model of that name; the message lists those there are."""

    code = "model_not_found"


class NotFound(InvalidRequest):
    """Nothing that was saved has that id, or it was deleted."""

    code = "not_found"


class UnsupportedMedia(InvalidRequest):
    """The body's content type or encoding is not read here."""

    code = "unsupported_media_type"


class BodyTooLarge(InvalidRequest):
    """The body is over the limit and was not read to its end."""

    code = "body_too_large"


class NotAuthorized(InvalidRequest):
    """The request has no API key, or none that is known here; the message never says which."""

    code = "invalid_api_key"


class NotPermitted(InvalidRequest):
    """The request's API key lacks the scope for what was asked, or a foreign web page asks."""

    code = "insufficient_permissions"


class LimitReached(VivavoceError):
    """An API key has had the requests that it may make, in a minute or at the same time."""

    code = "rate_limit_exceeded"

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class BodyTooSlow(InvalidRequest):
    """The body did not arrive in the time it may take."""

    code = "body_too_slow"


class SettingsError(VivavoceError):
    """A setting is unknown or impossible."""

    code = "invalid_setting"


class EngineUnavailable(VivavoceError):
    """An engine is not installed, could not be loaded, or took too long to load.

    `retry_after_s` tells when the next attempt will be made, where that is known.
    """

    code = "engine_unavailable"

    def __init__(
        self, message: str, *, code: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s


class StorageFailed(VivavoceError):
    """The folder of saved voices cannot be read or written; the message names it."""

    code = "storage_failed"


class ModelInUse(VivavoceError):
    """A model cannot be unloaded while requests use it or wait for it."""

    code = "model_in_use"


class ServerFull(VivavoceError):
    """As many answers are being made, and requests waiting, as may; `retry_after_s` is a guess."""

    code = "server_full"

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ShuttingDown(VivavoceError):
    """The server finishes what it has begun, and takes nothing more."""

    code = "shutting_down"


class RequestTimedOut(VivavoceError):
    """The answer was not made in the time that one may take; the work for it has ended."""

    code = "request_timed_out"


class OutOfMemory(VivavoceError):
    """The card's or machine's memory does not suffice for this now."""

    code = "out_of_memory"


class WorkerDied(VivavoceError):
    """The process that was speaking ended or made no progress and was replaced."""

    code = "worker_died"


class SynthesisFailed(VivavoceError):
    """The engine raised, or made no sound, for this text."""

    code = "synthesis_failed"
