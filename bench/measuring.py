"""One run of the bench: rounds in which the servers take turns, one process at a time."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bench.processes import BenchError, ServerProcess, run_client, serving
from bench.workloads import QUERIES, W4, Workload
from bench.world import World
from core.ids import encode_id

SERVERS = ("plain", "mela")
Tell = Callable[[str], None]

_UUID = re.compile(r"^(?:[a-z]{3}_)?([0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12})$")
_MOMENT = re.compile(r"^\d{4}-\d\d-\d\dT")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured, and for how long. `stretch` multiplies the seconds of each measurement."""

    workloads: Sequence[str]
    rounds: int
    fan_out_rounds: int
    subscribers: Sequence[int]
    stretch: float = 1.0
    fan_out_s: float = 4.0
    rate: float = 2_000.0

    @property
    def queries(self) -> list[Workload]:
        """The workloads over HTTP."""
        return [query for query in QUERIES if query.key in self.workloads]

    @property
    def steps(self) -> int:
        """How often `tell` is called."""
        fan_outs = len(self.subscribers) if "w4" in self.workloads else 0
        both = self.rounds * len(self.queries) + self.fan_out_rounds * fan_outs
        return len(SERVERS) * both


@dataclass(slots=True)
class Measured:
    """What came of it, by server: each workload's rounds, each crowd's rounds."""

    queries: dict[str, dict[str, list[dict[str, Any]]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    fan_out: dict[str, dict[str, list[dict[str, Any]]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )


def measure(world: World, plan: Plan, tell: Tell) -> Measured:
    """Run the plan. Raises `BenchError` where the servers disagree, or an answer is an error."""
    measured = Measured()
    answers: dict[str, Any] = {}
    for number in range(plan.rounds if plan.queries else 0):
        for name in _order(number):
            with _server(name, world) as server:
                if number == 0:
                    answers[name] = {q.key: _answer(server, world, q) for q in plan.queries}
                    _same(answers)
                for query in plan.queries:
                    tell(f"round {number + 1}: {query.key.upper()} on {name}")
                    found = _measure_query(server, world, query, plan.stretch)
                    measured.queries[query.key][name].append(found)
    for number in range(plan.fan_out_rounds if "w4" in plan.workloads else 0):
        for crowd in plan.subscribers:
            for name in _order(number):
                tell(f"round {number + 1}: W4 to {crowd:,} subscribers on {name}")
                with _server(name, world) as server:
                    found = _measure_fan_out(server, world, crowd, plan)
                    measured.fan_out[str(crowd)][name].append(found)
    return measured


def _order(number: int) -> Sequence[str]:
    """Turns are taken by turns: whatever drifts on the machine meets both alike."""
    return SERVERS if number % 2 == 0 else SERVERS[::-1]


def _server(name: str, world: World) -> Any:
    environment = world.environment() | {"BENCH_CHANNEL": f"plain:{world.auction_id}"}
    return serving(name, environment, world.folder / f"{name}.log")


def _id(server: str, prefix: str, id: Any) -> str:
    return encode_id(prefix, id) if server == "mela" else str(id)


def _bodies(server: ServerProcess, world: World, query: Workload) -> list[dict[str, Any]]:
    return query.bodies([_id(server.name, "usr", id) for id in world.user_ids])


def _measure_query(
    server: ServerProcess, world: World, query: Workload, stretch: float
) -> dict[str, Any]:
    spec = {
        "port": server.port,
        "pid": server.pid,
        "bodies": _bodies(server, world, query),
        "connections": query.connections,
        "seconds": query.seconds * stretch,
    }
    return run_client("http_load", spec, timeout_s=400)


def _measure_fan_out(server: ServerProcess, world: World, crowd: int, plan: Plan) -> dict[str, Any]:
    publisher = {
        "server": server.name,
        "database_url": world.database_url,
        "redis_url": world.redis_url,
        "auction_id": str(world.auction_id),
        "bidder_ids": [str(id) for id in world.bidder_ids],
    }
    spec = {
        "port": server.port,
        "pid": server.pid,
        "text": W4,
        "auction_id_sent": _id(server.name, "auc", world.auction_id),
        "subscribers": crowd,
        "seconds": plan.fan_out_s * plan.stretch,
        "rate": plan.rate,
        "publisher": publisher,
    }
    return run_client("fan_out", spec, timeout_s=400)


def _answer(server: ServerProcess, world: World, query: Workload) -> list[Any]:
    bodies = _bodies(server, world, query)[:5]
    return [comparable(server.post(body)) for body in bodies]


def _same(answers: dict[str, Any]) -> None:
    """Who answers less would be quicker: both must say the same, cursors and spelling apart."""
    given = list(answers.values())
    for key in given[0]:
        if any(other[key] != given[0][key] for other in given):
            raise BenchError(f"the servers answer {key.upper()} differently")


def comparable(value: Any) -> Any:
    """An answer without what may differ: cursors, the ids' prefixes, how a moment is written."""
    if isinstance(value, dict):
        return {k: comparable(v) for k, v in value.items() if k not in ("cursor", "endCursor")}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if isinstance(value, str):
        if found := _UUID.match(value):
            return found[1].replace("-", "")
        if _MOMENT.match(value):
            return datetime.fromisoformat(value).timestamp()
    return value
