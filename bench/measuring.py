"""One run of the bench: rounds in which the servers take turns, one process at a time."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bench import node
from bench.processes import BenchError, ServerProcess, free_port, run_client, serving
from bench.workloads import FAN_OUT, QUERIES, Dialect, Workload, id_in
from bench.world import World

Tell = Callable[[str], None]

_UUID = re.compile(r"^(?:[a-z]{3}_)?([0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12})$")
_MOMENT = re.compile(r"^\d{4}-\d\d-\d\dT")
SHOWN_FIRST = 5
"""So many of a workload's answers are compared before it is measured."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A kind of server: how it is called, and in which words it is asked."""

    key: str
    title: str
    dialect: Dialect
    publisher: str = ""


SERVERS = {
    peer.key: peer
    for peer in (
        Peer("mela", "Mela", "mela"),
        Peer("core", "Mela, MELA_EXECUTOR=graphql-core", "mela", "mela"),
        Peer("plain", "Strawberry, SQLModel, DataLoader", "plain"),
        Peer("mercurius", "Mercurius, JIT", "flat"),
        Peer("yoga", "GraphQL Yoga, JIT", "flat"),
        Peer("limit", "by hand, Postgres makes the JSON", "limit"),
    )
}
NODE = node.NAMES


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
    servers: Sequence[str] = tuple(SERVERS)

    @property
    def queries(self) -> list[Workload]:
        """The workloads over HTTP."""
        return [query for query in QUERIES if query.key in self.workloads]

    @property
    def crowds(self) -> list[int]:
        """The fan-out's, the largest first: what a subscriber takes is weighed in a process that
        held none before."""
        return sorted(self.subscribers, reverse=True) if "w4" in self.workloads else []

    @property
    def steps(self) -> int:
        """How often `tell` is called."""
        each = self.rounds * len(self.queries) + self.fan_out_rounds * len(self.crowds)
        return len(self.servers) * each + ("inside" in self.workloads)


Rounds = dict[str, dict[str, list[dict[str, Any]]]]


def _rounds() -> Rounds:
    return defaultdict(lambda: defaultdict(list))


@dataclass(slots=True)
class Measured:
    """What came of it, by server: each workload's rounds, each crowd's rounds; `inside` is what was
    measured without a server."""

    queries: Rounds = field(default_factory=_rounds)
    fan_out: Rounds = field(default_factory=_rounds)
    inside: dict[str, Any] = field(default_factory=dict)


def measure(world: World, plan: Plan, tell: Tell) -> Measured:
    """Run the plan. Raises `BenchError` where the servers disagree, or an answer is an error."""
    for name in set(plan.servers) & set(NODE):
        node.installed(name)
    measured = Measured()
    answers: dict[str, dict[str, Any]] = defaultdict(dict)
    for number in range(plan.rounds):
        for name in _order(plan, number):
            for group in _groups(plan.queries, name):
                with _server(group[0], name, world) as server:
                    for query in group[1]:
                        if number == 0:
                            answers[query.key][name] = _answer(server, name, world, query)
                            _same(query.key, answers[query.key])
                        tell(f"round {number + 1}: {query.key.upper()} on {name}")
                        found = _measure_query(server, name, world, query, plan.stretch)
                        measured.queries[query.key][name].append(found)
    for number in range(plan.fan_out_rounds if plan.crowds else 0):
        for name in _order(plan, number):
            with _server(_command_key(name), name, world) as server:
                for crowd in plan.crowds:
                    tell(f"round {number + 1}: W4 to {crowd:,} subscribers on {name}")
                    found = _measure_fan_out(server, name, world, crowd, plan)
                    measured.fan_out[str(crowd)][name].append(found)
    if "inside" in plan.workloads:
        tell("inside: the executor without a server")
        spec = {"user_ids": [str(id) for id in world.user_ids], "stretch": plan.stretch}
        measured.inside = run_client(
            "inside", spec, timeout_s=400, environment=_environment("mela", world, 0)
        )
    return measured


def _order(plan: Plan, number: int) -> Sequence[str]:
    """Whose turn is first changes: whatever drifts on the machine meets all alike."""
    first = number % len(plan.servers)
    return [*plan.servers[first:], *plan.servers[:first]]


def _command_key(name: str) -> str:
    return "mela" if name == "core" else name


def _groups(queries: Sequence[Workload], name: str) -> list[tuple[str, list[Workload]]]:
    """Workloads by the process that serves them: entities are a subgraph's."""
    if SERVERS[name].dialect != "mela":
        return [(name, list(queries))] if queries else []
    plain = [query for query in queries if query.asks != "entities"]
    entities = [query for query in queries if query.asks == "entities"]
    pairs = (("mela", plain), ("mela-subgraph", entities))
    return [(command, group) for command, group in pairs if group]


@contextmanager
def _server(command: str, name: str, world: World) -> Iterator[ServerProcess]:
    port = free_port()
    environment = _environment(name, world, port)
    given = node.command_of(name) if name in NODE else None
    log = world.folder / f"{name}.log"
    with serving(command, environment, log, port=port, command=given) as server:
        yield server


def _environment(name: str, world: World, port: int) -> dict[str, str]:
    environment = world.environment() | {"BENCH_CHANNEL": f"plain:{world.auction_id}"}
    if name == "core":
        environment["MELA_EXECUTOR"] = "graphql-core"
    if name in NODE:
        environment |= node.environment_of(port, world.database_url, world.redis_url)
    return environment


def _measure_query(
    server: ServerProcess, name: str, world: World, query: Workload, stretch: float
) -> dict[str, Any]:
    spec = {
        "port": server.port,
        "pid": server.pid,
        "bodies": query.bodies(world.user_ids, SERVERS[name].dialect),
        "connections": query.connections,
        "seconds": query.seconds * stretch,
        "fewest": query.fewest,
    }
    return run_client("http_load", spec, timeout_s=400)


def _measure_fan_out(
    server: ServerProcess, name: str, world: World, crowd: int, plan: Plan
) -> dict[str, Any]:
    peer = SERVERS[name]
    publisher = {
        "server": peer.publisher or name,
        "database_url": world.database_url,
        "redis_url": world.redis_url,
        "auction_id": str(world.auction_id),
        "bidder_ids": [str(id) for id in world.bidder_ids],
    }
    spec = {
        "port": server.port,
        "pid": server.pid,
        "text": FAN_OUT[peer.dialect],
        "flat": peer.dialect in ("flat", "limit"),
        "auction_id_sent": id_in(peer.dialect, "auc", world.auction_id),
        "subscribers": crowd,
        "seconds": plan.fan_out_s * plan.stretch,
        "rate": plan.rate,
        "publisher": publisher,
    }
    return run_client("fan_out", spec, timeout_s=400)


def _answer(server: ServerProcess, name: str, world: World, query: Workload) -> list[Any]:
    bodies = query.bodies(world.user_ids, SERVERS[name].dialect)[:SHOWN_FIRST]
    return [comparable(server.post(body)) for body in bodies]


def _same(key: str, answers: dict[str, Any]) -> None:
    """Who answers less would be quicker: all must say the same, cursors and spelling apart."""
    [first, *others] = answers
    for name in others:
        if answers[name] != answers[first]:
            where = first_difference(answers[first], answers[name])
            raise BenchError(f"{name} answers {key.upper()} unlike {first}: {where}")


def first_difference(one: Any, other: Any, path: str = "") -> str:
    """Where two answers part, for people; empty where they do not."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        parts = (first_difference(one[k], other[k], f"{path}.{k}") for k in one)
        return next((part for part in parts if part), "")
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        parts = (first_difference(a, b, f"{path}[{n}]") for n, (a, b) in pairs)
        return next((part for part in parts if part), "")
    return "" if one == other else f"at {path}: {str(one)[:200]} and {str(other)[:200]}"


def comparable(value: Any) -> Any:
    """An answer without what may differ: cursors, the ids' prefixes, how a moment or an amount of
    money is written; page information that was not asked of all."""
    if isinstance(value, dict):
        if "minorUnits" in value:
            return int(value["minorUnits"])
        kept = {k: comparable(v) for k, v in value.items() if k not in ("cursor", "endCursor")}
        assets = [v["asset"] for v in value.values() if isinstance(v, dict) and "asset" in v]
        return kept | {"currency": assets[0]} if assets else kept
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if isinstance(value, str):
        if found := _UUID.match(value):
            return found[1].replace("-", "")
        if _MOMENT.match(value):
            # To the millisecond: Node's dates know no finer ones.
            moment = datetime.fromisoformat(value)
            return moment.replace(microsecond=moment.microsecond // 1000 * 1000).timestamp()
    return value
