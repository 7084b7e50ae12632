"""Keys and values of how prompts begin, kept: a voice and its instructions always begin alike."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

    from torch import Tensor

MOST_POSITIONS = 1024
"""Of all that is kept together: 120 MB of a 0.6B model in bf16, twice that in fp32."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """The first `rows` of a prompt, which all prompts of the same `key` have in common."""

    key: Hashable
    rows: int


@dataclass(frozen=True, slots=True)
class KeysValues:
    """Of the first positions of a sequence, [layers, positions, kv_heads, head_dim] each."""

    keys: Tensor
    values: Tensor

    def __len__(self) -> int:
        return self.keys.shape[1]


class PrefixCache:
    """Those used last. Not thread-safe."""

    def __init__(self, most_positions: int = MOST_POSITIONS) -> None:
        self._most_positions = most_positions
        self._kept: OrderedDict[Hashable, KeysValues] = OrderedDict()

    def get(self, beginning: Beginning) -> KeysValues | None:
        """Return what is kept of a beginning; counts as its use."""
        found = self._kept.get(beginning.key)
        if found is not None:
            self._kept.move_to_end(beginning.key)
        return found

    def wants(self, beginning: Beginning) -> bool:
        """Tell whether it is worth putting it here."""
        return beginning.key not in self._kept and 0 < beginning.rows <= self._most_positions

    def put(self, beginning: Beginning, kept: KeysValues) -> None:
        """Keep one that is wanted; what was unused for longest goes."""
        self._kept[beginning.key] = kept
        while sum(map(len, self._kept.values())) > self._most_positions:
            self._kept.popitem(last=False)
