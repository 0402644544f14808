"""Fresh operations through both executors: most over the hostile schema, some over the real one
on real rows. Each difference is told with its operation and seed, and kept for `make test`."""

from __future__ import annotations

import logging
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from execution import projecting
from execution.levels import level_executor
from tests.conformance.both_hostile import grow_hostile, hostile_difference
from tests.conformance.cases import REGRESSIONS, Case, keep
from tests.conformance.make_corpus import embedded_world

PLANS_KEPT = 500
"""Cases over the hostile schema that share plans; then a new store, as a new process has."""
STRIDE = 1_000_000
"""How far apart the seeds of two runs begin; the committed corpus has those below the first."""
REAL_SHARE = 0.25
"""Those over real rows take five times as long as those over the hostile schema."""
MOST_TOLD = 20
RUNS_AS_SERVED = projecting.MIN_RUNS


@dataclass(slots=True)
class Compared:
    """What came of it. `answered` counts operations of the real schema that got data."""

    operations: int = 0
    answered: int = 0
    differences: list[Case] = field(default_factory=list)


async def compare(count: int, seed: int, out: Console) -> Compared:
    """Compare so many operations, and tell `out` how far it is and what differs."""
    real = round(count * REAL_SHARE)
    _quieten()
    compared = Compared()
    shown = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*shown, TimeElapsedColumn(), console=out) as progress:
        first = seed * STRIDE
        for title, total, differences in (
            ("both executors, hostile schema", count - real, _hostile(first, count - real)),
            ("both executors, real schema", real, _real(first, real, compared)),
        ):
            task = progress.add_task(title, total=total)
            async for case, said in differences:
                compared.operations += 1
                progress.advance(task)
                if said is not None:
                    _tell(out, case, said, compared)
    out.print(
        f"{compared.operations:,} operations, {compared.answered:,} of the real schema's with data:"
        f" {len(compared.differences)} differences"
    )
    return compared


async def _hostile(first: int, count: int) -> AsyncIterator[tuple[Case, str | None]]:
    levels = level_executor()
    for n in range(count):
        if n % PLANS_KEPT == 0:
            levels = level_executor()
            _generate_code(at_once=n // PLANS_KEPT % 2 == 1)
        case = grow_hostile(first + n)
        yield case, await hostile_difference(case, levels)


async def _real(
    first: int, count: int, compared: Compared
) -> AsyncIterator[tuple[Case, str | None]]:
    if not count:
        return
    async with embedded_world() as world:
        for n in range(count):
            _generate_code(at_once=n % 2 == 1)
            case = world.grow(first + n)
            found, said = await world.compared(case)
            compared.answered += found.data is not None and any(found.data.values())
            yield case, said


def _generate_code(*, at_once: bool) -> None:
    """Let the executor generate code for each selection that it meets; or for what comes again,
    which of these operations none does."""
    projecting.MIN_RUNS = 0 if at_once else RUNS_AS_SERVED


def _tell(out: Console, case: Case, said: str, compared: Compared) -> None:
    compared.differences.append(case)
    if len(compared.differences) > MOST_TOLD:
        return
    keep(case)
    out.print(f"a difference (seed {case.seed}, {case.world} schema):", style="red", markup=False)
    out.print(f"{case.text}\nvariables {case.variables}\n{said[:4_000]}", markup=False)
    out.print(f"kept in {REGRESSIONS.name}, which make test runs: commit it with the mend")


def _quieten() -> None:
    """Refused operations are what is compared here, and no news."""
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    # graphql-core leaves coroutines behind where an error ends a selection before they began.
    warnings.filterwarnings("ignore", message="coroutine .* was never awaited")
