"""What compose starts: only what the image and the server know."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from vivavoce.settings import Settings, load_settings

FOLDER = Path(__file__).parent.parent.parent / "deploy/docker"
SERVICES = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
OF_THE_ENTRYPOINT = {"GPU_CLOCKS"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_setting_is_one_of_ours_and_possible(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = SERVICES[name]["environment"]
    known = {str(field.alias) for field in Settings.model_fields.values()}
    assert set(environment) <= known | OF_THE_ENTRYPOINT
    for setting, value in environment.items():
        default = re.sub(r"\$\{\w+:-(.*)\}", r"\1", value)
        monkeypatch.setenv(setting, default)
    drain_s = load_settings().shutdown_timeout_s
    assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > drain_s + 5


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_written_to_is_a_volume_and_the_rest_is_closed(name: str) -> None:
    service = SERVICES[name]
    dockerfile = (FOLDER / "Dockerfile").read_text()
    for volume in service["volumes"]:
        _, _, place = volume.partition(":")
        assert re.search(rf"install --directory --owner=10001.* {place}\b", dockerfile)
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert f"AS {service['build']['target']}\n" in dockerfile
    for argument in service["build"].get("args", {}):
        assert f"\nARG {argument}=" in dockerfile
    (port,) = service["ports"]
    assert port.startswith("${BIND:-127.0.0.1}:")
