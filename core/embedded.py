"""The embedded servers: PostgreSQL and Valkey under a state folder, owned by one process at a time
and gone when it is.

How each server is run stands in embedded_postgres.py and embedded_valkey.py. Nothing here knows
what is stored in them.
"""

import contextlib
import dataclasses
import fcntl
import json
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from core import embedded_postgres, embedded_valkey
from core.processes import (
    Account,
    EmbeddedError,
    ServerProcess,
    find_process,
    server_account,
    stop_leftover,
)

__all__ = [
    "AlreadyRunning",
    "EmbeddedError",
    "EmbeddedHandle",
    "Instance",
    "attach_or_start",
    "running_instance",
    "start_embedded",
]

LOCK_TIMEOUT_S = 1.0
STARTING_TIMEOUT_S = 60.0
SOCKET_PREFIX = "mela-"
# The limit of a unix socket's path is 107 bytes on Linux, 103 on macOS; the longest name in it is
# `/.s.PGSQL.5432.lock`.
SOCKET_DIR_MAX_BYTES = 103 - 20


class AlreadyRunning(EmbeddedError):
    """Another process owns the state folder. `pid` and `url` are None while it is too young to have
    said them.
    """

    def __init__(self, state_dir: Path, *, pid: int | None, url: str | None) -> None:
        self.pid = pid
        self.url = url
        where = f" at {url}" if url else ""
        super().__init__(
            f"Mela already runs on {state_dir}{where} (pid {pid}): stop it first, or give this one "
            "another state folder."
        )


@dataclass(frozen=True)
class Instance:
    """What the owner of a state folder has published about itself. `ready` is False until its
    servers take connections.
    """

    pid: int
    ready: bool = False
    database_url: str | None = None
    redis_url: str | None = None
    url: str | None = None
    socket_dir: str | None = None
    postgres_pid: int | None = None
    valkey_pid: int | None = None


@dataclass
class EmbeddedHandle:
    """The started servers, or (`attached`) those of another process, which `stop` then leaves
    alone.
    """

    state_dir: Path
    database_url: str | None
    redis_url: str | None
    attached: bool = False
    url: str | None = None
    _lock: int | None = None
    _socket_dir: Path | None = None
    _durable: bool = True
    _account: Account | None = None
    _cluster: embedded_postgres.Cluster | None = None
    _postgres: ServerProcess | None = None
    _valkey: ServerProcess | None = None

    @property
    def postgres_pid(self) -> int | None:
        return self._postgres.pid if self._postgres else None

    @property
    def valkey_pid(self) -> int | None:
        return self._valkey.pid if self._valkey else None

    def postgres_alive(self) -> bool:
        return self._postgres is not None and self._postgres.alive()

    def valkey_alive(self) -> bool:
        return self._valkey is not None and self._valkey.alive()

    def publish_url(self, url: str) -> None:
        """Record where we serve, for AlreadyRunning and `running_instance` to tell."""
        self.url = url
        self._publish(ready=True)

    def restart_postgres(self) -> None:
        """Stop it if it lives, start it again on the same socket. Blocks; raises EmbeddedError."""
        if self._cluster is None or self._socket_dir is None:
            raise EmbeddedError("This process does not own an embedded PostgreSQL.")
        if self._postgres is not None:
            self._postgres.stop()
        embedded_postgres.stop_orphan(self._cluster)
        self._start_postgres()
        self._publish(ready=True)

    def restart_valkey(self) -> None:
        """Stop it if it lives, start it again, empty, on the same socket. Blocks; raises
        EmbeddedError.
        """
        if self._valkey is None:
            raise EmbeddedError("This process does not own an embedded Valkey.")
        self._valkey.stop()
        self._start_valkey()
        self._publish(ready=True)

    def stop(self) -> None:
        """Stop what we own, cleanly, and give up the state folder. Blocks; a second call does
        nothing.
        """
        if self._lock is None:
            return
        for server in (self._valkey, self._postgres):
            if server is not None:
                server.stop()
        if self._socket_dir is not None:
            shutil.rmtree(self._socket_dir, ignore_errors=True)
        _instance_file(self.state_dir).unlink(missing_ok=True)
        os.close(self._lock)
        self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start_postgres(self) -> None:
        assert self._cluster is not None
        assert self._socket_dir is not None
        self._postgres = embedded_postgres.start(
            self._cluster, socket_dir=self._socket_dir, durable=self._durable
        )
        self.database_url = embedded_postgres.database_url(self._socket_dir)

    def _start_valkey(self) -> None:
        assert self._socket_dir is not None
        self._valkey = embedded_valkey.start(
            self._socket_dir,
            account=self._account,
            log_path=self.state_dir / "log" / "valkey.log",
        )
        self.redis_url = embedded_valkey.redis_url(self._socket_dir)

    def _publish(self, *, ready: bool) -> None:
        instance = Instance(
            pid=os.getpid(),
            ready=ready,
            database_url=self.database_url,
            redis_url=self.redis_url,
            url=self.url,
            socket_dir=str(self._socket_dir) if self._socket_dir else None,
            postgres_pid=self.postgres_pid,
            valkey_pid=self.valkey_pid,
        )
        path = _instance_file(self.state_dir)
        draft = path.with_name("instance.json.new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(dataclasses.asdict(instance), file)
        draft.replace(path)


def start_embedded(
    state_dir: Path, *, postgres: bool = True, valkey: bool = True, durable: bool = True
) -> EmbeddedHandle:
    """Own `state_dir` (made if absent) and start the servers asked for; about a second the first
    time, less after.

    Blocks: from a coroutine, call it by `asyncio.to_thread`. `durable=False` trades safety against
    power loss for speed (tests). Raises AlreadyRunning if a live process owns the folder,
    EmbeddedError for whatever else keeps a server from starting.
    """
    state_dir = state_dir.resolve()
    try:
        _make_state_dir(state_dir)
        handle = EmbeddedHandle(state_dir, None, None, _lock=_own(state_dir), _durable=durable)
    except OSError as error:
        raise _unusable(state_dir, error) from error
    try:
        _start(handle, postgres=postgres, valkey=valkey)
    except OSError as error:
        handle.stop()
        raise _unusable(state_dir, error) from error
    except BaseException:
        handle.stop()
        raise
    return handle


def running_instance(state_dir: Path) -> Instance | None:
    """The live owner of `state_dir`, or None. One that is still starting has `ready=False`."""
    try:
        lock = os.open(state_dir / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        instance = _read_instance(state_dir)
        # A new owner may not have replaced yet what a killed one wrote.
        return instance if instance is not None and psutil.pid_exists(instance.pid) else None
    finally:
        os.close(lock)
    return None


def attach_or_start(
    state_dir: Path, *, postgres: bool = True, valkey: bool = True
) -> EmbeddedHandle:
    """For commands that run beside a server: use the servers of the live owner of `state_dir`, else
    own it and start them.

    Blocks. Raises EmbeddedError as `start_embedded` does, and when the owner does not get ready in
    a minute.
    """
    deadline = time.monotonic() + STARTING_TIMEOUT_S
    while True:
        instance = running_instance(state_dir)
        if instance is not None and instance.ready:
            return EmbeddedHandle(
                state_dir.resolve(),
                instance.database_url,
                instance.redis_url,
                attached=True,
                url=instance.url,
            )
        if instance is None:
            with contextlib.suppress(AlreadyRunning):
                return start_embedded(state_dir, postgres=postgres, valkey=valkey)
        if time.monotonic() > deadline:
            raise EmbeddedError(
                f"The Mela that owns {state_dir} has not become ready in {STARTING_TIMEOUT_S:.0f} "
                "s: look at its output."
            )
        time.sleep(0.05)


def _start(handle: EmbeddedHandle, *, postgres: bool, valkey: bool) -> None:
    state_dir = handle.state_dir
    _stop_leftovers(state_dir)
    handle._account = server_account(embedded_postgres.data_directory(state_dir))
    (state_dir / "log").mkdir(mode=0o700, exist_ok=True)
    handle._socket_dir = _make_socket_dir(handle._account)
    handle._publish(ready=False)
    if valkey:
        handle._start_valkey()
        handle._publish(ready=False)
    if postgres:
        handle._cluster = embedded_postgres.prepare(state_dir, account=handle._account)
        embedded_postgres.stop_orphan(handle._cluster)
        handle._start_postgres()
    handle._publish(ready=True)


def _make_state_dir(state_dir: Path) -> None:
    if not state_dir.exists():
        state_dir.mkdir(parents=True)
        # Root's servers run as another account, which must be able to pass; what is in here is
        # closed one by one.
        state_dir.chmod(0o711 if os.geteuid() == 0 else 0o700)


def _own(state_dir: Path) -> int:
    """Take the folder's lock, which the kernel releases when we end. Raises AlreadyRunning."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    lock = os.open(state_dir / "lock", flags, 0o600)
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except BlockingIOError:
            # A look by `running_instance` holds the lock for an instant; an owner holds it for
            # long.
            if time.monotonic() > deadline:
                os.close(lock)
                owner = _read_instance(state_dir)
                raise AlreadyRunning(
                    state_dir,
                    pid=owner.pid if owner else None,
                    url=owner.url if owner else None,
                ) from None
        time.sleep(0.02)


def _instance_file(state_dir: Path) -> Path:
    return state_dir / "instance.json"


def _read_instance(state_dir: Path) -> Instance | None:
    try:
        return Instance(**json.loads(_instance_file(state_dir).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _stop_leftovers(state_dir: Path) -> None:
    """Clear what an owner that was killed left: its Valkey and its socket folder. PostgreSQL's own
    pid file tells the rest.
    """
    former = _read_instance(state_dir)
    _instance_file(state_dir).unlink(missing_ok=True)
    if former is None or former.socket_dir is None:
        return
    socket_dir = Path(former.socket_dir)
    process = _former_valkey(former, socket_dir)
    if process is not None:
        stop_leftover(process, embedded_valkey.STOP_STAGES)
    if socket_dir.name.startswith(SOCKET_PREFIX) and not socket_dir.is_symlink():
        shutil.rmtree(socket_dir, ignore_errors=True)


def _former_valkey(former: Instance, socket_dir: Path) -> psutil.Process | None:
    if former.valkey_pid is None:
        return None
    # A running Valkey rewrites its command line to `<binary> unixsocket:<path>`.
    return find_process(former.valkey_pid, mark=str(socket_dir))


def _make_socket_dir(account: Account | None) -> Path:
    """A short folder that only the servers' account may enter: sockets' paths are limited to about
    a hundred bytes.
    """
    choices = [Path("/tmp"), Path(tempfile.gettempdir())]
    for parent in choices:
        if not os.access(parent, os.W_OK | os.X_OK):
            continue
        folder = Path(tempfile.mkdtemp(prefix=SOCKET_PREFIX, dir=parent))
        if len(os.fsencode(folder)) <= SOCKET_DIR_MAX_BYTES:
            if account is not None:
                os.chown(folder, account.uid, account.gid)
            return folder
        folder.rmdir()
    raise EmbeddedError(
        "There is no short temporary folder to write sockets in: make /tmp writable or set TMPDIR "
        "to a short path."
    )


def _unusable(state_dir: Path, error: OSError) -> EmbeddedError:
    return EmbeddedError(
        f"Cannot use the state folder {state_dir} ({error}): make it "
        "writable, or set MELA_STATE_DIR to a folder that is."
    )
