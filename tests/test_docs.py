"""The documentation says what is so: paths exist, tables are current, examples run."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from benchmarks.online.readme import table as figures_table
from manual.generated import pages
from manual.offline import loaded_from_elsewhere

from said import pieces
from vivavoce import __version__
from vivavoce.api.schemas import CloneBody, SpeechBody
from vivavoce.audio.formats import FORMATS

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


@pytest.mark.parametrize(("page", "text"), pages().items())
def test_a_page_made_of_the_code_is_current(page: str, text: str) -> None:
    assert (ROOT / page).read_text() == text, "run: python -m manual"


def test_the_reference_has_every_command_and_route() -> None:
    commands = (ROOT / "docs/reference/commands.md").read_text()
    for name in ("serve", "say", "pull", "doctor", "voices add", "voices import"):
        assert f"## `vivavoce {name}`" in commands
    routes = (ROOT / "docs/reference/routes.md").read_text()
    for name in (*SpeechBody.model_fields, "POST /v1/audio/speech/clone", "GET /metrics"):
        assert f"`{name}`" in routes


def test_every_message_of_the_doctor_is_explained() -> None:
    page = (ROOT / "docs/troubleshooting.md").read_text()
    explained = " ".join(re.sub(r"[`|]", " ", page).split())
    said = pieces("cli/doctor.py") | pieces("settings.py", "_check_env_file", "_explain")
    said |= pieces("engine/qwen3/device.py", "_device", "_weight_bits")
    said |= pieces("engine/qwen3/checkpoint.py", "_local") | pieces("engine/qwen3/hub.py", "cached")
    said |= pieces("api/sockets.py") | pieces("api/tls.py") | pieces("cli/certificate.py")
    assert len(said) > 30
    for piece in said:
        assert piece in explained, piece


def test_each_finding_of_the_doctor_has_a_heading() -> None:
    doctor = (ROOT / "src/vivavoce/cli/doctor.py").read_text()
    page = (ROOT / "docs/troubleshooting.md").read_text()
    names = set(re.findall(r'Finding\(\s*(?:None|True|False[^,]*),\s*"([^"]+)"', doctor))
    assert len(names) >= 9
    for name in names:
        assert f"\n## {name}\n" in page, name


def test_what_a_site_would_load_from_elsewhere_is_found() -> None:
    page = '<a href="https://a.example">x</a><img src="b.png"><img src="//c.example/d.png">'
    assert loaded_from_elsewhere(page) == ["//c.example/d.png"]
    page = '<link rel="stylesheet" href="https://e.example/f.css"><script src="g.js"></script>'
    assert loaded_from_elsewhere(page) == ["https://e.example/f.css"]


def test_the_api_page_names_every_field_and_format() -> None:
    page = (ROOT / "docs/api.md").read_text()
    for name in (*SpeechBody.model_fields, *CloneBody.model_fields, *FORMATS):
        assert f"`{name}`" in page


def test_the_readmes_figures_are_the_last_ones_measured() -> None:
    result = sorted(ROOT.glob("benchmarks/results/online-*.json"))[-1]
    readme = (ROOT / "README.md").read_text()
    shown = readme.split("<!-- figures -->\n")[1].split("<!-- /figures -->")[0]
    assert shown == figures_table(json.loads(result.read_text()))


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "version" in project["dynamic"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
