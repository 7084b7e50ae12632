"""What is in the wheel and in the sdist, and that both come out the same wherever they are made."""

from __future__ import annotations

import email
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from vivavoce import __version__

pytestmark = pytest.mark.package

ROOT = Path(__file__).parent.parent.parent


def kept_by_git(*under: str) -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files", *under], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return set(listed.stdout.split("\n")) - {""}


def test_the_wheel_has_the_package_its_page_its_licence_and_no_more(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    about = f"vivavoce-{__version__}.dist-info"
    package = {name.removeprefix("src/") for name in kept_by_git("src/vivavoce")}
    assert {"vivavoce/py.typed", "vivavoce/api/page/index.html"} <= package
    beside = "METADATA WHEEL RECORD entry_points.txt licenses/LICENSE licenses/NOTICE".split()
    assert names == package | {f"{about}/{name}" for name in beside}
    print(f"\nwheel {wheel.stat().st_size / 1e3:.0f} kB")


def test_the_wheel_says_what_pyproject_says(wheel: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    about = zipfile.ZipFile(wheel).read(f"vivavoce-{__version__}.dist-info/METADATA")
    metadata = email.message_from_bytes(about)
    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert set(metadata.get_all("Provides-Extra")) == set(project["optional-dependencies"])
    assert metadata.get_payload().startswith("# vivavoce")


def test_the_sdist_is_what_git_keeps(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        files = {file.name.partition("/")[2] for file in archive if file.isfile()}
    assert files == kept_by_git() | {"PKG-INFO"}
    print(f"\nsdist {sdist.stat().st_size / 1e3:.0f} kB")


def test_the_wheel_made_from_the_sdist_is_the_same_byte_by_byte(
    wheel: Path, sdist: Path, tmp_path: Path
) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (tree,) = tmp_path.iterdir()
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=tree, check=True, capture_output=True)
    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()
