"""What the documentation shows is run as it stands, against a real server of the fake engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conftest import running_server
from decoding import decode
from examples import Example, examples, furnish, run_command, run_python

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Server

ROOT = Path(__file__).parent.parent
USAGE = ROOT / "docs/reference/commands.md"
"""Made of the commands: what may follow them, not what does."""
PAGES = sorted(
    {*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")} - {USAGE}
)
EXAMPLES = [example for page in PAGES for example in examples(page, ROOT)]
SHELLS = ("bash", "console", "sh", "shell")

# How commands begin that are not run here, and why.
NOT_RUN = {
    "make": "installs, or runs for long; `make serve` is test_newcomer.py's",
    "HOST=0.0.0.0": "opens ports to the network",
    "PORT=9000": "the same",
    ".venv/bin/pip": "installs",
    "pip": "installs",
    "pipx": "installs",
    "uv": "installs",
    "python3 -m venv": "the same; package/test_installed.py does, and runs what is installed",
    "vivavoce/bin/pip": "the same",
    "vivavoce/bin/vivavoce": "the same",
    ".venv/bin/python": "measures for minutes; test_benchmarks_*.py run it briefly",
    ".venv/bin/vivavoce pull": "downloads; api/test_first_download.py does, from a hub of its own",
    ".venv/bin/vivavoce doctor": "test_cli.py runs it",
    "vivavoce doctor": "the same",
    ".venv/bin/vivavoce bench": "takes a minute; test_cli.py runs it briefly",
    "vivavoce ray": "needs Ray; `make ray` runs it",
    "RAY_SERVE_ENABLE_HA_PROXY=1": "starts a cluster",
    "vivavoce codes": "needs a checkpoint; engine/qwen3 has its tests",
    "ffplay": "is not everywhere, and needs a loudspeaker",
    # What a machine of tests lacks.
    "docker": "needs a daemon",
    "podman": "needs a daemon",
    "kubectl": "needs a cluster",
    "helm": "needs a cluster",
    "ray": "needs a cluster",
    "serve": "needs a cluster",
    "haproxy": "is not everywhere; `make scale` runs the same file",
    "VIVAVOCE_REPLICA_1=10.0.0.11:8000": "the same",
    "sudo": "changes the machine",
    "systemctl": "changes the machine",
    "git": "needs a network",
}
# Pages whose Python is run elsewhere.
ELSEWHERE = {
    "docs/clients/livekit.md": "make clients",
    "docs/clients/pipecat.md": "make clients",
}


def is_run(command: str) -> bool:
    return not any(command == start or command.startswith(f"{start} ") for start in NOT_RUN)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that may be filled with voices and rules."""
    with running_server(tmp_path_factory.mktemp("examples"), ENGINE="fake") as server:
        yield server


COMMANDS = [
    (example, command)
    for example in EXAMPLES
    if example.language in SHELLS
    for command in example.commands
    if is_run(command)
]


@pytest.mark.parametrize("page", sorted({example.page for example, _ in COMMANDS}))
def test_the_commands_of_a_page_do_what_it_says(page: str, server: Server, tmp_path: Path) -> None:
    furnish(tmp_path)
    for example, command in COMMANDS:
        if example.page == page:
            run_command(command, tmp_path, server.url)


PYTHON = sorted({example.page for example in EXAMPLES if example.language == "python"})


@pytest.mark.parametrize("page", [page for page in PYTHON if page not in ELSEWHERE])
def test_the_python_of_a_page_runs(page: str, server: Server, tmp_path: Path) -> None:
    """All blocks of a page, one after the other, as a reader would."""
    blocks = [e.code for e in EXAMPLES if e.page == page and e.language == "python"]
    run_python("\n".join(blocks), tmp_path, server.url)
    for written in tmp_path.glob("*.[mw]*"):
        assert len(decode(written.read_bytes(), written.suffix[1:])) > 10_000


def test_commands_are_marked_as_such_and_nothing_is_excused_in_vain() -> None:
    for example in EXAMPLES:
        if example.language == "console":
            assert example.commands, example
        assert example.language or not example.code.startswith(("curl ", "make ", "vivavoce "))
    assert set(ELSEWHERE) <= set(PYTHON)


@pytest.mark.parametrize(
    "example", [e for e in EXAMPLES if e.language == "json"], ids=lambda example: example.page
)
def test_json_is_json(example: Example) -> None:
    json.loads(example.code)
