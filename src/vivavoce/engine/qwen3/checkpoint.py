"""From the name of a checkpoint to its folder on this machine, complete and unharmed.

A name is a folder, or an id on the model hub. What the files say is not looked at: `config.py` and
`weights.py` do that.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vivavoce.engine.qwen3 import hub
from vivavoce.engine.qwen3.verify import (
    REQUIRED_FILES,
    Damaged,
    OnProgress,
    Transfer,
    discard,
    verify,
)
from vivavoce.errors import EngineUnavailable

__all__ = [
    "RELEASED",
    "REQUIRED_FILES",
    "Damaged",
    "OnProgress",
    "Transfer",
    "clone_model",
    "fetch",
    "find",
    "pull",
    "verify",
]

RELEASED = (
    "Qwen/Qwen3-TTS-12Hz-0.6B-CustomVoice",
    "Qwen/Qwen3-TTS-12Hz-0.6B-Base",
    "Qwen/Qwen3-TTS-12Hz-1.7B-CustomVoice",
    "Qwen/Qwen3-TTS-12Hz-1.7B-Base",
    "Qwen/Qwen3-TTS-12Hz-1.7B-VoiceDesign",
)


def clone_model(model_id: str, clone_model_id: str) -> str:
    """Return the checkpoint for cloned voices; "auto" is the released one of `model_id`'s size."""
    if clone_model_id != "auto":
        return clone_model_id
    size = "0.6B" if "0.6B" in model_id else "1.7B"
    return f"Qwen/Qwen3-TTS-12Hz-{size}-Base"


def find(model: str) -> Path | None:
    """Return the checkpoint's folder if it is on this machine; never touches the network.

    Of the hub's cache only a copy with every required file counts.

    Raises:
        EngineUnavailable: `model` is the path of a folder that does not exist, or no possible name.
    """
    return _local(model) or hub.cached(model)


def fetch(
    model: str,
    *,
    offline: bool,
    on_progress: OnProgress,
    on_check: OnProgress = lambda _: None,
) -> Path:
    """Return the checkpoint's folder, downloading and verifying it first if it is not there.

    What is there is taken as it is, without the network. Both callbacks are called by this thread:
    `on_progress` while downloading, `on_check` while verifying what was downloaded.

    Raises:
        EngineUnavailable: it cannot be had; the message says why and what to do.
    """
    return find(model) or pull(model, offline=offline, on_progress=on_progress, on_check=on_check)


def pull(
    model: str,
    *,
    offline: bool,
    on_progress: OnProgress,
    on_check: OnProgress,
    on_damage: Callable[[Damaged], None] = lambda _: None,
) -> Path:
    """Return the checkpoint's folder, downloaded if need be, and verified in any case.

    A damaged file in the hub's cache is deleted and downloaded again, once, after `on_damage` is
    told; one in a folder of the user's is an error.

    Raises:
        EngineUnavailable: it cannot be had or is damaged; the message says what to do.
    """
    local = _local(model)
    if local is not None:
        verify(local, on_check)
        return local
    replaced: set[Path] = set()
    while True:
        folder = hub.cached(model) or _download(model, offline, on_progress)
        try:
            verify(folder, on_check)
        except Damaged as damage:
            if switch := _forbidden(offline):
                raise EngineUnavailable(
                    f"{damage.file} {damage.what}, and {_name(switch)} forbids downloads. To "
                    f"download it again, run: {switch} vivavoce pull {model}"
                ) from None
            # Deleted even when it is not tried again: a start would take it as it is.
            if not _discard(damage.file) or damage.file in replaced:
                raise
            on_damage(damage)
            replaced.add(damage.file)
        else:
            return folder


def _local(model: str) -> Path | None:
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    if model.startswith(("/", "./", "../", "~")):
        raise EngineUnavailable(
            f"There is no folder {model}. Name one that holds a checkpoint, or a hub id such as "
            f"{RELEASED[2]}."
        )
    return None


def _download(model: str, offline: bool, on_progress: OnProgress) -> Path:
    if switch := _forbidden(offline):
        raise EngineUnavailable(
            f"{model} is not on this machine, or not all of it, and {_name(switch)} forbids "
            f"downloads. To download it, run: {switch} vivavoce pull {model}"
        )
    return hub.download(model, on_progress)


def _forbidden(offline: bool) -> str:
    """Return what would allow downloads, for a command line; nothing if they are."""
    by_environment = "HF_HUB_OFFLINE=0" if hub.offline_by_environment() else ""
    return "OFFLINE=false" if offline else by_environment


def _name(assignment: str) -> str:
    return assignment.partition("=")[0]


def _discard(file: Path) -> bool:
    try:
        return discard(file)
    except OSError as exc:
        raise EngineUnavailable(
            f"{file} is damaged and cannot be deleted: {exc.strerror}. Delete it, and try again."
        ) from None
