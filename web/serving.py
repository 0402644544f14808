"""Running uvicorn on a socket that is already bound: in this process, or in several workers; and
how a process that serves is left."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import orjson
import uvicorn
from pydantic import SecretStr
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from core.settings import Settings
from web.ports import uvicorn_options

DRAIN_S = 8
"""How long open requests and sockets get at shutdown (realtime.md, Transports)."""
WORKER_SILENCE_S = 120
"""After so long without an answer a worker counts as dead and is replaced. A worker says nothing
until it has imported everything: on a busy machine that outlasts uvicorn's five seconds, and then
each worker would be killed while it starts, for ever."""


def run_one(app: ASGIApp, settings: Settings, listening: socket.socket) -> None:
    """Serve in this process until SIGINT or SIGTERM."""
    config = uvicorn.Config(app, timeout_graceful_shutdown=DRAIN_S, **uvicorn_options(settings))
    uvicorn.Server(config).run(sockets=[listening])


def run_workers(factory: str, settings: Settings, listening: socket.socket) -> None:
    """Serve in `settings.workers` processes, each made by `factory` (`module:function`), until
    SIGINT or SIGTERM; a worker that dies is replaced."""
    os.environ.update(worker_environment(settings))
    config = uvicorn.Config(
        factory,
        factory=True,
        workers=settings.workers,
        timeout_graceful_shutdown=DRAIN_S,
        timeout_worker_healthcheck=WORKER_SILENCE_S,
        **uvicorn_options(settings),
    )
    Multiprocess(config, sockets=[listening]).run()


def worker_environment(settings: Settings) -> dict[str, str]:
    """What workers read the same settings from: all that was set, as MELA_… text."""
    values: dict[str, str] = {}
    for name in settings.model_fields_set | {"database_url", "redis_url", "demo"}:
        value = getattr(settings, name)
        if value is not None:
            values[f"MELA_{name.upper()}"] = _as_text(value)
    return values


def _as_text(value: object) -> str:
    """A setting as its variable has it: lists and objects are JSON."""
    value = _open(value)
    return orjson.dumps(value).decode() if isinstance(value, dict | tuple) else str(value)


def _open(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return {k: _open(v) for k, v in value.items()} if isinstance(value, dict) else value


@contextmanager
def left_by_signals(said: Callable[[], None]) -> Iterator[None]:
    """SIGTERM leaves by the same way as the end of the command, so that servers are stopped;
    Ctrl-C too, and `said` is called."""

    def leave(number: int, frame: object) -> NoReturn:
        raise SystemExit(0)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    except KeyboardInterrupt:
        said()
    finally:
        signal.signal(signal.SIGTERM, before)


def shown_host(host: str) -> str:
    """A host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host
