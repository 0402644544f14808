"""Child processes that must not outlive us: guarded servers, the account they run as, and finding
ones left from before.

Knows no particular server: PostgreSQL and Valkey stand in embedded_postgres.py and
embedded_valkey.py.
"""

import contextlib
import json
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

GUARD = Path(__file__).with_name("embedded_guard.py")
LOG_MAX_BYTES = 10 * 1024 * 1024
POLL_S = 0.01
# Where root keeps what the unprivileged account could not reach in a closed folder.
PRIVILEGED_HOME = Path("/var/lib/mela")
UNPRIVILEGED_ACCOUNT = "nobody"


class EmbeddedError(RuntimeError):
    """An embedded server cannot be started or used; the message is one sentence for people and says
    what to do.
    """


@dataclass(frozen=True)
class Account:
    """The unprivileged account that the servers run as when we are root."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class ServerProcess:
    """A running server and the guard above it; `pid` is the server's own."""

    name: str
    pid: int
    guard: subprocess.Popen[bytes]
    stop_timeout_s: float

    def alive(self) -> bool:
        return self.guard.poll() is None

    def stop(self) -> None:
        """Close the guard's lifeline and wait until the server has ended; a second call does
        nothing.
        """
        if self.guard.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.guard.stdin.close()
        try:
            self.guard.wait(self.stop_timeout_s)
        except subprocess.TimeoutExpired:
            kill_tree(self.guard.pid)
            self.guard.wait()


def server_account(existing: Path) -> Account | None:
    """None unless we are root: then the owner of `existing` data, or else `nobody`, for PostgreSQL
    refuses to run as root.
    """
    if os.geteuid() != 0:
        _check_own_account()
        return None
    if existing.exists() and (owner := existing.stat().st_uid) != 0:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwuid(owner)
            return Account(name=entry.pw_name, uid=owner, gid=entry.pw_gid)
    try:
        entry = pwd.getpwnam(UNPRIVILEGED_ACCOUNT)
    except KeyError:
        raise EmbeddedError(
            "PostgreSQL does not run as root and this machine has no account "
            f"`{UNPRIVILEGED_ACCOUNT}`: run Mela as an ordinary user, or set MELA_DATABASE_URL and "
            "MELA_REDIS_URL."
        ) from None
    return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


def _check_own_account() -> None:
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        raise EmbeddedError(
            f"PostgreSQL does not run as a user without a name, and uid {os.geteuid()} has no "
            "entry in /etc/passwd: add one, or set MELA_DATABASE_URL and MELA_REDIS_URL."
        ) from None


def reachable(path: Path, account: Account | None) -> bool:
    """Whether `account` may pass through every folder above `path`. Looks only at mode bits and
    changes none.
    """
    if account is None:
        return True
    return all(_may_pass(parent.stat(), account) for parent in path.resolve().parents)


def _may_pass(status: os.stat_result, account: Account) -> bool:
    if status.st_uid == account.uid:
        return bool(status.st_mode & 0o100)
    if status.st_gid == account.gid:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)


def make_passable(folder: Path) -> None:
    """Make a folder of ours that others may pass but not list. One that exists is left as it is."""
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(0o711)


def clean_environment() -> dict[str, str]:
    """Only what a server needs: PGPORT, PGDATA and the like must not steer it, and our secrets are
    none of its business.
    """
    kept = ("PATH", "LD_LIBRARY_PATH", "TMPDIR")
    return {"LC_ALL": "C", **{name: os.environ[name] for name in kept if name in os.environ}}


def run_once(argv: Sequence[str], *, cwd: Path, account: Account | None, stdin: str = "") -> None:
    """Run a short command as `account`; raises EmbeddedError with its last line of output."""
    identity: dict[str, Any] = {}
    if account is not None:
        identity = {"user": account.uid, "group": account.gid, "extra_groups": []}
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            input=stdin,
            text=True,
            errors="replace",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=clean_environment(),
            umask=0o077,
            timeout=120,
            check=False,
            **identity,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EmbeddedError(f"Cannot run {argv[0]}: {error}.") from error
    if done.returncode != 0:
        raise EmbeddedError(f"{Path(argv[0]).name} failed: {telling_line(done.stdout)}")


def telling_line(output: str) -> str:
    """The line of a server's output that explains a failure best."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if "error" in line.lower() or "fatal" in line.lower()]
    return (telling or lines or ["it said nothing"])[-1]


def spawn_server(
    name: str,
    argv: Sequence[str],
    *,
    cwd: Path,
    account: Account | None,
    log_path: Path,
    stop_stages: Sequence[tuple[signal.Signals, float]],
) -> ServerProcess:
    """Start a server under a guard that outlives us just long enough to stop it. May be called in
    any thread.
    """
    spec = {
        "argv": list(argv),
        "cwd": str(cwd),
        "uid": account.uid if account else None,
        "gid": account.gid if account else None,
        "log_path": str(log_path),
        "log_max_bytes": LOG_MAX_BYTES,
        "stop_stages": [(int(number), wait_s) for number, wait_s in stop_stages],
    }
    # A guard rather than PR_SET_PDEATHSIG: that one fires when the *thread* that started the child
    # ends, and is Linux's alone. A session of its own keeps Ctrl-C at the terminal from reaching
    # the servers before our own shutdown is done with them.
    guard = subprocess.Popen(
        [sys.executable, "-I", "-S", str(GUARD), json.dumps(spec)],
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=clean_environment(),
        start_new_session=True,
    )
    assert guard.stdout is not None
    with guard.stdout as said:
        line = said.readline()
    timeout_s = sum(wait_s for _, wait_s in stop_stages) + 10
    if not line.strip().isdigit():
        ServerProcess(name=name, pid=guard.pid, guard=guard, stop_timeout_s=timeout_s).stop()
        raise EmbeddedError(f"{name} did not start: {last_log_line(log_path)}")
    return ServerProcess(name=name, pid=int(line), guard=guard, stop_timeout_s=timeout_s)


def await_ready(
    server: ServerProcess, *, ready: Callable[[], bool], timeout_s: float, log_path: Path
) -> None:
    """Wait until `ready()`; else stop the server and raise EmbeddedError with what its log says."""
    deadline = time.monotonic() + timeout_s
    while not ready():
        if not server.alive() or time.monotonic() > deadline:
            server.stop()
            raise EmbeddedError(
                f"{server.name} did not start: {last_log_line(log_path)} (all of it in {log_path})"
            )
        time.sleep(POLL_S)


def last_log_line(log_path: Path) -> str:
    try:
        with log_path.open("rb") as log:
            log.seek(max(0, log_path.stat().st_size - 4096))
            return telling_line(log.read().decode(errors="replace"))
    except OSError:
        return "it left no log"


def find_process(pid: int, *, mark: str) -> psutil.Process | None:
    """The live process `pid` if its command line contains `mark`; a pid alone may have been given
    to another since.
    """
    try:
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE and any(
            mark in part for part in process.cmdline()
        ):
            return process
    except psutil.Error:
        pass
    return None


def stop_leftover(process: psutil.Process, stages: Sequence[tuple[signal.Signals, float]]) -> None:
    """Stop a server whose owner is gone. Raises EmbeddedError if it may not be signalled or
    survives every stage.
    """
    for number, wait_s in (*stages, (signal.SIGKILL, 5.0)):
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            return
        except psutil.AccessDenied:
            break
        if _ended(process, wait_s):
            return
    raise EmbeddedError(
        f"A server from an earlier run (pid {process.pid}) still uses this state folder and cannot "
        "be stopped: stop it yourself."
    )


def _ended(process: psutil.Process, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        # A container's first process may never reap what it inherits: a zombie has ended as well.
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(POLL_S)
    return False


def await_none_in(folder: Path, *, timeout_s: float) -> None:
    """Wait until no process we may look into works in `folder`. Raises EmbeddedError at the end of
    the time.
    """
    deadline = time.monotonic() + timeout_s
    while (busy := _process_in(folder)) is not None:
        if time.monotonic() > deadline:
            raise EmbeddedError(f"The process {busy} still works in {folder}: stop it first.")
        time.sleep(0.05)


def _process_in(folder: Path) -> int | None:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cwd() == str(folder):
                return process.pid
    return None


def kill_tree(pid: int) -> None:
    with contextlib.suppress(psutil.Error):
        parent = psutil.Process(pid)
        for process in (*parent.children(recursive=True), parent):
            with contextlib.suppress(psutil.Error):
                process.kill()
