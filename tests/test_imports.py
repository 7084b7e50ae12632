"""What is imported when: the server stays small, and works where no inference library is."""

from __future__ import annotations

import subprocess
import sys

import pytest

INFERENCE = ("torch", "onnxruntime", "hibari", "transformers")


def imported_by(code: str, blocked: tuple[str, ...] = ()) -> set[str]:
    """Run code in a fresh interpreter, with some modules absent; return what it imported."""
    block = f"import sys\nfor name in {blocked!r}: sys.modules[name] = None\n"
    report = "\nprint(*(name for name, module in sys.modules.items() if module))"
    done = subprocess.run(
        [sys.executable, "-c", block + code + report], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["vivavoce.api.app", "vivavoce.factory", "vivavoce.cli.say"])
def test_nothing_of_the_server_needs_an_inference_library(module: str) -> None:
    assert not imported_by(f"import {module}", blocked=INFERENCE) & set(INFERENCE)


def test_describing_the_embedded_voice_loads_nothing() -> None:
    code = "from vivavoce.engine import registry; registry.describe('embedded')"
    assert not imported_by(code) & set(INFERENCE)


def test_a_worker_imports_no_web_framework() -> None:
    assert not imported_by("import vivavoce.worker.host") & {"fastapi", "uvicorn", "pydantic"}


def test_the_idle_server_has_no_codec_loaded() -> None:
    code = (
        "from vivavoce.factory import build_app\n"
        "from vivavoce.settings import load_settings\n"
        "build_app(load_settings())"
    )
    assert "av" not in imported_by(code)
