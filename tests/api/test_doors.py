"""Where a server is reached besides a port over HTTP: a Unix domain socket, HTTPS."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import httpx
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.x509 import load_der_x509_certificate
from openai import OpenAI
from websockets.sync.client import connect, unix_connect

from clients import logged, order, until
from conftest import running_server
from expected import fake_pcm
from vivavoce.cli.certificate import read_certificate
from vivavoce.errors import SettingsError
from vivavoce.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Server

LIVE = "/v1/audio/speech/ws"


def ready(**env: str) -> str:
    """Return what the command for health checks says of the server of these settings."""
    done = subprocess.run(
        [sys.executable, "-m", "vivavoce", "ready"],
        env={**os.environ, "ENGINE": "fake", **env},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.stdout + done.stderr


def spoken(url: str, transport: httpx.Client) -> bytes:
    """Return what OpenAI's own client gets."""
    body = order()
    extra = {"seed": body.pop("seed"), "instructions": body.pop("instructions")}
    with OpenAI(base_url=f"{url}/v1", api_key="none", http_client=transport) as client:
        return client.audio.speech.create(model="tts-1", extra_body=extra, **body).read()


def refused(cwd: Path, **env: str) -> str:
    """Return what a server says that does not start."""
    done = subprocess.run(
        [sys.executable, "-m", "vivavoce", "serve"],
        cwd=cwd,
        env={**os.environ, "ENGINE": "fake", "PORT": "0", **env},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    return line


# A path


@pytest.fixture
def path() -> Iterator[str]:
    with TemporaryDirectory(prefix="d") as folder:  # pytest's own are too long for a socket
        yield f"{folder}/http.sock"


def test_a_path_is_listened_on_and_left_clean(path: str, tmp_path: Path) -> None:
    with running_server(tmp_path, ENGINE="fake", UDS=path) as server:
        assert server.url == f"unix:{path}"
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
        transport = httpx.HTTPTransport(uds=path)
        assert spoken("http://localhost", httpx.Client(transport=transport)) == fake_pcm()
        with unix_connect(path, f"ws://localhost{LIVE}") as live:
            assert live.ping().wait(10)
        assert ready(UDS=path) == "ready\n"
        assert f"A server answers at UDS={path}" in refused(tmp_path, UDS=path)
    assert not os.path.exists(path)
    assert f"No server answers at {path}" in ready(UDS=path)


def test_what_a_killed_server_left_is_replaced(path: str, tmp_path: Path) -> None:
    with running_server(tmp_path, ENGINE="fake", UDS=path) as server:
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
    assert os.path.exists(path)
    with running_server(tmp_path, ENGINE="fake", UDS=path):
        transport = httpx.HTTPTransport(uds=path)
        with httpx.Client(transport=transport, base_url="http://localhost") as client:
            assert client.get("/ready").json()["ready"]


def test_a_server_that_stops_late_leaves_its_successors_socket(path: str, tmp_path: Path) -> None:
    with running_server(tmp_path, ENGINE="fake", UDS=path):
        os.unlink(path)
        with socket.socket(socket.AF_UNIX) as successor:
            successor.bind(path)
    assert os.path.exists(path)


def test_a_file_that_is_no_socket_is_kept(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("of value")
    assert "notes is a file that is no socket" in refused(tmp_path, UDS="notes")
    assert (tmp_path / "notes").read_text() == "of value"


def test_a_path_that_cannot_be_is_refused(tmp_path: Path) -> None:
    assert "UDS=nowhere/x.sock" in refused(tmp_path, UDS="nowhere/x.sock")
    assert "short path" in refused(tmp_path, UDS="long" * 40)


# HTTPS


class Signed:
    """A folder with a certificate for this machine, from an authority of this test."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._authority = trustme.CA()
        self.cert, self.key = folder / "cert.pem", folder / "key.pem"
        self.renew()

    def renew(self, *, key: bool = True) -> None:
        """Write another certificate, as a renewal does; `key` false: its key comes later."""
        issued = self._authority.issue_cert("localhost")
        chain = b"".join(part.bytes() for part in issued.cert_chain_pems)
        for path, content in ((self.key, issued.private_key_pem.bytes()), (self.cert, chain)):
            if key or path == self.cert:
                part = path.with_suffix(".part")
                part.write_bytes(content)
                part.replace(path)

    @property
    def trusting(self) -> ssl.SSLContext:
        """What a client trusts."""
        context = ssl.create_default_context()
        self._authority.configure_trust(context)
        return context

    @property
    def env(self) -> dict[str, str]:
        return {"TLS_CERT_FILE": str(self.cert), "TLS_KEY_FILE": str(self.key)}

    def shown(self, server: Server) -> int:
        """Return the serial number of the certificate that a new connection is shown."""
        url = httpx.URL(server.url)
        with (
            socket.create_connection((url.host, url.port), timeout=10) as plain,
            self.trusting.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            return load_der_x509_certificate(connection.getpeercert(True)).serial_number


@pytest.fixture
def signed(tmp_path: Path) -> Signed:
    return Signed(tmp_path)


def test_https(signed: Signed, tmp_path: Path) -> None:
    with running_server(tmp_path, ENGINE="fake", **signed.env) as server:
        assert server.url.startswith("https://127.0.0.1:")
        url, port = server.url.replace("127.0.0.1", "localhost"), server.url.rpartition(":")[2]
        assert spoken(url, httpx.Client(verify=signed.trusting)) == fake_pcm()
        with connect(f"{url.replace('https', 'wss')}{LIVE}", ssl=signed.trusting) as live:
            assert live.ping().wait(10)
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"{url}/health")
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{url.replace('https', 'http')}/health")
        # The command trusts the settings' own certificate, by whatever name, and no other.
        assert ready(PORT=port, **signed.env) == "ready\n"
        other = Signed(tmp_path / "other")
        assert "VERIFY_FAILED" in ready(PORT=port, **other.env)


def test_a_renewed_certificate_is_shown_without_a_restart(signed: Signed, tmp_path: Path) -> None:
    with running_server(tmp_path, ENGINE="fake", **signed.env) as server:
        first = signed.shown(server)
        url = server.url.replace("127.0.0.1", "localhost")
        with httpx.Client(base_url=url, verify=signed.trusting) as open_before:
            open_before.get("/health")
            signed.renew(key=False)
            until(lambda: logged(server, "certificate not renewed"))
            assert signed.shown(server) == first  # half a renewal is none
            signed.renew()
            until(lambda: signed.shown(server) != first)
            assert open_before.get("/ready").json()["ready"]


def reason(signed: Signed, **settings: str) -> str:
    """Return why these settings have no certificate."""
    files = {"tls_cert_file": str(signed.cert), "tls_key_file": str(signed.key)}
    with pytest.raises(SettingsError) as refusal:
        read_certificate(load_settings(**files | settings))
    return refusal.value.message


def test_files_that_are_no_certificate_and_key_are_refused(signed: Signed, tmp_path: Path) -> None:
    assert "TLS_KEY_FILE=none.pem" in refused(tmp_path, **signed.env | {"TLS_KEY_FILE": "none.pem"})
    assert "TLS_CERT_FILE is not" in reason(signed, tls_cert_file="")
    assert "are no certificate and its key" in reason(signed, tls_key_file="")
    assert "UDS and TLS_CERT_FILE" in reason(signed, uds="x.sock")
    signed.renew(key=False)
    assert "KEY_VALUES_MISMATCH" in reason(signed)
    key = serialization.load_pem_private_key(signed.key.read_bytes(), None)
    closed = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    signed.key.write_bytes(closed)
    assert "has a password" in reason(signed)
