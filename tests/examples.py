"""The examples of the documentation: found in its pages, and run in a folder of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from recordings import recording

ADDRESS = "127.0.0.1:8000"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)$", re.MULTILINE)
_WRITTEN = re.compile(r"(?:-o|--subtitles) (\S+)")

# The fake engine has other voices, and one model.
_NAMES = {
    "serena": "coral",
    "vivian": "sine",
    "ryan": "square",
    "Qwen/Qwen3-TTS-12Hz-1.7B-Base": "fake",
}


@dataclass(frozen=True)
class Example:
    """A block of a page."""

    page: str
    language: str
    code: str

    @property
    def commands(self) -> list[str]:
        """What a reader would type, if it is for a shell."""
        return _COMMAND.findall(self.code) if self.language == "console" else [self.code]


def examples(page: Path, root: Path) -> list[Example]:
    name = str(page.relative_to(root))
    return [Example(name, *found) for found in _FENCE.findall(page.read_text())]


def furnish(folder: Path) -> None:
    """Put into a folder what readers are supposed to have: the command, a player, their files."""
    vivavoce = f'#!/bin/sh\nexec {sys.executable} -m vivavoce "$@"\n'
    programs = {
        ".venv/bin/vivavoce": vivavoce,
        "bin/vivavoce": vivavoce,
        "bin/aplay": "#!/bin/sh\nexec cat > /dev/null\n",
        "bin/curl": '#!/bin/sh\nPATH=${PATH#*:} exec curl -sS --fail-with-body "$@"\n',
    }
    for name, script in programs.items():
        program = folder / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(script)
        program.chmod(0o755)
    for name in ("me.wav", "ada.wav"):
        (folder / name).write_bytes(recording(4))
    (folder / "book.txt").write_text("A book. It is short.")


def run_command(command: str, folder: Path, url: str) -> None:
    """Have a shell do what stands in a page; it succeeds, and writes what it says it writes."""
    for name, here in _NAMES.items():
        command = command.replace(name, here)
    environment = {
        **os.environ,
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "ENGINE": "fake",
        "PORT": url.rpartition(":")[2],
    }
    done = subprocess.run(
        ["bash", "-c", command.replace(f"http://{ADDRESS}", url)],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    for name in _WRITTEN.findall(command):
        assert (folder / name).stat().st_size > 0, command


def run_python(code: str, folder: Path, url: str) -> None:
    """Have an interpreter run what stands in a page."""
    done = subprocess.run(
        [sys.executable, "-c", code.replace(ADDRESS, url.removeprefix("http://"))],
        cwd=folder,
        env={**os.environ, "ENGINE": "fake"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, f"{code}\n{done.stderr}"
