"""A script, never imported: runs one server for an owner and stops it cleanly when the owner goes,
however it goes.

Standard library only, so that it starts in a few milliseconds (`python -I -S`). The owner holds the
other end of stdin; when that closes, the server is stopped in stages. Also keeps the server's log
bounded. No knowledge of any particular server.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from typing import Any, TypedDict

READ_BYTES = 65_536
DRAIN_MAX_READS = 64


class Spec(TypedDict):
    """What to run; `stop_stages` are (signal number, seconds to wait for it) in order."""

    argv: list[str]
    cwd: str
    uid: int | None
    gid: int | None
    log_path: str
    log_max_bytes: int
    stop_stages: list[tuple[int, float]]


def open_log(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def append_log(log: int, data: bytes, spec: Spec) -> int:
    """Write `data`; past the limit, the file becomes `<name>.1` (the former one is dropped) and a
    new one is begun.
    """
    # A full disk must not take the server down with it: losing a log line is the smaller harm.
    with contextlib.suppress(OSError):
        os.write(log, data)
        if os.fstat(log).st_size > spec["log_max_bytes"]:
            os.replace(spec["log_path"], spec["log_path"] + ".1")
            fresh = open_log(spec["log_path"])
            os.close(log)
            return fresh
    return log


def spawn(spec: Spec, output: int) -> subprocess.Popen[bytes]:
    identity: dict[str, Any] = {}
    if spec["uid"] is not None:
        identity = {"user": spec["uid"], "group": spec["gid"], "extra_groups": []}
    return subprocess.Popen(
        spec["argv"],
        cwd=spec["cwd"],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        umask=0o077,
        **identity,
    )


def drain(source: int, log: int, spec: Spec) -> None:
    """Take what the server wrote last. A grandchild may still hold the pipe, so never wait for its
    end.
    """
    os.set_blocking(source, False)
    with contextlib.suppress(BlockingIOError):
        for _ in range(DRAIN_MAX_READS):
            data = os.read(source, READ_BYTES)
            if not data:
                return
            log = append_log(log, data, spec)


def watch(server: subprocess.Popen[bytes], spec: Spec, *, source: int, wake: int, log: int) -> int:
    """Serve the log and the lifeline until the server has ended; returns its exit code."""
    poller = select.poll()
    for fd in (0, source, wake):
        poller.register(fd, select.POLLIN)
    stages = iter(spec["stop_stages"])
    deadline: float | None = None
    while server.poll() is None:
        timeout_ms = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        ready = dict(poller.poll(timeout_ms))
        if source in ready:
            data = os.read(source, READ_BYTES)
            log = append_log(log, data, spec)
            if not data:
                poller.unregister(source)
        asked = 0 in ready
        if wake in ready:
            asked = signal.SIGTERM in os.read(wake, READ_BYTES) or asked
        if asked:
            # The lifeline stays readable for ever once closed; one look is enough.
            with contextlib.suppress(KeyError):
                poller.unregister(0)
        if (asked and deadline is None) or (deadline is not None and time.monotonic() >= deadline):
            number, wait_s = next(stages, (signal.SIGKILL, 5.0))
            server.send_signal(number)
            deadline = time.monotonic() + wait_s
    drain(source, log, spec)
    return server.returncode


def main() -> int:
    spec: Spec = json.loads(sys.argv[1])
    wake, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    log = open_log(spec["log_path"])
    os.dup2(log, 2)
    source, output = os.pipe()
    try:
        server = spawn(spec, output)
    except OSError as error:
        append_log(log, f"cannot run {spec['argv'][0]}: {error}\n".encode(), spec)
        return 127
    os.close(output)
    sys.stdout.write(f"{server.pid}\n")
    sys.stdout.flush()
    code = watch(server, spec, source=source, wake=wake, log=log)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
