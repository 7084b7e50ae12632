"""The images' own install steps, in a fresh Debian; then a server of them that speaks.

`make image-steps`. It needs root, and debootstrap; `IMAGE_TARGETS="cpu cuda"` takes both, the
second of which downloads several GB.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np
import psutil
import pytest

from decoding import decode
from deploy.chroot import Stage, build

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent.parent
DOCKERFILE = ROOT / "deploy/docker/Dockerfile"
COMPILE = """
include=$(python -c 'import sysconfig; print(sysconfig.get_path("include"))')
mkdir "$TRITON_CACHE_DIR"
echo '#include <Python.h>' | gcc -shared -fPIC -I"$include" -x c - -o "$TRITON_CACHE_DIR/x.so"
"""
"""What Triton does with each kernel."""
TARGETS = os.environ.get("IMAGE_TARGETS", "cpu").split()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for chroot"),
    pytest.mark.skipif(shutil.which("debootstrap") is None, reason="needs debootstrap"),
]


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release that the Dockerfile names, as small as it can be."""
    release = re.search(r"ARG DEBIAN=debian:(\w+)", DOCKERFILE.read_text())[1]
    root = tmp_path_factory.mktemp("debian") / release
    subprocess.run(["debootstrap", "--variant=minbase", release, str(root)], check=True)
    subprocess.run(
        ["rm", "-rf", *map(str, (root / "var/cache/apt/archives").glob("*.deb"))], check=True
    )
    return root


def size_mb(path: Path) -> float:
    return int(subprocess.check_output(["du", "-sxk", str(path)]).split()[0]) * 1024 / 1e6


@contextmanager
def container(image: Stage, port: int, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start the image as compose does, but in this machine's network."""
    command = image.command(
        [*image.entrypoint, *image.cmd], read_only=True, HOST="127.0.0.1", PORT=str(port), **env
    )
    process = subprocess.Popen(command)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("target", TARGETS)
def test_what_the_steps_install_speaks(debian: Path, target: str, tmp_path: Path) -> None:
    """As a user that is not root, where nothing can be written but /tmp and the volumes."""
    image = build(DOCKERFILE, ROOT, debian, tmp_path, target)
    added_mb = size_mb(image.root) - size_mb(debian)
    print(f"\n{target}: {added_mb:.0f} MB on top of {size_mb(debian):.0f} MB of Debian")
    for folder, used in sorted(sizes(image.root / "opt/vivavoce").items(), key=lambda one: -one[1])[
        :12
    ]:
        print(f"  {used:6.0f} MB  {folder}")
    assert not list((image.root / "opt/vivavoce/bin").glob("pip*"))
    if target == "cuda":
        subprocess.run(image.command(["sh", "-c", COMPILE], read_only=True), check=True)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with container(image, port, ENGINE="embedded") as process:
        check = image.command(image.healthcheck, HOST="127.0.0.1", PORT=str(port))
        deadline = time.monotonic() + 60
        while subprocess.run(check).returncode != 0:
            assert time.monotonic() < deadline
            assert process.poll() is None
        entrypoint = psutil.Process(process.pid).children()[0]
        processes = [entrypoint, *entrypoint.children(recursive=True)]
        assert {one.uids().real for one in processes} == {10001}
        body = {"input": "I speak from a small root.", "response_format": "mp3"}
        answer = httpx.post(f"http://127.0.0.1:{port}/v1/audio/speech", json=body, timeout=60)
        assert np.abs(decode(answer.content, "mp3")).max() > 0.1
        voices = httpx.get(f"http://127.0.0.1:{port}/v1/audio/voices").json()
        assert voices
        entrypoint.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0


def sizes(venv: Path) -> dict[str, float]:
    """Return the megabytes of each package's folder."""
    (packages,) = venv.glob("lib/python*/site-packages")
    return {path.name: size_mb(path) for path in packages.iterdir()}
