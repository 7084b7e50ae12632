"""The documentation says what is so: paths exist, tables are current, examples run."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from benchmarks.online.readme import table as figures_table

from decoding import decode
from vivavoce import __version__
from vivavoce.api.schemas import CloneBody, SpeechBody
from vivavoce.audio.formats import FORMATS
from vivavoce.settings import settings_table

if TYPE_CHECKING:
    from conftest import Server

ROOT = Path(__file__).parent.parent
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_named_files_exist(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (page.parent / target).exists(), target
    for name in re.findall(r"`([\w/]+(?:\.(?:py|c|toml)|/))`", text):
        places = (ROOT / name, ROOT / "src/vivavoce" / name, ROOT / "tests" / name)
        assert any(place.exists() for place in places), name


def test_every_module_is_in_the_architecture() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    package = ROOT / "src/vivavoce"
    for path in package.rglob("*.py"):
        name = str(path.relative_to(package))
        if path.name.startswith("__") or name.startswith("cli/"):
            continue
        folder = f"`{path.parent.relative_to(package)}/`"
        assert f"`{name}`" in text or (folder in text and f"`{path.name}`" in text), name


def test_every_fault_has_a_test_that_is_there() -> None:
    rows = re.findall(r"^\| (?!case|probe|---).*$", (ROOT / "docs/faults.md").read_text(), re.M)
    assert len(rows) > 50
    for row in rows:
        named = re.findall(r"`([\w/]+\.py)::(\w+)`", row)
        assert named, row
        for file, test in named:
            assert f"def {test}(" in (ROOT / "tests" / file).read_text(), f"{file}::{test}"


def test_the_settings_page_is_current() -> None:
    page = (ROOT / "docs/settings.md").read_text()
    table = page.split("<!-- settings -->\n")[1].split("<!-- /settings -->")[0]
    assert table == settings_table(), "run: python -m vivavoce.settings"


def test_the_api_page_names_every_field_and_format() -> None:
    page = (ROOT / "docs/api.md").read_text()
    for name in (*SpeechBody.model_fields, *CloneBody.model_fields, *FORMATS):
        assert f"`{name}`" in page


@pytest.mark.parametrize(
    ("page", "written"),
    [("README.md", "hello.mp3"), ("docs/clients/openai-sdk.md", "hello.wav")],
)
def test_the_python_of_a_page_runs_as_it_stands(
    page: str, written: str, voice_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(example.replace("http://127.0.0.1:8000", voice_server.url), {})
    assert len(decode(Path(written).read_bytes(), written[-3:])) > 24000


def test_the_readmes_figures_are_the_last_ones_measured() -> None:
    result = sorted(ROOT.glob("benchmarks/results/online-*.json"))[-1]
    readme = (ROOT / "README.md").read_text()
    shown = readme.split("<!-- figures -->\n")[1].split("<!-- /figures -->")[0]
    assert shown == figures_table(json.loads(result.read_text()))


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "version" in project["dynamic"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
