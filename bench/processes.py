"""Servers under test as processes of their own, one at a time: started, asked, weighed, stopped."""

from __future__ import annotations

import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
START_S = 180.0
STOP_S = 15.0
TICKS = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """A measurement cannot be made; the message says why, for people."""


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A server that answers at 127.0.0.1:`port`."""

    name: str
    port: int
    pid: int

    def post(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """One operation on a connection of its own. Raises `BenchError` for any error in it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            headers = {"Content-Type": "application/json", "Accept": "application/json"}
            connection.request("POST", "/graphql", json.dumps(body), headers)
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if answer.get("errors") or not answer.get("data"):
            raise BenchError(f"{self.name} refused an operation: {str(answer)[:500]}")
        data: dict[str, Any] = answer["data"]
        return data


def cpu_s(pid: int) -> float:
    """Processor time of a process and its children so far: user and system, in seconds."""
    process = psutil.Process(pid)
    return sum(_own_cpu_s(p.pid) for p in (process, *process.children(recursive=True)))


def _own_cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mib(pid: int) -> float:
    """Resident memory of a process."""
    resident: int = psutil.Process(pid).memory_info().rss
    return resident / 2**20


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def mela_command(port: int) -> list[str]:
    """Mela as people start it, with all its guards."""
    mela = str(Path(sys.executable).with_name("mela"))
    return [mela, "serve", "--no-demo", "--no-jobs", "--port", str(port)]


def plain_command(port: int, app: str = "bench.plain:app") -> list[str]:
    """The server that Mela is compared with."""
    quiet = ["--no-access-log", "--log-level", "warning"]
    return [sys.executable, "-m", "uvicorn", app, "--port", str(port), *quiet]


def plain_bids_command(port: int) -> list[str]:
    """The same with bids."""
    return plain_command(port, "bench.plain_bids:app")


def plain_search_command(port: int) -> list[str]:
    """PostgreSQL's own full text."""
    return plain_command(port, "bench.plain_search:app")


def limit_command(port: int) -> list[str]:
    """The endpoints written by hand."""
    return plain_command(port, "bench.limit:app")


def subgraph_command(port: int) -> list[str]:
    """Mela as a gateway asks it."""
    return [sys.executable, "-m", "bench.mela_subgraph", str(port)]


COMMANDS = {
    "mela": mela_command,
    "mela-subgraph": subgraph_command,
    "plain": plain_command,
    "plain-bids": plain_bids_command,
    "limit": limit_command,
    "plain-search": plain_search_command,
}


@contextmanager
def serving(
    name: str,
    environment: Mapping[str, str],
    log_file: Path,
    *,
    port: int | None = None,
    command: Sequence[str] | None = None,
) -> Iterator[ServerProcess]:
    """Start a server, wait until it takes connections, stop it at the end. `command` starts it,
    where `COMMANDS` does not know its name.

    Raises `BenchError` with the end of its log if it does not come up.
    """
    port = port or free_port()
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            command or COMMANDS[name](port),
            cwd=ROOT,
            env=os.environ | dict(environment),
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
    try:
        _await_listening(process, port, log_file)
        yield ServerProcess(name, port, process.pid)
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process of ours: asked first, killed if it does not."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_listening(process: subprocess.Popen[bytes], port: int, log_file: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    tail = log_file.read_text(errors="replace")[-2_000:]
    raise BenchError(f"a server did not start; the end of its log:\n{tail}")


def run_client(
    module: str,
    spec: Mapping[str, Any],
    *,
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Run a load client (`python -m bench.<module>`) in a process of its own: its work must not
    be counted as the server's, nor wait for ours."""
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{module}"],
        cwd=ROOT,
        env=os.environ | dict(environment or {}),
        input=json.dumps(spec),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if done.returncode != 0:
        raise BenchError(f"the client {module} failed: {done.stderr[-2_000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def allow_many_sockets() -> None:
    """Thousands of subscribers need thousands of descriptors, here and in our children."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
