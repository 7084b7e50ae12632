"""A small model hub on the loopback: the parts of its HTTP API that a download uses, and faults.

It serves one set of files under any of its models' names. Like the real one it stores safetensors
by their SHA-256 (LFS) and the rest by git's SHA-1.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

COMMIT = "c0ffee" * 6 + "c0ff"
_HOLD_S = 60


@dataclass(frozen=True)
class Request:
    """What a client asked for; `path` has no query."""

    method: str
    path: str
    headers: dict[str, str]

    @property
    def file(self) -> str:
        """The file of a model that is meant, if one is."""
        return self.path.partition(f"/resolve/{COMMIT}/")[2]


@dataclass
class Hold:
    """A transfer that stops after some bytes until it is released."""

    after: int
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)


class Hub:
    """The server; a context manager. Set the faults at any time."""

    def __init__(self, folder: Path, models: tuple[str, ...]) -> None:
        self.files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        self.models = models
        self.requests: list[Request] = []
        self.gated = False
        self.unknown = (401, {})  # the real one does not tell strangers what there is
        self.failing = False
        self.claimed_sizes: dict[str, int] = {}
        self.cut_once: dict[str, int] = {}
        self.wrong: dict[str, int] = {}  # file: how many more times its last byte is another
        self.held: dict[str, Hold] = {}
        self._names = {name: blob_name(name, content) for name, content in self.files.items()}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.hub = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for hold in self.held.values():
            hold.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def hold(self, name: str, after: int) -> Hold:
        """Make transfers of a file stop after so many bytes."""
        self.held[name] = Hold(after)
        return self.held[name]

    def downloads(self) -> list[str]:
        """The files asked for, in order."""
        return [
            request.file for request in self.requests if request.method == "GET" and request.file
        ]

    def describe(self) -> dict:
        """What the API says of a model."""
        siblings = []
        for name, content in self.files.items():
            size = self.claimed_sizes.get(name, len(content))
            entry = {"rfilename": name, "size": size, "blobId": git_name(content)}
            if is_lfs(name):
                entry["lfs"] = {
                    "sha256": self._names[name],
                    "size": len(content),
                    "pointerSize": 134,
                }
            siblings.append(entry)
        return {"id": self.models[0], "sha": COMMIT, "private": False, "siblings": siblings}

    def tree(self) -> list[dict]:
        """What the API says of a commit's files."""
        entries = []
        for name, content in self.files.items():
            entry = {"type": "file", "path": name, "size": len(content), "oid": git_name(content)}
            if is_lfs(name):
                entry["lfs"] = {"oid": self._names[name], "size": len(content), "pointerSize": 134}
            entries.append(entry)
        return entries

    def content(self, name: str) -> bytes:
        """What is sent for a file; not always what it should be."""
        content = self.files[name]
        if self.wrong.get(name, 0):
            self.wrong[name] -= 1
            content = content[:-1] + bytes([content[-1] ^ 1])
        return content

    def headers(self, name: str) -> dict[str, str]:
        """The headers that identify a file."""
        etag = f'"{self._names[name]}"'
        headers = {"ETag": etag, "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if is_lfs(name):
            headers |= {"X-Linked-Etag": etag, "X-Linked-Size": str(len(self.files[name]))}
        return headers


def is_lfs(name: str) -> bool:
    return name.endswith(".safetensors")


def git_name(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def blob_name(name: str, content: bytes) -> str:
    return hashlib.sha256(content).hexdigest() if is_lfs(name) else git_name(content)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def _hub(self) -> Hub:
        return self.server.hub

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        request = Request(self.command, path, {k.lower(): v for k, v in self.headers.items()})
        self._hub.requests.append(request)
        model = "/".join(path.removeprefix("/api/models").split("/")[1:3])
        if self._hub.failing:
            self._send(500, {}, b"{}")
        elif model not in self._hub.models:
            self._send(*self._hub.unknown, b"{}")
        elif path in (f"/api/models/{model}", f"/api/models/{model}/revision/main"):
            self._send(200, {}, json.dumps(self._hub.describe()).encode())
        elif path == f"/api/models/{model}/tree/{COMMIT}":
            self._send(200, {}, json.dumps(self._hub.tree()).encode())
        elif self._hub.gated:
            self._send(401, {"X-Error-Code": "GatedRepo"}, b"{}")
        elif request.file in self._hub.files:
            self._send_file(request)
        else:
            self._send(404, {"X-Error-Code": "EntryNotFound"}, b"{}")

    def _send_file(self, request: Request) -> None:
        headers = self._hub.headers(request.file)
        if self.command == "HEAD":
            self._send(200, headers, self._hub.files[request.file])
            return
        content = self._hub.content(request.file)
        start = int(request.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        stop_after = self._hub.cut_once.pop(request.file, None)
        self._send(206 if start else 200, headers, content[start:], request.file, stop_after)

    def _send(
        self,
        status: int,
        headers: dict[str, str],
        body: bytes,
        name: str = "",
        stop_after: int | None = None,
    ) -> None:
        try:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "HEAD":
                return
            if hold := self._hub.held.get(name):
                self.wfile.write(body[: hold.after])
                hold.reached.set()
                hold.released.wait(_HOLD_S)
                body = body[hold.after :]
            self.wfile.write(body[:stop_after])
            if stop_after is not None:
                self.close_connection = True
        except OSError:  # the client is gone
            self.close_connection = True
