"""Which engines there are, by name. Nothing is imported until it is asked for.

`describe` tells what an engine's model can do without loading anything heavy, so the server can
answer questions about voices with no engine running. `load` makes the engine, in its own process.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vivavoce.engine.base import Engine
    from vivavoce.types import ModelInfo

_DESCRIPTIONS = {
    "embedded": "vivavoce.engine.embedded.catalog:describe",
    "fake": "vivavoce.engine.fake:describe",
}
_ENGINES = {
    "embedded": "vivavoce.engine.embedded.engine:EmbeddedEngine",
    "fake": "vivavoce.engine.fake:FakeEngine",
}

ENGINE_NAMES = tuple(_ENGINES)


def describe(engine: str) -> ModelInfo:
    """Return what the named engine's model is and can do. Light: no inference library."""
    info: ModelInfo = _resolve(_DESCRIPTIONS[engine])()
    return info


def load(engine: str) -> Engine:
    """Construct the named engine, which loads its model.

    Raises:
        EngineUnavailable: something it needs is missing; the message names the remedy.
    """
    loaded: Engine = _resolve(_ENGINES[engine])()
    return loaded


def _resolve(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)
