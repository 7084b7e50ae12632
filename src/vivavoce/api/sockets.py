"""Where the server is reached: a port, or a path of this machine."""

from __future__ import annotations

import contextlib
import os
import socket
import stat

from vivavoce.errors import SettingsError

_BACKLOG = 2048
_MODE = 0o660
"""Who may connect to a path: its user and its group."""


def listen(host: str, port: int, setting: str = "PORT") -> socket.socket:
    """Return a socket that listens on `host:port`; `setting` is where the port comes from.

    Raises:
        SettingsError: the port is in use, or the address is not this machine's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as exc:
        raise SettingsError(
            f"Cannot listen on HOST={host} {setting}={port}: {exc.strerror or exc}. "
            "Is a server running there already? Choose another address or port."
        ) from None


def listen_at(path: str) -> socket.socket:
    """Return a Unix domain socket that listens at `path`, in place of one that nobody serves.

    Raises:
        SettingsError: a server answers there, something else has that name, or it cannot be made.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _make_way(path)
        listener.bind(path)
        os.chmod(path, _MODE)
        listener.listen(_BACKLOG)
    except OSError as exc:
        listener.close()
        raise SettingsError(
            f"Cannot listen on UDS={path}: {exc.strerror or exc}. Choose a short path (about 100 "
            "characters) in a folder that this user may write to."
        ) from None
    except SettingsError:
        listener.close()
        raise
    return listener


def clear_away(path: str, made: os.stat_result) -> None:
    """Remove the socket at `path` if it still is the one of `made`, and not a later server's."""
    with contextlib.suppress(OSError):
        if os.path.samestat(os.lstat(path), made):
            os.unlink(path)


def _make_way(path: str) -> None:
    """Remove what a server that was killed left behind."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise SettingsError(f"UDS={path} is a file that is no socket. Choose another path.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.setblocking(False)  # a server whose callers queue is one, too
        try:
            caller.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:
            pass
    raise SettingsError(f"A server answers at UDS={path} already. Choose another path.")
