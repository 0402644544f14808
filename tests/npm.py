"""npm projects of tests, installed from their lock files: one at a time, by whichever test process
comes first.
"""

import fcntl
import hashlib
import tempfile
from pathlib import Path

import pytest

from web.node import NodeError, NodeTools, install, node_tools


def node_with(project: Path, *, dev: bool = True) -> NodeTools:
    """Node and npm, once the project has the packages of its lock in its node_modules; without
    what only developing needs if not `dev`. Skips the test where there is no Node, nor can be.
    """
    tools = node_tools()
    if tools is None:
        pytest.skip("no Node.js 20.19 or newer, and its Python package could not be fetched")
    name = hashlib.sha256(str(project).encode()).hexdigest()[:16]
    with (Path(tempfile.gettempdir()) / f"mela-npm-{name}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        try:
            install(project, tools, dev=dev)
        except NodeError as error:
            pytest.fail(str(error))
    return tools
