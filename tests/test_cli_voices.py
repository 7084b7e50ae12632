"""`vivavoce voices` and a running server, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from clients import get
from conftest import running_server
from decoding import decode
from recordings import recording
from vivavoce.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Server

KEY = "the-key-of-this-test"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(
        tmp_path_factory.mktemp("cli"), ENGINE="fake", API_KEYS=KEY, PUBLIC_LISTS="true"
    ) as server:
        yield server


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def settings(server: Server, key: str) -> dict[str, str]:
    host, port = server.url.removeprefix("http://").split(":")
    return {"HOST": host, "PORT": port, "API_KEYS": key, "COLUMNS": "200"}


def voices(server: Server, *arguments: str, key: str = KEY) -> tuple[int, str, str]:
    """Run a command; the server is found by the settings, as a user's would be."""
    done = subprocess.run(
        [sys.executable, "-m", "vivavoce", "voices", *arguments],
        env={**os.environ, **settings(server, key)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def quickly(server: Server, *arguments: str, key: str = KEY) -> tuple[int, str, str]:
    """Run a command in this process."""
    done = CliRunner().invoke(app, ["voices", *arguments], env=settings(server, key))
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, done.stdout, done.stderr


def names(server: Server) -> list[str]:
    return get(server, "/v1/audio/voices?format=strings").json()["voices"]


def test_a_voice_from_first_to_last(server: Server) -> None:
    Path("ada lovelace.wav").write_bytes(recording(4))
    status, said, _ = voices(server, "add", "Ada", "ada lovelace.wav", "--words", "Hello there.")
    assert status == 0
    assert "Ada: voice_" in said
    assert "recording: poor" in said
    assert "The transcript has few letters" in said
    status, said, _ = quickly(server, "list")
    assert "Ada" in said
    assert "audio_sample" in said
    assert quickly(server, "preview", "ada", "--text", "Hello.", "-o", "hello.mp3")[0] == 0
    assert len(decode(Path("hello.mp3").read_bytes(), "mp3"))
    status, said, _ = quickly(server, "export", "Ada", "-o", "ada.zip")
    assert (status, Path("ada.zip").exists()) == (0, True)
    status, said, _ = quickly(server, "rm", "Ada")
    assert (status, names(server)) == (0, ["sine", "square"])
    assert quickly(server, "import", "ada.zip", "--name", "Bea")[0] == 0
    assert quickly(server, "design", "Old", "An old man", "--seed", "3")[0] == 0
    assert quickly(server, "blend", "Mix", "sine=2", "square=1")[0] == 0
    assert names(server) == ["sine", "square", "Bea", "Old", "Mix"]
    assert quickly(server, "rm", "Bea", "Old", "Mix")[0] == 0
    assert names(server) == ["sine", "square"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add", "Ada", "nowhere.wav"), "Cannot read nowhere.wav"),
        (("rm", "nobody"), "There is no saved voice 'nobody'"),
        (("rm", "sine"), "sine is a preset"),
        (("blend", "Mix", "sine"), "NAME=SHARE"),
        (("blend", "Mix", "nobody=1"), "There is no voice 'nobody'"),
        (("preview", "sine", "-o", "hello.txt"), ".mp3"),
        (("list", "--server", "http://127.0.0.1:1"), "vivavoce serve"),
        (("list", "--server", "somewhere"), "http://127.0.0.1:8000"),
    ],
    ids=str,
)
def test_what_goes_wrong_is_told_in_a_line(
    server: Server, arguments: tuple[str, ...], words: str
) -> None:
    status, _, told = quickly(server, *arguments)
    assert status == 1
    assert told.startswith("vivavoce: ")
    assert words in told


def test_without_its_key_the_server_says_so(server: Server) -> None:
    status, _, told = quickly(server, "blend", "Mix", "sine=1", key="some-other-key")
    assert status == 1
    assert "--key" in told
