"""Ray: what is shipped for it says the same everywhere, and who has none is told what to do."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from test_imports import imported_by
from vivavoce.errors import SettingsError
from vivavoce.ray_serve import NODE_ENVIRONMENT, autoscaling, gpus_of_a_replica
from vivavoce.settings import Settings, load_settings

ROOT = Path(__file__).parent.parent
SERVICE, POLICY = yaml.safe_load_all((ROOT / "deploy/ray/rayservice.yaml").read_text())
CLUSTER = SERVICE["spec"]["rayClusterConfig"]
CONFIG = yaml.safe_load(SERVICE["spec"]["serveConfigV2"])


def test_every_node_is_started_alike() -> None:
    groups = [CLUSTER["headGroupSpec"], *CLUSTER["workerGroupSpecs"]]
    for group in groups:
        for container in group["template"]["spec"]["containers"]:
            told = {pair["name"]: pair["value"] for pair in container["env"]}
            assert told == NODE_ENVIRONMENT
    page = (ROOT / "docs/ray.md").read_text()
    listed = re.findall(r"^(\w+)=(\S+)", page.split("```text\n")[1].split("```")[0], re.MULTILINE)
    assert dict(listed) == NODE_ENVIRONMENT


def test_the_service_has_settings_and_a_scale_that_there_are() -> None:
    (application,) = CONFIG["applications"]
    settings = Settings(_env_file=None, **application["runtime_env"]["env_vars"])
    (deployment,) = application["deployments"]
    scale = deployment["autoscaling_config"]
    assert scale == autoscaling(settings, 1, 4)
    (workers,) = CLUSTER["workerGroupSpecs"]
    assert workers["maxReplicas"] == scale["max_replicas"]
    (container,) = workers["template"]["spec"]["containers"]
    gpus = container["resources"]["limits"]["nvidia.com/gpu"]
    assert int(gpus) == deployment["ray_actor_options"]["num_gpus"]
    volume = settings.data_folder
    assert [str(volume)] == [mount["mountPath"] for mount in container["volumeMounts"]]


def test_clients_reach_one_port_and_no_other() -> None:
    inside, outside = POLICY["spec"]["ingress"]
    assert [port["port"] for port in outside["ports"]] == [CONFIG["http_options"]["port"]]
    assert "from" in inside


def test_an_engine_that_uses_no_gpu_gets_none() -> None:
    for settings in ({"engine": "embedded"}, {"engine": "qwen3", "device": "cpu"}):
        assert gpus_of_a_replica(load_settings(**settings), 8) == 0
    assert gpus_of_a_replica(load_settings(engine="qwen3", device="cuda"), 0) == 0
    assert gpus_of_a_replica(load_settings(engine="qwen3", device="cuda"), 8) == 1


def test_the_server_and_its_commands_do_without_ray() -> None:
    code = "import vivavoce.cli, vivavoce.factory, vivavoce.ray_serve"
    assert "ray" not in imported_by(code, blocked=("ray",))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"port": 0}, "PORT=0"),
        ({"replicas": 3, "max_replicas": 2}, "--max-replicas 2"),
        ({"address": None}, "pip install 'vivavoce"),
    ],
)
def test_what_cannot_be_is_told(given: dict, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = import_module("vivavoce.cli.ray")
    monkeypatch.setattr(ray, "find_spec", lambda _: None)
    usual = {"host": None, "port": None, "replicas": 1, "max_replicas": None, "address": None}
    with pytest.raises(SettingsError, match=re.escape(told)):
        ray.run(**{**usual, **given})
