"""Which engines there are, by name. Nothing is imported until it is asked for.

`describe` tells what an engine's model can do without loading anything heavy, so the server can
answer questions about voices with no engine running. `prepare` and `load` are for the engine's own
process.
"""

from __future__ import annotations

import contextlib
from importlib import import_module
from typing import TYPE_CHECKING, Any

from vivavoce.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vivavoce.engine.base import Engine
    from vivavoce.types import LoadProgress, ModelInfo

_DESCRIPTIONS = {
    "embedded": "vivavoce.engine.embedded.catalog:describe",
    "fake": "vivavoce.engine.fake:describe",
    "qwen3": "vivavoce.engine.qwen3.catalog:describe",
}
_ENGINES = {
    "embedded": "vivavoce.engine.embedded.engine:EmbeddedEngine",
    "fake": "vivavoce.engine.fake:FakeEngine",
    "qwen3": "vivavoce.engine.qwen3.engine:Qwen3Engine",
}

_PACKAGES = {"embedded": "vivavoce", "fake": "vivavoce", "qwen3": "'vivavoce[qwen]'"}

ENGINE_NAMES = tuple(_ENGINES)
_NONE: dict[str, object] = {}


def describe(engine: str, options: Mapping[str, object] = _NONE) -> ModelInfo:
    """Return what the named engine's model is and can do. Light: no inference library.

    Raises:
        EngineUnavailable: the options name a model that is not there, or not what they say.
    """
    info: ModelInfo = _resolve(_DESCRIPTIONS[engine])(options)
    return info


def prepare(engine: str) -> None:
    """Import what the named engine is made of, for a faster `load`. Nothing is loaded by it.

    That a library is missing, or the engine unknown, is left for `load` to say.
    """
    if engine in _ENGINES:
        with contextlib.suppress(ImportError):
            kind: type[Engine] = _resolve(_ENGINES[engine])
            kind.prepare()


def load(
    engine: str,
    options: Mapping[str, object] = _NONE,
    on_progress: Callable[[LoadProgress], None] = lambda progress: None,
) -> Engine:
    """Load the named engine, telling how far it is.

    Raises:
        EngineUnavailable: something it needs is missing; the message names the remedy.
        OutOfMemory: it does not fit into memory now.
    """
    try:
        kind: type[Engine] = _resolve(_ENGINES[engine])
    except ImportError as exc:
        raise EngineUnavailable(
            f"The {engine} engine needs what is not installed here: {exc}. "
            f"Install it with: pip install {_PACKAGES[engine]}"
        ) from exc
    return kind.load(options, on_progress)


def _resolve(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)
