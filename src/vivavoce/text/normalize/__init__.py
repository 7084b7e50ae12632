"""Writing out what an engine would misread, one file per language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vivavoce.text.normalize.english import normalize_english

if TYPE_CHECKING:
    from collections.abc import Callable

NORMALIZERS: dict[str, Callable[[str], str]] = {"en": normalize_english}
"""Language code to its normaliser: plain text in, plain text that can be read word by word out."""
