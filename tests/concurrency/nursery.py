"""A parent of `mela` processes that has imported everything once, so that one can be killed and
another be there in a moment: what it forks runs `cli.main` as the command does, with its own
settings, and is a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[2]
READY = "the nursery is ready"
START_TIMEOUT_S = 60.0


class Nursery:
    """Asks the parent to fork and to kill; one thing at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def start(
        self, arguments: Sequence[str], settings: Mapping[str, object], log: Path
    ) -> int:
        """`mela …` with MELA_… of these settings; its process id. It says what it says in `log`."""
        environment = {f"MELA_{name.upper()}": str(value) for name, value in settings.items()}
        order = {"arguments": list(arguments), "environment": environment, "log": str(log)}
        pid = await self._ask(order)
        assert isinstance(pid, int)
        return pid

    async def kill(self, pid: int) -> None:
        """SIGKILL: nothing is answered, closed or flushed. Fails if it had ended by itself."""
        status = await self._ask({"kill": pid})
        assert status == -signal.SIGKILL, f"process {pid} ended by itself: {status}"

    async def _ask(self, order: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        return json.loads(await asyncio.wait_for(self._process.stdout.readline(), 20))


@asynccontextmanager
async def nursery(log: Path) -> AsyncIterator[Nursery]:
    """A nursery whose children live no longer than it."""
    environment = {name: value for name, value in os.environ.items() if name[:5] != "MELA_"}
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.concurrency.nursery"),
            cwd=ROOT,
            env=environment | {"MELA_DEMO": "false", "MELA_LOG_FORMAT": "json"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        said = await asyncio.wait_for(process.stdout.readline(), START_TIMEOUT_S)
        assert json.loads(said or b'"nothing"') == READY, f"it says why in {log}"
        yield Nursery(process)
    finally:
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 20)


async def said(log: Path, words: re.Pattern[str]) -> re.Match[str]:
    """What a process says in its log, once it does; fails after a minute."""
    async with asyncio.timeout(START_TIMEOUT_S):
        while True:
            if found := words.search(await asyncio.to_thread(_text_of, log)):
                return found
            await asyncio.sleep(0.02)


def _text_of(log: Path) -> str:
    return log.read_text() if log.exists() else ""


def main() -> None:
    """The parent: an order a line, an answer a line, until there are no more."""
    import cli

    children: set[int] = set()
    _answer(READY)
    for line in sys.stdin:
        order = json.loads(line)
        if (pid := order.get("kill")) is not None:
            children.discard(pid)
            _answer(_killed(pid))
        elif (pid := os.fork()) == 0:
            _become(cli.main, order)
        else:
            children.add(pid)
            _answer(pid)
    for pid in children:
        _killed(pid)


def _answer(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _killed(pid: int) -> int:
    os.kill(pid, signal.SIGKILL)  # not yet waited for, so nobody else has this id
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _become(command: Any, order: Mapping[str, Any]) -> NoReturn:
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for theirs, ours in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(theirs, ours)
    os.environ.update(order["environment"])
    sys.argv = ["mela", *order["arguments"]]
    try:
        command()
    finally:
        sys.stdout.flush()
        os._exit(1)


if __name__ == "__main__":
    main()
