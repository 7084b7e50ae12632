"""`vivavoce doctor`: what this machine can run, what not, and what would change that."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from vivavoce import __version__
from vivavoce.api import server
from vivavoce.cli.player import find_player
from vivavoce.errors import SettingsError
from vivavoce.factory import choose_engine
from vivavoce.settings import Settings, load_settings

_MARKS = {True: "[green]ok  [/]", False: "[red]no  [/]", None: "[yellow]note[/]"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: `good` None means that it is worth knowing but nothing is wrong."""

    good: bool | None
    what: str
    detail: str


def run() -> bool:
    """Print the findings; tell whether this machine can speak."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"vivavoce {__version__}")
    findings = [check() for check in _CHECKS]
    for finding in findings:
        console.print(f"{_MARKS[finding.good]} [bold]{finding.what}[/]: ", end="")
        console.print(finding.detail, markup=False)
    able = all(finding.good is not False for finding in findings)
    console.print("This machine can speak." if able else "Mend what is marked 'no' first.")
    return able


def _machine() -> Finding:
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Finding(
        None,
        "machine",
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores, {memory_bytes / 2**30:.1f} GiB memory",
    )


def _settings() -> Finding:
    try:
        settings = load_settings()
    except SettingsError as exc:
        return Finding(False, "settings", exc.message)
    changed = [str(Settings.model_fields[name].alias) for name in settings.model_fields_set]
    shown = f"set here: {', '.join(sorted(changed))}" if changed else "all at their defaults"
    return Finding(True, "settings", f"{shown}; engine: {choose_engine(settings)}")


def _embedded_voice() -> Finding:
    missing = [name for name in ("hibari", "onnxruntime") if find_spec(name) is None]
    if missing:
        remedy = "pip install hibari-tts onnxruntime"
        return Finding(False, "embedded voice", f"{', '.join(missing)} not installed: {remedy}")
    spec = find_spec("hibari")
    assert spec is not None
    assert spec.origin is not None
    weights = Path(spec.origin).parent / "assets" / "hibari.onnx"
    if not weights.is_file():
        return Finding(False, "embedded voice", f"{weights} is missing: reinstall hibari-tts")
    versions = f"hibari-tts {version('hibari-tts')}, onnxruntime {version('onnxruntime')}"
    return Finding(True, "embedded voice", f"English, on the CPU ({versions})")


def _qwen3() -> Finding:
    gpu = _nvidia_gpu()
    return Finding(
        None,
        "Qwen3-TTS",
        f"not part of vivavoce {__version__} yet; this machine has {gpu or 'no NVIDIA GPU'}",
    )


def _nvidia_gpu() -> str | None:
    command = shutil.which("nvidia-smi")
    if command is None:
        return None
    query = [command, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        listed = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return "; ".join(line.strip() for line in listed.stdout.splitlines() if line.strip()) or None


def _encoders() -> Finding:
    try:
        import av
    except ImportError as exc:
        return Finding(False, "audio formats", f"{exc}: pip install av")
    needed = {"mp3": "libmp3lame", "opus": "libopus", "aac": "aac", "flac": "flac"}
    missing = [name for name, codec in needed.items() if codec not in av.codecs_available]
    if missing:
        return Finding(
            False, "audio formats", f"PyAV here lacks {', '.join(missing)}: pip install av"
        )
    return Finding(True, "audio formats", f"{', '.join(needed)}, wav, pcm (PyAV {av.__version__})")


def _port() -> Finding:
    try:
        settings = load_settings()
    except SettingsError:
        return Finding(None, "port", "not checked, the settings come first")
    try:
        server.listen(settings.host, settings.port).close()
    except SettingsError as exc:
        return Finding(None, "port", exc.message)
    return Finding(True, "port", f"{settings.host}:{settings.port} is free")


def _player() -> Finding:
    player = find_player()
    if player is None:
        return Finding(None, "playing aloud", "no player found; vivavoce say -o FILE works")
    return Finding(True, "playing aloud", f"vivavoce say plays through {player[0]}")


def _telemetry() -> Finding:
    try:
        parts = tuple(int(part) for part in version("onnxruntime").split(".")[:2])
    except PackageNotFoundError:
        return Finding(None, "telemetry", "onnxruntime is not installed")
    reports = (
        "would report home by itself; vivavoce switches that off"
        if parts >= (1, 29)
        else ("has no telemetry in this version")
    )
    return Finding(True, "telemetry", f"onnxruntime {reports}")


_CHECKS: tuple[Callable[[], Finding], ...] = (
    *(_machine, _settings, _embedded_voice, _qwen3),
    *(_encoders, _port, _player, _telemetry),
)
