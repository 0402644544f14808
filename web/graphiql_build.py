"""Builds GraphiQL from its locked npm project when something changed.

Run it as `python -m web.graphiql_build [--strict]`. It imports nothing heavy, because it runs
before every start. The server never needs it: without a build the page says what is missing.
"""

import fcntl
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from web.node import (
    NODE_WHEEL,
    ROOT,
    NodeError,
    NodeTools,
    digest,
    environment,
    install,
    node_tools,
    run,
    say,
)

PROJECT: Final = ROOT / "web" / "graphiql"

_SOURCES: Final = ("index.html", "vite.config.js", "package.json", "package-lock.json")
_FOLDERS: Final = ("src", "examples")
_BUILD_TIMEOUT_S: Final = 300


def main(argv: list[str] | None = None) -> int:
    """Builds when needed. The exit code is 0 even where that fails, unless `--strict`: then 1."""
    strict = "--strict" in (sys.argv[1:] if argv is None else argv)
    try:
        build()
    except (NodeError, OSError) as error:
        say(f"GraphiQL was not built: {error}\nThe server works without it; /graphql says so too.")
        return 1 if strict else 0
    return 0


def build(
    project: Path = PROJECT, *, find_tools: Callable[[], NodeTools | None] | None = None
) -> bool:
    """Brings `dist/` up to date; False when it was already. Raises NodeError."""
    if is_current(project):
        return False
    with _alone(project):
        if is_current(project):  # Another process built it while this one waited.
            return False
        tools = (find_tools or node_tools)()
        if not tools:
            raise NodeError(
                "it needs Node.js 20.19 or newer with npm. None was found, and the Python package "
                f"{NODE_WHEEL} could not be fetched. Install Node.js, then run `make graphiql`."
            )
        install(project, tools)
        _bundle(project, tools)
    return True


def is_current(project: Path = PROJECT) -> bool:
    """Whether `dist/` was built from exactly these sources."""
    stamp = project / "dist" / ".stamp"
    return stamp.is_file() and stamp.read_text() == sources_digest(project)


def sources_digest(project: Path = PROJECT) -> str:
    """A digest of the names and bytes of everything that the build reads, dependencies locked."""
    files = [project / name for name in _SOURCES]
    for folder in _FOLDERS:
        files += sorted(path for path in (project / folder).rglob("*") if path.is_file())
    return digest(project, files)


def _bundle(project: Path, tools: NodeTools) -> None:
    """Builds beside `dist/` and swaps, so that a running server never sees half a build."""
    say("Building GraphiQL…")
    wanted = sources_digest(project)
    vite = str(project / "node_modules" / "vite" / "bin" / "vite.js")
    with tempfile.TemporaryDirectory(dir=project, prefix=".build-") as folder:
        new, old = Path(folder) / "new", Path(folder) / "old"
        command = [tools.node, vite, "build", "--outDir", str(new), "--logLevel", "warn"]
        run(command, project, _BUILD_TIMEOUT_S, environment(tools))
        (new / ".stamp").write_text(wanted)
        dist = project / "dist"
        if dist.exists():
            dist.rename(old)
        new.rename(dist)


@contextmanager
def _alone(project: Path) -> Iterator[None]:
    """One build at a time, whichever processes ask for it."""
    try:
        lock = (project / ".build.lock").open("w")
    except OSError as error:
        raise NodeError(f"{project} cannot be written: {error.strerror}.") from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main())
