"""The guard against web pages: whose may change things here, and under which names we are reached.

A browser sends what any page tells it to, to any server it can reach, and keeps only the answer
from the page. What a page may read is CORS's affair; this refuses what it may not even send.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import structlog
from starlette.datastructures import Headers

from vivavoce.api.errors import refuse, short
from vivavoce.errors import NotPermitted

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Receive, Scope, Send

log = structlog.get_logger("vivavoce.http")

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OF_THE_WEB = frozenset({"http", "https", "file"})
"""Schemes of pages that anybody can have written. Others (chrome-extension, app, tauri, ...) are of
programs that the user has installed, and no page can take them on."""


class PageGuard:
    """Refuses what changes things, and sockets, if a foreign page sends it; and foreign names.

    `origins` are the pages that the operator allows, `hosts` the names by which the server may be
    called (none: any). Clients that are no browsers send neither `Origin` nor `Sec-Fetch-Site`.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str], hosts: Collection[str]) -> None:
        self._app = app
        self._origins = origins
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection's request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin", "")
        site = headers.get("sec-fetch-site", "")
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE
        try:
            if not self._is_ours(host):
                raise NotPermitted(
                    f"This server is not to be called {short(host)}. Use its address, or have the "
                    "operator add the name to ALLOWED_HOSTS.",
                    code="host_not_allowed",
                )
            if changes and not self._may_send(origin, site, host):
                raise NotPermitted(
                    f"Web pages of the origin {short(origin)} may not do this. Have the operator "
                    "add it to CORS_ORIGINS.",
                    code="origin_not_allowed",
                )
        except NotPermitted as exc:
            log.info("page refused", code=exc.code, path=scope["path"], origin=short(origin))
            await refuse(exc, scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _may_send(self, origin: str, site: str, host: str) -> bool:
        """Tell whether it is no page, one of this server's, or one that the operator allows."""
        if "*" in self._origins or origin in self._origins:
            return True
        if site in ("same-origin", "none"):  # the browser's own word, true behind any proxy
            return True
        scheme, _, authority = origin.partition("://")
        if origin and origin != "null" and scheme not in _OF_THE_WEB:
            return True
        if site:
            return False
        return not origin or authority.lower() == host.lower()

    def _is_ours(self, host: str) -> bool:
        """Tell whether the name is allowed. Addresses are: only a name can be pointed elsewhere."""
        if not self._hosts or "*" in self._hosts:
            return True
        name = host.lower()
        if not name.endswith("]"):
            name = name.rpartition(":")[0] or name
        name = name.strip("[]").rstrip(".")
        return name in self._hosts or name == "localhost" or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
