"""`/v1/audio/pronunciations`: the rules for words that a voice says wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vivavoce.api.errors import short
from vivavoce.api.speech import ERROR, check_content_type
from vivavoce.errors import InvalidRequest
from vivavoce.text.clean import clean
from vivavoce.text.language import parse_language
from vivavoce.text.pronounce import Rule

if TYPE_CHECKING:
    from vivavoce.service.pronunciations import Pronunciations

_WANTED = {
    "written": "1 to 100 characters, the word as it stands in texts",
    "spoken": "at most 300 characters, what is said instead",
    "language": "a language such as en or English, or null for all",
    "voice": "a voice's id, or null for all",
    "exact": "true or false: whether upper and lower case must be as written",
}
_REFUSALS: dict[int | str, dict[str, Any]] = dict.fromkeys(("4XX", 404, 500), ERROR)


class PronunciationBody(BaseModel):
    """Body of `PUT /v1/audio/pronunciations`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    written: Annotated[str, Field(min_length=1, max_length=100, description=_WANTED["written"])]
    spoken: Annotated[str, Field(max_length=300, description=_WANTED["spoken"])]
    language: Annotated[str | None, Field(max_length=40, description=_WANTED["language"])] = None
    voice: Annotated[str | None, Field(max_length=200, description=_WANTED["voice"])] = None
    exact: Annotated[bool, Field(description=_WANTED["exact"])] = False

    def rule(self) -> Rule:
        """Return the rule it means."""
        return _rule(self.written, self.spoken, self.language, self.voice, self.exact)


def pronunciations_router(pronunciations: Pronunciations) -> APIRouter:
    """Return the routes, bound to the rules."""
    router = APIRouter()
    path = "/audio/pronunciations"

    @router.get(path, summary="List the pronunciation rules", responses=_REFUSALS)
    async def list_rules() -> dict[str, Any]:
        return {"object": "list", "data": [_shown(rule) for rule in pronunciations.rules]}

    @router.put(
        path,
        summary="Add a pronunciation rule, or change it",
        responses=_REFUSALS,
        openapi_extra={"requestBody": {"required": True, "content": _CONTENT}},
    )
    async def put_rule(request: Request) -> dict[str, Any]:
        check_content_type(request)
        rule = _parse(await request.body()).rule()
        await pronunciations.put(rule)
        return _shown(rule)

    @router.delete(path, summary="Delete a pronunciation rule", responses=_REFUSALS)
    async def delete_rule(
        written: str, language: str | None = None, voice: str | None = None, exact: bool = False
    ) -> dict[str, Any]:
        rule = _rule(written, "", language, voice, exact)
        gone = await pronunciations.delete(rule.key)
        return {**_shown(gone), "deleted": True}

    return router


def _rule(written: str, spoken: str, language: str | None, voice: str | None, exact: bool) -> Rule:
    try:
        code = parse_language(language) if language is not None else None
    except ValueError:
        raise InvalidRequest(
            f"language must be {_WANTED['language']}; got {short(language)}.", param="language"
        ) from None
    word = " ".join(clean(written).split())
    if not word:
        raise InvalidRequest(
            f"written must be {_WANTED['written']}; got {short(written)}.", param="written"
        )
    base = code.partition("-")[0] if code else None
    said = " ".join(clean(spoken).split())
    return Rule(word, said, base, (voice or "").strip() or None, exact)


def _shown(rule: Rule) -> dict[str, Any]:
    return {
        "object": "audio.pronunciation",
        "written": rule.written,
        "spoken": rule.spoken,
        "language": rule.language,
        "voice": rule.voice,
        "exact": rule.exact,
    }


def _parse(raw: bytes) -> PronunciationBody:
    try:
        return PronunciationBody.model_validate_json(raw)
    except ValidationError as exc:
        error = exc.errors(include_url=False, include_context=False)[0]
        field = str(error["loc"][0]) if error["loc"] else ""
        if field in _WANTED:
            got = "nothing" if error["type"] == "missing" else short(error["input"])
            message = f"{field} must be {_WANTED[field]}; got {got}."
            raise InvalidRequest(message, param=field) from None
        if field:
            raise InvalidRequest(
                f"A rule has no field {short(field)}. It has: {', '.join(_WANTED)}.",
            ) from None
        raise InvalidRequest(
            'The body must be a JSON object such as {"written": "SQL", "spoken": "sequel"}.',
            code="invalid_json",
        ) from None


_CONTENT = {"application/json": {"schema": PronunciationBody.model_json_schema()}}
