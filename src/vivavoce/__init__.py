"""vivavoce: a self-hosted speech server that any OpenAI client can point at.

For programs, the same without a server: `stream`, `speak` and `Speaker` (docs/python.md).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vivavoce.errors import VivavoceError
    from vivavoce.speaker import Speaker, SpeechStream, speak, stream

__all__ = ["Speaker", "SpeechStream", "VivavoceError", "__version__", "speak", "stream"]

__version__ = "0.1.0"

_HOMES = dict.fromkeys(("Speaker", "SpeechStream", "speak", "stream"), "vivavoce.speaker")
_HOMES["VivavoceError"] = "vivavoce.errors"


def __getattr__(name: str) -> Any:
    """Import what is asked for: the worker and the command line need none of it."""
    if name not in _HOMES:
        raise AttributeError(f"module 'vivavoce' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
