"""What client and server say to each other over the socket, checked once, here.

    client → server   session.update, input_text.append, input_text.flush, input_text.end,
                      response.cancel; or a body of /audio/speech as it is
    server → client   session.created, session.updated, speech.audio.delta (or binary frames),
                      speech.audio.done, error

Names and shapes are those of OpenAI's realtime events, where it has such.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from vivavoce.api.errors import error_body, short
from vivavoce.api.schemas import SpeechBody, check_speech_fields
from vivavoce.errors import InvalidRequest, VivavoceError

_NOT_HERE = ("stream", "stream_format", "cache", "timestamps")
"""Fields of /audio/speech that mean nothing on a socket."""

Delivery = Literal["base64", "binary"]


@dataclass(frozen=True, slots=True)
class Update:
    """Speak what comes from now on in this way."""

    settings: Settings


@dataclass(frozen=True, slots=True)
class Append:
    """More text."""

    text: str


@dataclass(frozen=True, slots=True)
class Flush:
    """The utterance is complete; what comes then is the next."""


@dataclass(frozen=True, slots=True)
class End:
    """All is said: close once it is spoken."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Be silent, and forget what is not spoken yet."""


@dataclass(frozen=True, slots=True)
class Simple:
    """A whole utterance, for a client that wants binary frames and one word when they end."""

    text: str
    settings: Settings


ClientEvent = Update | Append | Flush | End | Cancel | Simple


@dataclass(frozen=True, slots=True)
class Settings:
    """How an utterance is spoken and sent. `said` is what the client has said of it so far."""

    body: SpeechBody
    delivery: Delivery = "base64"
    said: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def initial(cls) -> Settings:
        """Return those of a client that has said nothing: PCM."""
        return cls(_body({}))

    def updated(self, session: dict[str, Any]) -> Settings:
        """Return these with a client's wishes.

        Raises:
            InvalidRequest: one of them cannot be honoured; `param` names it.
        """
        delivery = session.get("delivery", self.delivery)
        if delivery not in ("base64", "binary"):
            raise InvalidRequest(
                f"delivery must be base64 or binary; got {short(delivery)}.", param="delivery"
            )
        said = self.said | {name: value for name, value in session.items() if name != "delivery"}
        return Settings(_body(said), delivery, said)

    @property
    def ignored(self) -> list[str]:
        """Return the names of what was said that has no effect here."""
        return [*(name for name in self.said if name in _NOT_HERE), *(self.body.model_extra or {})]

    def described(self) -> dict[str, Any]:
        """Return them as `session.created` and `session.updated` tell them."""
        told = self.body.model_dump(exclude={"input", *_NOT_HERE}, exclude_none=True)
        return {**told, "delivery": self.delivery}


def _body(said: dict[str, Any]) -> SpeechBody:
    heeded = {name: value for name, value in said.items() if name not in _NOT_HERE}
    body = {"response_format": "pcm", **heeded, "input": "Checked before there is a text."}
    return check_speech_fields(body, len(body["input"]))


def parse(message: str, settings: Settings) -> ClientEvent:
    """Return the event of a message; `settings` are the session's.

    Raises:
        InvalidRequest: it is none.
    """
    try:
        event = json.loads(message)
    except ValueError:
        raise InvalidRequest(
            f"The message is not valid JSON ({short(message, 60)}).", code="invalid_json"
        ) from None
    if not isinstance(event, dict):
        raise InvalidRequest("The message must be a JSON object.", code="invalid_json")
    kind = event.get("type")
    if kind is None and "input" in event:
        return _simple(event)
    match kind:
        case "session.update":
            return Update(settings.updated(_object(event, "session")))
        case "input_text.append":
            return Append(_text(event, "text"))
        case "input_text.flush":
            return Flush()
        case "input_text.end":
            return End()
        case "response.cancel":
            return Cancel()
    raise InvalidRequest(
        f"There is no event {short(kind)}. Send session.update, input_text.append, "
        "input_text.flush, input_text.end or response.cancel; or an object with input.",
        param="type",
        code="unknown_event",
    )


def _simple(event: dict[str, Any]) -> Simple:
    text = _text(event, "input")
    said = {name: value for name, value in event.items() if name != "input"}
    return Simple(text, Settings(_body(said), "binary", said))


def _object(event: dict[str, Any], name: str) -> dict[str, Any]:
    value = event.get(name)
    if not isinstance(value, dict):
        raise InvalidRequest(f"{name} must be an object; got {short(value)}.", param=name)
    return value


def _text(event: dict[str, Any], name: str) -> str:
    value = event.get(name)
    if not isinstance(value, str) or "\0" in value:
        raise InvalidRequest(
            f"{name} must be a string without NUL characters; got {short(value)}.", param=name
        )
    return value


def error_event(exc: VivavoceError, event_id: object = None) -> dict[str, Any]:
    """Return the event that tells of a failure."""
    error = error_body(exc)["error"]
    return {"type": "error", "error": {**error, "event_id": event_id}}
