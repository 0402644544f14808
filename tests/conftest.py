"""Real servers for tests, started by the test run itself, and a database of its own for each test.

The servers start with the first test that asks for one; under xdist each worker has its own, for a
transaction anywhere on a server hides later events from who follows the log. To test against
others, set MELA_TEST_DATABASE_URL (any database of the server; its user must be able to create
databases) and MELA_TEST_REDIS_URL.
"""

import asyncio
import contextlib
import itertools
import os
import shutil
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
import redis
from hypothesis import settings as hypothesis_settings

from core.embedded import EmbeddedHandle, running_instance, start_embedded

# Where changes are taken, the same examples each time: a run must judge the change before it, and
# not what chance finds. Everywhere else, and in `make fuzz`, new ones.
hypothesis_settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    hypothesis_settings.load_profile("ci")

POSTGRES_VARIABLE = "MELA_TEST_DATABASE_URL"
REDIS_VARIABLE = "MELA_TEST_REDIS_URL"
FOLDER_PREFIX = "mela-test-"
MEMORY_FOLDER = Path("/dev/shm")
MEMORY_MIN_BYTES = 6 * 2**30
SERVERS = pytest.StashKey[EmbeddedHandle]()
FOLDER = pytest.StashKey[Path]()
names = itertools.count(1)


def pytest_configure() -> None:
    """A developer's PGHOST or PGPORT must not steer a driver here."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


def pytest_unconfigure(config: pytest.Config) -> None:
    if SERVERS in config.stash:
        config.stash[SERVERS].stop()
        shutil.rmtree(config.stash[FOLDER], ignore_errors=True)


def start_servers(config: pytest.Config) -> None:
    """Start what no variable names; does nothing the second time."""
    postgres, valkey = POSTGRES_VARIABLE not in os.environ, REDIS_VARIABLE not in os.environ
    if SERVERS in config.stash or not (postgres or valkey):
        return
    folder = config.stash[FOLDER] = passable_folder()
    handle = start_embedded(folder / "state", postgres=postgres, valkey=valkey, durable=False)
    config.stash[SERVERS] = handle
    if handle.database_url:
        os.environ[POSTGRES_VARIABLE] = handle.database_url
    if handle.redis_url:
        os.environ[REDIS_VARIABLE] = handle.redis_url


def passable_folder() -> Path:
    """A temporary folder that root's servers can get to as well: pytest's own are closed to all but
    their owner.
    """
    parent = roomy_folder()
    sweep_folders(parent)
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=parent))
    folder.chmod(0o711)
    return folder


def roomy_folder() -> Path:
    """Where clusters go: into memory where there is plenty. A clone is 760 files: on a disk
    0.1 to 0.5 s of CPU, in memory 0.02 s, and a run makes over a thousand clones.
    """
    with contextlib.suppress(OSError, ValueError):
        room = shutil.disk_usage(MEMORY_FOLDER)
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if os.access(MEMORY_FOLDER, os.W_OK | os.X_OK) and min(room.free, free) > MEMORY_MIN_BYTES:
            return MEMORY_FOLDER
    return Path(tempfile.gettempdir())


def sweep_folders(parent: Path) -> None:
    """Remove what runs that were killed left behind more than an hour ago."""
    for folder in parent.glob(f"{FOLDER_PREFIX}*"):
        with contextlib.suppress(OSError):
            old = time.time() - folder.stat().st_mtime > 3600
            if old and running_instance(folder / "state") is None:
                shutil.rmtree(folder, ignore_errors=True)


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end in a thread: a fixture must not disturb the test's event loop."""
    outcome: list[Any] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            outcome.append(asyncio.run(coroutine))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return outcome[0]


def execute(url: str, *statements: str) -> None:
    """Run statements, each in a transaction of its own (CREATE DATABASE takes no other)."""

    async def work() -> None:
        connection = await asyncpg.connect(url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    run(work())


def with_path(url: str, name: str) -> str:
    """The same server, another database."""
    parts = urlsplit(url)
    # urlunsplit would drop the empty host of `postgresql://user@/name`.
    return f"{parts.scheme}://{parts.netloc}/{name}" + (f"?{parts.query}" if parts.query else "")


@pytest.fixture(scope="session")
def worker(request: pytest.FixtureRequest) -> str:
    """Who we are among xdist's workers: `gw0`, `gw1` …, or `main` when there are none."""
    workerinput = getattr(request.config, "workerinput", None)
    return workerinput["workerid"] if workerinput else "main"


@pytest.fixture(scope="session")
def postgres_url(request: pytest.FixtureRequest) -> str:
    """A database of the server in which databases are created and dropped; keep nothing in it."""
    start_servers(request.config)
    return os.environ[POSTGRES_VARIABLE]


@pytest.fixture(scope="session")
def redis_server_url(request: pytest.FixtureRequest, worker: str) -> str:
    """This worker's own numbered database: 1 for `main`, 2 for `gw0` and so on. Not emptied between
    tests.
    """
    start_servers(request.config)
    number = 1 if worker == "main" else 2 + int(worker.removeprefix("gw"))
    url = os.environ[REDIS_VARIABLE]
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return f"unix://{parts.path}?db={number}"
    return urlunsplit(parts._replace(path=f"/{number}"))


@pytest.fixture
def redis_url(redis_server_url: str) -> str:
    """This worker's own database, emptied. Pub/sub channels are NOT separated by it: give buses
    `redis_prefix`.
    """
    with redis.Redis.from_url(redis_server_url) as client:
        client.flushdb()
    return redis_server_url


@pytest.fixture
def redis_prefix(worker: str) -> str:
    """A prefix for channels and keys that no other test in this run uses."""
    return f"{worker}-{next(names)}:"


@pytest.fixture(scope="session")
def template_database(postgres_url: str, worker: str) -> Iterator[str]:
    """The name of a database migrated to head, once a worker. Nobody may be connected to it: clones
    are made of it.
    """
    from core.migrations import upgrade

    name = f"mela_template_{worker}_{os.getpid()}"
    execute(postgres_url, f'CREATE DATABASE "{name}" TEMPLATE template0')
    run(upgrade(with_path(postgres_url, name)))
    yield name
    execute(postgres_url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def make_database(postgres_url: str, worker: str) -> Iterator[Callable[..., str]]:
    """`make_database(template="template0")` creates a database and returns its URL; all are dropped
    after the test.
    """
    made: list[str] = []

    def make(template: str = "template0") -> str:
        # Twice as quick as WAL_LOG where nothing is synced: 40 ms for a hundred tables.
        name = f"mela_test_{worker}_{os.getpid()}_{next(names)}"
        execute(postgres_url, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        made.append(name)
        return with_path(postgres_url, name)

    yield make
    execute(postgres_url, *(f'DROP DATABASE "{name}" WITH (FORCE)' for name in made))


@pytest.fixture
def database_url(make_database: Callable[..., str], template_database: str) -> str:
    """The URL of a database of this test alone: a clone of the migrated one."""
    return make_database(template_database)


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Any]:
    """The test's own database, with `db.published`: the events of what was committed."""
    from core.database import Database

    published: list[Any] = []

    async def publish(events: Sequence[Any]) -> None:
        published.extend(events)

    database: Any = Database(database_url, after_commit=publish)
    database.published = published
    yield database
    await database.close()


@pytest.fixture
def sql(db: Any) -> Callable[..., Coroutine[Any, Any, Sequence[Any]]]:
    """`await sql("SELECT …", name=value)`: the rows; `UPDATE …` works as well."""
    from sqlalchemy import text

    async def run(statement: str, **parameters: Any) -> Sequence[Any]:
        async with db.engine.begin() as connection:
            result = await connection.execute(text(statement), parameters)
            return result.all() if result.returns_rows else []

    return run


@pytest.fixture
def fund() -> Callable[..., Coroutine[Any, Any, None]]:
    """`await fund(db, user_id, …, asset="USD", amount_minor=…)`: money to bid and buy with."""
    from services.wallets.endowing import endow

    async def give(db: Any, *user_ids: Any, asset: str = "USD", amount_minor: int = 10**12) -> None:
        async def work(tx: Any) -> None:
            await endow(tx, user_ids, asset=asset, amount_minor=amount_minor)

        await db.transaction(work)

    return give


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder of this test alone, like tmp_path, that root's servers can get to as well."""
    folder = passable_folder()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def private_servers(open_folder: Path) -> Iterator[EmbeddedHandle]:
    """PostgreSQL and Valkey of this test alone, to be killed and restarted. Takes a second."""
    with start_embedded(open_folder / "state", durable=False) as handle:
        yield handle
