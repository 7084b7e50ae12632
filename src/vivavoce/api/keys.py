"""The guard: which request needs which API key, decided before anything of its body is read."""

from __future__ import annotations

import re
from contextlib import ExitStack
from enum import Enum, auto
from typing import TYPE_CHECKING

import structlog

from vivavoce.api.errors import refuse
from vivavoce.errors import NotAuthorized, NotPermitted, VivavoceError
from vivavoce.service.keys import KeyLimits, Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Send
    from starlette.types import Scope as Connection

    from vivavoce.service.keys import KeyInfo, KeyRing

_KEY_PROTOCOL = "openai-insecure-api-key."
"""As OpenAI's own browser clients hand it over."""


class _Door(Enum):
    """Who may come in where no scope is needed."""

    OPEN = auto()
    LISTS = auto()
    ANY_KEY = auto()


_READING = frozenset({"GET", "HEAD"})

# Methods (None: all), path without /v1, what is needed; the first that fits counts. A scope's
# pattern takes in all that begins like its routes: the router reads some paths more generously
# than they are written (a line feed may end them), and those must need the scope as well.
_RULES: tuple[tuple[frozenset[str] | None, re.Pattern[str], Scope | _Door], ...] = (
    (None, re.compile(r"/?|/health|/ready|/page/[a-z]+\.[a-z]+"), _Door.OPEN),
    (_READING, re.compile(r"/models(/.*)?|/audio/models|/audio/voices", re.DOTALL), _Door.LISTS),
    (None, re.compile(r"/audio/speech.*|/audio/voices/[^/]*/preview.*", re.DOTALL), Scope.SPEAK),
    (None, re.compile(r"/audio/(voices|voice_consents|pronunciations).*", re.DOTALL), Scope.VOICES),
    (None, re.compile(r"/(models|cache|metrics).*", re.DOTALL), Scope.OPERATE),
)


class KeyGuard:
    """Lets in who has the key for what they ask; `ring` None lets everybody in.

    The key's name goes into `scope["state"]["key_name"]` and, as `key`, into log lines. For speech
    the key's limits hold until the answer has ended. `on_refused` is told the key's name ("" if it
    is none of ours) and the error's code.
    """

    def __init__(
        self,
        app: ASGIApp,
        ring: KeyRing | None,
        public_lists: bool,
        on_refused: Callable[[str, str], None] | None = None,
    ) -> None:
        self._app = app
        self._ring = ring
        self._public_lists = public_lists
        self._on_refused = on_refused
        self._limits = KeyLimits()

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Handle one connection's request."""
        if self._ring is None or scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        # A request sent behind another on the same connection inherits what that one had bound.
        structlog.contextvars.unbind_contextvars("key")
        needed = _needed(scope.get("method", ""), scope["path"])
        with ExitStack() as held:
            if needed is not _Door.OPEN and not (needed is _Door.LISTS and self._public_lists):
                key = self._ring.find(_presented(scope))
                try:
                    self._admit(key, needed, scope, held)
                except VivavoceError as exc:
                    if self._on_refused:
                        self._on_refused(key.name if key else "", exc.code)
                    await refuse(exc, scope, receive, send)
                    return
            await self._app(scope, receive, send)

    def _admit(
        self, key: KeyInfo | None, needed: Scope | _Door, scope: Connection, held: ExitStack
    ) -> None:
        if key is None:
            raise NotAuthorized(
                "No API key was sent, or one that is not known here. Send the header "
                "Authorization: Bearer KEY, with a key from this server's operator."
            )
        scope.setdefault("state", {})["key_name"] = key.name
        # Not unbound at the end: the request's last line, logged further out, is to have it too.
        structlog.contextvars.bind_contextvars(key=key.name)
        if isinstance(needed, Scope) and needed not in key.scopes:
            raise NotPermitted(
                f"The key {key.name} is not for this: it lacks the scope {needed}. Use another "
                "key, or have the operator add the scope."
            )
        if needed is Scope.SPEAK:
            held.enter_context(self._limits.admit(key))


def _needed(method: str, path: str) -> Scope | _Door:
    bare = path.removeprefix("/v1")
    for methods, pattern, needed in _RULES:
        if (methods is None or method in methods) and pattern.fullmatch(bare):
            return needed
    return _Door.ANY_KEY


def _presented(scope: Connection) -> str:
    """Return the key that was sent, "" without one.

    Of two headers neither counts: a proxy before us might have judged the other.
    """
    sent = [value for name, value in scope["headers"] if name == b"authorization"]
    if not sent and scope["type"] == "websocket":  # a browser's can set no header but this
        offered = [name for name in scope.get("subprotocols", ()) if name.startswith(_KEY_PROTOCOL)]
        return offered[0].removeprefix(_KEY_PROTOCOL) if len(offered) == 1 else ""
    if len(sent) != 1:
        return ""
    scheme, _, key = sent[0].decode("latin-1").strip().partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
