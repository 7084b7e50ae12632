"""constraints.txt has all that is installed for use and tests, at the version that is tested."""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
FILES = ("requirements-test.txt", "requirements-package.txt", "requirements-browser.txt")


def requirements(text: str) -> list[Requirement]:
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line]


def wanted() -> list[Requirement]:
    """What pyproject.toml, its extras and the files beside it name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    named = [*project["dependencies"], *(each for extra in extras for each in extra)]
    named += [str(each) for file in FILES for each in requirements((ROOT / file).read_text())]
    return [Requirement(each) for each in named if not each.startswith("vivavoce[")]


PINS: dict[str, list[Requirement]] = {}
for pin in requirements((ROOT / "constraints.txt").read_text()):
    PINS.setdefault(canonicalize_name(pin.name), []).append(pin)


def holds(marker: Marker | None, extra: str = "") -> bool:
    return marker is None or marker.evaluate({"extra": extra})


def pulled_in() -> dict[str, str]:
    """Return the names and versions of what is installed here because our requirements say so."""
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    queue = [(each, "") for each in wanted()]
    while queue:
        requirement, of_extra = queue.pop()
        if not holds(requirement.marker, of_extra):
            continue
        name = canonicalize_name(requirement.name)
        try:
            installed = distribution(name)
        except PackageNotFoundError:  # another target's: `make page`, `make package`
            continue
        found[name] = installed.version
        for extra in ("", *requirement.extras):
            if (name, extra) not in seen:
                seen.add((name, extra))
                queue += [(Requirement(each), extra) for each in installed.requires or ()]
    return found


def test_all_that_is_named_is_pinned() -> None:
    assert {canonicalize_name(each.name) for each in wanted()} <= set(PINS)
    assert all(len(pin.specifier) == 1 for pins in PINS.values() for pin in pins)


@pytest.mark.parametrize(("name", "version"), sorted(pulled_in().items()))
def test_what_is_installed_is_pinned_to_its_version(name: str, version: str) -> None:
    here = [pin for pin in PINS.get(name, []) if holds(pin.marker)]
    assert here, f"{name} is not in constraints.txt: make constraints"
    assert all(pin.specifier.contains(version, prereleases=True) for pin in here), here


def test_what_others_need_is_found_too() -> None:
    """The walk goes through what is needed by what is needed."""
    assert {"starlette", "pydantic-core", "sympy", "pluggy"} <= set(pulled_in())
