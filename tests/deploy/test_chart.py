"""The Helm chart: linted and rendered by Helm itself, held against Kubernetes' own schemas.

No cluster is asked. The schemas of what is not Kubernetes' own (KEDA, the Prometheus operator) are
ours, and know no more than the chart uses.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

helm = pytest.importorskip("helm_python", reason="`make check-chart` installs it")
jsonschema = pytest.importorskip("jsonschema")
kubernetes_validate = pytest.importorskip("kubernetes_validate")
yaml = pytest.importorskip("yaml")

pytestmark = pytest.mark.chart

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/vivavoce"
EXAMPLES = sorted((CHART / "examples").glob("*.yaml"))
OTHERS = json.loads((ROOT / "tests/assets/chart_resources.json").read_text())
OLDEST, NEWEST = "1.25", "1.37"

VALUES: dict[str, dict[str, Any]] = {
    "as shipped": {},
    **{path.stem: yaml.safe_load(path.read_text()) for path in EXAMPLES},
    "everything off": {
        "data": {"enabled": False},
        "podDisruptionBudget": {"enabled": False},
    },
    "everything given": {
        "image": {"tag": "1.2", "pullSecrets": [{"name": "registry"}]},
        "gpu": {"enabled": True, "runtimeClassName": "nvidia"},
        "apiKeys": {"content": '{"keys": []}'},
        "data": {"existingClaim": "voices"},
        "models": {"enabled": True, "storageClass": "nfs", "tokenSecret": "hub"},
        "sharedCache": {"existingSecret": "valkey"},
        "service": {"type": "LoadBalancer", "annotations": {"a": "b"}},
        "ingress": {
            "enabled": True,
            "controller": "none",
            "hosts": ["a.b"],
            "annotations": {"c": "d"},
        },
        "scaling": {"kind": "keda", "prometheus": {"serverAddress": "http://prometheus:9090"}},
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "networkPolicy": {"enabled": True},
        "podAnnotations": {"e": "f"},
        "podLabels": {"g": "h"},
        "nodeSelector": {"i": "j"},
        "affinity": {"nodeAffinity": {}},
    },
}


def render(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what an install with these values makes, by kind and name."""
    with helm.Chart.load(str(CHART)) as chart:
        files = chart.render(values, name="demo", namespace="speech")
    made = [
        document
        for path, text in files.items()
        if path.endswith(".yaml")
        for document in yaml.safe_load_all(text)
        if document
    ]
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in made}


def pod(values: dict[str, Any]) -> dict[str, Any]:
    return render(values)["Deployment/demo-vivavoce"]["spec"]["template"]["spec"]


def environment(values: dict[str, Any]) -> dict[str, str | None]:
    (container,) = pod(values)["containers"]
    given = [entry["name"] for entry in container["env"]]
    assert len(given) == len(set(given)), "a setting is given twice"
    return {entry["name"]: entry.get("value") for entry in container["env"]}


def test_helm_has_nothing_against_it() -> None:
    for values in VALUES.values():
        report = helm.lint(str(CHART), values, strict=True)
        assert not report["errors"]
        assert {message["error"] for message in report["messages"]} <= {"icon is recommended"}


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_kubernetes_would_take_it(values: dict[str, Any], version: str) -> None:
    for each in render(values).values():
        if each["kind"] in OTHERS:
            jsonschema.validate(each, OTHERS[each["kind"]])
        else:
            kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"replica": 3}, "replica"),
        ({"settings": {"MAX_QUEUE_DEPTH": 16}}, "MAX_QUEUE_DEPTH"),
        ({"settings": {"PORT": "9000"}}, "settings.PORT is set by other values"),
        ({"ingress": {"enabled": True}}, "hosts"),
        ({"scaling": {"kind": "keda"}}, "scaling.prometheus.serverAddress"),
        ({"data": {"accessModes": ["ReadWriteOnce"]}}, "Replicas share their voices"),
        ({"scaling": {"kind": "always"}}, "kind"),
    ],
)
def test_what_cannot_work_is_refused_with_a_reason(values: dict[str, Any], told: str) -> None:
    with pytest.raises(helm.HelmError, match=re.escape(told)):
        render(values)


def test_every_setting_is_one_that_the_server_has() -> None:
    known = set(re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs/settings.md").read_text(), re.M))
    for values in VALUES.values():
        assert set(environment(values)) - known <= {"HF_HOME", "HF_TOKEN", "GPU_CLOCKS"}


def test_every_metric_is_one_that_the_server_has() -> None:
    source = (ROOT / "src/vivavoce/service/metrics.py").read_text()
    for kind in ("keda", "hpa"):
        values = {"scaling": {"kind": kind, "prometheus": {"serverAddress": "http://p"}}}
        named = set(re.findall(r"vivavoce_(\w+)", json.dumps(render(values))))
        assert named == {"queue_depth", "running"}
        assert all(f'_gauge("{name}"' in source for name in named)


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_a_pod_has_time_to_finish_and_may_do_little(values: dict[str, Any]) -> None:
    spec, env = pod(values), environment(values)
    assert spec["terminationGracePeriodSeconds"] > int(env["SHUTDOWN_DELAY"] or 0) + int(
        env["SHUTDOWN_TIMEOUT"] or 0
    )
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["automountServiceAccountToken"] is False
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in spec["volumes"]}


def test_a_pod_that_leaves_takes_requests_until_that_is_known() -> None:
    """It is noticed within the time for which a pod that leaves still takes requests."""
    (container,) = pod({})["containers"]
    probe = container["readinessProbe"]
    noticed_s = probe["failureThreshold"] * (probe["periodSeconds"] + probe["timeoutSeconds"])
    assert noticed_s < int(environment({})["SHUTDOWN_DELAY"] or 0)
    assert container["readinessProbe"]["httpGet"]["path"] == "/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/health"


def test_one_gpu_a_replica() -> None:
    (container,) = pod({"gpu": {"enabled": True}})["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert container["image"].endswith(":cuda")
    (plain,) = pod({})["containers"]
    assert "nvidia.com/gpu" not in plain["resources"]["limits"]
    assert plain["image"].endswith(":cpu")


def test_who_scales_sets_the_number() -> None:
    values = {"scaling": {"kind": "hpa"}}
    assert "replicas" not in render(values)["Deployment/demo-vivavoce"]["spec"]
    assert render({"replicas": 3})["Deployment/demo-vivavoce"]["spec"]["replicas"] == 3


def test_streams_are_not_held_back_on_their_way_in() -> None:
    values = {"ingress": {"enabled": True, "hosts": ["a.b"]}}
    notes = render(values)["Ingress/demo-vivavoce"]["metadata"]["annotations"]
    assert notes["nginx.ingress.kubernetes.io/proxy-buffering"] == "off"
    assert int(notes["nginx.ingress.kubernetes.io/proxy-read-timeout"]) > 300  # REQUEST_TIMEOUT
    own = {"nginx.ingress.kubernetes.io/proxy-buffering": "on"}
    values["ingress"]["annotations"] = own
    notes = render(values)["Ingress/demo-vivavoce"]["metadata"]["annotations"]
    assert notes["nginx.ingress.kubernetes.io/proxy-buffering"] == "on"


def test_keys_are_in_a_secret_and_in_nothing_else() -> None:
    content = '{"keys": [{"name": "a", "key": "sk-secret"}]}'
    made = render({"apiKeys": {"content": content}})
    assert [name for name, each in made.items() if "sk-secret" in json.dumps(each)] == [
        "Secret/demo-vivavoce-keys"
    ]
    assert made["Secret/demo-vivavoce-keys"]["stringData"] == {"keys.json": content}
