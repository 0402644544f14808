"""Hive Gateway in front of subgraphs that run here: for the trial and for tests. Installs what
`deploy/hive/package-lock.json` names."""

from __future__ import annotations

import os
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from web.node import NodeError, NodeTools, install_alone, node_tools
from web.ports import pick_port, port_of

HIVE = Path(__file__).resolve().parent / "hive"
START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 4.0

Subscriptions = Literal["ws", "sse"]


class GatewayError(Exception):
    """The gateway could not be had; the message says why."""


def hive_tools() -> NodeTools:
    """Node, with the gateway installed: by one process at a time. Raises `GatewayError`."""
    tools = node_tools()
    if tools is None:
        raise GatewayError("no Node.js 20.19 or newer, and its Python package could not be fetched")
    try:
        install_alone(HIVE, tools)
    except NodeError as error:
        raise GatewayError(str(error)) from error
    return tools


@contextmanager
def running_gateway(
    supergraph: Path,
    tools: NodeTools,
    *,
    port: int = 0,
    subscriptions: Subscriptions = "ws",
    log: Path,
) -> Iterator[str]:
    """Hive Gateway on this supergraph for as long as the block lasts; its address.

    `port` is the first to try; 0 takes any. Raises `GatewayError` when it does not answer in time.
    """
    listening = pick_port("127.0.0.1", port)
    port = port_of(listening)
    listening.close()  # The gateway binds by itself.
    script = HIVE / "node_modules" / "@graphql-hive" / "gateway" / "dist" / "bin.js"
    # Absolute: it runs in a folder of its own.
    command = [tools.node, str(script), "supergraph", str(supergraph.resolve())]
    command += ["--config-path", str(HIVE / "gateway.config.js")]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with log.open("ab") as out:
        process = subprocess.Popen(
            command,
            cwd=HIVE,
            env={**os.environ, "MELA_SUBSCRIPTIONS": subscriptions, "NODE_ENV": "production"},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is ours to pass on, in its turn.
        )
    try:
        _await_answer(process, f"http://127.0.0.1:{port}/readiness", log)
        yield f"http://127.0.0.1:{port}/graphql"
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_answer(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with opener.open(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    said = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text(errors="replace"))
    raise GatewayError(f"Hive Gateway did not start:\n{said[-2000:]}")
