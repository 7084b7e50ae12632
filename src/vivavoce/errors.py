"""The error tree: everything vivavoce raises for its users.

    VivavoceError
    ├── InvalidRequest         the caller can fix it: bad value, text nobody can read
    │   ├── UnknownModel       no model of that name
    │   ├── UnsupportedMedia   the body is of a type that is not read here
    │   └── BodyTooLarge       the body is over the limit
    ├── SettingsError          the operator can fix it: the server does not start
    ├── EngineUnavailable      no engine could be started; trying later may help
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


class UnsupportedMedia(InvalidRequest):
    """The body's content type or encoding is not read here."""

    code = "unsupported_media_type"


class BodyTooLarge(InvalidRequest):
    """The body is over the limit and was not read to its end."""

    code = "body_too_large"


class SettingsError(VivavoceError):
    """A setting is unknown or impossible."""

    code = "invalid_setting"


class EngineUnavailable(VivavoceError):
    """An engine is not installed, could not be loaded, or took too long to load."""

    code = "engine_unavailable"


class WorkerDied(VivavoceError):
    """The process that was speaking ended or made no progress and was replaced."""

    code = "worker_died"


class SynthesisFailed(VivavoceError):
    """The engine raised, or made no sound, for this text."""

    code = "synthesis_failed"
