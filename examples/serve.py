"""`python -m examples.serve`: the example page, beside the server that runs here."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from core.embedded import running_instance
from core.settings import Settings
from web.node import NodeError, environment, install, node_tools, say

PAGE = Path(__file__).resolve().parent / "web"


def main() -> None:
    """Replace this process by Vite's; options are Vite's. Says in a line why it cannot."""
    tools = node_tools()
    if tools is None:
        raise SystemExit("example: no Node.js 20.19 or newer, and it could not be fetched")
    try:
        install(PAGE, tools)
    except NodeError as error:
        raise SystemExit(f"example: {error}") from None
    env = environment(tools) | {"NODE_ENV": "development"}
    running = running_instance(Settings().state_dir)
    if "MELA_URL" not in env and running is not None and running.url:
        env["MELA_URL"] = running.url
    say(f"The page asks {env.get('MELA_URL', 'http://127.0.0.1:8000')} (MELA_URL).")
    vite = str(PAGE / "node_modules" / "vite" / "bin" / "vite.js")
    os.chdir(PAGE)
    os.execve(tools.node, [tools.node, vite, *sys.argv[1:]], env)


if __name__ == "__main__":
    main()
