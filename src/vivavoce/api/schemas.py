"""Requests as they come over the wire, checked once, here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from vivavoce.api.errors import short
from vivavoce.audio.formats import DEFAULT_FORMAT, FORMATS
from vivavoce.errors import InvalidRequest
from vivavoce.service.order import MAX_SEED, SpeechOrder
from vivavoce.text.reading import TextFormat
from vivavoce.text.subtitles import SUBTITLE_FORMATS
from vivavoce.types import SamplingControls, Timestamps

if TYPE_CHECKING:
    from collections.abc import Mapping

OPENAI_MAX_INPUT_CHARS = 4096
_MAX_NAME_CHARS = 200
_EXAMPLE = '{"input": "Hello"}'

_WANTED = {
    "input": "the text to speak: a string with at least one word and no NUL characters",
    "model": "a model's name, as listed by GET /v1/models",
    "voice": 'a voice\'s name, as listed by GET /v1/audio/voices, or {"id": name}',
    "response_format": f"one of {', '.join(FORMATS)}",
    "speed": "a number from 0.25 to 4.0",
    "stream_format": "audio or sse",
    "stream": "true or false",
    "cache": "true or false",
    "instructions": f"a string of at most {OPENAI_MAX_INPUT_CHARS} characters",
    "instruct": f"a string of at most {OPENAI_MAX_INPUT_CHARS} characters",
    "voice_description": f"a string of 1 to {OPENAI_MAX_INPUT_CHARS} characters",
    "ref_text": f"a string of at most {OPENAI_MAX_INPUT_CHARS} characters",
    "text_format": "markdown, plain, tags or ssml",
    "normalize": "auto, true or false",
    "language": "auto, or a language such as en or English",
    "temperature": "a number from 0 to 2",
    "top_k": "a whole number from 0 to 3072",
    "top_p": "a number over 0, at most 1",
    "repetition_penalty": "a number from 0.5 to 2",
    "max_new_tokens": "a whole number from 2 to 8192",
    "trim": "true or false",
    "loudness": "a number of LUFS from -40 to -10, or off",
    "timestamps": f"one of {', '.join(Timestamps)}",
    "subtitles": f"one of {', '.join(SUBTITLE_FORMATS)}",
    "sample_rate": "a whole number of Hz, such as 24000",
    "seed": f"a whole number from 0 to {MAX_SEED}",
}


def _voice_name(value: Any) -> Any:
    """Accept OpenAI's object form, `{"id": name}`."""
    if isinstance(value, dict) and isinstance(value.get("id"), str):
        return value["id"]
    return value


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


class SpeechFields(BaseModel):
    """What every request for speech may say.

    Fields not listed are accepted, have no effect, and are named in the answer's
    `X-Vivavoce-Ignored` header.
    """

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)

    input: Annotated[str, Field(min_length=1, description="The text to speak.")]
    model: Annotated[
        str | None,
        Field(max_length=_MAX_NAME_CHARS, description="A model's name; the default if left out."),
    ] = None
    response_format: Annotated[
        Literal["mp3", "opus", "aac", "flac", "wav", "pcm", "ogg", "g711_ulaw", "g711_alaw"],
        BeforeValidator(_lower),
        Field(description="The audio's format."),
    ] = DEFAULT_FORMAT  # type: ignore[assignment]
    speed: Annotated[
        float, Field(ge=0.25, le=4.0, description="Tempo; the pitch stays the same.")
    ] = 1.0
    stream_format: Annotated[
        Literal["audio", "sse"],
        BeforeValidator(_lower),
        Field(description="Bytes, or server-sent events that carry them."),
    ] = "audio"
    instructions: Annotated[
        str | None,
        Field(
            max_length=OPENAI_MAX_INPUT_CHARS,
            description="How to speak, where the model can be told.",
        ),
    ] = None
    instruct: Annotated[
        str | None,
        Field(max_length=OPENAI_MAX_INPUT_CHARS, description="Another name for instructions."),
    ] = None
    stream: Annotated[
        bool | None,
        Field(
            description="false: answer only when all is spoken, with Content-Length and exact "
            "sizes in the file's header."
        ),
    ] = None
    language: Annotated[
        str | None, Field(max_length=_MAX_NAME_CHARS, description="auto, or such as en, English.")
    ] = None
    text_format: Annotated[
        Literal["markdown", "plain", "tags", "ssml"] | None,
        BeforeValidator(_lower),
        Field(
            description="How input is written: markdown (default), its marks, HTML tags and emoji "
            "are not read out; plain, as it stands; tags, markdown with [pause 0.5s]; ssml."
        ),
    ] = None
    normalize: Annotated[
        Literal["auto"] | bool | None,
        Field(
            description="Whether numbers, dates, money and the like are written out as words; "
            "auto (default): only what the model cannot read."
        ),
    ] = None
    sample_rate: Annotated[
        int | None, Field(description="Hz; 24000 if left out, 8000 for G.711.")
    ] = None
    trim: Annotated[
        bool,
        Field(description="Cut silence at the beginning and the end, but for 50 ms."),
    ] = False
    loudness: Annotated[
        Annotated[float, Field(ge=-40, le=-10)] | Literal["off"] | None,
        BeforeValidator(_lower),
        Field(description="LUFS that the voice is brought to; the server's setting if left out."),
    ] = None
    timestamps: Annotated[
        Literal["none", "segment", "word"],
        BeforeValidator(_lower),
        Field(description="Times that come with server-sent events."),
    ] = "none"
    cache: Annotated[
        bool | None,
        Field(
            description="Whether the audio may come from the cache and be kept there; the "
            "server's settings if left out."
        ),
    ] = None
    seed: Annotated[
        int | None,
        Field(ge=0, le=MAX_SEED, description="Same request, same seed: same audio."),
    ] = None
    temperature: Annotated[
        float | None,
        Field(ge=0, le=2, description="How freely to draw; 0 draws nothing: always the likeliest."),
    ] = None
    top_k: Annotated[
        int | None, Field(ge=0, le=3072, description="Draw among so many only; 0: among all.")
    ] = None
    top_p: Annotated[
        float | None,
        Field(gt=0, le=1, description="Draw among the likeliest that together reach this."),
    ] = None
    repetition_penalty: Annotated[
        float | None, Field(ge=0.5, le=2, description="Over 1: repeat less.")
    ] = None
    max_new_tokens: Annotated[
        int | None,
        Field(
            ge=2,
            le=8192,
            description="End after so many tokens of 80 ms, less one, if the speech has not ended "
            "by itself.",
        ),
    ] = None

    def _order(self, whole: bool) -> SpeechOrder:
        return SpeechOrder(
            text=self.input,
            text_format=TextFormat(self.text_format or "markdown"),
            normalize=None if self.normalize == "auto" else self.normalize,
            model=self.model,
            format=self.response_format,
            # A voice may have a speed of its own, for those who say nothing of it.
            speed=self.speed if "speed" in self.model_fields_set else None,
            sample_rate_hz=self.sample_rate,
            language=self.language,
            instructions=self.instructions or self.instruct,
            seed=self.seed,
            sampling=SamplingControls(
                self.temperature, self.top_k, self.top_p, self.repetition_penalty
            ),
            max_new_tokens=self.max_new_tokens,
            trim=self.trim,
            loudness=self.loudness,
            timestamps=Timestamps(self.timestamps),
            whole=whole,
            cache=self.cache,
        )


class SpeechBody(SpeechFields):
    """Body of `POST /v1/audio/speech`: OpenAI's fields, then vivavoce's own."""

    voice: Annotated[
        str | None,
        # In this order: the other way round null, which means the default, has no length to check.
        Field(max_length=_MAX_NAME_CHARS, description="A voice's name; the default if left out."),
        BeforeValidator(_voice_name, json_schema_input_type=str | dict[Literal["id"], str] | None),
    ] = None
    voice_description: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=OPENAI_MAX_INPUT_CHARS,
            description="Instead of a voice: what it is like. Needs a model that designs voices.",
        ),
    ] = None

    def order(self, *, whole: bool) -> SpeechOrder:
        """Return what is asked for, in the service's terms."""
        return replace(self._order(whole), voice=self.voice, description=self.voice_description)


class TimestampsBody(SpeechBody):
    """Body of `POST /v1/audio/speech/timestamps`."""

    timestamps: Annotated[
        Literal["segment", "word"],
        BeforeValidator(_lower),
        Field(description="Times of segments only, or of words too."),
    ] = "word"
    subtitles: Annotated[
        Literal["srt", "vtt"] | None,
        BeforeValidator(_lower),
        Field(description="Subtitles to send along, made of the times."),
    ] = None


class CloneBody(SpeechFields):
    """The fields of `POST /v1/audio/speech/clone` beside the clip; as a form all are text."""

    model_config = ConfigDict(strict=False)

    ref_text: Annotated[
        str | None,
        Field(
            max_length=OPENAI_MAX_INPUT_CHARS,
            description="The clip's words. With them the clone goes on from the clip; without, it "
            "only has its timbre.",
        ),
    ] = None

    def order(self, clip: bytes, *, whole: bool) -> SpeechOrder:
        """Return what is asked for, in the service's terms."""
        return replace(self._order(whole), clip=clip, transcript=self.ref_text)


_Body = TypeVar("_Body", bound=SpeechBody)


def parse_speech_body(raw: bytes, max_input_chars: int, kind: type[_Body]) -> _Body:
    """Read and check a body of a kind.

    Raises:
        InvalidRequest: it is not JSON, or a field cannot be honoured; `param` names it.
    """
    try:
        body = kind.model_validate_json(raw)
    except ValidationError as exc:
        raise explain(exc) from None
    return _checked(body, max_input_chars)


def check_speech_fields(fields: Mapping[str, Any], max_input_chars: int) -> SpeechBody:
    """Check a body's fields that did not come as JSON.

    Raises:
        InvalidRequest: a field cannot be honoured; `param` names it.
    """
    try:
        body = SpeechBody.model_validate(fields)
    except ValidationError as exc:
        raise explain(exc) from None
    return _checked(body, max_input_chars)


def _checked(body: _Body, max_input_chars: int) -> _Body:
    _check_input(body.input, max_input_chars)
    if body.voice is not None and body.voice_description is not None:
        raise InvalidRequest(
            "There is both a voice and a voice_description. Send one of them.",
            param="voice_description",
        )
    return body


def parse_clone_form(fields: Mapping[str, Any], max_input_chars: int) -> CloneBody:
    """Check a form's fields.

    Raises:
        InvalidRequest: a field cannot be honoured; `param` names it.
    """
    try:
        body = CloneBody.model_validate(fields)
    except ValidationError as exc:
        raise explain(exc) from None
    _check_input(body.input, max_input_chars)
    return body


def _check_input(text: str, max_input_chars: int) -> None:
    if len(text) > max_input_chars:
        raise InvalidRequest(
            f"input has {len(text)} characters; at most {max_input_chars} are taken at a "
            "time. Send it in parts, or have the operator raise MAX_INPUT_CHARS.",
            param="input",
            code="string_above_max_length",
        )
    if not text.strip():
        raise InvalidRequest(
            "input is empty. Send the text to speak.", param="input", code="nothing_to_speak"
        )
    if "\0" in text:
        raise InvalidRequest(
            "input contains a NUL character. Remove it: text cannot contain it.", param="input"
        )


def explain(
    exc: ValidationError, wanted_of: Mapping[str, str] = _WANTED, example: str = _EXAMPLE
) -> InvalidRequest:
    """Turn pydantic's first complaint into one sentence with the field, its value, the remedy."""
    error = exc.errors(include_url=False, include_context=False)[0]
    if error["type"] == "json_invalid":
        reason = error["msg"].removeprefix("Invalid JSON: ")
        return InvalidRequest(
            f"The body is not valid JSON ({short(reason, 120)}). Send an object such as {example}.",
            code="invalid_json",
        )
    if not error["loc"]:
        return InvalidRequest(
            f"The body must be a JSON object such as {example}.", code="invalid_json"
        )
    field = str(error["loc"][0])
    wanted = wanted_of[field]
    if error["type"] == "missing":
        return InvalidRequest(
            f"{field} is missing. Send {wanted}.", param=field, code="missing_required_parameter"
        )
    return InvalidRequest(f"{field} must be {wanted}; got {short(error['input'])}.", param=field)
