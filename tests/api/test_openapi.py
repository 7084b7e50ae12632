"""The server keeps what /openapi.json promises, whatever it is asked: statuses, types, shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from clients import at_rest, get, logged, speak, until
from conftest import running_server
from expected import fake_pcm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemathesis.schemas import APIOperation, BaseSchema

    from conftest import Server

# Not that all that fits the description is accepted: which voices and languages there are, and what
# of a text can be spoken, it does not say.
PROMISES = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
EXAMPLES = 15
CLIPS = 8
"""Each is decoded by a process of its own."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(
        tmp_path_factory.mktemp("openapi"), ENGINE="fake", MAX_INPUT_CHARS="1000"
    ) as server:
        yield server
        until(lambda: at_rest(server))
        assert not logged(server, "unforeseen error")
        assert "Traceback" not in server.log


@pytest.fixture(scope="module")
def description(server: Server) -> BaseSchema:
    return schemathesis.openapi.from_url(f"{server.url}/openapi.json")


def ask(operation: APIOperation, mode: GenerationMode) -> None:
    """Ask for an operation in many ways, the same each time this runs."""

    @settings(
        max_examples=CLIPS if operation.path.endswith("/clone") else EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def once(case: schemathesis.Case) -> None:
        case.call_and_validate(checks=PROMISES, timeout=20)

    once()


def operations(description: BaseSchema) -> Iterator[APIOperation]:
    for found in description.get_all_operations():
        yield found.ok()


def test_what_fits_the_description_is_answered_as_described(description: BaseSchema) -> None:
    for operation in operations(description):
        ask(operation, GenerationMode.POSITIVE)


def test_what_does_not_fit_is_refused_as_described(description: BaseSchema) -> None:
    for operation in operations(description):
        if operation.body or operation.query:  # else nothing about it can be wrong
            ask(operation, GenerationMode.NEGATIVE)


def test_every_route_tells_how_it_refuses(server: Server) -> None:
    for path, methods in get(server, "/openapi.json").json()["paths"].items():
        for described in methods.values():
            answers = described["responses"]
            assert "422" not in answers  # FastAPI's own, which nobody gets
            for status, answer in answers.items():
                if status[0] in "45" and path != "/ready":
                    (content,) = answer["content"].items()
                    shape = {"$ref": "#/components/schemas/ErrorBody"}
                    assert content == ("application/json", {"schema": shape})


@pytest.mark.parametrize("field", ["voice", "model", "instructions", "seed", "stream", "language"])
def test_null_is_as_if_it_were_left_out(server: Server, field: str) -> None:
    answer = speak(server, **{"seed": 7, field: None})
    assert answer.status_code == 200
    if field != "seed":
        assert answer.content == fake_pcm()
