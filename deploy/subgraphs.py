"""One subgraph for each domain, every one a process of its own, from a single import: so six are
there as soon as one. What runs in each is what `mela serve --domains` runs."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from socket import socket

from app import create_app
from core.settings import Settings
from core.tokens import ensure_keys
from schema.build import DOMAINS
from web.ports import pick_port, port_of
from web.serving import run_one

PR_SET_PDEATHSIG = 1
WORKING = "auctions"
"""The subgraph that runs the jobs and the demo's bots: one is enough."""

WHOLE = "whole"
EACH = tuple((domain,) for domain in DOMAINS)


@dataclass(frozen=True)
class Subgraph:
    """One process to be: its domains (none: the whole graph) and where it listens."""

    domains: tuple[str, ...]
    listening: socket

    @property
    def name(self) -> str:
        return "-".join(self.domains) or WHOLE

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{port_of(self.listening)}/graphql"


def bind(parts: Sequence[tuple[str, ...]] = EACH) -> list[Subgraph]:
    """Ports for subgraphs; connections wait there until the processes serve."""
    return [Subgraph(part, pick_port("127.0.0.1", 0)) for part in parts]


def fork(
    settings: Settings, subgraphs: Sequence[Subgraph], *, log: Path | None = None
) -> dict[int, Subgraph]:
    """Start a process for each, by its id; what they say goes to `log`. Call it where there are
    neither threads nor an event loop."""
    if settings.signing_keys_dir is None:
        # All of them verify what one of them signs, and none may be the second to make the keys.
        ensure_keys(settings.state_dir / "keys", settings.signing_algorithm)
    return {_fork(settings, one, log): one for one in subgraphs}


def _fork(settings: Settings, subgraph: Subgraph, log: Path | None) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        _end_with_parent()
        if log is not None:
            _say_to(log)
        working = WORKING in subgraph.domains
        changes = {"jobs": settings.jobs and working, "demo": settings.demo and working}
        run_one(
            create_app(settings.model_copy(update=changes), subgraph.domains or None),
            settings,
            subgraph.listening,
        )
    finally:
        os._exit(0)


def _say_to(log: Path) -> None:
    with log.open("ab") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())


def _end_with_parent() -> None:
    """Where the system can: SIGTERM when our parent is gone, however it went."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def stop(pids: Mapping[int, object]) -> None:
    """SIGTERM to all, and wait for them."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            continue
    for pid in pids:
        try:
            os.waitpid(pid, 0)
        except ChildProcessError:
            continue


def main() -> None:
    """Serve until standard input ends, with the whole graph beside them for who wants to compare:
    the addresses by name are one line of JSON."""
    subgraphs = bind((*EACH, ()))
    pids = fork(Settings(), subgraphs)
    try:
        sys.stdout.write(json.dumps({one.name: one.url for one in subgraphs}) + "\n")
        sys.stdout.flush()
        sys.stdin.read()
    finally:
        stop(pids)


if __name__ == "__main__":
    main()
