"""`vivavoce doctor`: what this machine can run, what not, and what would change that."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from vivavoce import __version__, machine
from vivavoce.api.sockets import clear_away, listen, listen_at
from vivavoce.cli.certificate import read_certificate
from vivavoce.cli.player import find_player
from vivavoce.engine.qwen3.checkpoint import clone_model, find
from vivavoce.errors import EngineUnavailable, SettingsError
from vivavoce.factory import choose_engine
from vivavoce.settings import Settings, load_settings
from vivavoce.types import Need

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
    gpus = "; ".join(machine.nvidia_gpus()) or "no NVIDIA GPU"
    if not machine.has_torch():
        remedy = "torch is not installed; for it: pip install 'vivavoce[qwen]'"
        return Finding(None, "Qwen3-TTS", f"{remedy} ({gpus})")
    try:
        settings = load_settings()
    except SettingsError:
        return Finding(None, "Qwen3-TTS", "not checked, the settings come first")
    chosen = choose_engine(settings) == "qwen3"
    # In a process of its own: torch takes seconds to import, and memory that stays.
    probe = [sys.executable, "-P", "-m", "vivavoce.engine.qwen3.device"]
    try:
        told = subprocess.run(  # noqa: S603
            [*probe, settings.device, settings.dtype],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        found = json.loads(told.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as exc:
        return Finding(False if chosen else None, "Qwen3-TTS", f"torch does not start: {exc}")
    if "error" in found:
        return Finding(False if chosen else None, "Qwen3-TTS", found["error"])
    return Finding(
        True,
        "Qwen3-TTS",
        f"on {found['device']} ({found['name']}) in {found['dtype']}, attention by "
        f"{found['attention']}, torch {found['torch']}; this machine has {gpus}",
    )


def _checkpoints() -> Finding:
    try:
        settings = load_settings()
    except SettingsError:
        return Finding(None, "checkpoints", "not checked, the settings come first")
    clone = clone_model(settings.model_id, settings.clone_model_id)
    lines = []
    for need, model in (
        (Need.PRESET, settings.model_id),
        (Need.CLONE, clone),
        (Need.DESIGN, settings.design_model_id),
    ):
        try:
            state = "here" if find(model) else f"not here yet: vivavoce pull {need}"
        except EngineUnavailable as exc:
            return Finding(False, "checkpoints", exc.message)
        lines.append(f"{need}: {model} ({state})")
    return Finding(None, "checkpoints", "; ".join(lines))


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
        if settings.uds:
            listen_at(settings.uds).close()
            clear_away(settings.uds, os.lstat(settings.uds))
            return Finding(True, "port", f"none: UDS={settings.uds} is free")
        listen(settings.host, settings.port).close()
    except SettingsError as exc:
        return Finding(None, "port", exc.message)
    return Finding(True, "port", f"{settings.host}:{settings.port} is free")


def _certificate() -> Finding:
    try:
        settings = load_settings()
    except SettingsError:
        return Finding(None, "certificate", "not checked, the settings come first")
    try:
        certificate = read_certificate(settings)
    except SettingsError as exc:
        return Finding(False, "certificate", exc.message)
    if certificate is None:
        return Finding(True, "certificate", "none, so it serves HTTP")
    return Finding(True, "certificate", f"HTTPS with {settings.tls_cert_file}")


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
    *(_machine, _settings, _embedded_voice, _qwen3, _checkpoints),
    *(_encoders, _port, _certificate, _player, _telemetry),
)
