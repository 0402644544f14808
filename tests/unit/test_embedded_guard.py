"""The guard over a server: its log stays bounded, and a server that will not stop is made to."""

import signal
import sys
import time

import pytest

from core import processes
from core.processes import EmbeddedError, await_ready, spawn_server

STAGES = ((signal.SIGTERM, 0.2), (signal.SIGKILL, 5.0))


def read_log(log_path):
    """The former file, if there is one, and the present one."""
    files = (log_path.with_name(f"{log_path.name}.1"), log_path)
    return "".join(path.read_text() for path in files if path.exists())


@pytest.fixture
def spawn(tmp_path):
    """`spawn(code)` runs Python code as a server that says `ready` in its log."""
    servers = []

    def start(code):
        log_path = tmp_path / "server.log"
        server = spawn_server(
            "Example",
            [sys.executable, "-I", "-S", "-u", "-c", code],
            cwd=tmp_path,
            account=None,
            log_path=log_path,
            stop_stages=STAGES,
        )
        servers.append(server)
        await_ready(
            server, ready=lambda: "ready" in read_log(log_path), timeout_s=10, log_path=log_path
        )
        return server

    yield start
    for server in servers:
        server.stop()


def test_a_server_that_ignores_the_first_signal_is_killed(spawn):
    server = spawn(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('ready'); time.sleep(60)"
    )
    began = time.monotonic()
    server.stop()
    assert 0.2 <= time.monotonic() - began < 5.0
    assert server.guard.returncode == 128 + signal.SIGKILL


def test_a_server_that_heeds_the_first_signal_ends_in_its_own_way(spawn):
    server = spawn(
        "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7));"
        "print('ready'); time.sleep(60)"
    )
    assert server.alive()
    server.stop()
    assert server.guard.returncode == 7
    assert not server.alive()
    server.stop()


def test_a_log_is_kept_to_two_files_of_the_limit(spawn, tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "LOG_MAX_BYTES", 50_000)
    server = spawn(
        "for number in range(20_000): print('line', number)\nprint('ready')\n"
        "import time; time.sleep(60)"
    )
    server.stop()
    assert read_log(tmp_path / "server.log").endswith("line 19999\nready\n")
    # One read of the pipe may go over the limit.
    sizes = [path.stat().st_size for path in tmp_path.glob("server.log*")]
    assert len(sizes) == 2
    assert max(sizes) <= 50_000 + 65_536


def test_a_server_that_ends_at_once_says_why(spawn):
    with pytest.raises(EmbeddedError, match="Example did not start: fatal: no luck"):
        spawn("import sys; sys.exit('fatal: no luck')")


def test_a_program_that_is_not_there_says_so(tmp_path):
    with pytest.raises(EmbeddedError, match="cannot run /no/such/program"):
        spawn_server(
            "Example",
            ["/no/such/program"],
            cwd=tmp_path,
            account=None,
            log_path=tmp_path / "server.log",
            stop_stages=STAGES,
        )
