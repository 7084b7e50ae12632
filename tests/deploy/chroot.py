"""A Dockerfile carried out without Docker: each stage a folder, each RUN in a chroot of it.

It knows the instructions that ours uses, and refuses others. Only root can do it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

_FLAG = re.compile(r"--(\w+)=(\S+)\s+")
_SHELL = ("/bin/sh", "-c")
_HOSTS_CERTIFICATES = "run/host-certificates.pem"


@dataclass
class Stage:
    """What an image is, so far."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)
    args: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "0:0"
    entrypoint: list[str] = field(default_factory=list)
    cmd: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)

    def command(self, command: list[str], *, read_only: bool = False, **env: str) -> list[str]:
        """Return what runs a command as a container would: in the folder, as the user.

        In namespaces of its own, so that nothing stays mounted. `read_only`: but for /tmp and the
        folders that become volumes, which are empty each time.
        """
        root = shlex.quote(str(self.root))
        steps = [f"mount --bind {root} {root}", f"mount -t proc proc {root}/proc"]
        steps.append(f"mount --rbind /dev {root}/dev")
        if read_only:
            steps.append(f"mount -o remount,ro,bind {root}")
            steps.append(f"mount -t tmpfs -o mode=1777 tmp {root}/tmp")
            for volume in ("data", "models", "cache"):
                steps.append(f"mount -t tmpfs -o mode=0750,uid=10001,gid=10001 v {root}/{volume}")
        given = [f"{name}={value}" for name, value in {**self.env, **env}.items()]
        inside = ["env", "-i", "-C", self.workdir, *given, *command]
        steps.append(
            shlex.join(["exec", "chroot", f"--userspec={self.user}", str(self.root), *inside])
        )
        return [
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "sh",
            "-ec",
            "\n".join(steps),
        ]


def build(dockerfile: Path, context: Path, base: Path, folder: Path, target: str) -> Stage:
    """Carry out what the target needs, from the base's folder, in a new folder."""
    preamble, *stages = _stages(dockerfile.read_text())
    known = {name: value for _, line in preamble for name, _, value in [line.partition("=")]}
    sources = {name: (source, steps) for name, source, steps in stages}
    done: dict[str, Stage] = {}

    def make(name: str) -> Stage:
        if name in done:
            return done[name]
        source, steps = sources[name]
        below = make(source) if source in sources else Stage(base)
        assert source in sources or source.strip("${}") in known, source
        root = folder / name
        subprocess.run(["cp", "-a", "--reflink=auto", str(below.root), str(root)], check=True)
        stage = Stage(root, dict(below.env), {}, below.workdir, below.user)
        stage.entrypoint, stage.cmd, stage.healthcheck = (
            below.entrypoint,
            below.cmd,
            below.healthcheck,
        )
        done[name] = stage
        for instruction, line in steps:
            _carry_out(stage, instruction, line, context, make)
        return stage

    return make(target)


def _stages(text: str) -> list:
    """Return the lines before the first FROM, then name, source and lines of each stage."""
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    lines = [line.strip() for line in re.sub(r"\\\n\s*", " ", text).splitlines() if line.strip()]
    stages: list = [[]]
    for line in lines:
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM":
            source, _, name = rest.split()
            stages.append((name, source, []))
        else:
            (stages[-1][2] if len(stages) > 1 else stages[0]).append((instruction, rest.strip()))
    return stages


def _carry_out(stage: Stage, instruction: str, line: str, context: Path, make) -> None:
    match instruction:
        case "RUN":
            _run(stage, line)
        case "COPY":
            _copy(stage, line, context, make)
        case "ENV":
            stage.env |= dict(word.split("=", 1) for word in shlex.split(line))
        case "ARG":
            name, _, value = line.partition("=")
            stage.args[name] = os.environ.get(f"IMAGE_{name}", value)
        case "WORKDIR":
            stage.workdir = line
            (stage.root / line.lstrip("/")).mkdir(parents=True, exist_ok=True)
        case "USER":
            stage.user = line
        case "ENTRYPOINT":
            stage.entrypoint = json.loads(line)
        case "CMD":
            stage.cmd = json.loads(line)
        case "HEALTHCHECK":
            stage.healthcheck = json.loads(line.partition("CMD ")[2])
        case "LABEL" | "EXPOSE":
            pass
        case _:
            raise AssertionError(f"{instruction} is not known here")


def _run(stage: Stage, line: str) -> None:
    """Run a line with the network and the package index of this machine."""
    shutil.copy("/etc/resolv.conf", stage.root / "etc/resolv.conf")
    (stage.root / "run").mkdir(exist_ok=True)
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"}
    if bundle := os.environ.get("SSL_CERT_FILE"):
        shutil.copy(bundle, stage.root / _HOSTS_CERTIFICATES)
        env["PIP_CERT"] = f"/{_HOSTS_CERTIFICATES}"
    env |= {
        name: os.environ[name]
        for name in ("http_proxy", "https_proxy", "PIP_INDEX_URL")
        if name in os.environ
    }
    subprocess.run(stage.command([*_SHELL, line], **env, **stage.args), check=True)
    (stage.root / _HOSTS_CERTIFICATES).unlink(missing_ok=True)


def _copy(stage: Stage, line: str, context: Path, make) -> None:
    flags = dict(_FLAG.findall(line))
    *sources, to = _FLAG.sub("", line).split()
    origin = make(flags["from"]).root if "from" in flags else context
    for source in sources:
        if origin is context:
            _check_is_sent(source, context)
        path = origin / source.lstrip("/")
        place = stage.root / os.path.join(stage.workdir, to).lstrip("/")
        place = place / path.name if to.endswith("/") else place
        place.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", "--no-preserve=ownership", str(path), str(place)], check=True)
        if "chmod" in flags:
            place.chmod(int(flags["chmod"], 8))


def _check_is_sent(source: str, context: Path) -> None:
    """What .dockerignore leaves out cannot be copied."""
    sent = re.findall(r"^!(\S+)$", (context / ".dockerignore").read_text(), re.MULTILINE)
    assert any(source == path or source.startswith(f"{path}/") for path in sent), source
