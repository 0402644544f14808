"""The peers that run on Node: installed from their lock files into a cache, told where the data is.
Their code is in `bench/peers`; nothing is installed beside it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from bench.processes import ROOT, BenchError

PEERS = ROOT / "bench" / "peers"
NAMES = ("mercurius", "yoga")
INSTALL_S = 300


def cache_folder() -> Path:
    """Where peers are installed; it may be deleted at any time."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "mela-bench"


def node_version() -> str:
    """As Node tells it; empty where there is none."""
    node = shutil.which("node")
    if node is None:
        return ""
    return subprocess.run([node, "--version"], capture_output=True, text=True).stdout.strip()


def installed(name: str) -> Path:
    """The folder of a peer, its packages exactly those of its lock file. Raises `BenchError`."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise BenchError(
            f"{name} needs node and npm, and they are not in the path; "
            "leave it out with --peers plain,core,limit"
        )
    source = PEERS / name
    locked = (source / "package-lock.json").read_bytes()
    folder = cache_folder() / f"{name}-{hashlib.sha256(locked).hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for file in ("package.json", "package-lock.json", "server.mjs"):
            shutil.copy(source / file, folder)
        if not (folder / ".installed").exists():
            _install(npm, folder)
            (folder / ".installed").touch()
    return folder


def _install(npm: str, folder: Path) -> None:
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S)
    if done.returncode != 0:
        raise BenchError(f"npm ci in {folder}: {done.stderr[-2_000:]}")


def command_of(name: str) -> list[str]:
    """What starts a peer, which reads the rest from its environment."""
    return [shutil.which("node") or "node", str(installed(name) / "server.mjs")]


def environment_of(port: int, database_url: str, redis_url: str) -> dict[str, str]:
    """What the peers' code reads: PostgreSQL and Redis by socket or by address."""
    return {
        "PORT": str(port),
        "NODE_ENV": "production",
        **postgres_parts(database_url),
        **redis_parts(redis_url),
    }


def postgres_parts(url: str) -> Mapping[str, str]:
    """A libpq URL taken apart; a host that is a folder holds the socket."""
    parts = urlsplit(url)
    asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return {
        "BENCH_PG_HOST": parts.hostname or asked.get("host", "127.0.0.1"),
        "BENCH_PG_PORT": str(parts.port or asked.get("port", "5432")),
        "BENCH_PG_USER": parts.username or "postgres",
        "BENCH_PG_PASSWORD": parts.password or "",
        "BENCH_PG_DATABASE": parts.path.lstrip("/"),
    }


def redis_parts(url: str) -> Mapping[str, str]:
    """A Redis URL taken apart: a socket's path, or host and port."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return {"BENCH_REDIS_PATH": parts.path}
    return {
        "BENCH_REDIS_HOST": parts.hostname or "127.0.0.1",
        "BENCH_REDIS_PORT": str(parts.port or 6379),
    }
