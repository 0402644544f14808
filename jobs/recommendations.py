"""Computes what goes with each title: one run at a time over all processes, and the model in a
process of its own, so that a server only hands pages on."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import structlog

from core.database import Database
from core.ids import new_id
from services.content import recommendations as rules

log = structlog.get_logger(__name__)

RUN_MAX_S = 1_800
"""After so long a run is given up."""
LINE_MAX = 2 << 20
"""Bytes of a line of the model's. Twice as many are in memory at most: then the model waits."""
_HOLD_EVERY_S = rules.LEASE_S / 5
_PROGRAM = "services.content.recommending_process"
_STATEMENTS = (rules.titles_page, rules.acts_page)


class ModelFailed(Exception):
    """The model's process ended with an error; what it wrote last is in the message."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run did: the titles it looked at, and those whose neighbours changed."""

    titles: int
    changed: int


async def refresh_recommendations(db: Database, *, again: bool = False) -> Run | None:
    """Compute all neighbours and keep those that changed. None while another run is on, or where
    nothing changed since the last (unless `again`). Raises `ModelFailed`, `TimeoutError`; what was
    kept until then stays, and the next run begins anew."""
    runner = new_id()
    made_from = await db.transaction(partial(rules.begin_run, runner=runner, again=again))
    if made_from is None:
        return None
    done = False
    try:
        async with asyncio.timeout(RUN_MAX_S), _held(db, runner), _model() as model:
            await _feed(db, model)
            run = await _keep(db, model, runner)
        done = True
        log.info("recommendations_computed", titles=run.titles, changed=run.changed)
        return run
    finally:
        made = made_from if done else None
        await asyncio.shield(db.transaction(partial(rules.end_run, runner=runner, made_from=made)))


@asynccontextmanager
async def _held(db: Database, runner: UUID) -> AsyncIterator[None]:
    """Say again and again that the run is on, also while the model thinks."""

    async def hold() -> None:
        while True:
            await asyncio.sleep(_HOLD_EVERY_S)
            await db.transaction(partial(rules.hold_run, runner=runner))

    task = asyncio.create_task(hold(), name="recommendations_held")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def _model() -> AsyncIterator[Process]:
    # One thread: as many as there are processors would leave none to requests.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    model = await asyncio.create_subprocess_exec(
        sys.executable, "-m", _PROGRAM, stdin=PIPE, stdout=PIPE, limit=LINE_MAX, env=environment
    )
    try:
        yield model
        if await model.wait() != 0:
            raise ModelFailed(f"exit code {model.returncode}")
    finally:
        if model.returncode is None:
            model.kill()
            await model.wait()


async def _feed(db: Database, model: Process) -> None:
    assert model.stdin is not None
    try:
        for statement in _STATEMENTS:
            async for page in _pages(db, statement):
                model.stdin.write(page.encode() + b"\n")
                await model.stdin.drain()
        model.stdin.close()
        await model.stdin.wait_closed()
    except (BrokenPipeError, ConnectionResetError):
        raise ModelFailed(f"ended early, exit code {await model.wait()}") from None


async def _pages(db: Database, statement: Callable[..., Any]) -> AsyncIterator[str]:
    after: UUID | None = None
    while True:
        async with db.read() as session:
            page, after = await statement(session, after=after)
        if after is None:
            return
        yield page


async def _keep(db: Database, model: Process, runner: UUID) -> Run:
    assert model.stdout is not None
    titles = changed = 0
    async for line in model.stdout:
        rows = line.decode()
        titles += rows.count('"title":')
        changed += await db.transaction(partial(rules.keep_neighbours, runner=runner, rows=rows))
    return Run(titles, changed)
