"""Finding a port to listen on, without a moment in which another process could take it."""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import Any, Final

from core.settings import Settings

PORTS_TRIED: Final = 51
"""The wanted port and the fifty after it."""
BACKLOG: Final = 2048


class NoFreePort(OSError):
    """No port could be had; the message is one sentence for people and says what to do."""


def pick_port(host: str, wanted: int) -> socket.socket:
    """A listening socket on the wanted port, or on the next of fifty that is free; 0: on any.

    Hand it to `uvicorn.Server.serve(sockets=[it])` or, for several workers, to uvicorn's
    `Multiprocess(config, sockets=[it])`. It is not inheritable, so that servers started
    as children do not hold the port. Raises `NoFreePort`, also when the host is not ours.
    """
    family, address = _resolve(host, wanted)
    last = wanted if wanted == 0 else min(wanted + PORTS_TRIED - 1, 65_535)
    for port in range(wanted, last + 1):
        with contextlib.suppress(_Taken):
            return _listen(family, (address[0], port, *address[2:]))
    raise NoFreePort(
        f"ports {wanted} to {last} on {host} are all taken: stop one of the servers there, "
        "or set MELA_PORT to another port (0 takes any)"
    )


def port_of(listening: socket.socket) -> int:
    """The port that was got."""
    port: int = listening.getsockname()[1]
    return port


def uvicorn_options(settings: Settings) -> dict[str, Any]:
    """What every `uvicorn.Config` of ours sets: our logging, no banner, bounded messages."""
    return {
        "log_config": None,
        "server_header": False,
        "access_log": settings.access_log,
        # Deflate costs 100 KiB for each connection, and events are small.
        "http": "web.streams_wire:StreamingProtocol",
        "ws": "web.wire:SocketProtocol",
        "ws_per_message_deflate": False,
        "ws_max_size": settings.max_body_bytes,
        "ws_ping_interval": settings.socket_ping_s or None,
        "ws_ping_timeout": settings.socket_pong_s,
        "backlog": BACKLOG,
        "lifespan": "on",
    }


class _Taken(Exception):
    pass


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, tuple[Any, ...]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise NoFreePort(f"MELA_HOST={host} is not an address or a known name: {error}") from error
    return found[0][0], found[0][4]


def _listen(family: socket.AddressFamily, address: tuple[Any, ...]) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Else a restart would wait a minute for the old connections' TIME_WAIT.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        # Two sockets may bind one port with that option; only one of them may listen.
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        if error.errno == errno.EADDRINUSE:
            raise _Taken from error
        raise NoFreePort(_why(error, address)) from error
    return made


def _why(error: OSError, address: tuple[Any, ...]) -> str:
    host, port = address[:2]
    if error.errno == errno.EACCES:
        return f"not allowed to listen on port {port}: set MELA_PORT to one above 1023"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine: set MELA_HOST to one, or to 0.0.0.0 for all"
    return f"cannot listen on {host} port {port}: {error.strerror}"
