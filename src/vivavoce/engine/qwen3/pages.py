"""The unit in which memory for keys and values is taken and given back."""

from __future__ import annotations

PAGE = 64
"""Positions of a page."""


def pages_for(positions: int) -> int:
    """Return how many pages so many positions need."""
    return -(-positions // PAGE)
