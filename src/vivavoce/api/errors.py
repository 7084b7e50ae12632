"""Every failure in OpenAI's shape: which error is which status, and whether to try again.

Nothing of a request is echoed but short, ASCII-escaped values, so no input can break an answer.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from vivavoce.api.gone import CLIENT_CLOSED_REQUEST
from vivavoce.errors import (
    BodyTooLarge,
    BodyTooSlow,
    EngineUnavailable,
    InvalidRequest,
    LimitReached,
    ModelInUse,
    NotAuthorized,
    NotFound,
    NotPermitted,
    OutOfMemory,
    RequestTimedOut,
    ServerFull,
    ShuttingDown,
    StorageFailed,
    SynthesisFailed,
    UnknownModel,
    UnsupportedMedia,
    VivavoceError,
    WorkerDied,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

_POLICY_VIOLATION = 1008


class AnswerCut(Exception):
    """Raised to close a connection without the ending that would make half an answer look whole."""


@dataclass(frozen=True, slots=True)
class _Row:
    """How one class of error is answered. `retry_after_s` None: trying again will not help."""

    status: int
    type: str
    retry_after_s: int | None = None


_TABLE: dict[type[VivavoceError], _Row] = {
    UnknownModel: _Row(404, "invalid_request_error"),
    NotFound: _Row(404, "invalid_request_error"),
    UnsupportedMedia: _Row(415, "invalid_request_error"),
    BodyTooLarge: _Row(413, "invalid_request_error"),
    BodyTooSlow: _Row(408, "invalid_request_error"),
    NotAuthorized: _Row(401, "invalid_request_error"),
    NotPermitted: _Row(403, "invalid_request_error"),
    LimitReached: _Row(429, "rate_limit_error", retry_after_s=1),
    InvalidRequest: _Row(400, "invalid_request_error"),
    ModelInUse: _Row(409, "invalid_request_error"),
    ServerFull: _Row(503, "server_error", retry_after_s=1),
    ShuttingDown: _Row(503, "server_error", retry_after_s=5),
    RequestTimedOut: _Row(504, "server_error"),
    EngineUnavailable: _Row(503, "server_error", retry_after_s=5),
    OutOfMemory: _Row(503, "server_error", retry_after_s=5),
    WorkerDied: _Row(503, "server_error", retry_after_s=1),
    StorageFailed: _Row(500, "server_error"),
    SynthesisFailed: _Row(500, "server_error"),
    VivavoceError: _Row(500, "server_error"),
}


def error_body(exc: VivavoceError) -> dict[str, Any]:
    """Return `{"error": {...}}` with OpenAI's four keys."""
    return {
        "error": {
            "message": exc.message,
            "type": _row(exc).type,
            "param": exc.param if isinstance(exc, InvalidRequest) else None,
            "code": exc.code,
        }
    }


def error_response(exc: VivavoceError) -> JSONResponse:
    """Return the whole answer: status, body, and honest retry hints for OpenAI's clients."""
    row = _row(exc)
    headers = {"x-should-retry": "false"}
    retry_after_s = getattr(exc, "retry_after_s", None) or row.retry_after_s
    if retry_after_s is not None:
        headers = {"x-should-retry": "true", "Retry-After": str(math.ceil(retry_after_s))}
    if row.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return _AsciiJSON(error_body(exc), row.status, headers)


async def refuse(exc: VivavoceError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request or a socket without reading on; a socket that cannot be is closed."""
    if scope["type"] == "http" or "websocket.http.response" in scope.get("extensions", {}):
        await error_response(exc)(scope, receive, send)
    else:
        reason = exc.message[:120]
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": reason})


def short(value: object, limit: int = 60) -> str:
    """Return a value as it may be quoted in a message: short, and ASCII whatever it contains."""
    if isinstance(value, float | int | str | bool) or value is None:
        quoted = json.dumps(value[: limit + 1] if isinstance(value, str) else value)
    else:
        quoted = f"a value of type {type(value).__name__}"
    return quoted if len(quoted) <= limit + 2 else quoted[:limit] + "…"


def install(app: FastAPI) -> None:
    """Make `app` answer every failure through this table."""

    async def ours(request: Request, exc: Exception) -> JSONResponse:
        assert isinstance(exc, VivavoceError)
        return error_response(exc)

    async def routing(request: Request, exc: Exception) -> JSONResponse:
        assert isinstance(exc, HTTPException)
        return _routing_error(request, exc)

    async def query(request: Request, exc: Exception) -> JSONResponse:
        assert isinstance(exc, RequestValidationError)
        error = exc.errors()[0]
        name = str(error["loc"][-1])
        message = f"{name} is {short(error['input'])}. {error['msg']}."
        return error_response(InvalidRequest(message, param=name))

    async def left(request: Request, exc: Exception) -> Response:
        """Answer a client that went in the middle of its body: nothing has failed."""
        return Response(status_code=CLIENT_CLOSED_REQUEST)

    app.add_exception_handler(VivavoceError, ours)
    app.add_exception_handler(ClientDisconnect, left)
    app.add_exception_handler(HTTPException, routing)
    app.add_exception_handler(RequestValidationError, query)


class _AsciiJSON(JSONResponse):
    """JSON in which every other character is escaped: lone surrogates cannot break it."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def unforeseen() -> JSONResponse:
    """Return the answer to what should not have happened; the log has the rest."""
    return error_response(
        VivavoceError(
            "The server met an error it did not foresee. Its log has the details, under this "
            "answer's x-request-id."
        )
    )


def _row(exc: VivavoceError) -> _Row:
    return next(_TABLE[kind] for kind in type(exc).__mro__ if kind in _TABLE)


def _routing_error(request: Request, exc: HTTPException) -> JSONResponse:
    """Answer what the router refuses: no such path, wrong method."""
    path = short(request.url.path)
    if exc.status_code == 404:
        message = f"There is nothing at {path}. Speech is made by POST /v1/audio/speech."
        code = "not_found"
    elif exc.status_code == 405:
        allowed = (exc.headers or {}).get("Allow", "another method")
        message = f"{path} does not answer {request.method}. Use {allowed}."
        code = "method_not_allowed"
    else:
        message, code = str(exc.detail), "http_error"
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    headers: Mapping[str, str] = {"x-should-retry": "false", **(exc.headers or {})}
    return _AsciiJSON({"error": error}, exc.status_code, dict(headers))
