"""The model hub: what its cache on this machine holds, and downloading what it does not.

huggingface_hub does the work and is imported only when asked. Its cache is used as documented: a
blob is named by its hash, one that is still coming ends in `.incomplete`.
"""

from __future__ import annotations

import errno
import shutil
import time
from concurrent.futures import Future, wait
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from vivavoce.engine.qwen3.verify import REQUIRED_FILES, OnProgress, Transfer
from vivavoce.errors import EngineUnavailable

if TYPE_CHECKING:
    from types import ModuleType

_ENDINGS = (".json", ".txt", ".safetensors")
_TICK_S = 0.2
_API_TIMEOUT_S = 10.0
_ABANDONED_S = 600.0


def cached(model: str) -> Path | None:
    """Return the folder of a complete copy in the hub's cache; never touches the network.

    Raises:
        EngineUnavailable: nothing can have that name.
    """
    try:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError
    except ImportError:
        return None
    try:
        files = [try_to_load_from_cache(model, name) for name in REQUIRED_FILES]
    except HFValidationError:
        raise EngineUnavailable(
            f"{model!r} is neither a folder nor a possible hub id. Hub ids are like owner/name."
        ) from None
    paths = [Path(file) for file in files if isinstance(file, str)]
    return paths[0].parent if len(paths) == len(REQUIRED_FILES) else None


def offline_by_environment() -> bool:
    """Tell whether HF_HUB_OFFLINE forbids downloads.

    Raises:
        EngineUnavailable: huggingface_hub is not installed.
    """
    return bool(_library().constants.HF_HUB_OFFLINE)


def download(model: str, on_progress: OnProgress) -> Path:
    """Download a checkpoint into the hub's cache, but for the files already there.

    `on_progress` is called by this thread, a few times a second.

    Raises:
        EngineUnavailable: it cannot be had; the message says why and what to do.
    """
    hub = _library()
    # The library reads these when it needs them, so that they hold although it is imported.
    hub.constants.HF_HUB_DISABLE_TELEMETRY = True
    hub.utils.disable_progress_bars()
    hub.utils.logging.set_verbosity_error()
    blobs = Path(hub.constants.HF_HUB_CACHE) / f"models--{model.replace('/', '--')}" / "blobs"
    wanted = _wanted(hub, model)
    total = sum(wanted.values())
    _remove_abandoned(blobs)
    _check_space(model, blobs, total - _arrived(blobs, wanted))

    before = _unfinished(blobs)
    download: Future[str] = Future()
    # The library's threads cannot be interrupted, so that they must not be waited for.
    Thread(target=_run, args=(download, hub, model), daemon=True).start()
    try:
        while not wait([download], _TICK_S).done:
            on_progress(Transfer(min(_arrived(blobs, wanted), total), total))
    finally:
        if not download.done():  # abandoned: nobody can go on with the pieces it leaves
            for file in _unfinished(blobs) - before:
                file.unlink(missing_ok=True)
    error = download.exception()
    if error is not None:
        raise _explain(hub, model, error) from None
    on_progress(Transfer(total, total))
    return Path(download.result())


def _library() -> ModuleType:
    try:
        import huggingface_hub
        import huggingface_hub.errors
        import huggingface_hub.utils.logging
    except ImportError:
        raise EngineUnavailable(
            "Qwen3-TTS needs huggingface_hub to download checkpoints, and it is not installed. "
            "Install it with: pip install 'vivavoce[qwen]'"
        ) from None
    return huggingface_hub


def _run(done: Future[str], hub: Any, model: str) -> None:
    try:
        patterns = [f"*{ending}" for ending in _ENDINGS]
        done.set_result(hub.snapshot_download(model, allow_patterns=patterns))
    except BaseException as exc:
        done.set_exception(exc)


def _wanted(hub: Any, model: str) -> dict[str, int]:
    """Ask the hub for the files to download: the names of their blobs, and their sizes."""
    try:
        info = hub.HfApi().model_info(model, files_metadata=True, timeout=_API_TIMEOUT_S)
    except Exception as exc:  # of one of several HTTP libraries, by version
        raise _explain(hub, model, exc) from None
    files = info.siblings or []
    missing = set(REQUIRED_FILES) - {file.rfilename for file in files}
    if missing:
        raise EngineUnavailable(
            f"{model} is no Qwen3-TTS checkpoint: it has no {sorted(missing)[0]}. Check the name."
        )
    return {
        file.lfs.sha256 if file.lfs else file.blob_id: file.size or 0
        for file in files
        if file.rfilename.endswith(_ENDINGS)
    }


def _arrived(blobs: Path, wanted: dict[str, int]) -> int:
    """Return how many bytes of the wanted files are on disk.

    Counted there, because not every version of the library tells it.
    """
    return sum(
        size
        if (blobs / name).exists()
        else max(map(_written, blobs.glob(f"{name}*.incomplete")), default=0)
        for name, size in wanted.items()
    )


def _written(file: Path) -> int:
    try:
        status = file.stat()
    except FileNotFoundError:  # just finished
        return 0
    return min(status.st_size, status.st_blocks * 512)  # it may be written from several places


def _unfinished(blobs: Path) -> set[Path]:
    """Return the files that one download alone can finish.

    Newer versions of the library name them `HASH.RANDOM.incomplete`; what older ones call
    `HASH.incomplete` can be resumed by anybody.
    """
    return set(blobs.glob("*.*.incomplete"))


def _remove_abandoned(blobs: Path) -> None:
    """Delete what downloads left that were killed: gigabytes that nothing would use again."""
    for file in _unfinished(blobs):
        with suppress(FileNotFoundError):  # another process has just finished it
            if file.stat().st_mtime < time.time() - _ABANDONED_S:
                file.unlink()


def _check_space(model: str, blobs: Path, needed: int) -> None:
    there = next(folder for folder in (blobs, *blobs.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise EngineUnavailable(
            f"{model} needs {needed / 1e9:.1f} GB in {there}, where {free / 1e9:.1f} GB are free. "
            "Make room, or set HF_HOME to a folder on a larger disk."
        )


def _explain(hub: Any, model: str, error: BaseException) -> EngineUnavailable:
    errors = hub.errors
    again = f"then run: vivavoce pull {model}"
    endpoint = hub.constants.ENDPOINT
    cause = error.__cause__ or error  # the library wraps what went wrong in advice of its own
    if isinstance(error, errors.GatedRepoError):
        return EngineUnavailable(
            f"{model} is only for those who accept its terms. Do so at {endpoint}/{model}, log in "
            f"with `hf auth login`, {again}"
        )
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.RepositoryNotFoundError) or status in (401, 403):
        return EngineUnavailable(
            f"{endpoint} has no checkpoint {model}, or keeps it from this machine's login. Check "
            f"the name, or log in with `hf auth login`, {again}"
        )
    if getattr(cause, "errno", None) == errno.ENOSPC or "No space left" in str(cause):
        return EngineUnavailable(
            f"The disk became full while {model} was downloaded. Make room, or set HF_HOME to a "
            f"folder on a larger disk, {again}"
        )
    if isinstance(cause, OSError) and cause.filename is not None:
        return EngineUnavailable(
            f"Cannot write {cause.filename}: {cause.strerror}. Make it writable, or set HF_HOME "
            f"to another folder, {again}"
        )
    reason = f"it answered {status}" if status else str(cause) or type(cause).__name__
    return EngineUnavailable(
        f"Downloading {model} from {endpoint} failed: {reason.splitlines()[0].rstrip('.')}. Check "
        f"the network, or try later: vivavoce pull {model}"
    )
