"""`vivavoce mcp`: tools for assistants that speak MCP, which have a running server speak."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import httpx2
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import AudioContent, TextContent, ToolAnnotations
from pydantic import Field

from vivavoce import __version__
from vivavoce.audio.formats import FORMATS
from vivavoce.cli.player import Player
from vivavoce.errors import VivavoceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_TIMEOUT_S = httpx2.Timeout(600, connect=5)

_Text = Annotated[str, Field(description="What to say, in plain words.")]
_Voice = Annotated[str | None, Field(description="A voice's name; see list_voices.")]
_Language = Annotated[str | None, Field(description="Such as en; recognised if left out.")]
_Instructions = Annotated[str | None, Field(description="How to say it, such as: whisper.")]
_Speed = Annotated[float, Field(ge=0.25, le=4.0, description="Tempo; the pitch stays.")]
_Aloud = Annotated[bool, Field(description="Play it on the user's loudspeaker.")]
_File = Annotated[
    str | None, Field(description="Save it under this name; the ending chooses the format.")
]


def run(url: str, api_key: str | None, folder: Path | None) -> None:
    """Serve on standard input and output until the client closes them.

    `folder` is where files may be saved; None: nowhere.
    """
    speaker = Speaker(url, api_key, folder)
    server = MCPServer(
        "vivavoce",
        version=__version__,
        instructions="Speaks text with the voices of a speech server on the user's machine.",
        log_level="ERROR",
    )
    asks_only = ToolAnnotations(read_only_hint=True)
    server.add_tool(speaker.speak, structured_output=False)
    server.add_tool(speaker.list_voices, structured_output=False, annotations=asks_only)
    server.run("stdio")


class Speaker:
    """The tools. Each request has a connection of its own: when it is cancelled, so is the work."""

    def __init__(self, url: str, api_key: str | None, folder: Path | None) -> None:
        self._url = url.rstrip("/").removesuffix("/v1")
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._folder = folder.resolve() if folder else None

    async def speak(
        self,
        text: _Text,
        voice: _Voice = None,
        language: _Language = None,
        instructions: _Instructions = None,
        speed: _Speed = 1.0,
        aloud: _Aloud = False,
        file: _File = None,
    ) -> list[AudioContent | TextContent]:
        """Say something: as audio in the answer, or aloud, or into a file."""
        wishes = {
            "input": text,
            "voice": voice,
            "language": language,
            "instructions": instructions,
            "speed": speed,
        }
        body = {name: value for name, value in wishes.items() if value is not None}
        if aloud and file:
            raise ToolError("Choose one of aloud and file.")
        if aloud:
            return [await self._play(body)]
        if file:
            return [await self._save(body, self._place(file))]
        async with self._ask("POST", "/v1/audio/speech", body | {"stream": False}) as answer:
            audio = await answer.aread()
            content = AudioContent(
                data=base64.b64encode(audio).decode("ascii"),
                mime_type=answer.headers["content-type"],
            )
            return [content, _told("Spoken", answer)]

    async def list_voices(self) -> str:
        """List the voices there are, with their languages."""
        async with self._ask("GET", "/v1/audio/voices") as answer:
            voices = json.loads(await answer.aread())["voices"]
        return "\n".join(
            f"{voice['id']} ({', '.join(voice['languages'])}): {voice['description']}"
            for voice in voices
        )

    async def _play(self, body: dict[str, Any]) -> TextContent:
        wanted = body | {"response_format": "wav"}
        try:
            async with self._ask("POST", "/v1/audio/speech", wanted) as answer:
                player = await asyncio.to_thread(Player().__enter__)
                try:
                    async for part in answer.aiter_bytes():
                        await asyncio.to_thread(player.write, part)
                except BaseException:
                    player.__exit__(*sys.exc_info())
                    raise
            await asyncio.to_thread(player.__exit__, None, None, None)  # heard to its end
        except VivavoceError as exc:
            raise ToolError(exc.message) from None
        return _told("Played", answer)

    async def _save(self, body: dict[str, Any], path: Path) -> TextContent:
        wanted = body | {"response_format": path.suffix.removeprefix(".").lower(), "stream": False}
        async with self._ask("POST", "/v1/audio/speech", wanted) as answer:
            audio = await answer.aread()
        try:
            with path.open("xb") as out:
                out.write(audio)
        except OSError as exc:
            raise ToolError(f"Cannot write {path}: {exc.strerror or exc}.") from None
        return _told(f"Saved as {path}", answer)

    def _place(self, name: str) -> Path:
        """Return where a file goes; an assistant may not write anywhere, nor over anything."""
        if self._folder is None:
            raise ToolError("Nothing may be saved: start vivavoce mcp with --folder FOLDER.")
        path = (self._folder / name).resolve()
        if not path.is_relative_to(self._folder):
            raise ToolError(f"{name} is outside of {self._folder}. Give a name within it.")
        if path.suffix.removeprefix(".").lower() not in FORMATS:
            raise ToolError(f"The ending of {name} must be one of: {', '.join(FORMATS)}.")
        if path.exists():
            raise ToolError(f"{path} exists. Choose another name.")
        return path

    @asynccontextmanager
    async def _ask(
        self, method: str, path: str, body: dict[str, Any] | None = None
    ) -> AsyncIterator[httpx2.Response]:
        """Yield a good answer's beginning.

        Raises:
            ToolError: no server answers, or it refuses, or cuts its answer; told in words.
        """
        try:
            async with (
                httpx2.AsyncClient(headers=self._headers, timeout=_TIMEOUT_S) as client,
                client.stream(method, self._url + path, json=body) as answer,
            ):
                if answer.status_code != httpx2.codes.OK:
                    raise ToolError(_refusal(answer.status_code, await answer.aread()))
                yield answer
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol) as exc:
            raise ToolError(
                f"No server answers at {self._url} ({exc}). Start one with: vivavoce serve. Or say "
                "where it is: vivavoce mcp --url http://HOST:PORT"
            ) from None
        except httpx2.HTTPError as exc:
            raise ToolError(
                f"The server at {self._url} cut its answer ({exc}). Its log says why."
            ) from None


def _refusal(status: int, raw: bytes) -> str:
    try:
        message = json.loads(raw)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return f"What answers there is no speech server: HTTP status {status}. Check --url."
    hint = " It is given to vivavoce mcp as VIVAVOCE_API_KEY." if status == 401 else ""
    return f"{message}{hint}"


def _told(what: str, answer: httpx2.Response) -> TextContent:
    voice, model = (answer.headers.get(f"x-vivavoce-{name}", "?") for name in ("voice", "model"))
    ignored = answer.headers.get("x-vivavoce-ignored")
    told = f"{what}, voice {voice} ({model})."
    return TextContent(text=told + (f" It ignored: {ignored}." if ignored else ""))
