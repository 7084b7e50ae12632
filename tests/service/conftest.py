"""Fixtures: workers that do as a test's script says."""

from __future__ import annotations

import pytest

from scripted import Script


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """Have all workers of this test be of a script; as it is, all goes well."""
    script = Script()
    script.install(monkeypatch)
    return script
