"""What may be said of a voice that is to be saved or changed, checked once, here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from vivavoce.api.forms import FORM, content_type, read_form
from vivavoce.api.schemas import explain
from vivavoce.errors import InvalidRequest, UnsupportedMedia
from vivavoce.service.order import MAX_SEED
from vivavoce.service.saved_voice import (
    MAX_BLENDED,
    MAX_GAIN_DB,
    MAX_NAME_CHARS,
    MAX_WORDS_CHARS,
    VoiceDefaults,
)
from vivavoce.service.voice_maker import Description, VoiceWish

if TYPE_CHECKING:
    from fastapi import Request

_MAX_LANGUAGE_CHARS = 40
_JSON = "application/json"
_EXAMPLE = '{"name": "Ada", "prompt": "A calm old woman"}'
SAMPLE = "audio_sample"
B = TypeVar("B", bound=BaseModel)
_OF_ONE_KIND = {
    SAMPLE: ("transcript", "ref_text"),
    "prompt": ("prompt", "script_hint", "model", "seed"),
    "blend": ("blend",),
}
"""Fields that count for one kind of voice only."""

_WORDS = f"a string of at most {MAX_WORDS_CHARS} characters"
_WANTED = {
    "name": f"a string of 1 to {MAX_NAME_CHARS} characters",
    "type": "audio_sample, prompt or blend",
    "consent": "the id of a consent, as POST /v1/audio/voice_consents gives it",
    "transcript": _WORDS,
    "ref_text": _WORDS,
    "language": "auto, or a language such as en or English",
    "prompt": f"a string of 1 to {MAX_WORDS_CHARS} characters",
    "model": "auto, or the name of a model",
    "script_hint": _WORDS,
    "seed": f"a whole number from 0 to {MAX_SEED}",
    "blend": 'an object of voices and their shares, such as {"vivian": 0.6, "ryan": 0.4}',
    "defaults": "an object with any of language, instructions, speed (0.25 to 4.0), seed (0 to "
    f"{MAX_SEED}) and gain_db (-{MAX_GAIN_DB:g} to {MAX_GAIN_DB:g})",
}


def _from_json(value: Any) -> Any:
    """Accept an object written as JSON: a form has only text."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


class DefaultsBody(BaseModel):
    """What is usual for a voice where a request says nothing else."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    language: Annotated[str | None, Field(max_length=_MAX_LANGUAGE_CHARS)] = None
    instructions: Annotated[str | None, Field(max_length=MAX_WORDS_CHARS)] = None
    speed: Annotated[float | None, Field(ge=0.25, le=4)] = None
    seed: Annotated[int | None, Field(ge=0, le=MAX_SEED)] = None
    gain_db: Annotated[float | None, Field(ge=-MAX_GAIN_DB, le=MAX_GAIN_DB)] = None


Defaults = Annotated[DefaultsBody, BeforeValidator(_from_json)]
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS)]
Text = Annotated[str | None, Field(max_length=MAX_WORDS_CHARS)]


class VoiceBody(BaseModel):
    """The fields of `POST /v1/audio/voices` beside the recording: OpenAI's, then our own."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    name: Name
    type: Literal["audio_sample", "prompt", "blend"] | None = None
    consent: Annotated[str | None, Field(max_length=MAX_NAME_CHARS)] = None
    prompt: Annotated[str | None, Field(min_length=1, max_length=MAX_WORDS_CHARS)] = None
    model: Annotated[str | None, Field(max_length=200)] = None
    script_hint: Text = None
    transcript: Text = None
    ref_text: Text = None
    language: Annotated[str | None, Field(max_length=_MAX_LANGUAGE_CHARS)] = None
    seed: Annotated[int | None, Field(ge=0, le=MAX_SEED)] = None
    blend: Annotated[
        dict[str, float] | None,
        # In this order: the other way round null, which is no blend, has no length to check.
        Field(min_length=1, max_length=MAX_BLENDED),
        BeforeValidator(_from_json),
    ] = None
    defaults: Defaults = DefaultsBody()

    @property
    def kind(self) -> str:
        """How the voice is to be made: as `type` says, else as the fields do."""
        if self.type is not None:
            return self.type
        return "prompt" if self.prompt else "blend" if self.blend else SAMPLE

    @property
    def ignored(self) -> list[str]:
        """The fields that have no effect."""
        unused = [
            name
            for kind, names in _OF_ONE_KIND.items()
            for name in names
            if kind != self.kind and getattr(self, name) is not None
        ]
        return [*unused, *(self.model_extra or {})]

    @property
    def wish(self) -> VoiceWish:
        """What is asked for, in the service's terms."""
        defaults = VoiceDefaults(**self.defaults.model_dump())
        words = self.transcript or self.ref_text
        return VoiceWish(self.name, words, self.language, self.consent, defaults)

    @property
    def description(self) -> Description:
        """The voice in words."""
        if self.prompt is None:
            raise missing("prompt", "what the voice is like")
        # OpenAI's own names of what makes voices mean whatever does so here.
        theirs = self.model is None or self.model == "auto" or self.model[:1].isdigit()
        return Description(self.prompt, self.script_hint, None if theirs else self.model, self.seed)


class VoiceChange(BaseModel):
    """The fields of `PATCH /v1/audio/voices/{id}`; defaults that are null are taken away."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    name: Name | None = None
    defaults: Defaults = DefaultsBody()

    @property
    def changed(self) -> dict[str, Any]:
        """The defaults that are to change."""
        return self.defaults.model_dump(include=self.defaults.model_fields_set)


class ConsentBody(BaseModel):
    """The fields of `POST /v1/audio/voice_consents` beside the recording."""

    name: Name
    language: Annotated[str, Field(min_length=2, max_length=_MAX_LANGUAGE_CHARS)]


class NameBody(BaseModel):
    """The fields of `POST /v1/audio/voice_consents/{id}`."""

    name: Name


class ImportBody(BaseModel):
    """The fields of `POST /v1/audio/voices/import` beside the file."""

    name: Name | None = None
    consent: Annotated[str | None, Field(max_length=MAX_NAME_CHARS)] = None


def missing(name: str, what: str) -> InvalidRequest:
    """Return the error for a field that must be there."""
    return InvalidRequest(
        f"{name} is missing. Send {what}.", param=name, code="missing_required_parameter"
    )


async def read(request: Request, kind: type[B]) -> B:
    """Return a request's checked fields, from JSON or a form.

    Raises:
        UnsupportedMedia: it is neither.
        InvalidRequest: a field cannot be; `param` names it.
    """
    if content_type(request) == FORM:
        return (await read_with_file(request, kind, "file"))[0]
    if content_type(request) != _JSON:
        raise UnsupportedMedia(
            f"The body is neither JSON nor a form. Send it with the header Content-Type: {_JSON}."
        )
    try:
        return kind.model_validate_json(await request.body(), strict=True)
    except ValidationError as exc:
        raise explain(exc, _WANTED, _EXAMPLE) from None


async def read_with_file(request: Request, kind: type[B], file_name: str) -> tuple[B, bytes | None]:
    """Return the checked fields of a form, and its file if it has one.

    Raises:
        UnsupportedMedia: it is no form.
        InvalidRequest: a field cannot be; `param` names it.
    """
    fields, file = await read_form(request, file_name)
    try:
        return kind.model_validate(fields), file
    except ValidationError as exc:
        raise explain(exc, _WANTED, _EXAMPLE) from None


def json_content(kind: type[BaseModel]) -> dict[str, Any]:
    """Describe a body of JSON for /openapi.json."""
    return {_JSON: {"schema": _schema(kind)}}


def form_content(kind: type[BaseModel], file_name: str, *, required: bool = True) -> dict[str, Any]:
    """Describe a form for /openapi.json: the fields and the file."""
    schema = _schema(kind)
    schema["properties"][file_name] = {"type": "string", "format": "binary"}
    if required:
        schema["required"] = [file_name, *schema.get("required", ())]
    return {FORM: {"schema": schema}}


def _schema(kind: type[BaseModel]) -> dict[str, Any]:
    schema = kind.model_json_schema()
    for definition in schema.pop("$defs", {}).values():  # there is one at most
        schema["properties"]["defaults"] = definition
    return schema
