"""The Grafana dashboard: it can be imported, and it shows what the server counts, all of it."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import promql_parser
import pytest

if TYPE_CHECKING:
    from conftest import Server

BOARD = json.loads((Path(__file__).parent.parent / "deploy/grafana/vivavoce.json").read_text())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]
GRID_WIDTH = 24
HISTOGRAM_SERIES = ("_bucket", "_sum", "_count")


def as_grafana_sends_it(expression: str) -> str:
    return expression.replace("$__rate_interval", "1m").replace("$model", "a|b")


def series_in(expression: str) -> list[str]:
    """Names of the series that an expression reads; an error if it is none."""
    names: list[str] = []

    def visit(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            names.append(node.name)

    promql_parser.walk(promql_parser.parse(as_grafana_sends_it(expression)), visit)
    return names


@pytest.fixture(scope="module")
def exposed(fake_server: Server) -> dict[str, str]:
    """The server's own metrics by name, and of what type each is."""
    text = httpx.get(f"{fake_server.url}/metrics").text
    return dict(re.findall(r"^# TYPE (vivavoce_\w+) (\w+)$", text, re.MULTILINE))


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(ids)) == len(ids)
    places = [panel["gridPos"] for panel in BOARD["panels"]]
    for place in places:
        assert 0 <= place["x"] < place["x"] + place["w"] <= GRID_WIDTH
    for a, b in combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or above, (a, b)


def test_it_asks_nothing_when_imported_and_refreshes_itself() -> None:
    variables = {variable["name"]: variable for variable in BOARD["templating"]["list"]}
    assert variables["DS_PROMETHEUS"]["type"] == "datasource"
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(BOARD)))
    assert used - {"__rate_interval", "__all"} == set(variables)
    chosen = {"type": "prometheus", "uid": "${DS_PROMETHEUS}"}
    asking: list[dict[str, Any]] = [*PANELS, variables["model"]]
    asking += [target for panel in PANELS for target in panel["targets"]]
    assert all(part["datasource"] == chosen for part in asking)
    assert BOARD["refresh"] == "10s"
    assert "__inputs" not in BOARD


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_expression_reads_metrics_the_server_has(
    exposed: dict[str, str], expression: str
) -> None:
    read = series_in(expression)
    assert read
    for series in read:
        metric = series
        for suffix in HISTOGRAM_SERIES:
            if exposed.get(series.removesuffix(suffix)) == "histogram":
                metric = series.removesuffix(suffix)
        assert metric in exposed
        if exposed[metric] in ("counter", "histogram"):  # they only grow: the rate is what tells
            assert f"rate({series}" in expression


def test_every_metric_of_the_server_is_shown(exposed: dict[str, str]) -> None:
    shown = {series for expression in EXPRESSIONS for series in series_in(expression)}
    for metric, kind in exposed.items():
        assert (f"{metric}_bucket" if kind == "histogram" else metric) in shown, metric
