"""`GET /`: a page to try the server with, for browsers; what this is, for programs.

The page is plain files, read once. Nothing of it comes from elsewhere, and its policy says so.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from starlette.responses import JSONResponse

from vivavoce import __version__

_INDEX = "index.html"
_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "media-src blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": _POLICY,
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "vary": "Accept",
}
_DESCRIBED: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/html": {}}},
    304: {"description": "The browser has this very page (If-None-Match)"},
}


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    content_type: str
    etag: str


def page_router() -> APIRouter:
    """Return the routes of the page and its files. None needs a key: the page asks for it."""
    router = APIRouter()
    found = _read()

    @router.get("/", summary="Say what this is; to browsers, a page", responses=_DESCRIBED)
    async def index(request: Request) -> Response:
        if _wants_html(request.headers.get("accept", "")):
            return _answer(request, found[_INDEX])
        told = {"name": "vivavoce", "version": __version__, "speech": "POST /v1/audio/speech"}
        return JSONResponse(told, headers={"vary": "Accept"})

    @router.get("/page/{name}", include_in_schema=False)
    async def file(name: str, request: Request) -> Response:
        if name not in found or name == _INDEX:
            raise HTTPException(404)
        return _answer(request, found[name])

    return router


def _read() -> dict[str, _File]:
    read = {}
    for path in files("vivavoce.api").joinpath("page").iterdir():
        content_type = _TYPES.get(path.name.rpartition(".")[2])
        if content_type is not None:
            content = path.read_bytes()
            etag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
            read[path.name] = _File(content, content_type, etag)
    return read


def _wants_html(accept: str) -> bool:
    """Tell whether HTML is asked for by name: programs say nothing, or that anything will do."""
    return any(part.partition(";")[0].strip() == "text/html" for part in accept.lower().split(","))


def _answer(request: Request, file: _File) -> Response:
    headers = {**_HEADERS, "etag": file.etag}
    known = request.headers.get("if-none-match", "")
    if file.etag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
        return Response(status_code=304, headers=headers)
    return Response(file.content, headers={**headers, "content-type": file.content_type})
