"""Forms: `multipart/form-data` taken apart into fields of text and one file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from vivavoce.errors import InvalidRequest, UnsupportedMedia

if TYPE_CHECKING:
    from fastapi import Request
    from starlette.datastructures import FormData

FORM = "multipart/form-data"
_MAX_FIELDS = 40
_NESTED = re.compile(r"(\w+)\[([^\]]{1,200})\]")  # as OpenAI's clients write what is inside


def content_type(request: Request) -> str:
    """Return the type of a request's body, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_form(
    request: Request, file_name: str, *, kept_blank: str = ""
) -> tuple[dict[str, Any], bytes | None]:
    """Return a form's fields that have a value, and its file if it has one.

    `file_name` is the field that a file must come as; `kept_blank` a field that counts even blank.
    Fields written `name[key]` become one field `name`, a dictionary.

    Raises:
        UnsupportedMedia: it is no form.
        InvalidRequest: it cannot be read, or the file came as another field.
    """
    if content_type(request) != FORM:
        given = request.headers.get("content-type", "")[:80]
        raise UnsupportedMedia(
            f"The body's content type is {quote(given, safe='/ ') or 'not given'}. Send {FORM}, "
            f"with the file as {file_name}."
        )
    try:
        form = await request.form(max_files=1, max_fields=_MAX_FIELDS)
    except HTTPException as exc:
        raise InvalidRequest(
            f"The form cannot be read: {exc.detail}. Send one file and at most {_MAX_FIELDS} "
            "other fields.",
            code="invalid_form",
        ) from None
    try:
        return await _take_apart(form, file_name, kept_blank)
    finally:
        await form.close()


def missing_file(name: str, what: str) -> InvalidRequest:
    """Return the error for a form without its file."""
    return InvalidRequest(
        f"{name} is missing. Send {what} as a file of that name.",
        param=name,
        code="missing_required_parameter",
    )


async def _take_apart(
    form: FormData, file_name: str, kept_blank: str
) -> tuple[dict[str, Any], bytes | None]:
    fields: dict[str, Any] = {}
    file: bytes | None = None
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            if name != file_name:
                raise InvalidRequest(
                    f"The file came in another field than {file_name}. Send it as {file_name}.",
                    param=file_name,
                )
            file = await value.read()
        elif value.strip() or name == kept_blank:
            nested = _NESTED.fullmatch(name)
            if nested is None:
                fields[name] = value
            else:
                inner = fields.setdefault(nested[1], {})
                if isinstance(inner, dict):
                    inner[nested[2]] = value
    return fields, file
