"""`vivavoce mcp` as an assistant has it: the real `mcp` client, against a real server."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mcp import Client, StdioServerParameters

from clients import at_rest, load_of, until
from conftest import running_server
from decoding import assert_length, decode
from expected import TEXT, fake_samples

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mcp_types import CallToolResult

    from conftest import Server

TIMEOUT_S = 30


@asynccontextmanager
async def assistant(server: Server | str, *options: str, **env: str) -> AsyncIterator[Client]:
    """Start the command as an assistant does, and connect to it."""
    url = server if isinstance(server, str) else server.url
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "vivavoce", "mcp", "--url", url, *options],
        env={"PYTHONPATH": os.environ.get("PYTHONPATH", ""), "PATH": os.environ["PATH"], **env},
    )
    async with Client(command, read_timeout_seconds=TIMEOUT_S) as client:
        yield client


def call(
    server: Server | str, tool: str, wishes: dict | None = None, *options: str, **env: str
) -> CallToolResult:
    async def ask() -> CallToolResult:
        async with assistant(server, *options, **env) as client:
            return await client.call_tool(tool, wishes or {})

    return asyncio.run(ask())


def refusal(result: CallToolResult) -> str:
    assert result.is_error
    (said,) = result.content
    return said.text


CALLS = {
    "voices": ("list_voices", {}),
    "audio": ("speak", {"text": TEXT, "voice": "square", "language": "en", "speed": 2.0}),
    "nobody": ("speak", {"text": TEXT, "voice": "nobody"}),
    "broken": ("speak", {"text": TEXT, "instructions": "fail_after=2"}),
    "fast": ("speak", {"text": TEXT, "speed": 9}),
    "nowhere": ("speak", {"text": TEXT, "file": "x.mp3"}),
    "both": ("speak", {"text": TEXT, "aloud": True, "file": "x.mp3"}),
    "silent": ("speak", {"text": TEXT, "aloud": True}),
}


@pytest.fixture(scope="module")
def answers(fake_server: Server) -> dict[str, CallToolResult]:
    """What came back, all in one session, without a player; `tools` is the list of them."""

    async def ask() -> dict:
        async with assistant(fake_server, PATH="/nowhere") as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            called = {name: await client.call_tool(*wanted) for name, wanted in CALLS.items()}
            return {"tools": tools, **called}

    return asyncio.run(ask())


def test_the_tools_say_what_they_take(answers: dict) -> None:
    tools = answers["tools"]
    assert set(tools) == {"speak", "list_voices"}
    assert tools["list_voices"].annotations.read_only_hint
    takes = tools["speak"].input_schema
    assert takes["required"] == ["text"]
    assert all(field["description"] for field in takes["properties"].values())
    assert set(takes["properties"]) == {
        *("text", "voice", "language", "instructions", "speed", "aloud", "file")
    }


def test_voices_are_listed(answers: dict) -> None:
    (listed,) = answers["voices"].content
    assert listed.text == "sine (en, zh): A sine tone\nsquare (en, zh): A square tone"


def test_audio_comes_in_the_answer(answers: dict) -> None:
    audio, told = answers["audio"].content
    assert (audio.type, audio.mime_type) == ("audio", "audio/mpeg")
    samples = decode(base64.b64decode(audio.data), "mp3")
    assert_length(len(samples), len(fake_samples(speed=2.0)), "mp3")
    assert told.text == "Spoken, voice square (fake)."


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nobody", "There is no voice 'nobody' in model fake. Use one of: sine, square"),
        ("broken", "told to fail"),
        ("fast", "speed"),
        ("nowhere", "--folder"),
        ("both", "Choose one"),
        ("silent", "no player on this machine"),
    ],
)
def test_what_cannot_be_is_told_in_words(answers: dict, name: str, words: str) -> None:
    assert words in refusal(answers[name])


def test_files_are_saved_in_the_folder_and_nowhere_else(
    fake_server: Server, tmp_path: Path
) -> None:
    """Started with what the page about it says, to the letter."""
    folder = tmp_path / "speech"
    folder.mkdir()
    (folder / "old.mp3").write_bytes(b"old")
    (folder / "out").symlink_to(tmp_path)
    names = "a.wav", "b.MP3", "../x.mp3", f"{tmp_path}/x.mp3", "out/x.mp3", "old.mp3", "x.sh"

    page = (Path(__file__).parent.parent / "docs/clients/mcp.md").read_text()
    (block,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    wanted = json.loads(block)["mcpServers"]["vivavoce"]
    assert Path(wanted["command"]).name == "vivavoce"
    here = {"http://127.0.0.1:8000": fake_server.url, "/home/me/Music": str(folder)}
    command, *options = (here.get(word, word) for word in wanted["args"])
    assert command == "mcp"

    async def ask() -> list[CallToolResult]:
        async with assistant(fake_server, *options, **wanted["env"]) as client:
            return [
                await client.call_tool("speak", {"text": TEXT, "file": name})
                for name in (*names, "no/x.mp3")
            ]

    *saved, outside, absolute, linked, old, script, nowhere = asyncio.run(ask())
    for name, result in zip(names, saved, strict=False):
        (told,) = result.content
        assert told.text == f"Saved as {folder / name}, voice sine (fake)."
        format_name = name[2:].lower()
        samples = decode((folder / name).read_bytes(), format_name)
        assert_length(len(samples), len(fake_samples()), format_name)
    for result in (outside, absolute, linked):
        assert f"is outside of {folder}" in refusal(result)
    assert "exists" in refusal(old)
    assert "ending" in refusal(script)
    assert "No such file" in refusal(nowhere)
    assert (folder / "old.mp3").read_bytes() == b"old"
    there = {path.name for path in tmp_path.rglob("*")}
    assert there == {"speech", "old.mp3", "out", "a.wav", "b.MP3"}


def test_it_is_played_aloud_and_the_protocol_stays_whole(
    fake_server: Server, tmp_path: Path
) -> None:
    player = tmp_path / "aplay"
    player.write_text(
        f"#!{sys.executable}\nimport sys\nprint('Playing')\n"
        f"open({str(tmp_path / 'heard.wav')!r}, 'wb').write(sys.stdin.buffer.read())\n"
    )
    player.chmod(0o755)
    (told,) = call(fake_server, "speak", {"text": TEXT, "aloud": True}, PATH=str(tmp_path)).content
    assert told.text == "Played, voice sine (fake)."
    assert len(decode((tmp_path / "heard.wav").read_bytes(), "wav")) == len(fake_samples())


def test_without_a_server_it_is_said_what_to_do() -> None:
    said = refusal(call("http://127.0.0.1:9", "speak", {"text": TEXT}))
    assert "No server answers at http://127.0.0.1:9" in said
    assert "vivavoce serve" in said
    assert "--url" in said


def test_what_the_voice_cannot_heed_is_told(voice_server: Server) -> None:
    wishes = {"text": "Good morning.", "instructions": "Whisper."}
    _, told = call(f"{voice_server.url}/v1/", "speak", wishes).content
    assert told.text == "Spoken, voice heart (hibari-heart). It ignored: instructions."


def test_a_key_is_sent_and_its_absence_explained(tmp_path: Path) -> None:
    with running_server(tmp_path, ENGINE="fake", API_KEYS="sk-the-key-itself") as server:
        assert not call(
            server, "speak", {"text": TEXT}, VIVAVOCE_API_KEY="sk-the-key-itself"
        ).is_error
        assert "VIVAVOCE_API_KEY" in refusal(call(server, "list_voices"))


def test_a_call_that_is_given_up_ends_the_work(fake_server: Server) -> None:
    async def ask() -> None:
        async with assistant(fake_server) as client:
            wishes = {"text": TEXT, "instructions": "endless=1 interval_s=0.05"}
            speaking = asyncio.create_task(client.call_tool("speak", wishes))
            await asyncio.to_thread(until, lambda: load_of(fake_server)[0])
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
            await asyncio.to_thread(until, lambda: at_rest(fake_server))

    asyncio.run(ask())


def test_without_its_package_it_names_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "mcp.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'mcp'\", name='mcp')"
    )
    done = subprocess.run(
        [sys.executable, "-m", "vivavoce", "mcp"],
        env={
            **os.environ,
            "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        },
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "pip install 'vivavoce[mcp]'" in done.stderr
    assert "Traceback" not in done.stderr
