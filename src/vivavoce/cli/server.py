"""A running server, as commands that do not speak themselves ask it: over HTTP."""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from vivavoce.errors import EngineUnavailable, InvalidRequest, VivavoceError
from vivavoce.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vivavoce.settings import Settings

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - it is where to listen, not to ask
_TIMEOUT_S = 600.0  # a voice that is made may have to wait for a model
_PROBE_TIMEOUT_S = 5.0
_PEM_BEGIN, _PEM_END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


class Server:
    """The server at `url`, such as http://host:8000; by default the one that the settings start.

    `key` is the API key to send; by default the first of API_KEYS.
    """

    def __init__(self, url: str | None, key: str | None) -> None:
        settings = load_settings()
        self._uds = settings.uds if url is None else ""
        self._trusted = settings.tls_cert_file if url is None else ""
        if url is None:
            url = "http://localhost" if self._uds else _url(settings)
        self._url = url.rstrip("/").removesuffix("/v1")
        parts = urlsplit(self._url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidRequest(f"--server is {url}. Write it such as http://127.0.0.1:8000.")
        self._parts = parts
        self._key = key or next(iter(settings.api_keys), None)

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        file: tuple[str, str, bytes] | None = None,
    ) -> bytes:
        """Return the body of an answer. `file` is its field, its name, its bytes.

        Raises:
            VivavoceError: there is no server, or it refuses; the message is its own.
        """
        headers, content = {"Accept": "*/*"}, b""
        if file is not None:
            headers["Content-Type"], content = _form(body or {}, file)
        elif body is not None:
            headers["Content-Type"], content = "application/json", json.dumps(body).encode()
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        status, answer = self._send(method, f"/v1{path}", content, headers)
        if status >= 400:
            raise VivavoceError(_told(status, answer))
        return answer

    def json(self, method: str, path: str, *more: Any) -> Any:
        """Return an answer that is JSON. See `ask`."""
        return json.loads(self.ask(method, path, *more))

    def voice(self, name: str) -> dict[str, Any]:
        """Return what the server knows of a voice, by its name or id."""
        found: dict[str, Any] = self.json("GET", f"/audio/voices/{quote(name, safe='')}")
        return found

    def unready(self) -> str | None:
        """Return why a request would not be served now; None if it would. Not asked for long.

        Raises:
            VivavoceError: there is no server.
        """
        status, answer = self._send("GET", "/ready", b"", {}, _PROBE_TIMEOUT_S)
        if status < 400:
            return None
        try:
            return str(json.loads(answer)["reason"])
        except (ValueError, KeyError, TypeError):
            return _told(status, answer)

    def _send(
        self,
        method: str,
        path: str,
        content: bytes,
        headers: dict[str, str],
        timeout_s: float = _TIMEOUT_S,
    ) -> tuple[int, bytes]:
        connection = self._connection(timeout_s)
        try:
            connection.request(method, self._parts.path + path, content or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as exc:
            raise EngineUnavailable(
                f"No server answers at {self._uds or self._url} ({exc}). Start one with vivavoce "
                "serve, or name it with --server URL."
            ) from None
        finally:
            connection.close()

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        host, port = self._parts.hostname, self._parts.port
        assert host is not None
        if self._uds:
            return _UnixConnection(self._uds, timeout_s)
        if self._parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=timeout_s)
        context = _trusting(self._trusted) if self._trusted else ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _trusting(cert_file: str) -> ssl.SSLContext:
    """Return what trusts the first certificate of that file, and nothing else.

    It is this machine's own: made out to another name than the one it is asked by here, and perhaps
    signed by somebody whom nobody here knows.
    """
    try:
        _, begin, rest = Path(cert_file).read_text(encoding="ascii").partition(_PEM_BEGIN)
        certificate = ssl.PEM_cert_to_DER_cert(begin + rest[: rest.index(_PEM_END)] + _PEM_END)
    except (OSError, ValueError) as exc:
        raise EngineUnavailable(f"Cannot read TLS_CERT_FILE={cert_file} ({exc}).") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=certificate)
    return context


def _url(settings: Settings) -> str:
    if not settings.port:
        raise InvalidRequest("PORT is 0, so nobody knows it. Name the server: --server URL")
    host = _ANYWHERE.get(settings.host, settings.host)
    scheme = "https" if settings.tls_cert_file else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.port}"


def _form(fields: Mapping[str, Any], file: tuple[str, str, bytes]) -> tuple[str, bytes]:
    """Return a form's content type and bytes."""
    boundary = secrets.token_hex(16)
    parts = []
    for name, value in fields.items():
        text = value if isinstance(value, str) else json.dumps(value)
        parts.append((f'form-data; name="{name}"', text.encode()))
    field, filename, content = file
    plain = quote(filename, safe=" ")
    parts.append((f'form-data; name="{field}"; filename="{plain}"', content))
    body = b"".join(
        f"--{boundary}\r\nContent-Disposition: {head}\r\n\r\n".encode() + content + b"\r\n"
        for head, content in parts
    )
    return f"multipart/form-data; boundary={boundary}", body + f"--{boundary}--\r\n".encode()


def _told(status: int, answer: bytes) -> str:
    """Return what the server says is wrong."""
    try:
        message = str(json.loads(answer)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        message = f"The server answered with status {status}. Is it vivavoce's?"
    return f"{message} Here: --key KEY." if status == 401 else message
